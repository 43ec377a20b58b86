"""Start, the device and what it is, its primary context, errors by name."""

from __future__ import annotations

import ctypes
from typing import Any

from wonderland.runtime.gpu import cuda

from .driver import (
    INVALID_DEVICE,
    INVALID_VALUE,
    SAFE,
    Driver,
    Refused,
    entry,
    i32,
    place,
    text,
    to,
    u32,
    u64,
)

VERSION = 13000
NAME, ARCHITECTURE = b"A driver of the tests", "sm_90"
CONTEXT = 0xC0DE0
PLAIN_SHARED, MOST_SHARED, MOST_REGISTERS = 48 << 10, 227 << 10, 1 << 16
MOST_THREADS, MOST_BLOCK, MOST_GRID = 1024, (1024, 1024, 64), (2**31 - 1, 65535, 65535)
ATTRIBUTES = {
    1: MOST_THREADS, 2: MOST_BLOCK[0], 3: MOST_BLOCK[1], 4: MOST_BLOCK[2], 5: MOST_GRID[0],
    6: MOST_GRID[1], 7: MOST_GRID[2], 8: PLAIN_SHARED, 10: 32, 12: MOST_REGISTERS, 16: 132,
    41: 1, 75: 9, 76: 0, 81: 228 << 10, 83: 1, 97: MOST_SHARED, 106: 32, 115: 1, 120: 1,
}  # fmt: skip
"""Of an H200, by number of CUdevice_attribute, 0 for the others."""
PAGEABLE_ACCESS = 88
SAFE |= {"cuInit"}


def present(device: int) -> None:
    if device:
        raise Refused(INVALID_DEVICE, f"device {device}")


@entry(u32)
def cuInit(driver: Driver, flags: int) -> None:
    if flags:
        raise Refused(INVALID_VALUE, "flags")


@entry(to(i32))
def cuDriverGetVersion(driver: Driver, out: Any) -> None:
    out[0] = VERSION


@entry(to(i32))
def cuDeviceGetCount(driver: Driver, out: Any) -> None:
    out[0] = 1


@entry(to(i32), i32)
def cuDeviceGet(driver: Driver, out: Any, device: int) -> None:
    present(device)
    out[0] = device


@entry(place, i32, i32)
def cuDeviceGetName(driver: Driver, out: int, most: int, device: int) -> None:
    present(device)
    ctypes.memmove(out, NAME + b"\0", min(most, len(NAME) + 1))


@entry(to(i32), i32, i32)
def cuDeviceGetAttribute(driver: Driver, out: Any, which: int, device: int) -> None:
    present(device)
    out[0] = ATTRIBUTES.get(which, 0)


@entry(place, i32)
def cuDeviceGetUuid(driver: Driver, out: int, device: int) -> None:
    present(device)
    ctypes.memmove(out, bytes(16), 16)


# ------------------------------------------------------------------ contexts


@entry(to(place), i32)
def cuDevicePrimaryCtxRetain(driver: Driver, out: Any, device: int) -> None:
    present(device)
    out[0] = CONTEXT


@entry(i32)
def cuDevicePrimaryCtxRelease(driver: Driver, device: int) -> None:
    present(device)


@entry(place)
def cuCtxSetCurrent(driver: Driver, context: int | None) -> None:
    if context not in (None, CONTEXT):
        raise Refused(INVALID_VALUE, "context")
    driver.thread.context = context or 0


@entry(to(place))
def cuCtxGetCurrent(driver: Driver, out: Any) -> None:
    out[0] = getattr(driver.thread, "context", 0) or None


@entry(to(i32))
def cuCtxGetDevice(driver: Driver, out: Any) -> None:
    out[0] = 0 if driver.context else -1


@entry(place, to(u64))
def cuCtxGetId(driver: Driver, context: int | None, out: Any) -> None:
    out[0] = 1


@entry(to(i32), to(i32))
def cuCtxGetStreamPriorityRange(driver: Driver, least: Any, most: Any) -> None:
    least[0], most[0] = 0, -5 * bool(driver.context)


# ------------------------------------------------------------------ errors

NAMES: dict[int, bytes] = {}


def name_of(number: int) -> bytes:
    """A text that stays where it is."""
    try:
        return NAMES.setdefault(number, cuda.driver().CUresult(number).name.encode())
    except ValueError:
        raise Refused(INVALID_VALUE, f"error {number}") from None


@entry(i32, to(text))
def cuGetErrorName(driver: Driver, number: int, out: Any) -> None:
    out[0] = name_of(number)


@entry(i32, to(text))
def cuGetErrorString(driver: Driver, number: int, out: Any) -> None:
    out[0] = name_of(number)
