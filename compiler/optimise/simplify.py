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
from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.walk import everywhere, rebuild
from .law import by_op
from .laws import LAWS

ROUNDS = 50


@everywhere
def simplify(graph: Graph, exact: bool = True) -> Graph:
    """The graph with the laws applied; only the exact ones unless asked for all."""
    laws = by_op(LAWS, exact)
    changed = False

    def step(old: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
        nonlocal changed
        values = apply_all(old.op, *given)
        if len(values) != 1:
            return values
        (value,) = values
        fired = True
        while fired and value.node is not None:
            fired = False
            for one in laws.get(type(value.node.op), ()):
                if (better := one(value)) is not None:
                    value, fired, changed = better, True, True
                    break
        return (value,)

    for _ in range(ROUNDS):
        changed = False
        graph = rebuild(graph, step)
        if not changed:
            return graph
    raise CompilerError(f"simplify: the laws do not end within {ROUNDS} rounds", str(graph))
