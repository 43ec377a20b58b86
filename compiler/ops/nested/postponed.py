"""Sums over the turns of a loop that are taken after it, at once.

The cotangent of a constant is summed over all turns. Where a turn adds a product or a convolution
to it, as those of weights do, one over all turns does less: it sums in registers what the loop
would read and write in memory in every turn. What it needs of each turn and is no sequence yet is
stacked; that pays where it is no larger than what the turn would add.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from ...ir.graph import Node, Op, Value, apply
from ..contract import DotGeneral
from ..convolution import Convolution
from ..elementwise import Add
from ..family import behind
from ..reduce import Sum
from ..view import Permute

Total = Callable[[Mapping[Value, Value]], Value]
"""A sum over all turns, of the sequences of the values that it needs of each turn."""


class Postponed:
    """Which sums wait, and what is stacked for them.

    `elements`: what is a sequence already; `varying`: what is not the same in every turn.
    """

    def __init__(self, elements: Collection[Value], varying: Collection[Value]) -> None:
        self.elements, self.varying = elements, varying
        self.stacked: dict[Value, None] = {}

    def sum(self, x: Value) -> Total | None:
        """How to sum `x` over all turns after the loop; None where the loop should."""
        node = x.node
        if self.known(x) and x.dtype in Sum.domain:
            return lambda of: apply(Sum((0,)), of[x])
        if node is None:
            return None
        match node.op:
            case Add():
                return self.both(node)
            case Permute():
                inner = self.sum(node.args[0])
                return inner and (lambda of: apply(node.op, inner(of)))
            case DotGeneral() | Convolution():
                return self.product(node)
            case Sum(axes=axes) if self.known(node.args[0]):
                over = Sum((0, *behind(axes)))
                return lambda of: apply(over, of[node.args[0]])
        return None

    def both(self, node: Node) -> Total | None:
        before = dict(self.stacked)
        found = [self.sum(a) for a in node.args]
        first, second = found
        if first is None or second is None:
            self.stacked = before
            return None
        return lambda of: apply(node.op, first(of), second(of))

    def product(self, node: Node) -> Total | None:
        lhs, rhs = node.args
        new = {v for v in map(unpermuted, node.args) if not self.known(v)}
        small = sum(v.type.nbytes for v in new) <= node.out.type.nbytes
        if not small or any(v not in self.varying for v in node.args):
            return None
        self.stacked |= dict.fromkeys(v for v in map(unpermuted, node.args) if v in new)
        return lambda of: over_turns(node.op, sequence(lhs, of), sequence(rhs, of))

    def known(self, x: Value) -> bool:
        """Whether there is a sequence of what `x` is in each turn."""
        return x in self.elements or x in self.stacked


def unpermuted(x: Value) -> Value:
    """What `x` is but for the order of its axes."""
    while x.node is not None and isinstance(x.node.op, Permute):
        (x,) = x.node.args
    return x


def sequence(x: Value, of: Mapping[Value, Value]) -> Value:
    """What `x` is in every turn, of the sequence of what is permuted to it."""
    if x in of or x.node is None:
        return of[x]
    assert isinstance(x.node.op, Permute)
    return apply(x.node.op.lifted(0), sequence(x.node.args[0], of))


def over_turns(op: Op, lhs: Value, rhs: Value) -> Value:
    """The sum of products of two sequences: their axis is contracted too."""
    if isinstance(op, Convolution):
        return op.summed(lhs, rhs)
    assert isinstance(op, DotGeneral)
    (of_lhs, of_rhs), (lhs_batch, rhs_batch) = op.contracting, op.batching
    over = replace(
        op,
        contracting=((0, *behind(of_lhs)), (0, *behind(of_rhs))),
        batching=(behind(lhs_batch), behind(rhs_batch)),
    )
    return apply(over, lhs, rhs)
