"""The incomplete gamma and beta functions, their densities, and their derivatives by parameters.

P(a, x) and I_x(a, b) are integrals of densities up to x: that is their derivative in x, and the
densities have derivatives by digamma. By a parameter the logarithm of the density is integrated,
over the side of x where it falls, by the double exponential rule in s with t = x exp(-s) or so.

Accuracy of the derivatives in a and b: 5e-8 (f32) and 1e-10 (f64) of the greatest about.
Cost: 67 (f32) or 133 (f64) exponentials an element for each of them, in f64.
Source: Takahasi and Mori, Double exponential formulas for numerical integration, 1974.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.graph import Value, apply
from ..kernel import OPS, Const, Expr
from ..kernel import apply as scalar
from .elementwise import (
    abs,
    add,
    and_,
    cast,
    div,
    gt,
    like,
    lt,
    maximum,
    mul,
    neg,
    operands,
    select,
    sub,
)
from .family import halves_widened, of_one
from .gamma import nodes, random_gamma_grad
from .reduce import reduce_sum
from .source import constant
from .special import Costly
from .transcendental import Smooth, digamma, exp, log, log1p, sqrt
from .view import broadcast

__all__ = ["beta_density", "betainc", "expi", "expn", "gamma_density", "gammainc", "gammaincc"]


class GammaDensity(Costly):
    """x ** (a - 1) exp(-x) / gamma(a)

    Accuracy: 1e-15 times 1 + |log| of the result.
    """

    interval = (0.5, 4.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, x = operands(out)
        one = like(a, 1.0)
        slope = sub(div(sub(a, one), x), one) if i else sub(log(x), digamma(a))
        return mul(dx, mul(out, slope))


class BetaDensity(Costly):
    """x ** (a - 1) (1 - x) ** (b - 1) gamma(a + b) / (gamma(a) gamma(b))

    Accuracy: 1e-15 times 1 + |log| of the result.
    """

    arity = 3
    interval = (0.2, 0.9)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, b, x = operands(out)
        one = like(a, 1.0)
        if i == 2:
            slope = sub(div(sub(a, one), x), div(sub(b, one), sub(one, x)))
        else:
            size = log1p(neg(x)) if i else log(x)
            slope = sub(size, sub(digamma((a, b)[i]), digamma(add(a, b))))
        return mul(dx, mul(out, slope))


class Gammainc(Costly):
    """P(a, x), the integral of t ** (a - 1) exp(-t) / gamma(a) for t from 0 to x

    Accuracy: 1e-13 of the result, in both tails, for a from 1e-3 to 1e6.
    """

    interval = (0.5, 4.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, x = operands(out)
        return mul(dx, gamma_density(a, x) if i else gammainc_slope(a, x))


class Gammaincc(Costly):
    """Q(a, x) = 1 - P(a, x)

    Accuracy: 1e-13 of the result, in both tails, for a from 1e-3 to 1e6.
    """

    interval = (0.5, 4.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, x = operands(out)
        return mul(dx, neg(gamma_density(a, x) if i else gammainc_slope(a, x)))


class Expn(Costly):
    """The integral of exp(-x t) / t ** order for t from 1 on, order 1 or more

    Accuracy: 6e-15 of the result.
    """

    arity = 1
    order: int = 1
    interval = (0.2, 4.0)

    def reference(self, *args: np.ndarray) -> Any:
        (x,) = args
        with np.errstate(all="ignore"):
            found = OPS["expn"].function(np.float64(self.order), halves_widened(x))
        return np.asarray(found).astype(x.dtype)

    def expression(self, *args: Expr) -> Expr:
        return scalar("expn", Const(float(self.order), args[0].dtype), *args)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        less = expn(x, self.order - 1) if self.order > 1 else div(exp(neg(x)), x)
        return mul(dx, neg(less))


class Expi(Costly, Smooth):
    """The principal value of the integral of exp(t) / t for t up to x

    Accuracy: 6e-15 of the result.
    """

    interval = (0.2, 4.0)

    def slope(self, x: Value, y: Value) -> Value:
        return div(exp(x), x)


class Betainc(Costly):
    """I_x(a, b), the integral of t ** (a - 1) (1 - t) ** (b - 1) / B(a, b) for t from 0 to x

    Accuracy: 3e-13 of the result, in both tails, for a and b from 1 to 1e4, 2e-12 from 1e-3.
    """

    arity = 3
    interval = (0.2, 0.9)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, b, x = operands(out)
        return mul(dx, beta_density(a, b, x) if i == 2 else betainc_slope(a, b, x, i))


def between_ends(slope: Value, inside: Value) -> Value:
    """The slope, 0 where x is at an end, where the function has one value for all parameters."""
    return select(inside, slope, like(slope, 0.0))


def gammainc_slope(a: Value, x: Value) -> Value:
    """dP/da: a draw x of shape a moves with a so that P stays (ops/gamma.py)."""
    zero = like(x, 0.0)
    inside = and_(gt(x, zero), lt(x, like(x, float("inf"))))
    safe = select(inside, x, like(x, 1.0))
    return between_ends(neg(mul(gamma_density(a, safe), random_gamma_grad(a, safe))), inside)


def betainc_slope(a: Value, b: Value, x: Value, i: int) -> Value:
    """dI/da (i = 0) or dI/db (1), from the side of the mean where x is.

    With z = x, p, q = a, b, or from the right z = 1 - x, p, q = b, a, and t = z exp(-s), it is

        z * density * integral of (log t - c) exp(-p s) ((1 - t) / (1 - z)) ** (q - 1) ds

    for s from 0 on, c the mean of log t; with log(1 - t) for the derivative in q.
    """
    dtype, shape, n = x.dtype, x.shape, x.type.ndim
    a, b, x = (cast(v, "f64") for v in (a, b, x))
    one, zero = like(x, 1.0), like(x, 0.0)
    inside = and_(gt(x, zero), lt(x, one))
    x = select(inside, x, like(x, 0.5))
    left = lt(mul(x, add(a, b)), a)
    p, q, z = select(left, a, b), select(left, b, a), select(left, x, sub(one, x))
    rest = select(left, sub(one, x), x)
    first = left if i == 0 else select(left, lt(one, zero), gt(one, zero))
    less, total = sub(q, one), digamma(add(a, b))
    # how fast the integrand falls at s = 0, and how it bends there; far away it falls by p
    slope = abs(sub(p, div(mul(less, z), rest)))
    bend = div(sqrt(mul(abs(less), z)), rest)
    width = maximum(div(one, add(slope, bend)), div(one, p))
    offset = sub(select(first, log(z), zero), sub(digamma(select(first, p, q)), total))
    places, weights = nodes(1 / 8 if dtype == "f32" else 1 / 16)

    def along(v: Value) -> Value:
        return broadcast(v, (*shape, len(places)), (n,))

    def nodewise(v: object) -> Value:
        return broadcast(constant(v), (*shape, len(places)), tuple(range(n)))

    s = mul(along(width), nodewise(places))
    t = mul(along(z), exp(neg(s)))
    right = log1p(neg(t))
    power = sub(mul(along(less), sub(right, along(log(rest)))), mul(along(p), s))
    size = select(along(first), neg(s), right)
    terms = mul(mul(add(size, along(offset)), exp(power)), nodewise(weights))
    found = mul(mul(width, z), mul(beta_density(p, q, z), reduce_sum(terms, (n,))))
    return cast(between_ends(select(left, found, neg(found)), inside), dtype)


# ---------------------------------------------------------------- user functions


def gamma_density(a: Value, x: Value) -> Value:
    return apply(GammaDensity(), a, x)


def expn(x: Value, order: int = 1) -> Value:
    return apply(Expn(order), x)


expi = of_one(Expi)


def gammainc(a: Value, x: Value) -> Value:
    return apply(Gammainc(), a, x)


def gammaincc(a: Value, x: Value) -> Value:
    return apply(Gammaincc(), a, x)


def beta_density(a: Value, b: Value, x: Value) -> Value:
    return apply(BetaDensity(), a, b, x)


def betainc(a: Value, b: Value, x: Value) -> Value:
    return apply(Betainc(), a, b, x)
