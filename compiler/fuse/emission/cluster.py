"""Clusters: nodes over one domain become a kernel of stages.

Elementwise nodes are expressions, views are index maps. A reduction over the inner axes is a value
per outer point, which later stages use; a sum over the outer axes accumulates in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from ...ir.graph import Node, Value
from ...kernel import (
    MONOIDS,
    Accumulate,
    Buffer,
    Const,
    Expr,
    Keep,
    Kernel,
    KernelReduce,
    Map,
    Result,
    Stage,
    Statement,
    Store,
    walk,
)
from ...kernel import Index as IndexExpr
from ...kernel.index import CannotFuse, Flat, SplitAxis, linear, plus
from ...kernel.product import Product
from ...ops.family import Reduce as Fold
from ...ops.view import Interleave
from ..work import Work
from .domain import Domain
from .kept import KeptRows
from .reader import Reader, axes_of_index

SPLITS = 8
"""Axes of a kernel that become two, at most."""


def emit(
    name: str,
    nodes: Sequence[Node],
    domain: Domain,
    stored: Container[Value],
    wanted: Container[Value],
) -> Work:
    """One kernel for `nodes` over `domain` that stores the `wanted` values; raises CannotFuse."""
    cluster = clustered(name, nodes, domain, stored, wanted)
    work = cluster.work(cluster.kernel())
    if work.writes > 1:
        return work
    return replace(work, offsets=cluster.reader.offsets(work.written[0]))


def clustered(
    name: str,
    nodes: Sequence[Node],
    domain: Domain,
    stored: Container[Value],
    wanted: Container[Value],
    reader: Callable[[Domain, Container[Value], frozenset[Value]], Reader] | None = None,
) -> Emission:
    """What `emit` makes a kernel of, by a `reader`: the part that may raise CannotFuse."""
    own = frozenset(v for n in nodes for v in n.values)
    for _ in range(SPLITS):
        emission = Emission(name, domain, (reader or plain_reader)(domain, stored, own), wanted)
        try:
            emission.values(nodes)
        except SplitAxis as split:
            domain = domain.split(split.axis, split.inner)
        else:
            return emission
    raise CannotFuse


def plain_reader(domain: Domain, stored: Container[Value], own: frozenset[Value]) -> Reader:
    return Reader(stored, domain.sizes, own, outer_names(domain))


def outer_names(domain: Domain) -> frozenset[str]:
    """The axes that the stages over a domain are in."""
    return frozenset(a.name for a in domain.axes(False))


@dataclass(frozen=True)
class Item:
    """What a cluster does with an expression: reduce, store or accumulate it."""

    expr: Expr
    make: Callable[[Expr], Statement]
    inner: bool  # at every inner point, or once per outer point
    name: str = ""  # of a reduction


class Emission:
    """The state of one `emit`: `items` in order, and the values that they write."""

    def __init__(self, name: str, domain: Domain, reader: Reader, wanted: Container[Value]) -> None:
        self.name, self.domain, self.reader, self.wanted = name, domain, reader, wanted
        self.items: list[Item] = []
        self.outputs: dict[Value, Buffer] = {}
        self.inner = frozenset(a.name for a in domain.axes(True))
        self.outer = reader.outer

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return (*self.reader.buffers.values(), *self.outputs.values())

    def work(self, kernel: Kernel | Product) -> Work:
        return Work(kernel, (*self.reader.buffers, *self.outputs), len(self.outputs))

    # ---- items

    def values(self, nodes: Sequence[Node]) -> None:
        """What each node asks for."""
        for node in nodes:
            if isinstance(node.op, Fold):
                self.reduce(node, node.op)
                continue
            if isinstance(node.op, Interleave):
                self.interleave(node)
                continue
            for value in node.values:
                if value in self.wanted:
                    at = self.domain.whole(value.shape)
                    self.store(value, self.reader.read(value, at), linear(at, value.shape))

    def output(self, value: Value) -> Buffer:
        buffer = Buffer(f"y{len(self.outputs)}", value.dtype, value.type.size)
        self.outputs[value] = buffer
        return buffer

    def store(self, value: Value, expr: Expr, at: Map) -> None:
        buffer = self.output(value)
        inner = not at.axes.isdisjoint(self.inner)
        self.items.append(Item(expr, lambda e: Store(buffer, at, e), inner))

    def interleave(self, node: Node) -> None:
        """Two values over the domain, stored in turns: neighbours for one vector."""
        at = self.domain.whole(node.args[0].shape)
        exprs = [self.reader.read(a, at) for a in node.args]
        place, buffer = linear(at, node.args[0].shape), self.output(node.out)
        inner = not place.axes.isdisjoint(self.inner)
        for k, expr in enumerate(exprs):
            here = plus(Map((), k), place, 2)
            self.items.append(Item(expr, lambda e, here=here: Store(buffer, here, e), inner))

    def reduce(self, node: Node, op: Fold) -> None:
        """A reduction: of single elements, over the inner axes, or over the outer ones."""
        (operand,), out = node.args, node.out
        at = self.domain.whole(operand.shape)
        if isinstance(at, Flat):
            raise CannotFuse
        kept = tuple(m for k, m in enumerate(at) if k not in op.axes)
        over = axes_of_index(tuple(m for k, m in enumerate(at) if k in op.axes))
        if over and (over != self.inner or not axes_of_index(kept).isdisjoint(self.inner)):
            if op.monoid != "sum" or not self.outer or not self.outer <= over:
                raise CannotFuse
            self.accumulate(out, self.reader.read(operand, at), over, kept)
            return
        if over:
            result = self.fold(op, self.reader.read(operand, at), at)
        elif MONOIDS[op.monoid].fields > 1:  # of one element, which stands at 0
            result = Const(0, out.dtype)
        else:
            result = self.reader.read(operand, at)
        self.reader.results[out] = kept, result
        if out in self.wanted:
            self.store(out, result, linear(kept, out.shape))

    def fold(self, op: Fold, expr: Expr, at: tuple[Map, ...]) -> Result:
        """A reduction over the inner axes: its result, a value per outer point."""
        name = f"r{len(self.items)}"
        if MONOIDS[op.monoid].fields > 1:  # a value and its place
            (axis,) = op.axes
            names, position = (f"{name}v", name), IndexExpr(at[axis])
            self.items.append(
                Item(expr, lambda e: KernelReduce(names, op.monoid, (e, position)), True, name)
            )
            return Result(name, (), position.dtype)
        self.items.append(Item(expr, lambda e: KernelReduce((name,), op.monoid, (e,)), True, name))
        return Result(name, (), expr.dtype)

    def accumulate(
        self, out: Value, expr: Expr, over: frozenset[str], kept: tuple[Map, ...]
    ) -> None:
        """A sum over the outer axes, and over all inner ones or none: then a row of sums."""
        inner = over & self.inner
        if inner and inner != self.inner:
            raise CannotFuse
        if not inner and not axes_of_index(kept) <= self.inner:
            raise CannotFuse
        if inner:
            name = f"r{len(self.items)}"
            self.items.append(Item(expr, lambda e: KernelReduce((name,), "sum", (e,)), True, name))
            expr = Result(name, (), expr.dtype)
        buffer, place = self.output(out), linear(kept, out.shape)
        self.items.append(Item(expr, lambda e: Accumulate(buffer, place, e), bool(place.axes)))

    # ---- stages

    def kernel(self) -> Kernel:
        """The items in stages: each after what computes the results that it reads."""
        inner = self.domain.axes(True)
        staged = self.staged()
        kept = KeptRows(inner)
        stages: list[Stage] = []
        for depth in range(max((d for d, _ in staged), default=0) + 1):
            here = [i for d, i in staged if d == depth]
            once = [i for i in here if not (i.inner and inner)]
            every = [i for i in here if i.inner and inner]
            if once:
                stages.append(Stage((), tuple(i.make(kept.later(i.expr)) for i in once)))
            if every:
                exprs = [kept.later(i.expr) for i in every]
                rows = kept.keep([i.expr for i in every], [i.expr for d, i in staged if d > depth])
                body: list[Statement] = [Keep(r.name, r.axes, e) for r, e in reversed(rows)]
                body += [i.make(e) for i, e in zip(every, exprs, strict=True)]
                stages.append(Stage(inner, tuple(body)))
        ordered = any(isinstance(s, Accumulate) for st in stages for s in st.body)
        outer = self.domain.axes(False)
        return Kernel(self.name, self.buffers, outer, tuple(stages), 0 if ordered else -1)

    def staged(self) -> list[tuple[int, Item]]:
        """Every item with the number of its stage."""
        stage_of: dict[str, int] = {}
        out: list[tuple[int, Item]] = []
        for item in self.items:
            results = [stage_of[e.name] for e in walk(item.expr) if isinstance(e, Result)]
            depth = max(results, default=-1) + 1
            if item.name:
                stage_of[item.name] = depth
            out.append((depth, item))
        return out
