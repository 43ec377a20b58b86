"""What the engine sends, counted; and what it takes by itself, for any number of processes."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wonderland.runtime.processes import world as processes
from wonderland.runtime.rows import Transfer


@dataclass
class Counted:
    """A wire of the engine's, and what this process has sent over it."""

    wire: Any
    messages: int = 0
    nbytes: int = 0

    def __post_init__(self) -> None:
        self.rank, self.size = self.wire.rank, self.wire.size

    def send(self, address: int, nbytes: int, to: int, lane: int = 0) -> Any:
        self.messages += 1
        self.nbytes += nbytes
        return self.wire.send(address, nbytes, to, lane)

    def receive(self, address: int, nbytes: int, source: int, lane: int = 0) -> Any:
        return self.wire.receive(address, nbytes, source, lane)

    def progress(self) -> None:
        self.wire.progress()

    def close(self) -> None:
        self.wire.close()


@contextlib.contextmanager
def counted() -> Iterator[Counted]:
    """The engine's messages inside of the block."""
    traffic = processes.world().traffic
    wire = traffic.wire
    traffic.wire = found = Counted(wire)
    try:
        yield found
    finally:
        traffic.wire = wire


@dataclass
class Mirror:
    """A wire on which all others have sent what this process has: what the engine itself takes.

    Its world may be as large as one likes.
    """

    size: int
    rank: int = 0
    sent: dict[int, tuple[int, int]] = field(default_factory=dict)  # by lane

    def send(self, address: int, nbytes: int, to: int, lane: int = 0) -> Any:
        self.sent[lane] = address, nbytes
        return Seen()

    def receive(self, address: int, nbytes: int, source: int, lane: int = 0) -> Any:
        return Seen(self, address, nbytes, lane)

    def progress(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class Seen:
    """A message that is there when it is first looked at."""

    mirror: Mirror | None = None
    address: int = 0
    nbytes: int = 0
    lane: int = 0

    def done(self) -> bool:
        if self.mirror is not None:
            there, nbytes = self.mirror.sent.get(self.lane, (0, 0))
            ctypes.memmove(self.address, there, min(nbytes, self.nbytes))
            self.mirror = None
        return True

    def drop(self) -> None: ...


def mirrored(n: int, size: int) -> Callable[[], None]:
    """A sum of so many bytes over n processes, without the time that others take."""
    world, x = processes.World(Mirror(n)), np.ones(size // 4, np.float32)
    y, mesh = np.empty_like(x), (("data", n),)
    transfer = Transfer("sum", mesh, "data", x.dtype, x.size)
    return lambda: world.now(transfer, x.ctypes.data, y.ctypes.data)
