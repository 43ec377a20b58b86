"""Programs on disk: a second process traces a function, finds its program and runs it.

A program is found by a hash of all that decides it: the content of the graph as it was traced, the
donations, the budget of memory, the processor, the versions of Python and of the libraries that
compile, and the state of this package's sources. It lies in the cache of machine code (a private
folder, files whole or not at all, those used longest ago go) as `<hash>.program`: a line of JSON,
this hash and what the runtime takes (runtime/cpu/record.py), and behind it the arrays that are none
of the graph's. What is missing, damaged, another user's or in another's place, machine code
included, is compiled again.

Programs that call Python, have ops of the user's, or run on a GPU are compiled in every process; so
is everything while the settings `verify` or `dump` ask for the passes.

The state of the sources is the place, size and times of every file: about 2 ms, where to read them
takes 9. The system sets the time of change itself, so no edit is missed; and where a file changed
after the package was imported, nobody knows what runs: then nothing is read or kept.
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.digest import graph_hash
from ..ir.errors import ProgramError
from ..ir.graph import Graph
from ..ir.text import constants_of
from ..settings import active
from ..trace.tracer import Recomputed
from ..transform.node_reference import NodeReference
from .back_end import records

if TYPE_CHECKING:
    from ...runtime.cpu.program import Program
    from ...runtime.cpu.record import ProgramRecord

IMPORTED = time.time()
PACKAGE = Path(__file__).parent.parent.parent
ROOMS = "compiler", "runtime"
KIND = ".program"
Pairs = tuple[tuple[int, int], ...]
MOST_BYTES = 1 << 26  # of arrays that passes computed: a program with more is compiled again


@dataclass(frozen=True, eq=False)
class KeptProgram:
    """A program that was kept, and which turns of loops its function was traced to run again."""

    record: ProgramRecord
    program: Program
    recomputed: Recomputed


@dataclass(frozen=True, eq=False)
class ProgramPlace:
    """Where the program of a graph is kept."""

    graph: Graph
    key: str

    @classmethod
    def of(
        cls, graph: Graph, donated: Pairs, budget: int = 0, fitted: bool = False
    ) -> ProgramPlace | None:
        """None where it is not kept.

        `fitted`: within the budget it may be the program of another trace of the function.
        """
        asked = active()
        if asked.verify or asked.dump:
            return None
        records()
        from ...runtime.native import objects

        if objects.folder() is None or (state := compiler_state()) is None:
            return None
        if (content := graph_hash(graph)) is None:
            return None
        limit = [budget, fitted, thread_number()] if budget else []
        whole = [content, repr(donated), repr(limit), state, objects.target_key(), *machine()]
        return cls(graph, hashlib.sha256("\n".join(whole).encode()).hexdigest())

    def kept(self) -> KeptProgram | None:
        """The program, if it is whole and its machine code is there."""
        from ...runtime.native import objects

        data = objects.read(self.key + KIND)
        found = None if data is None else program_of(data, self)
        if found is not None:
            objects.use(self.key + KIND)
        return found

    def keep(self, recomputed: Recomputed, record: ProgramRecord) -> None:
        """Keeps the program of a trace, if it can be, silently."""
        from ...runtime.native import objects

        if compiler_state() is not None and (data := content_of(record, self, recomputed)):
            objects.sweep()
            objects.write(self.key + KIND, data)

    def packed(self, record: ProgramRecord) -> bytes | None:
        """The program and its machine code for a file, signed; None where that cannot be."""
        from ...runtime.native import bundle

        program = content_of(record, self, Recomputed())
        code = bundle.packed_code(record.kernels)
        if program is None or code is None:
            return None
        head = json.dumps([self.key, len(program)]).encode()
        return bundle.with_signature(b"\n".join([head, program + code]))

    def unpacked(self, data: bytes) -> KeptProgram | None:
        """The program of a file, if this user signed it and it is the one of this place."""
        from ...runtime.native import bundle, objects

        if (found := bundle.signed_content(data)) is None:
            return None
        line, _, rest = found.partition(b"\n")
        key, size = json.loads(line)
        if key != self.key:
            return None
        bundle.unpacked_code(rest[size:])
        objects.write(self.key + KIND, rest[:size])
        return self.kept()


@cache
def machine() -> tuple[str, ...]:
    """What passes read beside the graph: caches, and the libraries that compute constants."""
    from ...runtime.native.processor_caches import cache_sizes

    return repr(cache_sizes()), np.__version__, sys.version


def thread_number() -> int:
    from ...runtime.cpu.executor import thread_count

    return thread_count()


def compiler_state() -> str | None:
    """A hash of the package's sources as they were imported; None where that is not known."""
    found: list[str | int] = []
    try:
        for path, facts in source_files(str(PACKAGE / room) for room in ROOMS):
            if facts.st_mtime > IMPORTED or facts.st_ctime > IMPORTED:
                return None
            found += path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
    except OSError:
        return None
    return hashlib.sha256(repr(found).encode()).hexdigest() if found else None


def source_files(folders: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Every file of Python in folders, in the order of names. Errors: OSError."""
    stack = [*folders]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in sorted(entries, key=operator.attrgetter("name")):
                if entry.name.endswith(".py"):
                    yield entry.path, entry.stat()
                elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                    stack.append(entry.path)


# ---------------------------------------------------------------- files


def content_of(record: ProgramRecord, of: ProgramPlace, recomputed: Recomputed) -> bytes | None:
    """A program as the file of a place has it; None where it has no text."""
    given = constants_of(of.graph) if record.constants else {}
    made = {digest: a for digest, a in record.constants.items() if digest not in given}
    code = records().record_code(record)
    if code is None or sum(a.nbytes for a in made.values()) > MOST_BYTES:
        return None
    arrays = [[digest, a.dtype.name, list(a.shape)] for digest, a in made.items()]
    whole = {"key": of.key, "program": code, "arrays": arrays, "recomputed": list(recomputed)}
    head = json.dumps(whole, default=operator.index)  # numbers may be NumPy's
    return b"\n".join([head.encode(), b"".join(a.tobytes() for a in made.values())])


def program_of(data: bytes, of: ProgramPlace) -> KeptProgram | None:
    """The program of a file, loaded; None where it is of no use, or another place's."""
    from ...runtime.native import objects

    try:
        line, _, rest = data.partition(b"\n")
        head = json.loads(line)
        if head["key"] != of.key:
            return None
        arrays = constants_of(of.graph) if head["program"]["constants"] else {}
        arrays |= dict(arrays_behind(rest, head["arrays"]))
        record = records().record_read(head["program"], arrays, cache(NodeReference.read))
        part, levels = head["recomputed"]
    except (ProgramError, ValueError, KeyError, TypeError, IndexError, AttributeError,
            RecursionError):  # fmt: skip
        return None
    addresses = objects.known_code(record.kernels)
    if addresses is None:
        return None
    return KeptProgram(record, record.program(addresses), Recomputed(part, levels))


def arrays_behind(data: bytes, kinds: list[Any]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays that lie behind each other in bytes, by hash."""
    start = 0
    for digest, name, shape in kinds:
        dtype, count = np.dtype(name), int(np.prod(shape, dtype=np.int64))
        yield digest, np.frombuffer(data, dtype, count, start).reshape(shape).copy()
        start += count * dtype.itemsize
