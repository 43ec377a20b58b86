"""Rows that a loop carries and that never meet take all turns apart, in the cache of one thread.

What: a scan over a state beyond the caches, as of particles or chains, reads and writes all of it
in every turn. Where its rows do not meet it is run in slabs of them: memory moves once.
Order: last, on a processor, of loops that are in nothing else.
Before and after: a well-formed graph of the same meaning.
Cost: linear in nodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.sizing import nodes_in
from ..ir.walk import rebuild
from ..ops.nested.scan import Scan
from ..ops.nested.slabs import slabs
from .fewer_rows import Axis, FewerRows, Uncut, fewer_rows

BEYOND_CACHES = 4 << 20
"""Bytes of a state that a turn finds in memory, not where the last one left them."""
SLAB_BYTES = 64 << 10
"""Of carries: they stay in cache beside what a turn makes of them."""
LEAST_SLAB_BYTES = 8 << 10
"""Smaller slabs do not pay for the rows of their turns."""
SHARED_BYTES = 4 << 20
"""Of what every slab reads whole in every turn: more, as the matrices of a wide layer, would come
from memory for a few rows at a time, where a turn of all rows reads it once."""


def loops_apart(graph: Graph) -> Graph:
    """The graph whose loops over rows run in slabs."""
    users, outputs = graph.users(), set(graph.outputs)

    def change(old: Node, here: Node) -> Sequence[Value] | None:
        if not isinstance(here.op, Scan) or here.op.length < 2:
            return None
        read = [k for k, v in enumerate(old.values) if users[v] or v in outputs]
        return in_slabs(here, read)

    return rebuild(graph, change)


def in_slabs(node: Node, read: Sequence[int]) -> Sequence[Value] | None:
    """The results of a scan, of which those `read` count, by slabs; None where rows meet, or there
    are too few."""
    op, wanted = node.op, [node.values[k] for k in read]
    assert isinstance(op, Scan)
    if not wanted or len(node.values) > op.carries or not all(v.shape for v in wanted):
        return None
    count = wanted[0].shape[0]
    size = slab_rows(count, sum(v.type.nbytes for v in wanted))
    if not size or any(v.shape[0] != count for v in wanted):
        return None
    inputs = [Value(a.type) for a in node.args]
    alone = apply_all(op, *inputs)
    region = Graph.of(op.body.name, inputs, [alone[k] for k in read])
    try:
        found = fewer_rows(region, [0] * len(read), count, size)
    except Uncut:
        return None
    given = dict(zip(inputs, node.args, strict=True))
    if any(v not in given or not leads(v, axis) for v, axis in found.operands):
        return None
    if shared_bytes(found) > SHARED_BYTES:
        return None
    pieces = [v.type.size // count * size if axis is not None else 0 for v, axis in found.operands]
    made = slabs(
        found.graph,
        [given[v] for v, _ in found.operands],
        (count // size,),
        [(n,) for n in pieces],
        [v.type for v in wanted],
        [(v.type.size // count * size,) for v in wanted],
    )
    by_place = dict(zip(read, made, strict=True))
    return [by_place.get(k, v) for k, v in enumerate(node.values)]


def slab_rows(count: int, nbytes: int) -> int:
    """Rows of a slab; 0 where they stay in cache anyway, or no number near it divides them."""
    if nbytes < BEYOND_CACHES:
        return 0
    each = nbytes // count
    size = next((n for n in range(SLAB_BYTES // each, 0, -1) if count % n == 0), 0)
    return size if size * each >= LEAST_SLAB_BYTES else 0


def shared_bytes(found: FewerRows) -> int:
    """Of operands that are read whole, and of arrays that the turns hold."""
    operands = sum(v.type.nbytes for v, axis in found.operands if axis is None)
    return operands + sum(
        v.type.nbytes for n in nodes_in(found.graph) if n.op.constant for v in n.values
    )


def leads(value: Value, axis: Axis) -> bool:
    """Whether the rows of a value lie one behind the other."""
    return axis is None or math.prod(value.shape[:axis]) == 1
