"""The rows of a program: what runs, on which memory. The compiler makes them, programs run them.

Rows nest: a loop holds the rows of one turn, a branch those of each case, slabs those of a unit.
The addresses that change from turn to turn are *cells* of their loop; a slot of a row inside names
a cell as its memory. The rows of a GPU are launches in place of kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .spec import type_text

TOGETHER_SECONDS = 50e-6  # shorter segments never use the team
HOLD_SECONDS = 10e-6  # a shorter one keeps Python's lock

Space = Literal["input", "output", "constant", "arena", "cell", "scratch"]


@dataclass(frozen=True)
class Slot:
    """Memory of a row: `offset_bytes` into an argument, a result, a constant, the arena, from where
    a cell of a loop around it is, or, inside of slabs, into the memory of the thread."""

    space: Space
    index: int = 0
    offset_bytes: int = 0

    def __str__(self) -> str:
        alone = self.space in ("arena", "scratch")
        name = self.space if alone else f"{self.space}{self.index}"
        return f"{name}+{self.offset_bytes}" if self.offset_bytes or alone else name


@dataclass(frozen=True)
class KernelRow:
    """A call of machine code, `kernel(args, start, stop, scratch)`, on points in chunks of `grain`.

    `args` is the address of the addresses of `slots`, then `sizes`. The kernel does points start to
    stop; however they are split, the bits are the same. Rows up to and including one with `barrier`
    are independent of each other and run at the same time. `nbytes` are behind each slot, the last
    `writes` of which are written; these and `scratch_bytes` are read by cpu/fenced.py only. In a
    record (cpu/record.py) `address` is the name of the machine code.
    """

    address: Any
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
class Matrix:
    """A matrix in C order from element `offset` of a slot on, `pitch` elements a row; `turned`: it
    is the transpose of that one. Matrices of a batch are `step` elements apart."""

    slot: int
    offset: int
    pitch: int
    turned: bool = False
    step: int = 0


@dataclass(frozen=True)
class MatrixProduct:
    """out = lhs @ rhs, `batch` times, as a library of the device may compute it.

    Factors of f32 may be rounded to `factors`: f32, tf32, bf16. All matrices begin at multiples of
    `aligned` bytes.
    """

    dtype: str
    factors: str
    rows: int
    columns: int
    depth: int
    batch: int
    lhs: Matrix
    rhs: Matrix
    out: Matrix
    aligned: int


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
    keep them; what it gives is copied to `outputs`. `condition` is an input, of bools: where
    all are true the call does nothing and gives nothing, and may be left out; else it raises what
    `failure` says without values.
    """

    function: Callable[..., Any]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    name: str = ""
    condition: int | None = None
    failure: str = ""

    def __str__(self) -> str:
        def text(operands: tuple[Operand, ...]) -> str:
            return ", ".join(
                f"{slot}: {type_text(dtype, shape)}" for slot, dtype, shape in operands
            )

        return f"host {self.name}({text(self.inputs)}) -> ({text(self.outputs)})"


MeshAxes = tuple[tuple[str, int], ...]
"""The axes of a mesh of processes and their sizes; the last one the fastest."""


@dataclass(frozen=True)
class Transfer:
    """What the n processes of an axis give each other; all of them do it in the same order.

    `sum`, `max`, `min`: [count] -> [count], over processes in the order of their places, whatever
    the way: ((x0 + x1) + x2) + ... in the dtype. `gather`: [count] -> [n, count]. `scatter`:
    [n, count / n] -> [count / n], the own part of the sum. `exchange`: result[j] is part (own
    place) of j. `permute`: what its source of `pairs` has, zeros at who is no destination.
    """

    kind: Literal["sum", "max", "min", "gather", "scatter", "exchange", "permute"]
    mesh: MeshAxes
    axis: str
    dtype: np.dtype
    count: int  # elements of the operand
    pairs: tuple[tuple[int, int], ...] = ()  # of a permute: source, destination

    @property
    def size(self) -> int:
        """The processes of the axis."""
        return dict(self.mesh)[self.axis]

    @property
    def operand_bytes(self) -> int:
        return self.count * self.dtype.itemsize

    @property
    def result_bytes(self) -> int:
        match self.kind:
            case "gather":
                return self.operand_bytes * self.size
            case "scatter":
                return self.operand_bytes // self.size
        return self.operand_bytes

    def __str__(self) -> str:
        return f"{self.kind} over {self.axis} of {type_text(self.dtype, (self.count,))}"


@dataclass(frozen=True)
class StartRow:
    """Begins a transfer of what is at `source` to `result`, in place.

    Until the WaitRow of its `number` is done no row writes the one or touches the other. `whole`:
    that is the next row, and this one does it all.
    """

    transfer: Transfer
    number: int  # of those of a program
    source: Slot
    result: Slot
    whole: bool = False

    @property
    def name(self) -> str:
        return str(self.transfer)

    def __str__(self) -> str:
        begin = "transfer" if self.whole else f"start {self.number}:"
        return f"{begin} {self.transfer}({self.source}) -> ({self.result})"


@dataclass(frozen=True)
class WaitRow:
    """Ends the transfer of a number."""

    number: int
    transfer: Transfer

    @property
    def name(self) -> str:
        return str(self.transfer)

    def __str__(self) -> str:
        return f"wait {self.number}: {self.transfer}"


@dataclass(frozen=True)
class Cell:
    """An address of each turn of a loop: `first` in turn 0, later `even` or `odd` as the number of
    the turn is, and in every case `stride_bytes` further a turn."""

    number: int  # of all cells of a program; the index of slots that mean it
    first: Slot
    even: Slot
    odd: Slot
    stride_bytes: int = 0

    def slot(self, turn: int) -> Slot:
        """From where it is `turn` strides further, in a turn."""
        return self.first if turn == 0 else self.odd if turn % 2 else self.even

    def at(self, turn: int) -> Slot:
        """Where it is in a turn."""
        slot = self.slot(turn)
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
    `check`: turns between two looks for Ctrl-C. `together`: a turn is worth the team.
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


@dataclass(frozen=True)
class UnitCell:
    """An address inside of slabs: `strides` bytes further a unit along each axis of the box."""

    number: int  # of all cells of a program; the index of slots that mean it
    slot: Slot
    strides: tuple[int, ...]

    def moved(self, unit: Sequence[int]) -> int:
        """By how many bytes."""
        return sum(u * s for u, s in zip(unit, self.strides, strict=True))

    def at(self, unit: Sequence[int]) -> Slot:
        """Where it is for a unit."""
        return replace(self.slot, offset_bytes=self.slot.offset_bytes + self.moved(unit))

    def __str__(self) -> str:
        moved = f" by {' '.join(map(str, self.strides))}" if any(self.strides) else ""
        return f"cell{self.number}: {self.slot}{moved}"


@dataclass(frozen=True)
class SlabsRow:
    """Rows that run for every unit of a box, each time on one thread from begin to end.

    A kernel to what is around it: its points are the units, the last axis the fastest. What units
    share they only read, so they run in any order. What a unit needs beside operands and results is
    scratch of its thread. `check`: units of a thread between two looks for Ctrl-C.
    """

    rows: tuple[Row, ...]
    cells: tuple[UnitCell, ...]
    units: tuple[int, ...]
    grain: int
    barrier: bool = True
    check: int = 1
    name: str = ""

    @property
    def points(self) -> int:
        return math.prod(self.units)

    @property
    def chunks(self) -> int:
        return -(-self.points // self.grain)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(c.slot for c in self.cells)

    def __str__(self) -> str:
        box = " x ".join(map(str, self.units)) or "1"
        end = "" if self.barrier else ", no barrier"
        return f"{self.name}({', '.join(map(str, self.cells))})  {box} units by {self.grain}{end}"


CalledRow = HostRow | StartRow | WaitRow
"""What Python does, between the kernels of a program."""
Row = KernelRow | DeviceRow | CalledRow | LoopRow | BranchRow | SlabsRow


def worth_the_team(seconds: float) -> bool:
    """Whether kernels of so many seconds are run by the team."""
    return seconds >= TOGETHER_SECONDS


def called_slots(row: CalledRow) -> tuple[Slot, ...]:
    """The memory of a row that Python does, what it reads first."""
    match row:
        case HostRow():
            return tuple(slot for slot, _, _ in (*row.inputs, *row.outputs))
        case StartRow():
            return row.source, row.result
    return ()


def transfers_of(rows: Iterable[Row]) -> Iterator[Transfer]:
    """What a program transfers, at any depth, in the order of its rows."""
    for row in rows:
        if isinstance(row, StartRow):
            yield row.transfer
        for inside in inner_rows(row):
            yield from transfers_of(inside)


def inner_rows(row: Row) -> tuple[tuple[Row, ...], ...]:
    """The rows inside of a loop, a branch or slabs."""
    match row:
        case LoopRow():
            return row.test_rows, row.rows
        case BranchRow():
            return row.cases
        case SlabsRow():
            return (row.rows,)
    return ()


@dataclass(frozen=True)
class RowTime:
    """A row in a call.

    `seconds` are of the wall clock: rows of a wave, which run at the same time, share its seconds
    by how long threads were at each. So those of all rows, and what no row was at, are the call.
    """

    row: Row
    seconds: float
    busy: float  # seconds of all threads together
    runs: float  # more than one of a row in a loop
    wave: int
    inner: tuple[tuple[RowTime, ...], ...] = ()  # as `inner_rows` has them


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
        elif isinstance(row, SlabsRow):
            yield from printed(row.rows, indent + 1)


def host_results(row: HostRow, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """What the function gives. Errors: ValueError if that is not what the row says."""
    results = row.function(*arrays)
    if not isinstance(results, tuple):
        results = () if results is None else (results,)
    if len(results) != len(row.outputs):
        required = f"{len(row.outputs)} results are required"
        raise ValueError(f"{row.name}: {required}, got {len(results)}")
    results = tuple(map(np.asarray, results))
    for result, (_, dtype, shape) in zip(results, row.outputs, strict=True):
        if result.dtype != dtype or result.shape != shape:
            required, got = type_text(dtype, shape), type_text(result.dtype, result.shape)
            raise ValueError(f"{row.name}: {required} is required, got {got}")
    return results
