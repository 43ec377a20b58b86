"""The rows of a program, and how they group into phases and segments (walker.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .guard import ArraySpec, spelled

Space = Literal["input", "output", "constant", "arena"]


@dataclass(frozen=True)
class Slot:
    """Memory of a row: `offset_bytes` into an argument, a result, a constant or the arena."""

    space: Space
    index: int = 0
    offset_bytes: int = 0

    def __str__(self) -> str:
        name = self.space if self.space == "arena" else f"{self.space}{self.index}"
        return f"{name}+{self.offset_bytes}" if self.offset_bytes or self.space == "arena" else name


@dataclass(frozen=True)
class KernelRow:
    """A call of machine code, `kernel(args, start, stop, scratch)`, on points in chunks of `grain`.

    `args` is the address of the addresses of `slots`, then `sizes`. The kernel does points start to
    stop; however they are split, the bits are the same. Rows up to and including one with `barrier`
    are independent of each other and run at the same time.
    """

    address: int
    slots: tuple[Slot, ...]
    sizes: tuple[int, ...]
    points: int
    grain: int
    barrier: bool = True
    name: str = ""

    @property
    def chunks(self) -> int:
        return -(-self.points // self.grain)

    def __str__(self) -> str:
        words = " ".join(map(str, (*self.slots, *self.sizes)))
        end = "" if self.barrier else ", no barrier"
        return f"{self.name or 'kernel'}({words})  {self.points} by {self.grain}{end}"


Operand = tuple[Slot, np.dtype, tuple[int, ...]]


@dataclass(frozen=True)
class HostRow:
    """A call of Python on the calling thread.

    `function(*inputs)` gives an array, a tuple of arrays, or None. It receives copies, so it may
    keep them; what it gives is copied to `outputs`.
    """

    function: Callable[..., Any]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    name: str = ""

    def __str__(self) -> str:
        def text(operands: tuple[Operand, ...]) -> str:
            return ", ".join(f"{slot}: {spelled(dtype, shape)}" for slot, dtype, shape in operands)

        return f"host {self.name}({text(self.inputs)}) -> ({text(self.outputs)})"


Segment = tuple[KernelRow, ...]
Step = Segment | HostRow


def steps_of(rows: tuple[KernelRow | HostRow, ...], alone: bool = False) -> tuple[Step, ...]:
    """Segments and the host rows between them, a segment first; `alone`: a segment is one row."""
    steps: list[list[KernelRow] | HostRow] = [[]]
    for row in rows:
        last = steps[-1]
        if isinstance(row, HostRow):
            steps.append(row)
        elif row.points > 0:
            if alone or isinstance(last, HostRow):
                steps.append([row])
            else:
                last.append(row)
    return tuple(s if isinstance(s, HostRow) else tuple(s) for s in steps)


def phases_of(segment: Segment) -> list[list[KernelRow]]:
    """Rows between barriers."""
    phases: list[list[KernelRow]] = []
    barrier = True
    for row in segment:
        if barrier:
            phases.append([])
        phases[-1].append(row)
        barrier = row.barrier
    return phases


@dataclass(frozen=True)
class Table:
    """What all calls of a program share."""

    steps: tuple[Step, ...]
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    constants: tuple[np.ndarray, ...]
    arena_bytes: int
    scratch_bytes: int
    donors: dict[int, int]  # output: input whose memory it takes

    @property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(s for s in self.steps if not isinstance(s, HostRow))

    @property
    def donated(self) -> set[int]:
        return set(self.donors.values())
