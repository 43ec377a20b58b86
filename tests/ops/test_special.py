"""Derivatives of the special functions by their parameters, which are quadratures and sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import wonderland as wl
from tests.codegen.test_special import euler_maclaurin, points
from wonderland.compiler.ops.special import BesselRatio

FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[int, ...], float]] = {
    "gammainc": (
        wl.special.gammainc, lambda a, x: mp.gammainc(a, 0, x, regularized=True), (0,), 1e-12
    ),
    "gammaincc": (
        wl.special.gammaincc, lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True), (0,), 1e-12
    ),
    "betainc": (
        wl.special.betainc, lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), (0, 1), 1e-9
    ),
    "zeta": (wl.special.zeta, euler_maclaurin, (0,), 1e-12),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_by_parameters_are_those_of_mpmath(name: str) -> None:
    function, meaning, parameters, bound = FUNCTIONS[name]
    xs, least = points(name, 24), 1e-20  # of differences 26 digits are right
    for i in parameters:
        slope = wl.grad(lambda *xs: np.sum(function(*xs)), i)
        got = np.asarray(wl.jit(slope, disable_jit=True)(*xs))
        with mp.workdps(40):
            for g, *x in zip(got.tolist(), *(x.tolist() for x in xs), strict=True):
                step = mp.mpf(10) ** -14 * x[i]
                ends = [meaning(*x[:i], x[i] + s * step, *x[i + 1 :]) for s in (1, -1)]
                want = (ends[0] - ends[1]) / (2 * step)
                assert abs(g - want) < bound * max(abs(want), least), (i, x, g, want)


def test_slopes_by_parameters_are_0_where_there_is_one_value_for_all() -> None:
    a = np.array([0.5, 3.0])
    for x in (0.0, np.inf):
        np.testing.assert_array_equal(wl.jacfwd(wl.special.gammainc)(a, x), np.zeros((2, 2)))
    for x in (0.0, 1.0):
        slope = wl.grad(lambda a, x: np.sum(wl.special.betainc(a, 2.0, x)))
        np.testing.assert_array_equal(slope(a, x), np.zeros(2))


def test_the_second_derivative_by_the_shape_is_that_of_mpmath() -> None:
    second = wl.grad(wl.grad(wl.special.gammainc))
    for a, x in ((0.7, 0.4), (2.5, 4.0), (30.0, 25.0)):
        with mp.workdps(40):
            want = mp.diff(lambda a, x=x: mp.gammainc(a, 0, x, regularized=True), a, 2)
        np.testing.assert_allclose(second(a, x), float(want), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_ratios_of_bessel_functions_are_precise_on_both_sides_of_the_edge(n: int) -> None:
    for scaled in (False, True):
        op = BesselRatio(n, scaled)
        x = np.array([1e-9, 1.0, op.edge * (1 - 1e-12), op.edge, op.edge + 1.0, 40.0, 300.0])
        with mp.workdps(40):
            want = [
                float(mp.besseli(n, v) / mp.mpf(v) ** n * (mp.exp(-v) if scaled else 1))
                for v in x.tolist()
            ]
        np.testing.assert_allclose(op.reference(x), want, rtol=2e-13)
