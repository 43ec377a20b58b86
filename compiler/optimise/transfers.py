"""Says of collectives over processes what goes over the wire.

What: a collective over an axis of a mesh becomes what its processes give each other; the place on
the axis is not needed then.
Order: after parts, when every derivative has been taken and no value is complex.
Before: collectives of a vmap are gone. After: a collective that is left only computes.
Cost: linear.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.graph import Graph, Node, Value, apply
from ..ir.walk import everywhere, rebuild
from ..ops.collective import Collective
from ..ops.transferred import Transferred


@everywhere
def transfers(graph: Graph) -> Graph:
    """`graph` with transfers in place of collectives over processes."""

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        op = node.op
        if not isinstance(op, Collective) or not op.mesh:
            return None
        x = here.args[0]
        if (found := op.transfer(x.type)) is None:
            return None
        axis = found.axis, found.size, found.mesh
        return (apply(Transferred(found.kind, *axis, found.pairs), x),)

    return rebuild(graph, change)
