"""Ops that combine the elements along an axis in order: prefixes.

Derivatives of what is not linear are first-order linear recurrences, whose own derivatives are
recurrences again, so every order is one pass along the axis and nothing is divided by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..errors import ProgramError
from ..ir import Node, Pair, Parts, Sample, Value, apply
from ..prefix import running
from ..types import COMPLEX, HALVES, INTEGERS, WIDE, Type, spelled
from .elementwise import add, cast, eq, gt, mul, operands, pairs, product, select, sub
from .family import OneResult, of_domain, partwise
from .source import full
from .transcendental import exp
from .view import broadcast, pad, slice_


class Cumulative(OneResult, abstract=True):
    """Combines the elements along `axis` in order by `kind`, one of prefix.KINDS."""

    kind: ClassVar[str] = ""
    domain: ClassVar[tuple[str, ...]] = (*INTEGERS, *WIDE)

    axis: int
    reverse: bool

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x = of_domain(self, args[0], self.domain)
        if any(a != x for a in args):
            raise ProgramError(
                f"{self.name}: operands of one type are required, got {spelled(args)}"
            )
        if not 0 <= self.axis < x.ndim:
            raise ProgramError(f"{self.name}: an axis of {x} is required, got {self.axis}")
        return x

    def reference(self, *args: np.ndarray) -> Any:
        return running(self.kind, self.axis, self.reverse, *args)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        pairs = zip(args, batched, strict=True)
        whole = (a if yes else broadcast(a, (size, *a.shape), (0,)) for a, yes in pairs)
        return (apply(type(self)(self.axis + 1, self.reverse), *whole),)

    def before(self, x: Value, fill: float, by: int = 1) -> Value:
        """What stands `by` before each element along the axis, `fill` where there is none."""
        if not x.shape[self.axis]:
            return x
        one = tuple(by * (d == self.axis) for d in range(x.type.ndim))
        zeros = (0,) * x.type.ndim
        if self.reverse:
            return pad(slice_(x, one, x.shape), zeros, one, fill)
        stop = tuple(n - s for n, s in zip(x.shape, one, strict=True))
        return pad(slice_(x, zeros, stop), one, zeros, fill)

    def doubled(self, a: Pair, b: Pair | None) -> tuple[Pair, Pair | None]:
        """The prefix products of complex `a`; `b` + a times what stands before, as a recurrence.

        By doubling, which takes log2(n) passes over the values: kernels have no complex prefixes.
        """

        def shifted(z: Pair, fill: float) -> Pair:
            return Pair(self.before(z.re, fill, by), self.before(z.im, 0.0, by))

        by = 1
        while by < a.re.shape[self.axis]:
            if b is not None:
                more = product(a, shifted(b, 0.0))
                b = Pair(add(b.re, more.re), add(b.im, more.im))
            a = product(a, shifted(a, 1.0))
            by *= 2
        return a, b


class Running(Cumulative, abstract=True):
    """The prefixes of one operand."""

    arity = 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls(1, False), (Type(dtype, (2, 5)),))
        last = [d for d in cls.domain if d not in COMPLEX][-1]
        for axis, shape in ((0, (3, 4)), (1, (2, 3, 2)), (0, (1,)), (1, (3, 0)), (0, (40,))):
            for reverse in (False, True):
                yield Sample(cls(axis, reverse), (Type(last, shape),))
        error = f"{cls.name}: an axis of f32[3] is required, got 1"
        yield Sample(cls(1, False), (Type("f32", (3,)),), error=error)
        yield Sample(cls(0, False), (Type("bool", (2,)),), error="is required, got bool[2]")


class Cumsum(Running):
    """y[k] = x[0] + ... + x[k] along `axis`, from the other end if `reverse`"""

    kind = "sum"
    domain = (*INTEGERS, *WIDE, *COMPLEX)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, dx)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return cumsum(ct, self.axis, not self.reverse)


class Cumprod(Running):
    """y[k] = x[0] * ... * x[k] along `axis`, from the other end if `reverse`"""

    kind = "prod"
    domain = (*INTEGERS, *WIDE, *COMPLEX)

    def pair(self, *args: Parts) -> Parts:
        return self.doubled(*pairs(*args), None)[0]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        return linear_recurrence(x, mul(self.before(out, 1.0), dx), self.axis, self.reverse)


class RunningExtreme(Running, abstract=True):
    """The greatest or least so far; NaN wins; two equal winners share the tangent."""

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        infinite = float("-inf") if self.kind == "max" else float("inf")
        last = self.before(out, infinite)
        stays = gt(last, x) if self.kind == "max" else gt(x, last)
        half, one, zero = (full(v, x.type) for v in (0.5, 1.0, 0.0))
        factor = select(stays, one, select(eq(last, x), half, zero))
        factor = select(eq(last, full(infinite, x.type)), zero, factor)
        return linear_recurrence(factor, mul(sub(one, factor), dx), self.axis, self.reverse)


class Cummax(RunningExtreme):
    """y[k] = the greatest of x[0], ... x[k] along `axis`, from the other end if `reverse`"""

    kind = "max"


class Cummin(RunningExtreme):
    """y[k] = the least of x[0], ... x[k] along `axis`, from the other end if `reverse`"""

    kind = "min"


class Cumlogsumexp(Running):
    """y[k] = log(exp(x[0]) + ... + exp(x[k])) along `axis`, from the other end if `reverse`"""

    kind = "logsumexp"
    domain = WIDE

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        none = full(float("-inf"), x.type)
        safe = select(eq(out, none), full(0.0, x.type), out)
        factor = exp(sub(self.before(out, float("-inf")), safe))
        term = mul(exp(sub(x, safe)), dx)
        return linear_recurrence(factor, term, self.axis, self.reverse)


class LinearRecurrence(Cumulative):
    """y[k] = a[k] * y[k-1] + b[k] and y[0] = b[0] along `axis`, from the other end if `reverse`"""

    kind = "recurrence"
    domain: ClassVar[tuple[str, ...]] = (*WIDE, *COMPLEX)
    arity = 2

    def pair(self, *args: Parts) -> Parts:
        a, b = pairs(*args)
        found = self.doubled(a, b)[1]
        assert found is not None
        return found

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, _ = operands(out)
        term = mul(dx, self.before(out, 0.0)) if i == 0 else dx
        return linear_recurrence(a, term, self.axis, self.reverse)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        a, _ = operands(out)
        back = LinearRecurrence(self.axis, not self.reverse)
        return apply(back, back.before(a, 0.0), ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for axis, shape in ((1, (2, 5)), (0, (3, 4)), (0, (1,)), (0, (0,)), (1, (2, 3, 2))):
            for dtype in cls.domain:
                yield Sample(cls(axis, dtype == "f32"), (Type(dtype, shape),) * 2)
        values = (np.array([np.inf, 0.5, 2.0]), np.array([0.0, 1.0, -1.0]))
        yield Sample(cls(0, False), (Type("f64", (3,)),) * 2, values=values, smooth=False)
        both = (Type("f32", (3,)), Type("f32", (2,)))
        error = "linear_recurrence: operands of one type are required, got f32[3] and f32[2]"
        yield Sample(cls(0, False), both, error=error)
        error = "linear_recurrence: an axis of f32[3] is required, got -1"
        yield Sample(cls(-1, False), (Type("f32", (3,)),) * 2, error=error)
        yield Sample(cls(0, False), (Type("i32", (3,)),) * 2, error="is required, got i32[3]")


# ---------------------------------------------------------------- user functions


def cumulated(kind: type[Running], x: Value, axis: int, reverse: bool) -> Value:
    """Halves are combined in f32."""
    wide = cast(x, "f32") if x.dtype in HALVES else x
    return cast(apply(kind(axis, reverse), wide), x.dtype)


def cumsum(x: Value, axis: int, reverse: bool = False) -> Value:
    return cumulated(Cumsum, x, axis, reverse)


def cumprod(x: Value, axis: int, reverse: bool = False) -> Value:
    return cumulated(Cumprod, x, axis, reverse)


def cummax(x: Value, axis: int, reverse: bool = False) -> Value:
    return cumulated(Cummax, x, axis, reverse)


def cummin(x: Value, axis: int, reverse: bool = False) -> Value:
    return cumulated(Cummin, x, axis, reverse)


def cumlogsumexp(x: Value, axis: int, reverse: bool = False) -> Value:
    return cumulated(Cumlogsumexp, x, axis, reverse)


def linear_recurrence(a: Value, b: Value, axis: int, reverse: bool = False) -> Value:
    return apply(LinearRecurrence(axis, reverse), a, b)
