"""What keeps the derivatives of some applications of a batch out of those of the others.

A branch that an element does not take is computed for it all the same where others take it. Its
values are dropped, but a derivative of it may be infinite or NaN, and zero times that is NaN: what
comes back from it must be dropped as well, at every value that others read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.graph import Value
from ..ir.symbolic import applied, broadcast, repeated, zeros


def guard(on: Value, x: Value) -> Value:
    """`x`, which nobody reads where `on` does not hold."""
    return applied("guard", on, x)


def cleared(on: Value, x: Value) -> Value:
    """`x`, zero where `on` does not hold."""
    new = tuple(range(on.type.ndim, x.type.ndim))
    return applied("select", broadcast(on, x.shape, new) if new else on, x, zeros(x))


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
            some.append(applied("any", on, axes=(0,)))
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
