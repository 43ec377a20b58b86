"""Sums with zeros to which blocks were added: the blocks are added to the other summand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse.emission import BodyWork, Work
from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.kernel import Kernel
from wonderland.compiler.ops import add, full, mul, scatter
from wonderland.compiler.ops.gather import Scatter, rows_of
from wonderland.compiler.optimise.add_in_place import add_in_place
from wonderland.compiler.pipeline import compile_graph
from wonderland.compiler.transform.interpreter import interpret

X, U, AT = Type("f64", (9, 2)), Type("f64", (4, 2)), Type("i32", (4,))
INDICES = np.array([3, 8, 3, -20], np.int32)


def block(u: Value, i: Value, zero: float = 0.0, combine: str = "add") -> Value:
    return scatter(full(zero, X), u, (i,), combine, **rows_of(2, 0, 1))


def graph_of(function: Any) -> Graph:
    inputs = tuple(map(Value, (X, U, AT)))
    return Graph.of("f", inputs, (*function(*inputs),))


def operands(graph: Graph) -> list[Any]:
    """What each scatter adds to: an input by its number, or the name of the op that made it."""
    into = [n.args[0] for n in graph.nodes if isinstance(n.op, Scatter)]
    return [v.node.op.name if v.node else graph.inputs.index(v) for v in into]


def twice(x: Value, u: Value, i: Value) -> tuple[Value, ...]:
    return (add(add(x, block(u, i)), block(mul(u, u), i)),)


@pytest.mark.parametrize(
    ("function", "into"),
    [
        (lambda x, u, i: (add(x, block(u, i)),), [0]),
        (lambda x, u, i: (add(block(u, i), x),), [0]),
        (lambda x, u, i: (add(block(u, i), block(mul(u, u), i)),), ["full", "scatter"]),
        (twice, [0, "scatter"]),
        (lambda x, u, i: (add(x, block(u, i, 1.0)),), ["full"]),
        (lambda x, u, i: (add(x, block(u, i, combine="max")),), ["full"]),
        (lambda x, u, i: (add(x, b := block(u, i)), b), ["full"]),
        (lambda x, u, i: (add(b := block(u, i), b),), ["full"]),
        (lambda x, u, i: (add(x, b := block(u, i)), mul(b, x)), ["full"]),
    ],
)
def test_a_block_is_added_to_the_other_summand(function: Any, into: list[Any]) -> None:
    graph = graph_of(function)
    found = add_in_place(graph)
    assert operands(found) == into
    rng = np.random.default_rng(0)
    arrays = rng.standard_normal(X.shape), rng.standard_normal(U.shape), INDICES
    for a, b in zip(interpret(found, *arrays), interpret(graph, *arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-15)


def test_the_gradient_of_an_array_read_by_turns_touches_an_element_a_turn() -> None:
    def total(xs: Any, w: Any) -> Any:
        def step(i: Any, h: Any) -> Any:
            row = wl.lax.dynamic_index_in_dim(xs, i, 0, keepdims=False)
            return np.tanh(h * w + row)

        return np.sum(wl.lax.fori_loop(0, len(xs), step, np.zeros(4)))

    xs, w = np.linspace(-1, 1, 200).reshape(50, 4), np.ones(4)
    compiled = compile_graph(wl.trace(wl.grad(total), xs, w).graph)
    loops = [w for _, w in compiled.plan.schedule.works if isinstance(w, BodyWork)]
    for work in (inner for loop in loops for inner in loop.inside()):
        assert isinstance(work, Work) and isinstance(work.kernel, Kernel)
        points = np.prod([a.size for a in work.kernel.axes.values()])
        assert points < xs.size, f"{work.name} runs over all of the array in every turn"
    wl.testing.check_gradients(total, xs, w, order=1)
