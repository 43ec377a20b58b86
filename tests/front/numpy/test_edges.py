"""Axes without elements, and more axes than anybody has: what NumPy does there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.jit.jit import jit
from wonderland.compiler.settings import disable_jit

EMPTY: list[tuple[int, ...]] = [(0,), (3, 0), (0, 3), (2, 0, 3)]
MANY = np.ones((1,) * 31 + (2, 2))
OF_MANY: list[Callable[[Any], Any]] = [
    lambda x: x * 2 + x,
    lambda x: x + np.arange(2.0),
    lambda x: np.where(x > 0, x, 0),
    lambda x: np.sum(x, axis=-1),
    lambda x: np.concatenate([x, x], axis=32),
    lambda x: np.moveaxis(x, 0, -1),
    lambda x: x.mT @ x,
]


@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("function", [np.max, np.min, np.sum, np.prod, np.any, np.all])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_reduction_of_nothing_is_what_it_begins_with(
    function: Any, shape: tuple[int, ...], keepdims: bool
) -> None:
    x = np.zeros(shape, np.float32)
    options = {} if function in (np.any, np.all) else {"initial": 7}
    for axis in (None, *range(len(shape))):
        f = functools.partial(function, axis=axis, keepdims=keepdims, **options)
        with disable_jit():
            found, wanted = jit(f)(x), f(x)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


def test_a_greatest_of_nothing_compiles() -> None:
    found = jit(lambda x: np.max(x, axis=1, initial=-1))(np.zeros((3, 0), np.int32))
    np.testing.assert_array_equal(found, np.full(3, -1, np.int32))
    assert found.dtype == np.int32


@pytest.mark.parametrize("f", OF_MANY)
def test_arrays_have_as_many_axes_as_numpys(f: Callable[[Any], Any]) -> None:
    with disable_jit():
        np.testing.assert_array_equal(jit(f)(MANY), f(MANY))


def test_arrays_of_many_axes_compile() -> None:
    np.testing.assert_array_equal(jit(OF_MANY[0])(MANY), MANY * 3)
