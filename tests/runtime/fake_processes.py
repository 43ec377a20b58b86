"""Processes for tests that are threads of this one: each has a world, a device, and its own NCCL.

    processes = Processes(monkeypatch, 4)
    results = processes.run(lambda process: ...)        in the order of ranks
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.runtime.fake_device import FakeDevice
from tests.runtime.fake_nccl import FakeNccl
from wonderland.runtime.gpu import carriers, nccl
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.processes import world as worlds
from wonderland.runtime.processes.courier import Courier
from wonderland.runtime.processes.vigil import News
from wonderland.runtime.processes.world import World


@dataclass
class Letter:
    """A message, which is there when it is sent."""

    take: Callable[[], bool]
    arrived: bool = False

    def done(self) -> bool:
        self.arrived = self.arrived or self.take()
        return self.arrived

    def drop(self) -> None:
        self.arrived = True


class ThreadWire:
    """Messages between threads; `boxes` are shared by all."""

    def __init__(self, rank: int, size: int, boxes: defaultdict[Any, deque[bytes]]) -> None:
        self.rank, self.size, self.boxes = rank, size, boxes

    def send(self, address: int, nbytes: int, to: int, lane: int = 0) -> Letter:
        self.boxes[self.rank, to, lane].append(ctypes.string_at(address, nbytes))
        return Letter(bool, True)

    def receive(self, address: int, nbytes: int, source: int, lane: int = 0) -> Letter:
        box = self.boxes[source, self.rank, lane]

        def take() -> bool:
            if not box:
                return False
            data = box.popleft()
            assert len(data) <= nbytes
            ctypes.memmove(address, data, len(data))
            return True

        return Letter(take)

    def progress(self) -> None: ...

    def close(self) -> None: ...


def ended(couriers: list[Courier]) -> None:
    """Their threads end."""
    for courier in couriers:
        courier.queue.put(None)


@dataclass
class Process:
    rank: int
    world: World
    device: Any


class Processes:
    """`lacking`: why no process has NCCL. `timeout`: of all worlds, in seconds. `devices` makes
    that of each; fakes if there is none, `eager` or not."""

    def __init__(
        self, patch: pytest.MonkeyPatch, size: int, timeout: float = 20.0, lacking: str = "",
        eager: bool = False, devices: Callable[[int], Any] | None = None,
        library: FakeNccl | None = None,
    ) -> None:  # fmt: skip
        self.nccl, self.lacking, self.local = library or FakeNccl(), lacking, threading.local()
        self.failed, self.finding = None, threading.Lock()
        boxes: defaultdict[Any, deque[bytes]] = defaultdict(deque)
        device = devices or (lambda rank: FakeDevice(eager=eager))
        couriers = [Courier(News()) for _ in range(size)]
        weakref.finalize(self, ended, couriers)
        self.all = [
            Process(k, World(ThreadWire(k, size, boxes), timeout, courier), device(k))
            for k, courier in enumerate(couriers)
        ]
        patch.setattr(worlds, "_process", self)
        patch.setattr(nccl, "modules", self.library)
        patch.setattr(carriers.atexit, "register", bool)

    alone = worlds.world()

    @property
    def world(self) -> World:
        """That of the process which the thread plays."""
        return self.local.process.world if hasattr(self.local, "process") else self.alone

    def library(self) -> tuple[Any, Any]:
        if self.lacking:
            raise DeviceError(self.lacking)
        return self.nccl.core, self.nccl.calls

    def run(self, body: Callable[[Process], Any], failing: bool = False) -> list[Any]:
        """What the body gives in each process, or raises if that is wanted."""
        found: list[Any] = [None] * len(self.all)

        def one(process: Process) -> None:
            self.local.process = process
            self.nccl.local.device = process.device
            try:
                found[process.rank] = body(process)
            except Exception as error:
                found[process.rank] = error

        threads = [threading.Thread(target=one, args=(p,), daemon=True) for p in self.all]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(t.is_alive() for t in threads), "a process hangs"
        for error in found:
            if isinstance(error, Exception) and not failing:
                raise error
        return found
