"""Functions of one and of two real variables, element by element.

Derivatives at edges are JAX's. The factor of a tangent is computed apart from it, as in
elementwise.py.
"""

from __future__ import annotations

import math

from ..ir import Value, apply
from ..types import FLOATS
from .elementwise import (
    add,
    div,
    eq,
    like,
    lt,
    mul,
    neg,
    operands,
    select,
    sub,
)
from .family import Elementwise

# ---------------------------------------------------------------- of one variable


class Smooth(Elementwise, abstract=True):
    """An analytic function of one variable; the tangent is multiplied by `slope`."""

    arity = 1
    domain = FLOATS

    def slope(self, x: Value, y: Value) -> Value:
        """The derivative at x, where the value is y."""
        raise NotImplementedError

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, self.slope(operands(out)[0], out))


class Exp(Smooth):
    """e ** x"""

    def slope(self, x: Value, y: Value) -> Value:
        return y


class Expm1(Smooth):
    """e ** x - 1, precise near 0"""

    def slope(self, x: Value, y: Value) -> Value:
        return add(y, like(y, 1.0))


class Log(Smooth):
    """The natural logarithm; -inf at 0, NaN below."""

    interval = (0.1, 3.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return div(dx, operands(out)[0])


class Log1p(Smooth):
    """log(1 + x), precise near 0"""

    interval = (-0.5, 3.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        return div(dx, add(x, like(x, 1.0)))


class Tanh(Smooth):
    """The hyperbolic tangent"""

    def slope(self, x: Value, y: Value) -> Value:
        one = like(y, 1.0)
        return mul(sub(one, y), add(one, y))


class Sigmoid(Smooth):
    """1 / (1 + e ** -x)"""

    def slope(self, x: Value, y: Value) -> Value:
        return mul(y, sub(like(y, 1.0), y))


class Sqrt(Smooth):
    """The square root; the derivative at 0 is inf."""

    interval = (0.1, 3.0)

    def slope(self, x: Value, y: Value) -> Value:
        return div(like(y, 0.5), y)


class Rsqrt(Smooth):
    """1 / sqrt(x)"""

    interval = (0.1, 3.0)

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(y, -0.5), div(y, x))


class Sin(Smooth):
    """The sine, in radians"""

    def slope(self, x: Value, y: Value) -> Value:
        return cos(x)


class Cos(Smooth):
    """The cosine, in radians"""

    def slope(self, x: Value, y: Value) -> Value:
        return neg(sin(x))


class Erf(Smooth):
    """2 / sqrt(pi) times the integral of e ** -t**2 from 0 to x"""

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(x, 2 / math.sqrt(math.pi)), exp(neg(mul(x, x))))


class Exp2(Smooth):
    """2 ** x"""

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(y, math.log(2)), y)


class Log2(Smooth):
    """The logarithm to base 2; whole for powers of 2."""

    interval = (0.1, 3.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        return div(dx, mul(x, like(x, math.log(2))))


class Log10(Smooth):
    """The logarithm to base 10; whole for powers of 10."""

    interval = (0.1, 3.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        return div(dx, mul(x, like(x, math.log(10))))


class Cbrt(Smooth):
    """The cube root, of negative numbers too; the derivative at 0 is inf."""

    interval = (0.1, 3.0)

    def slope(self, x: Value, y: Value) -> Value:
        return div(like(y, 1 / 3), mul(y, y))


class Tan(Smooth):
    """The tangent, of radians"""

    interval = (-1.2, 1.2)

    def slope(self, x: Value, y: Value) -> Value:
        return add(like(y, 1.0), mul(y, y))


class Asin(Smooth):
    """The angle within pi/2 of 0 whose sine is x"""

    interval = (-0.9, 0.9)

    def slope(self, x: Value, y: Value) -> Value:
        return rsqrt(_one_less_square(x))


class Acos(Smooth):
    """The angle from 0 to pi whose cosine is x"""

    interval = (-0.9, 0.9)

    def slope(self, x: Value, y: Value) -> Value:
        return neg(rsqrt(_one_less_square(x)))


class Atan(Smooth):
    """The angle within pi/2 of 0 whose tangent is x"""

    def slope(self, x: Value, y: Value) -> Value:
        one = like(x, 1.0)
        return div(one, add(one, mul(x, x)))


class Sinh(Smooth):
    """The hyperbolic sine"""

    def slope(self, x: Value, y: Value) -> Value:
        return cosh(x)


class Cosh(Smooth):
    """The hyperbolic cosine"""

    def slope(self, x: Value, y: Value) -> Value:
        return sinh(x)


class Asinh(Smooth):
    """The inverse of sinh"""

    def slope(self, x: Value, y: Value) -> Value:
        return rsqrt(add(mul(x, x), like(x, 1.0)))


class Acosh(Smooth):
    """The inverse of cosh, 0 or more; NaN below 1."""

    interval = (1.1, 3.0)

    def slope(self, x: Value, y: Value) -> Value:
        one = like(x, 1.0)
        return mul(rsqrt(sub(x, one)), rsqrt(add(x, one)))


class Atanh(Smooth):
    """The inverse of tanh; infinite at -1 and 1."""

    interval = (-0.9, 0.9)

    def slope(self, x: Value, y: Value) -> Value:
        return div(like(x, 1.0), _one_less_square(x))


class Erfc(Smooth):
    """1 - erf(x), precise where that is small."""

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(x, -2 / math.sqrt(math.pi)), exp(neg(mul(x, x))))


class Erfinv(Smooth):
    """The inverse of erf; infinite at -1 and 1."""

    interval = (-0.9, 0.9)

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(x, math.sqrt(math.pi) / 2), exp(mul(y, y)))


class Lgamma(Smooth):
    """log |gamma(x)|; inf at 0, -1, ..."""

    interval = (0.5, 4.0)

    def slope(self, x: Value, y: Value) -> Value:
        return digamma(x)


class Digamma(Smooth):
    """The derivative of lgamma; NaN at -1, -2, ..."""

    interval = (0.5, 4.0)

    def slope(self, x: Value, y: Value) -> Value:
        return trigamma(x)


# ---------------------------------------------------------------- of two variables


class Pow(Elementwise):
    """x ** y; integers take no negative exponent.

    The derivative in y takes log(1) for log(0), so that it is 0 at x = 0, y > 0.
    """

    interval = (0.5, 3.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        if i == 0:
            return mul(dx, mul(y, pow(x, sub(y, like(y, 1.0)))))
        return mul(dx, mul(log(select(eq(x, like(x, 0.0)), like(x, 1.0), x)), out))


class Atan2(Elementwise):
    """The angle of the point (y, x) from the first axis, within pi of 0"""

    domain = FLOATS
    interval = (0.5, 2.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        y, x = operands(out)
        square = add(mul(x, x), mul(y, y))
        return mul(dx, neg(div(y, square)) if i else div(x, square))


class Hypot(Elementwise):
    """sqrt(x ** 2 + y ** 2), as large as it may be; the derivative at 0 is 0."""

    commutative = True
    domain = FLOATS

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        zero = eq(out, like(out, 0.0))
        return mul(dx, div(operands(out)[i], select(zero, like(out, 1.0), out)))


# ---------------------------------------------------------------- user functions


def exp(x: Value) -> Value:
    return apply(Exp(), x)


def expm1(x: Value) -> Value:
    return apply(Expm1(), x)


def log(x: Value) -> Value:
    return apply(Log(), x)


def log1p(x: Value) -> Value:
    return apply(Log1p(), x)


def tanh(x: Value) -> Value:
    return apply(Tanh(), x)


def sigmoid(x: Value) -> Value:
    return apply(Sigmoid(), x)


def sqrt(x: Value) -> Value:
    return apply(Sqrt(), x)


def rsqrt(x: Value) -> Value:
    return apply(Rsqrt(), x)


def sin(x: Value) -> Value:
    return apply(Sin(), x)


def cos(x: Value) -> Value:
    return apply(Cos(), x)


def erf(x: Value) -> Value:
    return apply(Erf(), x)


def pow(x: Value, y: Value) -> Value:
    return apply(Pow(), x, y)


def exp2(x: Value) -> Value:
    return apply(Exp2(), x)


def log2(x: Value) -> Value:
    return apply(Log2(), x)


def log10(x: Value) -> Value:
    return apply(Log10(), x)


def cbrt(x: Value) -> Value:
    return apply(Cbrt(), x)


def tan(x: Value) -> Value:
    return apply(Tan(), x)


def asin(x: Value) -> Value:
    return apply(Asin(), x)


def acos(x: Value) -> Value:
    return apply(Acos(), x)


def atan(x: Value) -> Value:
    return apply(Atan(), x)


def sinh(x: Value) -> Value:
    return apply(Sinh(), x)


def cosh(x: Value) -> Value:
    return apply(Cosh(), x)


def asinh(x: Value) -> Value:
    return apply(Asinh(), x)


def acosh(x: Value) -> Value:
    return apply(Acosh(), x)


def atanh(x: Value) -> Value:
    return apply(Atanh(), x)


def erfc(x: Value) -> Value:
    return apply(Erfc(), x)


def erfinv(x: Value) -> Value:
    return apply(Erfinv(), x)


def lgamma(x: Value) -> Value:
    return apply(Lgamma(), x)


def digamma(x: Value) -> Value:
    return apply(Digamma(), x)


def atan2(y: Value, x: Value) -> Value:
    return apply(Atan2(), y, x)


def hypot(x: Value, y: Value) -> Value:
    return apply(Hypot(), x, y)


def _one_less_square(x: Value) -> Value:
    one = like(x, 1.0)
    return mul(sub(one, x), add(one, x))


def trigamma(x: Value) -> Value:
    """The derivative of digamma: reflected, raised to 10, then by the asymptotic series."""
    one, zero = like(x, 1.0), like(x, 0.0)
    left = lt(x, zero)
    z = select(left, sub(one, x), x)
    total = zero
    for k in range(10):
        far = add(z, like(x, float(k)))
        total = add(total, div(one, mul(far, far)))
    v = div(one, add(z, like(x, 10.0)))
    w = mul(v, v)
    series = zero
    for c in (5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        series = mul(w, add(like(x, c), series))
    total = add(total, add(v, add(mul(like(x, 0.5), w), mul(v, series))))
    s = sin(mul(like(x, math.pi), select(left, x, like(x, 0.5))))
    return select(left, sub(div(like(x, math.pi**2), mul(s, s)), total), total)
