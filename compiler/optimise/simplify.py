"""Algebra: every value that a law matches is replaced by the law's right side, until none matches.

What: the laws of `laws`, tried at each node in program order, the new operands first;
rounds until nothing changes.
Order: after differentiation and batching, which leave zeros, ones and views of views; before cse,
for which it makes equals.
Before and after: a well-formed graph of the same meaning; the same bits unless `exact` is False.
The result has no more nodes that are needed than before.
Cost: O(n) matches a round; a law makes a program smaller, so rounds are few.
Source: Baader and Nipkow, Term Rewriting and All That, 1998.
"""

from __future__ import annotations

from ..ir.errors import CompilerError
from ..ir.graph import Graph, Node, Value
from ..ir.walk import everywhere, rebuild
from .law import law_table
from .laws import LAWS

ROUNDS = 50


@everywhere
def simplify(graph: Graph, exact: bool = True) -> Graph:
    """The graph with the laws applied; only the exact ones unless asked for all."""
    laws = law_table(tuple(LAWS), exact)

    def change(old: Node, here: Node) -> tuple[Value, ...] | None:
        if len(here.values) != 1:
            return None
        value = better = here.values[0]
        while better is not None:
            value, node = better, better.node
            tried = () if node is None else laws.of(node)
            better = next((found for one in tried if (found := one(value)) is not None), None)
        return None if value.node is here else (value,)

    for _ in range(ROUNDS):
        before = graph
        graph = rebuild(graph, change)
        if graph is before:
            return graph
    raise CompilerError(f"simplify: the laws do not end within {ROUNDS} rounds", str(graph))
