"""The memory of a device: buffers of NumPy at addresses of their own, far apart; the shared memory
of blocks and the local memory of threads. Races are told by races.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from .faults import Fault, LaunchFault, Misaligned, OutOfBounds, ReadOnly, Uninitialised
from .formats import UNSIGNED, Array
from .races import Accesses, Order

FIRST = 0x7000_0000_0000
GAP = 1 << 16  # of addresses between buffers: an index that is a little wrong hits nothing
ALIGN = 256  # as an allocation of a GPU

SHARED_WINDOW = 1 << 56  # generic addresses of shared memory
LOCAL_WINDOW = 1 << 57
SHARED_START = 1024  # offset 0 is no variable, so that a null pointer is found
LOCAL_START = 64


@dataclass
class Buffer:
    """`bytes` at an address; `defined` tells, byte for byte, what was written, None: all."""

    address: int
    bytes: np.ndarray
    name: str
    writable: bool = True
    defined: np.ndarray | None = None
    accesses: Accesses | None = None  # of the launch that runs
    views: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def end(self) -> int:
        return self.address + self.bytes.size

    def view(self, size: int) -> np.ndarray:
        if size not in self.views:
            whole = self.bytes.size // size * size
            self.views[size] = self.bytes[:whole].view(UNSIGNED[8 * size])
        return self.views[size]


class Memory:
    """Global memory: `place` gives an array an address, kernels read and write the array itself."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []
        self.next = FIRST
        self.last: Buffer | None = None

    def place(
        self,
        array: np.ndarray,
        *,
        writable: bool = True,
        written: bool = True,
        name: str = "",
        address: int | None = None,
    ) -> int:
        """The address of an array's memory, to which more may be added: `address`, or the next.

        With `written=False` a kernel may not read what no kernel wrote.
        """
        if not array.flags.c_contiguous:
            raise LaunchFault(f"place: a C-ordered array is required, got strides {array.strides}")
        flat = array.reshape(-1).view(np.uint8)
        name = name or f"{array.dtype}{list(array.shape)}"
        defined = None if written else np.zeros(flat.size, np.bool_)
        at = self.next if address is None else address
        buffer = Buffer(at, flat, name, writable and array.flags.writeable, defined)
        self.buffers.append(buffer)
        if address is None:
            self.next = -(-(buffer.end + GAP) // ALIGN) * ALIGN
        return at

    def part(self, address: int, nbytes: int, written: bool) -> np.ndarray:
        """Bytes of a buffer as the host reads or, with `written`, writes them."""
        buffer = self.find(address, address + nbytes)
        if buffer is None:
            raise OutOfBounds(f"{nbytes} bytes {self.describe(address)}")
        place = slice(address - buffer.address, address - buffer.address + nbytes)
        if buffer.defined is not None:
            if written:
                buffer.defined[place] = True
            elif not buffer.defined[place].all():
                raise Uninitialised(f"a copy of {buffer.name}, of which nothing wrote a part")
        return buffer.bytes[place]

    def remove(self, address: int) -> None:
        """The buffer placed at an address is gone; its addresses are never used again."""
        self.buffers = [b for b in self.buffers if b.address != address]
        self.last = None

    def unwritten(self, address: int) -> int:
        """How many bytes of a buffer placed with `written=False` no kernel wrote."""
        (buffer,) = (b for b in self.buffers if b.address == address)
        return 0 if buffer.defined is None else int((~buffer.defined).sum())

    def watch(self, cell: int, order: Order | None) -> None:
        """Accesses are those of a new launch from now on; None: they are not watched."""
        for b in self.buffers:
            watched = order is not None and b.writable and b.bytes.size
            b.accesses = Accesses(b.bytes.size, cell, order, b.name) if watched and order else None

    # -- access by many threads at once

    def find(self, low: int, high: int) -> Buffer | None:
        """The buffer that holds all of low ... high."""
        last = self.last
        if last is not None and last.address <= low and high <= last.end:
            return last
        for b in self.buffers:
            if b.address <= low and high <= b.end:
                self.last = b
                return b
        return None

    def groups(self, addresses: Array, size: int, what: str) -> list[tuple[Buffer, Array | None]]:
        """Buffers and which of the addresses lie in them (None: all)."""
        buffer = self.find(int(addresses.min()), int(addresses.max()) + size)
        if buffer is not None:
            return [(buffer, None)]
        found, missing = [], np.ones(addresses.shape, np.bool_)
        for b in self.buffers:
            if b.bytes.size >= size:
                inside = (addresses >= np.uint64(b.address)) & (
                    addresses <= np.uint64(b.end - size)
                )
                if inside.any():
                    found.append((b, inside))
                    missing &= ~inside
        if missing.any():
            k = int(np.argmax(missing))
            raise OutOfBounds(f"{what} of {size} bytes {self.describe(int(addresses[k]))}", k)
        return found

    def describe(self, address: int) -> str:
        """Where an address is that lies in no buffer."""
        near = min(
            self.buffers,
            key=lambda b: min(abs(address - b.address), abs(address - b.end)),
            default=None,
        )
        if near is None or abs(address - near.address) > 1 << 40:
            return f"at {address:#x}, which is in no buffer"
        offset = address - near.address
        return f"at byte {offset} of {near.name}, which has {near.bytes.size}"

    def load(self, addresses: Array, size: int, threads: Array) -> Array:
        """`threads` are counted through the launch, and ascend."""
        aligned(addresses, size, "load")
        groups = self.groups(addresses, size, "load")
        out = np.empty(addresses.shape, UNSIGNED[8 * size])
        for buffer, inside in groups:
            a = addresses if inside is None else addresses[inside]
            index = (a - np.uint64(buffer.address)).view(np.int64)
            if buffer.defined is not None:
                self._written(buffer, index, size, inside)
            if buffer.accesses is not None:
                own = threads if inside is None else threads[inside]
                with counted_from(inside):
                    buffer.accesses.loads(index, own, size, index)
            values = buffer.view(size)[index >> (size.bit_length() - 1)]
            if inside is None:
                return values
            out[inside] = values
        return out

    def peek(self, addresses: Array, size: int) -> Array:
        """What an atomic access finds."""
        out = np.empty(addresses.shape, UNSIGNED[8 * size])
        aligned(addresses, size, "atomic access")
        for buffer, inside in self.groups(addresses, size, "atomic access"):
            where = slice(None) if inside is None else inside
            index = (addresses[where] - np.uint64(buffer.address)).view(np.int64)
            if buffer.defined is not None:
                self._written(buffer, index, size, inside)
            out[where] = buffer.view(size)[index // size]
        return out

    def _written(self, buffer: Buffer, index: Array, size: int, inside: Array | None) -> None:
        assert buffer.defined is not None
        ok = buffer.defined[index] & buffer.defined[index + (size - 1)]
        if not ok.all():
            k = int(np.argmin(ok))
            thread = k if inside is None else int(np.nonzero(inside)[0][k])
            raise Uninitialised(
                f"load of byte {int(index[k])} of {buffer.name}, which nothing wrote", thread
            )

    def store(
        self, addresses: Array, size: int, values: Array, threads: Array, atomic: bool = False
    ) -> None:
        aligned(addresses, size, "store")
        for buffer, inside in self.groups(addresses, size, "store"):
            a = addresses if inside is None else addresses[inside]
            if not buffer.writable:
                k = 0 if inside is None else int(np.argmax(inside))
                raise ReadOnly(f"store into {buffer.name}, which is read-only", k)
            index = (a - np.uint64(buffer.address)).view(np.int64)
            given = values if inside is None else values[inside]
            places, view = index >> (size.bit_length() - 1), buffer.view(size)
            if buffer.accesses is None:
                view[places] = given
            else:
                own = threads if inside is None else threads[inside]
                with counted_from(inside):
                    if atomic:
                        buffer.accesses.updates(index, own, size, index)
                    else:
                        buffer.accesses.stores(index, own, size, index)
                    view[places] = given
                    if not atomic:
                        buffer.accesses.stored(index, own, size, index, view[places] == given)
            if buffer.defined is not None:
                for k in range(size):
                    buffer.defined[index + k] = True


@contextmanager
def counted_from(where: Array | None) -> Iterator[None]:
    """A fault of part of the threads names its thread among all of them."""
    try:
        yield
    except Fault as fault:
        if where is not None:
            fault.thread = int(np.nonzero(where)[0][fault.thread or 0])
        raise


def aligned(addresses: Array, size: int, what: str) -> None:
    """Fault unless all are multiples of size."""
    if size > 1:
        wrong = (addresses & np.uint64(size - 1)) != 0
        if wrong.any():
            k = int(np.argmax(wrong))
            raise Misaligned(f"{what} of {size} bytes at {int(addresses[k]):#x}", k)


class Local:
    """Memory of each thread alone."""

    def __init__(self, threads: int, size: int) -> None:
        self.size = size
        self.stride = -(-size // 16) * 16
        self.bytes = np.zeros(threads * self.stride, np.uint8)

    def index(self, offsets: Array, threads: Array, size: int, what: str) -> Array:
        aligned(offsets, size, what)
        offset = offsets.astype(np.int64) - LOCAL_START
        wrong = (offset < 0) | (offset + size > self.size)
        if wrong.any():
            k = int(np.argmax(wrong))
            raise OutOfBounds(
                f"{what} of {size} bytes at byte {int(offset[k])} of local memory, "
                f"which has {self.size}",
                k,
            )
        return (threads * self.stride + offset) // size

    def load(self, offsets: Array, threads: Array, size: int) -> Array:
        index = self.index(offsets, threads, size, "load")
        return self.bytes.view(UNSIGNED[8 * size])[index]

    def store(self, offsets: Array, threads: Array, size: int, values: Array) -> None:
        index = self.index(offsets, threads, size, "store")
        self.bytes.view(UNSIGNED[8 * size])[index] = values


class Shared:
    """The shared memory of several blocks, one behind the other."""

    def __init__(self, size: int, cell: int, block_of: Array, first_thread: int, order: Order):
        self.size, self.cell = size, cell
        self.stride = -(-size // 16) * 16
        self.block_of, self.first_thread = block_of, first_thread
        nbytes = (int(block_of[-1]) + 1) * self.stride
        self.bytes = np.zeros(nbytes, np.uint8)
        self.defined = np.zeros(nbytes // cell, np.bool_)
        self.accesses = Accesses(nbytes, cell, order, "shared memory")

    def index(self, offsets: Array, threads: Array, size: int, what: str) -> tuple[Array, Array]:
        """Places in `bytes`, and in the memory of the block."""
        aligned(offsets, size, what)
        offset = offsets.astype(np.int64) - SHARED_START
        wrong = (offset < 0) | (offset + size > self.size)
        if wrong.any():
            k = int(np.argmax(wrong))
            raise OutOfBounds(
                f"{what} of {size} bytes at byte {int(offset[k])} of shared memory, "
                f"which has {self.size}",
                k,
            )
        return self.block_of[threads] * self.stride + offset, offset

    def load(self, offsets: Array, threads: Array, size: int) -> Array:
        index, offset = self.index(offsets, threads, size, "load")
        self._written(index, size, offset)
        self.accesses.loads(index, threads + self.first_thread, size, offset)
        return self.bytes.view(UNSIGNED[8 * size])[index // size]

    def _written(self, index: Array, size: int, offset: Array) -> None:
        for part in range(0, size, self.cell):
            known = self.defined[(index + part) // self.cell]
            if not known.all():
                k = int(np.argmin(known))
                raise Uninitialised(
                    f"load of byte {int(offset[k])} of shared memory, which nothing wrote", k
                )

    def store(self, offsets: Array, threads: Array, size: int, values: Array) -> None:
        index, offset = self.index(offsets, threads, size, "store")
        own = threads + self.first_thread
        self.accesses.stores(index, own, size, offset)
        self.put(index, size, values)
        kept = self.bytes.view(UNSIGNED[8 * size])[index // size] == values
        self.accesses.stored(index, own, size, offset, kept)

    def put(self, index: Array, size: int, values: Array) -> None:
        self.bytes.view(UNSIGNED[8 * size])[index // size] = values
        for part in range(0, size, self.cell):
            self.defined[(index + part) // self.cell] = True

    def atomic(self, offsets: Array, threads: Array, size: int) -> Array:
        """Places for a read and write that others do not interrupt."""
        index, offset = self.index(offsets, threads, size, "atomic access")
        self._written(index, size, offset)
        self.accesses.updates(index, threads + self.first_thread, size, offset)
        return index
