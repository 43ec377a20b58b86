"""Reverse mode where the values stand: f(x), and the cotangents of inputs, as further nodes.

What: what linearize and transpose make of a graph and inlining puts on operands, made on these at
once: a node is made when the graph is run, one for its tangent, and those of the cotangents. There
are no programs between, which are for a derivative that is kept.
Order: as linearize and transpose, in a gradient.
Before: a well-formed graph; none of its ops that hold graphs is to be divided into an early and a
late part.
After: the nodes of linearize, inlined, then those of transpose, inlined: the same, in that order.
Cost: O(n) nodes.
Source: Radul, Paszke, Frostig, Johnson and Maclaurin, You Only Linearize Once, 2023.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence, Set

from ..ir.graph import Graph, Node, Value
from ..ir.symbolic import present
from .jvp import pushforward
from .split import is_free
from .transpose import refuse_readers, walked_back


class Reverse:
    """A graph on operands: its outputs, and the way back to the operands marked `wrt`.

    `of` says which outputs have cotangents.
    """

    def __init__(
        self, graph: Graph, args: Sequence[Value], wrt: Sequence[bool], of: Sequence[bool]
    ) -> None:
        self.graph, self.args = graph, args
        tangents = [Value(a.type) if yes else None for a, yes in zip(args, wrt, strict=True)]
        self.outputs, slopes = pushforward(graph, args, tangents)
        self.inputs = present(tangents)
        self.slopes = tuple(
            s if yes and o.type.is_inexact else None
            for o, s, yes in zip(self.outputs, slopes, of, strict=True)
        )
        ends = *self.outputs, *present(self.slopes)
        self.nodes = between(ends, {*args, *self.inputs})
        self.moving: set[Value] = set(self.inputs)
        self.late: list[Node] = []
        for node in self.nodes:
            if not self.moving.isdisjoint(node.args):
                self.late.append(node)
                self.moving.update(node.values)

    @property
    def divides(self) -> bool:
        """Whether an op that makes outputs and tangents is to be divided, which this does not."""
        return any(n.op.splits for n in self.late) or not self.moving.isdisjoint(self.outputs)

    def back(self, cts: Sequence[Value | None]) -> tuple[Value | None, ...]:
        """Cotangents of the marked operands for those of the outputs; None is zero."""
        made = self.reading_late()
        pairs = zip(self.slopes, cts, strict=True)
        ends = [(s, ct) for s, ct in pairs if s is not None and s in self.moving]
        gathered = walked_back(self.late, self.moving, ends, made, self.graph)
        found = tuple(map(gathered.get, self.inputs))
        late = self.moving.union(v for n in made.values() for v in n.values)
        early = {v for n in self.nodes for v in n.values if v not in late}
        refuse_readers(late, present(found), {*self.args, *early, *present(cts)}, self.graph)
        return found

    def reading_late(self) -> dict[Node, Node]:
        """The late nodes as they read early values: what costs nothing is made again for them."""
        early = set(self.nodes).difference(self.late)
        new: dict[Value, Value] = {}

        def waiting(v: Value) -> Node | None:
            node = None if v in new else v.node
            return node if node is not None and node in early and is_free(node) else None

        def read(v: Value) -> Value:
            stack = [v]
            while stack:  # as long as a chain of views is
                node = waiting(stack[-1])
                if node is None:
                    stack.pop()
                elif before := next(filter(waiting, node.args), None):
                    stack.append(before)
                else:
                    again = node.like(tuple(new.get(a, a) for a in node.args))
                    new.update(zip(node.values, again.values, strict=True))
            return new.get(v, v)

        made: dict[Node, Node] = {}
        for node in self.late:
            given = tuple(map(read, node.args))
            made[node] = node
            if given != node.args:
                again = made[node] = node.like(given)
                new.update(zip(node.values, again.values, strict=True))
        return made


def between(values: Iterable[Value], known: Set[Value]) -> list[Node]:
    """The nodes that make `values` of known ones, in the order they were made."""
    seen: set[Node] = set()
    stack = [v.node for v in values if v.node and v not in known]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += [a.node for a in node.args if a.node and a not in known]
    return sorted(seen, key=operator.attrgetter("serial"))
