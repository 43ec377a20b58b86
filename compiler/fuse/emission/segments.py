"""Scatters by sorted indices: every place reduces the rows of its own segment.

One kernel finds where each segment begins, by bisection; another reduces the rows of a segment to
its place. Places are parallel, nothing is cleared or read again, and the rows are computed where
they are reduced: messages along the edges of a graph are never stored.
"""

from __future__ import annotations

from collections.abc import Container

from ...ir.graph import Node, Value
from ...ir.types import Type
from ...kernel import (
    Axis,
    Buffer,
    Const,
    Expr,
    Index,
    Kernel,
    KernelReduce,
    Load,
    Map,
    Result,
    Stage,
    Store,
)
from ...kernel import apply as scalar
from ...kernel.index import CannotFuse, affine, linear
from ...ops.gather import COMBINE, Scatter
from ..work import Work
from .domain import Domain
from .reader import Reader

SEGMENT = "s"


def by_segments(node: Node) -> bool:
    """Whether rows of the block stand in the order of their places."""
    op = node.op
    assert isinstance(op, Scatter)
    one = len(op.indexed) == 1 and len(op.along[0]) == 1 and op.axes[op.indexed[0]] < 0
    return op.sorted and one and op.mode == "drop" and op.combine in COMBINE


def emit_segments(node: Node, stored: Container[Value]) -> tuple[Work, ...]:
    """The starts of the segments, then their reductions; raises CannotFuse."""
    op, (x, u, ids) = node.op, node.args
    assert isinstance(op, Scatter)
    if ids not in stored:
        raise CannotFuse
    (d,), ((e,),) = op.indexed, op.along
    starts = Value(Type("i32" if u.shape[e] < 2**31 else "i64", (x.shape[d] + 1,)))
    return bisection(ids, starts), segment_work(node, starts, stored, d, e)


def bisection(ids: Value, starts: Value) -> Work:
    """How many ids are less than each number from 0 on."""
    count, dtype = ids.type.size, starts.dtype
    k, p = Buffer("x0", ids.dtype, count), Buffer("y0", dtype, starts.type.size)
    here = affine({SEGMENT: 1})
    wanted = Index(here, "i64" if ids.dtype == "i64" else "i32")
    found: Expr = Const(0, dtype)
    step = 1 << (count.bit_length() - 1)
    while step:
        last = scalar("add", found, step - 1) if step > 1 else found
        less = scalar("lt", Load(k, Map(), at=((1, last, count),)), wanted)
        ahead = scalar("add", found, step)
        inside = scalar("le", ahead, count)
        found = scalar("select", scalar("and_", less, inside), ahead, found)
        step //= 2
    stage = Stage((), (Store(p, here, found),))
    kernel = Kernel("segments", (k, p), (Axis(SEGMENT, p.size),), (stage,))
    return Work(kernel, (ids, starts), 1)


def segment_work(node: Node, starts: Value, stored: Container[Value], d: int, e: int) -> Work:
    """Every segment of axis `e` of the block reduced to its place along axis `d`."""
    op, (x, u, _), out = node.op, node.args, node.out
    assert isinstance(op, Scatter)
    domain = Domain(u.shape, frozenset((e,)))
    row = domain.name(e)
    sizes = domain.sizes | {row: u.shape[e], SEGMENT: x.shape[d]}
    reader = Reader(stored, sizes, node.values)
    p = Buffer("p", starts.dtype, starts.type.size)
    at = list(domain.at(range(u.type.ndim)))
    at[e] = affine({row: 1})
    message = reader.read(u, tuple(at))
    place = tuple(affine({SEGMENT: 1}) if a < 0 else at[a] for a in op.axes)
    before = reader.read(x, place)
    fold = COMBINE[op.combine]
    value: Expr = Result("r0", (), out.dtype)
    if not isinstance(before, Const) or before.value != fold.identity(out.dtype):
        value = scalar(fold.op, before, value)
    y = Buffer("y0", out.dtype, out.type.size)
    inner = Axis(row, u.shape[e], segment=(p, affine({SEGMENT: 1})))
    stages = (
        Stage((inner,), (KernelReduce(("r0",), fold.name, (message,)),)),
        Stage((), (Store(y, linear(place, out.shape), value),)),
    )
    outer = (Axis(SEGMENT, x.shape[d]), *domain.axes(False))
    kernel = Kernel(f"segment_{fold.name}", (*reader.buffers.values(), p, y), outer, stages)
    return Work(kernel, (*reader.buffers, starts, out), 1)
