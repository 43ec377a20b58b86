"""The native executor: its machine code, and the one team of threads of this process."""

from __future__ import annotations

import atexit
import ctypes
import functools
import inspect
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..native import atomic, objects
from ..native.atomic import ATOMIC
from ..processes.world import world
from . import border, calls, slabs, walker
from .memory import aligned_array


def walker_source() -> objects.Source:
    """The text of walker.py, slabs.py, border.py and calls.py, and its words."""
    text = "".join(map(inspect.getsource, (walker, slabs, border, calls)))
    return text, ATOMIC, inspect.getsource(atomic)


@functools.cache
def walker_functions() -> Mapping[str, int]:
    """The addresses of the functions of walker.py, slabs.py, border.py and calls.py."""
    return objects.functions(*walker_source())


def wanted_soon() -> list[objects.Source]:
    """What the first program's run will ask for."""
    return [] if walker_functions.cache_info().currsize else [walker_source()]


def allowed_threads() -> int:
    """WONDERLAND_NUM_THREADS, else the processors of this process, cut by its group's quota; a part
    of them where other processes of a launcher may use the same ones."""
    if text := os.environ.get("WONDERLAND_NUM_THREADS"):
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(
                f"WONDERLAND_NUM_THREADS: a number from 1 on is required, got {text!r}"
            )
        return int(text)
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min([count, *quotas()]) // world().sharers)


def quotas() -> Iterator[int]:
    """Processors granted by the control groups above this process (Linux, both versions)."""
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    groups = [line.split(":", 2)[2].strip("/") for line in lines if line.startswith("0::")]
    for group in groups:
        for folder in (root / group, *(root / group).parents):
            yield from quota(folder / "cpu.max")
    try:
        given, period = (
            int((root / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period")
        )
    except (OSError, ValueError):
        return
    if given > 0:
        yield -(-given // period)


def quota(file: Path) -> Iterator[int]:
    try:
        given, period = file.read_text().split()
    except (OSError, ValueError):
        return
    if given != "max":
        yield -(-int(given) // int(period))


def processor_sets() -> np.ndarray:
    """Sets of processors as the system writes them: row c is all this process may use but c."""
    if sys.platform != "linux":
        return np.zeros((0, 8), np.uint8)
    allowed, count = os.sched_getaffinity(0), os.sysconf("SC_NPROCESSORS_CONF")
    bits = np.zeros((count, -(-count // 64) * 64), np.uint8)
    bits[:, sorted(allowed)] = 1
    np.fill_diagonal(bits, 0)
    return np.packbits(bits, axis=1, bitorder="little")


class Team:
    """Up to `size` threads: the caller of a launch, and workers that sleep when not needed."""

    def __init__(self, size: int):
        self.state = aligned_array(walker.TEAM_BYTES)
        self.state[:] = 0
        self.address = self.state.ctypes.data
        self.workers: list[threading.Thread] = []
        try:
            self._start(size)
        except BaseException:  # Ctrl-C, while a thread was started
            self.stop()
            raise
        self.size = 1 + len(self.workers)
        self.numbers = np.array([w.native_id for w in self.workers], np.int64)
        self.places = processor_sets()
        self._write({
            walker.THREADS: self.numbers.ctypes.data, walker.WORKERS: len(self.workers),
            walker.PLACES: self.places.ctypes.data, walker.PLACE_BYTES: self.places.shape[1],
            walker.PLACE_COUNT: len(self.places), walker.AVOIDED: -1,
        })  # fmt: skip

    def _start(self, size: int) -> None:
        serve = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(walker_functions()["serve"])

        def work(state: np.ndarray, member: int) -> None:
            serve(state.ctypes.data, member)  # the state lives as long as whoever looks at it

        for member in range(1, size):
            worker = threading.Thread(target=work, args=(self.state, member), daemon=True)
            try:
                worker.start()
            except RuntimeError:  # the system grants no more threads
                break
            self.workers.append(worker)

    def _write(self, values: dict[int, int]) -> None:
        words = self.state.view(np.int64)
        for offset, value in values.items():
            words[offset // 8] = value

    def stop(self) -> None:
        """After the launch in progress; later launches of this team run alone."""
        ctypes.CFUNCTYPE(None, ctypes.c_int64)(walker_functions()["stop_team"])(self.address)
        for worker in self.workers:
            worker.join()


class _Process:
    """The team of this process and how large it is to be."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.team: Team | None = None
        self.size = 0  # not asked yet
        self.sharers = 1  # when it was asked

    def forget(self) -> None:
        """In the child of a fork: the workers are the parent's."""
        self.lock = threading.Lock()
        self.team = None

    def stop(self) -> None:
        with self.lock:
            team, self.team = self.team, None
        if team is not None:
            team.stop()

    def close(self) -> None:
        """At exit, before memory goes: what runs later runs alone."""
        self.size = 1
        self.stop()


_process = _Process()
atexit.register(_process.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forget)


def thread_count() -> int:
    if (sharers := world().sharers) != _process.sharers:  # a world was found
        _process.size, _process.sharers = 0, sharers
        _process.stop()
    if not _process.size:
        _process.size = allowed_threads()
    return _process.size


def team() -> Team | None:
    """The team of this process, started when first asked for; None where one thread is all."""
    if thread_count() > 1 and _process.team is None:
        with _process.lock:
            if _process.team is None:
                _process.team = Team(thread_count())
    return _process.team


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Programs run on `count` threads inside."""
    before, _process.size = thread_count(), count
    _process.stop()
    try:
        yield
    finally:
        _process.size = before
        _process.stop()
