"""Programs of many tiny values become straight lines of scalars.

What: nodes whose values have a few elements each, as products and stacks of 3 x 3 matrices do, are
cut into runs, and each run is one node that holds its graph: its kernel computes every element by
itself, so stacks, slices and transposes cost nothing, and no element is asked whether it is within
a piece.
Order: first of fusing, which sees one node for each run; everything else reads their results from
memory.
Before: a graph whose small products are sums. After: the same meaning; runs follow the program, and
end behind sums, so what a program repeats is the same graph again, and one kernel.
Cost: linear in nodes.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..ir.graph import Graph, Node, Op, Value, apply_all
from ..ir.source import sourced
from ..ir.types import Type
from ..kernel import MONOIDS
from ..ops.elementwise import After
from ..ops.family import Elementwise, Reduce, View
from ..ops.source import Full
from ..ops.view import Concatenate, Interleave, Pad, Slice

MANY = 64
"""Nodes from which on a program is one of tiny values."""
FEW = 4
"""Nodes that move elements from which on a graph of nothing else, as a step of a differential
equation is, is one run."""
MOVING = (Concatenate, Pad, Reduce, Slice)
SIDE, TINY = 4, 16
"""Elements of a tiny value: along an axis, and in all."""
SUMMED = 64
"""Elements of one that is summed to a tiny one next."""
PIECES = 8
"""Tiny operands from which on what puts them together is copied by a run."""
LEAST, MOST = 96, 384
"""Scalar operations of a run: from which on it ends behind a sum, and at most."""
WEIGHT = 4
"""Multiply-adds that count as one operation more."""


class Straight(Op, abstract=True, name="straight"):
    """The outputs of `body`, element by element."""

    body: Graph

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return self.body.types[1]


def straightened(graph: Graph) -> Graph:
    """The graph with runs of tiny nodes as one node each, if there are many, or nothing else."""
    moving = sum(isinstance(n.op, MOVING) for n in graph.nodes)
    if moving < FEW or (moving < MANY // 4 and any(v.type.size > TINY for v in graph.inputs)):
        return graph  # of any sizes
    runs = Runs(graph)
    return runs.graph_of_runs() if runs.are_many() or runs.are_all() else graph


@dataclass
class Stretch:
    """Nodes that one kernel computes; `operations`: how many scalar ones."""

    nodes: list[Node] = field(default_factory=list)
    operations: int = 0


class Runs:
    """Which nodes of a graph are tiny, and their runs."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.users = graph, graph.users()
        self.outputs = frozenset(graph.outputs)
        self.tiny: set[Node] = set()
        self.shown: set[Value] = set()  # views that others than tiny nodes read
        for n in reversed(graph.nodes):  # readers first
            if self.is_tiny(n):
                self.tiny.add(n)
                self.shown |= (
                    {n.out} if self.read_outside(n.out) and not self.computes(n) else set()
                )
        self.computed = [n for n in graph.nodes if n in self.tiny and self.computes(n)]

    def is_tiny(self, node: Node) -> bool:
        """Whether a run may compute the node."""
        op = node.op
        if len(node.values) != 1 or isinstance(op, Interleave | After):
            return False
        v = node.out
        if isinstance(op, Concatenate) and is_list(node) and self.read_outside(v):
            return True
        if not is_small(v) and not self.summed(v):
            return False
        if isinstance(op, View | Full):
            return True
        if isinstance(op, Reduce):
            (x,) = node.args
            return MONOIDS[op.monoid].fields == 1 and 0 < x.type.size <= SUMMED and is_narrow(x)
        return isinstance(op, Elementwise)

    def summed(self, v: Value) -> bool:
        """Whether all readers of a value make tiny ones of it: sums, or what is summed next."""
        readers = self.users[v]
        if v in self.outputs or not readers or not all(r in self.tiny for r in readers):
            return False
        return 0 < v.type.size <= SUMMED and is_narrow(v)

    def read_outside(self, v: Value) -> bool:
        """Whether others than tiny nodes read a value, or a view of it."""
        users = self.users[v]
        return v in self.outputs or any(r not in self.tiny or r.out in self.shown for r in users)

    def computes(self, node: Node) -> bool:
        """Whether a node is more than a view: one that others read too where it has parts."""
        if isinstance(node.op, Concatenate | Pad) and self.read_outside(node.out):
            parts = (a.node for a in node.args if a.node is not None and is_small(a))
            made = any(isinstance(p.op, Elementwise | Reduce | View) for p in parts)
            return is_list(node) or (is_small(node.out) and made)
        return not isinstance(node.op, View | Full) or (
            isinstance(node.op, View) and node.out in self.outputs and is_small(node.out)
        )

    def are_many(self) -> bool:
        """Whether there are many tiny nodes, and they move elements: else vectors do as well."""
        moving = sum(isinstance(n.op, MOVING) for n in self.tiny)
        return len(self.computed) >= MANY and moving >= MANY // 4

    def are_all(self) -> bool:
        """Whether all that is computed is of so few elements that no vector would be full, and some
        are put together."""
        computing = [n for n in self.graph.nodes if self.computes(n)]
        return (
            len(computing) == len(self.computed)
            and all(n.out.type.size <= SIDE for n in computing)
            and any(isinstance(n.op, Concatenate | Pad) for n in self.graph.nodes)
        )

    # ---- runs

    def runs(self) -> list[Stretch]:
        """In the order of the program, but for what waits for others between."""
        depth: dict[Value, int] = {}  # how often others than tiny nodes stand before
        for n in self.graph.nodes:
            here = n in self.tiny
            found = (
                depth.get(a, 0) + (here and a.node not in self.tiny and not a.node.op.constant)
                for a in n.args
                if a.node is not None
            )
            depth |= dict.fromkeys(n.values, max(found, default=0))
        ordered = sorted(self.computed, key=lambda n: depth[n.out])  # else as they stand
        made: list[Stretch] = []
        level = -1
        for n in ordered:
            cost = scalar_work(n)
            last = made[-1] if made else Stretch()
            seam = last.operations >= LEAST and isinstance(last.nodes[-1].op, Reduce)
            if not made or depth[n.out] != level or seam or last.operations + cost > MOST:
                made.append(Stretch())
            level = depth[n.out]
            made[-1].nodes.append(n)
            made[-1].operations += cost
        return made

    def graph_of_runs(self) -> Graph:
        """The graph in which each run is a node."""
        runs = self.runs()
        of = {n: k for k, run in enumerate(runs) for n in run.nodes}
        place = {n: k for k, n in enumerate(self.graph.nodes)}
        items: list[Node | Stretch] = [n for n in self.graph.nodes if n not in of]
        items += runs
        number = {n: k for k, n in enumerate(items) if isinstance(n, Node)}
        first = len(number)
        number |= {n: first + k for n, k in of.items()}
        waits: list[int] = []
        readers: list[list[int]] = [[] for _ in items]
        for k, item in enumerate(items):
            nodes = item.nodes if isinstance(item, Stretch) else [item]
            args = self.read_by(item) if isinstance(item, Stretch) else item.args
            needed = {number[a.node] for a in args if a.node is not None} - {k}
            waits.append(len(needed))
            for j in needed:
                readers[j].append(k)
            place[nodes[-1]] = max(place[n] for n in nodes)
        last = [place[i.nodes[-1] if isinstance(i, Stretch) else i] for i in items]
        ready = [(last[k], k) for k, n in enumerate(waits) if not n]
        heapq.heapify(ready)
        new: dict[Value, Value] = {}
        while ready:
            _, k = heapq.heappop(ready)
            item = items[k]
            if isinstance(item, Stretch):
                new |= self.node_of(item, new)
            else:
                with sourced(item.source):
                    made = item.like(tuple(new.get(a, a) for a in item.args))
                new |= zip(item.values, made.values, strict=True)
            for j in readers[k]:
                waits[j] -= 1
                if not waits[j]:
                    heapq.heappush(ready, (last[j], j))
        outputs = [new.get(o, o) for o in self.graph.outputs]
        return Graph.of(self.graph.name, self.graph.inputs, outputs)

    def inside(self, run: Stretch) -> tuple[list[Node], list[Value]]:
        """The nodes of a run with the views between them, and what they read, in order."""
        own = set(run.nodes)
        nodes: list[Node] = []
        read: dict[Value, None] = {}
        seen: set[Node] = set()
        for n in run.nodes:
            stack = [(n, False)]
            while stack:
                m, ready = stack.pop()
                if ready:
                    nodes.append(m)
                elif m not in seen:
                    seen.add(m)
                    stack.append((m, True))
                    for a in reversed(m.args):
                        if self.inner_view(a, own):
                            assert a.node is not None
                            stack.append((a.node, False))
                        else:
                            read[a] = None
        return nodes, list(read)

    def inner_view(self, v: Value, own: set[Node]) -> bool:
        """Whether a run computes a value: by a node of its own, or as a view of tiny ones."""
        n = v.node
        if n is None or n not in self.tiny:
            return False
        return n in own or (
            not self.computes(n) and all(is_small(a) or a.node in self.tiny for a in n.args)
        )

    def read_by(self, run: Stretch) -> list[Value]:
        return self.inside(run)[1]

    def node_of(self, run: Stretch, new: Mapping[Value, Value]) -> dict[Value, Value]:
        """The results of a run that others read, by those of its nodes."""
        nodes, read = self.inside(run)
        own = set(run.nodes)
        inner = {v: Value(v.type) for v in read}
        inputs = tuple(inner.values())
        made: list[Node] = []
        for n in nodes:
            copy = n.like(tuple(inner[a] for a in n.args))
            inner[n.out] = copy.out
            made.append(copy)
        wanted = [n.out for n in run.nodes if self.wanted(n.out, own)]
        body = Graph("straight", inputs, tuple(made), tuple(inner[v] for v in wanted))
        with sourced(run.nodes[-1].source):
            results = apply_all(Straight(body), *(new.get(v, v) for v in read))
        return dict(zip(wanted, results, strict=True))

    def wanted(self, v: Value, own: set[Node]) -> bool:
        """Whether others than a run read a value of it, or a view of it."""
        seen: set[Value] = set()
        stack = [v]
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            if v in self.outputs:
                return True
            for r in self.users[v]:
                if r in own:
                    continue
                if r not in self.tiny or self.computes(r):
                    return True
                stack.append(r.out)
        return False


def is_small(v: Value) -> bool:
    return 0 < v.type.size <= TINY and is_narrow(v)


def is_narrow(v: Value) -> bool:
    return max(v.shape, default=1) <= SIDE


def is_list(node: Node) -> bool:
    """Whether a node puts many single elements together, or a few at a time."""
    return len(node.args) >= PIECES and all(0 < a.type.size <= SIDE for a in node.args)


def scalar_work(node: Node) -> int:
    """Of a node how many scalar ones."""
    if isinstance(node.op, Elementwise):
        return node.out.type.size * (1 + node.op.weight // WEIGHT)
    return sum(a.type.size for a in node.args)
