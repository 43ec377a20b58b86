"""Comparisons with Python ints are of numbers (NEP 50): no dtype bounds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.jit.jit import jit
from wonderland.compiler.settings import disable_jit

OPERATORS = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal]
DTYPES = ["int8", "uint8", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool"]
EDGES = [0, 2**7, 2**8, 2**31, 2**32, 2**63, 2**64, 2**70]
NUMBERS = sorted({sign * n + d for n in EDGES for d in (-1, 0, 1) for sign in (-1, 1)})


def around(dtype: str) -> np.ndarray:
    ends = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    return np.array([ends.min, 0, 1, ends.max] if ends else [0, 1], dtype)


def answer(f: Callable[..., Any], *args: Any) -> Any:
    """What `f` gives; None where NumPy finds an overflow, and an error of ours says so."""
    try:
        return f(*args)
    except (OverflowError, ProgramError):
        return None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compare", OPERATORS)
def test_integers_are_compared_as_numbers(compare: np.ufunc, dtype: str) -> None:
    x = around(dtype)
    with disable_jit():
        for n in NUMBERS:
            for f in (lambda x, n=n: compare(x, n), lambda x, n=n: compare(n, x)):
                wanted = answer(f, x)
                if wanted is not None:  # NumPy has no answer for bools and 2**63
                    np.testing.assert_array_equal(answer(jit(f), x), wanted, err_msg=f"{n}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_python_int_that_is_an_argument_is_compared_as_a_number(dtype: str) -> None:
    x = around(dtype)
    with disable_jit():
        for n in (n for n in NUMBERS if -(2**63) <= n < 2**63):
            np.testing.assert_array_equal(jit(np.less)(x, n), x < n)
            np.testing.assert_array_equal(jit(np.equal)(n, x), n == x)


def test_comparisons_beyond_the_dtype_compile() -> None:
    x = around("uint8")
    found = jit(lambda x: (x < 300, x == -1, x > 2**70, x >= 255))(x)
    for ours, numpys in zip(found, (x < 300, x == -1, x > 2**70, x >= 255), strict=True):
        np.testing.assert_array_equal(ours, numpys)


@pytest.mark.parametrize("f", [np.add, np.multiply, np.maximum, np.bitwise_and, lambda x, n: n - x])
@pytest.mark.parametrize("n", [-1, 256, 300])
def test_other_functions_of_ints_beyond_the_dtype_refuse_them(f: Any, n: int) -> None:
    x = around("uint8")
    with pytest.raises(OverflowError):
        f(x, n)
    with pytest.raises(ProgramError, match=rf"Python integer {n} out of bounds for uint8"):
        jit(lambda x: f(x, n))(x)


@pytest.mark.parametrize("bounds", [(-1, 300), (-1, 7), (3, 300), (0, 255)])
def test_bounds_of_clip_beyond_the_dtype_are_none(bounds: tuple[int, int]) -> None:
    x = around("uint8")
    np.testing.assert_array_equal(jit(lambda x: np.clip(x, *bounds))(x), np.clip(x, *bounds))


@pytest.mark.parametrize("n", [-1, 256, 2**40])
def test_searches_compare_as_numbers(n: int) -> None:
    x = around("uint8")
    np.testing.assert_array_equal(jit(lambda x: np.isin(x, n))(x), np.isin(x, n))
    np.testing.assert_array_equal(jit(lambda x: np.searchsorted(x, n))(x), np.searchsorted(x, n))
