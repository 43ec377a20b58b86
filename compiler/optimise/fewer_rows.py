"""The graph of fewer rows: the same values where one axis of each has another size.

What: rows that do not meet can be computed apart, some at a time. Which axis of a value holds the
rows follows from its reader, so it is asked backward: an output is asked along an axis, every op
says along which axis it asks its operands, or that it needs one whole. What nothing computes is
read: inputs and leaves whole or by pieces along an axis, of constants pieces.
Order: after the laws, of parts of a graph.
Before: any graph. After: a graph of the same values for any `size` rows that follow each other; or
`Uncut`, which says what stands in the way.
Cost: linear in nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import EllipsisType

from ..ir.graph import Graph, Node, Op, Value, apply, apply_all
from ..ir.source import sourced
from ..ir.types import Type
from ..ops.contract import DotGeneral
from ..ops.cumulative import Cumulative
from ..ops.family import Elementwise, Reduce
from ..ops.gather import Gather
from ..ops.guard import Guard
from ..ops.nested.scan import Scan
from ..ops.source import Full, Iota
from ..ops.view import (
    Broadcast,
    Concatenate,
    Copy,
    Flip,
    Interleave,
    Pad,
    Permute,
    Reshape,
    Slice,
)

Axis = int | None
"""Along which axis a value is asked; None: whole."""
Unread = EllipsisType
"""The type of what stands for the axis of a result that nothing reads."""
Asked = dict[Axis, None]
Leaf = Callable[[Value], bool]


class Uncut(Exception):
    """Why rows of a graph cannot be computed apart."""


@dataclass(frozen=True)
class FewerRows:
    """`graph` of fewer rows, whose inputs are the `operands`: values of the graph of all rows."""

    graph: Graph
    operands: tuple[tuple[Value, Axis], ...]


@dataclass(frozen=True)
class Fewer:
    """`size` rows in place of `count`; an axis may hold several elements for each row.

    `loops`: those that are known.
    """

    count: int
    size: int
    loops: dict[tuple[Op, tuple[Axis | Unread, ...]], ScanRows] = field(default_factory=dict)

    def of(self, n: int) -> int:
        """The new size of an axis."""
        return n // self.count * self.size

    def fits(self, n: int) -> bool:
        return n >= self.count and n % self.count == 0


def nothing(value: Value) -> bool:
    return False


def fewer_rows(
    graph: Graph, axes: Sequence[Axis], count: int, size: int, leaf: Leaf = nothing
) -> FewerRows:
    """The graph whose outputs have `size` rows in place of `count` along `axes`.

    `leaf`: what is read though something computes it.
    """
    rows = Fewer(count, size)
    asked = demands(graph, axes, rows, leaf)
    return remade(graph, axes, asked, rows, leaf)


def demands(
    graph: Graph, axes: Sequence[Axis], rows: Fewer, leaf: Leaf = nothing
) -> Mapping[Value, Asked]:
    """Along which axes every value is asked, where the outputs are asked along `axes`."""
    asked: dict[Value, Asked] = {}

    def ask(value: Value, axis: Axis) -> None:
        if axis is not None and not rows.fits(value.shape[axis]):
            raise Uncut(f"{value.shape[axis]} elements of {value.type} are not {rows.count} rows")
        asked.setdefault(value, {})[axis] = None

    for value, axis in zip(graph.outputs, axes, strict=True):
        ask(value, axis)
    for node in reversed(graph.nodes):
        if node.op.constant or not any(v in asked for v in node.values) or leaf(node.values[0]):
            continue
        for wanted in forms(node, asked, rows):
            for value, axis in reads(node, wanted, rows):
                ask(value, axis)
    return asked


def forms(node: Node, asked: Mapping[Value, Asked], rows: Fewer) -> Sequence[tuple[Axis, ...]]:
    """How a node is made: for each way the axes of its results."""
    if len(node.values) == 1 and not isinstance(node.op, Scan):
        return [(axis,) for axis in asked[node.out]]
    found = [tuple(asked.get(v, (...,))) for v in node.values]
    if not isinstance(node.op, Scan) or any(len(axes) != 1 for axes in found):
        raise Uncut(f"results of {node.op.name} are not read in one way")
    return [carried_axes(node.op, [axis for (axis,) in found], rows)]


def remade(
    graph: Graph, axes: Sequence[Axis], asked: Mapping[Value, Asked], rows: Fewer, leaf: Leaf
) -> FewerRows:
    """The graph of what was asked."""
    made: dict[tuple[Value, Axis], Value] = {}
    operands: list[tuple[Value, Axis]] = []

    def read(value: Value) -> None:
        for axis in asked.get(value, ()):
            if axis is None and value.node is not None and value.node.op.constant:
                made[value, None] = apply(value.node.op)
                continue
            operands.append((value, axis))
            made[value, axis] = Value(type_of_fewer(value.type, axis, rows))

    for value in graph.inputs:
        read(value)
    with sourced(None) as sources:
        for node in graph.nodes:
            if not any(v in asked for v in node.values):
                continue
            if node.op.constant or leaf(node.values[0]):
                for value in node.values:
                    read(value)
                continue
            sources[-1] = node.source
            for wanted in forms(node, asked, rows):
                given = [made[x] for x in reads(node, wanted, rows)]
                found = apply_all(of_fewer(node, wanted, rows), *given)
                made.update(zip(zip(node.values, wanted, strict=True), found, strict=True))
    outputs = [made[x] for x in zip(graph.outputs, axes, strict=True)]
    inputs = [made[x] for x in operands]
    return FewerRows(Graph.of(graph.name, inputs, outputs), tuple(operands))


def type_of_fewer(of: Type, axis: Axis, rows: Fewer) -> Type:
    """The type of what is asked along an axis."""
    return of if axis is None else Type(of.dtype, shape_of_fewer(of.shape, axis, rows))


def shape_of_fewer(shape: tuple[int, ...], axis: int, rows: Fewer) -> tuple[int, ...]:
    return (*shape[:axis], rows.of(shape[axis]), *shape[axis + 1 :])


# ---------------------------------------------------------------- what an op reads


def reads(node: Node, wanted: tuple[Axis, ...], rows: Fewer) -> list[tuple[Value, Axis]]:
    """The operands of a node, and along which axes they are read for results along `wanted`."""
    if isinstance(node.op, Scan):
        return scan_of(node.op, wanted, rows).operands(node.args)
    (axis,) = wanted
    if axis is None:
        return [(a, None) for a in node.args]
    return list(zip(node.args, axes_read(node, axis, rows), strict=True))


def axes_read(node: Node, axis: int, rows: Fewer) -> Sequence[Axis]:
    """Along which axis each operand is read for a result along `axis`."""
    op, out = node.op, node.out
    same = (axis,) * len(node.args)
    match op:
        case Elementwise() | Copy() | Full() | Interleave() if axis < len(out.shape):
            return same
        case Guard():
            return None if node.args[0].type.ndim <= axis else axis, axis
        case Iota() if op.axis != axis:
            return ()
        case Broadcast():
            return (None if axis in op.axes else op.kept(tuple(range(len(out.shape)))).index(axis),)
        case Permute():
            return (op.axes[axis],)
        case Reshape():
            return (reshaped_axis(node.args[0].shape, out.shape, axis, rows),)
        case Slice() if takes_whole(node, axis):
            return same
        case Pad() if op.low[axis] == op.high[axis] == 0:
            return same
        case Flip() if axis not in op.axes:
            return same
        case Concatenate() | Cumulative() if op.axis != axis:
            return same
        case Reduce():
            kept = [d for d in range(node.args[0].type.ndim) if d not in op.axes]
            return (kept[axis],)
        case DotGeneral():
            return factor_axes(op, [a.type.ndim for a in node.args], axis)
        case Gather():
            return gathered_axes(op, axis)
    raise Uncut(f"{op.name} does not keep its rows apart")


def takes_whole(node: Node, axis: int) -> bool:
    """Whether a slice has all of an axis."""
    op, n = node.op, node.args[0].shape[axis]
    assert isinstance(op, Slice)
    return (op.start[axis], op.stop[axis], op.step[axis]) == (0, n, 1)


def reshaped_axis(x: tuple[int, ...], y: tuple[int, ...], axis: int, rows: Fewer) -> int:
    """The axis of what has shape `x` that holds the rows that `axis` does once it has shape `y`."""
    before = math.prod(y[:axis])
    for d, n in enumerate(x):
        if math.prod(x[:d]) == before and rows.fits(n):
            return d
    raise Uncut(f"a reshape from {list(x)} to {list(y)} does not keep its rows apart")


def factor_axes(op: DotGeneral, ndims: Sequence[int], axis: int) -> tuple[Axis, Axis]:
    """Where the factors of a product have its axis."""
    batch = len(op.batching[0])
    if axis < batch:
        return op.batching[0][axis], op.batching[1][axis]
    rows, columns = (op.free(side, n) for side, n in enumerate(ndims))
    at = axis - batch
    return (rows[at], None) if at < len(rows) else (None, columns[at - len(rows)])


def gathered_axes(op: Gather, axis: int) -> tuple[Axis, ...]:
    """Where the array and the indices of a gather have its axis."""
    of_array = op.axes.index(axis) if axis in op.axes else None
    if of_array in op.indexed:
        raise Uncut("gather reads windows along its rows")
    return of_array, *(over.index(axis) if axis in over else None for over in op.along)


def of_fewer(node: Node, wanted: tuple[Axis, ...], rows: Fewer) -> Op:
    """The op that gives the results of a node along `wanted`."""
    op = node.op
    if isinstance(op, Scan):
        return scan_of(op, wanted, rows).op
    (axis,) = wanted
    if axis is None:
        return op
    match op:
        case Full() | Iota():
            return replace(op, of=type_of_fewer(op.of, axis, rows))
        case Broadcast() | Reshape() | Gather():
            return replace(op, shape=shape_of_fewer(op.shape, axis, rows))
        case Slice():
            return replace(op, stop=shape_of_fewer(op.stop, axis, rows))
    return op


# ---------------------------------------------------------------- loops


@dataclass(frozen=True)
class ScanRows:
    """A scan of fewer rows; `places`: which operand each of its operands is, and along which axis
    it is read."""

    op: Scan
    places: tuple[tuple[int, Axis], ...]

    def operands(self, args: Sequence[Value]) -> list[tuple[Value, Axis]]:
        return [(args[i], axis) for i, axis in self.places]


def carried_axes(op: Scan, wanted: Sequence[Axis | Unread], rows: Fewer) -> tuple[Axis, ...]:
    """The axes of all results: a carry that nothing reads behind the loop is asked as a turn reads
    it."""
    k = op.carries
    axes = [*wanted[:k], *(turn_axis(axis) for axis in wanted[k:])]
    while ... in axes:
        known = [j for j, axis in enumerate(axes) if axis is not ...]
        part = Graph.of("", op.body.inputs, [op.body.outputs[j] for j in known])
        asked = demands(part, [axis for axis in axes if axis is not ...], rows)
        found = {j: asked[v] for j, v in enumerate(op.body.inputs[op.consts :][:k]) if v in asked}
        new = [j for j in found if axes[j] is ...]
        if not new:
            raise Uncut("a carry of a loop is read by nothing")
        for j in new:
            axes[j] = next(iter(found[j]))
    return (*axes[:k], *wanted[k:])  # pyright: ignore[reportReturnType]


def turn_axis(axis: Axis | Unread) -> Axis | Unread:
    """Where an element of a sequence has the axis of the sequence."""
    if axis == 0:
        raise Uncut("turns of a loop follow each other")
    return axis - 1 if isinstance(axis, int) else axis


def scan_of(op: Scan, wanted: tuple[Axis, ...], rows: Fewer) -> ScanRows:
    """The scan whose results are asked along `wanted`."""
    if (op, wanted) not in rows.loops:
        rows.loops[op, wanted] = scan_rows(op, wanted, rows)
    return rows.loops[op, wanted]


def scan_rows(op: Scan, wanted: tuple[Axis, ...], rows: Fewer) -> ScanRows:
    """The same, made."""
    k, body = op.carries, op.body
    axes = [*wanted[:k], *(turn_axis(axis) for axis in wanted[k:])]
    found = remade(body, axes, demands(body, axes, rows), rows, nothing)
    at = {v: i for i, v in enumerate(body.inputs)}
    if any(v not in at for v, _ in found.operands):
        raise Uncut("a loop holds an array with a row for each")
    places = [(at[v], axis) for v, axis in found.operands]
    for i, axis in places:
        if 0 <= i - op.consts < k and axis != axes[i - op.consts]:
            raise Uncut("a turn reads a carry in another way than the next turn")
    inputs = dict(zip(places, found.graph.inputs, strict=True))
    consts = [x for x in places if x[0] < op.consts]
    carries = [(op.consts + j, axes[j]) for j in range(k)]
    elements = [x for x in places if x[0] >= op.consts + k]
    for x, v in zip(carries, found.graph.outputs, strict=False):
        inputs.setdefault(x, Value(v.type))  # of a carry that no turn reads
    order = [inputs[x] for x in (*consts, *carries, *elements)]
    scan = replace(op, body=replace(found.graph, inputs=tuple(order)), consts=len(consts))
    elements = [(i, None if axis is None else axis + 1) for i, axis in elements]
    return ScanRows(scan, (*consts, *carries, *elements))
