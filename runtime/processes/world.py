"""The processes that a launcher has started, each with the same program: `initialize`, `world`.

    world = initialize()
    world.join((("data", 2), ("model", 2)))
    pending = world.start(transfer, source_address, result_address)
    ...
    pending.wait()

Ranks fill a mesh in C order. All processes start the same transfers in the same order.
"""

from __future__ import annotations

import math
import os
import platform
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ..rows import MeshAxes, Transfer
from . import mpi
from .courier import Courier, Done, Pending
from .launcher import MARK, launched, mark
from .leaving import Leaving
from .traffic import FEW_SPINS, Peers, Traffic
from .vigil import News, Vigil, connections
from .wire import Alone, ProcessError, Wire, in_a_line

TIMEOUT_SECONDS = 300.0
LONGEST_SECONDS = 1e9  # what calls of the system take for a time
BYTE = np.dtype(np.uint8)


class World:
    """This process, of rank `rank`, and the others of `size`; `host_size` are on this machine, of
    which this one is number `host_rank`."""

    def __init__(
        self, wire: Wire, timeout: float = TIMEOUT_SECONDS, courier: Courier | None = None
    ):
        self.news = courier.news if courier else News()
        self.traffic = Traffic(wire, self.news, timeout)
        self.courier = courier
        self.rank, self.size = wire.rank, wire.size
        self.all: MeshAxes = (("processes", self.size),)
        self.host_rank, self.host_size = 0, 1
        self.sharers = 1  # processes on this machine that may use processors of this one

    # ---- transfers

    def start(self, transfer: Transfer, source: int, result: int) -> Pending:
        """From one address to another; both are left alone until it is waited for."""
        if transfer.size == 1 or self.courier is None:
            self.now(transfer, source, result)
            return Done()
        return self.courier.start(self._work(transfer, source, result))

    def now(self, transfer: Transfer, source: int, result: int) -> None:
        work = self._work(transfer, source, result)
        if self.courier is None or transfer.size == 1:
            work()
        else:
            self.courier.now(work)

    def _work(self, transfer: Transfer, source: int, result: int) -> partial[None]:
        if self.news.broken:
            self.news.check(str(transfer))
        peers = self._peers(transfer.mesh, transfer.axis)
        return partial(self.traffic.run, transfer, peers, source, result)

    def exchanged(self, transfer: Transfer, array: np.ndarray) -> np.ndarray:
        """The flat result of an array's elements."""
        operand = np.ascontiguousarray(array, transfer.dtype)
        if operand.size != transfer.count:
            required = f"{transfer.count} elements are required"
            raise ValueError(f"{transfer}: {required}, got {operand.size}")
        result = np.empty(transfer.result_bytes // transfer.dtype.itemsize, transfer.dtype)
        self.now(transfer, operand.ctypes.data, result.ctypes.data)
        return result

    def check(self, transfer: Transfer) -> None:
        """For who waits for a transfer that others do. Errors: ProcessError if a process that takes
        part has left."""
        what = str(transfer)
        for rank in self._peers(transfer.mesh, transfer.axis).ranks:
            self.news.look(what, rank)

    @property
    def timeout(self) -> float:
        """Seconds that others are waited for."""
        return self.traffic.timeout

    # ---- the mesh

    def join(self, mesh: MeshAxes) -> None:
        """All processes have this mesh from now on. Errors: ProcessError where some have not."""
        if (points := math.prod(size for _, size in mesh)) != self.size:
            text = " x ".join(f"{name} {size}" for name, size in mesh)
            raise ProcessError(
                f"mesh: as many points as processes are required, got {text} ({points}) and "
                f"{self.size}\ntry: mpiexec -n {points} python ..."
            )
        self.agree("mesh", str(mesh))

    def place(self, mesh: MeshAxes, axis: str) -> int:
        """Where this process is along an axis."""
        return self._peers(mesh, axis).place

    def _peers(self, mesh: MeshAxes, axis: str) -> Peers:
        return peers_of(mesh, axis, self.rank)

    # ---- between all

    def agree(self, what: str, text: str) -> None:
        """All give the same text. Errors: ProcessError with the first line that differs."""
        digest = np.frombuffer(blake2b(text.encode(), digest_size=16).digest(), np.uint8)
        digests = self.gathered(digest).reshape(self.size, -1)
        if (digests == digests[0]).all():
            return
        data = text.encode()
        lengths = self.gathered(np.array([len(data)])).view(np.int64)
        padded = np.zeros(lengths.max(), np.uint8)
        padded[: len(data)] = np.frombuffer(data, np.uint8)
        rows = self.gathered(padded).reshape(self.size, -1)
        texts = [row[:k].tobytes().decode() for row, k in zip(rows, lengths, strict=True)]
        other = next(rank for rank, t in enumerate(texts) if t != texts[0])
        raise ProcessError(f"{what}: {first_difference(texts[0], texts[other], other)}")

    def gathered(self, array: np.ndarray) -> np.ndarray:
        """The bytes of all processes in the order of ranks."""
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        transfer = Transfer("gather", self.all, "processes", BYTE, data.nbytes)
        return self.exchanged(transfer, data)

    def broadcast(self, data: bytes, source: int = 0) -> bytes:
        """The bytes of process `source`; the others' count for nothing. Cost: log2(n) rounds."""
        nbytes = int(self.gathered(np.array([len(data)])).view(np.int64)[source])
        block = np.zeros(max(1, nbytes), np.uint8)
        if self.rank == source:
            block[:nbytes] = np.frombuffer(data, np.uint8)
        empty = np.empty_like(block)
        for reach in (1 << k for k in range((self.size - 1).bit_length())):
            far = range(reach, min(2 * reach, self.size))
            pairs = tuple(((k - reach + source) % self.size, (k + source) % self.size) for k in far)
            taken = (self.rank - source) % self.size in far
            transfer = Transfer("permute", self.all, "processes", BYTE, block.nbytes, pairs)
            to = block if taken else empty
            self.now(transfer, block.ctypes.data, to.ctypes.data)
        return block[:nbytes].tobytes()

    def barrier(self) -> None:
        """Returns when all processes have called it."""
        self.gathered(np.empty(0, np.uint8))


@cache
def peers_of(mesh: MeshAxes, axis: str, rank: int) -> Peers:
    """The processes that differ from a rank along an axis only."""
    sizes = [size for _, size in mesh]
    at = [name for name, _ in mesh].index(axis)
    ranks = np.arange(math.prod(sizes)).reshape(sizes)
    place = np.unravel_index(rank, sizes)
    line = ranks[(*place[:at], slice(None), *place[at + 1 :])]
    return Peers(tuple(map(int, line)), int(place[at]))


def first_difference(first: str, text: str, rank: int) -> str:
    """Where two texts differ."""
    lines = zip((*first.splitlines(), ""), (*text.splitlines(), ""), strict=False)
    found = ((k, a, b) for k, (a, b) in enumerate(lines, 1) if a != b)
    line, a, b = next(found, (0, first, text))
    return (
        "the same is required of all processes, got\n"
        f"    line {line} of process 0: {a or 'nothing'}\n"
        f"    line {line} of process {rank}: {b or 'nothing'}"
    )


def own_machine() -> bytes:
    """Where this process runs: the machine in 32 bytes, then the processors it may use as bits."""
    known = [platform.node()]
    for file in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/net"):
        with suppress(OSError):
            known.append(os.readlink(file) if os.path.islink(file) else Path(file).read_text())
    affinity = getattr(os, "sched_getaffinity", None)
    bits = np.zeros(1 << 12, np.bool_)
    bits[sorted(affinity(0)) if affinity else slice(None)] = True
    return blake2b(repr(known).encode(), digest_size=32).digest() + np.packbits(bits).tobytes()


def allowed_seconds(environment: Mapping[str, str]) -> float:
    """How long others are waited for, where `initialize` does not say it."""
    name = "WONDERLAND_PROCESS_TIMEOUT"
    return in_seconds(name, environment.get(name) or TIMEOUT_SECONDS)


def in_seconds(what: str, given: object) -> float:
    """Errors: ProcessError where it is no time to wait."""
    with suppress(ValueError, TypeError):
        if (seconds := float(given)) > 0:  # pyright: ignore[reportArgumentType]
            return min(seconds, LONGEST_SECONDS)
    raise ProcessError(f"{what}: seconds are required, more than 0, got {given!r:.40}")


class _Process:
    """The world of this process; before it is found the process is alone."""

    def __init__(self) -> None:
        self.alone = World(Alone())
        self.world = self.alone
        self.failed: ProcessError | None = None  # MPI begins once
        self.finding = threading.Lock()


_process = _Process()


def initialize(timeout: float | None = None) -> World:
    """The world of this process, found when first asked for; all processes call it.

    `timeout`: the seconds that others are waited for, here and in every transfer; 300, or what
    WONDERLAND_PROCESS_TIMEOUT says.
    Errors: ProcessError.
    """
    with _process.finding:
        if _process.failed is not None:
            raise _process.failed
        if _process.world is _process.alone:
            seconds = (
                allowed_seconds(os.environ) if timeout is None
                else in_seconds("initialize: timeout", timeout)
            )  # fmt: skip
            try:
                _process.world = _found(seconds)
            except BaseException as error:
                _process.failed = ProcessError(in_a_line(error))
                raise
    return _process.world


def world() -> World:
    """The world that `initialize` has found."""
    return _process.world


def _found(timeout: float) -> World:
    count, launcher = launched(os.environ)
    if count == 1:
        return World(Alone(), timeout)
    library = mpi.mpi_library()
    os.environ[MARK] = mark(os.environ)
    courier = Courier(News())
    wires: list[mpi.MpiWire] = []
    if not courier.start(partial(mpi.begin, library, wires)).wait(timeout):
        required = f"all {count} processes are required within {timeout} seconds"
        raise ProcessError(f"initialize: {required}, not all came")
    world = World(wires[0], timeout, courier)
    if world.size != count:
        raise ProcessError(
            f"initialize: {launcher} has started {count} processes, the library of MPI finds "
            f"{world.size}: both must be of one kind\ntry: {mpi.REPAIR}, and its mpiexec"
        )
    rows = world.gathered(np.frombuffer(own_machine(), np.uint8)).reshape(count, -1)
    here = (rows[:, :32] == rows[world.rank, :32]).all(1)
    shared = (rows[:, 32:] & rows[world.rank, 32:]).any(1)
    world.host_rank, world.host_size = int(here[: world.rank].sum()), int(here.sum())
    world.sharers = int((here & shared).sum())
    if world.sharers > int(np.unpackbits(rows[world.rank, 32:]).sum()):
        world.traffic.spins = FEW_SPINS
    found = connections(world.rank, count, bool(here.all()), world.broadcast, timeout)
    Leaving(world.traffic.wire, courier, Vigil(world.rank, found, courier.news))
    world.barrier()
    return world
