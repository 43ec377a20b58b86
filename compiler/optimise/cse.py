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

from ..ir.graph import Graph, Node, Op, Value, apply_all
from ..ir.walk import everywhere, rebuild

Key = tuple[Op, tuple[Value, ...]]


@everywhere
def cse(graph: Graph) -> Graph:
    """The graph with one node per distinct (op, operands)."""
    seen: dict[Key, tuple[Value, ...]] = {}
    order: dict[Value, int] = {}

    def step(old: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
        ordered = given
        if old.op.commutative:
            ordered = tuple(sorted(given, key=lambda v: order.setdefault(v, len(order))))
        key = old.op, ordered
        if key not in seen:
            seen[key] = apply_all(old.op, *given)
        return seen[key]

    return rebuild(graph, step)
