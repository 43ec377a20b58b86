"""Puts the driver where cuda.core finds it, once for the process."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from tests.cuda.resources import missing_linker
from wonderland.runtime.gpu import cuda

from . import allocations, contexts, graphs, kernels, order  # their functions register themselves
from .driver import ENTRIES, NOT_FOUND, Driver, callback, i32, place, text, to, u64
from .library import SONAME, Library, can_be_made

KINDS = allocations, contexts, graphs, kernels, order
KEPT: list[Any] = []  # functions that C calls
FOUND, UNKNOWN = 0, 1  # of CUdriverProcAddressQueryResult


@functools.cache
def missing() -> str:
    """Why there can be no driver of the tests here; empty if there is one."""
    if not can_be_made():
        return "the driver of the tests is of Linux on x86-64"
    if missing_linker():
        return missing_linker()
    cuda.cuda_found()  # what is on the machine itself, before anything else is there
    try:
        cuda.core()
    except ImportError:
        return cuda.missing()
    try:
        ctypes.CDLL(SONAME)
    except OSError:
        return ""
    return "a driver of NVIDIA's is on the machine"


@functools.cache
def driver() -> Driver:
    made = Driver()
    library = Library((*ENTRIES, "cuGetProcAddress", "cuGetProcAddress_v2"))
    for name in ENTRIES:
        give(library, name, callback(made, name))

    def find(name: bytes, out: Any, version: int, flags: int) -> int:
        known = name.decode() in ENTRIES
        out[0] = library.address(name.decode()) if known else None
        return 0 if known else NOT_FOUND

    def find_and_say(name: bytes, out: Any, version: int, flags: int, status: Any) -> int:
        found = find(name, out, version, flags)
        if status:
            status[0] = UNKNOWN if found else FOUND
        return found

    kinds = text, to(place), i32, u64
    give(library, "cuGetProcAddress", ctypes.CFUNCTYPE(i32, *kinds)(find))
    give(library, "cuGetProcAddress_v2", ctypes.CFUNCTYPE(i32, *kinds, to(i32))(find_and_say))
    return made


def give(library: Library, name: str, function: Any) -> None:
    KEPT.append(function)
    library.give(name, ctypes.cast(function, ctypes.c_void_p).value or 0)


def device() -> cuda.CudaDevice:
    """A device that knows nothing of those before."""
    driver().mended()
    cuda.driver().cuInit(0)
    return cuda.CudaDevice(cuda.core().Device(0))
