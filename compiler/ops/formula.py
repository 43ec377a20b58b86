"""Smooth functions whose values are computed in pieces, by max, |x| or a choice.

The pieces are in a kernel's expression alone. Derivatives are said of the function, by functions
that are smooth too, so that they are right where two pieces meet, to every order.

At the edges of a domain: x log(y) and x log(1 + y) have the derivative 0 in y where x is 0 and the
logarithm infinite; -x log(x) has the derivative inf at 0, and 0 below.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Pair, Parts, Sample, Value, apply
from ..kernel import OPS, Const, Expr, Result, walk
from ..kernel import apply as scalar
from ..types import FLOATS, INEXACT, NAMES, NUMPY, Type, finfo
from .elementwise import (
    Div,
    add,
    and_,
    div,
    eq,
    like,
    lt,
    mul,
    neg,
    number_of,
    operands,
    pairs,
    product,
    round,
    select,
    sub,
)
from .family import Elementwise, in_f32, widened
from .transcendental import Cos, Sin, hypot, infinite, log, log1p, sigmoid


class Formula(Elementwise, abstract=True):
    """An expression of scalar operations, which is what kernels compute and the reference too."""

    domain = FLOATS

    def formula(self, *args: Expr) -> Expr:
        """The result of scalars of f32 or f64."""
        raise NotImplementedError

    def expression(self, *args: Expr) -> Expr:
        found = self.formula(*map(in_f32, args))
        dtype = args[0].dtype
        return found if found.dtype == dtype else scalar("cast", found, param=dtype)

    def reference(self, *args: np.ndarray) -> Any:
        given = {f"x{i}": np.asarray(widened(a), order="C") for i, a in enumerate(args)}
        names = [Result(n, (), NAMES[a.dtype]) for n, a in given.items()]
        with np.errstate(all="ignore"):
            return np.asarray(evaluated(self.formula(*names), given)).astype(args[0].dtype)

    @property
    def weight(self) -> int:
        given = (Result(f"x{i}", (), "f32") for i in range(self.arity))
        return sum(OPS[e.op].weight for e in walk(self.formula(*given)) if e.op in OPS)


def evaluated(expr: Expr, given: dict[str, np.ndarray]) -> Any:
    """The value of an expression where its results have the values `given`."""
    memo: dict[Expr, Any] = {}
    for e in walk(expr):
        match e:
            case Result():
                memo[e] = given[e.name]
            case Const():
                memo[e] = NUMPY[e.dtype].type(e.value)
            case _:
                memo[e] = OPS[e.op].function(*(memo[a] for a in e.args))
    return memo[expr]


# ---------------------------------------------------------------- logarithms of sums


class Logaddexp(Formula):
    """log(e ** x + e ** y), without overflow; of y = 0 it is softplus."""

    commutative = True

    def formula(self, *args: Expr) -> Expr:
        more = scalar("log1p", scalar("exp", -distance(*args)))
        return scalar("maximum", *args) + more

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, sigmoid(lead(operands(out), i)))


class Logaddexp2(Formula):
    """log2(2 ** x + 2 ** y), without overflow"""

    commutative = True

    def formula(self, *args: Expr) -> Expr:
        more = scalar("log1p", scalar("exp2", -distance(*args)))
        return scalar("maximum", *args) + more * (1 / math.log(2))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        ahead = lead(operands(out), i)
        return mul(dx, sigmoid(mul(ahead, like(ahead, math.log(2)))))


def distance(x: Expr, y: Expr) -> Expr:
    """|x - y|, 0 of equal infinities"""
    return scalar("select", scalar("eq", x, y), 0.0, scalar("abs", x - y))


def lead(both: tuple[Value, ...], i: int) -> Value:
    """By how much operand i is the greater; 0 of equal infinities."""
    x, y = both[i], both[1 - i]
    ahead = sub(x, y)
    if any(n is not None and cmath.isfinite(n) for n in map(number_of, both)):
        return ahead
    return select(and_(eq(x, y), infinite(x)), like(x, 0.0), ahead)


# ---------------------------------------------------------------- logarithms that 0 takes away


class Xlogy(Formula):
    """x log(y), and 0 where x is 0 (but for NaN)"""

    interval = (0.5, 3.0)

    def formula(self, *args: Expr) -> Expr:
        x, y = args
        return unless_nothing(x, y, scalar("log", y))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        return mul(dx, quotient(x, y) if i else log(y))


class Xlog1py(Formula):
    """x log(1 + y), and 0 where x is 0 (but for NaN)"""

    interval = (0.5, 3.0)

    def formula(self, *args: Expr) -> Expr:
        x, y = args
        return unless_nothing(x, y, scalar("log1p", y))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        return mul(dx, quotient(x, add(y, like(y, 1.0))) if i else log1p(y))


def unless_nothing(x: Expr, y: Expr, factor: Expr) -> Expr:
    """x times the factor, 0 where x is 0 and y is a number."""
    nothing = scalar("and_", scalar("eq", x, 0.0), scalar("eq", y, y))
    return scalar("select", nothing, 0.0, x * factor)


def quotient(x: Value, y: Value) -> Value:
    """x / y, and 0 / 0 = 0"""
    zero = like(x, 0.0)
    return div(x, select(and_(eq(x, zero), eq(y, zero)), like(y, 1.0), y))


class Entr(Formula):
    """-x log(x), 0 at 0 and -inf below"""

    arity = 1
    interval = (0.1, 3.0)

    def formula(self, *args: Expr) -> Expr:
        (x,) = args
        found = 0.0 - x * scalar("log", scalar("select", scalar("eq", x, 0.0), 1.0, x))
        return scalar("select", scalar("lt", x, 0.0), -math.inf, found)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        below, one = lt(x, like(x, 0.0)), like(x, 1.0)
        slope = neg(add(log(select(below, one, x)), one))
        return mul(dx, select(below, like(x, 0.0), slope))


class LogOdds(Formula):
    """log(p / (1 - p)), the inverse of sigmoid

    Accuracy: 3 ulp, where the result is about 0 too: log1p of what the quotient is more than 1.
    """

    arity = 1
    interval = (0.1, 0.9)

    def formula(self, *args: Expr) -> Expr:
        (p,) = args
        near = scalar("and_", scalar("ge", p, 0.25), scalar("le", p, 0.75))
        odds = scalar("select", near, (p - 0.5) * 2.0, p) / (1.0 - p)
        return scalar("select", near, scalar("log1p", odds), scalar("log", odds))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (p,) = operands(out)
        one = like(p, 1.0)
        return mul(dx, div(one, mul(p, sub(one, p))))


# ---------------------------------------------------------------- quotients, remainders


class Sinc(Formula):
    """The derivative of sin(x) / x of an order, 0 for the function itself

    Accuracy: of 1, the greatest value, a few units in the last place.
    """

    arity = 1
    domain = INEXACT
    order: int = 0

    @property
    def edge(self) -> float:
        """Where the power series ends; sums of sines lose little beyond."""
        return 1.0 + self.order / 2

    def terms(self, dtype: str) -> Iterator[float]:
        """Coefficients by powers of x ** 2, which begin with 1, or with x for odd orders."""
        for k in range(self.order // 2 + self.order % 2, 99):
            rest = 2 * k - self.order
            size = 1 / ((2 * k + 1) * math.factorial(rest))
            yield size * (-1) ** k
            if size * self.edge**rest < float(finfo(dtype).eps) / 64:
                return

    def series(self, x: Any, dtype: str) -> Any:
        """By powers of x."""
        *rest, last, total = self.terms(dtype)
        square = x * x
        for c in (last, *reversed(rest)):
            total = square * total + c
        return x * total if self.order % 2 else total

    def recurrence(self, x: Any, sin: Any, cos: Any) -> Any:
        """By the derivatives of sin(x), which is x times the function."""
        found = sin / x
        turns = (cos, -sin, -cos, sin) * self.order
        for k, turn in zip(range(1, self.order + 1), turns, strict=False):
            found = (turn - found * float(k)) / x
        return found

    def formula(self, *args: Expr) -> Expr:
        (x,) = args
        if self.order:
            near = scalar("lt", scalar("abs", x), self.edge)
            series, cosine = self.series(x, x.dtype), scalar("cos", x)
        else:
            near, series, cosine = scalar("eq", x, 0.0), Const(1.0, x.dtype), x
        safe = scalar("select", near, 1.0, x)
        far = self.recurrence(safe, scalar("sin", x), cosine)
        return scalar("select", near, series, far)

    def reference(self, *args: np.ndarray) -> Any:
        (x,) = args
        if not np.iscomplexobj(x):
            return super().reference(x)
        with np.errstate(all="ignore"):
            near = np.abs(x) < self.edge
            safe = np.where(near, x.dtype.type(1), x)
            far = self.recurrence(safe, np.sin(safe), np.cos(safe))
            found = np.where(near, self.series(x, "f64"), far)
        return np.asarray(found).astype(x.dtype)

    def pair(self, *args: Parts) -> Parts:
        (z,) = pairs(*args)
        near = lt(hypot(*z), like(z.re, self.edge))
        safe = Pair(select(near, like(z.re, 1.0), z.re), select(near, like(z.re, 0.0), z.im))
        far = self.recurrence(Parted(*safe), Parted(*Sin().of(safe)), Parted(*Cos().of(safe)))
        series = self.series(Parted(*z), z.re.dtype)
        return Pair(select(near, series.re, far.re), select(near, series.im, far.im))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, sinc(operands(out)[0], self.order + 1))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            for order in range(4):
                yield Sample(cls(order), (Type(dtype, (2, 3)),), -5.0, 5.0)
        for shape in ((), (1,), (0, 3)):
            yield Sample(cls(1), (Type("f64", shape),))
        yield Sample(cls(0), (Type("i32", (2,)),), error="is required, got i32[2]")


@dataclass(frozen=True)
class Parted:
    """A complex number by parts, with the operators of a number."""

    re: Value
    im: Value

    def __add__(self, y: float) -> Parted:
        return Parted(add(self.re, like(self.re, y)), self.im)

    def __sub__(self, y: Parted) -> Parted:
        return Parted(sub(self.re, y.re), sub(self.im, y.im))

    def __neg__(self) -> Parted:
        return Parted(neg(self.re), neg(self.im))

    def __mul__(self, y: Parted | float) -> Parted:
        other = y if isinstance(y, Parted) else Parted(like(self.re, y), like(self.re, 0.0))
        return Parted(*product(Pair(self.re, self.im), Pair(other.re, other.im)))

    def __truediv__(self, y: Parted) -> Parted:
        found = Div().pair(Pair(self.re, self.im), Pair(y.re, y.im))
        assert isinstance(found, Pair)
        return Parted(*found)


class Fmod(Formula):
    """x - y * (x / y cut towards zero), with the sign of x"""

    interval = (1.0, 5.0)

    def formula(self, *args: Expr) -> Expr:
        x, y = args
        return scalar("copysign", scalar("rem", scalar("abs", x), scalar("abs", y)), x)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        return mul(dx, neg(round(div(sub(x, out), y)))) if i else dx


# ---------------------------------------------------------------- user functions


def logaddexp(x: Value, y: Value) -> Value:
    return apply(Logaddexp(), x, y)


def logaddexp2(x: Value, y: Value) -> Value:
    return apply(Logaddexp2(), x, y)


def xlogy(x: Value, y: Value) -> Value:
    return apply(Xlogy(), x, y)


def xlog1py(x: Value, y: Value) -> Value:
    return apply(Xlog1py(), x, y)


def entr(x: Value) -> Value:
    return apply(Entr(), x)


def log_odds(p: Value) -> Value:
    return apply(LogOdds(), p)


def sinc(x: Value, order: int = 0) -> Value:
    """sin(x) / x, or its derivative of an order."""
    return apply(Sinc(order), x)


def fmod(x: Value, y: Value) -> Value:
    return apply(Fmod(), x, y)
