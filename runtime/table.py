"""The rows of a program, and the steps that the walker makes of them (walker.py).

Rows nest: a loop holds the rows of one turn, a branch those of each case. The addresses that change
from turn to turn are *cells* of their loop; a slot of a row inside names a cell as its memory.
`steps_of` lays the rows out flat, with jumps. The rows of a GPU are launches in place of kernels,
and device_walk.py walks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .device import MatrixProduct
from .guard import ArraySpec, spelled

Space = Literal["input", "output", "constant", "arena", "cell"]


@dataclass(frozen=True)
class Slot:
    """Memory of a row: `offset_bytes` into an argument, a result, a constant, the arena, or from
    where a cell of a loop around it is."""

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
    are independent of each other and run at the same time. `nbytes` are behind each slot, the last
    `writes` of which are written; these and `scratch_bytes` are read by guarded.py only.
    """

    address: int
    slots: tuple[Slot, ...]
    sizes: tuple[int, ...]
    points: int
    grain: int
    barrier: bool = True
    name: str = ""
    nbytes: tuple[int, ...] = ()
    writes: int = 0
    scratch_bytes: int = 0

    @property
    def chunks(self) -> int:
        return -(-self.points // self.grain)

    def __str__(self) -> str:
        words = " ".join(map(str, (*self.slots, *self.sizes)))
        end = "" if self.barrier else ", no barrier"
        return f"{self.name or 'kernel'}({words})  {self.points} by {self.grain}{end}"


@dataclass(frozen=True)
class DeviceRow:
    """A launch: `code` on the addresses of `slots`, then `sizes`, as numbers of 64 bits.

    Rows up to and including one with `barrier` are independent of each other. `product` is the same
    for a library of products, where the device has one.
    """

    code: Any
    slots: tuple[Slot, ...]
    sizes: tuple[int, ...]
    blocks: int
    threads: int
    shared_bytes: int = 0
    barrier: bool = True
    name: str = ""
    product: MatrixProduct | None = None

    def __str__(self) -> str:
        words = " ".join(map(str, (*self.slots, *self.sizes)))
        shared = f", {self.shared_bytes} bytes shared" if self.shared_bytes else ""
        end = "" if self.barrier else ", no barrier"
        return f"{self.name or 'kernel'}({words})  {self.blocks} by {self.threads}{shared}{end}"


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


@dataclass(frozen=True)
class Cell:
    """An address of each turn of a loop: `first` in turn 0, later `even` or `odd` as the number of
    the turn is, and in every case `stride_bytes` further a turn."""

    number: int  # of all cells of a program; the index of slots that mean it
    first: Slot
    even: Slot
    odd: Slot
    stride_bytes: int = 0

    def at(self, turn: int) -> Slot:
        """Where it is in a turn."""
        slot = self.first if turn == 0 else self.odd if turn % 2 else self.even
        return replace(slot, offset_bytes=slot.offset_bytes + turn * self.stride_bytes)

    def __str__(self) -> str:
        places = dict.fromkeys((self.first, self.even, self.odd))
        moved = f" by {self.stride_bytes}" if self.stride_bytes else ""
        return f"cell{self.number}: {' '.join(map(str, places))}{moved}"


Settled = tuple[int, Slot, int]
"""Index into the cells of a loop, slot, bytes."""


@dataclass(frozen=True)
class LoopRow:
    """Rows that run `length` times; without a length while the bool at `test` holds.

    `rows` run in every turn. `test_rows` run before each turn, and write `test`. When the loop ends
    the `results` are copied from their cell, as it is then, to their slot, unless they are there;
    before it begins so are the `starts`.
    `check`: turns between two looks for Ctrl-C. `together`: a turn is worth waking the team.
    """

    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]
    length: int | None
    results: tuple[Settled, ...] = ()
    starts: tuple[Settled, ...] = ()
    test_rows: tuple[Row, ...] = ()
    test: Slot | None = None
    check: int = 1
    together: bool = False
    name: str = ""

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What the loop itself reads addresses of, in the order of its block."""
        cells = (slot for c in self.cells for slot in (c.first, c.even, c.odd))
        settled = (slot for _, slot, _ in (*self.results, *self.starts))
        return (*cells, *settled, *([self.test] if self.test else []))

    def __str__(self) -> str:
        turns = f"{self.length} turns" if self.test is None else f"while {self.test}"
        return f"loop {self.name}({', '.join(map(str, self.cells))})  {turns}"


@dataclass(frozen=True)
class BranchRow:
    """The rows of the case that the i32 at `index` says, clamped to their number."""

    index: Slot
    cases: tuple[tuple[Row, ...], ...]
    together: bool = False
    name: str = ""

    def __str__(self) -> str:
        return f"branch {self.name}({self.index})  {len(self.cases)} cases"


Row = KernelRow | DeviceRow | HostRow | LoopRow | BranchRow


def printed(rows: Iterable[Row], indent: int = 0) -> Iterator[str]:
    """A line a row, what is inside of a row indented below it."""
    for row in rows:
        yield "    " * indent + str(row)
        if isinstance(row, LoopRow):
            if row.test_rows:
                yield from printed(row.test_rows, indent + 1)
                yield "    " * (indent + 1) + f"test {row.test}"
            yield from printed(row.rows, indent + 1)
        elif isinstance(row, BranchRow):
            for k, case in enumerate(row.cases):
                yield "    " * indent + f"case {k}"
                yield from printed(case, indent + 1)


# ---------------------------------------------------------------- steps


@dataclass(frozen=True)
class Segment:
    """Kernels between two other steps; `together`: by the team, where the program has one."""

    rows: tuple[KernelRow, ...]
    together: bool


@dataclass(frozen=True)
class Begin:
    """The first turn of a loop, or the step `exit` where there is none."""

    loop: LoopRow
    exit: int


@dataclass(frozen=True)
class Test:
    """Leaves the loop that began at step `begin` unless its bool holds."""

    begin: int


@dataclass(frozen=True)
class End:
    """The next turn of the loop that began at step `begin`."""

    begin: int


@dataclass(frozen=True)
class Choose:
    """Goes on at the step of the case."""

    index: Slot
    cases: tuple[int, ...]


@dataclass(frozen=True)
class Jump:
    to: int


@dataclass(frozen=True)
class Host:
    """Leaves the walker for a call of Python, or, without a row, to look at the clock."""

    row: HostRow | None


@dataclass(frozen=True)
class Stop:
    pass


Step = Segment | Begin | Test | End | Choose | Jump | Host | Stop


class Steps:
    """The steps as they are laid out."""

    def __init__(self, alone: bool) -> None:
        self.made: list[Step] = []
        self.alone = alone

    def add(self, rows: tuple[Row, ...], together: bool, top: bool = False) -> None:
        """Steps of `rows`; at the top, where they are to run alone, each ends at the clock."""
        waiting: list[KernelRow] = []
        for row in rows:
            if isinstance(row, KernelRow):
                if row.points > 0:
                    waiting.append(row)
                    if top and self.alone:
                        self.flush(waiting, together)
                        self.made.append(Host(None))
                continue
            self.flush(waiting, together)
            if isinstance(row, HostRow):
                self.made.append(Host(row))
            elif isinstance(row, LoopRow):
                self.loop(row)
            elif isinstance(row, BranchRow):
                self.branch(row)
            if top and self.alone:
                self.made.append(Host(None))
        self.flush(waiting, together)

    def flush(self, waiting: list[KernelRow], together: bool) -> None:
        if waiting:
            self.made.append(Segment(tuple(waiting), together))
            waiting.clear()

    def loop(self, row: LoopRow) -> None:
        begin = len(self.made)
        self.made.append(Stop())
        if row.test is not None:
            self.add(row.test_rows, row.together)
            self.made.append(Test(begin))
        self.add(row.rows, row.together)
        self.made.append(End(begin))
        self.made[begin] = Begin(row, len(self.made))

    def branch(self, row: BranchRow) -> None:
        choice, begins, ends = len(self.made), [], []
        self.made.append(Stop())
        for case in row.cases:
            begins.append(len(self.made))
            self.add(case, row.together)
            ends.append(len(self.made))
            self.made.append(Stop())
        self.made[choice] = Choose(row.index, tuple(begins))
        for end in ends:
            self.made[end] = Jump(len(self.made))


def steps_of(rows: tuple[Row, ...], together: bool = True, alone: bool = False) -> tuple[Step, ...]:
    """The steps of a program; `alone`: Python looks at the clock before and after every row."""
    steps = Steps(alone)
    if alone:
        steps.made.append(Host(None))
    steps.add(rows, together, top=True)
    return *steps.made, Stop()


def phases_of(rows: Iterable[KernelRow]) -> list[list[KernelRow]]:
    """Rows between barriers."""
    phases: list[list[KernelRow]] = []
    barrier = True
    for row in rows:
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
    def donated(self) -> set[int]:
        return set(self.donors.values())
