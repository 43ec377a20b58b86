"""Puts the graphs that nodes hold in the place of the nodes.

What: a node whose op has a rule `inlined(node)` becomes the nodes of that rule, and so on inside.
Why here: first, when every derivative has been taken and every batch made: until then the node
carries the rules of the user's; from now on it would only hide its nodes from laws and fusion.
Before: any graph. After: no op that can be inlined.
Cost: linear in the nodes of the result.
"""

from __future__ import annotations

from ..ir import Graph, Node, Value, apply_all, rebuild


def inline(graph: Graph) -> Graph:
    """`graph` with the graphs of its nodes among its own nodes."""
    while any(hasattr(n.op, "inlined") for n in graph.nodes):
        graph = rebuild(graph, step)
    return graph


def step(old: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
    values = apply_all(old.op, *given)
    rule = getattr(old.op, "inlined", None)
    return values if rule is None or not values else rule(values[0].node)
