"""Times of the rows of a call, while it runs as ever: the same waves, on the same threads."""

from __future__ import annotations

import ctypes
import functools
import inspect
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..native import atomic, objects
from ..native.atomic import ATOMIC
from ..rows import CalledRow, Row, RowTime, inner_rows
from . import clocked
from .memory import aligned_array

LOOKS = 1000  # at the clock, to know what one costs
CHUNK_SECONDS = 1e-9  # that a chunk takes at least, however long the looks around it took


@functools.cache
def clocked_functions() -> Mapping[str, int]:
    """The addresses of the functions of clocked.py."""
    return objects.functions(inspect.getsource(clocked), ATOMIC, inspect.getsource(atomic))


@functools.cache
def look_seconds() -> float:
    """What a look at the clock costs, the least of several times."""
    looks = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(clocked_functions()["looks"])
    return min(looks(LOOKS) for _ in range(5)) / LOOKS / 1e9


@dataclass(frozen=True)
class RowReading:
    """A row in a call: when it began and ended, in seconds, those of all threads together, chunks
    that the clock was looked at twice for, and how often the row ran."""

    begin: float
    end: float
    busy: float
    chunks: float
    runs: float


class Stopwatch:
    """Argument blocks of `clocked` for the kernels of a context, and what calls of Python took."""

    def __init__(self) -> None:
        self.blocks: dict[int, list[np.ndarray]] = {}  # by identity of the row
        self.hosts: dict[int, list[tuple[float, float]]] = {}

    def around(self, row: Row, code: tuple[int, int]) -> tuple[int, int]:
        """In place of machine code and argument block those that call them by the clock."""
        block = aligned_array(clocked.CLOCKED_BYTES).view(np.int64)
        block[:] = 0
        block[clocked.CODE // 8], block[clocked.CODE_ARGS // 8] = code
        self.blocks.setdefault(id(row), []).append(block)
        return clocked_functions()["clocked"], block.ctypes.data

    def start(self) -> None:
        """Forgets the call before."""
        self.hosts.clear()
        for blocks in self.blocks.values():
            for block in blocks:
                block[clocked.BEGUN // 8 :] = 0

    def host(self, row: CalledRow, begin: float) -> None:
        """A call of Python that is done now."""
        self.hosts.setdefault(id(row), []).append((begin, time.monotonic()))

    def times(self, rows: Sequence[Row]) -> tuple[tuple[RowTime, ...], ...]:
        """Those of each wave, whose rows share the wall clock; none of rows that did not run."""
        found: list[tuple[RowTime, ...]] = []
        for number, wave in enumerate(waves(rows)):
            readings = self.readings(wave)
            known = self.shared(readings, wall_seconds(readings), number) if readings else ()
            found.append(tuple(known))
        return tuple(found)

    def readings(self, rows: Iterable[Row]) -> list[tuple[Row, RowReading]]:
        return [(row, found) for row in rows if (found := self.reading(row)) is not None]

    def reading(self, row: Row) -> RowReading | None:
        """None of a row that did not run."""
        if isinstance(row, CalledRow):
            spans = self.hosts.get(id(row), [])
            if not spans:
                return None
            busy = sum(end - begin for begin, end in spans)
            return RowReading(spans[0][0], spans[-1][1], busy, 0.5, len(spans))
        inside = [read for each in inner_rows(row) for _, read in self.readings(each)]
        begun = [b for b in self.blocks.get(id(row), []) if b[clocked.BEGUN // 8]]
        if begun:
            words = np.sum(begun, axis=0)
            chunks = float(words[clocked.CHUNKS_DONE // 8])
            looks = chunks + 2 * sum(read.chunks for read in inside)
            spent = words[clocked.SPENT // 8] / 1e9 - looks * look_seconds()
            return RowReading(
                min(b[clocked.BEGUN // 8] for b in begun) / 1e9,
                max(b[clocked.ENDED_AT // 8] for b in begun) / 1e9,
                max(spent, chunks * CHUNK_SECONDS),
                (looks + chunks) / 2,
                words[clocked.POINTS_DONE // 8] / max(getattr(row, "points", 1), 1),
            )
        if not inside:
            return None
        begin, end = min(r.begin for r in inside), max(r.end for r in inside)
        return RowReading(begin, end, sum(r.busy for r in inside), sum(r.chunks for r in inside), 1)

    def shared(
        self, readings: Sequence[tuple[Row, RowReading]], seconds: float, wave: int
    ) -> Iterator[RowTime]:
        """Seconds that rows share by how long threads were at each."""
        total = sum(read.busy for _, read in readings)
        for row, read in readings:
            own = seconds * read.busy / total
            groups = [self.readings(each) for each in inner_rows(row)]
            spent = [sum(r.busy for _, r in group) for group in groups]
            inner = tuple(
                tuple(self.shared(group, own * part / sum(spent), wave))
                for group, part in zip(groups, spent, strict=True)
            )
            yield RowTime(row, own, read.busy, read.runs, wave, inner)


def wall_seconds(readings: Sequence[tuple[Row, RowReading]]) -> float:
    """Of a wave from its first chunk to the end of its last, without the looks in between."""
    begin, end = min(r.begin for _, r in readings), max(r.end for _, r in readings)
    looks = max(2 * sum(r.chunks for _, r in readings) - 1, 0)
    busy = sum(r.busy for _, r in readings)
    threads = max(1.0, busy / max(end - begin, CHUNK_SECONDS))
    return max(end - begin - looks / threads * look_seconds(), busy / threads)


def wave_seconds(times: Iterable[RowTime]) -> float:
    return sum(time.seconds for time in times)


def waves(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows that run at the same time."""
    wave: list[Row] = []
    for row in rows:
        wave.append(row)
        if getattr(row, "barrier", True):
            yield wave
            wave = []
    if wave:
        yield wave
