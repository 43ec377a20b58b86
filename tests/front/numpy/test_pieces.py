"""Functions of parts, places, polynomials and functions: what no drawn call shows by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.testing import check_gradients

RNG = np.random.default_rng(0)
X, V = RNG.normal(size=(4, 5)), RNG.normal(size=6)
AT = np.linspace(-1, 1, 20)
POINTS = AT**3 - AT + RNG.normal(size=20) / 10

# ---------------------------------------------------------------- as NumPy's


def written(m: Any, x: Any) -> Any:
    sums, tops, low, high, kept = (m.zeros(5) for _ in range(5))
    m.sum(x, 0, None, sums)
    m.max(x, axis=0, out=tops)
    np.divmod(x[0], 2, out=(low, high))
    m.exp(x[0], out=kept, where=x[0] > 0)
    whole = m.zeros((4, 5), "f4")
    m.add(x, 1, out=whole, where=x[:1] > 0)
    return sums, tops, low, high, kept, whole


def at_places(m: Any, x: Any) -> Any:
    y = m.abs(x) + 1
    m.divide.at(y, [0, 0, 1], np.array([2.0, 3.0, 4.0]))
    m.add.at(y, [1, 1], 1.0)
    m.power.at(y, [2], 2.0)
    return y


SAME: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "out": (written, (X,)),
    "at": (at_places, (V,)),
    "outer": (lambda m, x: (m.subtract.outer(x[0], x), m.less.outer(1.0, x)), (X,)),
    "outer of two results": (lambda m, x: np.divmod.outer(x, x), (np.abs(V),)),
    "reduce": (lambda m, x: m.bitwise_or.reduce(x, where=x > 0, initial=8), (np.arange(-9, 9),)),
    "fmax": (lambda m, x: m.fmax.reduce(x, axis=(0, 1), keepdims=True), (X,)),
    "polyfit": (lambda m, x, y: m.polyfit(x, y, 3), (AT, POINTS)),
    "polyfit of weights": (lambda m, x, y: m.polyfit(x, y, 2, w=m.abs(x) + 1), (AT, POINTS)),
    "polyfit cov": (lambda m, x, y: m.polyfit(x, y, 2, cov=True), (AT, POINTS)),
    "polyfit unscaled": (lambda m, x, y: m.polyfit(x, y, 2, cov="unscaled"), (AT, POINTS)),
    "polyfit full": (lambda m, x, y: m.polyfit(x, y, 2, full=True), (AT, POINTS)),
    "polyfit of two": (
        lambda m, x, y: m.polyfit(x, m.stack([y, y * 2 + x], 1), 2, cov=True), (AT, POINTS)
    ),
    "poly of a matrix": (lambda m, x: m.poly(x[:, :4]), (X,)),
    "polyint": (lambda m, p: m.polyint(p, 2, [1.0, 2.0]), (V,)),
    "roots": (lambda m, p: m.sort_complex(m.roots(p)), (V,)),
    "polydiv": (lambda m, p: m.polydiv(p, p[:3])[0], (V,)),
    "polydiv by a longer one": (lambda m, p: m.polydiv(p[:2], p), (V,)),
    "vectorize": (lambda m, x: m.vectorize(lambda a, b: a * m.sin(b))(x, x[0]), (X,)),
    "vectorize of vectors": (
        lambda m, x: m.vectorize(lambda a, b: (a @ b, a), signature="(n),(n)->(),(n)")(x, x[0]),
        (X,),
    ),
    "vectorize, excluded": (
        lambda m, x: m.vectorize(lambda a, n, k: a * n + k, excluded={1, "k"})(x, 3, k=2), (X,)
    ),
    "fromfunction": (lambda m, x: x * m.fromfunction(lambda i, j: i - 2 * j, (4, 5)), (X,)),
    "fromiter": (lambda m, x: x + m.fromiter(range(5), float), (X,)),
    "ndenumerate": (lambda m, x: sum(v * (i + 2 * j) for (i, j), v in m.ndenumerate(x)), (X,)),
    "r_": (lambda m, x: m.r_[x, 1, 0:3, 0:1:3j], (V,)),
    "r_ of matrices": (lambda m, x: m.r_[x, x * 2], (X,)),
    "c_": (lambda m, x: m.c_[x, x * 2], (V,)),
    "c_ of matrices": (lambda m, x: m.c_[x, x * 2], (X,)),
    "ix_": (lambda m, x: x[m.ix_([True, False, True, False], [1, 3])], (X,)),
    "mask_indices": (lambda m, x: x[:, :4][m.mask_indices(4, np.triu, 1)], (X,)),
    "isscalar": (lambda m, x: x * (m.isscalar(x[0, 0]) + 2 * m.isscalar(x)), (X,)),
    "iterable": (lambda m, x: x * (m.iterable(x[0, 0]) + 2 * m.iterable(x)), (X,)),
    "einsum_path": (lambda m, x: x * len(m.einsum_path("ij,kj,kl", x, x, x)[0]), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_a_function_is_numpys(case: str) -> None:
    function, args = SAME[case]
    wanted = function(np, *args)
    found = wl.jit(lambda *xs: function(wnp, *xs), disable_jit=True)(*args)
    pairs = zip(found, wanted, strict=True) if isinstance(wanted, tuple) else [(found, wanted)]
    for got, want in pairs:
        assert np.asarray(got).dtype == np.asarray(want).dtype
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


def test_a_remainder_has_as_many_places_as_the_dividend() -> None:
    q, r = wl.jit(lambda p: wnp.polydiv(p, p[:3]), disable_jit=True)(V)
    want: np.ndarray = np.polydiv(V, V[:3])[1]
    np.testing.assert_allclose(r, np.pad(want, (V.size - want.size, 0)), atol=1e-12)
    np.testing.assert_allclose(np.convolve(q, V[:3]) + r, V)


def test_different_elements_come_in_order() -> None:
    x = np.array([3, 1, 1, 2, 3])
    np.testing.assert_array_equal(wnp.unique_values(x, size=4), [1, 2, 3, 1])
    np.testing.assert_array_equal(np.sort(wnp.unique_values(x)), [1, 2, 3])


def test_the_extreme_of_numbers_is_never_the_place_of_a_nan() -> None:
    """NumPy's is, beside an infinite number alone; where nothing else is, it raises."""
    f = wl.jit(lambda x: (wnp.nanargmax(x), wnp.nanargmin(-x)), disable_jit=True)
    assert f(np.array([np.nan, -np.inf, np.nan])) == (1, 1)
    assert f(np.array([np.nan, np.nan])) == (-1, -1)


def test_where_without_out_has_a_repair() -> None:
    with pytest.raises(ProgramError, match=r"add: .* beside where=, got no out=(.|\n)*np\.where"):
        wl.jit(lambda x: wnp.add(x, 1, where=x > 0))(V)


# ---------------------------------------------------------------- derivatives

SMOOTH: dict[str, Callable[[Any], Any]] = {
    "modf": lambda x: wnp.modf(x)[0],
    "frexp": lambda x: wnp.frexp(x)[0],
    "ldexp": lambda x: wnp.ldexp(x, 3) * x,
    "poly": wnp.poly,
    "polydiv": lambda x: wnp.polydiv(x, x[:3] ** 2 + 1)[0],
    "polyfit": lambda x: wnp.polyfit(np.linspace(-1, 1, 6, dtype="f4"), x**2, 2),
    "roots": lambda x: wnp.abs(wnp.sort_complex(wnp.roots(x[:4]))) ** 2,
    "vectorize": lambda x: wnp.vectorize(lambda a, b: a * wnp.sin(b))(x, x[::-1]),
    "apply_along_axis": lambda x: wnp.apply_along_axis(lambda r: r * wnp.sum(r), 0, x),
    "piecewise": lambda x: wnp.piecewise(x, [x < 0], [wnp.square, lambda t: t * t * t]),
    "logaddexp2.reduce": lambda x: wnp.logaddexp2.reduce(x),
    "hypot.accumulate": lambda x: wnp.hypot.accumulate(x),
    "matvec": lambda x: wnp.matvec(wnp.outer(x, x), x),
    "where": lambda x: wnp.sin(x, out=x * 2, where=x > 0),
}


@pytest.mark.parametrize("case", SMOOTH)
def test_derivatives_are_those_of_differences(case: str) -> None:
    check_gradients(SMOOTH[case], np.array([0.7, -1.3, 2.1, 0.4, -0.6, 1.7]))


@pytest.mark.parametrize("case", SMOOTH)
def test_a_function_of_rows_is_that_of_each(case: str) -> None:
    function, rows = SMOOTH[case], RNG.normal(size=(3, 6)).astype(np.float32)
    found = wl.jit(wl.vmap(function), disable_jit=True)(rows)
    each = wl.jit(lambda x: [function(r) for r in x], disable_jit=True)(rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(each), rtol=1e-4, atol=1e-5)


def test_powers_of_two_are_exact_when_compiled() -> None:
    x = np.array([1.5, -5e-324, 1.7976931348623157e308, 3e-310, 2.0**-1022, 1e-300, 0.0])
    for n in (0, 1, -1, -1070, 60, 2000):
        with np.errstate(over="ignore", under="ignore"):
            np.testing.assert_array_equal(wl.jit(wnp.ldexp)(x, n), np.ldexp(x, n))
    for got, want in zip(wl.jit(wnp.frexp)(x), np.frexp(x), strict=True):
        np.testing.assert_array_equal(got, want)


# ---------------------------------------------------------------- keywords that are JAX's


def test_a_keyword_of_jax_works_outside_of_a_trace_too() -> None:
    found = wnp.take(np.arange(3.0), np.array([1, 9]), mode="fill", fill_value=-1.0)
    np.testing.assert_array_equal(found, [1.0, -1.0])


def test_the_greatest_common_divisor_of_the_least_integer_is_positive() -> None:
    for name in ("i1", "i2", "i4", "i8"):
        least, most = np.iinfo(name).min, np.iinfo(name).max
        x = np.array([most, least, least, 6, 0], name)
        y = np.array([least, most, 6, least, most], name)
        found = wl.jit(np.gcd, disable_jit=True)(x, y)
        assert found.dtype == name
        np.testing.assert_array_equal(found, np.gcd(x, y))


def test_a_ufunc_writes_to_what_stands_behind_its_operands() -> None:
    def f(x: Any) -> Any:
        place, whole = wnp.zeros(3), wnp.zeros(3)
        np.add(x, 1.0, place)
        np.modf(x, place, whole)
        return place, whole

    x = np.array([1.5, -2.25, 3.0])
    for found, want in zip(wl.jit(f, disable_jit=True)(x), np.modf(x), strict=True):
        np.testing.assert_array_equal(found, want)
