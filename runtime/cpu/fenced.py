"""Programs between pages that may not be touched, to find what leaves its memory: WONDERLAND_GUARD.

Every row runs on copies of its operands, results and scratch, of which each ends right before such
a page (`end`), or begins right behind one (`begin`); operands may be read only. Arena and results
hold NaN before anything is written. An access outside ends the process, so whoever looks for one
runs programs in a child. The walk is machine.py's, row by row, one thread: some thousand times
slower.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

from ..machine import Address, Machine
from ..program import Table
from ..rows import KernelRow
from ..spec import POISON
from ..steps import Segment
from .host_memory import HostMemory

SIDES = ("end", "begin")
NONE, READ, WRITE = 0, 1, 3  # of mprotect
KERNEL = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)


def checked_side(side: str) -> str:
    """The side, if there is one of that name."""
    if side not in ("", *SIDES):
        raise ValueError(f"WONDERLAND_GUARD: end or begin is required, got {side!r}")
    return side


def protect(address: int, nbytes: int, mode: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(nbytes), mode):
        raise OSError(ctypes.get_errno(), "mprotect")


class FencedPages:
    """Bytes of some pages, with a page before and behind that may not be touched."""

    def __init__(self, pages: int) -> None:
        self.nbytes, page = pages * mmap.PAGESIZE, mmap.PAGESIZE
        self.memory = mmap.mmap(-1, self.nbytes + 2 * page)
        self.first = ctypes.addressof(ctypes.c_char.from_buffer(self.memory)) + page
        protect(self.first - page, page, NONE)
        protect(self.first + self.nbytes, page, NONE)

    def place(self, nbytes: int, side: str) -> int:
        """Where so many bytes begin."""
        return self.first + (self.nbytes - nbytes if side == "end" else 0)


class Fenced:
    """Kernels on copies between pages that may not be touched."""

    blocks: dict[int, list[FencedPages]] = {}  # noqa: RUF012 (by pages, of the process)

    def __init__(self, side: str) -> None:
        self.side = side

    def run(self, _: int, segment: Segment, address: Address) -> None:
        for row in segment.rows:
            if isinstance(row, KernelRow):
                self.kernel(row, [address(slot) for slot in row.slots])

    def kernel(self, row: KernelRow, addresses: list[int]) -> None:
        """A kernel on copies; what has one address has one copy."""
        sizes = dict.fromkeys(addresses, 0)
        for a, nbytes in zip(addresses, row.nbytes, strict=True):
            sizes[a] = max(sizes[a], nbytes)
        written = set(addresses[len(addresses) - row.writes :])
        taken = {a: self.taken(n) for a, n in sizes.items()}
        scratch = self.taken(row.scratch_bytes)
        places = {a: block.place(sizes[a], self.side) for a, block in taken.items()}
        for a, place in places.items():
            ctypes.memmove(place, a, sizes[a])
            if a not in written:
                protect(taken[a].first, taken[a].nbytes, READ)
        ctypes.memset(scratch.first, POISON, scratch.nbytes)
        args = np.array([*(places[a] for a in addresses), *row.sizes], np.int64)
        run, rows = KERNEL(row.address), scratch.place(row.scratch_bytes, self.side)
        for start in range(0, row.points, row.grain):
            run(args.ctypes.data, start, min(start + row.grain, row.points), rows)
        for a, place in places.items():
            if a in written:
                ctypes.memmove(a, place, sizes[a])
            else:
                protect(taken[a].first, taken[a].nbytes, WRITE)
        for block in (*taken.values(), scratch):
            self.blocks[block.nbytes // mmap.PAGESIZE].append(block)

    def taken(self, nbytes: int) -> FencedPages:
        """A block for so many bytes that nothing else uses."""
        pages = max(1, -(-nbytes // mmap.PAGESIZE))
        free = self.blocks.setdefault(pages, [])
        return free.pop() if free else FencedPages(pages)


def fenced_call(table: Table, side: str, leaves: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    """The results."""
    given, _ = table.started(leaves, table.refused)
    arena, scratch = (
        np.full(n, POISON, np.uint8) for n in (table.arena_bytes, table.scratch_bytes)
    )
    made = [
        None if k in table.donors else poisoned_array(spec.shape, spec.dtype)
        for k, spec in enumerate(table.outputs)
    ]
    outputs = table.results(given, made)
    spaces = {
        "arena": [arena.ctypes.data],
        "input": [x.ctypes.data for x in given],
        "output": [x.ctypes.data for x in outputs],
        "constant": [x.ctypes.data for x in table.constants],
        "scratch": [scratch.ctypes.data],
    }
    Machine(table.steps, spaces, HostMemory(), Fenced(side).run).walk()
    return outputs


def poisoned_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    array = np.empty(shape, dtype)
    ctypes.memset(array.ctypes.data, POISON, array.nbytes)
    return array
