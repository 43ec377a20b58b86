"""x[at] is NumPy's, for every index expression; beyond the axis it is what the mode says."""

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

SHAPES = [(5,), (3, 4), (1, 4), (2, 3, 4), (2, 1, 3), (2, 3, 2, 3), (0, 3)]


@given(st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_reading_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(SHAPES))
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    at = data.draw(expressions(shape))
    expected = x[arrays_of(at)]
    indices = [i for i in at if isinstance(i, TRACED)]
    made = trace(lambda x, *given: x[mark(at, given)], x, *(i.array for i in indices))
    got = call(made, x, *(i.array for i in indices))
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(got, expected)


X = np.arange(12.0).reshape(3, 4)
BEYOND = np.array([2, -1, 3, -4, 7])


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.bool_])
def test_what_is_beyond_an_axis_is_as_the_mode_says(dtype: Any) -> None:
    x = X.astype(dtype)
    near = x[[2, 2, 2, 0, 2]]
    fill = {"f": np.nan, "i": -(2**31), "u": 255, "b": True}[x.dtype.kind]
    gone = np.where(np.array([0, 0, 1, 1, 1], bool)[:, None], np.array(fill, dtype), near)
    wrap, first = x[BEYOND % 3], x[[2, 0, 2, 0, 2]]
    for expected, function in (
        (near, lambda x, i: x[i]),
        (gone, lambda x, i: np.take(x, i, axis=0)),
        (first, lambda x, i: np.take(x, i, axis=0, mode="clip")),
        (wrap, lambda x, i: np.take(x, i, axis=0, mode="wrap")),
        (gone[:, :1], lambda x, i: np.take_along_axis(x, i[:, None], axis=0)[:, :1]),
        (near[:, :1], lambda x, i: wnp.take_along_axis(x, i[:, None], 0, mode="clip")[:, :1]),
    ):
        np.testing.assert_array_equal(call(trace(function, x, BEYOND), x, BEYOND), expected)


@pytest.mark.parametrize("dtype", "bhiqBHIQ")
def test_indices_of_every_dtype_are_their_numbers(dtype: str) -> None:
    """Also where the dtype does not hold the length of the axis, or int64 not the index."""
    n, last = 300, int(np.iinfo(dtype).max)
    x, at = np.arange(float(n)), np.array([np.iinfo(dtype).min, last, 7, last - 2], dtype)
    places = [int(i) for i in at]
    front = [i + n if i < 0 else i for i in places]
    near, inside = [min(max(i, 0), n - 1) for i in front], [i for i in front if 0 <= i < n]
    for expected, function in (
        ([x[i % n] for i in places], lambda x, i: np.take(x, i, mode="wrap")),
        ([x[min(max(i, 0), n - 1)] for i in places], lambda x, i: np.take(x, i, mode="clip")),
        (
            [x[i] if i in inside else np.nan for i in front],
            lambda x, i: wnp.take(x, i, mode="fill"),
        ),
        (x[near], lambda x, i: x.at[i].get(mode="clip")),
        (np.isin(x, inside), lambda x, i: (0 * x).at[i].max(1.0, mode="drop") == 1),
    ):
        for graph in (trace(function, x, at), trace(lambda x, f=function: f(x, at), x)):
            given = (x, at)[: len(graph.graph.inputs)]
            np.testing.assert_array_equal(call(graph, *given), expected)


def test_steps_along_an_axis_are_no_indices() -> None:
    labels = np.array([1, 3, 0])
    graph = trace(lambda x, i: x[np.arange(3), i], X, labels).graph
    (node,) = [n for n in graph.nodes if n.op.name == "gather"]
    assert node.op.params["axes"] == (0, -1) and len(node.args) == 2


def test_windows_are_moved_to_where_they_fit() -> None:
    for start in (-9, -3, -1, 0, 1, 2, 9):
        first = min(max(start + 5 if start < 0 else start, 0), 2)
        x = np.arange(5.0)
        expected = x[first : first + 3]
        np.testing.assert_array_equal(wl.lax.dynamic_slice(x, [start], [3]), expected)
        np.testing.assert_array_equal(wl.lax.dynamic_slice_in_dim(x, start, 3), expected)
        updated = x.copy()
        updated[first : first + 3] = 7.0
        found = wl.lax.dynamic_update_slice(x, np.full(3, 7.0), [start])
        np.testing.assert_array_equal(found, updated)
    np.testing.assert_array_equal(wl.lax.dynamic_index_in_dim(X, 1, 1), X[:, 1:2])
    np.testing.assert_array_equal(wl.lax.dynamic_index_in_dim(X, -1, 1, keepdims=False), X[:, -1])
    changed = X.copy()
    changed[:, 2] = 5.0
    found = wl.lax.dynamic_update_index_in_dim(X, np.full(3, 5.0), 2, 1)
    np.testing.assert_array_equal(found, changed)


def test_windows_differentiate_twice() -> None:
    def energy(x: Any, u: Any, i: Any) -> Any:
        y = wl.lax.dynamic_update_slice(x, u * u, (i, 1))
        return np.sum(np.sin(wl.lax.dynamic_slice(y, (i, i), (2, 2))) * y[1:, :2])

    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(3, 4)), rng.normal(size=(2, 2))
    wl.testing.check_gradients(lambda x, u: energy(x, u, np.int32(1)), x, u, order=2)


def beyond(x: Any, i: Any) -> Any:
    return x[5]


def masked(x: Any, i: Any) -> Any:
    return x[x > 0]


def wrong_mask(x: Any, i: Any) -> Any:
    return x[:, np.ones(3, bool)]


def real_index(x: Any, i: Any) -> Any:
    return np.take(x, x, axis=0)


def unknown_mode(x: Any, i: Any) -> Any:
    return wnp.take(x, i, mode="warp")


def too_large(x: Any, i: Any) -> Any:
    return wl.lax.dynamic_slice(x, (i[0], 0), (4, 1))


def real_start(x: Any, i: Any) -> Any:
    return wl.lax.dynamic_slice(x, (0.5, 0), (1, 1))


def too_few(x: Any, i: Any) -> Any:
    return wl.lax.dynamic_slice(x, (i[0],), (1, 1))


def other_dtype(x: Any, i: Any) -> Any:
    return wl.lax.dynamic_update_slice(x, i[:, None], (0, 0))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (beyond, "x[i]: an index within 3 is required for axis 0 of f64[3, 4], got 5"),
        (masked, "x[mask]: a result of static shape is required, got a traced mask bool[3, 4]"),
        (wrong_mask, "x[mask]: a mask of axes 1 to 2 of f64[3, 4] is required, got bool[3]"),
        (real_index, "take: integer indices are required, got f64[3, 4]"),
        (unknown_mode, "take: a mode of fill, drop, clip, wrap, promise_in_bounds is required"),
        (too_large, "dynamic_slice: sizes within f64[3, 4] are required, got (4, 1)"),
        (real_start, "x[i]: integer indices are required for axis 0, got float64"),
        (too_few, "dynamic_slice: an index for each axis of f64[3, 4] is required"),
        (other_dtype, "an update of the dtype and within f64[3, 4] is required, got i64[2, 1]"),
    ],
)
def test_refusals(function: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        trace(function, X, np.array([0, 1]))
    assert message in str(caught.value)
