"""Sorts, searches, sets, counts and order statistics against NumPy and JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland.compiler.front.numpy as wnp
from tests.front.numpy.test_functions import assert_agrees, mask, real, whole
from wonderland.compiler.front.numpy.quantiles import METHODS
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.testing import check_gradients
from wonderland.compiler.trace.trace import call, trace

X, N, M, B = real(3, 4), whole(3, 4), mask(3, 4), real(2, 3, 4)
V, K = real(7), whole(9)
NAN = np.where(X > 1, np.nan, X)
EDGES = np.array([-2.0, -1.0, 0.0, 0.5, 2.0])
KNOTS = np.array([-1.5, -0.6, 0.4, 1.1])
UP: Any = "up"
STABLE: dict[str, Any] = {"stable": True}

CALLS: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda x: np.sort(x), X),
    (lambda x: np.sort(x, 0), NAN),
    (lambda x: np.sort(x, None), B.astype(np.float32)),
    (lambda x: np.sort(x, axis=1), M),
    (lambda x: np.argsort(x, **STABLE), N),
    (lambda x: x.argsort(axis=0, kind="stable"), N.astype(np.int8)),
    (lambda x: np.argsort(x, axis=None, **STABLE), N),
    (lambda x: np.lexsort((x[0], x[1])), N),
    (lambda x: np.lexsort(x, axis=0), N),
    (lambda x: np.sort(np.partition(x, 2)[:, :2]), X),
    (lambda x: np.partition(x, 1, axis=0)[1], X),
    (lambda x: np.take_along_axis(x, np.argpartition(x, 2), 1)[:, 2], X),
    (lambda x: np.searchsorted(EDGES, x), X),
    (lambda x: np.searchsorted(EDGES, x, side="right"), EDGES),
    (lambda x: np.searchsorted(np.sort(x), 0.5), V),
    (lambda x: np.sort(x).searchsorted([0, 1]), K),
    (lambda x: np.searchsorted(x, 0.5, sorter=np.argsort(x)), V),
    (lambda x: np.digitize(x, EDGES), X),
    (lambda x: np.digitize(x, EDGES[::-1], right=True), X),
    (lambda x: np.isin(x, [1, 3, -2]), N),
    (lambda x: np.isin(x, K, invert=True), N),
    (lambda x: np.isin(x, []), N),
    (lambda x: np.histogram(x, EDGES), X),
    (lambda x: np.histogram(x, 5), X),
    (lambda x: np.histogram(x, bins=4, range=(-1, 1)), X),
    (lambda x: np.histogram(x, 3, density=True), X),
    (lambda x: np.histogram(x, 3, weights=X * X), X),
    (lambda x: np.histogram(x, 3, weights=N, density=True), X),
    (lambda x: np.histogram(x, 3), np.ones(4, np.float32)),
    (lambda x: np.histogram(x), K),
    (lambda x: np.histogram_bin_edges(x, 6), X),
    (lambda x: np.median(x), X),
    (lambda x: np.median(x, axis=0), N),
    (lambda x: np.median(x, axis=(0, 2), keepdims=True), B.astype(np.float32)),
    (lambda x: np.median(x, 1), NAN),
    (lambda x: np.nanmedian(x, 1), NAN),
    (lambda x: np.nanmedian(x), NAN),
    (lambda x: np.quantile(x, 0.3), X.astype(np.float32)),
    (lambda x: np.quantile(x, [0.1, 0.5, 1.0], axis=1), X),
    (lambda x: np.quantile(x, [[0.1], [0.5]], axis=0, keepdims=True), X),
    (lambda x: np.quantile(X, np.abs(x) / 3), V),
    (lambda x: np.quantile(x, 0.5), np.array([-np.inf, np.inf, np.inf, 1.0])),
    (lambda x: np.percentile(x, 30, axis=0), X),
    (lambda x: np.percentile(x, [25, 75]), N),
    (lambda x: np.nanquantile(x, [0.2, 0.7], axis=1), NAN),
    (lambda x: np.nanpercentile(x, 45), NAN),
    (lambda x: np.interp(x, EDGES, [3.0, 1.0, 4.0, 1.0, 5.0]), X),
    (lambda x: np.interp(x, EDGES, EDGES * EDGES, left=-1, right=9), X),
    (lambda x: np.interp(x, [1.0, 0.2, 2.5], [3.0, 1.0, 4.0], period=3), X),
    (lambda x: np.interp(0.3, np.sort(x), x), V),
    (lambda x: np.interp(x, [1.0], [2.0]), V),
)


@pytest.mark.parametrize("case", CALLS, ids=range(len(CALLS)))
def test_traced_functions_are_numpys(case: tuple[Callable[..., Any], np.ndarray]) -> None:
    function, x = case
    assert_agrees(function, x)


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_by_every_method(method: Any) -> None:
    for q in (0.0, 0.25, 0.5, 0.9, 1.0, [0.1, 0.6]):
        assert_agrees(lambda x, q=q: np.quantile(x, q, axis=1, method=method), real(3, 6))
        assert_agrees(lambda x, q=q: np.nanquantile(x, q, method=method), NAN)


def traced(function: Callable[..., Any], *args: Any) -> Any:
    return call(trace(function, *args), *args)


SIZED: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda n, x: n.nonzero(x, size=5), N),
    (lambda n, x: n.nonzero(x, size=20, fill_value=-1), N),
    (lambda n, x: n.where(x > 0, size=4, fill_value=(7, 8)), X),
    (lambda n, x: n.flatnonzero(x, size=3), M),
    (lambda n, x: n.argwhere(x, size=14, fill_value=9), M),
    (lambda n, x: n.unique(x, size=12), K),
    (lambda n, x: n.unique(x, size=2), N),
    (lambda n, x: n.unique(x, size=15, fill_value=99, return_counts=True), N),
    (
        lambda n, x: n.unique(
            x, return_index=True, return_inverse=True, return_counts=True, size=9
        ),
        N,
    ),
    (lambda n, x: n.unique(x, size=14, return_counts=True), NAN),
    (lambda n, x: n.unique(x, size=14, equal_nan=False), NAN),
    (lambda n, x: n.union1d(x, n.array([1, 77]), size=13), K),
    (lambda n, x: n.intersect1d(x, n.array([1, 77, -2]), size=4), K),
    (lambda n, x: n.setdiff1d(x, n.array([1, 77, -2]), size=11), K),
    (lambda n, x: n.setxor1d(x, n.array([1, 77, -2]), size=11, fill_value=5), K),
    (lambda n, x: n.bincount(x, length=3), K),
    (lambda n, x: n.bincount(x + 4, n.array([0.5] * 9), length=12), K),
)


@pytest.mark.parametrize("case", SIZED, ids=range(len(SIZED)))
def test_results_of_a_static_size_are_jaxs(case: tuple[Callable[..., Any], np.ndarray]) -> None:
    function, x = case
    inside = traced(lambda x: function(wnp, x), x)
    outside = function(wnp, x)
    inside, outside = (f if isinstance(f, tuple) else (f,) for f in (inside, outside))
    for got, want in zip(inside, outside, strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.shape == want.shape
    jnp = pytest.importorskip("jax.numpy")
    theirs = function(jnp, x)
    for got, want in zip(inside, theirs if isinstance(theirs, tuple) else (theirs,), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_outside_of_a_trace_numbers_tell_the_size() -> None:
    np.testing.assert_array_equal(wnp.unique(K), np.unique(K))
    np.testing.assert_array_equal(wnp.flatnonzero(K), np.flatnonzero(K))
    np.testing.assert_array_equal(wnp.bincount(K + 4), np.bincount(K + 4))
    for got, want in zip(wnp.where(M), np.where(M), strict=True):
        np.testing.assert_array_equal(got, want)


SMOOTH: tuple[Callable[..., Any], ...] = (
    lambda x: np.sort(x * x, 0),
    lambda x: np.median(x, 1) ** 2,
    lambda x: np.quantile(x, [0.2, 0.7], axis=0) * np.quantile(x, 0.4),
    lambda x: np.nanquantile(x, 0.35, axis=1),
    lambda x: np.interp(x, KNOTS + x[0] * 0.1, x[1] ** 2),
    lambda x: np.histogram(x, 3, weights=x * x)[0],
)


@pytest.mark.parametrize("function", SMOOTH, ids=range(len(SMOOTH)))
def test_derivatives_are_those_of_differences_to_second_order(
    function: Callable[..., Any],
) -> None:
    check_gradients(function, np.random.default_rng(5).normal(size=(3, 4)), order=2)


WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda x: np.nonzero(x), "nonzero: size= is required for traced arrays"),
    (lambda x: wnp.unique(x), r"unique: size= is required(.|\n)*try: wonderland.numpy.unique\(x"),
    (lambda x: np.unique(x), "unique: size= is required"),
    (lambda x: np.where(x > 0), r"where: x and y are required(.|\n)*size=n"),
    (lambda x: np.bincount(x), r"bincount: length= is required for traced arrays"),
    (lambda x: wnp.bincount(x, length=3), "bincount: integers of one axis are required"),
    (lambda x: np.sort(x, order="a"), "sort: order= has no form"),
    (lambda x: np.sort(x, 2), "sort: an axis within 2 dimensions is required"),
    (lambda x: np.searchsorted(x, 1.0), r"searchsorted: one axis is required, got f64\[3, 4\]"),
    (lambda x: np.searchsorted(x[0], 1.0, UP), "searchsorted: a side 'left' or 'right'"),
    (lambda x: np.quantile(x, 1.5), "quantile: quantiles within 0 and 1 are required, got 1.5"),
    (lambda x: np.quantile(x, 0.5, method=UP), "quantile: a method of linear, .* is required"),
    (lambda x: np.quantile(x[:, :0], 0.5), r"quantile: at least one element is required, got f64"),
    (lambda x: np.interp(x, x[0], x[:, 0]), "interp: points of one axis are required"),
    (lambda x: np.histogram(x, "auto"), "histogram: static bins are required, got 'auto'"),
    (lambda x: wnp.unique(x, size=-1), "unique: a size of 0 or more is required, got -1"),
    (lambda x: wnp.nonzero(x, size=2.5), "nonzero: a size of 0 or more is required, got 2.5"),
    (lambda x: wnp.bincount(x[0], length=-3), "bincount: a length of 1 or more is required"),
    (lambda x: np.quantile(x, UP), "quantile: quantiles are numbers, got 'up'"),
    (lambda x: np.partition(x, x[0, 0]), "partition: static places are required, got a traced"),
)


@pytest.mark.parametrize("case", WRONG, ids=range(len(WRONG)))
def test_what_does_not_fit_is_said(case: tuple[Callable[..., Any], str]) -> None:
    function, message = case
    with pytest.raises(ProgramError, match=message):
        trace(function, X)
