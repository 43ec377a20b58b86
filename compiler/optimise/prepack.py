"""Matrices that are the same in every turn are packed before the loop.

What: a product with a constant of a loop packs it into panels in every turn. The panels, matrices
of as many columns as a tile has, become the constant; the product is one with each panel, of the
same rows. Tiles read them in place.
Order: last, on a processor: the form is that of its tiles.
Before: products as `layout` leaves them. After: the same, but for how sums over depth are cut.
Cost: O(n).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..ir.graph import Graph, Node, Value, apply
from ..ir.walk import everywhere, rebuild
from ..ops.contract import DotGeneral
from ..ops.nested.bodies import Control
from ..ops.nested.scan import Scan
from ..ops.source import zero_of
from ..ops.view import pad, permute, reshape, slice_
from ..transform.split import dependents
from .hoist import outside

LEAST_TURNS = 4
NEAR_BYTES = 32 << 10
"""A matrix that stays in the nearest cache is read where it is."""
SMALLEST_SHARE = 0.75
"""Of the columns of all panels, those that a matrix has."""


@everywhere
def prepack(graph: Graph, lanes: Mapping[str, int]) -> Graph:
    """The graph whose loops read panels; `lanes` of a vector by dtype."""

    def change(old: Node, here: Node) -> Sequence[Value] | None:
        op = here.op
        if not isinstance(op, Scan) or op.length < LEAST_TURNS:
            return None
        varying = dependents(op.body, [i >= op.consts for i in range(len(op.body.inputs))])
        body, found = packed_in(op.body, varying, lanes)
        if not found:
            return None
        return outside(replace(op, body=body), here.args, [found])

    return rebuild(graph, change)


def packed_in(
    body: Graph, varying: set[Value], lanes: Mapping[str, int]
) -> tuple[Graph, list[Value]]:
    """The body whose products read panels, and these: values that do not vary."""
    panels: dict[tuple[Value, DotGeneral, int], Value] = {}
    ready: dict[Value, None] = {}

    def change(old: Node, here: Node) -> Sequence[Value] | None:
        op = old.op
        if isinstance(op, Control):
            count = op.kinds(len(old.args)).count("constant")
            fixed = zip(old.args[:count], here.args[:count], strict=True)
            ready.update({v: None for a, v in fixed if a not in varying and is_reordered(v)})
            return None
        if not isinstance(op, DotGeneral) or old.args[1] in varying or old.args[0] not in varying:
            return None
        width = panel_width(op, old, lanes)
        if not width or not of_views(old.args[1]):
            return None
        lhs, rhs = here.args
        key = rhs, op, width
        if key not in panels:
            panels[key] = panels_of(op, rhs, width)
            ready[panels[key]] = None
        return (by_panels(op, lhs, panels[key], old.out),)

    found = rebuild(body, change)
    return found, [v for v in ready if v.node in set(found.nodes)]


def is_reordered(x: Value) -> bool:
    """Whether a loop inside needs it in memory, where it is not: it would be copied every turn."""
    return x.node is not None and x.node.op.costless and of_views(x)


def of_views(x: Value) -> bool:
    """Whether it is an input in another order, or an array."""
    while x.node is not None and not x.node.op.constant:
        if not x.node.op.costless or len(x.node.args) != 1:
            return False
        (x,) = x.node.args
    return True


def panel_width(op: DotGeneral, node: Node, lanes: Mapping[str, int]) -> int:
    """Columns of a panel; 0 where the matrix is read as it is."""
    lhs, rhs = node.args
    rows = math.prod(lhs.shape[d] for d in op.free(0, lhs.type.ndim))
    columns = math.prod(rhs.shape[d] for d in op.free(1, rhs.type.ndim))
    batch = math.prod(rhs.shape[d] for d in op.batching[1])
    each = rhs.type.nbytes // max(batch, 1)
    if rhs.dtype not in lanes or rows < 2 or each <= NEAR_BYTES or len(op.contracting[0]) != 1:
        return 0
    n = lanes[rhs.dtype]
    vecs = (2, 3) if rows >= 8 else (4,) if rows >= 4 else (8, 4)
    width = min((v * n for v in vecs), key=lambda w: -(-columns // w) * w)
    return width if columns >= SMALLEST_SHARE * (-(-columns // width) * width) else 0


def panels_of(op: DotGeneral, rhs: Value, width: int) -> Value:
    """The matrix, or those of a batch, as panels: batch axes, panels, depth, columns of one."""
    batch, (depth,) = op.batching[1], op.contracting[1]
    free = op.free(1, rhs.type.ndim)
    columns = math.prod(rhs.shape[d] for d in free)
    shape = (*(rhs.shape[d] for d in batch), rhs.shape[depth])
    found = reshape(permute(rhs, (*batch, depth, *free)), (*shape, columns))
    count, none = -(-columns // width), (0,) * len(shape)
    found = pad(found, (*none, 0), (*none, count * width - columns), zero_of(rhs.type))
    found = reshape(found, (*shape, count, width))
    first = tuple(range(len(batch)))
    return permute(found, (*first, len(first) + 1, len(first), len(first) + 2))


def by_panels(op: DotGeneral, lhs: Value, panels: Value, out: Value) -> Value:
    """The product, of the same rows with each panel."""
    batch = len(op.batching[0])
    first = tuple(range(batch))
    of = replace(
        op,
        contracting=(op.contracting[0], (batch + 1,)),
        batching=(op.batching[0], first),
    )
    found = apply(of, lhs, panels)
    rows = found.shape[:-2]
    columns = math.prod(out.shape[len(rows) :])
    found = reshape(found, (*rows, found.shape[-2] * found.shape[-1]))
    found = slice_(found, (0,) * (len(rows) + 1), (*rows, columns))
    return reshape(found, out.shape)
