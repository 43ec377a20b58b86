"""Sums, means, variances and products are as accurate as their documentation says.

An error is measured against the sum of the magnitudes of what is added, in double precision (in
extended precision for f64). Numbers of one sign and equal numbers are the hard cases: errors of
equal numbers do not cancel, and a chain of n additions of 0.1 is wrong by n eps / 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.codegen.cascade import CHAIN, cascade
from wonderland.compiler.fuse.apart import (
    DEPTH,
    DEPTH_OF_FEW,
    LEAST_STEPS,
    LEAST_WORK,
    MOST_ROWS,
    MOST_STEPS,
)
from wonderland.runtime.cpu.executor import threads

OF_SUMS, OF_PRODUCTS = 6, 512  # eps: times log2(n); and that much for the chain of a block
Array = np.ndarray[Any, Any]


def numbers(kind: str, shape: tuple[int, ...], dtype: str) -> Array:
    if kind == "equal":
        return np.full(shape, 0.1, dtype)
    rng = np.random.default_rng(0)
    return (rng.random(shape) if kind == "of one sign" else rng.normal(size=shape)).astype(dtype)


def wide(x: Array) -> Array:
    return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


SUMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    # a function of an array, and what its error is measured in, from the exact array and result
    "sum": (np.sum, lambda x, y: np.sum(abs(x))),
    "mean": (np.mean, lambda x, y: np.mean(abs(x))),
    "sum and more": (lambda x: 2 * np.sum(x * x) + 1, lambda x, y: 2 * np.sum(x * x) + 1),
    "deviation": (lambda x: np.std(x), lambda x, y: y + np.mean(abs(x))),
    "log of sum of exp": (
        lambda x: np.max(x) + np.log(np.sum(np.exp(x - np.max(x)))),
        lambda x, y: 1 + abs(y),
    ),
    "gradient of a mean": (
        wl.grad(lambda x: np.mean(x) ** 2),
        lambda x, y: 2 * np.mean(abs(x)) / x.size,
    ),
}
LENGTHS = sorted(
    n + d
    for n in (CHAIN, 2 * LEAST_STEPS, CHAIN * CHAIN, LEAST_WORK, 2 * MOST_STEPS)
    for d in (-1, 1)
)


def checked(name: str, x: Array) -> None:
    """The function of that name is as accurate as a sum of so many numbers."""
    f, unit = SUMS[name]
    got, want = wl.jit(f)(x), f(wide(x)) if "gradient" not in name else None
    if want is None:
        want = np.full(x.shape, 2 * np.mean(wide(x)) / x.size)
    limit = OF_SUMS * np.finfo(x.dtype).eps * np.log2(max(x.size, 4))
    error = np.max(abs(wide(np.asarray(got)) - want)) / np.max(unit(wide(x), want))
    assert error <= limit, f"{name} of {x.size} {x.dtype}: {error:.1e}, at most {limit:.1e}"


@pytest.mark.parametrize("name", SUMS)
def test_sums_and_what_follows_them(name: str) -> None:
    for n, kind in product(LENGTHS, ("equal", "of one sign", "of both")):
        checked(name, numbers(kind, (n,), "float32"))
    checked(name, numbers("equal", (300_001,), "float64"))


SHAPES = [
    (3 * MOST_ROWS + 1, 5), (4 * CHAIN * CHAIN + 3, 1), (50_003, 7), (2, 70_001),
    (70, 2_100), (41, 33, 65), (2, 20_011, 3), (9, 1, 30_000), (65_537, 2), (70, 150_001),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_along_every_axis(shape: tuple[int, ...]) -> None:
    axes = [(k,) for k in range(len(shape))] + [(0, len(shape) - 1)]
    for kind in ("equal", "of one sign"):
        x = numbers(kind, shape, "float32")
        got = wl.jit(lambda x: [(np.sum(x, a), np.var(x, a) + np.mean(x, a)) for a in axes])(x)
        for a, (total, spread) in zip(axes, got, strict=True):
            n = np.prod([shape[k] for k in a])
            limit = OF_SUMS * np.finfo(np.float32).eps * np.log2(max(n, 4))
            exact = np.sum(wide(x), a)
            assert np.max(abs(total - exact) / exact) <= limit, f"sum over {a}"
            other = np.var(wide(x), a) + exact / n
            assert np.max(abs(spread - other) / other) <= 2 * limit, f"variance over {a}"


PRODUCTS = [
    (1, DEPTH_OF_FEW + 1, 1), (3, 3 * DEPTH_OF_FEW, 5), (1, 50_001, 9), (9, 50_001, 1),
    (33, DEPTH_OF_FEW - 1, 20), (130, DEPTH + 5, 140), (5, 900, 2_100),
]  # fmt: skip


@pytest.mark.parametrize("size", PRODUCTS, ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_products_of_any_depth(size: tuple[int, int, int], turned: bool) -> None:
    m, k, n = size
    exactly = [("equal", "float64")] if m * n < 1_000 else []  # by long doubles, which are slow
    for kind, dtype in [("equal", "float32"), ("of one sign", "float32"), *exactly]:
        a, b = numbers(kind, (k, m) if turned else (m, k), dtype), numbers(kind, (k, n), dtype)
        got = wl.jit(lambda a, b: 2 * ((a.T if turned else a) @ b) + 1)(a, b)
        exact = 2 * ((wide(a).T if turned else wide(a)) @ wide(b)) + 1
        limit = np.finfo(dtype).eps * (OF_PRODUCTS + OF_SUMS * np.log2(k))
        assert np.max(abs(wide(got) - exact) / exact) <= limit
        if kind != "equal":  # what real data does
            assert np.max(abs(wide(got) - exact) / exact) <= limit / 8


def test_results_of_chunks_are_the_same_bits_for_every_number_of_threads() -> None:
    x, c = numbers("of both", (400_003,), "float32"), numbers("of both", (70_001, 6), "float32")

    def f(x: Any, c: Any) -> Any:
        return np.std(x), np.max(x) + np.mean(x), np.mean(c, 0), np.std(c, 0), c.T @ c

    with threads(1):
        expected = wl.jit(f)(x, c)
    for count in (2, 3, 5):
        with threads(count):
            for _ in range(3):
                for got, want in zip(wl.jit(f)(x, c), expected, strict=True):
                    assert got.tobytes() == want.tobytes()


def test_no_chain_of_a_cascade_is_longer_than_it_may_be() -> None:
    for steps in random_steps():
        chain = longest = 1
        loops = [(t, n) for n, axis in zip(steps, cascade(steps), strict=True) for t in axis]
        for k in reversed(range(len(loops))):
            t, n = loops[k]
            around = loops[k - 1][0].block if k and loops[k - 1][0].block > t.block else n
            chain *= -(-around // t.block)
            longest = max(longest, chain)
            chain = 1 if t.apart else chain
        assert longest <= CHAIN, steps


def random_steps() -> Iterator[list[int]]:
    rng = np.random.default_rng(0)
    for _ in range(300):
        yield [int(2 ** rng.uniform(0, 18)) for _ in range(rng.integers(1, 4))]


@pytest.mark.sweep
@pytest.mark.parametrize("n", [10**6, 10**7 + 3, 10**8 + 1])
def test_sums_of_many_numbers(n: int) -> None:
    for name, kind in product(SUMS, ("equal", "of one sign", "of both")):
        checked(name, numbers(kind, (n,), "float32"))


@pytest.mark.sweep
@pytest.mark.parametrize("k", [10**6, 10**7 + 3])
def test_products_of_great_depth(k: int) -> None:
    for kind in ("equal", "of one sign"):
        a, b = numbers(kind, (k, 7), "float32"), numbers(kind, (k, 5), "float32")
        limit = np.finfo(np.float32).eps * (OF_PRODUCTS + OF_SUMS * np.log2(k))
        exact = wide(a).T @ wide(b)
        got = [wl.jit(lambda a, b: a.T @ b)(a, b)]
        got.append(wl.jit(lambda a, b: a @ b)(np.ascontiguousarray(a.T), b))
        assert all(np.max(abs(g - exact) / exact) <= limit for g in got)
