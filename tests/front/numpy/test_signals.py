"""NumPy's functions of signals and samples, traced: values, dtypes, refusals, derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.front.numpy.test_functions import assert_agrees, real, whole
from wonderland.compiler.testing import check_gradients

X, N = real(4, 6), whole(4, 6)
Z = X + 1j * X[::-1]
HOLES = np.where(X > 1, np.nan, X)
PHASES = np.cumsum(np.random.default_rng(0).uniform(-4, 4, (3, 12)), -1)
AT = np.array([0.0, 0.5, 2.0, 2.25, 4.0, 7.0])

CALLS: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda x: np.unwrap(x), PHASES),
    (lambda x: np.unwrap(x, axis=0), PHASES.astype(np.float32)),
    (lambda x: np.unwrap(x, 5.0, period=3), PHASES),
    (lambda x: np.unwrap(x, period=7), (PHASES * 2).astype(np.int64)),
    (lambda x: np.unwrap(x, period=8), (PHASES * 2).astype(np.int16)),
    (lambda x: np.unwrap(np.angle(np.exp(1j * x))), PHASES),
    (lambda x: np.gradient(x), X),
    (lambda x: np.gradient(x, 0.5, AT, edge_order=2), X),
    (lambda x: np.gradient(x, AT, axis=1), X.astype(np.float32)),
    (lambda x: np.gradient(x[0], edge_order=2), N),
    (lambda x: np.gradient(x, 2, axis=(1, 0)), Z),
    (lambda x: np.cov(x), X),
    (lambda x: np.cov(x, rowvar=False, bias=True), X),
    (lambda x: np.cov(x, x[::-1], ddof=2), Z),
    (lambda x: np.cov(x[0], x[1]), X.astype(np.float32)),
    (lambda x: np.cov(x[0]), N),
    (lambda x: np.cov(x, fweights=np.array([1, 2, 0, 3, 1, 1])), X),
    (lambda x: np.cov(x, aweights=AT + 1), X),
    (lambda x: np.cov(x, fweights=np.arange(1, 7), aweights=AT, ddof=0), X),
    (lambda x: np.cov(x[:0]), X),
    (lambda x: np.corrcoef(x), X),
    (lambda x: np.corrcoef(x, rowvar=False), Z),
    (lambda x: np.corrcoef(x[0]), X),
    (lambda x: np.corrcoef(x, x[:2], dtype=np.float32), X),
    (lambda x: np.nanmean(x, 0), HOLES),
    (lambda x: np.nanmean(x, keepdims=True, where=x < 0.5), HOLES),
    (lambda x: np.nanvar(x, 1), HOLES),
    (lambda x: np.nanstd(x, 1, ddof=1, keepdims=True), HOLES.astype(np.float32)),
    (lambda x: np.nanstd(x), HOLES + 1j),
    (lambda x: np.nanvar(x), N),
    (lambda x: np.i0(x), X),
    (lambda x: np.i0(x), N),
)


@pytest.mark.parametrize("case", CALLS, ids=range(len(CALLS)))
def test_traced_functions_are_numpys(case: tuple[Callable[..., Any], np.ndarray]) -> None:
    function, x = case
    assert_agrees(function, x)


@pytest.mark.parametrize("m", [0, 1, 2, 7])
def test_windows_are_numpys(m: int) -> None:
    with wl.disable_jit():
        for beta in (0.0, 3.5, 14.0):
            got = wl.jit(lambda b: wl.numpy.kaiser(m, b))(beta)
            np.testing.assert_allclose(got, np.kaiser(m, beta), rtol=1e-13)
            fixed = wl.jit(lambda x, b=beta: x + wl.numpy.kaiser(m, b) + wl.numpy.bartlett(m))(0.0)
            np.testing.assert_array_equal(fixed, np.kaiser(m, beta) + np.bartlett(m))
    assert got.dtype == np.float64


SMOOTH: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda x: np.sum(np.sin(np.unwrap(x))), PHASES),
    (lambda x: np.sum(np.gradient(np.sin(x), AT, axis=1, edge_order=2) ** 2), X),
    (lambda x: np.sum(np.gradient(np.sin(AT), np.cumsum(x**2 + 1)) ** 2), X[0]),
    (lambda x: np.sum(np.sin(np.cov(x))), X),
    (lambda x: np.sum(np.sin(np.cov(x, aweights=x[0] ** 2))), X),
    (lambda x: np.sum(np.triu(np.corrcoef(x), 1) ** 3), X),
    (lambda x: np.sum(np.sin(np.nanmean(x, 0))), HOLES),
    (lambda x: np.sum(np.nanvar(x, 1) ** 2) + np.nanstd(x), HOLES),
    (lambda x: np.sum(wl.numpy.kaiser(9, np.exp(x)) ** 2), X[0, 0]),
)


@pytest.mark.parametrize("case", SMOOTH, ids=range(len(SMOOTH)))
def test_derivatives_of_both_modes_and_two_orders(case: Any) -> None:
    function, x = case
    check_gradients(function, x)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.unwrap(x, axis=2), "unwrap: an axis within 2 dimensions is required, got 2"),
        (
            lambda x: wl.numpy.gradient(x, edge_order=3),  # pyright: ignore[reportCallIssue, reportArgumentType]
            "gradient: an edge_order of 1 or 2 is",
        ),
        (lambda x: np.gradient(x, 1, 2, 3), "gradient: a distance, or one for each of 2 axes, is"),
        (lambda x: np.gradient(x, AT), "gradient: a distance, or one for each of 2 axes, is req"),
        (lambda x: np.gradient(x, AT, axis=0), "gradient: 4 places along axis 0 are required, go"),
        (lambda x: np.gradient(x[:1]), "gradient: 2 elements or more along axis 0 are required"),
        (lambda x: np.gradient(x[:2], edge_order=2), "gradient: 3 elements or more along axis 0"),
        (lambda x: np.cov(x[None]), "cov: at most two axes are required, got f64[1, 4, 6]"),
        (lambda x: np.cov(x, aweights=x), "cov: a weight for each of 6 samples is required, got"),
        (lambda x: np.cov(x, x[:, :2]), "concatenate: shapes that differ along axis 0 only are"),
        (lambda x: np.i0(x + 1j), "i0: real numbers are required, got c128[4, 6]"),
    ],
)
def test_what_does_not_fit_is_refused(function: Any, message: str) -> None:
    with pytest.raises(wl.ProgramError) as error:
        wl.jit(function)(X)
    assert str(error.value).startswith(message)
    assert "test_signals.py:" in str(error.value)
