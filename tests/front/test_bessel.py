"""Bessel functions are those of mpmath on both sides of every seam, and at 0 and infinity."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special

import wonderland as wl
from wonderland.compiler.front import special

inf, nan = math.inf, math.nan
ORDERS = (0, 1, 2, 7, 30)
POINTS = np.concatenate(
    [10.0 ** np.arange(-9, 1), np.linspace(0.3, 40, 75), [8.0, np.nextafter(8, 9), 7.0, 30.0, 1e3]]
)


def exact(function: Callable[..., Any], order: float, x: np.ndarray) -> list[Any]:
    with mp.workdps(25):
        return [function(order, mp.mpf(v)) for v in x.tolist()]


def errors(found: np.ndarray, want: list[Any], floor: Any) -> np.ndarray:
    """Over the size of the result, or the floor where that is more."""
    return np.array([
        float(abs(mp.mpf(float(a)) - b) / max(abs(b), f)) if abs(b) < 1e300 else 0.0
        for a, b, f in zip(found, want, floor, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_j_and_y_are_precise_to_a_part_of_their_amplitude(order: int) -> None:
    size = np.where(order < POINTS, np.sqrt(2 / (math.pi * POINTS)), 1e-290)
    least = 1.5e-15 if order < 7 else 1e-14
    for word, theirs in (("j", mp.besselj), ("y", mp.bessely)):
        named = getattr(special, f"{word}{order}") if order < 2 else None
        found = (named or (lambda x, w=word: getattr(special, f"{w}n")(order, x)))(POINTS)
        assert np.max(errors(found, exact(theirs, order, POINTS), size)) < least
        again = getattr(special, f"{word}n")(order, POINTS)
        np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("order", [0, 0.3, 1, 2.5, 23.5, 99.5, 101, 300.25])
def test_i_of_a_real_order_is_precise(order: float) -> None:
    with mp.workdps(25):
        want = exact(mp.besseli, order, POINTS)
        scaled = [w * mp.exp(-v) for w, v in zip(want, POINTS.tolist(), strict=True)]
    floor = np.full(len(POINTS), mp.mpf("1e-290"))
    least = max(3e-14, 1e-15 * order)
    assert np.max(errors(special.ive(order, POINTS), scaled, floor)) < least
    assert np.max(errors(special.iv(order, POINTS), want, floor)) < least + 2e-15


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_halves_are_computed_in_f64_and_rounded_once(dtype: type) -> None:
    x = np.array([0.25, 1.5, 3.0, 9.5], dtype)
    for name, order in (("jn", 0), ("jn", 3), ("yn", 2), ("ive", 1.5)):
        found = getattr(wl.special, name)(order, x)
        want = getattr(wl.special, name)(order, x.astype(np.float64))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, want, rtol=2 * float(np.finfo(dtype).eps))


def test_ends_and_negative_numbers_are_those_of_mathematics() -> None:
    x = np.array([0.0, inf, -inf, nan, -2.0, 1e-300])
    y = np.array([-inf, 0, nan, nan, nan])
    for n in (0, 1, 2, 5):
        j, i = scipy.special.jv(n, -2.0), scipy.special.iv(n, -2.0)
        start = float(n == 0)
        np.testing.assert_allclose(special.jn(n, x)[:5], [start, 0, 0, nan, j], rtol=1e-14)
        np.testing.assert_allclose(special.yn(n, x)[:5], y)
        low = inf * (-1) ** n
        np.testing.assert_allclose(special.iv(n, x)[:5], [start, inf, low, nan, i], rtol=1e-13)
        np.testing.assert_allclose(special.ive(n, x)[:4], [start, 0, 0, nan])
    assert special.jn(5, x)[5] == 0 and special.yn(5, x)[5] == -inf
    np.testing.assert_array_equal(special.iv(0.5, x)[:5], [0, inf, nan, nan, nan])
    for n in (-2, -3):
        np.testing.assert_allclose(special.jn(n, 1.5), scipy.special.jv(n, 1.5), rtol=1e-14)
        np.testing.assert_allclose(special.yn(n, 1.5), scipy.special.yn(n, 1.5), rtol=1e-14)
        np.testing.assert_allclose(special.iv(n, 1.5), scipy.special.iv(n, 1.5), rtol=1e-13)


def test_derivatives_of_j1_at_0_are_those_of_its_series() -> None:
    function: Any = special.j1
    for want in (0.0, 0.5, 0.0, -0.375, 0.0, 0.3125):
        assert function(0.0) == want
        function = wl.grad(function)


def test_scipy_s_functions_are_these_of_traced_values() -> None:
    sp: Any = scipy.special
    function = lambda x: sp.jn(2, x) + sp.yn(1, x) + sp.j0(x) + sp.y1(x) + sp.iv(1.5, x)  # noqa: E731
    np.testing.assert_allclose(wl.jit(function, disable_jit=True)(1.3), function(1.3), rtol=1e-13)
    stacked = wl.scipy.special.bessel_jn(np.array([0.5, 4.0]), v=3)
    np.testing.assert_allclose(stacked, sp.jv(np.arange(4)[:, None], [0.5, 4.0]), rtol=1e-13)


def test_an_order_is_one_number() -> None:
    for call, message in (
        (lambda: special.jn(2.5, 1.0), "jn: a whole order up to 1000, a Python int, is required"),
        (lambda: special.iv(-0.5, 1.0), "iv: an order of 0 or more, a Python number, is required"),
        (lambda: special.ive(np.ones(2), 1.0), "ive: an order of 0 or more, a Python number"),
        (lambda: special.yn(1, 1j), "yn: real numbers are required, got c128"),
    ):
        with pytest.raises(wl.ProgramError, match=message):
            call()
