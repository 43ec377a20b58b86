"""Products with epilogues: the operands are plain views of memory, the stores what follows.

One that contracts several axes reads windows: those do not lie in memory as one.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from math import prod

from ...ir.graph import Node, Value
from ...kernel import Axis, Load, Map, Store
from ...kernel.index import CannotFuse, affine
from ...kernel.product import Product, joined_axes, normal_form, result
from ...ops.contract import DotGeneral
from ...ops.phases import reads_windows
from ..work import Work
from .cluster import Emission
from .domain import Domain
from .reader import Reader

DEPTH = "k"
"""The axis that a product contracts; of several the first is `k0`."""

FEW_ROWS = 128
"""Rows of windows for which it does not pay to pack what they are multiplied with again."""


def emit_product(
    name: str,
    node: Node,
    nodes: Sequence[Node],
    domain: Domain,
    stored: Container[Value],
    wanted: Container[Value],
    order: Sequence[int] = (),
) -> Work:
    """The product `node` with the `nodes` of its epilogue.

    Its axes are the dimensions `order` of the domain. Raises CannotFuse where an operand is no
    plain view of memory, or where the order of the stores leaves windows few rows.
    """
    op = node.op
    assert isinstance(op, DotGeneral)
    sizes = [node.args[0].shape[d] for d in op.contracting[0]]
    several = len(sizes) > 1
    depth = [Axis(f"{DEPTH}{i}" if several else DEPTH, n) for i, n in enumerate(sizes)]
    own = frozenset(v for n in (node, *nodes) for v in n.values)
    reader = Reader(stored, domain.sizes | {a.name: a.size for a in depth}, own)
    steps = [affine({a.name: int(a.size != 1)}) for a in depth]
    dims = order or range(len(domain.shape))
    point = domain.at(dims)
    lhs, rhs = operand_loads(reader, node, op, point, steps)
    emission = Emission(name, domain, reader, wanted)
    at = point if order else domain.whole(node.out.shape)
    reader.results[node.out] = at, result(node.out.dtype)
    emission.values((node, *nodes))
    if any(i.name for i in emission.items):
        raise CannotFuse
    stores = tuple(s for i in emission.items if isinstance(s := i.make(i.expr), Store))
    points = [Axis(domain.name(d), domain.shape[d]) for d in dims]
    batch = len(op.batching[0])
    free = [a.type.ndim - batch - len(sizes) for a in node.args]
    rows = points[batch + free[0] - 1] if free[0] else Axis("row", 1)
    columns = points[-1] if free[1] else Axis("column", 1)
    if several and not reads_windows(node.args[0]):
        rows, columns, lhs, rhs = columns, rows, rhs, lhs
    rest = tuple(a for a in points if a not in (rows, columns) and a.size != 1)
    whole = Axis(DEPTH, prod(sizes))
    product = Product(
        name, emission.buffers, rest, rows, columns, whole, lhs, rhs, stores, op.precision,
        depth_axes=tuple(depth) if several else (),
    )  # fmt: skip
    normal = normal_form(product)
    few = several and normal.rows.size < FEW_ROWS
    if order and few and any(lhs.map.stride(a.name) for a in normal.batch):
        raise CannotFuse
    return emission.work(normal)


def operand_loads(
    reader: Reader, node: Node, op: DotGeneral, point: Sequence[Map], depth: Sequence[Map]
) -> tuple[Load, Load]:
    """What a point of the product reads of both sides."""
    batch = len(op.batching[0])
    loads = []
    of_free = batch
    for value, contracted, batched in zip(node.args, op.contracting, op.batching, strict=True):
        at = dict(zip((*batched, *contracted), (*point[:batch], *depth), strict=True))
        for d in range(value.type.ndim):
            if d not in at:
                at[d] = point[of_free]
                of_free += 1
        loads.append(plain_load(reader, value, tuple(at[d] for d in range(value.type.ndim))))
    return loads[0], loads[1]


def plain_load(reader: Reader, value: Value, at: tuple[Map, ...]) -> Load:
    """A load of its own through an affine map alone, or CannotFuse."""
    load = reader.read(value, at)
    if not isinstance(load, Load) or load.guards or load.at:
        raise CannotFuse
    return Load(load.buffer, load.map)


def run_of_operand(value: Value, stored: Value, axes: Sequence[int]) -> int:
    """How many steps `value`, a view of `stored`, takes along `axes` as along one axis."""
    domain = Domain(value.shape)
    at = domain.at(range(len(value.shape)))
    place = plain_load(Reader({stored}, domain.sizes, ()), value, at).map
    along = [Axis(domain.name(d), value.shape[d]) for d in axes if value.shape[d] != 1]
    along.sort(key=lambda a: -abs(place.stride(a.name)))
    return joined_axes(along, (place,))[-1].size if along else 1


def plain_operand(value: Value, base: Value) -> bool:
    """Whether `value` is a view of `base` that affine strides describe."""
    domain = Domain(value.shape)
    try:
        plain_load(Reader({base}, domain.sizes, ()), value, domain.at(range(len(value.shape))))
    except CannotFuse:
        return False
    return True
