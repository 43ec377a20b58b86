"""Reductions by a function of the user's: what loops over windows give, and JAX's derivatives."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.errors import ProgramError

SEEDS = range(40)
MONOIDS: dict[str, tuple[Callable[..., Any], float]] = {
    "add": (np.add, 0.0),
    "lambda": (lambda a, b: b + a, 0.0),
    "max": (np.maximum, -np.inf),
    "min": (lax.min, np.inf),
    "mul": (lambda a, b: a * b, 1.0),
    "add from 2": (np.add, 2.0),
    "max from 0": (np.maximum, 0.0),
    "hypot": (np.hypot, 0.0),
}


def drawn(seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """An array of 1 to 3 dimensions, and windows over it."""
    rng = np.random.default_rng(seed)
    ndim = int(rng.integers(1, 4))

    def ints(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.integers(low, high, ndim))

    x = rng.normal(size=ints(1, 7))
    padding: Any = (
        "VALID",
        "SAME",
        "SAME_LOWER",
        tuple(zip(ints(-1, 4), ints(-1, 4), strict=True)),
    )
    chosen = padding[int(rng.integers(4))]
    base = ints(1, 3) if not isinstance(chosen, str) else None
    if not isinstance(chosen, str):  # no more is cut than there is
        chosen = tuple(p if n > 2 else (0, 0) for p, n in zip(chosen, x.shape, strict=True))
    windows = {
        "window_dimensions": ints(1, 4),
        "window_strides": ints(1, 4),
        "padding": chosen,
        "base_dilation": base,
        "window_dilation": ints(1, 3),
    }
    return x, windows


def padded(x: np.ndarray, init: float, windows: dict[str, Any]) -> np.ndarray:
    """The array with the initial value between and around its elements, or cut."""
    extents = [
        (n - 1) * d + 1
        for n, d in zip(windows["window_dimensions"], windows["window_dilation"], strict=True)
    ]
    padding = windows["padding"]
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape, extents, windows["window_strides"], padding)
    between = windows["base_dilation"] or (1,) * x.ndim
    spread = np.full([(n - 1) * b + 1 for n, b in zip(x.shape, between, strict=True)], init)
    spread[tuple(slice(None, None, b) for b in between)] = x
    for a, (low, high) in enumerate(padding):
        width = [(0, 0)] * x.ndim
        width[a] = (max(low, 0), max(high, 0))
        spread = np.pad(spread, width, constant_values=init)
        kept = [slice(None)] * x.ndim
        kept[a] = slice(max(-low, 0), spread.shape[a] - max(-high, 0))
        spread = spread[tuple(kept)]
    return spread


def by_loops(x: np.ndarray, function: Any, init: float, windows: dict[str, Any]) -> np.ndarray:
    """Every window for itself, from the initial value on."""
    whole, sizes = padded(x, init, windows), windows["window_dimensions"]
    reach = [(n - 1) * d for n, d in zip(sizes, windows["window_dilation"], strict=True)]
    starts = [
        range(0, max(n - r, 0), s)
        for n, r, s in zip(whole.shape, reach, windows["window_strides"], strict=True)
    ]
    out = np.empty([len(s) for s in starts])
    for o, start in zip(np.ndindex(*out.shape), itertools.product(*starts), strict=True):
        places: Iterator[Any] = (
            tuple(a + b * d for a, b, d in zip(start, f, windows["window_dilation"], strict=True))
            for f in np.ndindex(*sizes)
        )
        out[o] = functools.reduce(function, (whole[p] for p in places), init)
    return out


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_are_reduced_as_loops_do_it(seed: int) -> None:
    x, windows = drawn(seed)
    for name, (function, init) in MONOIDS.items():
        plain = np.multiply if name == "mul" else np.minimum if name == "min" else function
        expected = by_loops(x, plain, init, windows)
        found = lax.reduce_window(x, init, function, **windows)
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, expected, 1e-12, 1e-12, err_msg=f"{name} {windows}")


@pytest.mark.parametrize("seed", SEEDS[:12])
def test_derivatives_are_those_of_differences_in_both_modes_and_twice(seed: int) -> None:
    x, windows = drawn(seed)
    rng = np.random.default_rng(seed)
    v, step = rng.normal(size=x.shape), 1e-6
    for function, init in (MONOIDS[n] for n in ("add", "max", "min", "mul", "max from 0")):

        def f(x: Any, function: Any = function, init: Any = init) -> Any:
            return np.tanh(lax.reduce_window(x, init, function, **windows))

        y, dy = wl.jvp(f, (x,), (v,))
        ct = rng.normal(size=y.shape)
        (back,) = wl.vjp(f, x)[1](ct)
        along = (f(x + step * v) - f(x - step * v)) / (2 * step)
        np.testing.assert_allclose(dy, along, 1e-6, 1e-6)
        np.testing.assert_allclose(np.sum(back * v), np.sum(ct * dy), 1e-12, 1e-12)

        def slope(x: Any, f: Any = f, ct: Any = ct) -> Any:
            return wl.grad(lambda x: np.sum(f(x) * ct))(x)

        twice = (slope(x + step * v) - slope(x - step * v)) / (2 * step)
        np.testing.assert_allclose(wl.jvp(slope, (x,), (v,))[1], twice, 1e-5, 1e-5)
        np.testing.assert_allclose(
            wl.grad(lambda x, s=slope: np.sum(s(x) * v))(x),
            wl.jvp(slope, (x,), (v,))[1],
            1e-11,
            1e-11,
        )


# ---------------------------------------------------------------- ties and zeros


@pytest.mark.parametrize(("function", "init"), [(np.maximum, -np.inf), (np.minimum, np.inf)])
def test_the_first_of_equal_extremes_has_the_cotangent(function: Any, init: float) -> None:
    def pooled(x: Any) -> Any:
        return lax.reduce_window(x, init, function, (2, 2), (1, 1), "VALID")

    weights = np.array([[1.0, 2.0], [4.0, 8.0]])
    flat = np.ones((3, 3))
    expected = np.array([[1.0, 2.0, 0.0], [4.0, 8.0, 0.0], [0.0, 0.0, 0.0]])
    found = wl.grad(lambda x: np.sum(pooled(x) * weights))
    np.testing.assert_array_equal(found(flat), expected)
    np.testing.assert_array_equal(wl.jit(found)(flat), expected)
    tangent = np.arange(9.0).reshape(3, 3)  # the same place gives the tangent
    np.testing.assert_array_equal(wl.jvp(pooled, (flat,), (tangent,))[1], tangent[:2, :2])
    best = flat.copy()
    best[1, 1] = 2.0 if function is np.maximum else 0.0
    np.testing.assert_array_equal(found(best), 15 * (best != 1))
    np.testing.assert_array_equal(wl.grad(lambda x: np.sum(found(x)))(flat), 0 * flat)


def test_extremes_of_halves_are_those_of_f32() -> None:
    x = np.zeros((1, 4, 4, 1), np.float16)

    def total(x: Any) -> Any:
        return np.sum(wl.nn.max_pool(x, (2, 2), (2, 2)))

    got, want = (wl.jit(wl.grad(total))(x.astype(t)) for t in (np.float16, np.float32))
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, want)


def test_padding_takes_no_part_of_a_cotangent() -> None:
    def pooled(x: Any) -> Any:
        return lax.reduce_window(x, -np.inf, np.maximum, (3,), (2,), [(1, 1)])

    x = np.array([0.0, -1.0, -1.0, -2.0, -2.0])
    np.testing.assert_array_equal(wl.grad(lambda x: np.sum(pooled(x)))(x), [1, 1, 0, 1, 0])


def test_nan_is_greatest_and_least() -> None:
    x = np.array([1.0, np.nan, 3.0, 4.0])
    for function, init in ((np.maximum, -np.inf), (np.minimum, np.inf)):
        found = wl.jit(lambda x, f=function, i=init: lax.reduce_window(x, i, f, (2,)))(x)
        np.testing.assert_array_equal(np.isnan(found), [True, True, False])
        grads = wl.grad(lambda x, f=function, i=init: np.sum(lax.reduce_window(x, i, f, (2,))))(x)
        assert grads[1] == 2


def test_products_of_zeros_have_the_products_of_the_others() -> None:
    def f(x: Any) -> Any:
        return np.sum(lax.reduce_window(x, 1.0, np.multiply, (3,)))

    np.testing.assert_array_equal(wl.grad(f)(np.array([2.0, 0.0, 3.0, 0.0])), [0, 6, 0, 0])


# ---------------------------------------------------------------- any function, trees, axes


def of_greater(a: Any, b: Any) -> Any:
    """The pair of which the first number is greater, of equal ones the former."""
    here = a[0] >= b[0]
    return np.where(here, a[0], b[0]), np.where(here, a[1], b[1])


def test_pairs_are_reduced_together() -> None:
    x = np.array([[3.0, 9.0, 9.0, 1.0], [5.0, 2.0, 0.0, 7.0]])
    places = np.broadcast_to(np.arange(4), x.shape)
    best, where = lax.reduce((x, places), (-np.inf, -1), of_greater, (1,))
    np.testing.assert_array_equal(best, [9, 7])
    np.testing.assert_array_equal(where, [1, 3])
    assert where.dtype == places.dtype
    given = {"x": x, "at": places}

    def named(a: Any, b: Any) -> Any:
        best, where = of_greater((a["x"], a["at"]), (b["x"], b["at"]))
        return {"x": best, "at": where}

    found = wl.jit(lambda t: lax.reduce_window(t, {"x": -np.inf, "at": -1}, named, (1, 2), (1, 2)))(
        given
    )
    np.testing.assert_array_equal(found["x"], [[9, 9], [5, 7]])
    np.testing.assert_array_equal(found["at"], [[1, 2], [0, 3]])


def test_a_reduction_sees_elements_in_order() -> None:
    """A product of matrices of which no two commute: rows (a, b) are the map x -> a x + b."""

    def after(p: Any, q: Any) -> Any:
        return q[0] * p[0], q[0] * p[1] + q[1]

    a, b = np.random.default_rng(0).normal(size=(2, 11))
    expected = functools.reduce(after, zip(a, b, strict=True))
    np.testing.assert_allclose(lax.reduce((a, b), (1.0, 0.0), after, (0,)), expected, 1e-13)
    found = lax.reduce_window((a, b), (1.0, 0.0), after, (11,))
    np.testing.assert_allclose([v[0] for v in found], expected, 1e-13)


@pytest.mark.parametrize("axes", [(), (0,), (2, 0), (0, 1, 2), (-1,)])
def test_axes_are_reduced_by_any_function(axes: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    for function, init in MONOIDS.values():
        order = [*(a % 3 for a in axes), *(a for a in range(3) if a not in [b % 3 for b in axes])]
        rest = [x.shape[a] for a in order[len(axes) :]]
        rows = np.transpose(x, order).reshape(-1, *rest)
        expected = functools.reduce(np.vectorize(function), rows, np.full(rest, init))
        found = lax.reduce(x, init, function, axes)
        np.testing.assert_allclose(found, expected, 1e-12, 1e-12)


def test_what_one_operation_combines_is_no_loop_of_functions() -> None:
    def ops_of(function: Any, init: Any) -> set[str]:
        made = wl.trace(lambda x: lax.reduce(x, init, function, (0,)), np.ones(64))
        return {n.op.name for n in made.graph.nodes}

    assert ops_of(lambda a, b: a + b, 0.0) == {"sum"}
    assert ops_of(lambda a, b: np.maximum(b, a), -np.inf) == {"max"}
    assert "max" in ops_of(np.maximum, 1.0)
    assert "sum" not in ops_of(lambda a, b: a + 2 * b, 0.0)


def test_the_derivative_of_any_function_is_that_of_its_loop() -> None:
    x = np.random.default_rng(1).normal(size=7)

    def loop(x: Any) -> Any:
        total = 0.5
        for k in range(7):
            total = np.hypot(total, x[k])
        return total

    found = wl.grad(lambda x: lax.reduce(x, 0.5, lambda a, b: np.hypot(a, b), (0,)))(x)
    np.testing.assert_allclose(found, wl.grad(loop)(x), 1e-12)


def test_batches_are_loops() -> None:
    xs = np.random.default_rng(2).normal(size=(3, 5, 6))
    for function, init in MONOIDS.values():

        def f(x: Any, function: Any = function, init: Any = init) -> Any:
            return lax.reduce_window(x, init, function, (2, 3), (1, 2), "SAME")

        def slope(x: Any, f: Any = f) -> Any:
            return wl.grad(lambda x: np.sum(f(x) ** 2))(x)

        for g in (f, slope):
            rows = np.stack([g(x) for x in xs])
            np.testing.assert_allclose(wl.vmap(g)(xs), rows, 1e-12, 1e-12)


def test_windows_of_what_is_cut_away_are_none() -> None:
    x = np.ones(1, np.float32)
    for init, function in ((0.0, np.add), (1.0, np.add), (0.0, np.hypot)):
        cut = lax.reduce_window(x, np.float32(init), function, (1,), padding=[(-2, 0)])
        assert cut.shape == (0,)


def test_initial_values_may_be_traced() -> None:
    x = np.arange(6.0)

    def f(x: Any, init: Any) -> Any:
        return np.sum(lax.reduce_window(x, init, np.add, (3,), (3,), [(1, 2)]) ** 2)

    sums = np.array([2.0, 0, 1, 2, 3, 4, 5, 2, 2]).reshape(3, 3).sum(1) + 2
    assert wl.jit(f)(x, np.float64(2)) == np.sum(sums**2)
    slope = wl.grad(f, argnums=1)(x, np.float64(2))
    np.testing.assert_allclose(slope, np.sum(2 * sums * [2, 1, 3]))


# ---------------------------------------------------------------- nothing, and what is refused


def test_windows_of_nothing_and_no_windows_have_a_result() -> None:
    for function, init in MONOIDS.values():
        none = lax.reduce_window(np.ones((2, 0)), init, function, (1, 2), padding=[(0, 0), (1, 2)])
        assert none.shape == (2, 2)
        assert np.all(none == (init * 3 if function is np.add else init))
        assert lax.reduce_window(np.ones(2), init, function, (3,)).shape == (0,)
        assert lax.reduce(np.ones((0, 3)), init, function, (0,)).tolist() == [init] * 3
        assert lax.reduce(np.ones((0, 3)), init, function, (1,)).shape == (0,)


def test_whole_numbers_bools_and_complex_ones_are_reduced_too() -> None:
    n, b = np.arange(6, dtype=np.int8), np.arange(6) > 3
    z = n + 1j * n[::-1]
    least = np.iinfo(np.int8).min
    assert lax.reduce_window(n, np.int8(least), np.maximum, (2,), (2,)).tolist() == [1, 3, 5]
    assert lax.reduce_window(n, 0, np.add, (2,), (2,)).dtype == np.int8
    assert lax.reduce_window(b, False, np.logical_or, (2,), (2,)).tolist() == [False, False, True]
    assert lax.reduce_window(b, True, np.bitwise_and, (2,), (2,)).tolist() == [False, False, True]
    assert lax.reduce_window(b, False, np.maximum, (3,), (3,)).tolist() == [False, True]
    np.testing.assert_allclose(lax.reduce_window(z, 0j, np.add, (3,), (3,)), [3 + 12j, 12 + 3j])
    np.testing.assert_allclose(lax.reduce(z, 1 + 0j, np.multiply, (0,)), np.prod(z))
    half = n.astype(np.float16)
    assert lax.reduce_window(half, np.float16(0), np.add, (3,)).dtype == np.float16


NONE: Any = 3
X = np.ones((4, 4), np.float32)
REFUSED: tuple[tuple[Callable[[], Any], str], ...] = (
    (
        lambda: lax.reduce_window(X, 0.0, np.add, (2,)),
        "reduce_window: window_dimensions of 2 positive ints are required, got (2)",
    ),
    (
        lambda: lax.reduce_window(X, 0.0, np.add, (2, 0)),
        "reduce_window: window_dimensions of 2 positive ints are required, got (2, 0)",
    ),
    (
        lambda: lax.reduce_window(X, 0.0, np.add, (2, 2), (1, -1)),
        "reduce_window: window_strides of 2 positive ints are required, got (1, -1)",
    ),
    (
        lambda: lax.reduce_window(X, 0.0, np.add, (2, 2), padding=[(0, 0)]),
        "reduce_window: a padding of SAME, SAME_LOWER, VALID, CAUSAL or 2 pairs of ints is "
        "required, got [(0, 0)]",
    ),
    (
        lambda: lax.reduce_window(X, 0.0, np.add, (2, 2), base_dilation=(0, 1)),
        "reduce_window: base_dilation of 2 positive ints are required, got (0, 1)",
    ),
    (
        lambda: lax.reduce_window(X, np.zeros(3), np.add, (2, 2)),
        "reduce_window: a scalar as initial value is required",
    ),
    (
        lambda: lax.reduce_window(X, np.int64(0), np.add, (2, 2)),
        "reduce_window: an initial value of f32 is required for f32[4, 4], got i64",
    ),
    (
        lambda: lax.reduce_window(np.arange(3), 0.5, np.add, (2,)),
        "reduce_window: an initial value of i64 is required for i64[3], got f64",
    ),
    (
        lambda: lax.reduce_window(np.ones(3, np.uint8), 256, np.add, (2,)),
        "reduce_window: an initial value of u8 is required for u8[3], got i64",
    ),
    (
        lambda: lax.reduce_window(X, (0.0,), np.add, (2, 2)),
        "reduce_window: an initial value for each operand is required",
    ),
    (
        lambda: lax.reduce_window((X, X[0]), (0.0, 0.0), of_greater, (2, 2)),
        "reduce_window: operands of one shape are required, got f32[4, 4] and f32[4]",
    ),
    (lambda: lax.reduce((), (), np.add, (0,)), "reduce: one operand or more is required"),
    (lambda: lax.reduce(X, 0.0, np.add, (2,)), "reduce: an axis within 2 dimensions is required"),
    (lambda: lax.reduce(X, 0.0, np.add, (0, 0)), "reduce: different axes are required"),
    (lambda: lax.reduce(X, 0.0, NONE, (0,)), "reduce: a function is required, got 3"),
    (
        lambda: lax.reduce(X, 0.0, lambda a, b: (a, b), (0,)),
        "reduce: computation must return what it is given",
    ),
    (
        lambda: lax.reduce(X, 0.0, lambda a, b: np.stack([a, b]), (0,)),
        "reduce: computation must return a scalar of f32, got f32[2]",
    ),
    (
        lambda: lax.reduce(X, 0.0, lambda a, b: a > b, (0,)),
        "reduce: computation must return a scalar of f32, got bool",
    ),
    (
        lambda: wl.jit(lambda x: np.lib.stride_tricks.sliding_window_view(x, 2))(X),
        "sliding_window_view: a size for each of 2 axes is required, got (2,) for f32[4, 4]",
    ),
    (
        lambda: wl.jit(lambda x: np.lib.stride_tricks.sliding_window_view(x, 5, 0))(X),
        "sliding_window_view: a window within f32[4, 4] is required, got (5,) along (0,)",
    ),
)


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_is_no_reduction_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        call()
    assert caught.value.what.startswith(message), caught.value.what


# ---------------------------------------------------------------- NumPy's views


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((2, 3), None), (2, 1), ((2, 2), (1, 0)), ((3, 2), (0, 0)), (0, 0), ((), ())],
)
def test_sliding_windows_of_traced_arrays_are_numpys(shape: Any, axis: Any) -> None:
    x = np.random.default_rng(0).normal(size=(4, 5))

    def f(x: Any) -> Any:
        return np.lib.stride_tricks.sliding_window_view(x, shape, axis)

    expected = f(x)
    np.testing.assert_array_equal(wl.jit(f)(x), expected)
    v = np.random.default_rng(1).normal(size=expected.shape)
    (back,) = wl.vjp(f, x)[1](v)
    np.testing.assert_allclose(np.sum(back * x), np.sum(v * expected), 1e-12, 1e-12)
