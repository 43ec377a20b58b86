"""jax.lax's gather and scatter: what indexing says in fewer words, and what JAX gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

X = np.random.default_rng(0).normal(size=(5, 6, 4))
Gather, Scatter = wl.lax.GatherDimensionNumbers, wl.lax.ScatterDimensionNumbers
CASES: dict[str, tuple[Any, Any, Any]] = {  # starts, numbers, sizes
    "rows": ([[3], [0], [-1], [7]], ((1, 2), (0,), (0,)), (1, 6, 4)),
    "elements": ([[[3, 2], [0, 1]]], ((0,), (0, 2), (0, 2)), (1, 6, 1)),
    "windows": ([[3, 2], [0, 1], [4, 0]], ((1, 2), (2,), (0, 1)), (2, 3, 1)),
    "in step": ([[1], [2], [0], [5], [9]], ((1,), (1,), (1,), (0,), (0,)), (1, 1, 4)),
    "one": ([2, 1, 0], ((0, 1, 2), (), (0, 1, 2)), (2, 2, 4)),
}


@pytest.mark.parametrize("mode", [None, "clip", "fill"])
@pytest.mark.parametrize("name", CASES)
def test_gathers_and_scatters_are_those_of_jax(name: str, mode: str | None) -> None:
    jax = pytest.importorskip("jax")
    given, numbers, sizes = CASES[name]
    starts = np.array(given)
    ours, theirs = Gather(*numbers), jax.lax.GatherDimensionNumbers(*numbers)
    with jax.enable_x64(True):
        expected = jax.lax.gather(X, starts, theirs, sizes, mode=mode)
    found = wl.lax.gather(X, starts, ours, sizes, mode=mode)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        wl.jit(lambda x, s: wl.lax.gather(x, s, ours, sizes, mode=mode))(X, starts), expected
    )
    u = np.random.default_rng(1).normal(size=found.shape)
    for function in ("scatter_add", "scatter_min", "scatter_max", "scatter_mul"):
        to = jax.lax.ScatterDimensionNumbers(*numbers)
        with jax.enable_x64(True):
            expected = getattr(jax.lax, function)(X, starts, u, to, mode=mode)
        found = getattr(wl.lax, function)(X, starts, u, Scatter(*numbers), mode=mode)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_indexing_says_the_same() -> None:
    rows = np.array([[3], [0], [-1], [7]])
    numbers = ((1, 2), (0,), (0,))
    found = wl.lax.gather(X, rows, Gather(*numbers), (1, 6, 4), mode="fill")
    assert np.isnan(found[2:]).all()
    np.testing.assert_array_equal(found[:2], X[[3, 0]])
    u = np.ones((4, 6, 4))
    expected = X.copy()
    expected[[3, 0]] = 1
    np.testing.assert_array_equal(wl.lax.scatter(X, rows, u, Scatter(*numbers)), expected)
    windows = wl.lax.gather(X, np.array([1, 2]), Gather((0, 1, 2), (), (0, 1)), (3, 2, 4))
    np.testing.assert_array_equal(windows, X[1:4, 2:4])


def test_both_differentiate_twice() -> None:
    starts, numbers, sizes = CASES["windows"]

    def energy(x: Any, u: Any) -> Any:
        y = wl.lax.scatter_add(x, np.array(starts), u * u, Scatter(*numbers))
        return np.sum(np.sin(wl.lax.gather(y, np.array(starts), Gather(*numbers), sizes)) ** 2)

    u = np.random.default_rng(1).normal(size=(3, 2, 3))
    starts = [[2, 2], [0, 1], [3, 0]]
    wl.testing.check_gradients(energy, X, u, order=2)


@pytest.mark.parametrize(
    ("starts", "numbers", "sizes", "message"),
    [
        ([[0.5]], ((1, 2), (0,), (0,)), (1, 6, 4), "integers with 1 starts in the last dimension"),
        ([[0, 1]], ((1, 2), (0,), (0,)), (1, 6, 4), "integers with 1 starts in the last dimension"),
        ([[0]], ((1,), (0,), (0,)), (1, 6, 4), "a window dimension for each of [1, 2]"),
        ([[0]], ((1, 2), (0,), (0,)), (1, 7, 4), "and sizes (1, 7, 4)"),
    ],
)
def test_refusals(starts: Any, numbers: Any, sizes: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        wl.lax.gather(X, np.array(starts), Gather(*numbers), sizes)
    assert message in str(caught.value)
    with pytest.raises(ProgramError, match=r"scatter: updates of shape \[1, 6, 4\] are required"):
        wl.lax.scatter(X, np.array([[0]]), np.ones((2, 6, 4)), Scatter((1, 2), (0,), (0,)))
