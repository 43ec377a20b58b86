"""erf, erfc and wofz of complex numbers are mpmath's, in every quarter of the plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special

import wonderland as wl
from wonderland.compiler.front import special

rng = np.random.default_rng(0)
SQUARE = rng.uniform(-3, 3, 60) + 1j * rng.uniform(-3, 3, 60)
POINTS = np.concatenate([SQUARE, SQUARE * 1e-3, SQUARE * 1e-12, SQUARE.real, 1j * SQUARE.imag])
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "wofz": lambda z: mp.exp(-z * z) * mp.erfc(-1j * z),
    "erf": mp.erf,
    "erfc": mp.erfc,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_precise_to_a_part_of_the_result(name: str) -> None:
    with mp.workdps(30):
        want = [FUNCTIONS[name](mp.mpc(z)) for z in POINTS.tolist()]
        found = getattr(special, name)(POINTS).tolist()
        errors = [
            float(abs((mp.mpc(a) - b) / b)) / (1 + abs(z) ** 2)
            for a, b, z in zip(found, want, POINTS.tolist(), strict=True)
        ]
    assert max(errors) < 1.5e-15
    single = getattr(special, name)(SQUARE.astype(np.complex64))
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, getattr(scipy.special, name)(SQUARE), rtol=2e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_those_of_the_function(name: str) -> None:
    function: Any = getattr(special, name)
    for z in (0.3 + 0.2j, -1.3 - 0.7j, 0.9 - 1.1j):
        slope = wl.grad(function, holomorphic=True)
        with mp.workdps(30):
            first, second = (complex(mp.diff(FUNCTIONS[name], z, n)) for n in (1, 2))
        np.testing.assert_allclose(slope(z), first, rtol=1e-13)
        np.testing.assert_allclose(wl.grad(slope, holomorphic=True)(z), second, rtol=1e-12)


def test_real_numbers_stay_real_but_in_faddeeva_s_function() -> None:
    assert special.erf(0.5).dtype == special.erfc(0.5).dtype == np.float64
    np.testing.assert_allclose(special.wofz(0.5), scipy.special.wofz(0.5), rtol=1e-15)
    traced = wl.jit(lambda z: scipy.special.erf(z), disable_jit=True)
    np.testing.assert_allclose(traced(0.5 + 2j), scipy.special.erf(0.5 + 2j), rtol=1e-14)
