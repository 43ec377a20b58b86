"""Smooth functions whose values are computed in pieces, by max, |x| or a choice.

The pieces are in a kernel's expression alone. Derivatives are said of the function, by functions
that are smooth too, so that they are right where two pieces meet, to every order.

At the edges of a domain: x log(y) and x log(1 + y) have the derivative 0 in y where x is 0 and the
logarithm infinite; -x log(x) has the derivative inf at 0, and 0 below.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..ir.graph import Node, Sample, Value, apply
from ..ir.types import FLOATS, HALVES, INEXACT, NAMES, NUMPY, Type, finfo
from ..kernel import OPS, Const, Expr, Result, walk
from ..kernel import apply as scalar
from .elementwise import (
    abs,
    add,
    and_,
    cast,
    div,
    eq,
    like,
    lt,
    mul,
    neg,
    operands,
    round,
    select,
    sub,
)
from .family import Elementwise, halves_widened, of_one, of_two
from .source import full
from .transcendental import cos, exp, expm1, log, log1p, sin

__all__ = [
    "entr", "fmod", "log1mexp", "log_odds", "logaddexp", "logaddexp2", "sinc", "xlog1py", "xlogy",
]  # fmt: skip


class Formula(Elementwise, abstract=True):
    """An `expression` of scalar operations: what the reference computes, and what becomes of the op
    when all derivatives are taken, so that operations are shared with those around."""

    domain = FLOATS

    def reference(self, *args: np.ndarray) -> Any:
        given = {f"x{i}": np.asarray(halves_widened(a), order="C") for i, a in enumerate(args)}
        names = [Result(n, (), NAMES[a.dtype]) for n, a in given.items()]
        with np.errstate(all="ignore"):
            return np.asarray(evaluated(self.expression(*names), given)).astype(args[0].dtype)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        wide = [cast(a, "f32") if a.dtype in HALVES else a for a in node.args]
        given = {f"x{i}": a for i, a in enumerate(wide)}
        names = [Result(n, (), a.dtype) for n, a in given.items()]
        return (cast(expanded(self.expression(*names), given), node.out.dtype),)

    @property
    def weight(self) -> int:
        given = (Result(f"x{i}", (), "f32") for i in range(self.arity))
        return sum(OPS[e.op].weight for e in walk(self.expression(*given)) if e.op in OPS)


def evaluated(expr: Expr, arguments: dict[str, np.ndarray]) -> Any:
    """The value of an expression where its results have the values `arguments`."""
    memo: dict[Expr, Any] = {}
    for e in walk(expr):
        match e:
            case Result():
                memo[e] = arguments[e.name]
            case Const():
                memo[e] = NUMPY[e.dtype].type(e.value)
            case _:
                to = () if e.param is None else (e.param,)
                memo[e] = OPS[e.op].function(*(memo[a] for a in e.args), *to)
    return memo[expr]


def expanded(expr: Expr, arguments: dict[str, Value]) -> Value:
    """An expression as nodes, where its results are the values `arguments`."""
    of, memo = next(iter(arguments.values())), dict[Expr, Value]()
    for e in walk(expr):
        match e:
            case Result():
                memo[e] = arguments[e.name]
            case Const():
                memo[e] = full(e.value, of.type.of(e.dtype))
            case Expr(op="cast"):
                memo[e] = cast(memo[e.args[0]], e.dtype)
            case _:
                memo[e] = apply(Elementwise.registry[e.op](), *(memo[a] for a in e.args))
    return memo[expr]


# ---------------------------------------------------------------- logarithms of sums


class Logaddexp(Formula):
    """log(e ** x + e ** y), without overflow; of y = 0 it is softplus."""

    commutative = True

    def expression(self, *args: Expr) -> Expr:
        return scalar("maximum", *args) + scalar("log1p", scalar("exp", -distance(*args)))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, apply(Share(i), *operands(out)))


class Logaddexp2(Formula):
    """log2(2 ** x + 2 ** y), without overflow"""

    commutative = True

    def expression(self, *args: Expr) -> Expr:
        more = scalar("log1p", scalar("exp2", -distance(*args)))
        return scalar("maximum", *args) + more * (1 / math.log(2))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, apply(Share2(i), *operands(out)))


class Share(Formula):
    """The part of e ** x + e ** y that an operand makes up, the first (0) or the second (1)."""

    of: int = 0
    base: ClassVar[str] = "exp"
    rate: ClassVar[float] = 1.0

    def expression(self, *args: Expr) -> Expr:
        less = scalar(self.base, -distance(*args))
        greater = scalar("ge", args[self.of], args[1 - self.of])
        return scalar("select", greater, 1.0, less) / (1.0 + less)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        slope = mul(out, apply(type(self)(1 - self.of), *operands(out)))
        rate = self.rate if i == self.of else -self.rate
        return mul(dx, slope if rate == 1.0 else mul(slope, like(slope, rate)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(1), (Type("f64", (2, 3)),) * 2)


class Share2(Share):
    """The part of 2 ** x + 2 ** y that an operand makes up, the first (0) or the second (1)."""

    base = "exp2"
    rate = math.log(2)


def distance(x: Expr, y: Expr) -> Expr:
    """|x - y|, 0 of equal infinities"""
    return scalar("select", scalar("eq", x, y), 0.0, scalar("abs", x - y))


class Log1mexp(Formula):
    """log(1 - e ** x) of x below 0: -inf at 0, NaN above

    Accuracy: 3 ulp, for x near 0 and for large -x.
    Source: Maechler, Accurately computing log(1 - exp(-|a|)), 2012.
    """

    arity = 1
    interval = (-3.0, -0.1)

    def expression(self, *args: Expr) -> Expr:
        (x,) = args
        small = scalar("log", -scalar("expm1", x))
        large = scalar("log1p", -scalar("exp", x))
        return scalar("select", scalar("gt", x, -math.log(2)), small, large)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)  # 0 - y is +0 for both zeros, so that the slope at 0 is -inf
        return mul(dx, neg(div(exp(x), sub(like(x, 0.0), expm1(x)))))


# ---------------------------------------------------------------- logarithms that 0 takes away


class Xlogy(Formula):
    """x log(y), and 0 where x is 0 (but for NaN)"""

    interval = (0.5, 3.0)

    def expression(self, *args: Expr) -> Expr:
        x, y = args
        return unless_nothing(x, y, scalar("log", y))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        return mul(dx, quotient(x, y) if i else log(y))


class Xlog1py(Formula):
    """x log(1 + y), and 0 where x is 0 (but for NaN)"""

    interval = (0.5, 3.0)

    def expression(self, *args: Expr) -> Expr:
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

    def expression(self, *args: Expr) -> Expr:
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

    def expression(self, *args: Expr) -> Expr:
        (p,) = args
        near = scalar("and_", scalar("ge", p, 0.25), scalar("le", p, 0.75))
        odds = scalar("select", near, (p - 0.5) * 2.0, p) / (1.0 - p)
        return scalar("select", near, scalar("log1p", odds), scalar("log", odds))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (p,) = operands(out)
        one = like(p, 1.0)
        return mul(dx, add(div(one, p), div(one, sub(one, p))))


# ---------------------------------------------------------------- quotients, remainders


class Sinc(Formula):
    """The derivative of sin(x) / x of an order, 0 for the function itself

    Accuracy: of 1, the greatest value, a few units in the last place.
    """

    arity = 1
    domain = INEXACT
    bounds = (-1.0, 1.0)
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

    def expression(self, *args: Expr) -> Expr:
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

    def inlined(self, node: Node) -> tuple[Value, ...]:
        (x,) = node.args
        if not x.type.is_complex:
            return super().inlined(node)
        near = lt(abs(x), full(self.edge, x.type.part))
        safe = select(near, like(x, 1.0), x)
        far = self.recurrence(*(FormulaNumber(v) for v in (safe, sin(safe), cos(safe))))
        return (select(near, self.series(FormulaNumber(x), x.type.part.dtype).value, far.value),)

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
class FormulaNumber:
    """A value with the operators of a number."""

    value: Value

    def __neg__(self) -> FormulaNumber:
        return FormulaNumber(neg(self.value))

    def __add__(self, y: float) -> FormulaNumber:
        return FormulaNumber(add(self.value, like(self.value, y)))

    def __sub__(self, y: FormulaNumber) -> FormulaNumber:
        return FormulaNumber(sub(self.value, y.value))

    def __mul__(self, y: FormulaNumber | float) -> FormulaNumber:
        return FormulaNumber(
            mul(self.value, y.value if isinstance(y, FormulaNumber) else like(self.value, y))
        )

    def __truediv__(self, y: FormulaNumber) -> FormulaNumber:
        return FormulaNumber(div(self.value, y.value))


class Fmod(Formula):
    """x - y * (x / y cut towards zero), with the sign of x"""

    interval = (1.0, 5.0)

    def expression(self, *args: Expr) -> Expr:
        x, y = args
        return scalar("copysign", scalar("rem", scalar("abs", x), scalar("abs", y)), x)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        return mul(dx, neg(round(div(sub(x, out), y)))) if i else dx


# ---------------------------------------------------------------- user functions


logaddexp = of_two(Logaddexp)
logaddexp2 = of_two(Logaddexp2)
log1mexp = of_one(Log1mexp)
xlogy = of_two(Xlogy)
xlog1py = of_two(Xlog1py)
entr = of_one(Entr)
log_odds = of_one(LogOdds)


def sinc(x: Value, order: int = 0) -> Value:
    """sin(x) / x, or its derivative of an order."""
    return apply(Sinc(order), x)


fmod = of_two(Fmod)
