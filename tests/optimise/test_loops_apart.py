"""Rows that a loop carries and that never meet run in slabs of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.optimise.loops_apart import BEYOND_CACHES, LEAST_SLAB_BYTES, loops_apart
from wonderland.compiler.pipeline import optimised
from wonderland.compiler.transform.interpreter import interpret

COUNT = BEYOND_CACHES // 4
WIDE = 1 << 11  # a matrix of so many rows and columns is more than slabs share
w = (np.random.default_rng(1).standard_normal((16, 16)) / 4).astype(np.float32)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


wide = drawn(WIDE, WIDE)


def springs(x: Any, v: Any) -> Any:
    def step(state: Any, _: Any) -> Any:
        x, v, n = state
        v = v - np.float32(0.1) * np.sin(x)
        return (x + np.float32(0.1) * v, v, n + 1), None

    return wl.lax.scan(step, (x, v, 0), None, 3)[0][:2]


def flow(x: Any) -> Any:
    return wl.lax.fori_loop(0, 3, lambda i, y: y + np.tanh(y @ w) * x[:, :1], x)


def passed(function: Callable[..., Any], *args: np.ndarray) -> Graph:
    """The graph that `loops_apart` is given."""
    *_, last = optimised(wl.trace(function, *args).graph)
    return last.state  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    "function, args",
    [(springs, (drawn(COUNT), drawn(COUNT))), (flow, (drawn(COUNT // 16, 16),))],
    ids=["springs", "flow"],
)
def test_rows_take_all_turns_apart(
    function: Callable[..., Any], args: tuple[np.ndarray, ...]
) -> None:
    graph = passed(function, *args)
    after = loops_apart(graph)
    assert [n.op.name for n in after.nodes if n.op.controls] == ["slabs"]
    wanted = interpret(graph, *args)
    found = wl.tree.leaves(wl.jit(function)(*args))
    assert "slabs" in wl.jit(function).inspect(*args)["table"]
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)
    few = passed(function, *(x[: len(x) // 4] for x in args))
    assert loops_apart(few) is few  # they stay in cache


@pytest.mark.parametrize(
    "function, shape",
    [
        (lambda x: wl.lax.fori_loop(0, 3, lambda i, y: y - y.mean(0), x), (COUNT // 16, 16)),
        (lambda x: wl.lax.scan(lambda y, _: (y * 2, y), x, None, 3), (COUNT,)),
        (lambda x: wl.lax.fori_loop(0, 3, lambda i, y: y * 2, x), (1048583,)),
        (lambda x: wl.lax.fori_loop(0, 1, lambda i, y: y * 2, x), (COUNT,)),
        (
            lambda x: wl.lax.fori_loop(0, 3, lambda i, y: y * 2, x),
            (2 * 10007, LEAST_SLAB_BYTES // 8 // 16),
        ),
        (
            lambda x: wl.lax.fori_loop(0, 3, lambda i, y: np.tanh(y @ wide), x),
            (COUNT // WIDE, WIDE),
        ),
    ],
    ids=["rows meet", "stacks", "a prime number", "one turn", "few rows fit", "a wide layer"],
)
def test_other_loops_stay(function: Callable[..., Any], shape: tuple[int, ...]) -> None:
    graph = passed(function, drawn(*shape))
    assert loops_apart(graph) is graph
