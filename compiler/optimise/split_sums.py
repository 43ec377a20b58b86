"""A sum over processes of what takes long is several, each on its way while the next is computed.

What: psum(x @ w) → psum(x[:n] @ w) and psum(x[n:] @ w) side by side, in parts of the leading axis;
of gradients that a loop over layers stacks, the loop is several, each of some turns, with a sum
behind each. Whoever reads the sum reads all of it in memory, where the parts arrive: so the last
part alone is waited for with nothing to do.
Order: before buckets, which leaves parts apart; after layout, which decides how products are read.
Before and after: a well-formed graph of the same meaning and bits: sums are by elements, and those
of a product by rows.
Cost: linear in nodes, and for each transfer in what is computed for it alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir.graph import Graph, Node, Value, apply, apply_all
from ..ir.sizing import nodes_in
from ..ir.types import ALIGNMENT
from ..ir.walk import everywhere, inline_graph, rebuild
from ..kernel.costs import FLOPS_A_SECOND, LINK_BYTES_A_SECOND, LINK_SECONDS
from ..ops.contract import DotGeneral
from ..ops.family import Elementwise
from ..ops.nested.scan import Scan
from ..ops.source import Full
from ..ops.transferred import Transferred
from ..ops.view import concatenate, slice_
from .buckets import SMALL_BYTES
from .fewer_rows import Axis, FewerRows, Uncut, fewer_rows

MOST_PARTS = 4
"""The first is computed, and the last arrives, with nothing beside: more hide little more."""
MESSAGES = 10
"""How many times longer than a message takes beside its bytes a part takes at least."""

Users = Mapping[Value, Sequence[Node]]


@everywhere
def split_sums(graph: Graph) -> Graph:
    """The graph with sums over processes in parts, where they and their operands take long."""
    sums = [n for n in graph.nodes if is_sum(n)]
    if not sums:
        return graph
    users, outputs = graph.users(), frozenset(graph.outputs)
    stacked: dict[Node, list[Node]] = {}
    ready: dict[Node, list[PartedSum]] = {}
    for n in sums:
        if (loop := stacking(n, users, outputs)) is not None:
            stacked.setdefault(loop, []).append(n)
        elif found := products(n, users, outputs):
            ready.setdefault(found.last, []).append(found)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    arrived: dict[Node, Value] = {}

    def change(old: Node, here: Node) -> Sequence[Value] | None:
        values: Sequence[Value] | None = (arrived[old],) if old in arrived else None
        if old in stacked:
            values = of_turns(old, here.args, stacked[old], arrived)
        if old in ready and values is None:
            values = here.like(here.args).values  # what follows is made anew, behind the parts
        new.update(zip(old.values, values or here.values, strict=True))
        for found in ready.get(old, ()):
            arrived[found.sum] = found.in_parts(new)
        return values

    return rebuild(graph, change)


def is_sum(node: Node) -> bool:
    return isinstance(node.op, Transferred) and node.op.kind in ("sum", "max", "min")


def parts_that_pay(seconds: float, nbytes: int) -> int:
    """How many parts to compute, in so many seconds, and to send, of so many bytes; all at most."""
    shorter = min(seconds, nbytes / LINK_BYTES_A_SECOND)
    return min(MOST_PARTS, int(shorter / (MESSAGES * LINK_SECONDS)))


# ---------------------------------------------------------------- products


@dataclass(frozen=True)
class PartedSum:
    """A sum of products that are made for it alone, and how one of `count` parts is computed."""

    sum: Node
    part: FewerRows
    axis: int
    count: int
    last: Node
    """Behind this node of the graph there is all that the parts need."""

    def in_parts(self, new: Mapping[Value, Value]) -> Value:
        """The parts of the sum, side by side, of values that are `new`."""
        found: list[Value] = []
        for k in range(self.count):
            given = (portion(new[v], d, k, self.count) for v, d in self.part.operands)
            (x,) = inline_graph(self.part.graph, tuple(given))
            found.append(apply(self.sum.op, x))
        return concatenate(*found, axis=self.axis)


def products(node: Node, users: Users, outputs: frozenset[Value]) -> PartedSum | None:
    """The products that a sum is of, if they are made for it alone, and all take long."""
    (x,) = node.args
    nodes = made_for(node, users, outputs)
    flops = sum(map(product_flops, nodes))
    axis = next((d for d, n in enumerate(x.shape) if n > 1), None)
    if axis is None or not flops:
        return None
    made = {n.out for n in nodes}
    read = dict.fromkeys(a for n in nodes for a in n.args if a not in made)
    region = Graph("part", tuple(read), nodes, (x,))
    needed = (*(v.node for v in read if v.node), *(n for n in nodes if product_flops(n)))
    last = max(needed, key=lambda n: n.serial)
    for count in range(parts_that_pay(flops / FLOPS_A_SECOND, x.type.nbytes), 1, -1):
        if x.shape[axis] % count or x.type.nbytes // count % ALIGNMENT:
            continue
        try:
            return PartedSum(node, fewer_rows(region, (axis,), count, 1), axis, count, last)
        except Uncut:
            continue
    return None


def made_for(node: Node, users: Users, outputs: frozenset[Value]) -> tuple[Node, ...]:
    """What computes the operand of a sum in passing, and the products that it is made of."""
    found = {node}
    stack = [a.node for a in node.args if a.node]
    while stack:
        n = stack.pop()
        product = isinstance(n.op, DotGeneral)
        passing = product or isinstance(n.op, Elementwise | Full) or n.op.costless
        if n in found or not passing or n.out in outputs or not found.issuperset(users[n.out]):
            continue
        found.add(n)
        stack += [] if product else [a.node for a in n.args if a.node]
    return tuple(sorted(found - {node}, key=lambda n: n.serial))


def product_flops(node: Node) -> int:
    if not isinstance(node.op, DotGeneral):
        return 0
    depth = math.prod(node.args[0].shape[d] for d in node.op.contracting[0])
    return 2 * node.out.type.size * depth


def portion(x: Value, axis: Axis, k: int, count: int) -> Value:
    """One of `count` equal parts along an axis; None is all of it."""
    if axis is None:
        return x
    n = x.shape[axis] // count
    return elements_between(x, axis, k * n, k * n + n)


def elements_between(x: Value, axis: int, first: int, end: int) -> Value:
    start, stop = [0] * x.type.ndim, list(x.shape)
    start[axis], stop[axis] = first, end
    return slice_(x, start, stop)


# ---------------------------------------------------------------- loops


def stacking(node: Node, users: Users, outputs: frozenset[Value]) -> Node | None:
    """The loop that stacks the operand of a sum, for it alone."""
    (x,) = node.args
    if x.node is None or not isinstance(x.node.op, Scan) or x.index < x.node.op.carries:
        return None
    return x.node if len(users[x]) == 1 and x not in outputs else None


def of_turns(
    node: Node, args: Sequence[Value], sums: Sequence[Node], arrived: dict[Node, Value]
) -> Sequence[Value] | None:
    """The results of a loop as several loops, with a part of each sum behind each; None where it,
    or what they send, is short. Notes what the sums give."""
    op = node.op
    assert isinstance(op, Scan)
    flops = op.length * sum(product_flops(n) for n in nodes_in(op.body))
    nbytes = sum(n.out.type.nbytes for n in sums)
    count = min(parts_that_pay(flops / FLOPS_A_SECOND, nbytes), op.length)
    consts, carries, sequences = op.parts(args)
    if count < 2 or not all(map(in_lines, (*sequences, *node.values[op.carries :]))):
        return None
    sent = {n.args[0].index: n for n in sums if n.out.type.nbytes > count * SMALL_BYTES}
    ends = [op.length * k // count for k in range(count + 1)]
    spans = list(itertools.pairwise(ends))[:: -1 if op.reverse else 1]
    pieces: dict[int, list[Value]] = {k: [] for k in range(op.carries, len(node.values))}
    for first, end in spans:
        turns = replace(op, length=end - first)
        some = (elements_between(x, 0, first, end) for x in sequences)
        found = apply_all(turns, *consts, *carries, *some)
        carries = found[: op.carries]
        for k, ys in pieces.items():
            ys.append(apply(sent[k].op, found[k]) if k in sent else found[k])
    whole = {k: concatenate(*ys[:: -1 if op.reverse else 1], axis=0) for k, ys in pieces.items()}
    arrived.update((n, whole[k]) for k, n in sent.items())
    return *carries, *whole.values()


def in_lines(x: Value) -> bool:
    """Whether every element begins at a cache line, or it is little that is copied."""
    return x.type.nbytes <= SMALL_BYTES or x.type.nbytes // x.shape[0] % ALIGNMENT == 0
