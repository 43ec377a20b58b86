"""Runs of tiny values: kernels in which every element is an expression of its own.

Views move the expressions themselves; sums add them in order.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...ir.graph import Graph, Node, Value
from ...ir.types import FLOATS
from ...kernel import (
    MONOIDS,
    Buffer,
    Const,
    Expr,
    Kernel,
    Leaf,
    Load,
    Map,
    Stage,
    Store,
    apply,
    rebuilt,
)
from ...ops.family import Elementwise, Reduce
from ...ops.source import Full
from ..work import Work
from .domain import Domain
from .product import plain_load
from .reader import Reader

Place = tuple[int, int, int, tuple[int, ...]]
"""Where an operand lies: the number of its buffer, its size, an offset and strides in it."""


@dataclass
class StraightKernels:
    """The kernels of bodies, each made once, and once for each set of places of operands."""

    plain: dict[Graph, Kernel] = field(default_factory=dict)
    by_place: dict[tuple[Graph, tuple[Place, ...]], Kernel] = field(default_factory=dict)

    def work(self, node: Node, body: Graph, stored: Container[Value]) -> Work:
        """The kernel of `body` on the operands of `node`, of each of which it reads what is
        stored."""
        found: dict[Value, int] = {}
        places = [lies_at(a, stored, found) for a in node.args]
        if body not in self.plain:
            self.plain[body] = straight_kernel(body)
        kernel, key = self.plain[body], (body, tuple(places))
        if any(v not in found for v in node.args):
            if key not in self.by_place:
                self.by_place[key] = with_places(kernel, body, places)
            kernel = self.by_place[key]
        return Work(kernel, (*found, *node.values), len(node.values))


def lies_at(value: Value, stored: Container[Value], found: dict[Value, int]) -> Place:
    """Where `value` lies in what is stored."""
    v = value
    while v not in stored:
        assert v.node is not None
        (v,) = v.node.args
    number = found.setdefault(v, len(found))
    if v is value:
        return number, v.type.size, 0, ()
    domain = Domain(value.shape)
    at = domain.at(range(len(value.shape)))
    m = plain_load(Reader({v}, domain.sizes, ()), value, at).map
    strides = tuple(m.stride(domain.name(k)) for k in range(len(value.shape)))
    return number, v.type.size, m.offset, strides


def straight_kernel(body: Graph) -> Kernel:
    """Every element of the outputs, stored by itself."""
    elements: dict[Value, np.ndarray] = {}
    buffers: list[Buffer] = []
    for k, v in enumerate(body.inputs):
        buffers.append(Buffer(f"x{k}", v.dtype, v.type.size))
        elements[v] = in_shape([Load(buffers[-1], Map((), i)) for i in range(v.type.size)], v)
    for node in body.nodes:
        elements[node.out] = elements_of(node, [elements[a] for a in node.args])
    stores: list[Store] = []
    for k, v in enumerate(body.outputs):
        buffers.append(Buffer(f"y{k}", v.dtype, v.type.size))
        for i, e in enumerate(elements[v].reshape(-1)):
            stores.append(Store(buffers[-1], Map((), i), e))
    return Kernel("straight", tuple(buffers), (), (Stage((), tuple(stores)),))


def in_shape(exprs: Sequence[Expr], like: Value) -> np.ndarray:
    out = np.empty(len(exprs), object)
    out[:] = exprs
    return out.reshape(like.shape)


def elements_of(node: Node, args: Sequence[np.ndarray]) -> np.ndarray:
    """The expressions of a node's elements."""
    op, out = node.op, node.out
    if isinstance(op, Full):
        return in_shape([Const(plain_value(op), out.dtype)] * out.type.size, out)
    if isinstance(op, Elementwise):
        flat = [a.reshape(-1) for a in args]
        return in_shape([op.emitted(*each) for each in zip(*flat, strict=True)], out)
    if isinstance(op, Reduce):
        return in_shape(combined_rows(op, args[0]), out)
    moved = np.asarray(op.reference(*args), object).reshape(-1)
    fill = [e if isinstance(e, Expr) else Const(e, out.dtype) for e in moved]
    return in_shape(fill, out)


def plain_value(op: Full) -> Any:
    assert not isinstance(op.value, complex)
    return op.value


def combined_rows(op: Reduce, x: np.ndarray) -> list[Expr]:
    """Each row of elements along the axes of a reduction, combined in order.

    Sums of floats start from 0, as elsewhere: that of zeros is 0.0, whatever their signs.
    """
    monoid = MONOIDS[op.monoid]
    kept = [k for k in range(x.ndim) if k not in op.axes]
    rows = x.transpose((*kept, *op.axes)).reshape(math.prod(x.shape[k] for k in kept), -1)
    out: list[Expr] = []
    for row in rows:
        zero = [Const(0.0, row[0].dtype)] if monoid.op == "add" and row[0].dtype in FLOATS else []
        first, *rest = *zero, *row
        for e in rest:
            first = apply(monoid.op, first, e)
        out.append(first)
    return out


def with_places(kernel: Kernel, body: Graph, places: Sequence[Place]) -> Kernel:
    """The kernel that reads its operands where they lie."""
    sizes = {number: size for number, size, _, _ in places}
    count = len(places)
    read = {
        number: Buffer(f"x{number}", body.inputs[k].dtype, sizes[number])
        for k, (number, _, _, _) in enumerate(places)
    }
    number_of = {b.name: k for k, b in enumerate(kernel.buffers[:count])}
    memo: dict[Expr, Expr] = {}
    known: dict[tuple[int, int], Load] = {}

    def leaf(e: Leaf) -> Leaf:
        if not isinstance(e, Load):
            return e
        k = number_of[e.buffer.name]
        number, _, offset, strides = places[k]
        at = np.unravel_index(e.map.offset, body.inputs[k].shape) if strides else (e.map.offset,)
        place = offset + sum(int(i) * s for i, s in zip(at, strides or (1,), strict=True))
        if (number, place) not in known:
            known[number, place] = Load(read[number], Map((), place))
        return known[number, place]

    (stage,) = kernel.stages
    stores = tuple(Store(s.buffer, s.map, rebuilt(s.expr, leaf, memo)) for s in stage.body
                   if isinstance(s, Store))  # fmt: skip
    buffers = (*(read[k] for k in sorted(read)), *kernel.buffers[count:])
    return Kernel(kernel.name, buffers, (), (Stage((), stores),))
