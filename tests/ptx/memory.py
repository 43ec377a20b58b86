"""The memory of a device: buffers of NumPy at addresses of their own, far apart, and the shared
memory of blocks, which remembers who touched what since the last barrier.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .faults import LaunchFault, Misaligned, OutOfBounds, Race, ReadOnly, Uninitialised
from .formats import UNSIGNED, Array

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
        self, array: np.ndarray, *, writable: bool = True, written: bool = True, name: str = ""
    ) -> int:
        """The address of an array's memory, to which more may be added.

        With `written=False` a kernel may not read what no kernel wrote.
        """
        if not array.flags.c_contiguous:
            raise LaunchFault(f"place: a C-ordered array is required, got strides {array.strides}")
        flat = array.reshape(-1).view(np.uint8)
        name = name or f"{array.dtype}{list(array.shape)}"
        defined = None if written else np.zeros(flat.size, np.bool_)
        buffer = Buffer(self.next, flat, name, writable and array.flags.writeable, defined)
        self.buffers.append(buffer)
        self.next = -(-(buffer.end + GAP) // ALIGN) * ALIGN
        return buffer.address

    def remove(self, address: int) -> None:
        """The buffer placed at an address is gone; its addresses are never used again."""
        self.buffers = [b for b in self.buffers if b.address != address]
        self.last = None

    def unwritten(self, address: int) -> int:
        """How many bytes of a buffer placed with `written=False` no kernel wrote."""
        (buffer,) = (b for b in self.buffers if b.address == address)
        return 0 if buffer.defined is None else int((~buffer.defined).sum())

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

    def load(self, addresses: Array, size: int) -> Array:
        aligned(addresses, size, "load")
        groups = self.groups(addresses, size, "load")
        out = np.empty(addresses.shape, UNSIGNED[8 * size])
        for buffer, inside in groups:
            a = addresses if inside is None else addresses[inside]
            index = (a - np.uint64(buffer.address)).view(np.int64)
            if buffer.defined is not None:
                self._written(buffer, index, size, inside)
            values = buffer.view(size)[index >> (size.bit_length() - 1)]
            if inside is None:
                return values
            out[inside] = values
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

    def store(self, addresses: Array, size: int, values: Array) -> None:
        aligned(addresses, size, "store")
        for buffer, inside in self.groups(addresses, size, "store"):
            a = addresses if inside is None else addresses[inside]
            if not buffer.writable:
                k = 0 if inside is None else int(np.argmax(inside))
                raise ReadOnly(f"store into {buffer.name}, which is read-only", k)
            index = (a - np.uint64(buffer.address)).view(np.int64)
            kept = values if inside is None else values[inside]
            buffer.view(size)[index >> (size.bit_length() - 1)] = kept
            if buffer.defined is not None:
                for k in range(size):
                    buffer.defined[index + k] = True


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


ATOMIC = -2  # in place of a writer: threads that do not race with each other
NOBODY = -1
FAR = np.int64(1 << 60)


class Shared:
    """The shared memory of several blocks, with the accesses since each block's last barrier.

    A cell is the smallest access of the program. Each knows its last writer, the lowest and the
    highest thread that read it, and when; barriers move the time before which all is in order,
    of a block or (bar.warp.sync) of a warp.
    """

    def __init__(self, size: int, cell: int, block_of: Array, warp_of: Array) -> None:
        self.size, self.cell = size, cell
        self.stride = -(-size // 16) * 16
        self.block_of, self.warp_of = block_of, warp_of
        blocks = int(block_of[-1]) + 1
        cells = blocks * self.stride // cell
        self.bytes = np.zeros(blocks * self.stride, np.uint8)
        self.defined = np.zeros(cells, np.bool_)
        self.writer = np.full(cells, NOBODY, np.int64)
        self.lowest = np.full(cells, FAR)
        self.highest = np.full(cells, NOBODY, np.int64)
        self.written = np.full(cells, -1, np.int64)
        self.read = np.full(cells, -1, np.int64)
        self.now = 0
        self.ordered = np.full(blocks, -1, np.int64)
        self.ordered_warp = np.full(int(warp_of.max()) + 1, -1, np.int64)

    def barrier(self, blocks: Array) -> None:
        self.ordered[blocks] = self.now

    def warp_barrier(self, warps: Array) -> None:
        self.ordered_warp[warps] = self.now

    def index(self, offsets: Array, threads: Array, size: int, what: str) -> Array:
        """Byte places in `bytes`."""
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
        return self.block_of[threads] * self.stride + offset

    def load(self, offsets: Array, threads: Array, size: int) -> Array:
        index = self.index(offsets, threads, size, "load")
        self.now += 1
        for part in range(0, size, self.cell):
            cells = (index + part) // self.cell
            if not self.defined[cells].all():
                k = int(np.argmin(self.defined[cells]))
                raise Uninitialised(
                    f"load of byte {int(offsets[k]) - SHARED_START} of shared memory, "
                    "which nothing wrote",
                    k,
                )
            self._check_writer(cells, threads, offsets, "reads")
            self._note_readers(cells, threads)
        return self.bytes.view(UNSIGNED[8 * size])[index // size]

    def store(self, offsets: Array, threads: Array, size: int, values: Array) -> None:
        index = self.index(offsets, threads, size, "store")
        self.now += 1
        view = self.bytes.view(UNSIGNED[8 * size])
        view[index // size] = values
        for part in range(0, size, self.cell):
            cells = (index + part) // self.cell
            self._check_writer(cells, threads, offsets, "writes")
            self._check_readers(cells, threads, offsets)
            self.writer[cells] = threads
            self.written[cells] = self.now
            self.defined[cells] = True
            lost = (self.writer[cells] != threads) & (view[index // size] != values)
            if lost.any():
                k = int(np.argmax(lost))
                raise self._race(
                    offsets, threads, k, "writes", int(self.writer[cells[k]]), "writes"
                )

    def atomic(self, offsets: Array, threads: Array, size: int) -> Array:
        """Byte places for a read and write that others do not interrupt."""
        index = self.index(offsets, threads, size, "atomic access")
        self.now += 1
        for part in range(0, size, self.cell):
            cells = (index + part) // self.cell
            self._check_writer(cells, threads, offsets, "updates", atomic=True)
            self._check_readers(cells, threads, offsets)
            self.writer[cells] = ATOMIC
            self.written[cells] = self.now
            if not self.defined[cells].all():
                k = int(np.argmin(self.defined[cells]))
                raise Uninitialised("atomic access to shared memory that nothing wrote", k)
        return index

    def _in_order(self, threads: Array, others: Array, since: Array) -> Array:
        """Whether a barrier lies between now and what others did."""
        block = since <= self.ordered[self.block_of[threads]]
        mine = self.warp_of[threads]
        same = self.warp_of[np.maximum(others, 0)] == mine
        return block | (same & (since <= self.ordered_warp[mine]))

    def _check_writer(
        self, cells: Array, threads: Array, offsets: Array, verb: str, atomic: bool = False
    ) -> None:
        writer = self.writer[cells]
        foreign = (writer != threads) & (writer != NOBODY)
        if atomic:
            foreign &= writer != ATOMIC
        if not foreign.any():
            return
        bad = foreign & ~self._in_order(threads, writer, self.written[cells])
        if bad.any():
            k = int(np.argmax(bad))
            raise self._race(offsets, threads, k, verb, int(writer[k]), "writes")

    def _check_readers(self, cells: Array, threads: Array, offsets: Array) -> None:
        low, high, since = self.lowest[cells], self.highest[cells], self.read[cells]
        foreign = ((low < threads) | (high > threads)) & (high != NOBODY)
        if not foreign.any():
            return
        other = np.where(low < threads, low, high)
        both = self._in_order(threads, np.minimum(low, high), since)
        bad = foreign & ~(both & self._in_order(threads, high, since))
        if bad.any():
            k = int(np.argmax(bad))
            raise self._race(offsets, threads, k, "writes", int(other[k]), "reads")

    def _note_readers(self, cells: Array, threads: Array) -> None:
        low, high, since = self.lowest[cells], self.highest[cells], self.read[cells]
        old = self._in_order(threads, np.minimum(low, high), since)
        old &= self._in_order(threads, high, since)
        low = np.minimum(np.where(old, FAR, low), threads)
        high = np.maximum(np.where(old, NOBODY, high), threads)
        # threads ascend: of several that read one cell the lowest must win here, the highest there
        self.lowest[cells[::-1]] = low[::-1]
        self.highest[cells] = high
        self.read[cells] = self.now

    def _race(
        self, offsets: Array, threads: Array, k: int, verb: str, other: int, other_verb: str
    ) -> Race:
        thread = int(threads[k])
        first = int(np.argmax(self.block_of == self.block_of[thread]))
        who = "an atomic access" if other == ATOMIC else f"thread {other - first}"
        return Race(
            f"thread {thread - first} {verb} byte {int(offsets[k]) - SHARED_START} of shared "
            f"memory, which {who} {other_verb}, with no barrier between",
            k,
        )
