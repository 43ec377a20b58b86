"""Drops what only tracing and differentiation read.

What: stop_gradient, named, copy and guard become their operands.
Order: after inline, when every derivative has been taken; the laws see through them from now on.
Before: a graph that is compiled as it is. After: no mark and no copy.
Cost: linear.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.graph import Graph, Node, Value
from ..ir.walk import everywhere, rebuild
from ..ops.elementwise import Mark
from ..ops.guard import Guard
from ..ops.view import Copy

MARKS = (Copy, Mark, Guard)


@everywhere
def unmark(graph: Graph) -> Graph:
    """`graph` without marks."""

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        return here.args[-1:] if isinstance(node.op, MARKS) else None

    return rebuild(graph, change)
