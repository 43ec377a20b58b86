"""Runs lowered kernels in tests: as machine code and as plain Python, on copies of arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

import numpy as np

from wonderland.compiler.codegen.lowered import Lowered
from wonderland.compiler.codegen.words import numpy_words, twin, words
from wonderland.compiler.kernel import Kernel
from wonderland.runtime.native import objects

SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)
Arrays = dict[str, np.ndarray]


def block(k: Kernel, lowered: Lowered, arrays: Arrays) -> np.ndarray:
    """The argument block: addresses, then numbers."""
    return np.array([*(arrays[b.name].ctypes.data for b in k.buffers), *lowered.sizes], np.int64)


def scratch(lowered: Lowered) -> tuple[np.ndarray, int]:
    """Memory aligned to 64 bytes, full of NaN, and its address."""
    memory = np.full(lowered.scratch_bytes // 8 + 16, np.nan)
    return memory, -(-memory.ctypes.data // 64) * 64


def machine(texts: dict[str, str]) -> dict[str, int]:
    return objects.addresses(texts, words.WORDS, words.KEY)


def run_in_place(
    k: Kernel, lowered: Lowered, arrays: Arrays, splits: Iterable[tuple[int, int]] = ()
) -> Arrays:
    """The arrays, after the kernel ran on them over its points: in one call, or in those of
    `splits`.
    """
    args = block(k, lowered, arrays)
    memory, address = scratch(lowered)
    code = machine({"k": lowered.text})  # held until the call is done
    call = SIGNATURE(code["k"])
    for start, stop in splits or [(0, lowered.points)]:
        call(args.ctypes.data, start, stop, address)
    assert np.isnan(memory[-1])
    return arrays


def run_machine(
    k: Kernel, lowered: Lowered, arrays: Arrays, splits: Iterable[tuple[int, int]] = ()
) -> Arrays:
    """Copies of the arrays after the kernel."""
    return run_in_place(k, lowered, {n: a.copy() for n, a in arrays.items()}, splits)


def watched(spans: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """Words over memory, of which every access must lie inside of one of the spans of bytes."""
    inside = tuple(spans)

    class Watched(numpy_words.RawPointer):
        def elements(self, i: int, n: int) -> np.ndarray:
            size = numpy_words.NUMPY[self.dtype].itemsize
            start, end = self.address + i * size, self.address + (i + n) * size
            found = any(low <= start and end <= high for low, high in inside)
            assert found or not n, f"elements {i} to {i + n - 1} of {self} are in no buffer"
            return super().elements(i, n)

    return {
        "pointer": lambda args, slot, dtype: Watched(numpy_words.integer(args, slot), dtype),
        "address_pointer": Watched,
        "at": lambda p, i: Watched(p.address + i * numpy_words.NUMPY[p.dtype].itemsize, p.dtype),
    }


def run_twin(k: Kernel, lowered: Lowered, arrays: Arrays) -> Arrays:
    """Copies of the arrays after the kernel's text ran as plain Python, inside of its memory; the
    same bits whatever scratch held before."""
    runs: list[Arrays] = []
    for held in (np.nan, 7.0):
        out = {n: a.copy() for n, a in arrays.items()}
        args = block(k, lowered, out)
        memory, address = scratch(lowered)
        memory[:] = held
        spans = [(a.ctypes.data, a.ctypes.data + a.nbytes) for a in (*out.values(), args)]
        words = watched([*spans, (address, address + lowered.scratch_bytes)])
        twin.run_text(lowered.text, args.ctypes.data, 0, lowered.points, address, words=words)
        runs.append(out)
        if not lowered.scratch_bytes:
            break
    for name, a in runs[0].items():
        assert a.tobytes() == runs[-1][name].tobytes(), f"{name} depends on what scratch held"
    return runs[0]
