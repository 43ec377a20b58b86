"""Programs as files: the graph as text and its constants, in a zip file.

compiled.save("step.zip")
step = wl.load("step.zip")

A file may come from a stranger: it is parsed, verified and compiled; nothing in it is executed or
unpickled, and nothing is unpacked, so that a small file stays small. What is not a file of this
format is a ProgramError.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from . import nested as _nested  # noqa: F401  the registry that a text is read by
from . import tree
from .errors import CompilerError, ProgramError
from .executable import Executable
from .ir import Foreign, Graph
from .settings import active, bytes_of
from .text import constants_of, parse, print_graph
from .trace import Traced
from .tree import Structure
from .verify import verify

FORMAT = 1
HEAD, TEXT, FOLDER = "wonderland.json", "graph.txt", "constants/"
CONTAINERS: dict[str, type] = {"dict": dict, "list": list, "tuple": tuple}


def save(executable: Executable, path: str | os.PathLike[str]) -> None:
    """Writes an executable; the file appears whole or not at all."""
    graph = executable.traced.graph
    constants = constants_of(graph)
    if calls := [x.name for x in constants.values() if isinstance(x, Foreign)]:
        raise ProgramError(f"save: a program without Python functions is required, got {calls[0]}")
    head = {
        "format": FORMAT,
        "inputs": encoded(executable.traced.inputs),
        "outputs": encoded(executable.traced.outputs),
        "static": list(executable.static),
        "donated": [list(pair) for pair in executable.compiled.plan.donated],
        "budget": executable.compiled.budget,
    }
    beside = f"{os.fspath(path)}.{os.getpid()}.part"
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as file:
            file.writestr(HEAD, json.dumps(head))
            file.writestr(TEXT, print_graph(graph))
            for digest, array in constants.items():
                content = io.BytesIO()
                np.lib.format.write_array(content, array, allow_pickle=False)
                file.writestr(f"{FOLDER}{digest}.npy", content.getvalue())
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.remove(beside)


def load(
    path: str | os.PathLike[str],
    types: Iterable[type] = (),
    *,
    memory_budget: int | str | None = None,
) -> Executable:
    """The executable of a file that `save` wrote.

    `types`: the named tuples and dataclasses among its arguments and results; a file names them,
    but never brings them. A program keeps its budget of memory, which counts the threads of the
    machine that loads it; `memory_budget` is another one, 0 none.
    """
    asked = None if memory_budget is None else bytes_of(memory_budget)
    name = os.path.basename(os.fspath(path))
    try:
        with zipfile.ZipFile(path) as file:
            traced, static, donated, budget = content(file, {t.__qualname__: t for t in types})
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
    from .pipeline import compile_graph  # brings the back end

    limit = (budget or active().memory_budget) if asked is None else asked
    return Executable(traced, compile_graph(traced.graph, donated=donated, budget=limit), static)


def damaged(name: str, error: BaseException) -> ProgramError:
    said = f"{type(error).__name__}: {error}"
    return ProgramError(f"load: {name} is no file that save wrote, or it is damaged ({said:.200})")


def content(
    file: zipfile.ZipFile, types: Mapping[str, type]
) -> tuple[Traced, tuple[int, ...], tuple[tuple[int, int], ...], int]:
    """What a file says, checked."""
    entries = {info.filename: info for info in file.infolist()}
    for info in entries.values():
        known = info.filename in (HEAD, TEXT) or info.filename.startswith(FOLDER)
        if not known or info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ProgramError(f"an entry that save does not write, {info.filename!r:.80}")
    head = json.loads(file.read(HEAD))
    if head["format"] != FORMAT:
        raise ProgramError(f"format {FORMAT} is required, got {head['format']!r:.20}")
    constants = {
        os.path.splitext(entry.removeprefix(FOLDER))[0]: np.lib.format.read_array(
            io.BytesIO(file.read(entry)), allow_pickle=False
        )
        for entry in entries
        if entry.startswith(FOLDER)
    }
    graph = verify(parse(file.read(TEXT).decode(), constants))
    inputs, outputs = decoded(head["inputs"], types), decoded(head["outputs"], types)
    if (inputs.size, outputs.size) != (len(graph.inputs), len(graph.outputs)):
        raise ProgramError("as many leaves as inputs and outputs of the graph are required")
    static = tuple(whole(i, 1 << 16) for i in head["static"])
    budget = whole(head.get("budget", 0), 1 << 63)
    return Traced(graph, inputs, outputs), static, tuple(pairs(head["donated"], graph)), budget


def whole(value: Any, below: int) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise ProgramError(f"a number below {below} is required, got {value!r:.40}")
    return value


def pairs(given: Any, graph: Graph) -> Iterable[tuple[int, int]]:
    """Donations: an input and an output of one type, each once."""
    seen: set[tuple[str, int]] = set()
    for i, o in given:
        i, o = whole(i, len(graph.inputs)), whole(o, len(graph.outputs))
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
        data = [list(tree.fields_of(container)), list(data)]
    for x in data if kind == "dict" else data[1] if kind.startswith("class") else ():
        if type(x) not in (str, int, float, bool, type(None)):
            raise ProgramError(
                f"save: keys and static fields of strings or numbers are required, got {x!r:.60}"
            )
    return [kind, list(data), inside]


def decoded(given: Any, types: Mapping[str, type]) -> Structure:
    """The structure that `encoded` wrote."""
    if given is None:
        return tree.structure(0)
    kind, data, inside = given
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
    if tree.fields_of(types[name]) != tuple(fields) or len(fields) != len(children):
        raise ProgramError(f"a {name} of the fields {', '.join(fields):.200} is required")
    return Structure((types[name], tuple(static), children))
