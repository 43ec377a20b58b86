"""Who touched memory, and whether a barrier lies between: races of shared and of global memory.

A cell is the smallest access of the program. Each knows its last writer, the lowest and the highest
thread that read it, and when. Barriers move the time before which everything of a block or, with
bar.warp.sync, of a warp is in order; threads of different blocks are never in order.
"""

from __future__ import annotations

import numpy as np

from .faults import Race
from .formats import Array

ATOMIC = -2  # in place of a writer: threads that do not race with each other
NOBODY = -1
FAR = np.int64(1 << 60)


class Order:
    """The barriers of a launch; threads are counted through all blocks."""

    def __init__(self, threads_per_block: int, blocks: int) -> None:
        self.size = threads_per_block
        self.warps = -(-threads_per_block // 32)
        self.now = 0
        self.block = np.full(blocks, -1, np.int64)
        self.warp = np.full(blocks * self.warps, -1, np.int64)

    def warp_of(self, threads: Array) -> Array:
        return threads // self.size * self.warps + threads % self.size // 32

    def holds(self, threads: Array, others: Array, since: Array) -> Array:
        """Whether a barrier lies between what others did then and what threads do now."""
        block = threads // self.size
        in_block = (others // self.size == block) & (since <= self.block[block])
        warp = self.warp_of(threads)
        return in_block | ((self.warp_of(others) == warp) & (since <= self.warp[warp]))


class Accesses:
    """The accesses to the cells of one memory."""

    def __init__(self, nbytes: int, cell: int, order: Order, name: str) -> None:
        self.order, self.cell, self.name = order, cell, name
        cells = -(-nbytes // cell)
        self.writer = np.full(cells, NOBODY, np.int64)
        self.lowest = np.full(cells, FAR)
        self.highest = np.full(cells, NOBODY, np.int64)
        self.written = np.full(cells, -1, np.int64)
        self.read = np.full(cells, -1, np.int64)

    def loads(self, index: Array, threads: Array, size: int, offsets: Array) -> None:
        """Threads, which ascend, read `size` bytes from `index` on; messages say `offsets`."""
        self.order.now += 1
        for part in range(0, size, self.cell):
            cells = (index + part) // self.cell
            self._check_writer(cells, threads, offsets, "reads")
            self._note_readers(cells, threads)

    def stores(self, index: Array, threads: Array, size: int, offsets: Array) -> None:
        self.order.now += 1
        for part in range(0, size, self.cell):
            cells = (index + part) // self.cell
            self._check_writer(cells, threads, offsets, "writes")
            self._check_readers(cells, threads, offsets)
            self.writer[cells] = threads
            self.written[cells] = self.order.now

    def stored(self, index: Array, threads: Array, size: int, offsets: Array, kept: Array) -> None:
        """After a store: whose value was not `kept` lost it to another of the same instruction."""
        if kept.all():
            return
        cells = index // self.cell
        lost = ~kept & (self.writer[cells] != threads)
        if lost.any():
            k = int(np.argmax(lost))
            raise self._race(offsets, threads, k, "writes", int(self.writer[cells[k]]), "writes")

    def updates(self, index: Array, threads: Array, size: int, offsets: Array) -> None:
        """Reads and writes that others do not interrupt."""
        self.order.now += 1
        for part in range(0, size, self.cell):
            cells = (index + part) // self.cell
            self._check_writer(cells, threads, offsets, "updates", atomic=True)
            self._check_readers(cells, threads, offsets)
            self.writer[cells] = ATOMIC
            self.written[cells] = self.order.now

    def _check_writer(
        self, cells: Array, threads: Array, offsets: Array, verb: str, atomic: bool = False
    ) -> None:
        writer = self.writer[cells]
        foreign = (writer != threads) & (writer != NOBODY)
        if atomic:
            foreign &= writer != ATOMIC
        if not foreign.any():
            return
        # an atomic access has no thread: it is taken for one of the block
        known = np.where(writer == ATOMIC, threads, writer)
        bad = foreign & ~self.order.holds(threads, known, self.written[cells])
        if bad.any():
            k = int(np.argmax(bad))
            raise self._race(offsets, threads, k, verb, int(writer[k]), "writes")

    def _check_readers(self, cells: Array, threads: Array, offsets: Array) -> None:
        low, high, since = self.lowest[cells], self.highest[cells], self.read[cells]
        foreign = ((low < threads) | (high > threads)) & (high != NOBODY)
        if not foreign.any():
            return
        bad = foreign & ~self._readers_before(threads, low, high, since)
        if bad.any():
            k = int(np.argmax(bad))
            other = low if low[k] < threads[k] else high
            raise self._race(offsets, threads, k, "writes", int(other[k]), "reads")

    def _note_readers(self, cells: Array, threads: Array) -> None:
        low, high, since = self.lowest[cells], self.highest[cells], self.read[cells]
        old = self._readers_before(threads, low, high, since)
        low = np.minimum(np.where(old, FAR, low), threads)
        high = np.maximum(np.where(old, NOBODY, high), threads)
        # threads ascend: of several that read one cell the lowest must win here, the highest there
        self.lowest[cells[::-1]] = low[::-1]
        self.highest[cells] = high
        self.read[cells] = self.order.now

    def _readers_before(self, threads: Array, low: Array, high: Array, since: Array) -> Array:
        first = self.order.holds(threads, np.minimum(low, high), since)
        return first & self.order.holds(threads, high, since)

    def _race(
        self, offsets: Array, threads: Array, k: int, verb: str, other: int, other_verb: str
    ) -> Race:
        thread, size = int(threads[k]), self.order.size
        if other == ATOMIC:
            who = "an atomic access"
        elif other // size == thread // size:
            who = f"thread {other % size}"
        else:
            who = f"thread {other % size} of block {other // size}"
        return Race(
            f"thread {thread % size} {verb} byte {int(offsets[k])} of {self.name}, "
            f"which {who} {other_verb}, with no barrier between",
            k,
        )
