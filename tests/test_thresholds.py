"""Programs whose sizes stand around every threshold of the compiler agree with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl

from .thresholds import ELSEWHERE, THRESHOLDS, named_numbers, sizes_around

Program = tuple[Callable[..., Any], Callable[[int], tuple[tuple[int, ...], ...]], int]


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, 1, keepdims=True))
    return e / np.sum(e, 1, keepdims=True)


def accumulated(x: Any, w: Any) -> Any:
    y = np.tanh(x * w)
    return np.sum(y, 0), np.sum(y * x, 1), np.max(y)


def added(x: Any, i: Any) -> Any:
    return wl.numpy.at(np.zeros((9, *x.shape[1:]), np.float32))[np.floor(i).astype(np.int32)].add(x)


def convolved(x: Any, w: Any) -> Any:
    return wl.lax.conv_general_dilated(x, w, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))


PROGRAMS: dict[str, Program] = {
    # a function, the shapes of its arguments by size, and the greatest size
    "map": (lambda x: (np.exp(x) * x, np.flip(x) + 1), lambda n: ((n,),), 1 << 20),
    "sum": (lambda x: (np.mean(x), np.max(x), np.sum(x * x) + 1), lambda n: ((n,),), 1 << 20),
    "short rows": (
        lambda x: (softmax(x), np.sum(np.exp(-x), 0), np.argmax(x, 1)), lambda n: ((150, n),), 65,
    ),
    "small matrices": (
        lambda x, y: np.einsum("nij,nj->ni", x, y), lambda n: ((50, n, n), (50, n)), 65,
    ),
    "rows": (lambda x: (softmax(x), np.argmax(x, 1)), lambda n: ((5, n),), 1 << 14),
    "long rows": (lambda x: (softmax(x), np.var(x, 1)), lambda n: ((2, n),), 1 << 18),
    "columns": (
        lambda x: (np.mean(x, 0), np.max(x, 0), np.std(x, 0)), lambda n: ((n, 5),), 1 << 16,
    ),
    "wide columns": (lambda x: (np.sum(x, 0), np.min(x, 0)), lambda n: ((517, n),), 1 << 13),
    "thin": (lambda x: (np.sum(x, 0), np.max(x, 1) + np.mean(x)), lambda n: ((n, 1),), 1 << 18),
    "accumulated": (accumulated, lambda n: ((n, 33), (33,)), 1 << 12),
    "turned": (lambda x, y: x.T * 2 + y, lambda n: ((n, 70), (70, n)), 1 << 13),
    "product rows": (lambda a, b: np.tanh(a @ b), lambda n: ((n, 6), (6, 35)), 1 << 12),
    "product columns": (lambda a, b: (a @ b) * 2, lambda n: ((3, 6), (6, n)), 1 << 13),
    "depth": (lambda a, b: a.T @ b, lambda n: ((n, 4), (n, 50)), 1 << 18),
    "dots": (lambda a, b: a @ b.T, lambda n: ((3, 12 * n), (n, 12 * n)), 64),
    "windows": (convolved, lambda n: ((2, n + 2, 3), (3, 3, 20)), 1 << 13),
    "windowed depth": (convolved, lambda n: ((4, n + 2, 1), (n, 1, 20)), 1 << 13),
    "running": (
        lambda x, y: (np.cumsum(x), np.cumsum(y, 0), np.maximum.accumulate(y, 1)),
        lambda n: ((n,), (n, 5)), 1 << 14,
    ),
    "sorted": (lambda x: (np.sort(x), np.argsort(x, 0)), lambda n: ((3, n),), 1 << 10),
    "scattered rows": (added, lambda n: ((1_100, n), (1_100,)), 1 << 10),
}  # fmt: skip


def test_every_number_of_the_code_has_its_sizes() -> None:
    numbers = dict(named_numbers())
    assert not {*THRESHOLDS} & {*ELSEWHERE}
    assert {*numbers} == {*THRESHOLDS, *ELSEWHERE}, "beside which sizes is it tested?"
    assert {k for kinds in THRESHOLDS.values() for k in kinds} == {*PROGRAMS}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_sizes_around_every_threshold(kind: str) -> None:
    program, shapes, most = PROGRAMS[kind]
    for n in sizes_around(kind):
        if n > most:
            continue
        rng = np.random.default_rng(n)
        arrays = [
            rng.uniform(0, 9, s).astype(np.float32) / (1 + k) for k, s in enumerate(shapes(n))
        ]
        got = wl.jit(program)(*arrays)
        want = program(*(a.astype(np.float64) for a in arrays))
        for k, (x, y) in enumerate(zip(wl.tree.leaves(got), wl.tree.leaves(want), strict=True)):
            size = np.max(np.abs(y), initial=1)
            np.testing.assert_allclose(x, y, 2e-5, 2e-6 * size, err_msg=f"{kind} {n}, result {k}")
