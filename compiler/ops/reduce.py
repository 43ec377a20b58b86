"""Ops that combine the elements along axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Pair, Parts, Sample, Value, apply
from ..ir.types import COMPLEX, HALVES, INTEGERS, WIDE, Type
from ..kernel import MONOIDS
from .elementwise import add, cast, complex_product, div, eq, mul, operands
from .family import Reduce, partwise
from .source import full
from .view import broadcast, pad, permute, reshape, slice_

__all__ = [
    "argmax", "argmin", "reduce_all", "reduce_any", "reduce_max", "reduce_min", "reduce_prod",
    "reduce_sum",
]  # fmt: skip


class Sum(Reduce):
    """y[...] = sum of x over `axes`"""

    monoid = "sum"
    domain = (*INTEGERS, *WIDE, *COMPLEX)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return reduce_sum(dx, self.axes)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return broadcast(ct, operands(out)[0].shape, self.axes)


class Prod(Reduce):
    """y[...] = product of x over `axes`. The tangent is that of halving, so zeros do no harm."""

    monoid = "prod"
    domain = (*INTEGERS, *WIDE, *COMPLEX)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = self.in_front(operands(out)[0])
        n = x.shape[0]
        if n == 0:
            return None
        dx = self.in_front(dx)
        while n > 1:
            (a, b), (da, db) = halves(x, 1.0), halves(dx, 0.0)
            x, dx, n = mul(a, b), add(mul(da, b), mul(db, a)), a.shape[0]
        return reshape(dx, out.shape)

    def pair(self, *args: Parts) -> Parts:
        """By halving, which is another order than NumPy's."""
        (z,) = args
        assert isinstance(z, Pair)
        shape = tuple(n for a, n in enumerate(z.re.shape) if a not in self.axes)
        z = Pair(*map(self.in_front, z))
        if z.re.shape[0] == 0:
            return Pair(*(full(one, z.re.type[shape]) for one in (1.0, 0.0)))
        while z.re.shape[0] > 1:
            (a, b), (c, d) = halves(z.re, 1.0), halves(z.im, 0.0)
            z = complex_product(Pair(a, c), Pair(b, d))
        return Pair(*(reshape(v, shape) for v in z))

    def in_front(self, x: Value) -> Value:
        """`x` with the axes of the product as its first one."""
        kept = tuple(a for a in range(len(x.shape)) if a not in self.axes)
        rest, n = tuple(x.shape[a] for a in kept), math.prod(x.shape[a] for a in self.axes)
        return reshape(permute(x, (*self.axes, *kept)), (n, *rest))


class Extreme(Reduce, abstract=True):
    """The greatest or least; NaN wins; equal winners share the tangent."""

    empty = False

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        winner = cast(eq(x, broadcast(out, x.shape, self.axes)), x.dtype)
        return div(reduce_sum(mul(dx, winner), self.axes), reduce_sum(winner, self.axes))


class Max(Extreme):
    """y[...] = the greatest x over `axes`"""

    monoid = "max"


class Min(Extreme):
    """y[...] = the least x over `axes`"""

    monoid = "min"


class AnyTrue(Reduce, name="any"):
    """y[...] = whether any x over `axes` is true"""

    monoid = "any"
    domain = ("bool",)


class All(Reduce):
    """y[...] = whether all x over `axes` are true"""

    monoid = "all"
    domain = ("bool",)


class Where(Reduce, abstract=True):
    """The position along the only axis of an extreme; the first wins, NaN before all."""

    empty = False

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if len(self.axes) != 1:
            raise ProgramError(f"{self.name}: one axis is required, got {self.axes}")
        super().type(*args)
        return Type("i64", tuple(n for i, n in enumerate(args[0].shape) if i not in self.axes))

    def reference(self, *args: np.ndarray) -> Any:
        return MONOIDS[self.monoid].numpy(args[0], self.axes[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls((1,)), (Type(dtype, (2, 3)),))
        nan = np.array([[1.0, np.nan, np.nan], [2.0, 2.0, 1.0]])
        yield Sample(cls((1,)), (Type("f64", (2, 3)),), values=(nan,))
        yield Sample(cls((0,)), (Type("i32", (1,)),))
        yield Sample(cls((1,)), (Type("f32", (0, 3)),))
        yield Sample(
            cls((0,)), (Type("f32", (0, 3)),), error=f"{cls.name}: at least one element is required"
        )
        yield Sample(
            cls((0, 1)),
            (Type("f32", (2, 3)),),
            error=f"{cls.name}: one axis is required, got (0, 1)",
        )
        yield Sample(
            cls((1,)),
            (Type("f32", (2,)),),
            error=f"{cls.name}: distinct ascending axes below 1 are required",
        )


class Argmax(Where):
    """y[...] = the first position of the greatest x along the axis"""

    monoid = "argmax"


class Argmin(Where):
    """y[...] = the first position of the least x along the axis"""

    monoid = "argmin"


# ---------------------------------------------------------------- user functions


def halves(x: Value, fill: float) -> tuple[Value, Value]:
    """The first and the second half along axis 0, the second filled up where the number is odd."""
    n, rest = x.shape[0], x.shape[1:]
    half, zeros = (n + 1) // 2, (0,) * len(rest)
    first = slice_(x, (0, *zeros), (half, *rest), (1,) * x.type.ndim)
    second = slice_(x, (half, *zeros), (n, *rest), (1,) * x.type.ndim)
    return first, pad(second, (0, *zeros), (n % 2, *zeros), fill)


def reduced(kind: type[Reduce], x: Value, axes: Sequence[int]) -> Value:
    """`x` itself where there are no axes to combine; halves are combined in f32."""
    wide = cast(x, "f32") if x.dtype in HALVES else x
    return cast(apply(kind(tuple(sorted(axes))), wide), x.dtype) if axes else x


def reduce_sum(x: Value, axes: Sequence[int]) -> Value:
    return reduced(Sum, x, axes)


def reduce_prod(x: Value, axes: Sequence[int]) -> Value:
    return reduced(Prod, x, axes)


def reduce_max(x: Value, axes: Sequence[int]) -> Value:
    return reduced(Max, x, axes)


def reduce_min(x: Value, axes: Sequence[int]) -> Value:
    return reduced(Min, x, axes)


def reduce_any(x: Value, axes: Sequence[int]) -> Value:
    return reduced(AnyTrue, x, axes)


def reduce_all(x: Value, axes: Sequence[int]) -> Value:
    return reduced(All, x, axes)


def argmax(x: Value, axis: int) -> Value:
    return apply(Argmax((axis,)), cast(x, "f32") if x.dtype in HALVES else x)


def argmin(x: Value, axis: int) -> Value:
    return apply(Argmin((axis,)), cast(x, "f32") if x.dtype in HALVES else x)
