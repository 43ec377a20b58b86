"""The segments of a program as a device is asked for them: graphs of launches, library products.

    launches that follow each other     one graph, made once, changed where addresses move
    a scan of few launches              its turns one after another, in the graph around it
    any other loop                      turn by turn from here (machine.py): each launch by itself,
                                        at the addresses of its turn
    a product that the library takes    a call of that, between graphs
    a transfer between processes        begun, and waited for, between graphs, in the order of the
                                        rows (carriers.py); a loop with one is of the third kind
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

from ..machine import Address, Machine, Spaces
from ..rows import DeviceRow, LoopRow, Row, Settled, Slot, StartRow, WaitRow
from ..steps import Segment, phases_of, steps_of
from .carriers import DeviceUnderway
from .device import Device, DeviceError, DeviceGraph, Launch

UNROLLED = 256  # launches of a scan up to which its turns are part of a graph


class DeviceSteps:
    """The steps of rows, and of each segment what the device is asked for.

    `fixed`: arguments and results are where they were at the first call.
    """

    def __init__(self, device: Device, rows: tuple[Row, ...], fixed: bool = False) -> None:
        self.device, self.steps = device, steps_of(rows, inside=is_inside)
        self.pieces = {
            k: tuple(pieces_of(device, step.rows, fixed))
            for k, step in enumerate(self.steps)
            if isinstance(step, Segment)
        }


class DeviceCall:
    """A call under way: its addresses, and what it asks a device for, in order.

    `began`: work was asked for, so that what the call was given to overwrite may be overwritten.
    """

    def __init__(self, device: Device, spaces: Spaces) -> None:
        self.device, self.spaces, self.began = device, spaces, False
        self.underway = DeviceUnderway(device)

    def walk(self, of: DeviceSteps) -> None:
        def run(k: int, _: Segment, address: Address) -> None:
            for piece in of.pieces[k]:
                piece.run(self, address)

        Machine(of.steps, self.spaces, self, run).walk()

    def read(self, address: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """What is there; waits for it."""
        array = np.empty(shape, dtype)
        if array.nbytes:  # a token has no memory
            self.device.download(array, address)
        return array

    def write(self, address: int, array: np.ndarray) -> None:
        self.device.upload(address, np.ascontiguousarray(array))
        self.began = True

    def copy(self, to: int, source: int, nbytes: int) -> None:
        self.device.copy(to, source, nbytes)
        self.began = True


# ---------------------------------------------------------------- pieces of a segment


class Launches:
    """Launches that follow each other, and the graph that they become where addresses stay."""

    def __init__(self, device: Device, rows: Sequence[DeviceRow], fixed: bool) -> None:
        self.device, self.rows = device, tuple(rows)
        self.kernels = tuple(device.load(row.code) for row in rows)
        self.graph: DeviceGraph | None = None
        self.addresses: list[tuple[int, ...]] = []
        spaces = [{slot.space for slot in row.slots} for row in rows]
        may_move = set() if fixed else {"input", "output"}
        self.moving = tuple(k for k, of in enumerate(spaces) if of & may_move)
        self.turning = any("cell" in of for of in spaces)

    def run(self, call: DeviceCall, address: Address) -> None:
        if self.turning:
            for k, row in enumerate(self.rows):
                self.device.launch(self._launch(k, tuple(map(address, row.slots))))
                call.began = True
            return
        if self.graph is None:
            self.addresses = [tuple(map(address, row.slots)) for row in self.rows]
            launches = map(self._launch, itertools.count(), self.addresses)
            waves = [tuple([next(launches) for _ in phase]) for phase in phases_of(self.rows)]
            self.graph = self.device.graph(tuple(waves))
        else:
            self._move(address)
        self.graph.launch()
        call.began = True

    def _move(self, address: Address) -> None:
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


@dataclass(frozen=True)
class DeviceCopy:
    """Bytes that go from one place to another, unless they are the same."""

    source: Slot
    target: Slot
    nbytes: int

    def run(self, call: DeviceCall, address: Address) -> None:
        source, target = address(self.source), address(self.target)
        if source != target:
            call.copy(target, source, self.nbytes)


@dataclass(frozen=True)
class LibraryCall:
    """A product by the device's library, on the addresses of slots."""

    slots: tuple[Slot, ...]
    product: Callable[[tuple[int, ...]], None]

    def run(self, call: DeviceCall, address: Address) -> None:
        self.product(tuple(map(address, self.slots)))
        call.began = True


@dataclass(frozen=True)
class TransferPiece:
    """The begin of a transfer between processes, or its end."""

    row: StartRow | WaitRow

    def run(self, call: DeviceCall, address: Address) -> None:
        if isinstance(self.row, WaitRow):
            call.underway.wait(self.row.number)
        else:
            source, result = address(self.row.source), address(self.row.result)
            call.underway.start(self.row, source, result)
            call.began = True


Piece = Launches | DeviceCopy | LibraryCall | TransferPiece


def pieces_of(device: Device, rows: Iterable[Row], fixed: bool) -> Iterator[Piece]:
    """The rows of a segment; launches that follow each other are one piece."""
    waiting: list[DeviceRow] = []
    for row in (*laid_out(rows), None):
        match row:
            case DeviceRow():
                piece = library_call(device, row)
            case StartRow() | WaitRow():
                piece = TransferPiece(row)
            case _:
                piece = row
        if isinstance(row, DeviceRow) and piece is None:
            waiting.append(row)
            continue
        if waiting:
            yield Launches(device, waiting, fixed)
            waiting = []
        if piece is not None:
            yield piece


def library_call(device: Device, row: DeviceRow) -> LibraryCall | None:
    """The row as the device's library does it."""
    call = None if row.product is None else device.product(row.product)
    return None if call is None else LibraryCall(row.slots, call)


# ---------------------------------------------------------------- rows to segments


def is_inside(row: Row) -> bool:
    """Whether a row is launches alone, and few, or of a transfer."""
    if isinstance(row, StartRow | WaitRow):
        return True
    count = launches(row)
    return isinstance(row, DeviceRow) or (count is not None and count <= UNROLLED)


def laid_out(rows: Iterable[Row]) -> Iterator[DeviceRow | DeviceCopy | StartRow | WaitRow]:
    """The rows of a segment with the turns of loops one after another; what is before a loop is
    done before it."""
    for row, following in itertools.pairwise((*rows, None)):
        if isinstance(row, LoopRow):
            yield from unrolled_loop(row)
        elif isinstance(row, StartRow | WaitRow):
            yield row
        elif isinstance(row, DeviceRow):
            yield replace(row, barrier=True) if isinstance(following, LoopRow) else row


def launches(row: Row) -> int | None:
    """How many launches a row is, if that is known and it is nothing else."""
    if isinstance(row, LoopRow):
        counts = [launches(inner) for inner in row.rows]
        if row.length is None or None in counts:
            return None
        return row.length * sum(n for n in counts if n is not None)
    return 1 if isinstance(row, DeviceRow) else None


def unrolled_loop(loop: LoopRow) -> Iterator[DeviceRow | DeviceCopy]:
    """All launches of a loop, cells replaced by what they are in each turn."""
    assert loop.length is not None
    yield from settled(loop, loop.starts, 0)
    for turn in range(loop.length):
        places = {cell.number: cell.at(turn) for cell in loop.cells}
        for row in laid_out(loop.rows):
            assert isinstance(row, DeviceRow | DeviceCopy)  # `launches` counts nothing else
            if isinstance(row, DeviceCopy):
                source, target = resolved(row.source, places), resolved(row.target, places)
                yield DeviceCopy(source, target, row.nbytes)
            else:
                yield replace(row, slots=tuple(resolved(slot, places) for slot in row.slots))
    yield from settled(loop, loop.results, loop.length)


def resolved(slot: Slot, places: Mapping[int, Slot]) -> Slot:
    """The slot, or what the cell that it names is."""
    if slot.space != "cell" or slot.index not in places:
        return slot
    place = places[slot.index]
    return replace(place, offset_bytes=place.offset_bytes + slot.offset_bytes)


def settled(loop: LoopRow, results: Iterable[Settled], turn: int) -> Iterator[DeviceCopy]:
    """What cells have in a turn, to where it belongs."""
    for index, slot, nbytes in results:
        place = loop.cells[index].at(turn)
        if place != slot and nbytes:
            yield DeviceCopy(place, slot, nbytes)
