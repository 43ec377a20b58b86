"""x[i] = v on traced arrays is NumPy's, or an error, for random programs of views and writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wonderland as wl
import wonderland.compiler.front.numpy as wnp
from tests.front.numpy.index_expressions import arrays_of, expressions
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.trace import call, trace

SHAPES = [(4,), (3, 4), (2, 3, 2)]
VIEWS = ("T", "reshape", "ravel", "flip", "basic", "swap", "expand", "alias", "asarray")
MADE = ("copy", "add", "mul", "zeros_like", "take", "where", "concatenate", "flatten")
WRITES = ("set", "set", "setview", "iadd", "isub", "imul", "out", "addat", "copyto", "fill", "put")


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Steps: (what, source, ...); sources count the arrays from the last one made."""
    steps: list[tuple[Any, ...]] = []
    for _ in range(draw(st.integers(2, 9))):
        what = draw(st.sampled_from([*VIEWS, *MADE, *WRITES, *WRITES]))
        steps.append((what, draw(st.integers(0, 5)), draw(st.integers(0, 5)), draw(st.integers())))
    return steps


def index_for(shape: tuple[int, ...], seed: int) -> Any:
    """An index expression, the same for the same seed."""
    rng = np.random.default_rng(abs(seed) % 2**32)
    at: list[Any] = []
    for n in shape[: int(rng.integers(0, len(shape) + 1))]:
        kind = rng.integers(0, 4)
        if kind == 0:
            at.append(int(rng.integers(-n, n)) if n else slice(None))
        elif kind == 1 and n:
            at.append(rng.integers(-n, n, 2))
        else:
            ends = sorted(rng.integers(0, n + 1, 2).tolist())
            at.append(slice(ends[0], ends[1], int(rng.choice([1, 1, 2]))))
    return tuple(at)


def run(steps: list[tuple[Any, ...]], x: Any) -> list[Any]:
    """All arrays that the program makes, its argument's copy first."""
    pool: list[Any] = [x * 1.0]
    for what, a, b, seed in steps:
        y, z = pool[-1 - a % len(pool)], pool[-1 - b % len(pool)]
        step(what, y, z, seed, pool)
    return pool


def step(what: str, y: Any, z: Any, seed: int, pool: list[Any]) -> None:
    match what:
        case "T":
            pool.append(y.T)
        case "reshape" | "ravel":
            pool.append(y.reshape((-1, 1) if what == "reshape" else -1))
        case "flip":
            pool.append(y[::-1])
        case "basic":
            at = tuple(i for i in index_for(y.shape, seed) if not isinstance(i, np.ndarray))
            pool.append(y[(*at, ...)])
        case "swap":
            pool.append(np.swapaxes(y, 0, -1))
        case "expand":
            pool.append(y[None] if y.ndim < 4 else y)
        case "alias":
            pool.append(y)
        case "asarray":
            pool.append(np.asarray(y) if isinstance(y, np.ndarray) else wnp.asarray(y))
        case "copy":
            pool.append(y.copy())
        case "flatten":
            pool.append(y.flatten())
        case "add" | "mul":
            pool.append(y + 1.0 if what == "add" else y * 2.0)
        case "zeros_like":
            pool.append(np.zeros_like(y))
        case "take":
            pool.append(y[[0, -1]] if y.shape[0] else y + 0.0)
        case "where":
            pool.append(np.where(y > 0, y, -1.0))
        case "concatenate":
            pool.append(np.concatenate([y, y]))
        case "set":
            y[index_for(y.shape, seed)] = float(seed % 7)
        case "setview":  # a write of a part over another, which may overlap
            if y.shape[0] > 1:
                y[1:] = y[:-1]
        case "iadd":
            y += 1.0
            pool.append(y)
        case "isub":
            y -= z[(0,) * z.ndim] if z.size else 1.0
            pool.append(y)
        case "imul":
            at = index_for(y.shape, seed)
            y[at] *= 2.0
        case "out":
            np.multiply(y, 3.0, out=y)
        case "addat":
            np.add.at(y, index_for(y.shape, seed), 1.5)
        case "copyto":
            np.copyto(y, 4.0, where=y > 1)
        case "fill":
            y.fill(5.0)
        case "put":
            if y.size:
                np.put(y, [0, -1], [6.0, 7.0])


@given(st.sampled_from(SHAPES), programs())
@settings(max_examples=600, deadline=None, derandomize=True)
def test_programs_of_views_and_writes_are_numpys_or_errors(
    shape: tuple[int, ...], steps: list[tuple[Any, ...]]
) -> None:
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    try:
        expected = run(steps, x)
    except (ValueError, IndexError):
        return  # NumPy refuses it

    used: list[int] = []

    def traced(x: Any) -> Any:
        pool = run(steps, x)
        out = []
        for k, y in enumerate(pool):
            try:
                out.append(y + 0.0)
            except ProgramError:  # stale
                continue
            used.append(k)
        return out

    try:
        made = trace(traced, x)
    except ProgramError:
        return
    assert used  # what was written to last can be read
    got = call(made, x)
    for k, g in zip(used, got, strict=True):
        np.testing.assert_array_equal(g, expected[k], err_msg=f"array {k} of {steps}")


@given(st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_assignments_are_numpys(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(SHAPES))
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    at = arrays_of(data.draw(expressions(shape)))
    v = np.random.default_rng(0).normal(size=x[at].shape)

    def program(x: Any, v: Any) -> Any:
        y = x + 1.0
        y[at] = v
        y[at] += 2.0
        y[at] *= y[at]
        return y

    np.testing.assert_array_equal(call(trace(program, x, v), x, v), program(x, v))


X = np.arange(6.0).reshape(2, 3)


def program(x: Any) -> Any:
    """Many ways to write."""
    h = np.sin(x)
    h[0] = 1.0
    h[:, 1] += x[:, 0]
    h[h > 0.5] = 0.25
    h[[0, 1, 0], [1, 2, 0]] -= np.array([1.0, 2.0, 3.0])
    g = np.zeros_like(h)
    g[1:, ::2] = h[:1, ::2] ** 2
    np.fill_diagonal(g, h[0])
    np.put_along_axis(g, np.array([[2], [0]]), h[:, :1], axis=1)
    np.putmask(g, h < 0, h)
    g @= np.eye(3) * 2.0
    np.maximum.at(g, (0, [0, 0]), [0.5, 0.75])
    np.subtract.at(g, 1, h[1])
    g /= 2.0
    return g * h


def test_many_ways_to_write() -> None:
    expected = program(X)
    np.testing.assert_allclose(wl.jit(program)(X), expected, rtol=1e-14)
    wl.testing.check_gradients(wl.jit(lambda x: np.sum(program(x) ** 2)), X + 0.1, order=2)


def test_numbers_are_values_as_numpys_scalars_are() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        first = y[0]
        total = np.sum(y)
        again = total
        total += 1.0
        y[0] = 7.0
        first += 1.0
        return y, first, total, again

    x = np.arange(3.0)
    for got, want in zip(call(trace(f, x), x), f(x), strict=True):
        np.testing.assert_array_equal(got, want)


def test_another_name_of_an_array_sees_the_write() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        z = y
        z += 1.0
        return y

    np.testing.assert_array_equal(call(trace(f, X), X), X * 2 + 1)


def test_only_puts_a_copy_at_once() -> None:
    made = wnp.put_along_axis(X, np.array([[0], [1]]), 9.0, axis=1, inplace=False)
    np.testing.assert_array_equal(made, [[9, 1, 2], [3, 9, 5]])
    wnp.put_along_axis(made, np.array([[2], [2]]), 8.0, axis=1)
    np.testing.assert_array_equal(made, [[9, 1, 8], [3, 9, 8]])


def argument(x: Any) -> Any:
    x[0] = 1.0


def a_view(x: Any) -> Any:
    y = x * 2.0
    y[1:][0] = 1.0


def a_constant(x: Any) -> Any:
    y = wnp.array([1.0, 2.0])
    y[0] = x[0, 0]


def an_outer_value(x: Any) -> Any:
    y = x * 2.0

    def inner(z: Any) -> Any:
        y[0] = z
        return z

    return wl.grad(inner)(1.0)


def stale_view(x: Any) -> Any:
    y = x * 2.0
    z = y.T
    y[0] = 1.0
    return z + 1.0


def stale_argument(x: Any) -> Any:
    y = x
    y += 1.0
    return x + y


def stale_base(x: Any) -> Any:
    y = x * 2.0
    row = y[0]
    row += 1.0
    return y + 0.0


def other_kind(x: Any) -> Any:
    y = (x * 2.0).astype(np.int32)
    y += 0.5


def other_shape(x: Any) -> Any:
    y = x[0] * 2.0
    y += x


def into_argument(x: Any) -> Any:
    np.add(x, 1.0, out=x)


def into_array(x: Any) -> Any:
    np.add.at(np.zeros(3), [0], x[0, 0])


def a_number(x: Any) -> Any:
    y = np.sum(x)
    y[()] = 1.0


def values_of_another_shape(x: Any) -> Any:
    y = x * 2.0
    y[0] = np.ones(2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (argument, "x[i] = v: a writable array is required, got an argument f64[2, 3]"),
        (a_view, "x[i] = v: a writable array is required, got a view f64[1, 3]"),
        (a_constant, "x[i] = v: a writable array is required, got a constant f64[2]"),
        (an_outer_value, "got a value of an outer function f64[2, 3]"),
        (stale_view, "trace: memory of f64[3, 2] was written to, of which this is another view"),
        (stale_argument, "trace: memory of f64[2, 3] was written to"),
        (stale_base, "trace: memory of f64[2, 3] was written to"),
        (other_kind, "add into x: a result that casts to i32[2, 3] is required, got f64[2, 3]"),
        (other_shape, "add into x: a result of the shape of f64[3] is required, got f64[2, 3]"),
        (into_argument, "add into x: a writable array is required, got an argument f64[2, 3]"),
        (into_array, "add.at: a traced array is required, got an array [3]"),
        (a_number, "x[i] = v: a writable array is required, got a number f64"),
        (values_of_another_shape, "x[i] = v: values that broadcast to [3] are required, got [2]"),
    ],
)
def test_refusals(function: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        trace(function, X)
    assert message in str(caught.value)
