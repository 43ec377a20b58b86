"""Products whose large results are summed away again run in slabs: attention in linear memory.

What: scores of rows and columns, of which exponentials are summed along columns, are cut along
rows and batch, with all that is computed until they are sums: softmax(q k') v forward, and its
gradients. A slab has whole rows in the cache of one core, so the sums are those of the plain form.
Where rows themselves are summed, as for gradients of keys, a slab is a point of the batch, and a
loop in it adds block to block. What a mask fills with what exp makes 0 is not computed, as far as
whole blocks of columns for a band of rows go: where the fill is -inf or at most -1e9, and every row
has something else.
Order: after all other passes on graphs: whatever they leave is cut. For processors alone.
Before: any graph. After: the same results but for the order of sums in products, and but for
columns that are masked, where scores that are no numbers are not seen.
Cost: linear in nodes for each such product.
Source: Dao and others, FlashAttention, 2022; here without its running maximum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from heapq import heapify, heappop, heappush

from ..ir.graph import Graph, Node, Value, apply
from ..ir.source import sourced
from ..ir.types import Type
from ..ir.walk import everywhere, rebuild
from ..ops.contract import DotGeneral
from ..ops.elementwise import Add, Comparison, Elementwise, Sub, add, mul
from ..ops.nested.slabs import Slabs
from ..ops.random import RandomBits, bits_at
from ..ops.reduce import Sum
from ..ops.source import Full, Iota, full, iota
from ..ops.transcendental import Exp
from ..ops.view import (
    Broadcast,
    Permute,
    Reshape,
    broadcast,
)
from .cse import cse
from .dead import dead
from .regions import Scores
from .simplify import simplify
from .slab_cut import SlabCut, strides_in_order, text_now

MOST_POSITIONS = 1 << 30
"""Below it positions are compared in i32: as many lanes as scores have."""
CONE = 64
"""Nodes between a product and the exponential of its scores."""


def attention(graph: Graph, notes: list[str] | None = None) -> Graph:
    """The graph with what makes and sums scores in slabs; `notes` has a line for each product of
    scores: what became of it."""
    notes = [] if notes is None else notes
    found = cut_scores(graph, notes, set(run_by_slabs(graph)))
    return graph if found is graph else dead(cse(simplify(found)))


@everywhere
def cut_scores(graph: Graph, notes: list[str], inside: set[Graph]) -> Graph:
    """The same; graphs that slabs run, `inside`, have none of their own."""
    if graph in inside or not any(score_products(graph)):
        return graph
    apart = each_use(graph)
    users = apart.users()
    done: set[Node] = set()
    found: list[SlabCut] = []
    for product, columns in score_products(apart):
        if product not in done:
            scores = Scores.of(apart, users, product, columns)
            done |= scores.members
            cuts = [SlabCut(region) for region in scores.levels]
            reason = next(filter(None, (c.reason for c in cuts)), "")
            notes.append(said_of(product, reason or "; ".join(map(str, cuts)), not reason))
            found += [] if reason else cuts
    return with_slabs(apart, found) if found else graph


def run_by_slabs(graph: Graph, inside: bool = False) -> Iterator[Graph]:
    """The graphs that slabs of a graph run, and those that these hold."""
    for node in graph.nodes:
        for body in node.op.graphs:
            within = inside or isinstance(node.op, Slabs)
            yield from [body] if within else []
            yield from run_by_slabs(body, within)


def said_of(product: Node, what: str, taken: bool) -> str:
    source = product.source
    where = f"{source.file}:{source.line} " if source else ""
    of, became = text_now(product.out.type), "taken" if taken else "not taken"
    return f"{where}attention of {of} is {became}: {what}"


def each_use(graph: Graph) -> Graph:
    """The graph in which rows and columns are never axes of one value: where products and
    broadcasts read it there is a value for each use, which has the same elements."""

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        if isinstance(node.op, Comparison) and here.args[0].dtype == "i64":
            x, y = map(small_positions, here.args)
            return (apply(node.op, x[0], y[0]),) if x and y else None
        if (
            isinstance(node.op, RandomBits)
            and node.out.type.ndim > 1
            and here.args[0].type.ndim == 1
        ):
            return (bits_at(here.args[0], element_places(node.out.shape)),)
        read = isinstance(node.op, DotGeneral | Broadcast)
        if not read and not any(map(is_iota, here.args)):
            return None
        return here.like(tuple(another(a) if read or is_iota(a) else a for a in here.args)).values

    return rebuild(graph, change)


def element_places(shape: tuple[int, ...]) -> Value:
    """The place of each element among all, as a sum along axes."""
    steps = zip(range(len(shape)), shape, strides_in_order(shape), strict=True)
    parts = []
    for d, n, step in steps:
        x = iota(Type("i64", (n,)), 0)
        others = [k for k in range(len(shape)) if k != d]
        parts.append(broadcast(mul(x, full(step, x.type)) if step > 1 else x, shape, others))
    return reduce(add, parts)


def small_positions(x: Value) -> tuple[Value, int, int] | None:
    """Of i64 that are positions and fixed numbers: the same in i32, the least and the greatest."""
    if x.node is None:
        return None
    op, args = x.node.op, x.node.args
    found: tuple[Value, int, int] | None = None
    if isinstance(op, Full) and isinstance(op.value, int):
        if abs(op.value) < MOST_POSITIONS:
            found = full(op.value, Type("i32", x.shape)), op.value, op.value
    elif isinstance(op, Iota):
        found = another(apply(Iota(Type("i32", op.of.shape), op.axis))), 0, op.of.shape[op.axis] - 1
    elif isinstance(op, Broadcast | Reshape):
        if inner := small_positions(args[0]):
            found = apply(op, inner[0]), *inner[1:]
    elif isinstance(op, Add | Sub):
        sides = [small_positions(a) for a in args]
        if sides[0] and sides[1]:
            (a, least, most), (b, *ends) = sides[0], sides[1]
            low, high = ends if isinstance(op, Add) else (-ends[1], -ends[0])
            found = apply(op, a, b), least + low, most + high
    if found and -MOST_POSITIONS < found[1] <= found[2] < MOST_POSITIONS:
        return found
    return None


def is_iota(x: Value) -> bool:
    return x.node is not None and isinstance(x.node.op, Iota)


def another(x: Value) -> Value:
    if x.node is None or not isinstance(x.node.op, Iota):
        return apply(Reshape(x.shape), x)
    of, axis = x.node.op.of, x.node.op.axis
    others = [d for d in range(of.ndim) if d != axis]
    return broadcast(iota(Type(of.dtype, (of.shape[axis],)), 0), of.shape, others)


# ---------------------------------------------------------------- which


def score_products(graph: Graph) -> Iterator[tuple[Node, int]]:
    """The products of whose results exponentials are summed along an axis of one side alone, and
    that side: columns are its free axes."""
    for n in graph.nodes:
        if isinstance(n.op, Sum) and (product := scored_by(n.args[0])) is not None:
            op, (lhs, rhs) = product.op, product.args
            assert isinstance(op, DotGeneral)
            sides = [math.prod(x.shape[d] for d in op.free(k, x.type.ndim))
                     for k, x in enumerate((lhs, rhs))]  # fmt: skip
            summed = math.prod(n.args[0].shape[a] for a in n.op.axes)
            for side in (1, 0):
                if summed == sides[side] > 1:
                    yield product, side
                    break


def scored_by(v: Value) -> Node | None:
    """The product whose exponentials, or what is made of them, `v` is."""
    stack, seen = [(v, False)], set[tuple[Value, bool]]()
    while stack and len(seen) < CONE:
        v, past = stack.pop()
        if (v, past) in seen or v.node is None or len(v.node.values) > 1:
            continue
        seen.add((v, past))
        if isinstance(v.node.op, DotGeneral):
            if past:
                return v.node
        elif isinstance(v.node.op, Elementwise | Reshape | Permute):
            past |= isinstance(v.node.op, Exp)
            stack += [(a, past) for a in v.node.args]
    return None


# ---------------------------------------------------------------- the graph


def with_slabs(graph: Graph, cuts: Sequence[SlabCut]) -> Graph:
    """The graph in which slabs give the values of regions; each runs when it can."""
    source = {v: c for c in cuts for v in c.region.values}
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    steps: dict[object, tuple[int, list[Value]]] = {
        c: (min(v.node.serial for v in c.region.values if v.node), c.region.entries) for c in cuts
    }
    wanted = [*graph.outputs]
    needed: dict[object, None] = {}
    while wanted:
        v = wanted.pop()
        step = source.get(v, v.node)
        if step is None or step in needed:
            continue
        needed[step] = None
        if isinstance(step, Node):
            steps[step] = step.serial, list(step.args)
        wanted += steps[step][1]
    waiting: dict[object, int] = {}
    readers: dict[object, list[object]] = {}
    for step in needed:
        before = {source.get(a, a.node) for a in steps[step][1]} - {None}
        waiting[step] = len(before)
        for b in before:
            readers.setdefault(b, []).append(step)
    order = {step: k for k, step in enumerate(sorted(needed, key=lambda s: steps[s][0]))}
    by_order = {k: step for step, k in order.items()}
    ready = [order[s] for s, n in waiting.items() if not n]
    heapify(ready)
    with sourced(None) as sources:
        while ready:
            step = by_order[heappop(ready)]
            if isinstance(step, SlabCut):
                sources[-1] = step.scores.product.source
                new |= zip(step.region.values, step.slabs_of(new.__getitem__), strict=True)
            else:
                assert isinstance(step, Node)
                sources[-1] = step.source
                new |= zip(
                    step.values, step.like(tuple(new[a] for a in step.args)).values, strict=True
                )
            for reader in readers.get(step, ()):
                waiting[reader] -= 1
                if not waiting[reader]:
                    heappush(ready, order[reader])
    return Graph.of(graph.name, graph.inputs, [new[o] for o in graph.outputs])
