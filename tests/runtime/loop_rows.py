"""Pieces of loops that the tests of both walkers, the processor's and the device's, are made of."""

from __future__ import annotations

import numpy as np

from wonderland.runtime.rows import Cell, Slot
from wonderland.runtime.spec import ArraySpec

I64 = np.dtype(np.int64)
N = 6
SPEC = ArraySpec(I64, (N,))
X = np.arange(N)
INPUT, OUTPUT, ARENA = Slot("input"), Slot("output"), Slot("arena")
STRIDE = SPEC.nbytes


def cell(k: int) -> Slot:
    return Slot("cell", k)


def carry(k: int, start: Slot, one: Slot, other: Slot) -> tuple[Cell, Cell]:
    """What turns read and what they write: `one` and `other` in turns."""
    return Cell(k, start, other, one), Cell(k + 1, one, one, other)


def both_ways() -> tuple[Cell, Cell, Cell]:
    """Five elements of the input from the first on and from the last on, and of the output."""
    last = Slot("input", 0, 4 * STRIDE)
    return (
        Cell(0, INPUT, INPUT, INPUT, STRIDE),
        Cell(1, last, last, last, -STRIDE),
        Cell(2, OUTPUT, OUTPUT, OUTPUT, STRIDE),
    )


def nested() -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    """Of a loop over rows of three, and of the one inside that carries from the constant on."""
    outer = Cell(0, INPUT, INPUT, INPUT, 3 * STRIDE), Cell(1, OUTPUT, OUTPUT, OUTPUT, STRIDE)
    inner = (
        Cell(2, cell(0), cell(0), cell(0), STRIDE),
        *carry(3, Slot("constant"), cell(1), ARENA),
    )
    return outer, inner


class SmallSum:
    """Python that says whether the sum is below 1000, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.seen.append(int(x.sum()))
        return np.asarray(x.sum() < 1000)
