"""Cumulative functions against NumPy and JAX: values, dtypes, directions, derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland.compiler.front.lax.lax as lax
import wonderland.compiler.front.numpy as wnp
from tests.front.numpy.test_functions import assert_agrees, mask, real, whole
from wonderland.compiler.front.functions.derivatives import grad
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.jit.jit import jit
from wonderland.compiler.ops.cumulative import linear_recurrence
from wonderland.compiler.testing import check_gradients
from wonderland.compiler.trace.operands import new
from wonderland.compiler.trace.trace import trace

X, N, M = real(3, 4), whole(3, 4), mask(3, 4)
NAN = np.where(X > 1, np.nan, X)

CALLS: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda x: np.cumsum(x), X),
    (lambda x: np.cumsum(x, 0), X.astype(np.float32)),
    (lambda x: x.cumsum(axis=-1), N.astype(np.int8)),
    (lambda x: np.cumsum(x, 1, dtype=np.float32), N),
    (lambda x: np.cumsum(x, 1), M),
    (lambda x: np.cumprod(x, 1), X),
    (lambda x: x.cumprod(), N),
    (lambda x: np.nancumsum(x, 1), NAN),
    (lambda x: np.nancumprod(x), NAN),
    (lambda x: np.cumulative_sum(x, axis=1, include_initial=True), X),
    (lambda x: np.cumulative_sum(x[0]), N),
    (lambda x: np.cumulative_prod(x, axis=0), X),
    (lambda x: np.add.accumulate(x), X),
    (lambda x: np.multiply.accumulate(x, 1), N),
    (lambda x: np.maximum.accumulate(x), NAN),
    (lambda x: np.maximum.accumulate(x, axis=1), M),
    (lambda x: np.minimum.accumulate(x, axis=1), N.astype(np.uint8)),
    (lambda x: np.minimum.accumulate(x, axis=0), M),
    (lambda x: np.logaddexp.accumulate(x, 1), X),
    (lambda x: np.trapezoid(x), X),
    (lambda x: np.trapezoid(x, dx=0.5, axis=0), X),
    (lambda x: np.trapezoid(x, np.array([0.0, 1.0, 3.0, 4.0])), X),
    (lambda x: np.trapezoid(x, np.cumsum(x * x, 0), axis=0), X),
)


@pytest.mark.parametrize("case", CALLS, ids=range(len(CALLS)))
def test_traced_functions_are_numpys(case: tuple[Callable[..., Any], np.ndarray]) -> None:
    function, x = case
    assert_agrees(function, x)


SMOOTH: tuple[Callable[..., Any], ...] = (
    lambda x: lax.cumsum(x * x, 1, reverse=True),
    lambda x: lax.cumprod(x, 1),
    lambda x: lax.cumprod(x, 0, reverse=True),
    lambda x: lax.cummax(x * x, 0),
    lambda x: lax.cummin(x, 1, reverse=True) * x,
    lambda x: lax.cumlogsumexp(x, 1),
    lambda x: lax.cumlogsumexp(3 * x, 0, reverse=True),
)


@pytest.mark.parametrize("function", SMOOTH, ids=range(len(SMOOTH)))
def test_derivatives_are_those_of_differences_to_second_order(
    function: Callable[..., Any],
) -> None:
    check_gradients(function, np.random.default_rng(1).normal(size=(3, 4)), order=2)


def test_zeros_among_the_factors_do_the_derivative_no_harm() -> None:
    for x in ([2.0, 0.0, 3.0, 0.0, 5.0], [0.0, 0.0, 0.0]):
        check_gradients(lambda v: lax.cumprod(v), np.array(x), order=2)


def test_equal_winners_share_the_tangent() -> None:
    slope = grad(lambda v: lax.cummax(v)[1])(np.array([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(slope, [0.5, 0.5, 0.0])


def test_minus_infinity_is_no_term_of_a_sum_of_exponentials() -> None:
    x = np.array([-np.inf, -np.inf, 0.5, -np.inf, 1.0])
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(lax.cumlogsumexp(x), np.logaddexp.accumulate(x))
    slope = grad(lambda v: lax.cumlogsumexp(v)[4])(x)
    p = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(slope, p)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
def test_lax_names_agree_with_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    x = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    x[1, 2:4] = x[1, 1]
    w = np.random.default_rng(3).normal(size=(4, 5)).astype(np.float32)
    ours, theirs = getattr(lax, name), getattr(jax.lax, name)
    for way in ((0, False), (1, False), (1, True)):
        np.testing.assert_allclose(ours(x, *way), theirs(x, *way), rtol=1e-5, atol=1e-6)
        got, want = (
            derive(functools.partial(weighted, of, way, w))(x)
            for derive, of in ((grad, ours), (jax.grad, theirs))
        )
        if not name.startswith("cumm"):  # of three equal winners shares are a matter of order
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)


def weighted(function: Any, way: tuple[int, bool], w: Any, x: Any) -> Any:
    return (function(x, *way) * w).sum()


def test_what_does_not_fit_is_said() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(
        ProgramError, match="cumsum: an axis within 2 dimensions is required, got 2"
    ):
        trace(lambda v: np.cumsum(v, 2), x)
    with pytest.raises(ProgramError, match=r"cumulative_sum: axis= is required for f32\[2, 3\]"):
        trace(lambda v: np.cumulative_sum(v), x)
    with pytest.raises(ProgramError, match="cumsum: a new result is required, got out="):
        trace(lambda v: np.cumsum(v, 0, None, x), x)
    with pytest.raises(ProgramError, match="cummax: an axis within 1 dimensions is required"):
        lax.cummax(x[0], 1)
    assert wnp.cumsum(x).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("reverse", [False, True])
def test_prefix_products_and_recurrences_meet_zeros_in_turn(dtype: Any, reverse: bool) -> None:
    """In another order products beyond the range would meet a zero before it was, and be NaN."""
    factors = np.full((2, 3000), 3, dtype)
    factors[:, 2 if not reverse else -3] = 0
    terms = np.zeros_like(factors)
    terms[:, 0 if not reverse else -1] = 2

    def prefixes(a: Any, b: Any) -> Any:
        turns = new(linear_recurrence(a.value, b.value, 1, reverse))
        return lax.cumprod(a, 1, reverse), turns

    products, values = jit(prefixes)(factors, terms)
    ahead = slice(None, None, -1 if reverse else 1)
    np.testing.assert_array_equal(products[:, ahead][:, :3], [[3, 9, 0]] * 2)
    np.testing.assert_array_equal(values[:, ahead][:, :3], [[2, 6, 0]] * 2)
    assert not products[:, ahead][:, 2:].any() and not values[:, ahead][:, 2:].any()
