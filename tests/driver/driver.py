"""What the functions of the driver share: objects by handle, refusals, who calls."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from tests.ptx import Fault, Memory

T = TypeVar("T")

INVALID_VALUE, OUT_OF_MEMORY, NOT_INITIALIZED = 1, 2, 3
INVALID_DEVICE, INVALID_IMAGE, INVALID_CONTEXT, NO_BINARY = 101, 200, 201, 209
INVALID_HANDLE, NOT_FOUND, NOT_READY = 400, 500, 600
ILLEGAL_ADDRESS, OUT_OF_RESOURCES, MISALIGNED, LAUNCH_FAILED = 700, 701, 716, 719
NOT_SUPPORTED = 801

u8, u32, u64 = ctypes.c_uint8, ctypes.c_uint32, ctypes.c_uint64
i32, f32 = ctypes.c_int, ctypes.c_float
size, place, text = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
to = ctypes.POINTER


class Refused(Exception):
    """The driver answers `code`."""

    def __init__(self, code: int, why: str = "") -> None:
        super().__init__(why)
        self.code = code


class Driver:
    """The state of a process. `capacity`: bytes of the device's memory."""

    def __init__(self, capacity: int = 1 << 30) -> None:
        self.memory, self.capacity = Memory(), capacity
        self.objects: dict[int, Any] = {}  # by handle
        self.handles = itertools.count(0x10000, 16)
        self.thread = threading.local()
        self.process = os.getpid()
        self.calls: Counter[str] = Counter()
        self.refused: list[tuple[str, int, str]] = []
        self.faults: list[str] = []
        self.broken = 0  # what every call answers after a fault

    def add(self, found: Any) -> int:
        handle = next(self.handles)
        self.objects[handle] = found
        return handle

    def of(self, handle: int | None, kind: type[T], code: int = INVALID_HANDLE) -> T:
        found = self.objects.get(handle or 0)
        if not isinstance(found, kind):
            raise Refused(code, f"{handle or 0:#x} is no {kind.__name__}")
        return found

    def forget(self, handle: int | None, kind: type[T], code: int = INVALID_HANDLE) -> T:
        found = self.of(handle, kind, code)
        del self.objects[handle or 0]
        return found

    def live(self, kind: type[T]) -> list[T]:
        return [x for x in self.objects.values() if isinstance(x, kind)]

    @property
    def context(self) -> int:
        """The context of the thread that calls."""
        found = getattr(self.thread, "context", 0)
        if not found:
            raise Refused(INVALID_CONTEXT, "no context is current")
        return found

    def broke(self, fault: Fault) -> None:
        """A kernel did what a GPU does not forgive: nothing of the context works any more."""
        codes = {"OutOfBounds": ILLEGAL_ADDRESS, "Misaligned": MISALIGNED}
        self.broken = codes.get(type(fault).__name__, LAUNCH_FAILED)
        self.faults.append(str(fault))

    def mended(self) -> None:
        """As a new process would find it; no real driver can."""
        self.broken = 0
        self.refused.clear()
        self.faults.clear()


Function = Callable[..., int | None]
ENTRIES: dict[str, tuple[Function, tuple[Any, ...]]] = {}
SAFE = {"cuGetErrorName", "cuGetErrorString", "cuDriverGetVersion"}  # at any time


def entry(*kinds: Any) -> Callable[[Function], Function]:
    """A function of the driver, of the arguments after the first; None is success."""

    def made(function: Function) -> Function:
        ENTRIES[function.__name__] = function, kinds
        return function

    return made


def callback(driver: Driver, name: str) -> Any:
    """The function as C calls it."""
    function, kinds = ENTRIES[name]

    def run(*args: Any) -> int:
        driver.calls[name] += 1
        if os.getpid() != driver.process:
            return NOT_INITIALIZED
        if driver.broken and name not in SAFE:
            return driver.broken
        try:
            answer = function(driver, *args) or 0
            return answer or (0 if name in SAFE else driver.broken)
        except Refused as error:
            if error.code != OUT_OF_MEMORY:  # which may happen to who does nothing wrong
                driver.refused.append((name, error.code, str(error)))
            return error.code
        except Exception as error:  # a fault of the tests, which must not be taken for an answer
            driver.refused.append((name, LAUNCH_FAILED, repr(error)))
            return LAUNCH_FAILED

    return ctypes.CFUNCTYPE(i32, *kinds)(run)
