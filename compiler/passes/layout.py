"""Chooses the order of axes where the program leaves it open.

What: a product whose result is only read transposed computes the transposed product; products
contract one axis; a product without contraction is a multiplication of broadcasts, which fuses.
Why here: after the laws, before fusion, which reads operands through strides and materialises what
has none.
Before: any graph. After: every dot_general contracts exactly one axis.
Cost: linear in nodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..ir import Graph, Node, Value, apply, apply_all, everywhere, rebuild
from ..ops.contract import DotGeneral
from ..ops.elementwise import mul
from ..ops.view import Broadcast, Permute, permute, reshape


@everywhere
def layout(graph: Graph) -> Graph:
    """`graph` with products in the form that lowering takes."""
    users = graph.users()
    products = [n for n in graph.nodes if isinstance(n.op, DotGeneral)]
    inside = [n for n in products if n.out not in graph.outputs and len(users[n.out]) == 1]
    swapped = {n: transposed(n) for n in inside if transposes(users[n.out][0], n)}
    dropped = {users[n.out][0] for n in swapped}

    def step(node: Node, args: tuple[Value, ...]) -> Sequence[Value]:
        if node in dropped:
            return args
        if isinstance(node.op, DotGeneral):
            op = swapped.get(node, node.op)
            lhs, rhs = args[::-1] if node in swapped else args
            return (one_axis(op, lhs, rhs),)
        return apply_all(node.op, *args)

    return rebuild(graph, step)


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
    return DotGeneral((rhs_k, lhs_k), (rhs_batch, lhs_batch))


def one_axis(op: DotGeneral, lhs: Value, rhs: Value) -> Value:
    """The product with its contracted axes as one."""
    (of_lhs, of_rhs), (lhs_batch, rhs_batch) = op.contracting, op.batching
    if len(of_lhs) == 1:
        return apply(op, lhs, rhs)
    if not of_lhs:
        return broadcast_product(op, lhs, rhs)
    pairs = sorted(zip(of_lhs, of_rhs, strict=True))
    sides = [
        merged(value, batch, [p[k] for p in pairs])
        for k, (value, batch) in enumerate(((lhs, lhs_batch), (rhs, rhs_batch)))
    ]
    (left, left_at, left_batch), (right, right_at, right_batch) = sides
    return apply(DotGeneral(((left_at,), (right_at,)), (left_batch, right_batch)), left, right)


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


def broadcast_product(op: DotGeneral, lhs: Value, rhs: Value) -> Value:
    """The outer product over shared batch axes."""
    out = op.type(lhs.type, rhs.type)
    assert not isinstance(out, tuple)
    batch = len(op.batching[0])
    free = lhs.type.ndim - batch
    sides = []
    for value, own, new in (
        (lhs, op.batching[0], range(batch + free, out.ndim)),
        (rhs, op.batching[1], range(batch, batch + free)),
    ):
        order = (*own, *(d for d in range(value.type.ndim) if d not in own))
        ordered = value if order == tuple(range(len(order))) else permute(value, order)
        sides.append(apply(Broadcast(out.shape, tuple(new)), ordered) if len(new) else ordered)
    return mul(*sides)
