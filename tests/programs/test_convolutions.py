"""Convolutions of every shape, compiled, with both cotangents: what the reference gives."""

from __future__ import annotations

import math
import multiprocessing

import numpy as np
import pytest

from wonderland.compiler.ir.graph import Graph, Value, apply
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ops.convolution import Convolution
from wonderland.compiler.pipeline import compile_graph, machine_code
from wonderland.compiler.transform.interpreter import interpret

from .random_graphs import random_arrays

SHAPES = range(0, 500, 25)
LARGEST = 2**21  # products of a convolution
ROUNDED = 16  # units in the last place of the sum of what is added, its signs apart


def drawn(seed: int) -> Graph:
    """A convolution as models have them and its cotangents: one to three spatial dimensions, few
    channels and many, groups, steps and dilations of either operand, any padding."""
    rng = np.random.default_rng([seed, 11])
    d = int(rng.choice((1, 2, 2, 3)))

    def ints(low: int, high: int, count: int = d) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.integers(low, high + 1, count))

    def now_and_then(high: int) -> tuple[int, ...]:
        return ints(1, high) if rng.random() < 0.4 else (1,) * d

    while True:
        groups = ints(2, 9, 1) if rng.random() < 0.4 else ()
        batch, (channels,) = ints(1, 4, int(rng.integers(0, 3))), ints(1, 24, 1)
        columns = ints(1, 40, int(rng.integers(0, 2)))
        if groups and rng.random() < 0.5:
            channels, columns = 1, ()  # depthwise
        window, sizes = ints(1, 5), ints(1, 30)
        padding = tuple(zip(ints(-1, 4), ints(-1, 4), strict=True))
        op = Convolution(now_and_then(3), padding, now_and_then(3), now_and_then(3), len(groups), 1)
        x, w = (*groups, *batch, *sizes, channels), (*groups, *window, channels, *columns)
        (dtype,) = rng.choice(("f32", "f32", "f64", "c64"), 1)
        given = [Value(Type(str(dtype), shape)) for shape in (x, w)]
        y = apply(op, *given)
        if 0 < y.type.size * math.prod(window) * channels <= LARGEST:
            ct = Value(y.type)
            cts = [op.cotangent(i, ct, y) for i in range(2)]
            return Graph.of(f"c{seed}", [*given, ct], [y, *(c for c in cts if c is not None)])


def check(seeds: range) -> None:
    compiled = [compile_graph(drawn(seed)) for seed in seeds]
    machine_code(low for c in compiled for _, low in c.lowered)
    for seed, c in zip(seeds, compiled, strict=True):
        arrays = random_arrays(c.graph, seed)
        wanted = interpret(c.graph, *arrays)
        sizes = interpret(c.graph, *(np.abs(a).astype(a.dtype) for a in arrays))  # of all addends
        for got, want, size in zip(c.program(arrays), wanted, sizes, strict=True):
            assert (got.dtype, got.shape) == (want.dtype, want.shape)
            error = np.abs(got - want) / np.maximum(np.abs(size), 1e-30)
            assert error.max(initial=0) < ROUNDED * np.finfo(want.dtype).eps, f"{seed}\n{c.graph}"


def test_convolutions_compiled_are_their_reference() -> None:
    check(range(500, 508))


@pytest.mark.sweep
@pytest.mark.parametrize("start", SHAPES)
def test_many_convolutions_compiled_are_their_reference(start: int) -> None:
    seeds = range(start, start + SHAPES.step)
    process = multiprocessing.get_context("fork").Process(target=check, args=(seeds,))
    process.start()
    process.join()
    assert process.exitcode == 0
