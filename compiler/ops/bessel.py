"""Bessel functions J and Y of whole orders, I of real ones, each an op of its order.

All is computed in f64. J and Y of order 0 and 1 are Chebyshev's series in x**2 up to 8, beyond 8
those of two amplitudes in 1 / x**2. Higher orders come by the recurrence upwards, J for x > n; for
smaller x it follows from Y and the ratio of two orders, a continued fraction. I is a power series
for small x, else Debye's expansion of a high order and the recurrence down, all of positive terms.
Derivatives are neighbouring orders.

Source: Temme, On the numerical evaluation of the ordinary Bessel function of the second kind, 1976;
Olver, Asymptotics and special functions, 1974.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

from ..ir.graph import Sample, Value, apply
from ..ir.types import Type
from ..kernel import Const, Expr
from ..kernel import apply as scalar
from .elementwise import add, div, like, mul, neg, operands, sign, sub
from .formula import Formula
from .special import in_f64, rounded, unscaled

__all__ = ["bessel_i", "bessel_j", "bessel_y"]

# fmt: off
SERIES_OF_BESSEL = {
    "J0": (
        0.15772797147489012, -0.008723442352852221, 0.2651786132033368, -0.37009499387264977,
        0.15806710233209725, -0.034893769411408884, 0.004819180069467605, -0.00046062616620627504,
        3.246032882100508e-05, -1.7619469077621507e-06, 7.608163592418782e-08,
        -2.679253530557673e-09, 7.848696314479465e-11, -1.9438346867370164e-12,
        4.125320595634374e-14, -7.588508125447546e-16, 1.2218515873961411e-17,
    ),
    "J1": (
        0.08104484632565812, -0.1489751450676521, 0.1609992623572097, -0.08268049176681791,
        0.022213639654966037, -0.003646940600769276, 0.0004050337728354822, -3.255554866857259e-05,
        1.9858774049915165e-06, -9.521984756750436e-08, 3.687133759097148e-09,
        -1.178026622695885e-10, 3.160154580348003e-12, -7.221755239651773e-14,
        1.4232144003513942e-15, -2.4441972916190464e-17, 3.6912682997929334e-19,
    ),
    "Y0": (
        -0.03314611320328494, -0.2744743055297453, 0.17903431407718265, 0.26156734625504663,
        -0.17730201278114358, 0.04719668959576339, -0.007287962479552079, 0.0007531135932577742,
        -5.632079141056987e-05, 3.206532537654801e-06, -1.44072332740187e-07, 5.248794787330516e-09,
        -1.5837552541812015e-10, 4.02633081830612e-12, -8.747341203310769e-14,
        1.6434898714919468e-15, -2.6977881152566837e-17, 3.9032584173475982e-19,
    ),
    "Y1": (
        0.0025380132357417816, -0.01608717304766875, -0.09591204536083074, 0.08445197259652346,
        -0.028328123944594365, 0.005289897544167113, -0.0006414551451326356, 5.505982873338744e-05,
        -3.53808001868935e-06, 1.7707804556154404e-07, -7.11055004989928e-09, 2.344337905911516e-10,
        -6.4651518414115946e-12, 1.51429151205002e-13, -3.0511859694473254e-15,
        5.34668038572867e-17, -8.224911372021585e-19,
    ),
    "P0": (
        0.9994603493475187, -0.0005365220468132117, 3.0751847875194745e-06, -5.1705945376060975e-08,
        1.6306464635151382e-09, -7.86409137723707e-11, 5.168262387349193e-12,
        -4.3045788699253914e-13, 4.3265957431549404e-14, -5.069034095935236e-15,
        6.748072215733873e-16, -1.0011513723467786e-16, 1.6305919233744186e-17,
        -2.880866169482871e-18,
    ),
    "Q0": (
        -0.015555854605337009, 6.838519942611649e-05, -7.414498411060647e-07,
        1.7972457247968992e-08, -7.27191593686632e-10, 4.2201219046687385e-11,
        -3.206747420996635e-12, 3.006145125351706e-13, -3.336328185322427e-14,
        4.255225040245461e-15, -6.09993013164005e-16, 9.662128970303257e-17,
        -1.6686065214378146e-17, 3.1082440486738143e-18, -6.191115787358145e-19,
        1.3091448717220122e-19, -2.9211627152642775e-20,
    ),
    "P1": (
        1.0009030408600137, 0.0008989898330859408, -3.987284300488908e-06, 6.177633960644299e-08,
        -1.8718907491063067e-09, 8.816898659582339e-11, -5.704863640395645e-12,
        4.699195515230542e-13, -4.6842237839904895e-14, 5.452674896044717e-15,
        -7.221180842274018e-16, 1.0667689114335412e-16, -1.7312313216116335e-17,
        3.0492991197665872e-18,
    ),
    "Q1": (
        0.04677778706953532, -9.62772354915708e-05, 9.138615257955454e-07, -2.0959781384083424e-08,
        8.229193327650554e-10, -4.686363688176945e-11, 3.5152187949686082e-12, -3.2643156743279e-13,
        3.5967765829165294e-14, -4.5612523950772974e-15, 6.508282957783384e-16,
        -1.0269147531823243e-16, 1.767635548776479e-17, -3.2834519872981614e-18,
        6.524081149589261e-19, -1.3765771484849487e-19,
    ),
}
# fmt: on
"""Chebyshev's, of u = x**2 from 0 to 64: J0; J1 / x; Y0 - 2 / pi log(x) J0; and of Y1 what is left
over x; of u = (8 / x)**2 from 0 to 1 amplitudes P and Q of both orders, Q over 8 / x."""


def chebyshev(name: str, t: Expr) -> Expr:
    """Clenshaw's sum at t from -1 to 1."""
    first, *rest, one = SERIES_OF_BESSEL[name]
    twice, x, y = t * 2.0, Const(one, "f64"), Const(0.0, "f64")
    for c in reversed(rest):
        x, y = twice * x - y + c, x
    return t * x - y + first


def first_orders(x: Expr, kinds: str) -> dict[str, Expr]:
    """Orders 0 and 1 of J, and where asked for of Y, of numbers above 0."""
    far, out = scalar("gt", x, 8.0), dict[str, Expr]()
    small, large = scalar("select", far, 8.0, x), scalar("select", far, x, 8.0)
    turn = 8.0 / large
    near, beyond = small * small * (1 / 32) - 1.0, turn * turn * 2.0 - 1.0
    sine, cosine = scalar("sin", large), scalar("cos", large)
    root = scalar("sqrt", large * math.pi)
    for n, (c, s) in enumerate(((sine + cosine, sine - cosine), (sine - cosine, -sine - cosine))):
        p, q = chebyshev(f"P{n}", beyond), chebyshev(f"Q{n}", beyond) * turn
        j = chebyshev(f"J{n}", near)
        j = j * small if n else j
        out[f"J{n}"] = scalar("select", far, (p * c - q * s) / root, j)
        if "Y" in kinds:
            y, log = chebyshev(f"Y{n}", near), scalar("log", small) * j
            y = y * small + (log - 1.0 / small) * (2 / math.pi) if n else y + log * (2 / math.pi)
            out[f"Y{n}"] = scalar("select", far, (p * s + q * c) / root, y)
    return out


LOWEST = -1e300
"""Y that is less is -inf, but in the recurrence, where inf - inf would be NaN."""


def upwards(n: int, x: Expr, before: Expr, last: Expr) -> tuple[Expr, Expr]:
    """Orders n - 1 and n by those of 0 and 1."""
    over = 2.0 / x
    for k in range(1, n):
        before, last = last, scalar("maximum", over * float(k) * last - before, LOWEST)
    return before, last


def ratio_of_orders(n: int, x: Expr) -> Expr:
    """J of n over that of n - 1 for x up to n, by its continued fraction."""
    found: Expr = Const(0.0, "f64")
    for k in range(n + 18 + int(9 * n ** (1 / 3)), n - 1, -1):
        found = x / (2.0 * k - x * found)
    return found


class OfOrder(Formula, abstract=True):
    """Of a whole order from 0 on: a derivative is half the difference of its neighbours."""

    arity = 1
    interval = (0.5, 12.0)
    order: int = 0

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        above = apply(type(self)(self.order + 1), x)
        if not self.order:
            return mul(dx, neg(above))
        slope = sub(apply(type(self)(self.order - 1), x), above)
        return mul(dx, mul(slope, like(x, 0.5)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1), (Type("f64", (3,)),), *cls.interval)
        yield Sample(cls(), (Type("i32", (2,)),), error="is required, got i32[2]")


class BesselJ(OfOrder):
    """The Bessel function J of a whole order

    Accuracy: 1e-15 of the amplitude sqrt(2 / (pi x)) for x beyond the order, 1e-14 of the result
    below; for orders up to 50.
    """

    def expression(self, *args: Expr) -> Expr:
        (x,) = in_f64(*args)
        n, size = self.order, scalar("abs", x)
        none = scalar("eq", size, 0.0)
        safe = scalar(
            "select", none, 1.0, scalar("select", scalar("eq", size, math.inf), 1.0, size)
        )
        if n < 2:
            of = first_orders(safe, "J")
            found = scalar("select", none, 1.0 - n, of[f"J{n}"])
        else:
            of = first_orders(safe, "JY")
            far = scalar("gt", safe, float(n))
            upper = upwards(n, safe, of["J0"], of["J1"])[1]
            small = scalar("select", far, float(n), safe)
            before, last = upwards(n, safe, of["Y0"], of["Y1"])
            ratio = ratio_of_orders(n, small)
            lower = ratio * (2 / math.pi) / (small * (ratio * before - last))
            lower = scalar("select", scalar("le", last, LOWEST), 0.0, lower)
            found = scalar("select", none, 0.0, scalar("select", far, upper, lower))
        found = scalar("select", scalar("eq", size, math.inf), 0.0, found)
        if n % 2:
            found = scalar("select", scalar("lt", x, 0.0), -found, found)
        return rounded(found, args[0].dtype)


class BesselY(OfOrder):
    """The Bessel function Y of a whole order: -inf at 0, NaN below

    Accuracy: 2e-15 of the amplitude or of the result, whichever is more, 1e-14 from order 8 to 50.
    """

    def expression(self, *args: Expr) -> Expr:
        (x,) = in_f64(*args)
        end = scalar("eq", x, math.inf)
        good = scalar("and_", scalar("gt", x, 0.0), scalar("lt", x, math.inf))
        safe = scalar("select", good, x, 1.0)
        of = first_orders(safe, "JY")
        n = self.order
        found = of[f"Y{n}"] if n < 2 else upwards(n, safe, of["Y0"], of["Y1"])[1]
        found = scalar("select", scalar("gt", found, LOWEST), found, -math.inf)
        ends = scalar("select", scalar("eq", x, 0.0), Const(-math.inf, "f64"), math.nan)
        ends = scalar("select", end, 0.0, ends)
        return rounded(scalar("select", good, found, ends), args[0].dtype)


# ---------------------------------------------------------------- modified, of a real order

HIGH = 24
TERMS_OF_DEBYE = 12
FACTORIALS = 100
"""The last order whose gamma function and powers of x / 2 are floats by themselves."""


@functools.cache
def debye(order: float) -> tuple[float, ...]:
    """The sum of u[k](p) / order**k, by powers of p."""
    from fractions import Fraction  # which brings decimals

    u, total = [Fraction(1)], [0.0] * (3 * TERMS_OF_DEBYE + 1)
    for k in range(TERMS_OF_DEBYE + 1):
        for n, c in enumerate(u):
            total[n] += float(c) / order**k
        # u' p**2 (1 - p**2) / 2 + the integral of (1 - 5 s**2) u / 8 for s from 0 to p
        more = [Fraction(0)] * (len(u) + 3)
        for n, c in enumerate(u):
            more[n + 1] += c * n / 2 + c / (8 * (n + 1))
            more[n + 3] -= c * n / 2 + 5 * c / (8 * (n + 3))
        u = more
    return tuple(total)


def far_up(order: float, x: Expr) -> Expr:
    """I times exp(-x) of a high order, of x above 0."""
    root = scalar("hypot", x, order)
    p = order / root
    found: Expr = Const(0.0, "f64")
    for c in reversed(debye(order)):
        found = found * p + c
    power = (order / (root + x) - scalar("asinh", order / x)) * order
    return found * scalar("exp", power) / scalar("sqrt", root * (2 * math.pi))


class BesselI(Formula):
    """The modified Bessel function I of a real order from 0 on, times exp(-|x|) if `scaled`

    NaN for x below 0 unless the order is whole.
    Accuracy: 3e-14 of the result for orders up to 100, 1e-15 times the order beyond.
    """

    arity = 1
    interval = (8.0, 30.0)
    order: float = 0.0
    scaled: bool = False

    def expression(self, *args: Expr) -> Expr:
        (x,) = in_f64(*args)
        v, size = self.order, scalar("abs", x)
        edge = 2 * math.sqrt(v + 1) if v <= FACTORIALS else 0.0
        near, end = scalar("le", size, edge), scalar("eq", size, math.inf)
        small = scalar("select", near, size, 0.0)
        large = scalar("select", scalar("or_", near, end), max(edge, 1.0), size)
        found = scalar("select", near, self.series(small), self.beyond(large))
        found = scalar("select", end, 0.0, found)
        if not self.scaled:
            found = unscaled(x, found, size)
        turned = (-found if v % 2 else found) if v == int(v) else Const(math.nan, "f64")
        return rounded(scalar("select", scalar("lt", x, 0.0), turned, found), args[0].dtype)

    def series(self, x: Expr) -> Expr:
        v, square = self.order, x * x * 0.25
        if v > FACTORIALS:
            return Const(0.0, "f64")  # of 0
        total: Expr = Const(1.0, "f64")
        for k in range(20, 0, -1):
            total = total * square * (1 / (k * (k + v))) + 1.0
        power = scalar("pow", x * 0.5, Const(v, "f64")) if v else Const(1.0, "f64")
        return total * power * (1 / math.gamma(v + 1)) * scalar("exp", -x)

    def beyond(self, x: Expr) -> Expr:
        steps = max(0, math.ceil(HIGH - self.order))
        order, last = self.order + steps, far_up(self.order + steps, x)
        if not steps:
            return last
        before, over = far_up(order + 1, x), 2.0 / x
        for k in range(steps):
            before, last = last, before + over * (order - k) * last
        return last

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        v = self.order
        above = apply(BesselI(v + 1, self.scaled), x)
        if not v:
            slope = above
        elif v < 1:
            slope = add(above, mul(div(out, x), like(x, v)))
        else:
            below = apply(BesselI(v - 1, self.scaled), x)
            slope = mul(add(below, above), like(x, 0.5))
        return mul(dx, sub(slope, mul(sign(x), out)) if self.scaled else slope)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(23.5, True), (Type("f64", (3,)),), *cls.interval)
        yield Sample(cls(), (Type("i32", (2,)),), error="is required, got i32[2]")


# ---------------------------------------------------------------- user functions


def bessel_j(x: Value, order: int) -> Value:
    return apply(BesselJ(order), x)


def bessel_y(x: Value, order: int) -> Value:
    return apply(BesselY(order), x)


def bessel_i(x: Value, order: float, scaled: bool = False) -> Value:
    return apply(BesselI(order, scaled), x)
