"""A sum of an array and of zeros to which a block was added is the array with the block added.

What: x + scatter_add(zeros, u, i) is scatter_add(x, u, i), which touches the block alone where x is
not needed any more. So the gradient of an array of which a loop reads an element in every turn is
one array, to which every turn adds at its place.
Order: after simplify, which leaves plain sums, before cse.
Before and after: a well-formed graph of the same meaning. Elements that meet are added one after
the other to x, not summed before; and -0.0 that nothing is added to stays -0.0.
Cost: O(n).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.graph import Graph, Node, Value, apply
from ..ir.walk import everywhere, rebuild
from ..ops.elementwise import Add
from ..ops.gather import Scatter
from .law import uniform_number


@everywhere
def add_in_place(graph: Graph) -> Graph:
    """`graph` with blocks added to what they were to be added to."""
    if not any(isinstance(n.op, Scatter) for n in graph.nodes):
        return graph
    users, outputs = graph.users(), frozenset(graph.outputs)

    def change(old: Node, here: Node) -> Sequence[Value] | None:
        if not isinstance(old.op, Add):
            return None
        for was, block, x in zip(old.args[::-1], here.args[::-1], here.args, strict=True):
            alone = len(users[was]) == 1 and was not in outputs
            if alone and block is not x and is_block(block):
                assert block.node is not None
                return (apply(block.node.op, x, *block.node.args[1:]),)
        return None

    return rebuild(graph, change)


def is_block(v: Value) -> bool:
    """Whether a value is zeros with something added at places."""
    node = v.node
    if node is None or not isinstance(node.op, Scatter) or node.op.combine != "add":
        return False
    return uniform_number(node.args[0]) == 0
