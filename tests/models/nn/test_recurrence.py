"""Linear recurrences against a loop in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

rng = np.random.default_rng(0)
FACTORS = rng.uniform(0.5, 1.1, (2, 7, 3)) * np.exp(1j * rng.normal(size=(2, 7, 3)))
TERMS = rng.normal(size=(2, 7, 3)) + 1j * rng.normal(size=(2, 7, 3))
START = rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))


def given(dtype: str) -> list[np.ndarray]:
    xs = FACTORS, TERMS, START
    return [(x if dtype.startswith("c") else x.real).astype(dtype) for x in xs]


def turns(a: Any, b: Any, start: Any, reverse: bool) -> np.ndarray:
    a, b = np.broadcast_arrays(a, b)
    h, out = start, np.empty_like(b)
    for t in range(b.shape[1])[:: -1 if reverse else 1]:
        out[:, t] = h = a[:, t] * h + b[:, t]
    return out


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_states_follow_each_other(dtype: str, parallel: bool, reverse: bool) -> None:
    a, b, start = given(dtype)
    way: Any = {"reverse": reverse, "parallel": parallel}
    close = {"rtol": 0, "atol": 40 * float(np.finfo(dtype).eps)}
    found = wl.nn.linear_recurrence(a, b, start, **way)
    assert found.dtype == a.dtype
    np.testing.assert_allclose(found, turns(a, b, start, reverse), **close)
    found = wl.nn.linear_recurrence(a[0, 0], b, **way)  # the same factor for all steps
    np.testing.assert_allclose(found, turns(a[0, 0], b, 0 * start, reverse), **close)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("parallel", [False, True])
def test_derivatives_of_factors_terms_and_start(reverse: bool, parallel: bool) -> None:
    def states(a: Any, b: Any, start: Any) -> Any:
        return wl.nn.linear_recurrence(a, b, start, axis=0, reverse=reverse, parallel=parallel)

    a, b, start = given("f8")
    wl.testing.check_gradients(states, a[0, :4], b[0, :4], start[0], order=2)


def test_a_derivative_is_a_recurrence_that_keeps_the_states_alone() -> None:
    total = lambda a, b: np.sum(wl.nn.linear_recurrence(a, b) ** 2)  # noqa: E731
    slopes = wl.jit(wl.grad(total, argnums=(0, 1)))
    kernels = slopes.inspect(*given("f4")[:2])["fuse"]
    assert kernels.count("def ") == 3  # the states, the slope of the terms, that of the factors
    assert kernels.count("def running_recurrence") == 2


def test_steps_follow_any_axis_and_no_step_is_no_state() -> None:
    a, b, start = given("f8")
    want = turns(a, b, start, False)
    a_last, b_last = np.moveaxis(a, 1, -1), np.moveaxis(b, 1, -1)
    found = wl.nn.linear_recurrence(a_last, b_last, start, axis=-1)
    np.testing.assert_array_equal(np.moveaxis(found, -1, 1), want)
    assert wl.nn.linear_recurrence(a[:, :0], b[:, :0], start).shape == (2, 0, 3)


def test_what_does_not_fit_is_said() -> None:
    a, b, _ = given("f4")
    with pytest.raises(ProgramError, match=r"a start that broadcasts to \[2, 3\].* got f32\[2, 7"):
        wl.nn.linear_recurrence(a, b, b)
    with pytest.raises(ProgramError, match="linear_recurrence: shapes that broadcast together"):
        wl.nn.linear_recurrence(a, b[:, :3])
    with pytest.raises(ProgramError, match="linear_recurrence: an axis within 3 dimensions"):
        wl.nn.linear_recurrence(a, b, axis=3)


def test_a_complex_start_of_real_terms_makes_states_complex() -> None:
    found = wl.nn.linear_recurrence(np.full((1, 3), 0.5), np.ones((1, 3)), np.array([2j]))
    np.testing.assert_array_equal(found, [[1 + 1j, 1.5 + 0.5j, 1.75 + 0.25j]])
