"""Takes the greatest and the least over processes from what all have, on a GPU.

What: a transfer that compares becomes one that gathers, and a reduction of what is gathered.
Order: after all laws, for a GPU: the library that connects GPUs leaves out NaN, where NumPy keeps
it, and does not have every dtype.
Before: transfers of every kind. After: none that compares.
Cost: as many times the bytes as there are processes; operands are small, as those of a softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..ir.graph import Graph, Node, Value, apply
from ..ir.walk import everywhere, rebuild
from ..ops.reduce import reduce_max, reduce_min
from ..ops.transferred import Transferred

EXTREMES = {"max": reduce_max, "min": reduce_min}


@everywhere
def gather_extremes(graph: Graph) -> Graph:
    """`graph` without transfers that compare.

    max over i of x  -->  reduce_max(gather over i of x, 0)
    """

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        op = node.op
        if not isinstance(op, Transferred) or op.kind not in EXTREMES:
            return None
        every = apply(replace(op, kind="gather"), here.args[0])
        return (EXTREMES[op.kind](every, (0,)),)

    return rebuild(graph, change)
