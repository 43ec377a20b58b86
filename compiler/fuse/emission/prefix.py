"""Prefixes along an axis: what computes their operands is read where it is combined."""

from __future__ import annotations

from collections.abc import Container

from ...ir.graph import Node, Value
from ...kernel import Axis, Buffer, Const, apply
from ...kernel import Index as IndexExpr
from ...kernel.index import affine, linear, plus
from ...kernel.prefix import Prefix
from ...ops.cumulative import Cumulative
from ..work import Work
from .domain import Domain
from .reader import Reader


def emit_prefix(node: Node, stored: Container[Value]) -> Work:
    """The kernel of `node`; raises CannotFuse where an operand must be in memory."""
    op, out = node.op, node.out
    assert isinstance(op, Cumulative)
    domain = Domain(out.shape, frozenset((op.axis,)))
    reader = Reader(stored, domain.sizes, node.values)
    at = domain.at(range(out.type.ndim))
    exprs = [reader.read(a, at) for a in node.args]
    steps = Axis(domain.name(op.axis), out.shape[op.axis])
    if op.kind == "recurrence":  # the first factor has nothing to multiply, not even by infinity
        last = affine({}, steps.size - 1)
        step = plus(last, at[op.axis], -1) if op.reverse else at[op.axis]
        is_first = apply("eq", IndexExpr(step), 0)
        exprs[0] = apply("select", is_first, Const(0, out.dtype), exprs[0])
    y = Buffer("y0", out.dtype, out.type.size)
    prefix = Prefix(
        f"running_{op.kind}",
        (*reader.buffers.values(), y),
        domain.axes(False),
        steps,
        op.kind,
        tuple(exprs),
        y,
        linear(at, out.shape),
        op.reverse,
    )
    return Work(prefix, (*reader.buffers, out), 1)
