"""What keeps the derivatives of some applications of a batch out of those of the others.

A branch that an element does not take is computed for it all the same where others take it. Its
values are dropped, but a derivative of it may be infinite or NaN, and zero times that is NaN: what
comes back from it must be dropped as well, at every value that others read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..ir import Node, Parts, Sample, Value, apply
from ..types import Type, spelled
from .elementwise import like, operands, select
from .family import OneResult, partwise, repeated
from .reduce import reduce_any
from .view import broadcast


class Guard(OneResult):
    """x, which nobody reads where `on` does not hold: its cotangent there is zero

    Operands: `on`, along the leading axes of x, or some of them, then x.
    """

    arity = 2

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        on, x = args
        if on.dtype != "bool" or on.shape != x.shape[: on.ndim]:
            raise ProgramError(
                f"guard: a mask of the leading axes of the second operand is required, "
                f"got {spelled(args)}"
            )
        return x

    def reference(self, *args: np.ndarray) -> Any:
        return args[1]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return guard(operands(out)[0], dx)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return cleared(operands(out)[0], ct)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """Of one that all applications share each gets a copy: what is made of it is theirs."""
        return (guard(*repeated(args, batched, size)),)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in ("f32", "f64", "c128"):
            for shape in ((), (2,), (2, 3)):
                yes = np.ones(shape, bool)
                yield Sample(cls(), (Type("bool", shape), Type(dtype, (2, 3))), values=(yes, None))
        for on in (Type("bool", (3,)), Type("i32", (2,))):
            yield Sample(
                cls(), (on, Type("f64", (2, 3))),
                error="guard: a mask of the leading axes of the second operand is required, got",
            )  # fmt: skip


def guard(on: Value, x: Value) -> Value:
    return apply(Guard(), on, x)


def cleared(on: Value, x: Value) -> Value:
    """`x`, zero where `on` does not hold."""
    new = range(on.type.ndim, x.type.ndim)
    return select(broadcast(on, x.shape, new) if new else on, x, like(x, 0.0))


def moves(x: Value) -> bool:
    """Whether there may be a derivative in `x`."""
    return x.type.is_inexact and (x.node is None or bool(x.node.args))


def entered(args: Sequence[Value], batched: Sequence[bool], on: Value) -> tuple[Value, ...]:
    """Operands of what is computed for the rows `on` alone."""
    some: list[Value] = []

    def found(x: Value, yes: bool) -> Value:
        if not moves(x):
            return x
        if not yes and not some:
            some.append(reduce_any(on, (0,)))
        return guard(on if yes else some[0], x)

    return tuple(map(found, args, batched))


def apart(
    args: Sequence[Value], batched: Sequence[bool], size: int, on: Value, shares: bool
) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
    """The operands of one op among those, and which are batched: the derivative in one that all
    rows share sums over rows, of which only those of `on` shall count.

    An op that reads it as it is (`shares`) is linear in it, with the others as factors: these are
    zero in other rows. Another op gets a copy for every row.
    """
    common = [moves(x) and not yes for x, yes in zip(args, batched, strict=True)]
    if not any(common):
        return tuple(args), tuple(batched)
    if shares:
        pairs = zip(args, batched, strict=True)
        kept = (cleared(on, x) if yes and x.type.is_inexact else x for x, yes in pairs)
        return tuple(kept), tuple(batched)
    copies = repeated(args, [not yes for yes in common], size)
    pairs = zip(copies, common, strict=True)
    marks = (yes or new for yes, new in zip(batched, common, strict=True))
    return tuple(guard(on, x) if new else x for x, new in pairs), tuple(marks)
