"""Special functions of one and of two variables: by words of kernels, or by formulas of these.

Derivatives are functions of the same families, so that they are precise to every order: of I_n(x) /
x**n the next of them, of quotients f(x) / x with f(0) = 0 recurrences that begin with a series.

At the edges of a domain a derivative is its limit from within; outside of it, where the value is an
infinity, it is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import ClassVar

from ..ir.graph import Sample, Value, apply
from ..ir.types import FLOATS, Type, finfo
from ..kernel import Const, Expr
from ..kernel import apply as scalar
from .elementwise import (
    add,
    and_,
    div,
    eq,
    floor,
    ge,
    gt,
    le,
    like,
    mul,
    neg,
    operands,
    select,
    sign,
    sub,
)
from .family import Elementwise, OfOne, of_one, of_two
from .formula import Formula
from .reduce import reduce_sum
from .source import iota
from .transcendental import Smooth, digamma, exp, log
from .view import broadcast

__all__ = [
    "beta", "betaln", "binom", "erfcinv", "erfcx", "exprel", "gamma_function", "gamma_sign", "i0",
    "i0e", "i1", "i1e", "kl_div", "log1prel", "log_ndtr", "ndtr", "ndtri", "poch", "rel_entr",
    "zeta",
]  # fmt: skip

ROOT_PI, ROOT_HALF = math.sqrt(math.pi), math.sqrt(0.5)


class Costly(Elementwise, abstract=True):
    """A function of hundreds of operations in f64, whatever the dtype: few samples."""

    domain = FLOATS

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        low, high = cls.interval
        yield Sample(cls(), (Type("f64", (2, 3)),) * cls.arity, low, high)
        if cls.arity == 1:
            yield Sample(cls(), (Type("bf16", (3,)),), low, high)
        else:
            other = (Type("f64", (2, 3)), *(Type("f64", (3, 2)),) * (cls.arity - 1))
            yield Sample(cls(), other, error=f"{cls.name}: operands of one type are required")
        yield Sample(cls(), (Type("i32"),) * cls.arity, error="is required, got i32")


# ---------------------------------------------------------------- the normal distribution


class Erfcx(Costly, Smooth):
    """exp(x**2) erfc(x), precise where erfc is small and below it"""

    def slope(self, x: Value, y: Value) -> Value:
        return sub(mul(mul(x, like(x, 2.0)), y), like(x, 2 / ROOT_PI))


class Erfcinv(Costly, Smooth):
    """The inverse of erfc; infinite at 0 and 2, precise near 0"""

    interval = (0.1, 1.9)

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(x, -ROOT_PI / 2), exp(mul(y, y)))


def in_f64(*args: Expr) -> tuple[Expr, ...]:
    """The operands for a formula whose exponents would lose the digits of f32."""
    return tuple(scalar("cast", x, param="f64") if x.dtype != "f64" else x for x in args)


def rounded(found: Expr, dtype: str) -> Expr:
    """A result in f64 as the dtype of the operands."""
    return found if found.dtype == dtype else scalar("cast", found, param=dtype)


class Ndtr(Costly, Formula):
    """The distribution function of the standard normal

    Accuracy: 4 ulp, in the tail too, where x ** 2 is a square without error and a rest.
    """

    arity = 1
    bounds = (0.0, 1.0)

    def expression(self, *args: Expr) -> Expr:
        (x,) = in_f64(*args)
        found = scalar("erfc", x * -ROOT_HALF) * 0.5
        if args[0].dtype != "f64":
            return rounded(found, args[0].dtype)
        bounded = scalar("maximum", scalar("minimum", x, -1.0), -40.0)
        near = scalar("round", bounded * 16.0) * 0.0625
        size = scalar("exp", near * near * -0.5)
        rest = scalar("exp", (bounded - near) * (bounded + near) * -0.5)
        tail = scalar("erfcx", bounded * -ROOT_HALF) * 0.5 * size * rest
        return scalar("select", scalar("lt", x, -1.0), tail, found)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        density = exp(mul(mul(x, x), like(x, -0.5)))
        return mul(dx, mul(density, like(x, ROOT_HALF / ROOT_PI)))


class LogNdtr(Costly, Formula):
    """The logarithm of the normal distribution function, precise in both tails

    Accuracy: 4 ulp.
    """

    arity = 1
    bounds = (-math.inf, 0.0)

    def expression(self, *args: Expr) -> Expr:
        (x,) = in_f64(*args)
        root = x * ROOT_HALF
        tail = scalar("log", scalar("erfcx", -root) * 0.5) - x * x * 0.5
        above = scalar("erfc", root) * 0.5
        if args[0].dtype == "f64":
            above = Ndtr().expression(0.0 - x)
        rest = scalar("log1p", 0.0 - above)
        found = scalar("select", scalar("lt", x, -1.0), tail, rest)
        return rounded(found, args[0].dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, apply(MillsRatio(), *operands(out)))


class MillsRatio(Costly, Formula):
    """The density of the normal distribution over its distribution function: the slope of its log

    Accuracy: 4 ulp, and x ** 2 / 8 ulp on the right, where it is as small as the density.
    """

    arity = 1

    def expression(self, *args: Expr) -> Expr:
        (x,) = in_f64(*args)
        return rounded(2 * ROOT_HALF / ROOT_PI / scalar("erfcx", x * -ROOT_HALF), args[0].dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, apply(MillsSlope(), *operands(out)))


class MillsSlope(Costly, Formula):
    """-r (x + r) of the ratio r of Mills, its derivative: from -1 on the left to 0

    Accuracy: 1e-11, where x + r is little of each.
    """

    arity = 1
    bounds = (-1.0, 0.0)

    def expression(self, *args: Expr) -> Expr:
        (x,) = in_f64(*args)
        ratio = 2 * ROOT_HALF / ROOT_PI / scalar("erfcx", x * -ROOT_HALF)
        far = scalar("lt", x, -200.0)
        t = 1.0 / scalar("select", far, x, -200.0)
        t = t * t
        series = -1.0 + t * (1.0 + t * (-6.0 + t * 50.0))
        nothing = scalar("eq", ratio, 0.0)  # before x is infinite
        near = 0.0 - ratio * (scalar("select", nothing, 0.0, x) + ratio)
        return rounded(scalar("select", far, series, near), args[0].dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        ratio = apply(MillsRatio(), x)
        left, right = mul(out, add(x, ratio)), mul(ratio, add(out, like(x, 1.0)))
        return neg(mul(dx, add(left, right)))


class Ndtri(Costly, Formula):
    """The inverse of the normal distribution function; infinite at 0 and 1"""

    arity = 1
    interval = (0.05, 0.95)

    def expression(self, *args: Expr) -> Expr:
        return 0.0 - scalar("erfcinv", args[0] * 2.0) * (2 * ROOT_HALF)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        half = mul(mul(out, out), like(out, 0.5))
        return mul(dx, mul(like(out, ROOT_PI * 2 * ROOT_HALF), exp(half)))


# ---------------------------------------------------------------- gamma and beta


class GammaFunction(Costly, Smooth, name="gamma"):
    """The gamma function; infinite at 0, NaN at -1, -2, ...

    Accuracy: 3 ulp; factorials up to 22! are exact.
    """

    interval = (0.5, 4.0)

    def slope(self, x: Value, y: Value) -> Value:
        return mul(y, digamma(x))


def sign_of_gamma(x: Expr) -> Expr:
    """The sign of gamma: it alternates between the poles, where this is 0."""
    down = scalar("floor", x)
    odd = down - scalar("floor", down * 0.5) * 2.0
    left = scalar("select", scalar("eq", down, x), 0.0, 1.0 - odd * 2.0)
    return scalar("select", scalar("gt", x, 0.0), 1.0, left)


class GammaSign(Costly, Formula):
    """The sign of the gamma function: that of x at 0, NaN at -1, -2, ...; the derivative is 0."""

    arity = 1
    bounds = (-1.0, 1.0)

    def expression(self, *args: Expr) -> Expr:
        (x,) = args
        one = scalar("copysign", Const(1.0, x.dtype), x)
        at_pole = scalar("select", scalar("eq", x, 0.0), one, math.nan)
        found = sign_of_gamma(x)
        found = scalar("select", scalar("eq", found, 0.0), at_pole, found)
        return scalar("select", scalar("eq", x, x), found, x)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None


class Betaln(Costly):
    """log |gamma(x) gamma(y) / gamma(x + y)|; of whole x below 1 by the limit where there is one

    Accuracy: 1e-14 of the result or of 1, whichever is more; large arguments cancel no digits.
    """

    commutative = True
    interval = (0.5, 4.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        return mul(dx, sub(digamma((x, y)[i]), digamma(add(x, y))))


def without_fraction(x: Expr) -> Expr:
    return scalar("eq", scalar("floor", x), x)


def at_pole(x: Expr) -> Expr:
    """Whether gamma has a pole there."""
    return scalar("and_", without_fraction(x), scalar("le", x, 0.0))


class Beta(Costly, Formula):
    """gamma(x) gamma(y) / gamma(x + y)

    Accuracy: 2e-14 times 1 + |log| of the result.
    """

    commutative = True
    interval = (0.5, 4.0)

    def expression(self, *args: Expr) -> Expr:
        x, y = in_f64(*args)
        by_gammas = sign_of_gamma(x) * sign_of_gamma(y) * sign_of_gamma(x + y)
        near = scalar("select", scalar("lt", x, y), y, x)  # of two whole numbers the greater
        half = near * 0.5
        turn = scalar("select", without_fraction(half), Const(1.0, x.dtype), -1.0)
        whole = scalar("and_", without_fraction(x), without_fraction(y))
        below = scalar("le", scalar("minimum", x, y), 0.0)
        turn = scalar("select", scalar("lt", x + y, 1.0), turn, 1.0)
        by_gammas = scalar("select", scalar("eq", by_gammas, 0.0), 1.0, by_gammas)
        found = scalar("select", scalar("and_", whole, below), turn, by_gammas)
        pole = scalar("and_", scalar("le", x + y, 0.0), without_fraction(x + y))
        nothing = scalar("and_", pole, scalar("not_", whole))
        size = scalar("exp", scalar("betaln", x, y))
        found = scalar("select", nothing, 0.0, found * size)
        return rounded(found, args[0].dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        return mul(dx, mul(out, sub(digamma((x, y)[i]), digamma(add(x, y)))))


class Binom(Costly, Formula):
    """gamma(n + 1) / (gamma(k + 1) gamma(n - k + 1)), a whole number of whole numbers

    0 for whole k below 0 or above n, NaN for n = -1, -2, ...
    Accuracy: 2e-14 times 1 + |log| of the result; whole results below 2**53 are exact to 1e-15.
    """

    interval = (0.5, 4.0)

    def expression(self, *args: Expr) -> Expr:
        n, k = in_f64(*args)
        rest = n - k
        size = scalar("exp", 0.0 - scalar("betaln", rest + 1.0, k + 1.0)) / scalar("abs", n + 1.0)
        found = sign_of_gamma(n + 1.0) * sign_of_gamma(k + 1.0) * sign_of_gamma(rest + 1.0) * size
        counts = scalar("and_", without_fraction(n), without_fraction(k))
        exact = scalar("and_", counts, scalar("lt", size, 1e15))
        found = scalar("select", exact, scalar("round", found), found)
        outside = scalar("or_", scalar("lt", k, 0.0), scalar("lt", rest, 0.0))
        pole = scalar("or_", scalar("and_", without_fraction(k), scalar("lt", k, 0.0)),
                      scalar("and_", without_fraction(rest), scalar("lt", rest, 0.0)))  # fmt: skip
        found = scalar("select", scalar("and_", outside, pole), 0.0, found)
        undefined = scalar("and_", without_fraction(n), scalar("lt", n, 0.0))
        undefined = scalar("or_", undefined, scalar("ne", n + k, n + k))
        found = scalar("select", undefined, math.nan, found)
        return rounded(found, args[0].dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        n, k = operands(out)
        one = like(n, 1.0)
        rest = add(sub(n, k), one)
        pole = whole_from_0_down(rest)
        slope = digamma(select(pole, one, rest))
        slope = sub(slope, digamma(add(k, one))) if i else sub(digamma(add(n, one)), slope)
        alone = div(gamma_function(add(n, one)), gamma_function(add(k, one)))
        alone = mul(alone, slope_at_pole(rest))
        return mul(dx, select(pole, neg(alone) if i else alone, mul(out, slope)))


def whole_from_0_down(x: Value) -> Value:
    """Whether x is a pole of gamma: 0, -1, ..."""
    return and_(le(x, like(x, 0.0)), eq(floor(x), x))


def slope_at_pole(x: Value) -> Value:
    """The slope of 1 / gamma at x = 0, -1, ...: gamma(1 - x), and its sign by turns."""
    half, one = mul(x, like(x, 0.5)), like(x, 1.0)
    size = gamma_function(select(whole_from_0_down(x), sub(one, x), one))
    return select(eq(floor(half), half), size, neg(size))


class Poch(Costly, Formula):
    """gamma(x + y) / gamma(x), the rising factorial

    Accuracy: 2e-14 times 1 + |log| of the result.
    """

    interval = (0.5, 4.0)

    def expression(self, *args: Expr) -> Expr:
        x, y = in_f64(*args)
        end, falls = x + y, scalar("lt", y, 0.0)
        first, step = scalar("select", falls, end, x), scalar("abs", y)
        before, after = at_pole(x), at_pole(end)
        both = scalar("and_", before, after)
        mirrored = scalar("select", both, 1.0 - first - step, first)
        size = scalar("lgamma", step) - scalar("betaln", mirrored, step)
        size = scalar("exp", scalar("select", falls, -size, size))
        half = y * 0.5
        turn = scalar("select", without_fraction(half), Const(1.0, x.dtype), -1.0)
        found = scalar("select", both, turn, sign_of_gamma(x) * sign_of_gamma(end)) * size
        ends = scalar("select", before, Const(0.0, x.dtype), math.inf)
        found = scalar("select", scalar("ne", before, after), ends, found)
        found = scalar("select", scalar("eq", y, 0.0), 1.0, found)
        return rounded(found, args[0].dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        end, one = add(x, y), like(x, 1.0)
        slope = digamma(end)
        if i:
            return mul(dx, mul(out, slope))
        before, after = whole_from_0_down(x), whole_from_0_down(end)
        mirrored = select(and_(before, after), sub(one, end), end)
        start = select(before, sub(one, x), x)  # psi(1 - x), but for what both have
        found = mul(out, sub(digamma(mirrored), digamma(start)))
        alone = mul(gamma_function(end), slope_at_pole(x))
        return mul(dx, select(before, select(after, found, alone), found))


class Zeta(Costly):
    """The sum of (q + k) ** -x for k = 0, 1, ..., Hurwitz' zeta function; continued to x = 0

    inf at x = 1 and q = 0, -1, ...; of q < 0 for whole x only.
    Accuracy: 3e-15 of the result; its derivative in x 1e-12.
    """

    interval = (1.5, 4.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, q = operands(out)
        if i:
            return mul(dx, neg(mul(x, zeta(add(x, like(x, 1.0)), q))))
        return mul(dx, zeta_slope(x, q))


BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)
"""Over factorials, of the formula of Euler and Maclaurin."""
TERMS = 12


def zeta_slope(x: Value, q: Value) -> Value:
    """The derivative in x of zeta(x, q), by that of each term (Euler and Maclaurin)."""
    one, n = like(x, 1.0), x.type.ndim
    steps = iota(Type(x.dtype, (*x.shape, TERMS)), n)
    sizes = log(add(broadcast(q, steps.shape, (n,)), steps))
    powers = exp(neg(mul(broadcast(x, steps.shape, (n,)), sizes)))
    total = neg(reduce_sum(mul(sizes, powers), (n,)))
    w = add(q, like(q, float(TERMS)))
    size, over = log(w), div(one, w)
    less = sub(x, one)
    # of w / (x - 1) + 1 / 2 + the sum of c x (x + 1) ... w ** -n, times w ** -x
    first = div(w, less)
    rest, slope = add(first, like(x, 0.5)), neg(div(first, less))
    term, turn = mul(x, over), div(one, x)
    square = mul(over, over)
    for k, c in enumerate(BERNOULLI):
        scaled = mul(term, like(x, c))
        rest, slope = add(rest, scaled), add(slope, mul(scaled, turn))
        a, b = (add(x, like(x, float(2 * k + n))) for n in (1, 2))
        both = mul(a, b)
        term = mul(mul(both, square), term)
        turn = add(turn, div(add(a, b), both))
    return add(total, mul(exp(neg(mul(x, size))), sub(slope, mul(size, rest))))


# ---------------------------------------------------------------- Bessel functions


class I0e(Costly, Smooth):
    """I_0(x) exp(-|x|); the derivative at 0 is 0"""

    def slope(self, x: Value, y: Value) -> Value:
        return sub(i1e(x), mul(sign(x), y))


class I1e(Costly, Smooth):
    """I_1(x) exp(-|x|)"""

    def slope(self, x: Value, y: Value) -> Value:
        return sub(sub(i0e(x), apply(BesselRatio(1, True), x)), mul(sign(x), y))


def unscaled(x: Expr, scaled: Expr, ends: Expr) -> Expr:
    """`scaled` times exp(|x|), `ends` where x is infinite."""
    size = scalar("abs", x)
    root = scalar("exp", size * 0.5)  # twice, since exp(|x|) overflows before the product
    return scalar("select", scalar("eq", size, math.inf), ends, scaled * root * root)


class I0(Costly, Formula):
    """The modified Bessel function I of order 0

    Accuracy: 4 ulp.
    """

    arity = 1

    def expression(self, *args: Expr) -> Expr:
        (x,) = args
        return unscaled(x, scalar("i0e", x), scalar("abs", x))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, i1(*operands(out)))


class I1(Costly, Formula):
    """The modified Bessel function I of order 1

    Accuracy: 4 ulp.
    """

    arity = 1

    def expression(self, *args: Expr) -> Expr:
        (x,) = args
        return unscaled(x, scalar("i1e", x), x)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        return mul(dx, sub(i0(x), apply(BesselRatio(1), x)))


class BesselRatio(Formula):
    """I_n(x) / x**n, times exp(-|x|) if `scaled`: by a series, or from the orders 0 and 1"""

    arity = 1
    order: int = 1
    scaled: bool = False

    @property
    def edge(self) -> float:
        return 4.0 + 2.0 * self.order

    def expression(self, *args: Expr) -> Expr:
        (x,) = args
        size = scalar("abs", x)
        near = scalar("lt", size, self.edge)
        safe, lost = scalar("select", near, 1.0, size), scalar("select", near, size, 0.0)
        square = lost * lost
        series: Expr | float = 0.0
        for c in reversed(tuple(self.coefficients(finfo(x.dtype).eps))):
            series = square * series + c if isinstance(series, Expr) else Const(c, x.dtype)
        over = 1.0 / (safe * safe)
        before, found = scalar("i0e", safe), scalar("i1e", safe) / safe
        for n in range(1, self.order):
            before, found = found, (before - found * (2.0 * n)) * over
        if self.scaled:
            assert isinstance(series, Expr)
            series = series * scalar("exp", -lost)
        else:
            root = scalar("exp", safe * 0.5)
            found = found * root * root
        return scalar("select", near, series, found)

    def coefficients(self, eps: float) -> Iterator[float]:
        c = 1 / (2**self.order * math.factorial(self.order))
        k, first = 0, c
        while c * self.edge ** (2 * k) > first * float(eps) / 64:
            yield c
            k += 1
            c *= 0.25 / (k * (k + self.order))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        slope = mul(x, apply(BesselRatio(self.order + 1, self.scaled), x))
        return mul(dx, sub(slope, mul(sign(x), out)) if self.scaled else slope)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1, False), (Type("f32", (2, 3)),), -9.0, 9.0)
        yield Sample(cls(2, True), (Type("f64", (2, 3)),), 0.1, 15.0)
        yield Sample(cls(), (Type("i32", (2,)),), error="is required, got i32[2]")


# ---------------------------------------------------------------- quotients by x


class Quotient(Formula, abstract=True):
    """A derivative, of an `order`, of f(x) / x, where f(0) = 0: a series near 0, else from f**(n)
    = x q**(n) + n q**(n - 1).

    Accuracy: of order 0 a few ulp, of others of the greatest value about 0.
    """

    arity = 1
    edge: ClassVar[float] = 1.0
    order: int = 0

    def terms(self, k: int) -> float:
        """The coefficient of x**k in the series of the derivative."""
        raise NotImplementedError

    def numerators(self, x: Expr) -> list[Expr]:
        """f and its derivatives up to the order."""
        raise NotImplementedError

    def ends(self, x: Expr, found: Expr) -> Expr:
        """`found`, made right where f is infinite."""
        return found

    def expression(self, *args: Expr) -> Expr:
        (x,) = args
        near = scalar("lt", scalar("abs", x), self.edge) if self.order else scalar("eq", x, 0.0)
        safe, lost = scalar("select", near, 1.0, x), scalar("select", near, x, 0.0)
        series: Expr = Const(self.terms(0), x.dtype)
        if self.order:
            terms = list(self.series(float(finfo(x.dtype).eps)))
            series = Const(terms[-1], x.dtype)
            for c in reversed(terms[:-1]):
                series = lost * series + c
        found, *rest = self.numerators(safe)
        found = found / safe
        for n, f in enumerate(rest, 1):
            found = (f - found * float(n)) / safe
        return self.ends(x, scalar("select", near, series, found))

    def series(self, eps: float) -> Iterator[float]:
        for k in range(200):
            yield self.terms(k)
            if abs(self.terms(k)) * self.edge**k < abs(self.terms(0)) * eps / 64:
                return

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, apply(type(self)(self.order + 1), *operands(out)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype, order in (("f32", 0), ("f64", 0), ("f64", 1), ("bf16", 2)):
            yield Sample(cls(order), (Type(dtype, (2, 3)),), -0.6, 3.0)
        yield Sample(cls(), (Type("i32", (2,)),), error="is required, got i32[2]")


class Exprel(Quotient):
    """(e ** x - 1) / x, or its derivative of an order"""

    def terms(self, k: int) -> float:
        return 1 / (math.factorial(k) * (k + self.order + 1))

    def numerators(self, x: Expr) -> list[Expr]:
        return [scalar("expm1", x), *[scalar("exp", x)] * self.order]

    def ends(self, x: Expr, found: Expr) -> Expr:
        if not self.order:  # e ** x alone is infinite before the quotient is
            root = scalar("exp", x * 0.5)
            far = scalar("gt", x, 80.0)
            found = scalar("select", far, scalar("select", far, root / x, 1.0) * root, found)
        return scalar("select", scalar("eq", x, math.inf), x, found)


class Log1prel(Quotient):
    """log(1 + x) / x, or its derivative of an order"""

    edge = 0.25

    def terms(self, k: int) -> float:
        n = self.order
        return (-1.0) ** (k + n) * math.perm(k + n, n) / (k + n + 1)

    def numerators(self, x: Expr) -> list[Expr]:
        found, power = [scalar("log1p", x)], 1.0 / (1.0 + x)
        term = power
        for n in range(1, self.order + 1):
            found.append(term)
            term = term * power * -float(n)
        return found

    def ends(self, x: Expr, found: Expr) -> Expr:
        return scalar("select", scalar("eq", x, math.inf), 0.0, found)


# ---------------------------------------------------------------- entropies


def log_ratio(x: Expr, y: Expr) -> Expr:
    """log(x / y) of positive numbers, precise where they are about equal"""
    ratio = x / y
    near = scalar("and_", scalar("gt", ratio, 0.5), scalar("lt", ratio, 2.0))
    small = scalar("log1p", (x - y) / scalar("select", near, y, 1.0))
    tiny = float(finfo(x.dtype).tiny)
    held = scalar("and_", scalar("gt", ratio, tiny), scalar("lt", ratio, 1 / tiny))
    apart = scalar("log", x) - scalar("log", y)
    large = scalar("select", held, scalar("log", ratio), apart)
    return scalar("select", near, small, large)


class RelEntr(Costly, Formula):
    """x log(x / y); 0 where x is 0, inf where x or y is below 0, or y alone is 0"""

    interval = (0.5, 3.0)

    def expression(self, *args: Expr) -> Expr:
        x, y = args
        inside = scalar("and_", scalar("gt", x, 0.0), scalar("gt", y, 0.0))
        found = x * log_ratio(*(scalar("select", inside, v, 1.0) for v in args))
        nothing = scalar("and_", scalar("eq", x, 0.0), scalar("ge", y, 0.0))
        ends = scalar("select", nothing, Const(0.0, x.dtype), math.inf)
        found = scalar("select", inside, found, ends)
        number = scalar("and_", scalar("eq", x, x), scalar("eq", y, y))
        return scalar("select", number, found, x + y)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        if i:
            return mul(dx, neg(ratio_within(x, y)))
        return mul(dx, ratio_within(x, y, lambda x: add(log(x), like(x, 1.0))))


SERIES = (
    0.07815288900461426, 0.03746071897775383, 0.05422589197440007, 0.05867139530651599,
    0.06667589315724629, 0.07692271982430275, 0.09090909948981357, 0.11111111099118386,
    0.1428571428580005, 0.19999999999999762, 0.3333333333333333,
)  # fmt: skip
"""(atanh(s) / s - 1) / s ** 2 by powers of s ** 2, for |s| < 1 / 3."""


class KlDiv(Costly, Formula):
    """x log(x / y) - x + y; y where x is 0, inf where x or y is below 0, or y alone is 0

    Accuracy: 8 ulp, where x and y are about equal too: by a series in s = (y - x) / (y + x).
    """

    interval = (0.5, 3.0)

    def expression(self, *args: Expr) -> Expr:
        x, y = args
        near = scalar("and_", scalar("lt", y, x * 2.0), scalar("lt", x, y * 2.0))
        u = scalar("select", near, (y - x) / scalar("select", near, x, 1.0), 0.0)
        s = u / (u + 2.0)
        square = s * s
        series: Expr = Const(SERIES[0], x.dtype)
        for c in SERIES[1:]:
            series = square * series + c
        found = RelEntr().expression(x, y)
        whole = scalar("select", scalar("eq", x, 0.0), found + y, found - x + y)
        whole = scalar("select", near, x * (s * (u - square * 2.0 * series)), whole)
        return scalar("select", scalar("eq", found, math.inf), found, whole)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        if i:
            return mul(dx, ratio_within(x, y, lambda x: sub(like(x, 1.0), x)))
        return mul(dx, ratio_within(x, y, log))


def ratio_within(x: Value, y: Value, of: OfOne | None = None) -> Value:
    """x / y, or a function of it, for x from 0 on and y above; 0 elsewhere, where out is inf."""
    zero, one = like(x, 0.0), like(x, 1.0)
    inside = and_(ge(x, zero), gt(y, zero))
    found = div(select(inside, x, one), select(inside, y, one))
    return select(inside, of(found) if of else found, zero)


# ---------------------------------------------------------------- user functions


erfcx = of_one(Erfcx)
erfcinv = of_one(Erfcinv)
log_ndtr = of_one(LogNdtr)
ndtr = of_one(Ndtr)
ndtri = of_one(Ndtri)
gamma_function = of_one(GammaFunction)
gamma_sign = of_one(GammaSign)
beta = of_two(Beta)
betaln = of_two(Betaln)
binom = of_two(Binom)
poch = of_two(Poch)
zeta = of_two(Zeta)
rel_entr = of_two(RelEntr)
kl_div = of_two(KlDiv)
exprel = of_one(Exprel)
log1prel = of_one(Log1prel)
i0, i0e = of_one(I0), of_one(I0e)
i1, i1e = of_one(I1), of_one(I1e)
