"""Programs as files: the graph as text and its constants, in a zip file.

compiled.save("step.zip")
step = wl.load("step.zip")

A file may come from a stranger: it is parsed, verified and compiled; nothing in it is executed or
unpickled. The machine code in it runs only where this user's own cache signed it, for this graph,
this processor and this version (runtime/native/bundle.py); else it is not looked into, and the
graph is compiled. Nothing is unpacked either, and no entry lies in another, so that a small file
stays small: an array is read when the text names it, if it is there with the type that the text
says. What is not a file of this format is a ProgramError.
"""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..ir.errors import CompilerError, ProgramError
from ..ir.graph import Graph
from ..ir.parameters import Foreign
from ..ir.printing import print_graph
from ..ir.text import constants_of, parse
from ..ir.types import Type
from ..ir.verify import verify
from ..ops import nested as _nested  # noqa: F401  the registry that a text is read by
from ..settings import active, bytes_of
from ..trace import tree
from ..trace.arguments import exact
from ..trace.containers import is_registered
from ..trace.trace import Traced
from ..trace.tree import Structure
from .programs import Pairs

FORMATS = 1, 2  # the last is written; the first had no program
HEAD, TEXT, FOLDER, PROGRAM = "wonderland.json", "graph.txt", "constants/", "program"
HEAD_BYTES = 1 << 24  # at most: a million leaves
LOCAL_BYTES = 30  # at least, before an entry of a zip file
MAGIC_BYTES = 10  # of an .npy: its format, and the size of the header in the last two
CONTAINERS: dict[str, type] = {"dict": dict, "list": list, "tuple": tuple}


def save(
    traced: Traced,
    donated: Pairs,
    budget: int,
    static: tuple[int, ...],
    program: bytes | None,
    path: str | os.PathLike[str],
) -> None:
    """Writes a function; the file appears whole or not at all. `program` is for this machine."""
    graph = traced.graph
    constants = constants_of(graph)
    if calls := [x.name for x in constants.values() if isinstance(x, Foreign)]:
        raise ProgramError(f"save: a program without Python functions is required, got {calls[0]}")
    head = {
        "format": FORMATS[-1],
        "inputs": encoded(traced.inputs),
        "outputs": encoded(traced.outputs),
        "static": list(static),
        "donated": [list(pair) for pair in donated],
        "budget": budget,
    }
    beside = f"{os.fspath(path)}.{os.getpid()}.part"
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as file:
            file.writestr(HEAD, json.dumps(head))
            file.writestr(TEXT, print_graph(graph))
            if program is not None:
                file.writestr(PROGRAM, program)
            for digest, array in constants.items():
                content = io.BytesIO()
                np.lib.format.write_array(content, array, allow_pickle=False)
                file.writestr(entry_of(digest), content.getvalue())
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.remove(beside)


def read_archive(
    path: str | os.PathLike[str], types: Iterable[type], memory_budget: int | str | None
) -> tuple[Traced, Pairs, tuple[int, ...], int, bytes | None]:
    """What `save` wrote: a function, its donations, its static arguments, the bytes it may take,
    and what is claimed to be its program."""
    asked = None if memory_budget is None else bytes_of(memory_budget)
    name = os.path.basename(os.fspath(path))
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise ProgramError("a file is required")  # a pipe would be waited for
        with zipfile.ZipFile(path) as file:
            traced, static, donated, budget = content(file, {t.__qualname__: t for t in types})
            program = program_in(file)
    except (ProgramError, CompilerError) as error:
        raise ProgramError(f"load: {name}: {error.args[0]}") from None
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise damaged(name, error) from None
    except (
        zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, IndexError,
        OverflowError, RecursionError, MemoryError, NotImplementedError, RuntimeError, EOFError,
    ) as error:  # fmt: skip
        raise damaged(name, error) from None
    limit = (budget or active().memory_budget) if asked is None else asked
    return traced, donated, static, limit, program


def damaged(name: str, error: BaseException) -> ProgramError:
    said = f"{type(error).__name__}: {error}"
    return ProgramError(f"load: {name} is no file that save wrote, or it is damaged ({said:.200})")


def content(
    file: zipfile.ZipFile, types: Mapping[str, type]
) -> tuple[Traced, tuple[int, ...], tuple[tuple[int, int], ...], int]:
    """What a file says, checked."""
    entries = entries_of(file)
    if entries[HEAD].file_size > HEAD_BYTES:
        raise ProgramError(f"a head of at most {HEAD_BYTES} bytes is required")
    head = json.loads(file.read(HEAD))
    if head["format"] not in FORMATS:
        raise ProgramError(f"format {FORMATS[-1]} is required, got {head['format']!r:.20}")
    names = (n.removeprefix(FOLDER).removesuffix(".npy") for n in entries if n.startswith(FOLDER))
    constants = {name: partial(array_of, file, name) for name in names}
    graph = verify(parse(file.read(TEXT).decode(), constants))
    if unread := constants.keys() - constants_of(graph).keys():
        raise ProgramError(f"an array that the text does not name, {min(unread)!r:.80}")
    inputs, outputs = decoded(head["inputs"], types), decoded(head["outputs"], types)
    if (inputs.size, outputs.size) != (len(graph.inputs), len(graph.outputs)):
        raise ProgramError("as many leaves as inputs and outputs of the graph are required")
    static = tuple(number_below(i, 1 << 16) for i in head["static"])
    budget = number_below(head.get("budget", 0), 1 << 63)
    return (
        Traced(graph, inputs, outputs),
        static,
        tuple(donation_pairs(head["donated"], graph)),
        budget,
    )


def entries_of(file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by name: as `save` writes them, each once, and apart from each other."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in file.infolist():
        name = info.filename
        known = name in (HEAD, TEXT, PROGRAM) or name == entry_of(name[len(FOLDER) : -len(".npy")])
        plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
        if name in found or not (known and plain and info.file_size == info.compress_size):
            raise ProgramError(f"an entry that save does not write, {name!r:.80}")
        found[name] = info
    assert file.fp is not None
    end = file.fp.seek(0, os.SEEK_END)
    for info in sorted(found.values(), key=lambda i: i.header_offset, reverse=True):
        if info.header_offset + LOCAL_BYTES + info.file_size > end:
            raise ProgramError(
                f"an entry lies in another, or beyond the end: {info.filename!r:.80}"
            )
        end = info.header_offset
    return found


def program_in(file: zipfile.ZipFile) -> bytes | None:
    """The entry that nobody looks into before its signature is known to be right."""
    try:
        return file.read(PROGRAM)
    except (KeyError, zipfile.BadZipFile):
        return None


def entry_of(digest: str) -> str:
    return f"{FOLDER}{digest}.npy"


def array_of(file: zipfile.ZipFile, digest: str, type: Type) -> np.ndarray:
    """The array of a hash, which the text says is of a type: exactly what `save` writes of one."""
    header = io.BytesIO()
    kind = {"descr": np.lib.format.dtype_to_descr(type.numpy), "fortran_order": False}
    np.lib.format.write_array_header_1_0(header, {**kind, "shape": type.shape})
    info = file.getinfo(entry_of(digest))
    with file.open(info) as entry:
        start = entry.read(MAGIC_BYTES)
        size = int.from_bytes(start[-2:], "little")
        given = start[:-2] + entry.read(size)
        wanted = header.getvalue()[: MAGIC_BYTES - 2] + header.getvalue()[MAGIC_BYTES:]
        fits = info.file_size == MAGIC_BYTES + size + type.nbytes
        if not fits or given.split() != wanted.split():  # NumPy may fill up with more spaces
            raise ProgramError(f"the array {digest:.80} is no {type}")
        return np.frombuffer(entry.read(), type.numpy).reshape(type.shape)


def number_below(value: Any, below: int) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise ProgramError(f"a number below {below} is required, got {value!r:.40}")
    return value


def donation_pairs(donations: Any, graph: Graph) -> Iterable[tuple[int, int]]:
    """Donations: an input and an output of one type, each once."""
    seen: set[tuple[str, int]] = set()
    for i, o in donations:
        i, o = number_below(i, len(graph.inputs)), number_below(o, len(graph.outputs))
        if graph.inputs[i].type != graph.outputs[o].type or {("i", i), ("o", o)} & seen:
            raise ProgramError(f"input {i} cannot be donated to output {o}")
        seen |= {("i", i), ("o", o)}
        yield i, o


# ---------------------------------------------------------------- structures


def encoded(structure: Structure) -> Any:
    """A structure as JSON: null for a leaf, else the container, its data and its children."""
    container, data, children = structure
    if container is None:
        return None
    inside = [encoded(c) for c in children]
    if container is type(None):
        return ["None", [], []]
    if container in CONTAINERS.values():
        kind = container.__name__
    else:
        kind = f"class {container.__qualname__}"
        data = [list(tree.fields_of(container)), list(data[: len(tree.static_of(container))])]
    if is_registered(container):
        raise ProgramError(
            "save: containers that are dicts, lists, tuples, named tuples or dataclasses are "
            f"required, got {container.__name__}"
        )
    for x in data if kind == "dict" else data[1] if kind.startswith("class") else ():
        if type(x) not in (str, int, float, bool, type(None)):
            raise ProgramError(
                f"save: keys and static fields of strings or numbers are required, got {x!r:.60}"
            )
    return [kind, list(data), inside]


def decoded(code: Any, types: Mapping[str, type]) -> Structure:
    """The structure that `encoded` wrote."""
    if code is None:
        return tree.structure(0)
    kind, data, inside = code
    name = kind.removeprefix("class ")
    if name not in (*CONTAINERS, "None", *types):
        raise ProgramError(f"it has a {name:.60}; try: wl.load(path, types=({name:.60},))")
    children = tuple(decoded(c, types) for c in inside)
    if kind == "None":
        return tree.structure(None)
    if kind in CONTAINERS:
        keys = tuple(data) if kind == "dict" else ()
        if kind == "dict" and (
            len(keys) != len(children)
            or keys != tuple(sorted(set(keys)))
            or any(type(k) not in (str, int, float, bool) for k in keys)
        ):
            raise ProgramError(f"keys of a dict in order are required, got {data!r:.60}")
        return Structure((CONTAINERS[kind], keys, children))
    fields, static = data
    own = tree.fields_of(types[name]), len(tree.static_of(types[name]))
    if own != (tuple(fields), len(static)) or len(fields) != len(children):
        raise ProgramError(f"a {name} of the fields {', '.join(fields):.200} is required")
    return Structure((types[name], (*static, *map(exact, static)), children))
