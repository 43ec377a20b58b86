"""Stages of a model in different processes, through which parts of a batch go one after another.

    def stage(w, x):
        return np.tanh(x * w)
    def f(w):
        y = gpipe(stage, w, microbatches(xs, 2), "stage")
        return from_last(lambda: np.mean(y**2), "stage")
    wl.vmap(f, 0, None, axis_name="stage")(xs)

In tick t of m + n - 1 stage k computes microbatch t - k and hands it on: of n stages each is idle
for n - 1 ticks, (n - 1) / (m + n - 1) of the time: 1/5 of 4 microbatches and 2 stages, 3/11 of 8
and 4. Backward the permutations turn round, with the same bubbles.
What stands before the first stage and behind the last, as an embedding and a head, is whole in all
processes. Each computes the embedding, and the first one reads it; the last alone computes the
head. Their gradients are summed as those of all whole weights (`value_and_grad`).
Source: Huang and others, GPipe: efficient training of giant neural networks using pipeline
parallelism, 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.lax.collectives import axis_index, axis_size, ppermute, psum
from ...compiler.front.lax.control_flow import cond, scan
from ...compiler.front.lax.lax import dynamic_index_in_dim
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.graph import Graph, Node
from ...compiler.ir.source import location
from ...compiler.ops.collective import Collective
from ...compiler.trace import tree
from ...compiler.trace.operands import wrong
from ...compiler.trace.trace import trace

__all__ = ["from_last", "gpipe", "microbatches"]

Tree = Any


@explained
def microbatches(batch: Tree, count: int) -> Tree:
    """Rows of arrays in `count` equal parts: [count, rows / count, ...]."""

    def parts(x: Any) -> Any:
        if count < 1 or np.shape(x)[0] % count:
            raise wrong(
                f"microbatches: a multiple of {count} rows is required, got {np.shape(x)[0]}"
            )
        return np.reshape(x, (count, np.shape(x)[0] // count, *np.shape(x)[1:]))

    return tree.map(parts, batch)


@explained
def gpipe(stage: Callable[[Tree, Tree], Tree], params: Tree, xs: Tree, axis_name: str) -> Tree:
    """stage(params of n - 1, ... stage(params of 0, x)) for each microbatch x, in the last process;
    other processes have what stands for it and is not read: `from_last`.

    `stage(params, x)` gives what is of the types of x. It is computed in idle ticks too, of the
    first microbatch as it came in, and that is dropped.
    Shapes: xs [m, ...], whole in all processes; `params` are each process's own, split along a
    first axis of stages: [stages / n, ...], which `stage` goes through.
    Memory: what the derivative reads of each tick; with wl.checkpoint(stage), its x alone.
    """
    n, place = axis_size(axis_name), axis_index(axis_name)
    count = np.shape(tree.leaves(xs)[0])[0]
    onward = [(k, k + 1) for k in range(n - 1)]

    def tick(came: Tree, t: Any) -> tuple[Tree, Tree]:
        entering = tree.map(
            lambda x: dynamic_index_in_dim(x, np.minimum(t, count - 1), keepdims=False), xs
        )
        y = stage(params, tree.map(lambda e, c: np.where(place == 0, e, c), entering, came))
        return ppermute(y, axis_name, onward), y

    first = tree.map(lambda x: x[0], xs)
    _, ys = scan(tick, first, np.arange(count + n - 1, dtype=np.int32))
    return tree.map(lambda y: y[n - 1 :], ys)


@explained
def from_last(f: Callable[[], Tree], axis_name: str) -> Tree:
    """f() of the last process along the axis, in all: numbers. Others do not run it, so it asks
    them for nothing: along other axes it may.
    """
    for node in _nodes(trace(f, name="from_last").graph):
        if isinstance(op := node.op, Collective) and op.wire and op.axis_name == axis_name:
            raise ProgramError(
                "from_last: a function that reads nothing of other processes along "
                f"{axis_name!r} is required, got {op.name}",
                location(node.source),
                "y = ... before, and from_last(lambda: f(y), axis_name)",
            )
    last = axis_index(axis_name) == axis_size(axis_name) - 1
    value = cond(last, f, lambda: tree.map(np.zeros_like, f()))  # of types alone
    return psum(value, axis_name)


def _nodes(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes:
        yield node
        for inner in node.op.graphs:
            yield from _nodes(inner)
