"""`after` and `tie` as edges: what reads an ordered value waits for others, and reads the value
itself; what has an effect stays, without being read.

As nodes they would be copies, in kernels that may hold what they shall keep apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..ir.facts import has_effect
from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.source import sourced
from ..ops.effects import Tie
from ..ops.elementwise import After

Waits = dict[Node, frozenset[Value]]
"""What must have been written before a node runs, beside its operands."""


def edges(graph: Graph) -> tuple[Graph, Waits]:
    """The graph without `after` and `tie`, and what its nodes wait for instead.

    It keeps nodes with effects, and those that others wait for, though no output may need them.
    """
    if not any(isinstance(n.op, After | Tie) for n in graph.nodes):
        return graph, {}
    nodes: list[Node] = []
    new = {v: v for v in graph.inputs}
    held: dict[Value, frozenset[Value]] = {}  # by values of the given graph
    waits: Waits = {}
    for node in graph.nodes:
        found = frozenset[Value]().union(*(held.get(a, ()) for a in node.args))
        if isinstance(node.op, After):
            new[node.out] = new[node.args[0]]
            held[node.out] = found.union(*(written(new[y]) for y in node.args[1:]))
            continue
        if isinstance(node.op, Tie):
            new[node.out] = new[node.args[0]]
            held[node.out] = held.get(node.args[0], frozenset())
            continue
        with sourced(node.source):
            made = apply_all(node.op, *(new[a] for a in node.args))
        new.update(zip(node.values, made, strict=True))
        if made and made[0].node:
            nodes.append(made[0].node)
            if found:
                waits[made[0].node] = found
    outputs = tuple(new[o] for o in graph.outputs)
    ends = [v for values in waits.values() for v in values]
    effects = [n for n in nodes if has_effect(n.op)]
    ends += [v for n in effects for a in (n.args, n.values) for v in a]
    needed = {*effects, *Graph.of("", (), (*outputs, *ends)).nodes}
    kept = tuple(n for n in nodes if n in needed)
    return Graph(graph.name, graph.inputs, kept, outputs), waits


def written(value: Value) -> Iterator[Value]:
    """What has been computed when `value` is known: itself, or what it is a view of."""
    stack = [value]
    while stack:
        v = stack.pop()
        if v.node is not None and v.node.args:
            if v.node.op.costless:
                stack += v.node.args
            else:
                yield v
