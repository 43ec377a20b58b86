"""Products of rows that are picked of fewer: every row is multiplied once, and picked then.

    concatenate(h[i], h[j], e) @ w  →  (h @ w1)[i] + (h @ w2)[j] + e @ w3

A network of messages multiplies what stands at both ends of every edge, and nodes are fewer than
edges. Its derivatives follow: messages are summed at the nodes first. A sum over pieces is rounded
as a sum of their sums.
"""

from __future__ import annotations

import functools
import itertools
import math

from ..ir.graph import Value
from ..ir.types import WIDE
from .contract import dot_general
from .elementwise import add
from .gather import Gather, rows_of, take
from .view import Concatenate, concatenate, slice_

FEWER = 2
"""How many times fewer than the rows that are picked those must be of which they are."""


def picked_product(x: Value, w: Value, precision: str) -> Value | None:
    """`x @ w` for a matrix `w`, if `x` or what it is put together of is rows of fewer; else None"""
    if x.dtype not in WIDE or len(w.shape) != 2 or not len(x.shape):
        return None
    node, last = x.node, len(x.shape) - 1
    pieces = (x,)
    if node is not None and isinstance(node.op, Concatenate) and node.op.axis == last:
        pieces = node.args
    picked = [p for p in pieces if is_picked(p)]
    if not picked:
        return None
    ends = list(itertools.accumulate(p.shape[last] for p in pieces))
    factor = {}
    for p, end in zip(pieces, ends, strict=True):
        factor[p] = [*factor.get(p, ()), slice_(w, (end - p.shape[last], 0), (end, w.shape[1]))]
    rest = [p for p in factor if p not in picked]
    terms = [term(p, functools.reduce(add, factor[p]), precision) for p in dict.fromkeys(picked)]
    if rest:
        together = concatenate(*rest, axis=last) if len(rest) > 1 else rest[0]
        parts = [functools.reduce(add, factor[p]) for p in rest]
        whole = concatenate(*parts, axis=0) if len(parts) > 1 else parts[0]
        terms.append(dot_general(together, whole, ((last,), (0,)), precision=precision))
    return functools.reduce(add, terms)


def is_picked(x: Value) -> bool:
    """Whether `x` is rows of a matrix that has fewer."""
    op = x.node.op if x.node else None
    if x.node is None or not isinstance(op, Gather) or op.mode != "clip":
        return False
    of, count = x.node.args[0], len(x.shape) - 1
    plain = {"axes": op.axes, "indexed": op.indexed, "along": op.along}
    return (
        len(of.shape) == 2
        and count > 0
        and plain == rows_of(2, 0, count)
        and math.prod(x.shape[:-1]) >= FEWER * of.shape[0]
    )


def term(picked: Value, w: Value, precision: str) -> Value:
    """The product of a piece, of whose rows each is multiplied once."""
    assert picked.node is not None
    of, index = picked.node.args
    return take(dot_general(of, w, ((1,), (0,)), precision=precision), index, 0)
