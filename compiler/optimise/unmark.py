"""Drops what only tracing and differentiation read.

What: stop_gradient, named, copy and guard become their operands.
Order: after inline, when every derivative has been taken; the laws see through them from now on.
Before: a graph that is compiled as it is. After: no mark and no copy.
Cost: linear.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.walk import everywhere, rebuild
from ..ops.elementwise import Mark
from ..ops.guard import Guard
from ..ops.view import Copy


@everywhere
def unmark(graph: Graph) -> Graph:
    """`graph` without marks."""

    def step(node: Node, args: tuple[Value, ...]) -> Sequence[Value]:
        if isinstance(node.op, Copy | Mark | Guard):
            return args[-1:]
        return apply_all(node.op, *args)

    return rebuild(graph, step)
