"""The steps of a program walked in Python: what loops, branches, cells and settled results mean.

    Machine(steps, spaces, memory, run).walk()

`spaces` are the addresses of arguments, results, constants and the arena, `memory` is what they
are addresses of, `run` does a segment. A device is walked so, and so are programs between pages
that may not be touched; cpu/walker.py is the same for machine code, without Python.

Cost: about a microsecond a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from .processes.underway import Underway
from .rows import (
    CalledRow,
    Cell,
    HostRow,
    LoopRow,
    Settled,
    SlabsRow,
    Slot,
    called_slots,
    host_results,
)
from .steps import Begin, Choose, End, Host, Jump, Segment, Step, Stop, Test, steps_of

Spaces = Mapping[str, Sequence[int]]
Address = Callable[[Slot], int]

BOOL, I32 = np.dtype(np.bool_), np.dtype(np.int32)


class MachineMemory(Protocol):
    """What is read and written between segments, in their order."""

    def read(self, address: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """A copy of what is there."""
        ...

    def write(self, address: int, array: np.ndarray) -> None: ...

    def copy(self, to: int, source: int, nbytes: int) -> None: ...


class Machine:
    """A walk: its addresses, and the turns and cells of the loops that it is in.

    `run(k, segment, address)` does the segment that is step k, `address` of its slots.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        spaces: Spaces,
        memory: MachineMemory,
        run: Callable[[int, Segment, Address], None],
    ) -> None:
        self.steps, self.spaces, self.memory, self.run = steps, spaces, memory, run
        self.underway = Underway()
        self.turns: dict[int, int] = {}  # number of the turn, by the step that begins the loop
        self.cells: dict[int, int] = {}  # addresses in this turn

    def walk(self) -> None:
        """From the first step until the program stops."""
        step: int | None = 0
        with self.underway:
            while step is not None:
                step = self.after(step)

    def after(self, k: int) -> int | None:
        """Does step k and says which is next; None when the program stops."""
        match self.steps[k]:
            case Segment() as segment:
                self.segment(k, segment)
            case End(begin):
                return self.turn(begin, self.turns[begin] + 1)
            case Begin(loop):
                self.settle(loop, loop.starts, 0)
                return self.turn(k, 0)
            case Test(begin):
                test = self.begin(begin).loop.test
                if test is not None and not self.memory.read(self.address(test), BOOL, ()):
                    return self.leave(begin, self.turns[begin])
            case Choose(index, cases):
                case = int(self.memory.read(self.address(index), I32, ()))
                return cases[min(max(case, 0), len(cases) - 1)]
            case Jump(to):
                return to
            case Host(row):
                self.called(row, tuple(map(self.address, called_slots(row))))
            case Stop():
                return None
        return k + 1

    def segment(self, k: int, segment: Segment) -> None:
        """Kernels, and slabs unit by unit."""
        if not any(isinstance(row, SlabsRow) for row in segment.rows):
            self.run(k, segment, self.address)
            return
        for row in segment.rows:
            if isinstance(row, SlabsRow):
                self.slabs(row)
            else:
                self.run(k, Segment((row,), segment.together), self.address)

    def slabs(self, row: SlabsRow) -> None:
        steps = steps_of(row.rows)
        for unit in np.ndindex(row.units):
            inside = Machine(steps, self.spaces, self.memory, self.run)
            inside.cells = self.cells | {
                c.number: self.address(c.slot) + c.moved(unit) for c in row.cells
            }
            inside.walk()

    def called(self, row: CalledRow, addresses: tuple[int, ...]) -> None:
        """What Python does."""
        if isinstance(row, HostRow):
            call_host(row, addresses, self.memory)
        else:
            self.underway.do(row, addresses)

    def address(self, slot: Slot) -> int:
        if slot.space == "cell":
            return self.cells[slot.index] + slot.offset_bytes
        return self.spaces[slot.space][slot.index] + slot.offset_bytes

    def begin(self, k: int) -> Begin:
        step = self.steps[k]
        assert isinstance(step, Begin)
        return step

    def turn(self, k: int, number: int) -> int:
        """Makes a turn of the loop of step k ready, and gives its first step; or leaves."""
        loop = self.begin(k).loop
        if number == loop.length:
            return self.leave(k, number)
        self.turns[k] = number
        for cell in loop.cells:
            self.cells[cell.number] = self.place(cell, number)
        return k + 1

    def leave(self, k: int, number: int) -> int:
        """Puts what the turn before `number` left elsewhere where it belongs."""
        step = self.begin(k)
        self.settle(step.loop, step.loop.results, number)
        return step.exit

    def place(self, cell: Cell, number: int) -> int:
        """The address of a cell in a turn."""
        return self.address(cell.slot(number)) + number * cell.stride_bytes

    def settle(self, loop: LoopRow, settled: Iterable[Settled], number: int) -> None:
        """Copies what cells have in a turn to where it belongs, unless it is there."""
        for index, slot, nbytes in settled:
            here, there = self.place(loop.cells[index], number), self.address(slot)
            if here != there and nbytes:
                self.memory.copy(there, here, nbytes)


def call_host(row: HostRow, addresses: tuple[int, ...], memory: MachineMemory) -> None:
    """Calls the function on copies of its inputs and copies what it gives to its outputs."""
    places = iter(addresses)
    arrays = [memory.read(next(places), dtype, shape) for _, dtype, shape in row.inputs]
    for place, result in zip(places, host_results(row, arrays), strict=True):
        if result.nbytes:  # a token has no memory
            memory.write(place, result)
