"""Convolution against its loops, its derivatives against differences, and each batch rule."""

import itertools
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.graph import Graph, Value, apply
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ops.convolution import Convolution, convolution
from wonderland.compiler.transform.batch import batch
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.jvp import jvp
from wonderland.compiler.transform.linearize import linearize
from wonderland.compiler.transform.transpose import transpose

CASES = 60


def drawn(seed: int) -> tuple[Convolution, tuple[int, ...], tuple[int, ...]]:
    """A convolution and the shapes of its operands."""
    rng = np.random.default_rng([seed, 7])
    d, b, n, c, k = (int(rng.integers(low, 3)) for low in (1, 0, 0, 0, 0))
    d += seed % 10 == 0

    def sizes(count: int, low: int, high: int) -> tuple[int, ...]:
        return tuple(int(m) for m in rng.integers(low, high + 1, count))

    steps = [sizes(d, 1, 3) for _ in range(3)]
    padding = tuple(zip(sizes(d, -1, 3), sizes(d, -1, 3), strict=True))
    op = Convolution(steps[0], padding, steps[1], steps[2], b, c)
    batch, channels = sizes(b, 1, 2), sizes(c, 1, 2)
    least = 0 if seed % 7 == 0 else 1  # now and then no elements
    x = (*batch, *sizes(n, 1, 2), *sizes(d, least, 6), *channels)
    return op, x, (*batch, *sizes(d, least, 3), *channels, *sizes(k, 1, 2))


def by_loops(op: Convolution, x: np.ndarray, w: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum that the class says, an addend at a time."""
    (b, n, s, c), (_, f, _, _) = ([len(g) for g in groups] for groups in op.groups(x.ndim, w.ndim))
    y = np.zeros(shape, x.dtype)
    window, channels = w.shape[b : b + f], w.shape[b + f : b + f + c]
    for at in np.ndindex(shape):
        left, places, last = at[: b + n], at[b + n : b + n + s], at[b + n + s :]
        for tap in np.ndindex(window):
            where = [
                o * op.strides[a] + i * op.window_dilation[a] - op.padding[a][0]
                for a, (o, i) in enumerate(zip(places, tap, strict=True))
            ]
            there = [divmod(p, step) for p, step in zip(where, op.dilation, strict=True)]
            within = zip(there, x.shape[b + n : b + n + s], strict=True)
            if all(rest == 0 and 0 <= i < size for (i, rest), size in within):
                for depth in np.ndindex(channels):
                    row = (*left, *(i for i, _ in there), *depth)
                    y[at] += x[row] * w[(*at[:b], *tap, *depth, *last)]
    return y


def of(op: Convolution, x: tuple[int, ...], w: tuple[int, ...], dtype: str = "f64") -> Graph:
    inputs = [Value(Type(dtype, shape)) for shape in (x, w)]
    return Graph.of("f", inputs, [apply(op, *inputs)])


def arrays(graph: Graph, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(v.shape) for v in graph.inputs]


@pytest.mark.parametrize("seed", range(CASES))
def test_a_convolution_is_the_sum_that_it_says(seed: int) -> None:
    graph = of(*drawn(seed))
    x, w = arrays(graph, seed)
    op, out = graph.nodes[0].op, graph.outputs[0]
    assert isinstance(op, Convolution)
    (y,) = interpret(graph, x, w)
    np.testing.assert_allclose(y, by_loops(op, x, w, out.shape), 1e-12, 1e-12)


@pytest.mark.parametrize("n", range(6))
def test_sizes_are_of_windows_that_fit(n: int) -> None:
    steps = itertools.product((1, 2), (1, 2, 3), (1, 2), (-2, 0, 1), (0, 2), range(4))
    for stride, dilation, apart, low, high, m in steps:
        op = Convolution((stride,), ((low, high),), (dilation,), (apart,))
        places = range(0, n * dilation, dilation), range(0, m * apart, apart)
        length, reach = (p[-1] + 1 if p else 0 for p in places)
        fitting = [o for o in range(99) if o * stride + reach <= length + low + high]
        assert op.sizes((n,), (m,)) == (len(fitting),)


@pytest.mark.parametrize("seed", range(CASES))
def test_the_adjoint_is_made_of_convolutions_and_is_one(seed: int) -> None:
    graph = of(*drawn(seed))
    point, along = arrays(graph, seed), arrays(graph, seed + 1000)
    slope = interpret(jvp(graph, [True, True]), *point, *along)[1]
    forward, linear = linearize(graph, [True, True])
    kept = interpret(forward, *point)[1:]
    backward = transpose(linear, [k >= len(kept) for k in range(len(kept) + 2)])
    assert {n.op.name for n in backward.nodes} <= {"convolution", "permute", "flip"}
    ct = np.random.default_rng(seed).standard_normal(slope.shape)
    found = interpret(backward, *kept, ct)
    addends = [ct * slope, *(-c * d for c, d in zip(found, along, strict=True))]
    size = sum(float(np.abs(v).sum()) for v in addends)
    assert abs(sum(float(v.sum()) for v in addends)) <= 1e-14 * (1 + size)


@pytest.mark.parametrize("seed", range(12))
def test_derivatives_of_both_modes_are_those_of_differences(seed: int) -> None:
    op, x, w = drawn(seed)
    wl.testing.check_gradients(wl.extend.function_of(op), *arrays(of(op, x, w), seed), order=2)


@pytest.mark.parametrize("seed", range(CASES))
def test_a_batch_of_either_operand_or_both_is_a_loop(seed: int) -> None:
    graph = of(*drawn(seed))
    rows = [arrays(graph, seed + k) for k in range(3)]
    for marks in ((True, False), (False, True), (True, True)):
        wide, _ = batch(graph, marks, 3)
        assert {n.op.name for n in wide.nodes} <= {"convolution", "permute"}
        given = [[row[i] if yes else rows[0][i] for i, yes in enumerate(marks)] for row in rows]
        together = [
            np.stack([g[i] for g in given]) if yes else rows[0][i] for i, yes in enumerate(marks)
        ]
        wanted = np.stack([interpret(graph, *g)[0] for g in given])
        np.testing.assert_allclose(interpret(wide, *together)[0], wanted, 1e-13, 1e-13)


@pytest.mark.parametrize("dtype", ["i8", "u8", "i16", "u16", "u64", "f16", "bf16"])
def test_other_dtypes_are_computed_wider(dtype: str) -> None:
    x, w = (Value(Type(dtype, shape)) for shape in ((1, 9, 4), (3, 4, 2)))
    graph = Graph.of("f", (x, w), [convolution(x, w, (1,), ((1, 1),))])
    given = [wl.testing.random_array(v.type, np.random.default_rng(0)) for v in (x, w)]
    (y,) = interpret(graph, *given)
    image, kernel = (g.astype("f8" if x.type.is_inexact else object) for g in given)
    op = Convolution((1,), ((1, 1),), (1,), (1,))
    wanted = by_loops(op, image, kernel, y.shape)
    if not x.type.is_inexact:
        assert not np.any((y.astype(object) - wanted) % 2 ** (8 * y.itemsize))
    else:
        np.testing.assert_allclose(y.astype("f8"), wanted, 1e-2, 1e-2)


def test_zeros_between_elements_meet_no_infinity() -> None:
    """Compiled they are not there; so the gradient of a strided convolution reads what it read."""
    rng = np.random.default_rng(0)
    for strides, dilation in (((2, 1), (1, 1)), ((1, 3), (2, 1)), ((2, 2), (3, 2))):
        x, w = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((3, 2, 3, 4))
        w.flat[0], w.flat[-1] = np.inf, np.nan

        def both(x: Any, w: Any, how: Any = (strides, dilation)) -> Any:
            def f(x: Any, w: Any) -> Any:
                return wl.lax.conv_general_dilated(
                    x, w, how[0], [(1, 0), (1, 2)], how[1],
                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                )  # fmt: skip

            y, back = wl.vjp(f, x, w)
            return y, *back(np.ones(y.shape))

        for one, other in zip(wl.jit(both)(x, w), both(x, w), strict=True):
            np.testing.assert_allclose(one, other, 1e-12, 1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_many_phases_are_one_convolution(seed: int) -> None:
    """Long steps between elements, as in the gradient of a convolution of patches."""
    rng = np.random.default_rng(seed)
    d = 1 + seed % 2
    strides, steps = rng.integers(1, 4, (2, d)).tolist() if seed % 3 == 0 else [[1] * d] * 2
    dilation = tuple(rng.integers(4, 17, d).tolist())
    padding = tuple((int(a), int(b)) for a, b in rng.integers(-2, 16, (d, 2)))
    op = Convolution(tuple(strides), padding, dilation, tuple(steps), seed % 2, 1)
    b = (2,) * (seed % 2)
    x = rng.standard_normal((*b, 2, *rng.integers(1, 5, d), 3))
    w = rng.standard_normal((*b, *rng.integers(1, 20, d), 3, 2))
    got = wl.jit(wl.extend.function_of(op))(x, w)
    np.testing.assert_allclose(got, op.reference(x, w), 1e-11, 1e-11)


def test_phases_read_one_array_with_zeros_around_it_and_one_channel_is_stored_in_pairs() -> None:
    """The gradient of a convolution two apart: four phases, which need zeros at different sides."""

    def up(x: Any, w: Any) -> Any:
        return wl.lax.conv_general_dilated(
            x, w, (1, 1), [(2, 2), (2, 2)], (2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    stages = wl.jit(up).inspect(np.ones((2, 7, 7, 8)), np.ones((4, 4, 8, 1)))
    assert stages["dead"].count("= pad(") == 1
    assert "def map_interleave" in stages["fuse"]
