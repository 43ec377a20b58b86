"""Scatters: kernels that make the array, then one that writes a block at computed places.

The array is made where it is written: by what computes it, or by a copy, which is no work where its
memory is that of the array that it copies. The block is computed where it is written too, so the
messages of a graph, or the gradients of rows, are never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from ...ir.graph import Node, Value
from ...kernel import (
    Accumulate,
    Axis,
    Buffer,
    Const,
    Expr,
    Kernel,
    Leaf,
    Load,
    Map,
    Stage,
    Store,
    expr_axes,
    rebuilt,
    walk,
)
from ...kernel import apply as scalar
from ...kernel.expr import At
from ...kernel.index import CannotFuse, Shifted, SplitAxis, linear
from ...ops.gather import COMBINE, Scatter
from ..work import Work
from .domain import Domain
from .reader import Reader, element_place
from .segments import by_segments, emit_segments

SPLITS = 8


def emit_scatter(node: Node, stored: Container[Value]) -> tuple[Work, ...]:
    """The array, then the block written into it; raises CannotFuse."""
    if node.args[1].type.size and by_segments(node):
        return emit_segments(node, stored)
    made = in_parts(node.args[0].shape, lambda d: operand_work(node, d, stored))
    if node.args[1].type.size == 0:
        return (made,)
    return made, in_parts(node.args[1].shape, lambda d: update_work(node, d, stored))


def in_parts(shape: tuple[int, ...], emit: Callable[[Domain], Work]) -> Work:
    """`emit` over `shape`, with axes divided where a reshape needs that."""
    domain = Domain(shape)
    for _ in range(SPLITS):
        try:
            return emit(domain)
        except SplitAxis as split:
            domain = domain.split(split.axis, split.inner)
    raise CannotFuse


def operand_work(node: Node, domain: Domain, stored: Container[Value]) -> Work:
    """The operand, where the result will be."""
    reader = Reader(stored, domain.sizes, node.values)
    at = domain.at(range(len(domain.shape)))
    expr = reader.read(node.args[0], at)
    y = Buffer("y0", node.out.dtype, node.out.type.size)
    stage = Stage((), (Store(y, linear(at, node.out.shape), expr),))
    name = "copy" if isinstance(expr, Load) else "clear" if not reader.buffers else "map"
    kernel = Kernel(name, (*reader.buffers.values(), y), domain.axes(False), (stage,))
    offsets = reader.offsets(node.args[0])
    return Work(kernel, (*reader.buffers, node.out), 1, offsets=offsets)


def update_work(node: Node, domain: Domain, stored: Container[Value]) -> Work:
    """The second operand, combined with what is at its places."""
    op, out = node.op, node.out
    assert isinstance(op, Scatter)
    reader = Reader(stored, domain.sizes, node.values)
    at = domain.at(range(len(domain.shape)))
    expr = reader.read(node.args[1], at)

    def read(i: int, index: Sequence[Map | Shifted]) -> Expr:
        return reader.element(node.args[i], index, ())

    target = op.target(at, tuple(a.type for a in node.args), read)
    plain, parts = element_place(target, out.shape)
    y = Buffer("y0", out.dtype, out.type.size)
    axes = domain.axes(False)
    if not parts and any(not plain.stride(a.name) for a in axes):  # they meet at known places
        parts = ((1, Const(0, "i64"), 1),)
    if not parts:
        expr = in_place(expr, node.args[0], y, plain, reader)
    if not parts and op.combine != "set":
        expr = scalar(COMBINE[op.combine].op, Load(y, plain), expr)
    if not parts or op.combine == "set":
        body = Store(y, plain, expr, parts)
    else:
        body = Accumulate(y, plain, expr, parts, COMBINE[op.combine].name)
    windows = frozenset[str]().union(*(t.map.axes for t in target if isinstance(t, Shifted)))
    outer, stage, parallel = space(axes, plain, parts, windows)
    kernel = Kernel(
        f"scatter_{op.combine}", (*reader.buffers.values(), y), outer, (Stage(stage, (body,)),),
        parallel,
    )  # fmt: skip
    return Work(kernel, (*reader.buffers, out), 1)


def in_place(expr: Expr, x: Value, y: Buffer, plain: Map, reader: Reader) -> Expr:
    """`expr`, which reads elements of `x` from where they are to be written, if no others."""
    own = reader.buffers.get(x)
    reads = [e for e in walk(expr) if isinstance(e, Load) and e.buffer is own]
    if not reads or any(e.map != plain or e.guards or e.at for e in reads):
        return expr
    del reader.buffers[x]

    def leaf(e: Leaf) -> Leaf:
        return Load(y, e.map) if isinstance(e, Load) and e.buffer is own else e

    return rebuilt(expr, leaf, {})


def space(
    axes: tuple[Axis, ...], plain: Map, parts: At, windows: frozenset[str]
) -> tuple[tuple[Axis, ...], tuple[Axis, ...], int]:
    """Outer axes, inner ones, and how many outer ones are parallel.

    Points of an axis that moves the place by itself never meet: those that the indices depend on
    are parallel, and the others lie within, as rows, or around, where rows would jump. Axes that
    move no place by themselves are in order.
    """
    if not parts:
        return axes, (), -1
    memo: dict[Expr, frozenset[str]] = {}
    looked = frozenset[str]().union(*(expr_axes(i, frozenset(), memo) for _, i, _ in parts))
    ordered = tuple(a for a in axes if not plain.stride(a.name))
    apart = [a for a in axes if a.name in looked and plain.stride(a.name)]
    rest = [a for a in axes if a.name not in looked and plain.stride(a.name)]
    if ordered:
        first = axes.index(ordered[0])
        jumping = [
            a for a in rest
            if a.name not in windows and axes.index(a) < first and plain.stride(a.name) != 1
        ]  # fmt: skip
        apart += jumping
        rest = [a for a in rest if a not in jumping]
    return (*apart, *ordered), tuple(rest), len(apart)
