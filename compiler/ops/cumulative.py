"""Ops that combine the elements along an axis in order: prefixes.

Derivatives of what is not linear are first-order linear recurrences, whose own derivatives are
recurrences again, so every order is one pass along the axis and nothing is divided by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Graph, Node, Pair, Parts, Sample, Value, apply, apply_all
from ..ir.types import COMPLEX, HALVES, INTEGERS, WIDE, Type, spelled
from ..kernel.prefix import running
from .elementwise import add, cast, complex_product, eq, gt, mul, operands, pairs, select, sub
from .family import OneResult, of_domain, partwise
from .nested.scan import Scan
from .source import full
from .transcendental import exp
from .view import broadcast, concatenate, pad, permute, reshape, slice_

__all__ = ["cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "linear_recurrence"]


class Cumulative(OneResult, abstract=True):
    """Combines the elements along `axis` in order by `kind`, one of kernel.monoid.RUNNING."""

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

    def before(self, x: Value, fill: float) -> Value:
        """What stands before each element along the axis, `fill` where there is none."""
        if not x.shape[self.axis]:
            return x
        one = tuple(int(d == self.axis) for d in range(x.type.ndim))
        zeros = (0,) * x.type.ndim
        if self.reverse:
            return pad(slice_(x, one, x.shape), zeros, one, fill)
        stop = tuple(n - s for n, s in zip(x.shape, one, strict=True))
        return pad(slice_(x, zeros, stop), one, zeros, fill)

    def in_turn(self, a: Pair, b: Pair | None) -> Pair:
        """The prefixes of complex numbers, one after the other: kernels have none.

        In another order products that leave the range on the way would meet zeros and be NaN.
        """
        n, dims = a.re.shape[self.axis], range(a.re.type.ndim)
        if n < 2:
            return b or a
        front = [self.axis, *(d for d in dims if d != self.axis)]
        rows = [[permute(v, front) for v in z] for z in (a, b) if z is not None]
        start = n - 1 if self.reverse else 0
        first = [part(v, start, start + 1) for v in rows[-1]]
        carries = [reshape(v, v.shape[1:]) for v in first]
        rest = [part(v, *((0, n - 1) if self.reverse else (1, n))) for z in rows for v in z]
        inputs = [Value(v.type) for v in carries]
        inputs += [Value(Type(v.dtype, v.shape[1:])) for v in rest]
        after = complex_product(Pair(*inputs[2:4]), Pair(*inputs[:2]))
        if b is not None:
            after = Pair(*map(add, after, inputs[4:]))
        body = Graph.of(self.name, tuple(inputs), (*after, *after))
        found = apply_all(Scan(body, 0, 2, n - 1, self.reverse), *carries, *rest)[2:]
        order = [front.index(d) for d in dims]
        whole = ([v, w] if self.reverse else [w, v] for v, w in zip(found, first, strict=True))
        return Pair(*(permute(concatenate(*vs, axis=0), order) for vs in whole))


def part(x: Value, start: int, stop: int) -> Value:
    """Some of the rows of `x`."""
    zeros, ones = (0,) * (x.type.ndim - 1), (1,) * x.type.ndim
    return slice_(x, (start, *zeros), (stop, *x.shape[1:]), ones)


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
        (x,) = pairs(*args)
        return self.in_turn(x, None)

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
        zero, nothing = full(0.0, x.type), eq(out, full(float("-inf"), x.type))
        safe = select(nothing, zero, out)  # where there is nothing yet, the result moves with x
        factor = exp(sub(self.before(out, float("-inf")), safe))
        term = mul(exp(sub(select(nothing, zero, x), safe)), dx)
        return linear_recurrence(factor, term, self.axis, self.reverse)


class LinearRecurrence(Cumulative):
    """y[k] = a[k] * y[k-1] + b[k] and y[0] = b[0] along `axis`, from the other end if `reverse`"""

    kind = "recurrence"
    domain: ClassVar[tuple[str, ...]] = (*WIDE, *COMPLEX)
    arity = 2

    def pair(self, *args: Parts) -> Parts:
        a, b = pairs(*args)
        return self.in_turn(a, b)

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
