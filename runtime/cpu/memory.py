"""Memory of programs: aligned blocks, and results whose blocks return when their last view dies."""

from __future__ import annotations

import mmap
from collections.abc import Mapping

import numpy as np

ALIGNMENT = 64  # a cache line, and the widest vector
POOLED_BYTES = 1 << 18  # from here on outputs are pooled, and blocks are pages of their own
HUGE_BYTES = 1 << 21  # from here on the kernel is asked for huge pages


def aligned_array(nbytes: int) -> np.ndarray:
    """`nbytes` uninitialised bytes from a cache line on."""
    if nbytes >= POOLED_BYTES:
        return pages(nbytes)
    spare = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -spare.ctypes.data % ALIGNMENT
    return spare[start : start + nbytes]


def pages(nbytes: int) -> np.ndarray:
    """Private pages that return to the system at once when the array dies."""
    try:
        block = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError):
        raise MemoryError(f"{nbytes} bytes of memory are required, the system has less") from None
    if nbytes >= HUGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(block, np.uint8)


class Lease:
    """The base of a result: gives the block back when the result and all its views are dead.

    It is no ndarray, so NumPy keeps it under every view. (A finalizer on the result itself would
    run while views of it live.)
    """

    def __init__(self, pool: Pool, block: np.ndarray, shape: tuple[int, ...], dtype: np.dtype):
        self.pool, self.block = pool, block
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": dtype.str, "data": (block.ctypes.data, False),
        }  # fmt: skip

    def __del__(self) -> None:
        self.pool.release(self.block)


class Pool:
    """Blocks of results by size; `keep` says how many free ones of a size stay.

    Blocks are taken and given in single steps, never under a lock: `release` runs whenever an array
    dies, which may be in the middle of `output`.
    """

    def __init__(self, keep: Mapping[int, int]):
        self.keep = keep
        self.free: dict[int, list[np.ndarray]] = {nbytes: [] for nbytes in keep}

    def output(self, shape: tuple[int, ...], dtype: np.dtype, nbytes: int) -> np.ndarray:
        try:
            block = self.free[nbytes].pop()
        except IndexError:
            block = pages(nbytes)
        array = np.asarray(Lease(self, block, shape, dtype))
        return array if array.dtype is dtype else array.view(dtype)  # bf16 has no type string

    def release(self, block: np.ndarray) -> None:
        if len(self.free[block.nbytes]) < self.keep[block.nbytes]:
            self.free[block.nbytes].append(block)
