"""Random rows, loops and branches over words of memory, and a log of what each is called with.

Every address stays inside its memory: offsets begin in the middle, and the turns of three loops
move them by less than what is on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wonderland.runtime.rows import BranchRow, Cell, HostRow, LoopRow, Row, Slot

WORDS = 128
DEPTH = 3
I64 = np.dtype(np.int64)

# the log is a word that counts the words behind it
TEXT = '''
def note(args, start, stop, scratch):
    """z = 3 x + y + number, and a word of the log for each of number, x, y, z."""
    log = integer(args, 3)
    end = log + 8 + 8 * read64(log)
    write64(end, integer(args, 4))
    for k in range(3):
        write64(end + 8 + 8 * k, integer(args, k))
    write64(log, read64(log) + 4)
    x = read64(integer(args, 0))
    write64(integer(args, 2), 3 * x + read64(integer(args, 1)) + integer(args, 4))


def tick(args, start, stop, scratch):
    """Counts, and says whether the count is a multiple of `turns`, as it is before the last."""
    count = read64(integer(args, 0)) + 1
    turns = integer(args, 2)
    write64(integer(args, 0), count)
    write64(integer(args, 1), (count % turns + turns - 1) // turns)
'''

RowOf = Callable[[str, tuple[Slot, ...], tuple[int, ...]], Row]


@dataclass
class Maker:
    """Draws rows; `row` makes one of the name of a kernel, of slots and of sizes."""

    rng: np.random.Generator
    log: np.ndarray
    row: RowOf
    python: bool = True  # whether there are calls of it
    cells: int = 0  # so far, which numbers the next
    rows: int = 0
    tests: int = 0
    open: list[int] = field(default_factory=list)  # cells of the loops around

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def slot(self) -> Slot:
        if self.open and self.chance(0.7):
            return Slot("cell", self.open[self.number(0, len(self.open))], 8 * self.number(0, 3))
        space = ("input", "output", "constant", "arena")[self.number(0, 4)]
        return Slot(space, 0, 8 * self.number(45, 75))

    def several(self, depth: int) -> tuple[Row, ...]:
        return tuple(self.one(depth) for _ in range(self.number(0, 6)))

    def one(self, depth: int) -> Row:
        kind = self.rng.random()
        if depth and kind < 0.35:
            return self.loop(depth)
        if depth and kind < 0.5:
            cases = tuple(self.several(depth - 1) for _ in range(self.number(1, 4)))
            return BranchRow(self.slot(), cases)
        if self.python and kind < 0.6:
            return self.host()
        return self.note()

    def note(self) -> Row:
        self.rows += 1
        slots = self.slot(), self.slot(), self.slot()
        return self.row("note", slots, (self.log.ctypes.data, self.rows))

    def host(self) -> HostRow:
        self.rows += 1
        number, log = self.rows, self.log

        def function(x: np.ndarray) -> np.ndarray:
            log[1 + log[0] : 4 + log[0]] = number, *x
            log[0] += 3
            return x[::-1] + number

        return HostRow(function, ((self.slot(), I64, (2,)),), ((self.slot(), I64, (2,)),), "host")

    def loop(self, depth: int) -> LoopRow:
        made = []
        for k in range(self.number(1, 4)):
            places = self.slot(), self.slot(), self.slot()
            made.append(Cell(self.cells + k, *places, 8 * self.number(-1, 3)))
        self.cells += len(made)
        around = len(self.open)
        self.open += [cell.number for cell in made]
        length, test_rows, test = self.number(0, 5), (), None
        if self.chance(0.3):  # words that nothing else writes
            counter, test = (Slot("arena", 0, 8 * (WORDS + self.tests + k)) for k in range(2))
            self.tests += 2
            test_rows = *self.several(0), self.row("tick", (counter, test), (1 + length,))
        rows = self.several(depth - 1)
        del self.open[around:]

        def settled() -> tuple[Any, ...]:
            many = range(self.number(0, 3))
            return tuple(
                (self.number(0, len(made)), self.slot(), 8 * self.number(0, 2)) for _ in many
            )

        count = None if test else length
        return LoopRow(rows, tuple(made), count, settled(), settled(), test_rows, test)
