"""Every dtype through tracing and the interpreter: promotion, wrapping and values are NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wonderland.compiler.trace import call, trace
from wonderland.compiler.types import INTEGERS, NUMPY

BINARY = (
    "add subtract multiply floor_divide remainder maximum minimum bitwise_and bitwise_or "
    "bitwise_xor left_shift right_shift less equal greater_equal divmod"
)
UNARY = "negative absolute sign invert square positive floor isfinite"
REDUCTIONS = "sum prod max min argmax argmin any all mean"


def numbers(dtype: str, seed: int = 0) -> np.ndarray:
    """Numbers of all sizes, with the ends of the range."""
    kind, rng = NUMPY[dtype], np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(24) < 0.5
    if dtype in INTEGERS:
        info = np.iinfo(kind)
        some = rng.integers(info.min, info.max, 12, kind, endpoint=True)
        few = np.arange(8).astype(kind)
        return np.concatenate([some, few, np.array([info.min, info.max, 1, 0], kind)])
    return (rng.normal(size=24) * 10.0 ** rng.integers(-2, 3, 24)).astype(kind)


def agree(function: Any, *args: Any) -> None:
    with np.errstate(all="ignore"):
        try:
            want = function(*args)
        except (TypeError, ValueError):
            return  # NumPy has no such form
    got = call(trace(function, *args), *args)
    several = isinstance(want, tuple)
    for w, g in zip(want if several else (want,), got if several else (got,), strict=True):
        w = np.asarray(w)
        assert (g.dtype, g.shape) == (w.dtype, w.shape)
        rtol = {2: 2e-3, 4: 1e-5}.get(w.dtype.itemsize, 1e-13) if w.dtype.kind == "f" else 0
        np.testing.assert_allclose(g, w, rtol=rtol)


@pytest.mark.parametrize("name", BINARY.split())
def test_pairs_of_integers_promote_and_wrap_as_in_numpy(name: str) -> None:
    function = getattr(np, name)
    for of in ("bool", *INTEGERS):
        for other in ("bool", *INTEGERS):
            if np.result_type(NUMPY[of], NUMPY[other]).kind != "f":
                agree(function, numbers(of), numbers(other, 1))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_functions_of_one_operand_wrap_as_in_numpy(dtype: str) -> None:
    for name in UNARY.split():
        agree(getattr(np, name), numbers(dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_python_numbers_take_the_dtype_of_their_partner(dtype: str) -> None:
    for function in (
        lambda x: x + 1,
        lambda x: 3 * x,
        lambda x: x % 7,
        lambda x: x**3,
        lambda x: x << 2,
    ):
        agree(function, numbers(dtype))


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
def test_reductions_accumulate_in_the_dtype_of_numpy(dtype: str) -> None:
    x = numbers(dtype).reshape(4, 6)
    for function in (getattr(np, name) for name in REDUCTIONS.split()):
        agree(function, x)
        agree(lambda x, f=function: f(x, axis=1), x)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_products_of_matrices_wrap_as_in_numpy(dtype: str) -> None:
    x, y = numbers(dtype).reshape(4, 6), numbers(dtype, 1).reshape(6, 4)
    agree(np.matmul, x, y)
    agree(np.dot, x[0], y[:, 0])


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
def test_casts_between_integers_wrap(dtype: str) -> None:
    for to in ("bool", *INTEGERS, "f32", "f64"):
        agree(lambda x, to=to: x.astype(NUMPY[to]), numbers(dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_views_and_gathers_move_any_dtype(dtype: str) -> None:
    x = numbers(dtype).reshape(4, 6)
    agree(lambda x: np.concatenate([x[::-1], np.pad(x, ((0, 0), (0, 0)))]).T, x)
    agree(lambda x: np.take(x, np.array([2, 0, 3]), axis=1), x)
    agree(lambda x: np.where(x > 3, x, np.zeros_like(x)), x)
