"""Common subexpressions: one node for equal ops on equal operands.

What: values are numbered by op, parameters by bits, and operands; operands of a commutative op in
any order.
Order: after simplify, which makes equals; before fuse, which would else compute them in several
kernels.
Before: a well-formed graph. After: the same meaning and bits, no two nodes equal in op and
operands, no node that no output needs. Ops with an effect take a token, which no two of them share,
and a recomputation reads its inputs through `after`: neither is merged.
Cost: O(n).
Source: Cocke and Schwartz, Programming Languages and Their Compilers, 1970 (value numbering).
"""

from __future__ import annotations

from ..ir.graph import Graph, Node, Op, Value
from ..ir.walk import everywhere, rebuild

Key = tuple[Op, tuple[Value, ...]]


@everywhere
def cse(graph: Graph) -> Graph:
    """The graph with one node per distinct (op, operands)."""
    seen: dict[Key, Node] = {}

    def first(old: Node, here: Node) -> tuple[Value, ...] | None:
        given = here.args
        if old.op.commutative:
            given = tuple(sorted(given, key=id))  # any order will do, as long as it is one
        found = seen.setdefault((old.op, given), here)
        return None if found is here else found.values

    return rebuild(graph, first)
