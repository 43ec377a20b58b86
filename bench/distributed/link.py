"""Messages that are counted, and that come no sooner than over a link of some latency and rate.

A link in front of the engine's own wire: bytes arrive one after another at a rate, and each message
a latency after it. The wait is a nap, so that the processor is as free as beside a real link, and
what a program hides of its transfers does not depend on how many cores this machine has.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wonderland.runtime.processes import world as processes
from wonderland.runtime.rows import Transfer


@dataclass
class Link:
    """A wire of the engine's, slower. Without a rate it is as fast as it is."""

    wire: Any
    latency: float = 0.0
    rate: float = float("inf")
    free: float = 0.0  # when the last byte that is asked for will be here
    messages: int = 0  # that this process has sent
    nbytes: int = 0

    def __post_init__(self) -> None:
        self.rank, self.size = self.wire.rank, self.wire.size

    def send(self, address: int, nbytes: int, to: int, lane: int = 0) -> Any:
        self.messages += 1
        self.nbytes += nbytes
        return self.wire.send(address, nbytes, to, lane)

    def receive(self, address: int, nbytes: int, source: int, lane: int = 0) -> Any:
        return Late(self, self.wire.receive(address, nbytes, source, lane), nbytes)

    def progress(self) -> None:
        self.wire.progress()

    def close(self) -> None:
        self.wire.close()


class Late:
    """A message that takes the link from when it is here or the link is free, whichever is later.

    That is a little late where looks at it are rare.
    """

    def __init__(self, link: Link, message: Any, nbytes: int) -> None:
        self.link, self.message, self.nbytes = link, message, nbytes
        self.due: float | None = None

    def done(self) -> bool:
        if self.due is None:
            if not self.message.done():
                return False
            now = time.perf_counter()
            self.link.free = max(self.link.free, now) + self.nbytes / self.link.rate
            self.due = self.link.free + self.link.latency
        return time.perf_counter() >= self.due

    def drop(self) -> None:
        self.message.drop()


@contextlib.contextmanager
def linked(latency: float = 0.0, rate: float = float("inf")) -> Iterator[Link]:
    """The engine's messages over a link, inside of the block."""
    traffic = processes.world().traffic
    wire = traffic.wire
    traffic.wire = link = Link(wire, latency, rate)
    try:
        yield link
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
