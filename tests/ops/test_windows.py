"""Windows and their overlaps mean what loops over every place say, and fuse as other views do."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.ir.graph import Graph, Value, apply
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ops import reduce_sum
from wonderland.compiler.ops.windows import OverlapAdd, Windows, overlap_add, windows
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.pipeline import Lowering
from wonderland.compiler.transform.interpreter import interpret

CASES = 60


def drawn(seed: int) -> tuple[tuple[int, ...], Windows]:
    """A shape, and windows over some of its axes, of which parts lie outside."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 7, rng.integers(1, 4)))
    axes = tuple(a for a in range(len(shape)) if rng.random() < 0.7)
    ranges = ((0, 5), (1, 5), (1, 4), (1, 4), (-2, 4))
    params = (tuple(int(n) for n in rng.integers(*r, len(axes))) for r in ranges)
    return shape, Windows(axes, *params)


def every_place(shape: tuple[int, ...], op: Windows):
    """Each place of an array of windows, and where in an array of `shape` it stands."""
    counts = list(shape)
    for a, n in zip(op.axes, op.counts, strict=True):
        counts[a] = n
    for o in np.ndindex(*counts):
        for f in np.ndindex(*op.sizes):
            at = list(o)
            for k, a in enumerate(op.axes):
                at[a] = o[a] * op.strides[k] + f[k] * op.dilation[k] - op.low[k]
            if all(0 <= i < n for i, n in zip(at, shape, strict=True)):
                yield (*o, *f), tuple(at)


@pytest.mark.parametrize("seed", range(CASES))
def test_windows_and_their_sums_are_loops_over_places(seed: int) -> None:
    shape, op = drawn(seed)
    x, rng = Value(Type("f64", shape)), np.random.default_rng(seed)
    found = Graph.of("windows", (x,), (apply(op, x),))
    array = rng.normal(size=shape)
    cts = rng.normal(size=found.outputs[0].shape)
    expected, added = np.zeros(cts.shape), np.zeros(shape)
    for place, at in every_place(shape, op):
        expected[place] = array[at]
        added[at] += cts[place]
    np.testing.assert_array_equal(interpret(found, array)[0], expected)

    ct = Value(found.outputs[0].type)
    sizes = tuple(shape[a] for a in op.axes)
    back = overlap_add(ct, op.axes, sizes, op.strides, op.dilation, op.low)
    whole = Graph.of("back", (ct,), (back,))
    for graph in (whole, inline(whole)):
        np.testing.assert_allclose(interpret(graph, cts)[0], added, 1e-13, 1e-13)


def test_the_count_of_windows_is_that_of_those_within_and_padding() -> None:
    for n, size, stride, dilation, low, high in itertools.product(
        range(5), (1, 2, 3), (1, 2, 3), (1, 2), (-1, 0, 2), (0, 1)
    ):
        x = Value(Type("f32", (n,)))
        found = windows(x, (0,), (size,), (stride,), (dilation,), (low,), (high,))
        reach = (size - 1) * dilation
        starts = range(0, max(n + low + high - reach, 0), stride)
        assert found.shape == (len(starts), size)


def test_windows_and_their_sums_are_read_where_they_stand() -> None:
    """No window is stored, nor a sum but where a last part of a stride is cut off."""
    x = Value(Type("f32", (2, 9, 9, 16)))
    y = reduce_sum(windows(x, (1, 2), (3, 3), (2, 2), (), (1, 1), (1, 1)), (4, 5))
    ct = Value(Type("f32", (2, 5, 5, 16, 3, 3)))
    even, odd = (overlap_add(ct, (1, 2), (n, n), (2, 2), (), (1, 1)) for n in (10, 9))
    for given, out, kernels in ((x, y, 1), (ct, even, 1), (ct, odd, 2)):
        schedule: Any = Lowering.of(Graph.of("f", (given,), (out,))).stages[-1].state
        assert len(list(schedule.works)) == kernels


def test_large_windows_are_added_up_an_axis_after_the_other() -> None:
    rng = np.random.default_rng(0)
    cts = rng.normal(size=(4, 3, 9, 9))
    ct = Value(Type("f64", cts.shape))
    graph = Graph.of("back", (ct,), (overlap_add(ct, (0, 1), (12, 11)),))
    made = inline(graph)
    assert not any(isinstance(n.op, OverlapAdd) for n in made.nodes)
    assert len(made.nodes) < 100
    np.testing.assert_allclose(interpret(made, cts)[0], interpret(graph, cts)[0], 1e-13)
