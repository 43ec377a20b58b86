"""Constant folding: what depends on constants only, and is small, becomes a constant.

What: an elementwise op or a view on operands that are each one number repeated gives one number
repeated, whatever the shape; any other op without order or effect is folded where its operands are
constants and its result has at most `LIMIT` elements, or it casts a constant to less bytes. An
array of one number becomes the number.
Order: before simplify, whose literals match what this makes; after differentiation, whose factors
it computes.
Before and after: a well-formed graph of the same meaning, by the references of the ops, which are
what the interpreter runs.
Cost: O(n), and the arithmetic of what is folded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.graph import Graph, Node, Op, Value
from ..ir.sizes import derived
from ..ir.types import Type
from ..ir.walk import everywhere, rebuild
from ..ops.elementwise import Cast
from ..ops.family import Computed, Elementwise, Reduce, View
from ..ops.source import Constant, constant, full
from .law import uniform_number

LIMIT = 16


@everywhere
def fold(graph: Graph) -> Graph:
    """The graph with small constant values computed."""
    return rebuild(graph, folded_node)


FOLDED = (Elementwise, View, Reduce, Computed)


def folded_node(old: Node, here: Node) -> tuple[Value, ...] | None:
    found = None
    if isinstance(old.op, Constant):
        found = repeated_constant(old.op.array.data, old.out.type)
    elif any(a.node is None or a.node.args for a in here.args):
        return None  # not of constants alone
    elif here.args and isinstance(old.op, FOLDED):
        found = folded(old.op, here.args, old.out.type)
    return None if found is None else (found,)


def folded(op: Op, args: tuple[Value, ...], of: Type) -> Value | None:
    """The value of `op` on constants, or None where it has to be computed at run time."""
    numbers = [n for v in args if (n := uniform_number(v)) is not None]
    if len(numbers) == len(args) and of.size:
        if isinstance(op, Elementwise):
            return full(derived(NumberOp(op, tuple(v.type.numpy for v in args)), *numbers), of)
        if isinstance(op, View) and all(equal_bits(n, numbers[0]) for n in (*numbers, *fills(op))):
            return full(numbers[0], of)
    made = (v.node.op for v in args if v.node and not v.node.args)
    makers = [op for op in made if isinstance(op, Computed | Constant)]
    if len(makers) < len(args):
        return None
    narrowed = isinstance(op, Cast) and isinstance(makers[0], Constant)
    narrowed = narrowed and of.nbytes < args[0].type.nbytes
    if not narrowed and (max(v.type.size for v in args) > LIMIT or not 0 < of.size <= LIMIT):
        return None
    array = np.asarray(op.reference(*(made.reference() for made in makers)))
    number = repeated_constant(array, of)
    return constant(array) if number is None else number


@dataclass(frozen=True)
class NumberOp:
    """An op on numbers."""

    op: Op
    dtypes: tuple[np.dtype, ...]

    def __call__(self, *numbers: Any) -> Any:
        scalars = [np.asarray(n, d) for n, d in zip(numbers, self.dtypes, strict=True)]
        return np.asarray(self.op.reference(*scalars)).item()


def repeated_constant(array: np.ndarray, of: Type) -> Value | None:
    """The constant of the one number that `array` repeats, if it does."""
    first = array.ravel()[:1]
    if array.size and array.tobytes() == first.tobytes() * array.size:
        return full(first.item(), of)
    return None


def fills(op: View) -> tuple[bool | int | float, ...]:
    """What a view puts where no operand's element stands."""
    return () if type(op).fill is View.fill else (op.fill,)


def equal_bits(x: bool | int | float, y: bool | int | float) -> bool:
    return bool(derived(bits_agree, x, y))


def bits_agree(x: Any, y: Any) -> bool:
    return np.asarray(x).tobytes() == np.asarray(y).tobytes()
