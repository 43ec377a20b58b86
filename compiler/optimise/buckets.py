"""Transfers that are ready near each other are one, and each begins early.

What: psum(a), psum(b) → s = psum(concatenate(a, b)), s[:n], s[n:]: a message for many small arrays,
none larger than the link is busy with while the next is computed. Every piece begins at a cache
line, so it is written where it is sent from, and read where it arrives: nothing is packed. Where
there is a part for each process, in an operand or a result, only little is put together, which is.
Every transfer stands right behind what makes its operand, and this is the order in which they
start, the same in all processes. What is computed of what arrives, and sent, as parts of parameters
that processes share out, stands behind the next transfer, which takes as long to get ready as the
first has to arrive; what is sent nowhere, as updates of parameters, behind all of them in the same
order: something is left to do while the last are on their way.
Order: after all algebra, which may still make one sum of two; before fusing.
Before and after: a well-formed graph of the same meaning and bits: sums are by elements.
Cost: n log n in nodes, times transfers where these are many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from ..ir.graph import Graph, Node, Op, Value, apply
from ..ir.source import sourced
from ..ir.types import ALIGNMENT, Type
from ..ir.walk import everywhere
from ..ops.family import Elementwise
from ..ops.source import full, zero_of
from ..ops.transferred import Transferred
from ..ops.view import Concatenate, concatenate, copy, reshape, slice_, unshaped

BUCKET_BYTES = 1 << 20
"""What the link takes at once: some hundred times as long as a message takes beside its bytes."""
SMALL_BYTES = 32 << 10
"""What had better wait for its neighbour than be a message."""
MOST_PIECES = 24
"""Of a bucket; with what fills lines up, no more than a kernel may read where they are."""

BY_ELEMENTS = "sum", "max", "min", "permute"
"""The kinds that give each element the place that it had."""
PARTED, GATHERED = ("scatter", "exchange"), ("gather", "exchange")
"""Those whose operands, and those whose results, have a part for each process."""

Time = tuple[int, int]
"""When a node can run: behind the node of this number, and its own."""


@everywhere
def buckets(graph: Graph) -> Graph:
    """The graph with neighbouring sums over processes as one, each transfer where it is ready."""
    if not any(isinstance(n.op, Transferred) for n in graph.nodes):
        return graph
    found = Readiness(graph)
    return in_time(graph, found) if found.changes else graph


@dataclass(eq=False)
class Bucket:
    """Transfers of one kind in the order in which they are ready."""

    members: list[Node]
    nbytes: int

    @property
    def op(self) -> Op:
        return self.members[0].op

    def takes(self, nbytes: int) -> bool:
        """Whether one more had better be a part of it."""
        full_up = self.nbytes >= BUCKET_BYTES or len(self.members) >= MOST_PIECES
        small = min(self.nbytes, nbytes) <= SMALL_BYTES
        return not full_up and (small or self.nbytes + nbytes <= BUCKET_BYTES)


class Readiness:
    """The transfers of a graph in buckets, and when each node can run."""

    def __init__(self, graph: Graph) -> None:
        self.outputs = frozenset(graph.outputs)
        self.users = graph.users()
        self.time: dict[Node, Time] = {n: (k, k) for k, n in enumerate(graph.nodes)}
        self.early(graph)
        self.of: dict[Node, Bucket] = {}
        self.needs = transfers_before(graph)
        self.number = {t: k for k, t in enumerate(self.needs)}
        self.members = list(self.needs)
        opened: dict[tuple[Op, str], Bucket] = {}
        for node in sorted(self.needs, key=self.time.__getitem__):
            kind = node.op, node.out.dtype
            last = opened.get(kind) if self.joins(node) else None
            if last and last.takes(node.out.type.nbytes) and not self.between(last, node):
                last.members.append(node)
                last.nbytes += node.out.type.nbytes
            else:
                last = Bucket([node], node.out.type.nbytes)
            if self.joins(node):
                opened[kind] = last
            self.of[node] = last
        self.waited(graph)
        self.late(graph)
        times = [self.time[n] for n in graph.nodes]
        self.changes = times != sorted(times) or any(len(b.members) > 1 for b in self.of.values())

    def early(self, graph: Graph) -> None:
        """Puts what a transfer sends, and what is computed of it in passing, where it can be."""
        light = {n: isinstance(n.op, Elementwise) or n.op.costless for n in graph.nodes}
        ready: dict[Value, int] = dict.fromkeys(graph.inputs, -1)
        for k, n in enumerate(graph.nodes):
            passing = light[n] or n.op.constant or not n.args or isinstance(n.op, Transferred)
            at = max((ready[a] for a in n.args), default=-1) if passing else k
            ready |= dict.fromkeys(n.values, at)
        stack = [n for n in graph.nodes if isinstance(n.op, Transferred)]
        seen = set(stack)
        while stack:
            n = stack.pop()
            self.time[n] = ready[n.values[0]], self.time[n][1]
            for a in n.args:
                m = a.node
                if m and m not in seen and ready[a] < self.time[m][1]:
                    seen.add(m)
                    stack.append(m)

    def waited(self, graph: Graph) -> None:
        """Puts what is computed of what arrives, and sent, behind the next transfer that needs none
        of it, nor of later ones: that, and what it sends, is not kept waiting."""
        ordered = self.in_turn()
        turn = {n: k for k, n in enumerate(ordered)}
        behind: list[Time] = []
        later = (1 << len(ordered)) - 1
        for k, n in enumerate(ordered):
            free = (t for t in ordered[k + 1 :] if not self.needs[t] & later)
            at, number = self.begin(next(free, n))
            behind.append((at, number + 1))
            later ^= 1 << self.number[n]
        latest: dict[Value, int] = dict.fromkeys(graph.inputs, -1)
        for n in graph.nodes:
            at = max((latest[a] for a in n.args), default=-1)
            if at >= 0:
                self.time[n] = max(self.time[n], behind[at])
            latest |= dict.fromkeys(n.values, turn.get(n, at))

    def begin(self, transfer: Node) -> Time:
        """When a transfer can begin, with all of its bucket."""
        return self.time[self.of[transfer].members[-1]]

    def in_turn(self) -> list[Node]:
        """The transfers in the order in which they begin."""
        return sorted(self.needs, key=self.begin)

    def late(self, graph: Graph) -> None:
        """Puts what is computed of what arrives, and not sent, behind all that is sent."""
        sent: set[Node] = set()
        for n in reversed(graph.nodes):
            if n in self.needs or any(u in sent for v in n.values for u in self.users[v]):
                sent.add(n)
        turn = {n: k for k, n in enumerate(self.in_turn())}
        latest: dict[Value, int] = dict.fromkeys(graph.inputs, -1)
        for k, n in enumerate(graph.nodes):
            at = max((latest[a] for a in n.args), default=-1)
            latest |= dict.fromkeys(n.values, turn.get(n, at))
            if at >= 0 and n not in sent:
                self.time[n] = len(graph.nodes) + at, k

    def joins(self, node: Node) -> bool:
        """Whether a transfer may be one with others: it is no part of one, and it is not much that
        would be copied: to a result, from an argument, or to lie beside parts for each process."""
        op, x = node.op, node.args[0]
        assert isinstance(op, Transferred)
        if not x.type.size or any(isinstance(n.op, Concatenate) for n in self.users[node.out]):
            return False
        if max(x.type.nbytes, node.out.type.nbytes) <= SMALL_BYTES:
            return True
        copied = self.is_result(node) or with_caller(unshaped(x))
        return op.kind in BY_ELEMENTS and not copied

    def is_result(self, node: Node) -> bool:
        """Whether what arrives, or a view of it, is a result."""
        stack = [node.out]
        while stack:
            v = stack.pop()
            if v in self.outputs:
                return True
            stack += [n.out for n in self.users[v] if n.op.costless]
        return False

    def between(self, bucket: Bucket, node: Node) -> bool:
        """Whether a transfer needs one of the bucket, be it through other buckets."""
        left, seen = self.needs[node], 0
        own = sum(1 << self.number[t] for t in bucket.members)
        while left:
            if left & own:
                return True
            seen |= left
            more = 0
            while left:
                t = self.members[left.bit_length() - 1]
                left ^= 1 << self.number[t]
                for other in self.of[t].members if t in self.of else (t,):
                    more |= self.needs[other] | 1 << self.number[other]
            left = more & ~seen
        return False


def transfers_before(graph: Graph) -> dict[Node, int]:
    """The transfers in order, and a set of bits of those that each needs."""
    found: dict[Node, int] = {}
    needed: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
    for n in graph.nodes:
        mask = 0
        for a in n.args:
            mask |= needed[a]
        if isinstance(n.op, Transferred):
            found[n], mask = mask, mask | 1 << len(found)
        needed |= dict.fromkeys(n.values, mask)
    return found


def with_caller(value: Value) -> bool:
    """Whether a value is where the caller has it."""
    return value.node is None or value.node.op.constant


def in_time(graph: Graph, found: Readiness) -> Graph:
    """The graph of the same nodes, each as early as its time is and what it needs allows."""
    number = {n: k for k, n in enumerate(graph.nodes)}
    unit: dict[Node, list[Node]] = {
        n: found.of[n].members if n in found.of else [n] for n in graph.nodes
    }
    users: dict[Node, list[Node]] = {n: [] for n in graph.nodes}
    waits = dict.fromkeys(graph.nodes, 0)  # of the last node of each unit
    for n in graph.nodes:
        for m in {a.node: None for a in n.args if a.node}:
            users[m].append(unit[n][-1])
            waits[unit[n][-1]] += 1
    ready = [(*found.time[n], number[n]) for n in graph.nodes if n is unit[n][-1] and not waits[n]]
    heapify(ready)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    with sourced(None) as sources:
        while ready:
            last = graph.nodes[heappop(ready)[2]]
            sources[-1] = last.source
            bucketed(unit[last], new, found.outputs)
            for n in unit[last]:
                for m in users[n]:
                    waits[m] -= 1
                    if not waits[m]:
                        heappush(ready, (*found.time[m], number[m]))
    return Graph.of(graph.name, graph.inputs, [new[o] for o in graph.outputs])


def bucketed(nodes: Sequence[Node], new: dict[Value, Value], outputs: frozenset[Value]) -> None:
    """Notes the new results of one node, or of the transfers of a bucket."""
    first = nodes[0]
    if len(nodes) == 1:
        made = first.like(tuple(new[a] for a in first.args))
        new.update(zip(first.values, made.values, strict=True))
        return
    op = first.op
    assert isinstance(op, Transferred)
    front, behind = ((op.axis_size,) if op.kind in kinds else () for kinds in (PARTED, GATHERED))
    pieces: list[Value] = []
    spans: list[tuple[int, int]] = []
    seen: set[Value] = set()
    end = 0
    for n in nodes:
        (x,) = n.args
        line = ALIGNMENT // x.type.numpy.itemsize
        if (gap := -end % line) and not front:
            pieces.append(full(zero_of(x.type), Type(x.dtype, (gap,))))
            end += gap
        piece = new[x]
        if with_caller(unshaped(piece)) or unshaped(x) in outputs or unshaped(piece) in seen:
            piece = copy(piece)
        seen.add(unshaped(piece))
        size = x.type.size // math.prod(front)
        spans.append((end, end + size))
        end += size
        pieces.append(reshape(piece, (*front, size)))
    whole = apply(op, concatenate(*pieces, axis=len(front)))
    zeros = (0,) * len(behind)
    for n, (start, stop) in zip(nodes, spans, strict=True):
        part = slice_(whole, (*zeros, start), (*behind, stop))
        new[n.out] = reshape(part, n.out.shape)
