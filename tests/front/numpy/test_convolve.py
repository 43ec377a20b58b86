"""np.convolve and np.correlate in a trace: derivatives, batches, messages; their values are in
test_functions.py and test_against_numpy.py."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl

RNG = np.random.default_rng(0)
CALLS = list(itertools.product((np.convolve, np.correlate), ("full", "same", "valid")))
FIVE, THREE = RNG.standard_normal(5), RNG.standard_normal(3)


def spin(x: np.ndarray) -> np.ndarray:
    return x * np.exp(1j * np.arange(x.size))


@pytest.mark.parametrize(("function", "mode"), CALLS)
def test_derivatives_are_those_of_differences(function: Callable[..., Any], mode: str) -> None:
    for a, v in ((FIVE, THREE), (THREE, FIVE), (spin(THREE), spin(FIVE))):
        wl.testing.check_gradients(lambda a, v: function(a, v, mode), a, v, order=2)


@pytest.mark.parametrize(("function", "mode"), CALLS)
def test_a_vmap_is_a_loop(function: Callable[..., Any], mode: str) -> None:
    rows, kernels = RNG.standard_normal((3, 5)), RNG.standard_normal((3, 4))
    for axes in ((0, None), (None, 0), (0, 0)):
        args = rows if axes[0] == 0 else rows[0], kernels if axes[1] == 0 else kernels[0]
        with wl.disable_jit():
            found = wl.vmap(lambda a, v: function(a, v, mode), axes)(*args)
        every = zip(*(np.broadcast_to(x, (3, x.shape[-1])) for x in args), strict=True)
        np.testing.assert_allclose(found, [function(a, v, mode) for a, v in every], 1e-14, 1e-14)


loose: Any = np  # wrong arguments are the point
WRONG: dict[str, Callable[[Any], Any]] = {
    "a mode of full, same, valid is required, got 'whole'": lambda x: loose.convolve(x, x, "whole"),
    "an element or more are required, got f64[5] and f64[0]": lambda x: np.correlate(x, x[:0]),
    "required, got f64[5] and f64": lambda x: np.correlate(x, x[0]),
    "required, got f64[1, 5] and f64[5]": lambda x: np.convolve(x[None], x),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_said(message: str) -> None:
    with pytest.raises(wl.ProgramError, match=re.escape(message)) as error:
        wl.trace(WRONG[message], FIVE)
    assert "test_convolve.py" in str(error.value).splitlines()[1]


def test_rows_are_convolved_by_vmap() -> None:
    def both(x: Any) -> Any:
        with pytest.raises(wl.ProgramError, match="try: convolve of the rows, by vmap"):
            loose.convolve(x, THREE)
        return wl.vmap(lambda row: np.convolve(row, THREE))(x)

    assert wl.eval_shape(both, np.ones((2, 5))).shape == (2, 7)
