"""scipy.special's functions, traced and not, against scipy.special."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.special

import wonderland as wl
from wonderland.compiler.front import special
from wonderland.compiler.front.functions import derivatives as functions
from wonderland.compiler.trace.trace import call, trace

X = np.array([-math.inf, -30.5, -3.0, -0.75, -1e-9, 0.0, 1e-300, 0.3, 1.0, 2.5, 40.0, math.inf])
UNIT = np.array([0.0, 1e-300, 1e-9, 0.25, 0.5, 0.75, 1 - 1e-12, 1.0])
POINTS = {"erfinv": UNIT, "logit": UNIT, "entr": np.append(UNIT, [-1.0, 7.0])}
UNARY = [n for n in special.__all__ if n not in ("xlogy", "xlog1py")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name, dtype):
    x = POINTS.get(name, np.append(X, math.nan)).astype(dtype)
    if name == "gammaln":
        x = x[1:]  # SciPy has -inf at -inf, C and we inf
    function, wide = getattr(special, name), x.astype(np.float64)
    with np.errstate(all="ignore"):
        want = getattr(scipy.special, name)(wide).astype(dtype)
    for got in (function(x), call(trace(function, x), x)):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_odds_are_precise_to_3_units_where_they_are_about_0_too(dtype):
    near = [s * 10.0**-k for k in range(1, 18) for s in (1, -1)]
    points = [1e-9, 1 - 1e-5, *(c + d for c in (0.25, 0.5, 0.75) for d in (0.0, *near))]
    p = np.concatenate([points, np.random.default_rng(0).uniform(size=400)]).astype(dtype)
    with mp.workdps(40):
        exact = [mp.mpf(float(x)) for x in p]
        want = np.array([float(mp.log(x / (1 - x))) for x in exact])
    units = np.spacing(np.abs(want.astype(dtype)))
    for got in (special.logit(p), wl.jit(special.logit)(p)):
        assert np.max(np.abs(got - want) / units) < 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log1mexp_is_precise_to_3_units_near_0_and_far_from_it(dtype):
    sizes = [10.0**-k for k in range(-2, 30)] + [math.log(2) + d for d in (-1e-6, 0.0, 1e-6)]
    drawn = np.random.default_rng(0).uniform(0, 40, 400)
    x = -np.concatenate([sizes, drawn, [0.0, math.inf]]).astype(dtype)
    with mp.workdps(60):
        want = np.array([float(mp.log(-mp.expm1(mp.mpf(float(v))))) if v else -math.inf for v in x])
    units = np.spacing(np.abs(want.astype(dtype)))
    for got in (special.log1mexp(x), wl.jit(special.log1mexp)(x), wl.jit(wl.nn.log1mexp)(-x)):
        assert got[-2] == -math.inf and got[-1] == 0
        assert np.max(np.abs(got[:-2] - want[:-2]) / units[:-2]) < 3
    assert np.isnan(special.log1mexp(dtype(1)))
    slope = wl.grad(special.log1mexp)
    assert slope(dtype(0)) == slope(dtype(-0.0)) == -math.inf and slope(dtype(-math.inf)) == 0


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_zero_takes_no_logarithm(name):
    x, y = (g.ravel() for g in np.meshgrid([0.0, 2.0, math.nan], [0.0, 0.5, 3.0, math.nan]))
    got = getattr(special, name)(x, y)
    np.testing.assert_allclose(got, getattr(scipy.special, name)(x, y), rtol=1e-15)
    slope = functions.grad(getattr(special, name), 1)
    assert slope(0.0, 0.0) == 0.0


def test_every_derivative_of_lgamma_has_a_rule():
    third = functions.grad(functions.grad(functions.grad(special.gammaln)))
    for x in (0.25, 1.0, 3.5, 12.0, -0.5, -3.25):
        np.testing.assert_allclose(third(x), scipy_polygamma(x), rtol=1e-9)


def scipy_polygamma(x: float) -> float:
    """The second derivative of digamma, on both sides of 0."""
    if x > 0:
        return float(scipy.special.polygamma(2, x))
    t = math.pi * x  # psi''(1 - x) - psi''(x) = 2 pi^3 cos / sin^3
    return float(
        scipy.special.polygamma(2, 1 - x) - 2 * math.pi**3 * math.cos(t) / math.sin(t) ** 3
    )
