"""Runs lowered kernels in tests: as machine code and as plain Python, on copies of arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

import numpy as np

from wonderland.compiler.codegen import twin, words
from wonderland.compiler.codegen.lowered import Lowered
from wonderland.compiler.kernel import Kernel
from wonderland.runtime import objects

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


def run_twin(k: Kernel, lowered: Lowered, arrays: Arrays) -> Arrays:
    """Copies of the arrays after the kernel's text ran as plain Python."""
    out = {n: a.copy() for n, a in arrays.items()}
    args = block(k, lowered, out)
    memory, address = scratch(lowered)
    twin.run(lowered.text, args.ctypes.data, 0, lowered.points, address)
    assert np.isnan(memory[-1])
    return out
