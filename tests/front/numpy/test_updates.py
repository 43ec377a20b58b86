"""x.at[at].set(v) and its kin are NumPy's x[at] = v and ufunc.at on a copy, for every index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wonderland as wl
import wonderland.compiler.front.numpy as wnp
from tests.front.numpy.index_expressions import TRACED, arrays_of, expressions, mark
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.trace import call, trace

SHAPES = [(5,), (3, 4), (1, 4), (2, 3, 4), (2, 1, 3), (0, 3)]
UFUNCS = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}


def expected(x: np.ndarray, at: Any, v: Any, method: str) -> np.ndarray:
    y = x.copy()
    if method == "set":
        y[at] = v
    else:
        UFUNCS[method].at(y, at, v)
    return y


@given(st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_updates_are_numpys(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(SHAPES))
    dtype = data.draw(st.sampled_from([np.float64, np.float64, np.int32, np.bool_]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.integers(-4, 5, shape).astype(dtype)
    at = data.draw(expressions(shape))
    method = data.draw(st.sampled_from(["set", *UFUNCS]))
    whole = x[arrays_of(at)].shape
    own = tuple(1 if data.draw(st.integers(0, 3)) == 0 else n for n in whole)
    v = rng.integers(-4, 5, own[data.draw(st.integers(0, len(own))) :]).astype(dtype)
    indices = [i.array for i in at if isinstance(i, TRACED)]

    def update(x: Any, v: Any, *given: Any) -> Any:
        return getattr(x.at[mark(at, given)], method)(v)

    got = call(trace(update, x, v, *indices), x, v, *indices)
    assert got.dtype == x.dtype
    np.testing.assert_array_equal(got, expected(x, arrays_of(at), v, method))


X = np.random.default_rng(0).normal(size=(3, 4))
V = np.random.default_rng(1).normal(size=(4, 4))
TWICE, ONCE = np.array([2, -1, 0, 2]), np.array([2, 7, 0, -2])


@pytest.mark.parametrize(
    "update",
    [
        lambda x, v, i: x.at[i].set(v),
        lambda x, v, i: x.at[i].add(v * v),
        lambda x, v, i: x.at[i].subtract(v),
        lambda x, v, i: x.at[i].min(v),
        lambda x, v, i: x.at[i].max(v),
        lambda x, v, i: x.at[1:, ::2].set(v[:2, :2]),
        lambda x, v, i: x.at[0].multiply(v[1]),
        lambda x, v, i: x.at[1].divide(v[1] ** 2 + 1),
        lambda x, v, i: x.at[2].power(2.0),
        lambda x, v, i: x.at[i, 1].set(v[0]).at[:, i % 4].add(v[:3]),
        lambda x, v, i: x.at[:, 2].apply(np.sin),
        lambda x, v, i: x.at[i].set(v, mode="clip").at[-1].get(),
    ],
)
def test_updates_differentiate_twice(update: Any) -> None:
    def energy(x: Any, v: Any, i: Any) -> Any:
        return np.sum(np.sin(update(x, v, i)) * np.cos(x))

    traced = wl.jit(lambda x, v: energy(x, v, np.array(TWICE)))
    wl.testing.check_gradients(traced, X, V, order=2)
    once = wl.jit(wl.value_and_grad(energy, (0, 1)))(X, V, ONCE)
    with wl.disable_jit():
        again = wl.jit(wl.value_and_grad(energy, (0, 1)))(X, V, ONCE)
    for a, b in zip(wl.tree.leaves(once), wl.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{"mode": "wrap"}, {"mode": "clip"}, {}])
def test_of_static_places_that_meet_the_last_has_the_derivative(options: Any) -> None:
    at = [0, 3, 1] if options.get("mode") == "wrap" else [0, -3, 1]
    slope = wl.grad(lambda v: np.sum(wnp.at(X)[at].set(v, **options)))(V[:3])
    np.testing.assert_array_equal(slope[:, 0], [0, 1, 1])
    options = {"mode": "clip", "wrap_negative_indices": False}
    slope = wl.grad(lambda v: np.sum(wnp.at(X)[[0, -1, 1]].set(v, **options)))(V[:3])
    np.testing.assert_array_equal(slope[:, 0], [0, 1, 1])


def test_unique_factors_have_a_derivative() -> None:
    def energy(x: Any, v: Any, i: Any) -> Any:
        return np.sum(np.sin(wnp.at(x)[i].multiply(v, unique_indices=True, mode="drop")))

    wl.testing.check_gradients(lambda x, v: energy(x, v, np.array(ONCE)), X, V, order=2)
    traced = lambda x, v, i: wl.grad(lambda v: np.sum(x.at[i].multiply(v)))(v)  # noqa: E731
    with pytest.raises(ProgramError, match=r"requires places that differ(.|\n)*unique_indices"):
        trace(traced, X, V, ONCE)


def test_arrays_have_updates_too() -> None:
    x = np.zeros(3, np.float32)
    np.testing.assert_array_equal(wnp.at(x)[1:].add([1, 2]), [0, 1, 2])
    np.testing.assert_array_equal(wnp.at(x)[[5, -1]].set(4.0, mode="drop"), [0, 0, 4])
    np.testing.assert_array_equal(wnp.at(x)[[5, 0]].set(4.0, mode="clip"), [4, 0, 4])
    np.testing.assert_array_equal(wnp.at(x)[[4, 0]].set(4.0, mode="wrap"), [4, 4, 0])
    np.testing.assert_array_equal(wnp.at(x)[[5, 0]].get(mode="fill", fill_value=3), [3, 0])
    np.testing.assert_array_equal(wnp.at(x + 4)[1].divide(2), [4, 2, 4])
    np.testing.assert_array_equal(wnp.at(x + 4)[1].power(2), [4, 16, 4])
    np.testing.assert_array_equal(x, 0)


def test_masks_known_and_traced_choose_what_is_set() -> None:
    known = X > 0
    for function in (
        lambda x: x.at[x > 0].set(7.0),
        lambda x: x.at[known].set(7.0),
        lambda x: x.at[np.nonzero(known)].set(7.0),
    ):
        np.testing.assert_array_equal(call(trace(function, X), X), np.where(known, 7.0, X))
    rows = np.array([1, -1, 2])
    found = call(trace(lambda x, r: x.at[r > 0].add(np.arange(4.0)), X, rows), X, rows)
    np.testing.assert_array_equal(found, np.where((rows > 0)[:, None], X + np.arange(4.0), X))


def too_many(x: Any, i: Any) -> Any:
    return x.at[i].set(np.ones(3))


def places_unknown(x: Any, i: Any) -> Any:
    return x.at[x > 0].set(x)


def other_mask(x: Any, i: Any) -> Any:
    return x.at[i > 0].set(1.0)


def static_beyond(x: Any, i: Any) -> Any:
    return x.at[[0, 3]].set(1.0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (too_many, "x[i] = v: values that broadcast to [4, 4] are required, got [3]"),
        (places_unknown, "a value for every place, which broadcasts to [], is required for a "),
        (other_mask, "x[mask]: a mask of the first axes of f64[3, 4] is required, got bool[4]"),
        (static_beyond, "x[i]: an index within 3 is required for axis 0 of f64[3, 4], got 3"),
    ],
)
def test_refusals(function: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        trace(function, X, TWICE)
    assert message in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["set", "add", "min", "max", "multiply"])
@pytest.mark.parametrize("mode", [None, "drop", "clip"])
def test_updates_and_derivatives_are_those_of_jax(method: str, mode: str | None) -> None:
    jax = pytest.importorskip("jax")
    at = np.array([2, -1, 0, 9, -7])
    u = np.random.default_rng(2).normal(size=(5, 4))

    def energy(x: Any, u: Any, i: Any) -> Any:
        return (x.at[i].__getattribute__(method)(u, mode=mode) ** 2).sum()

    wrt = (0,) if method == "multiply" else (0, 1)
    if method == "set":  # JAX leaves open which update lasts
        at = np.array([2, -3, 9, -8, 1])
    with jax.enable_x64(True):
        theirs = jax.value_and_grad(energy, wrt)(jax.numpy.asarray(X), jax.numpy.asarray(u), at)
    ours = wl.value_and_grad(energy, wrt)(X, u, at)
    if mode == "clip" and method in ("min", "max", "set"):  # JAX: NaN, or another that lasts
        ours, theirs = ours[0], theirs[0]
    for a, b in zip(wl.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
