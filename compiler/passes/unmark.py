"""Drops what only differentiation reads.

What: stop_gradient and named become their operands.
Why here: first, when every derivative has been taken; the laws see through it from now on.
Before: a graph that is compiled as it is. After: no mark.
Cost: linear.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Graph, Node, Value, apply_all, everywhere, rebuild
from ..ops.elementwise import Mark


@everywhere
def unmark(graph: Graph) -> Graph:
    """`graph` without marks for derivatives."""

    def step(node: Node, args: tuple[Value, ...]) -> Sequence[Value]:
        return args if isinstance(node.op, Mark) else apply_all(node.op, *args)

    return rebuild(graph, step)
