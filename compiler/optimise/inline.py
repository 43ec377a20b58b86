"""Puts the graphs that nodes hold in the place of the nodes.

What: a node whose op has a rule `inlined(node)` becomes the nodes of that rule, and so on inside,
in bodies of loops too. Then one chain of tokens runs through all nodes with effects, in program
order.
Order: first, when every derivative has been taken and every batch made: until then the node
carries the rules of the user's; from now on it would only hide its nodes from laws and fusion.
Before: any graph. After: no op that can be inlined.
Cost: linear in the nodes of the result.
"""

from __future__ import annotations

from ..ir.facts import effects_in, has_effect
from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.walk import everywhere, rebuild
from ..ops.effects import token
from ..ops.elementwise import after


@everywhere
def inline(graph: Graph) -> Graph:
    """`graph` with the graphs of its nodes among its own nodes."""
    while any(n.op.inlines for n in graph.nodes):
        graph = rebuild(graph, inlined_node)
    return chained(graph) if effects_in(graph) else graph


def chained(graph: Graph) -> Graph:
    """The graph in which each effect takes the token of the one before it."""
    last: Value | None = None

    def change(old: Node, here: Node) -> tuple[Value, ...] | None:
        nonlocal last
        if not has_effect(old.op):
            return None
        given = here.args
        if old.op.outside:
            values = apply_all(old.op, last or given[0], *given[1:])
            last = values[0]
            return values
        # it holds a graph with effects: ordered by what it reads and by what it gives
        if last is not None and given:
            given = after(given[0], last), *given[1:]
        values = apply_all(old.op, *given)
        if values:
            last = after(last or token(), values[0])
        return values

    return rebuild(graph, change)


def inlined_node(old: Node, here: Node) -> tuple[Value, ...] | None:
    return old.op.inlined(here) if old.op.inlines and here.values else None
