"""Pools and their memory, copies between it and the host's."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tests.ptx import Fault

from .contexts import ATTRIBUTES, PAGEABLE_ACCESS
from .driver import (
    INVALID_VALUE,
    OUT_OF_MEMORY,
    Driver,
    Refused,
    entry,
    i32,
    place,
    size,
    to,
    u8,
    u32,
    u64,
)
from .order import stream_of

ALIGN = 256
FRESH, FREED = 0xA5, 0x5A  # bytes of memory that nobody wrote, and that nobody has
DEFAULT = 3  # the handle of the device's own pool
MEMORY_TYPE, HOST_MEMORY, DEVICE_MEMORY = 2, 1, 2


class Pool:
    def __init__(self) -> None:
        self.attributes: dict[int, int] = {}


class Allocation:
    """Memory of the host between guards, known to kernels at its own address."""

    def __init__(self, nbytes: int) -> None:
        self.block = np.full(nbytes + 3 * ALIGN, FRESH, np.uint8)
        start = -self.block.ctypes.data % ALIGN + ALIGN
        self.bytes = self.block[start : start + nbytes]
        self.freed = False


class Pinned:
    """Memory of the host that the device reads and writes itself."""

    def __init__(self, nbytes: int) -> None:
        self.bytes = np.full(nbytes, FRESH, np.uint8)


def pool_of(driver: Driver, handle: int | None) -> Pool:
    if handle == DEFAULT:
        return driver.objects.setdefault(DEFAULT, Pool())
    return driver.of(handle, Pool, INVALID_VALUE)


def used(driver: Driver) -> int:
    return sum(a.bytes.size for a in driver.live(Allocation))


def inside(driver: Driver, address: int, nbytes: int) -> None:
    """Refuses bytes that are not all of one allocation which is still there."""
    for start, a in driver.objects.items():
        there = isinstance(a, Allocation) and not a.freed
        if there and start <= address and address + nbytes <= start + a.bytes.size:
            return
    raise Refused(INVALID_VALUE, f"{nbytes} bytes {driver.memory.describe(address)}")


@entry(to(place), place)
def cuMemPoolCreate(driver: Driver, out: Any, properties: int) -> None:
    out[0] = driver.add(Pool())


@entry(place)
def cuMemPoolDestroy(driver: Driver, pool: int | None) -> None:
    driver.forget(pool, Pool, INVALID_VALUE)


@entry(to(place), i32)
def cuDeviceGetMemPool(driver: Driver, out: Any, device: int) -> None:
    out[0] = DEFAULT


@entry(to(place), i32)
def cuDeviceGetDefaultMemPool(driver: Driver, out: Any, device: int) -> None:
    out[0] = DEFAULT


@entry(place, i32, to(u64))
def cuMemPoolSetAttribute(driver: Driver, pool: int | None, which: int, value: Any) -> None:
    pool_of(driver, pool).attributes[which] = value[0]


@entry(place, i32, to(u64))
def cuMemPoolGetAttribute(driver: Driver, pool: int | None, which: int, out: Any) -> None:
    out[0] = pool_of(driver, pool).attributes.get(which, 0)


@entry(place, size)
def cuMemPoolTrimTo(driver: Driver, pool: int | None, nbytes: int) -> None:
    pool_of(driver, pool)


@entry(place, place, size)
def cuMemPoolSetAccess(driver: Driver, pool: int | None, of: int | None, count: int) -> None:
    pool_of(driver, pool)


@entry(to(size), to(size))
def cuMemGetInfo(driver: Driver, free: Any, total: Any) -> None:
    free[0], total[0] = driver.capacity - used(driver), driver.capacity * bool(driver.context)


def allocated(driver: Driver, nbytes: int) -> int:
    if not nbytes:
        raise Refused(INVALID_VALUE, "memory of no bytes")
    if used(driver) + nbytes > driver.capacity:
        raise Refused(OUT_OF_MEMORY, f"{nbytes} bytes")
    made = Allocation(nbytes)
    address = made.bytes.ctypes.data
    driver.memory.place(made.bytes, written=False, address=address, name=f"{nbytes} bytes")
    driver.objects[address] = made
    return address


@entry(to(u64), size, place, place)
def cuMemAllocFromPoolAsync(
    driver: Driver, out: Any, nbytes: int, pool: int | None, stream: int | None
) -> None:
    pool_of(driver, pool)
    stream_of(driver, stream)
    out[0] = allocated(driver, nbytes)


@entry(u64, place)
def cuMemFreeAsync(driver: Driver, address: int, stream: int | None) -> None:
    found = driver.of(address, Allocation, INVALID_VALUE)
    if found.freed:
        raise Refused(INVALID_VALUE, f"{address:#x} is free already")
    found.freed = True

    def work() -> None:
        driver.memory.remove(address)
        del driver.objects[address]
        found.block[:] = FREED

    stream_of(driver, stream).ask(work)


# ------------------------------------------------------------------ copies


@entry(to(place), size)
def cuMemAllocHost(driver: Driver, out: Any, nbytes: int) -> None:
    made = Pinned(nbytes * bool(driver.context))
    out[0] = made.bytes.ctypes.data
    driver.objects[made.bytes.ctypes.data] = made


@entry(place)
def cuMemFreeHost(driver: Driver, address: int | None) -> None:
    driver.forget(address, Pinned, INVALID_VALUE)


def pinned(driver: Driver, address: int) -> bool:
    return any(0 <= address - p.bytes.ctypes.data < p.bytes.size for p in driver.live(Pinned))


def host(address: int, nbytes: int) -> np.ndarray:
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(u8)), (nbytes,))


@entry(u64, place, size, place)
def cuMemcpyHtoDAsync(
    driver: Driver, target: int, source: int, nbytes: int, stream: int | None
) -> None:
    """What is pageable is staged before the call returns, unless the device reads it itself."""
    inside(driver, target, nbytes)
    late = pinned(driver, source) or ATTRIBUTES.get(PAGEABLE_ACCESS)
    staged = host(source, nbytes) if late else host(source, nbytes).copy()

    def work() -> None:
        driver.memory.part(target, nbytes, True)[:] = staged

    stream_of(driver, stream).ask(work)


@entry(place, u64, size, place)
def cuMemcpyDtoHAsync(
    driver: Driver, target: int, source: int, nbytes: int, stream: int | None
) -> None:
    """What is pageable is there when the call returns."""
    inside(driver, source, nbytes)
    of = stream_of(driver, stream)

    def work() -> None:
        host(target, nbytes)[:] = driver.memory.part(source, nbytes, False)

    of.ask(work)
    if not pinned(driver, target):
        of.finish()


@entry(u64, u64, size, place)
def cuMemcpyDtoDAsync(
    driver: Driver, target: int, source: int, nbytes: int, stream: int | None
) -> None:
    inside(driver, target, nbytes)
    inside(driver, source, nbytes)

    def work() -> None:
        if target < source + nbytes and source < target + nbytes:
            raise Fault("a copy of bytes onto some of them")
        driver.memory.part(target, nbytes, True)[:] = driver.memory.part(source, nbytes, False)

    stream_of(driver, stream).ask(work)


@entry(u64, u8, size, place)
def cuMemsetD8Async(
    driver: Driver, address: int, byte: int, nbytes: int, stream: int | None
) -> None:
    inside(driver, address, nbytes)

    def work() -> None:
        driver.memory.part(address, nbytes, True)[:] = byte

    stream_of(driver, stream).ask(work)


@entry(u64, u32, size, place)
def cuMemsetD32Async(
    driver: Driver, address: int, word: int, count: int, stream: int | None
) -> None:
    inside(driver, address, 4 * count)
    if address % 4:
        raise Refused(INVALID_VALUE, "an address between words")

    def work() -> None:
        driver.memory.part(address, 4 * count, True).view(np.uint32)[:] = word

    stream_of(driver, stream).ask(work)


@entry(to(u32), i32, u64)
def cuPointerGetAttribute(driver: Driver, out: Any, which: int, address: int) -> int:
    """Of memory that is not CUDA's the answer is an error, which is how one asks."""
    if which != MEMORY_TYPE:
        raise Refused(INVALID_VALUE, f"attribute {which}")
    if pinned(driver, address):
        out[0] = HOST_MEMORY
        return 0
    try:
        inside(driver, address, 1)
    except Refused as error:
        return error.code
    out[0] = DEVICE_MEMORY
    return 0
