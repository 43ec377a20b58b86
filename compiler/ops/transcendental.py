"""Functions of one and of two variables, element by element.

Derivatives at edges are JAX's. The factor of a tangent is computed apart from it, as in
elementwise.py.

Of complex variables: branch cuts, signed zeros and infinities are those of C99, as in NumPy, unless
a function says otherwise. Accuracy is that of |error| / |result|, which is a few units in the last
place of the parts' dtype; one part alone may have less where it is much the smaller.
"""

from __future__ import annotations

import math

from ..ir.graph import Pair, Parts, Value, apply
from ..ir.types import FLOATS, INEXACT, finfo
from .elementwise import (
    NUMBERS,
    Div,
    abs,
    add,
    and_,
    complex_product,
    copysign,
    div,
    eq,
    gt,
    like,
    lt,
    maximum,
    minimum,
    mul,
    neg,
    not_,
    number_of,
    operands,
    or_,
    pairs,
    select,
    stop_gradient,
    sub,
)
from .family import Elementwise, of_one, of_two

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "digamma",
    "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "hypot", "lgamma", "log", "log1p", "log2",
    "log10", "pow", "rsqrt", "sigmoid", "sin", "sinh", "sqrt", "tan", "tanh",
]  # fmt: skip

SHIFT = {"f32": 64.0, "f64": 512.0}
"""What e ** x is divided by e to the power of, where x is greater."""
FLAT = {"f32": 20.0, "f64": 300.0}
"""Where tanh is 1 to the last bit, and sinh ** 4 is no overflow."""
POLE = {"f32": 2.0**-60, "f64": 2.0**-500}
"""How near to a pole a square is about to be nothing."""

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

    def of(self, x: Pair) -> Pair:
        """The function of a complex number by parts."""
        found = self.pair(x)
        assert isinstance(found, Pair)
        return found


class Analytic(Smooth, abstract=True):
    """A function of real and of complex numbers."""

    domain = INEXACT


class Exp(Analytic):
    """e ** x"""

    def slope(self, x: Value, y: Value) -> Value:
        return y

    def pair(self, *args: Parts) -> Parts:
        """Great results are scaled last: e ** x may overflow where its parts do not."""
        ((x, y),) = pairs(*args)
        shift = SHIFT[x.dtype]
        great = gt(x, like(x, shift))
        size = exp(select(great, sub(x, like(x, shift)), x))
        factor = select(great, like(x, math.exp(shift)), like(x, 1.0))
        zero, lost = like(x, 0.0), and_(infinite(x), not_(finite(y)))
        re = select(lost, size, mul(mul(size, cos(y)), factor))
        im = mul(mul(size, sin(y)), factor)
        im = select(eq(y, zero), y, select(and_(lost, lt(x, zero)), zero, im))
        return Pair(re, im)


class Expm1(Analytic):
    """e ** x - 1, precise near 0"""

    def pair(self, *args: Parts) -> Parts:
        ((x, y),) = pairs(*args)
        half = sin(mul(y, like(y, 0.5)))
        re = sub(mul(expm1(x), cos(y)), mul(mul(half, half), like(x, 2.0)))
        return Pair(re, mul(exp(x), sin(y)))

    def slope(self, x: Value, y: Value) -> Value:
        return add(y, like(y, 1.0))


class Log(Analytic):
    """The natural logarithm; -inf at 0, NaN of real numbers below."""

    interval = (0.1, 3.0)

    def pair(self, *args: Parts) -> Parts:
        """log of the greater part, and of what the lesser adds; the angle."""
        ((x, y),) = pairs(*args)
        a, b = abs(x), abs(y)
        steep = lt(a, b)
        large, small = select(steep, b, a), select(steep, a, b)
        zero, one = like(x, 0.0), like(x, 1.0)
        ratio = div(small, select(eq(large, zero), one, large))
        ratio = select(infinite(large), zero, ratio)
        more = mul(log1p(mul(ratio, ratio)), like(x, 0.5))
        re = select(infinite(y), b, add(log(large), more))
        return Pair(re, atan2(y, x))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return div(dx, operands(out)[0])


class Log1p(Analytic):
    """log(1 + x), precise near 0"""

    interval = (-0.5, 3.0)

    def pair(self, *args: Parts) -> Parts:
        ((x, y),) = pairs(*args)
        half = like(x, 0.5)
        near = and_(lt(abs(x), half), lt(abs(y), half))
        square = add(mul(x, add(x, like(x, 2.0))), mul(y, y))  # |1 + x|**2 - 1
        far = Log().of(Pair(add(x, like(x, 1.0)), y))
        return Pair(select(near, mul(log1p(square), half), far.re), far.im)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        return div(dx, add(x, like(x, 1.0)))


class Tanh(Analytic):
    """The hyperbolic tangent

    Source: Kahan, Branch cuts for complex elementary functions, 1987.
    """

    def slope(self, x: Value, y: Value) -> Value:
        one = like(y, 1.0)
        return mul(sub(one, y), add(one, y))

    def pair(self, *args: Parts) -> Parts:
        ((x, y),) = pairs(*args)
        zero, one, most = like(x, 0.0), like(x, 1.0), like(x, FLAT[x.dtype])
        s = sinh(minimum(maximum(x, neg(most)), most))
        t, square = tan(y), mul(s, s)
        slope = add(one, mul(t, t))
        below = add(one, mul(slope, square))
        re = mul(div(mul(slope, s), below), sqrt(add(one, square)))
        im = div(t, below)
        far = and_(gt(abs(x), add(most, most)), or_(finite(y), infinite(x)))
        re = select(far, copysign(one, x), select(eq(x, zero), x, re))
        return Pair(re, select(eq(y, zero), y, select(far, copysign(zero, im), im)))


class Sigmoid(Analytic):
    """1 / (1 + e ** -x)"""

    def pair(self, *args: Parts) -> Parts:
        """By e to the power of -x or of x, whichever is small."""
        ((x, y),) = pairs(*args)
        zero, one = like(x, 0.0), like(x, 1.0)
        left = lt(x, zero)
        e = Exp().of(Pair(neg(abs(x)), select(left, y, neg(y))))
        above = Pair(select(left, e.re, one), select(left, e.im, zero))
        return Div().pair(above, Pair(add(one, e.re), e.im))

    def slope(self, x: Value, y: Value) -> Value:
        return mul(y, sub(like(y, 1.0), y))


class Sqrt(Analytic):
    """The square root; the derivative at 0 is inf."""

    interval = (0.1, 3.0)

    def pair(self, *args: Parts) -> Parts:
        """sqrt((|re x| + |x|) / 2) is one part, of what is scaled so that |x| is no overflow."""
        ((x, y),) = pairs(*args)
        zero, bits = like(x, 0.0), 2 * ((finfo(x.dtype).nmant + 1) // 2)
        tiny = lt(maximum(abs(x), abs(y)), like(x, float(finfo(x.dtype).tiny) * 4))
        scale = select(tiny, like(x, 2.0**bits), like(x, 0.25))
        a, b = abs(mul(x, scale)), mul(y, scale)
        root = sqrt(mul(add(a, hypot(a, b)), like(x, 0.5)))
        nothing = eq(root, zero)
        other = div(mul(b, like(x, 0.5)), select(nothing, like(x, 1.0), root))
        back = select(tiny, like(x, 2.0 ** (-bits // 2)), like(x, 2.0))
        root, other = mul(root, back), mul(other, back)
        left = lt(x, zero)
        re = select(left, abs(other), root)
        im = select(left, copysign(root, y), select(nothing, y, other))
        return Pair(select(infinite(y), abs(y), re), select(infinite(y), y, im))

    def slope(self, x: Value, y: Value) -> Value:
        return div(like(y, 0.5), y)


class Rsqrt(Analytic):
    """1 / sqrt(x)"""

    interval = (0.1, 3.0)

    def pair(self, *args: Parts) -> Parts:
        root = Sqrt().of(*pairs(*args))
        return Div().pair(Pair(like(root.re, 1.0), like(root.re, 0.0)), root)

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(y, -0.5), div(y, x))


class Sin(Analytic):
    """The sine, in radians"""

    bounds = (-1.0, 1.0)

    def pair(self, *args: Parts) -> Parts:
        return unturned(Sinh().of(times_i(*pairs(*args))))

    def slope(self, x: Value, y: Value) -> Value:
        return cos(x)


class Cos(Analytic):
    """The cosine, in radians"""

    bounds = (-1.0, 1.0)

    def pair(self, *args: Parts) -> Parts:
        return Cosh().pair(times_i(*pairs(*args)))

    def slope(self, x: Value, y: Value) -> Value:
        return neg(sin(x))


class Erf(Smooth):
    """2 / sqrt(pi) times the integral of e ** -t**2 from 0 to x"""

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(x, 2 / math.sqrt(math.pi)), exp(neg(mul(x, x))))


class Exp2(Analytic):
    """2 ** x"""

    def pair(self, *args: Parts) -> Parts:
        return Exp().pair(Pair(*(mul(v, like(v, math.log(2))) for v in pairs(*args)[0])))

    def slope(self, x: Value, y: Value) -> Value:
        return mul(like(y, math.log(2)), y)


class Log2(Analytic):
    """The logarithm to base 2; whole for real powers of 2."""

    interval = (0.1, 3.0)

    def pair(self, *args: Parts) -> Parts:
        return Pair(*(mul(v, like(v, 1 / math.log(2))) for v in Log().of(*pairs(*args))))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        return div(dx, mul(x, like(x, math.log(2))))


class Log10(Analytic):
    """The logarithm to base 10; whole for real powers of 10."""

    interval = (0.1, 3.0)

    def pair(self, *args: Parts) -> Parts:
        return Pair(*(mul(v, like(v, 1 / math.log(10))) for v in Log().of(*pairs(*args))))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        return div(dx, mul(x, like(x, math.log(10))))


class Cbrt(Smooth):
    """The cube root, of negative numbers too; the derivative at 0 is inf."""

    interval = (0.1, 3.0)

    def slope(self, x: Value, y: Value) -> Value:
        root = div(like(y, 1.0), y)  # squared, so that at 0 no power of 0 times infinity is NaN
        return mul(like(y, 1 / 3), mul(root, root))


class Tan(Analytic):
    """The tangent, of radians"""

    interval = (-1.2, 1.2)

    def pair(self, *args: Parts) -> Parts:
        return unturned(Tanh().of(times_i(*pairs(*args))))

    def slope(self, x: Value, y: Value) -> Value:
        return add(like(y, 1.0), mul(y, y))


class Asin(Analytic):
    """The angle within pi/2 of 0 whose sine is x

    Source: Kahan, Branch cuts for complex elementary functions, 1987; so are the five below.
    """

    interval = (-0.9, 0.9)

    def pair(self, *args: Parts) -> Parts:
        (given,) = pairs(*args)
        z = bounded(given)
        below, above = roots(Pair(neg(z.re), neg(z.im))), roots(z)
        re = atan2(z.re, sub(mul(below.re, above.re), mul(below.im, above.im)))
        im = asinh(sub(mul(below.re, above.im), mul(below.im, above.re)))
        return Pair(re, stretched(im, given))

    def slope(self, x: Value, y: Value) -> Value:
        return rsqrt(_one_less_square(x))


class Acos(Analytic):
    """The angle from 0 to pi whose cosine is x"""

    interval = (-0.9, 0.9)

    def pair(self, *args: Parts) -> Parts:
        (given,) = pairs(*args)
        z = bounded(given)
        below, above = roots(Pair(neg(z.re), neg(z.im))), roots(z)
        re = mul(atan2(below.re, above.re), like(z.re, 2.0))
        im = asinh(sub(mul(above.re, below.im), mul(above.im, below.re)))
        return Pair(re, stretched(im, given))

    def slope(self, x: Value, y: Value) -> Value:
        return neg(rsqrt(_one_less_square(x)))


class Atan(Analytic):
    """The angle within pi/2 of 0 whose tangent is x"""

    def pair(self, *args: Parts) -> Parts:
        return unturned(Atanh().of(times_i(*pairs(*args))))

    def slope(self, x: Value, y: Value) -> Value:
        one = like(x, 1.0)
        return div(one, add(one, mul(x, x)))


class Sinh(Analytic):
    """The hyperbolic sine"""

    def pair(self, *args: Parts) -> Parts:
        ((x, y),) = pairs(*args)
        zero = like(x, 0.0)
        edge = and_(not_(finite(y)), or_(eq(x, zero), infinite(x)))
        re = select(edge, x, mul(sinh(x), cos(y)))
        return Pair(re, select(eq(y, zero), y, mul(cosh(x), sin(y))))

    def slope(self, x: Value, y: Value) -> Value:
        return cosh(x)


class Cosh(Analytic):
    """The hyperbolic cosine"""

    bounds = (1.0, math.inf)

    def pair(self, *args: Parts) -> Parts:
        ((x, y),) = pairs(*args)
        zero, away = like(x, 0.0), not_(finite(y))
        re = select(and_(away, infinite(x)), abs(x), mul(cosh(x), cos(y)))
        im = select(and_(away, eq(x, zero)), x, mul(sinh(x), sin(y)))
        return Pair(re, select(eq(y, zero), mul(copysign(like(x, 1.0), x), y), im))

    def slope(self, x: Value, y: Value) -> Value:
        return sinh(x)


class Asinh(Analytic):
    """The inverse of sinh"""

    def pair(self, *args: Parts) -> Parts:
        return unturned(Asin().of(times_i(*pairs(*args))))

    def slope(self, x: Value, y: Value) -> Value:
        return rsqrt(add(mul(x, x), like(x, 1.0)))


class Acosh(Analytic):
    """The inverse of cosh, 0 or more; NaN of real numbers below 1."""

    interval = (1.1, 3.0)

    def pair(self, *args: Parts) -> Parts:
        (given,) = pairs(*args)
        z = bounded(given)
        below = Sqrt().of(Pair(sub(z.re, like(z.re, 1.0)), z.im))
        above = roots(z)
        re = asinh(add(mul(below.re, above.re), mul(below.im, above.im)))
        im = mul(atan2(below.im, above.re), like(z.re, 2.0))
        return Pair(stretched(re, given), im)

    def slope(self, x: Value, y: Value) -> Value:
        one = like(x, 1.0)
        return mul(rsqrt(sub(x, one)), rsqrt(add(x, one)))


class Atanh(Analytic):
    """The inverse of tanh; infinite at -1 and 1."""

    interval = (-0.9, 0.9)

    def pair(self, *args: Parts) -> Parts:
        ((x, y),) = pairs(*args)
        one, size = like(x, 1.0), abs(x)
        left, square = sub(one, size), mul(y, y)
        ratio = div(mul(size, like(x, 4.0)), add(mul(left, left), square))
        distance = hypot(left, y)  # of a pole, where log1p(4 / distance ** 2) would overflow
        pole = mul(sub(like(x, math.log(2)), log(distance)), like(x, 0.5))  # |x| is 1 there
        re = mul(log1p(ratio), like(x, 0.25))
        re = copysign(select(lt(distance, like(x, POLE[x.dtype])), pole, re), x)
        angle = atan2(mul(y, like(y, 2.0)), sub(mul(left, add(one, size)), square))
        most = like(
            x, 4 * float(finfo(x.dtype).eps) ** -2
        )  # beyond, 1 / x is nothing beside pi / 2
        far, right = or_(gt(size, most), gt(abs(y), most)), like(x, math.pi / 2)
        re = select(far, copysign(like(x, 0.0), x), re)
        return Pair(re, select(far, copysign(right, y), mul(angle, like(x, 0.5))))

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
    """x ** y; integers to negative powers are 0.

    The derivative in y takes log(1) for log(0), so that it is 0 at x = 0, y > 0. Complex powers
    are e ** (y log x), so their error grows with |y log x|; x ** 0 is 1, and 0 to a power that is
    not above 0 is NaN.
    """

    domain = NUMBERS
    interval = (0.5, 3.0)

    def pair(self, *args: Parts) -> Parts:
        x, y = pairs(*args)
        zero, one, nan = (like(x.re, v) for v in (0.0, 1.0, math.nan))
        none = and_(eq(x.re, zero), eq(x.im, zero))
        above = gt(y.re, zero)
        power = Exp().of(complex_product(y, Log().of(Pair(select(none, one, x.re), x.im))))
        of_zero = select(above, zero, nan)
        first = and_(eq(y.re, zero), eq(y.im, zero))
        re = select(first, one, select(none, of_zero, power.re))
        return Pair(re, select(first, zero, select(none, of_zero, power.im)))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        if i == 0:
            known = number_of(y)
            if known is not None:
                power = mul(like(x, known), pow(x, like(x, known - 1)))
                return mul(dx, power) if known else None
            zero = like(x, 0.0)  # 0 ** -1 times 0 would be NaN where x ** 0 is 1 for every x
            safe = select(and_(eq(x, zero), eq(y, zero)), like(x, 1.0), x)
            return mul(dx, mul(y, pow(safe, sub(y, like(y, 1.0)))))
        return mul(dx, mul(log(select(eq(x, like(x, 0.0)), like(x, 1.0), x)), out))


class Atan2(Elementwise):
    """The angle of the point (y, x) from the first axis, within pi of 0"""

    domain = FLOATS
    interval = (0.5, 2.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        y, x = operands(out)
        # scaled, as the squares may overflow or be nothing; no scale changes the slope
        most = like(x, float(finfo(x.dtype).max) / 8)
        scale = div(like(x, 1.0), stop_gradient(minimum(maximum(abs(x), abs(y)), most)))
        x, y = mul(x, scale), mul(y, scale)
        slope = div(neg(y) if i else x, add(mul(x, x), mul(y, y)))
        return mul(dx, mul(slope, scale))


class Hypot(Elementwise):
    """sqrt(x ** 2 + y ** 2), as large as it may be; the derivative at 0 is 0."""

    commutative = True
    domain = FLOATS
    bounds = (0.0, math.inf)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        zero = eq(out, like(out, 0.0))
        slope = div(operands(out)[i], select(zero, like(out, 1.0), out))
        return mul(dx, select(zero, like(out, 0.0), slope))


# ---------------------------------------------------------------- user functions


exp = of_one(Exp)
expm1 = of_one(Expm1)
log = of_one(Log)
log1p = of_one(Log1p)
tanh = of_one(Tanh)
sigmoid = of_one(Sigmoid)
sqrt = of_one(Sqrt)
rsqrt = of_one(Rsqrt)
sin = of_one(Sin)
cos = of_one(Cos)
erf = of_one(Erf)
pow = of_two(Pow)
exp2 = of_one(Exp2)
log2 = of_one(Log2)
log10 = of_one(Log10)
cbrt = of_one(Cbrt)
tan = of_one(Tan)
asin = of_one(Asin)
acos = of_one(Acos)
atan = of_one(Atan)
sinh = of_one(Sinh)
cosh = of_one(Cosh)
asinh = of_one(Asinh)
acosh = of_one(Acosh)
atanh = of_one(Atanh)
erfc = of_one(Erfc)
erfinv = of_one(Erfinv)
lgamma = of_one(Lgamma)
digamma = of_one(Digamma)


def atan2(y: Value, x: Value) -> Value:
    return apply(Atan2(), y, x)


hypot = of_two(Hypot)


def infinite(x: Value) -> Value:
    return eq(abs(x), like(x, math.inf))


def finite(x: Value) -> Value:
    return lt(abs(x), like(x, math.inf))


def times_i(z: Pair) -> Pair:
    """i z"""
    return Pair(neg(z.im), z.re)


def unturned(z: Pair) -> Pair:
    """-i z"""
    return Pair(z.im, neg(z.re))


def bounded(z: Pair) -> Pair:
    """A finite number at the angle of an infinite one."""
    most, zero = like(z.re, float(finfo(z.re.dtype).max) / 8), like(z.re, 0.0)
    edge = or_(*map(infinite, z))

    def part(v: Value) -> Value:
        return select(edge, select(infinite(v), copysign(most, v), mul(v, zero)), v)

    return Pair(*map(part, z))


def stretched(x: Value, z: Pair) -> Value:
    """x, infinite where a part of `z` is."""
    most = like(x, math.inf)
    return select(or_(infinite(z.re), infinite(z.im)), copysign(most, x), x)


def roots(z: Pair) -> Pair:
    """sqrt(1 + z)"""
    return Sqrt().of(Pair(add(z.re, like(z.re, 1.0)), z.im))


def _one_less_square(x: Value) -> Value:
    """1 - x ** 2, precise near 1, with the derivative of x ** 2: that of a product of two factors
    would be NaN where one is 0 and the cotangent infinite."""
    one = like(x, 1.0)
    plain = sub(one, mul(x, x))
    return add(plain, stop_gradient(sub(mul(sub(one, x), add(one, x)), plain)))


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
