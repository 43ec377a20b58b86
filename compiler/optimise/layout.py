"""Chooses the order of axes where the program leaves it open.

What: a product whose result is only read transposed computes the transposed product; one whose
axes of rhs are only read before those of lhs computes a product for each of them, of the same lhs,
so what reads it can fuse; products contract one axis; a product without contraction is a
multiplication of broadcasts, which fuses; a small one is the sum of such a multiplication, which
fuses too: a product's own kernel packs its operands before it begins.
Order: after the laws, before fusion, which reads operands through strides and materialises what
has none.
Before: any graph. After: every dot_general contracts exactly one axis, or several of windows, which
are not one in memory, and has work for its kernel.
Cost: linear in nodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..ir.graph import Graph, Node, Value, apply
from ..ir.types import Type
from ..ir.walk import everywhere, rebuild
from ..ops.contract import DotGeneral
from ..ops.elementwise import mul
from ..ops.family import Elementwise
from ..ops.phases import reads_windows
from ..ops.reduce import reduce_sum
from ..ops.view import Permute, broadcast, permute, reshape

SMALL, SMALL_VECTOR = 512, 4096
"""Multiply-adds up to which a sum was measured to be faster: of matrices, and of a matrix and a
vector. Of two vectors it always is."""
SHALLOW = 4
"""Steps, and rows or columns, of a product that moves more than it adds."""
STREAMED_BYTES = 1 << 24
"""Of matrices that no cache holds: they are read in the order of memory."""


@everywhere
def layout(graph: Graph) -> Graph:
    """`graph` with products in the form that lowering takes."""
    users = graph.users()
    products = [n for n in graph.nodes if isinstance(n.op, DotGeneral)]
    outputs = set(graph.outputs)
    inside = [n for n in products if n.out not in outputs and len(users[n.out]) == 1]
    swapped = {n: transposed(n) for n in inside if transposes(users[n.out][0], n)}
    several = {
        n: first
        for n in inside
        if n not in swapped and (first := leading_axes(users[n.out][0], n)) is not None
    }
    dropped = {users[n.out][0] for n in (*swapped, *several)}

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        if node in dropped:
            return here.args
        if not isinstance(node.op, DotGeneral):
            return None
        op = swapped.get(node, node.op)
        lhs, rhs = here.args[::-1] if node in swapped else here.args
        if node in several:
            op, lhs = one_for_each(op, several[node], lhs, rhs)
        return (one_axis(op, lhs, rhs),)

    return rebuild(graph, change)


def ranks(node: Node) -> tuple[int, int, int]:
    """Number of batch axes, free axes of lhs, free axes of rhs."""
    op = node.op
    assert isinstance(op, DotGeneral)
    batch = len(op.batching[0])
    lhs, rhs = (
        a.type.ndim - batch - len(c) for a, c in zip(node.args, op.contracting, strict=True)
    )
    return batch, lhs, rhs


def transposes(user: Node, product: Node) -> bool:
    """Whether `user` puts the free axes of rhs before those of lhs and changes nothing else."""
    batch, lhs, rhs = ranks(product)
    order = (*range(batch), *range(batch + lhs, batch + lhs + rhs), *range(batch, batch + lhs))
    return isinstance(user.op, Permute) and tuple(user.op.axes) == order


def transposed(product: Node) -> DotGeneral:
    op = product.op
    assert isinstance(op, DotGeneral)
    (lhs_k, rhs_k), (lhs_batch, rhs_batch) = op.contracting, op.batching
    return replace(op, contracting=(rhs_k, lhs_k), batching=(rhs_batch, lhs_batch))


def leading_axes(user: Node, product: Node) -> tuple[int, ...] | None:
    """The axes of the result that `user` puts before those of lhs, where it changes nothing else:
    the batch axes and the first free axes of rhs in any order.
    """
    batch, lhs, rhs = ranks(product)
    if not isinstance(user.op, Permute) or not lhs:
        return None
    axes, end = user.op.axes, user.op.axes.index(batch)
    first, moved = axes[:end], end - batch
    rest = (*range(batch, batch + lhs), *range(batch + lhs + moved, batch + lhs + rhs))
    return first if 0 < moved < rhs and axes[end:] == rest else None


def one_for_each(
    op: DotGeneral, first: tuple[int, ...], lhs: Value, rhs: Value
) -> tuple[DotGeneral, Value]:
    """The product whose batch axes are `first`, and lhs repeated along those that were of rhs."""
    (lhs_k, rhs_k), (lhs_batch, rhs_batch) = op.contracting, op.batching
    batch = len(lhs_batch)
    free = op.free(1, rhs.type.ndim)
    before = lhs.type.ndim - len(lhs_k)  # axes of the result that are not of rhs alone
    moved = [free[d - before] for d in first if d >= batch]
    count = len(moved)
    shape = (*(rhs.shape[d] for d in moved), *lhs.shape)
    new = iter(range(count))
    lhs_first = tuple(next(new) if d >= batch else lhs_batch[d] + count for d in first)
    rhs_first = tuple(free[d - before] if d >= batch else rhs_batch[d] for d in first)
    contracting = tuple(d + count for d in lhs_k), rhs_k
    found = replace(op, contracting=contracting, batching=(lhs_first, rhs_first))
    return found, broadcast(lhs, shape, range(count))


def one_axis(op: DotGeneral, lhs: Value, rhs: Value) -> Value:
    """The product with its contracted axes as one, or as a sum if it is small."""
    (of_lhs, of_rhs), (lhs_batch, rhs_batch) = op.contracting, op.batching
    if len(of_lhs) > 1 and not (reads_windows(lhs) or reads_windows(rhs)):
        pairs = sorted(zip(of_lhs, of_rhs, strict=True))
        sides = [
            merged(value, batch, [p[k] for p in pairs])
            for k, (value, batch) in enumerate(((lhs, lhs_batch), (rhs, rhs_batch)))
        ]
        (lhs, left_at, left_batch), (rhs, right_at, right_batch) = sides
        contracting, batching = ((left_at,), (right_at,)), (left_batch, right_batch)
        op = replace(op, contracting=contracting, batching=batching)
    if small(op, lhs, rhs) and not of_channels(op, lhs):
        return as_sum(op, lhs, rhs)
    found = streamed(op, lhs, rhs) if op.batching[0] else None
    return apply(op, lhs, rhs) if found is None else found


def of_channels(op: DotGeneral, lhs: Value) -> bool:
    """Whether its batches are channels of windows: side by side, they are lanes of one kernel."""
    return len(op.contracting[0]) > 1 and bool(op.batching[0]) and reads_windows(lhs)


def small(op: DotGeneral, lhs: Value, rhs: Value) -> bool:
    """Whether each product of the batch is done before its own kernel would begin, or is shallow:
    points times a matrix of 3 by 3, whose elements are values side by side."""
    depth = math.prod(lhs.shape[d] for d in op.contracting[0])
    if depth == 1:
        return True
    rows, columns = (
        math.prod(x.shape[d] for d in op.free(side, x.type.ndim))
        for side, x in enumerate((lhs, rhs))
    )
    vectors = (rows == 1) + (columns == 1)
    work = rows * columns * depth
    if vectors == 2 or work <= (SMALL_VECTOR if vectors else SMALL):
        return True
    shallow = depth <= SHALLOW and (rows <= SHALLOW or columns <= SHALLOW) and work > SMALL_VECTOR
    return shallow and not (reads_windows(lhs) or reads_windows(rhs))


def streamed(op: DotGeneral, lhs: Value, rhs: Value) -> Value | None:
    """Vectors of a batch times matrices that lie in memory one through another, as the heads of a
    cache do: a sum in the order of memory. None where it is not so, or all is in a cache."""
    free = [op.free(k, x.type.ndim) for k, x in enumerate((lhs, rhs))]
    counts = [math.prod(x.shape[d] for d in axes)
              for x, axes in zip((lhs, rhs), free, strict=True)]  # fmt: skip
    if 1 not in counts:
        return None
    side = counts.index(max(counts))  # of the matrices
    matrix, vector = ((lhs, rhs), (rhs, lhs))[side]
    if matrix.type.nbytes < STREAMED_BYTES or not matrix.type.is_float:
        return None
    axes = list(range(matrix.type.ndim))  # where those of the matrix are in memory
    while matrix.node is not None and isinstance(matrix.node.op, Permute):
        axes = [matrix.node.op.axes[a] for a in axes]
        (matrix,) = matrix.node.args
    batch, summed = ([axes[d] for d in pair[side]] for pair in (op.batching, op.contracting))
    rest = [axes[d] for d in free[side]]
    large = [d for d, n in enumerate(matrix.shape) if n > 1]
    if [d for d in large if d in batch] == large[: sum(d in batch for d in large)]:
        return None
    own = (*op.batching[1 - side], *op.contracting[1 - side])
    shape = [vector.shape[d] for d in own]
    vector = reshape(arranged(vector, (*own, *free[1 - side])), shape)
    order = sorted(range(len(own)), key=[*batch, *summed].__getitem__)
    vector = broadcast(arranged(vector, order), matrix.shape, sorted(rest))
    found = reduce_sum(mul(matrix, vector), sorted(summed))
    left = sorted((*batch, *rest))
    found = arranged(found, [left.index(d) for d in (*batch, *rest)])
    wanted = op.type(lhs.type, rhs.type)
    assert isinstance(wanted, Type)
    return reshape(found, wanted.shape)


def merged(
    value: Value, batch: Sequence[int], axes: Sequence[int]
) -> tuple[Value, int, tuple[int, ...]]:
    """An operand with its contracted axes as one, which that is, and which are the batch axes.

    Axes that stand side by side become one where they are; others are brought to the end.
    """
    ndim, count, first = value.type.ndim, len(axes), axes[0]
    if list(axes) != list(range(first, first + count)):
        free = [d for d in range(ndim) if d not in (*batch, *axes)]
        value = permute(value, (*batch, *free, *axes))
        first, batch = ndim - count, range(len(batch))
    shape = value.shape[:first], value.shape[first : first + count], value.shape[first + count :]
    one = reshape(value, (*shape[0], math.prod(shape[1]), *shape[2]))
    return one, first, tuple(d if d < first else d - count + 1 for d in batch)


def as_sum(op: DotGeneral, lhs: Value, rhs: Value) -> Value:
    """The operands times each other at every point of batch, free and contracted axes, summed.

    Axes to sum over come last, but where the larger operand is computed: its axes stay in order, so
    that it is summed as it is made.
    """
    sides = axis_names(op, 0, lhs.type.ndim), axis_names(op, 1, rhs.type.ndim)
    batch = [sides[0][d] for d in op.batching[0]]
    rows, columns, depth = (
        [x for names in sides for x in names if x[0] == kind]
        for kind in ("rows", "columns", "depth")
    )
    axes = [*batch, *rows, *columns, *depth[: len(depth) // 2]]
    large = int(rhs.type.size >= lhs.type.size)
    if is_arithmetic((lhs, rhs)[large]):
        own = [x for x in sides[large] if x not in batch]
        axes = [*batch, *rows, *own] if large else [*batch, *own, *columns]
    sizes = dict(zip((*sides[0], *sides[1]), (*lhs.shape, *rhs.shape), strict=True))
    shape = [sizes[x] for x in axes]
    factors = [
        arranged(x, [names.index(a) for a in axes if a in names])
        for x, names in zip((lhs, rhs), sides, strict=True)
    ]
    found = mul(*(
        broadcast(x, shape, [i for i, a in enumerate(axes) if a not in names])
        for x, names in zip(factors, sides, strict=True)
    ))  # fmt: skip
    return reduce_sum(found, [i for i, x in enumerate(axes) if x in depth]) if depth else found


def axis_names(op: DotGeneral, side: int, ndim: int) -> list[tuple[str, int]]:
    """What each axis of an operand is, and which of those: two that are paired have one name."""
    found = {d: ("batch", i) for i, d in enumerate(op.batching[side])}
    found |= {d: ("depth", i) for i, d in enumerate(op.contracting[side])}
    kind = ("rows", "columns")[side]
    found |= {d: (kind, i) for i, d in enumerate(op.free(side, ndim))}
    return [found[d] for d in range(ndim)]


def is_arithmetic(x: Value) -> bool:
    """Whether its elements are made by arithmetic."""
    return x.node is not None and isinstance(x.node.op, Elementwise)


def arranged(value: Value, order: Sequence[int]) -> Value:
    """The value with its axes in this order."""
    return value if list(order) == sorted(order) else permute(value, order)
