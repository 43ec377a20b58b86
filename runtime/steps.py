"""The steps of a program: its rows laid out flat, with jumps, as a walker goes through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeGuard, TypeVar

from .rows import (
    BranchRow,
    CalledRow,
    DeviceRow,
    KernelRow,
    LoopRow,
    Row,
    SlabsRow,
    Slot,
    StartRow,
    WaitRow,
)

Kernel = TypeVar("Kernel", KernelRow | SlabsRow, DeviceRow)


class Segment(NamedTuple):
    """Kernels between two other steps; `together`: by the team, where the program has one.

    A device may run loops of few launches as kernels are run.
    """

    rows: tuple[Row, ...]
    together: bool


class Begin(NamedTuple):
    """The first turn of a loop, or the step `exit` where there is none."""

    loop: LoopRow
    exit: int


class Test(NamedTuple):
    """Leaves the loop that began at step `begin` unless its bool holds."""

    begin: int


class End(NamedTuple):
    """The next turn of the loop that began at step `begin`."""

    begin: int


class Choose(NamedTuple):
    """Goes on at the step of the case."""

    chooser: Slot
    cases: tuple[int, ...]


class Jump(NamedTuple):
    to: int


class Host(NamedTuple):
    """Leaves the walker for a call of Python."""

    row: CalledRow


class Stop(NamedTuple):
    pass


Step = Segment | Begin | Test | End | Choose | Jump | Host | Stop


def is_kernel(row: Row) -> TypeGuard[KernelRow | SlabsRow]:
    return isinstance(row, KernelRow | SlabsRow)


class StepLayout:
    """The steps as they are laid out; `inside`: whether a row is part of a segment."""

    def __init__(self, inside: Callable[[Row], bool]) -> None:
        self.steps: list[Step] = []
        self.inside = inside

    def add(self, rows: tuple[Row, ...], together: bool) -> None:
        waiting: list[Row] = []
        ended = -1  # the number of a transfer that ended in its first row
        for row in rows:
            if isinstance(row, WaitRow) and row.number == ended:
                continue
            ended = row.number if isinstance(row, StartRow) and row.whole else -1
            if is_kernel(row) and row.points <= 0:
                continue
            if self.inside(row):
                waiting.append(row)
            else:
                self.flush(waiting, together)
                if isinstance(row, CalledRow):
                    self.steps.append(Host(row))
                elif isinstance(row, LoopRow):
                    self.loop(row)
                elif isinstance(row, BranchRow):
                    self.branch(row)
        self.flush(waiting, together)

    def flush(self, waiting: list[Row], together: bool) -> None:
        if waiting:
            self.steps.append(Segment(tuple(waiting), together))
            waiting.clear()

    def loop(self, row: LoopRow) -> None:
        begin = len(self.steps)
        self.steps.append(Stop())
        if row.test is not None:
            self.add(row.test_rows, row.together)
            self.steps.append(Test(begin))
        self.add(row.rows, row.together)
        self.steps.append(End(begin))
        self.steps[begin] = Begin(row, len(self.steps))

    def branch(self, row: BranchRow) -> None:
        choice, begins, ends = len(self.steps), [], []
        self.steps.append(Stop())
        for case in row.cases:
            begins.append(len(self.steps))
            self.add(case, row.together)
            ends.append(len(self.steps))
            self.steps.append(Stop())
        self.steps[choice] = Choose(row.index, tuple(begins))
        for end in ends:
            self.steps[end] = Jump(len(self.steps))


def steps_of(
    rows: tuple[Row, ...], together: bool = True, inside: Callable[[Row], bool] = is_kernel
) -> tuple[Step, ...]:
    """The steps of a program."""
    layout = StepLayout(inside)
    layout.add(rows, together)
    return *layout.steps, Stop()


def phases_of(rows: Iterable[Kernel]) -> list[list[Kernel]]:
    """Rows between barriers."""
    phases: list[list[Kernel]] = []
    barrier = True
    for row in rows:
        if barrier:
            phases.append([])
        phases[-1].append(row)
        barrier = row.barrier
    return phases
