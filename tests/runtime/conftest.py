"""Kernels for the runtime's tests in the native language over i64 memory, and their programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from wonderland.runtime.cpu.program import Program
from wonderland.runtime.native import atomic, objects
from wonderland.runtime.rows import KernelRow, Slot
from wonderland.runtime.spec import ArraySpec

I64 = np.dtype(np.int64)

TEXT = '''
def neighbours(args, start, stop, scratch):
    """out[i] = 3 in[i - 1] + in[i] - in[i + 1] + k, round the corner: wrong if a barrier is."""
    n = integer(args, 2)
    for i in range(start, stop):
        left = read64(integer(args, 0) + 8 * ((i + n - 1) % n))
        here = read64(integer(args, 0) + 8 * i)
        right = read64(integer(args, 0) + 8 * ((i + 1) % n))
        write64(integer(args, 1) + 8 * i, 3 * left + here - right + integer(args, 3))


def plus(args, start, stop, scratch):
    """out[i] = x[i] + y[i]"""
    for i in range(start, stop):
        x = read64(integer(args, 0) + 8 * i)
        write64(integer(args, 2) + 8 * i, x + read64(integer(args, 1) + 8 * i))


def through_scratch(args, start, stop, scratch):
    """out[i] = in[i] by way of scratch, slowly; out of place if two members share theirs."""
    for i in range(start, stop):
        write64(scratch, read64(integer(args, 0) + 8 * i))
        for k in range(200):
            pause()
        write64(integer(args, 1) + 8 * i, read64(scratch))


def where(args, start, stop, scratch):
    """out[i] = address of the scratch, slowly."""
    for i in range(start, stop):
        for k in range(2000):
            pause()
        write64(integer(args, 0) + 8 * i, scratch)


def count(args, start, stop, scratch):
    """Adds (stop - start) to one word: every point is done once."""
    add(integer(args, 0), stop - start)
'''


@pytest.fixture(scope="session")
def kernels() -> Mapping[str, int]:
    """Name → address."""
    return objects.functions(TEXT, atomic.ATOMIC, inspect.getsource(atomic))


Chain = Callable[..., Program]


@pytest.fixture(scope="session")
def chain(kernels: Mapping[str, int]) -> Chain:
    """chain(rows, n, grain, seconds, ...): x → `rows` times neighbours, through the arena."""

    def make(
        rows: int, n: int = 100, grain: int = 7, seconds: float = 0.0, **more: object
    ) -> Program:
        places = [
            Slot("input"),
            *(Slot("arena", 0, 8 * n * k) for k in range(rows - 1)),
            Slot("output"),
        ]
        table = tuple(
            KernelRow(
                kernels["neighbours"], (places[k], places[k + 1]), (n, k), n, grain, True, f"row{k}"
            )
            for k in range(rows)
        )
        spec = ArraySpec(I64, (n,))
        return Program(table, (spec,), (spec,), (), 8 * n * (rows - 1), 0, seconds, **more)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def expected() -> Callable[[np.ndarray, int], np.ndarray]:
    """What a chain of `rows` gives, by NumPy."""

    def run(x: np.ndarray, rows: int) -> np.ndarray:
        for k in range(rows):
            x = 3 * np.roll(x, 1) + x - np.roll(x, -1) + k
        return x

    return run
