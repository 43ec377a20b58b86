"""The rows of a program as a device is asked for them: graphs of launches, loops, branches.

    launches that follow each other     one graph, made once, changed where addresses move
    a scan of few launches              its turns one after another, in the graph around it
    any other loop                      turn by turn from here: each launch by itself, at the
                                        addresses of its turn, which are cells as on the processor
    a product that the library takes    a call of that, between graphs
    the test of a while, the index of   read back before the rows that depend on it: the host
    a branch                            waits for the device there, and nowhere else

So a program without these is one graph between calls of Python. Ctrl-C
is seen between two turns.

Cost: a launch outside of a graph is a call of the driver and the addresses of its slots, a few
microseconds of the host; the device may be far behind, but for what is read back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..rows import BranchRow, DeviceRow, HostRow, LoopRow, Row, Settled, Slot, host_results
from .device import Device, DeviceError, Graph, Launch

UNROLLED = 256  # launches of a scan up to which its turns are part of a graph

Spaces = Mapping[str, Sequence[int] | dict[int, int]]


@dataclass(frozen=True)
class Copy:
    """Bytes that go from one place to another, unless they are the same."""

    source: Slot
    target: Slot
    nbytes: int


@dataclass(frozen=True)
class LibraryCall:
    """A product by the device's library, on the addresses of slots."""

    slots: tuple[Slot, ...]
    run: Callable[[tuple[int, ...]], None]


@dataclass(frozen=True)
class Turns:
    """The steps of a loop: before each turn those that write its test, then those of the turn."""

    row: LoopRow
    tests: tuple[Step, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Cases:
    """The steps of each case of a branch."""

    row: BranchRow
    cases: tuple[tuple[Step, ...], ...]


class Segment:
    """Launches that follow each other, and the graph that they become where addresses stay.

    `fixed`: arguments and results are where they were at the first call.
    """

    def __init__(self, device: Device, rows: Sequence[DeviceRow], fixed: bool = False) -> None:
        self.device, self.rows = device, tuple(rows)
        self.kernels = tuple(device.load(row.code) for row in rows)
        self.graph: Graph | None = None
        self.addresses: list[tuple[int, ...]] = []
        spaces = [{slot.space for slot in row.slots} for row in rows]
        may_move = set() if fixed else {"input", "output"}
        self.moving = tuple(k for k, of in enumerate(spaces) if of & may_move)
        self.turning = any("cell" in of for of in spaces)

    def run(self, address: Callable[[Slot], int]) -> None:
        if self.turning:
            for k, row in enumerate(self.rows):
                self.device.launch(self._launch(k, tuple(map(address, row.slots))))
            return
        if self.graph is None:
            self.addresses = [tuple(map(address, row.slots)) for row in self.rows]
            self.graph = self.device.graph(self._waves())
        else:
            self._move(address)
        self.graph.launch()

    def _move(self, address: Callable[[Slot], int]) -> None:
        assert self.graph is not None
        for k in self.moving:
            found = tuple(map(address, self.rows[k].slots))
            if found != self.addresses[k]:
                before, self.addresses[k] = self.addresses[k], found
                try:
                    self.graph.change(k, self._launch(k, found))
                except DeviceError:
                    self.addresses[k] = before
                    raise

    def _launch(self, k: int, addresses: tuple[int, ...]) -> Launch:
        row = self.rows[k]
        slots = (*addresses, *row.sizes)
        return Launch(self.kernels[k], slots, row.blocks, row.threads, row.shared_bytes, row.name)

    def _waves(self) -> tuple[tuple[Launch, ...], ...]:
        waves: list[list[Launch]] = [[]]
        for k, row in enumerate(self.rows):
            waves[-1].append(self._launch(k, self.addresses[k]))
            if row.barrier and k < len(self.rows) - 1:
                waves.append([])
        return tuple(map(tuple, waves))


Step = Segment | Copy | LibraryCall | Turns | Cases | HostRow


# ---------------------------------------------------------------- rows to steps


def steps_of(device: Device, rows: Iterable[Row], fixed: bool = False) -> tuple[Step, ...]:
    """The steps of rows; launches that follow each other are one segment."""
    steps: list[Step] = []
    waiting: list[DeviceRow] = []
    for row in (*laid_out(rows), None):
        call = library_call(device, row)
        if isinstance(row, DeviceRow) and call is None:
            waiting.append(row)
            continue
        if waiting:
            steps.append(Segment(device, waiting, fixed))
            waiting = []
        if call is not None:
            steps.append(call)
        elif isinstance(row, LoopRow):
            tests, turn = (steps_of(device, of, fixed) for of in (row.test_rows, row.rows))
            steps.append(Turns(row, tests, turn))
        elif isinstance(row, BranchRow):
            steps.append(Cases(row, tuple(steps_of(device, case, fixed) for case in row.cases)))
        elif isinstance(row, Copy | HostRow):
            steps.append(row)
    return tuple(steps)


def library_call(device: Device, row: Row | Copy | None) -> LibraryCall | None:
    """The row as the device's library does it."""
    if not isinstance(row, DeviceRow) or row.product is None:
        return None
    call = device.product(row.product)
    return None if call is None else LibraryCall(row.slots, call)


def laid_out(rows: Iterable[Row]) -> Iterator[Row | Copy]:
    """The rows with the turns of short loops one after another; what is before a loop is done
    before it."""
    for row, following in itertools.pairwise((*rows, None)):
        if isinstance(row, DeviceRow) and isinstance(following, LoopRow):
            yield replace(row, barrier=True)
        elif isinstance(row, LoopRow) and is_short(row):
            yield from turns_of(row)
        elif row is not None:
            yield row


def is_short(loop: LoopRow) -> bool:
    count = launches(loop)
    return count is not None and count <= UNROLLED


def launches(row: Row) -> int | None:
    """How many launches a row is, if that is known and it is nothing else."""
    if isinstance(row, LoopRow):
        counts = [launches(inner) for inner in row.rows]
        if row.length is None or None in counts:
            return None
        return row.length * sum(n for n in counts if n is not None)
    return 1 if isinstance(row, DeviceRow) else None


def turns_of(loop: LoopRow) -> Iterator[DeviceRow | Copy]:
    """All launches of a loop, cells replaced by what they are in each turn."""
    assert loop.length is not None
    yield from settled(loop, loop.starts, 0)
    for turn in range(loop.length):
        places = {cell.number: cell.at(turn) for cell in loop.cells}
        for row in laid_out(loop.rows):
            if isinstance(row, Copy):
                source, target = resolved(row.source, places), resolved(row.target, places)
                yield Copy(source, target, row.nbytes)
            elif isinstance(row, DeviceRow):
                yield replace(row, slots=tuple(resolved(slot, places) for slot in row.slots))
    yield from settled(loop, loop.results, loop.length)


def resolved(slot: Slot, places: Mapping[int, Slot]) -> Slot:
    """The slot, or what the cell that it names is."""
    if slot.space != "cell" or slot.index not in places:
        return slot
    place = places[slot.index]
    return replace(place, offset_bytes=place.offset_bytes + slot.offset_bytes)


def settled(loop: LoopRow, results: Iterable[Settled], turn: int) -> Iterator[Copy]:
    """What cells have in a turn, to where it belongs."""
    for index, slot, nbytes in results:
        place = loop.cells[index].at(turn)
        if place != slot and nbytes:
            yield Copy(place, slot, nbytes)


# ---------------------------------------------------------------- one call


class Walk:
    """A call: its addresses, and the cells of the loops that it is in.

    `began`: work was asked for, so that what the call was given to overwrite may be overwritten.
    """

    def __init__(self, device: Device, spaces: Spaces) -> None:
        self.device, self.began = device, False
        self.cells: dict[int, int] = {}
        self.spaces: Spaces = {**spaces, "cell": self.cells}

    def address(self, slot: Slot) -> int:
        return self.spaces[slot.space][slot.index] + slot.offset_bytes

    def run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, Segment):
                step.run(self.address)
            elif isinstance(step, Copy):
                self.copy(step)
            elif isinstance(step, LibraryCall):
                step.run(tuple(map(self.address, step.slots)))
            elif isinstance(step, Turns):
                self.turns(step)
            elif isinstance(step, Cases):
                index = int(self.read(step.row.index, np.dtype(np.int32), ()))
                self.run(step.cases[min(max(index, 0), len(step.cases) - 1)])
            else:
                self.host(step)
            self.began = True

    def read(self, slot: Slot, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """What is there; waits for it."""
        array = np.empty(shape, dtype)
        if array.nbytes:  # a token has no memory
            self.device.download(array, self.address(slot))
        return array

    def copy(self, x: Copy) -> None:
        source, target = self.address(x.source), self.address(x.target)
        if source != target:
            self.device.copy(target, source, x.nbytes)

    def turns(self, step: Turns) -> None:
        """A loop, turn by turn, as walker.py does it."""
        loop = step.row
        for copy in settled(loop, loop.starts, 0):
            self.copy(copy)
        turn = 0
        while turn != loop.length:
            for cell in loop.cells:
                self.cells[cell.number] = self.address(cell.at(turn))
            self.run(step.tests)
            if loop.test is not None and not self.read(loop.test, np.dtype(np.bool_), ()):
                break
            self.run(step.steps)
            turn += 1
        for copy in settled(loop, loop.results, turn):
            self.copy(copy)

    def host(self, row: HostRow) -> None:
        """A call of Python: waits, copies there and back."""
        arrays = [self.read(*operand) for operand in row.inputs]
        for result, (slot, _, _) in zip(host_results(row, arrays), row.outputs, strict=True):
            if result.nbytes:
                self.device.upload(self.address(slot), np.ascontiguousarray(result))
