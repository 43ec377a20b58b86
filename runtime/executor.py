"""The native executor: its machine code, and the one team of threads of this process."""

from __future__ import annotations

import atexit
import ctypes
import functools
import inspect
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import atomic, border, objects, walker
from .atomic import ATOMIC
from .memory import aligned

@functools.cache
def machine_code() -> Mapping[str, int]:
    """The addresses of the functions of walker.py and border.py, which are read as texts of the native language."""
    text = inspect.getsource(walker) + inspect.getsource(border)
    return objects.functions(text, ATOMIC, inspect.getsource(atomic))


def allowed_threads() -> int:
    """WONDERLAND_NUM_THREADS, or the processors this process may use, cut by its control group's quota."""
    if text := os.environ.get("WONDERLAND_NUM_THREADS"):
        return max(1, int(text))
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min([count, *quotas()]))


def quotas() -> Iterator[int]:
    """Processors that each control group above this process grants (Linux, version 2, then version 1)."""
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


class Team:
    """`size` threads, of which the caller of a launch is one; the others sleep when there is nothing to do."""

    def __init__(self, size: int):
        self.size = size
        self.state = aligned(walker.TEAM_BYTES)
        self.state[:] = 0
        self.address = self.state.ctypes.data
        serve = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(machine_code()["serve"])
        self.workers = [
            threading.Thread(target=serve, args=(self.address, m), name=f"wonderland-{m}", daemon=True)
            for m in range(1, size)
        ]
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        """After the launch in progress; later launches of this team run alone."""
        ctypes.CFUNCTYPE(None, ctypes.c_int64)(machine_code()["stop_team"])(self.address)
        for worker in self.workers:
            worker.join()


class _Process:
    """The team of this process and how large it is to be."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.team: Team | None = None
        self.size = 0  # not asked yet

    def forget(self) -> None:
        """In the child of a fork: the workers are the parent's."""
        self.lock = threading.Lock()
        self.team = None

    def stop(self) -> None:
        with self.lock:
            team, self.team = self.team, None
        if team is not None:
            team.stop()


_process = _Process()
atexit.register(_process.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forget)


def thread_count() -> int:
    if not _process.size:
        _process.size = allowed_threads()
    return _process.size


def team() -> Team | None:
    """The team of this process, started when it is first asked for; None where one thread is all there is."""
    if _process.team is None and thread_count() > 1:
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
