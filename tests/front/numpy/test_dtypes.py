"""Every dtype through tracing and the interpreter: promotion, wrapping and values are NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.types import FLOATS, HALVES, INTEGERS, NAMES, NUMPY
from wonderland.compiler.trace.trace import call, trace

BINARY = (
    "add subtract multiply floor_divide remainder maximum minimum bitwise_and bitwise_or "
    "bitwise_xor left_shift right_shift less equal greater_equal divmod"
)
UNARY = "negative absolute sign invert square positive floor isfinite"
REDUCTIONS = "sum prod max min argmax argmin any all mean"


TOLERANCES = {"bf16": 2e-2, "f16": 2e-3, "f32": 1e-5, "f64": 1e-13}


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
        rtol = TOLERANCES.get(NAMES[w.dtype], 0)
        if NAMES[w.dtype] in HALVES:
            g, w = g.astype(np.float32), w.astype(np.float32)
        np.testing.assert_allclose(g, w, rtol=rtol)


@pytest.mark.parametrize("name", BINARY.split())
def test_pairs_of_integers_promote_and_wrap_as_in_numpy(name: str) -> None:
    function = getattr(np, name)
    for of in ("bool", *INTEGERS):
        for other in ("bool", *INTEGERS):
            if np.result_type(NUMPY[of], NUMPY[other]).kind != "f":
                agree(function, numbers(of), numbers(other, 1))


def test_signed_numbers_compare_with_u64_as_they_are() -> None:
    x, y = numbers("i64"), numbers("u64")
    x[:4], y[:4] = [-1, 5, 0, -(2**63)], [2**64 - 1, 5, 1, 2**63]
    comparisons = "equal not_equal less less_equal greater greater_equal"
    for name in comparisons.split():
        agree(getattr(np, name), x, y)
        agree(getattr(np, name), y, x)


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


@pytest.mark.parametrize("half", HALVES)
def test_halves_promote_as_in_numpy_and_compute_in_f32(half: str) -> None:
    x, y = numbers(half), numbers(half, 1)
    names = "add subtract multiply divide maximum less power floor_divide hypot"
    for name in names.split():
        agree(getattr(np, name), np.abs(x), y)
    for name in ["exp", "tanh", "sqrt", "negative", "floor", "isnan", "sign", "cbrt", "log1p"]:
        agree(getattr(np, name), np.abs(x) / 16)
    for other in ("f32", "f64", "i8", "bool"):
        agree(np.multiply, x, numbers(other))
    agree(lambda x: x * 2 + 0.5 if half == "f16" else x * 2, x)


def test_bf16_stays_beside_integers_and_meets_f16_in_f32() -> None:
    x = numbers("bf16")
    for other, of in (
        ("u8", "bf16"),
        ("i16", "bf16"),
        ("i32", "bf16"),
        ("f16", "f32"),
        ("f64", "f64"),
    ):
        for args in ((x, numbers(other)), (numbers(other), x)):
            got = call(trace(np.multiply, *args), *args)
            assert NAMES[got.dtype] == of
    assert NAMES[call(trace(lambda x: 0.5 * x + 1, x), x).dtype] == "bf16"
    assert NAMES[call(trace(lambda x: np.where(x > 0, x, 0.0), x), x).dtype] == "bf16"


@pytest.mark.parametrize("half", HALVES)
def test_sums_products_and_moments_of_halves_are_accumulated_in_f32(half: str) -> None:
    x = (np.random.default_rng(0).random((64, 48)) + 1).astype(NUMPY[half])
    wide = x.astype(np.float64)
    for function in (np.sum, np.mean, np.std, np.max, np.argmin, lambda x: x @ x.T):
        got, want = call(trace(function, x), x), function(wide)
        assert got.dtype == (np.int64 if function is np.argmin else NUMPY[half])
        rtol = {"f16": 1e-3, "bf16": 8e-3}[half]
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=rtol)


@pytest.mark.parametrize("half", HALVES)
def test_every_half_is_squared_and_rooted_as_in_f32(half: str) -> None:
    x = np.arange(2**16, dtype=np.uint16).view(NUMPY[half])
    with np.errstate(all="ignore"):
        wide = x.astype(np.float32)
        for function in (np.sqrt, lambda x: x * x, lambda x: 1 / x):
            want = function(wide).astype(NUMPY[half]).astype(np.float32)
            np.testing.assert_array_equal(call(trace(function, x), x).astype(np.float32), want)


@pytest.mark.parametrize("dtype", FLOATS)
def test_casts_of_floats_are_those_of_numpy(dtype: str) -> None:
    for to in FLOATS:
        agree(lambda x, to=to: x.astype(NUMPY[to]), numbers(dtype))


EXPONENTS: tuple[Any, ...] = (
    0, 1, 2, 3, -1, -2, 0.5, 1.0, 2.0, -1.0, True, 2 + 0j, 1j, np.int8(2), np.float32(0.5),
)  # fmt: skip


@pytest.mark.parametrize("dtype", "?bBhHiIlLefdFD")
def test_powers_have_the_dtype_of_numpys_but_integers_follow_floats(dtype: str) -> None:
    x = np.array([0, 1, 3, 2], dtype)
    for n in EXPONENTS:
        for power in (lambda x, n=n: x**n, lambda x, n=n: np.power(x, n), lambda x, n=n: n**x):
            with np.errstate(all="ignore"):
                try:
                    want = np.asarray(power(x))
                except (TypeError, ValueError, OverflowError):
                    with pytest.raises(ProgramError):
                        trace(power, x)
                    continue
            got = call(trace(power, x), x)
            typed = type(n) is np.float32 and x.dtype.kind in "iu"
            assert got.dtype == (n.dtype if typed else want.dtype), (n, got.dtype, want.dtype)
            np.testing.assert_allclose(got, want, 2e-3 if dtype == "e" else 1e-6)
