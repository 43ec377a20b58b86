"""Scatters: a kernel that clears the result, then one that adds elements at computed places."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..ir import Node, Value
from ..kernel import Accumulate, Axis, Buffer, Const, Expr, Kernel, Map, Stage, Store, axes_of
from ..ops.family import Scatter, affine
from .domain import Domain
from .reader import Reader, place
from .work import Work


def emit_scatter(name: str, node: Node, stored: Container[Value]) -> tuple[Work, Work]:
    """Clears the result, then adds the elements of operand 0 in C order, at their places.

    The axes that the places depend on are in order; the others are inner ones.
    """
    op, operand, out = node.op, node.args[0], node.out
    assert isinstance(op, Scatter)
    domain = Domain(operand.shape)
    reader = Reader(stored, domain.sizes, node.values)
    at = domain.at(range(operand.type.ndim))
    expr = reader.read(operand, at)

    def read(i: int, index: Sequence[Map | Expr]) -> Expr:
        return reader.element(node.args[i], index, ())

    where = op.place(at, tuple(a.type for a in node.args), out.type, read)
    plain, parts = place(where, out.shape)
    memo: dict[Expr, frozenset[str]] = {}
    computed = frozenset[str]().union(*(axes_of(e, frozenset(), memo) for _, e, _ in parts))
    axes = domain.axes(False)
    y = Buffer("y0", out.dtype, out.type.size)
    stage = Stage(
        tuple(a for a in axes if a.name not in computed), (Accumulate(y, plain, expr, parts),)
    )
    ordered = tuple(a for a in axes if a.name in computed)
    added = Kernel(name, (*reader.buffers.values(), y), ordered, (stage,), 0)
    return cleared(y, out), Work(added, (*reader.buffers, out), 1)


def cleared(y: Buffer, out: Value) -> Work:
    """All elements of `out` become 0."""
    zero = Store(y, affine({"i": 1}), Const(0, y.dtype))
    return Work(Kernel("clear", (y,), (Axis("i", y.size),), (Stage((), (zero,)),)), (out,), 1)
