"""Sorting and searching for users: values, derivatives, compiled, as in JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.compiler.front.lax.lax as lax
from wonderland.compiler.front.functions.derivatives import grad
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.jit.jit import jit
from wonderland.compiler.testing import check_gradients
from wonderland.compiler.trace.trace import trace

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6)).astype(np.float32)
TIES = np.array([1.0, np.nan, 3.0, 3.0, -0.0, 0.0, np.inf], np.float32)


def test_several_operands_move_with_their_keys() -> None:
    keys = np.array([[2, 1, 2, 1], [0, 3, 3, 0]], np.int32)
    found = lax.sort((keys, X[:2, :4], np.tile(np.arange(4), (2, 1))), num_keys=1)
    order = np.argsort(keys, -1, kind="stable")
    np.testing.assert_array_equal(found[0], np.sort(keys))
    np.testing.assert_array_equal(found[1], np.take_along_axis(X[:2, :4], order, -1))
    np.testing.assert_array_equal(found[2], order)
    first, second = lax.sort((keys, X[:2, :4]), dimension=0, num_keys=2)
    np.testing.assert_array_equal(first, np.sort(keys, 0))
    assert second.shape == (2, 4)


def test_the_greatest_come_first_and_of_equals_the_first() -> None:
    values, places = lax.top_k(TIES, 5)
    np.testing.assert_array_equal(places, [1, 6, 2, 3, 0])
    np.testing.assert_array_equal(values, TIES[places])
    assert places.dtype == np.int32
    compiled = jit(lambda x: lax.top_k(x, 3, axis=0))(X)
    np.testing.assert_array_equal(compiled[0], -np.sort(-X, 0)[:3])


def test_positions_of_extremes_have_the_dtype_of_jax() -> None:
    assert wl.lax.argmax(X, 1, np.int32).dtype == np.int32
    np.testing.assert_array_equal(wl.lax.argmin(X, 0, np.int64), np.argmin(X, 0))
    np.testing.assert_array_equal(wl.lax.argmax(X > 0, 1, np.int32), np.argmax(X > 0, 1))


def weighted(x: Any) -> Any:
    values, _ = lax.top_k(x * x, 4)
    return lax.sort((x, x**3), dimension=0)[1] * 2 + lax.sort(-x), values


def test_derivatives_are_those_of_differences_to_second_order() -> None:
    check_gradients(weighted, RNG.normal(size=(3, 5)), order=2)
    slope = grad(lambda x: lax.sort(x)[2])(np.array([3.0, 1.0, 2.0]))
    np.testing.assert_array_equal(slope, [1, 0, 0])
    slope = jit(grad(lambda x: lax.top_k(x, 2)[0].sum()))(np.array([3.0, 1.0, 2.0]))
    np.testing.assert_array_equal(slope, [1, 0, 1])


def test_lax_names_agree_with_jax() -> None:
    jax = pytest.importorskip("jax")
    for x in (X, TIES, TIES.astype(np.float16), (X * 9).astype(np.int8)):
        np.testing.assert_array_equal(lax.sort(x), jax.lax.sort(x))
        for got, want in zip(lax.top_k(x, 4), jax.lax.top_k(x, 4), strict=True):
            np.testing.assert_array_equal(got, want)
    both = np.round(X), X.astype(np.float16)
    for keys in (1, 2):
        for got, want in zip(
            lax.sort(both, num_keys=keys), jax.lax.sort(both, num_keys=keys), strict=True
        ):
            np.testing.assert_array_equal(got, want)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ProgramError, match=r"top_k: a k within axis 1 of f32\[4, 6\] is required"):
        lax.top_k(X, 7)
    with pytest.raises(ProgramError, match="sort: keys among the operands are required, got 3"):
        trace(lambda x: lax.sort((x, x), num_keys=3), X)
    with pytest.raises(ProgramError, match="sort: one operand at least is required"):
        lax.sort([])
    with pytest.raises(ProgramError, match="sort: an axis within 2 dimensions is required"):
        lax.sort(X, 2)
    with pytest.raises(ProgramError, match="sort: shapes that broadcast together are required"):
        lax.sort((X, X[:, :2]))
