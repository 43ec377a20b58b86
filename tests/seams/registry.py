"""Where the definitions of the public functions change branch, and what they mean there.

SEAMS holds the differentiable functions of numbers, DRAWS random numbers that move with parameters;
lists.py names what has no seam. A public name that is in neither fails a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np

import wonderland as wl

Point = tuple[float, ...]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Seam:
    """A function of elements, what it means in mpmath, and its seams."""

    name: str
    function: Function
    meaning: Function
    at: tuple[Any, ...] = (0.0,)
    """Numbers, or points: the meaning is smooth there. Points near them are tried too."""
    ties: Mapping[Any, Function] = field(default_factory=dict)
    """Points of no derivative: the function whose derivatives stand for them, by convention."""
    ends: Mapping[Any, tuple[float, ...]] = field(default_factory=dict)
    """Points at the end of a domain: the derivatives there, of a function of one number."""
    inside: Function = lambda *xs: True
    """Whether a point near a seam is of the domain."""
    order: int = 3
    tolerance: float = 1e-9
    absolute: float = 1e-12

    @property
    def count(self) -> int:
        return len(self.point(next(iter((*self.at, *self.ties, *self.ends)))))

    @staticmethod
    def point(given: Any) -> Point:
        return given if isinstance(given, tuple) else (given,)

    def smooth(self) -> list[tuple[Point, Function, float]]:
        """Points, what the function is there, and how far around."""
        found = [(self.point(s), self.meaning, size(self.point(s))) for s in self.at]
        found += [(self.point(s), f, size(self.point(s))) for s, f in self.ties.items()]
        for s in (*self.at, *self.ties, *self.ends):
            for near, scale in around(self.point(s)):
                if self.inside(*near):
                    found.append((near, self.meaning, scale))
        return found


def size(point: Point) -> float:
    """A tenth of the least coordinate, where that is small."""
    return min((1.0, *(abs(x) / 10 for x in point if x)))


def around(seam: Point) -> list[tuple[Point, float]]:
    """Points near a seam, by one coordinate each, and a scale below the distance."""
    found = []
    for i, x in enumerate(seam):
        for far, scale in ((1e-8, 1e-9), (0.3, 0.1), (1e-300, 1e-301)):
            if x and far < 1e-9:
                continue  # nothing beside x
            for moved in (x - far, x + far):
                found.append(((*seam[:i], moved, *seam[i + 1 :]), scale))
    return found


def entire(*names: str) -> list[Seam]:
    """Functions that NumPy, lax and mpmath know by one name, smooth at 0."""
    return [Seam(f"numpy.{n}", getattr(np, n), getattr(mp, n)) for n in names]


def sigma(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def cut(x: Any, y: Any) -> Any:
    """x / y cut towards zero."""
    return mp.floor(x / y) if x / y > 0 else mp.ceil(x / y)


def log_sum(*xs: Any) -> Any:
    return mp.log(mp.fsum(mp.exp(x) for x in xs))


def soft(x: Any) -> Any:
    return mp.log1p(mp.exp(x))


def zero(*xs: Any) -> Any:
    return mp.mpf(0)


def first(x: Any, *_: Any) -> Any:
    return x


def second(_: Any, y: Any) -> Any:
    return y


def half(x: Any, y: Any) -> Any:
    return (x + y) / 2


def scaled_erfc(x: Any) -> Any:
    return mp.exp(x * x) * mp.erfc(x)


def relative_exp(x: Any) -> Any:
    return mp.expm1(x) / x if x else mp.mpf(1)


def box(x: Any, power: Any) -> Any:
    return mp.expm1(power * mp.log(x)) / power if power else mp.log(x)


def unboxed(y: Any, power: Any) -> Any:
    return mp.exp(mp.log1p(power * y) / power if power else y)


def clamped(low: float, high: float) -> Function:
    return lambda x: min(max(x, mp.mpf(low)), mp.mpf(high))


def apart(x: Any) -> bool:
    """Not about a pole of gamma."""
    return x > 0.1 or -0.9 < x < -0.1


def both_positive(x: Any, y: Any) -> bool:
    return x > 0 and y > 0


def positive(x: Any, *_: Any) -> bool:
    return x > 0


def within(x: Any) -> bool:
    return -1 < x < 1


def pair(function: Function) -> Function:
    """A function of an array as one of two numbers, which are elements along its last axis."""
    return lambda x, y: function(wl.numpy.stack([x, y], -1))


SELU = mp.mpf(1.0507009873554805), mp.mpf(1.6732632423543772)
inf, nan, pi = math.inf, math.nan, math.pi
TIE, APART = (0.7, 0.7), (0.2, 1.0)

OF_ONE = [
    *entire("exp", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh"),
    Seam("numpy.arctan", np.arctan, mp.atan, (0.0, 1.0, -1.0)),
    Seam("numpy.arcsinh", np.arcsinh, mp.asinh),
    Seam("numpy.exp2", np.exp2, lambda x: mp.mpf(2) ** x),
    Seam("numpy.log", np.log, mp.log, (1.0,), ends={0.0: (-inf, inf, -inf, inf)}, inside=positive),
    Seam(
        "numpy.log1p",
        np.log1p,
        mp.log1p,
        ends={-1.0: (-inf, inf, -inf, inf)},
        inside=lambda x: x > -1,
    ),
    Seam("numpy.log2", np.log2, lambda x: mp.log(x, 2), (1.0,), inside=positive),
    Seam("numpy.log10", np.log10, mp.log10, (1.0,), inside=positive),
    Seam("numpy.sqrt", np.sqrt, mp.sqrt, (1.0,), ends={0.0: (0, inf, -inf, inf)}, inside=positive),
    Seam(
        "lax.rsqrt",
        wl.lax.rsqrt,
        lambda x: 1 / mp.sqrt(x),
        (1.0,),
        ends={0.0: (inf, -inf, inf, -inf)},
        inside=positive,
    ),
    Seam(
        "numpy.cbrt",
        np.cbrt,
        lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        (1.0,),
        ends={0.0: (0, inf, -inf, inf)},
    ),
    Seam("numpy.square", np.square, lambda x: x * x),
    Seam("numpy.reciprocal", np.reciprocal, lambda x: 1 / x, (1.0, -2.0)),
    Seam(
        "numpy.arcsin",
        np.arcsin,
        mp.asin,
        (0.0, 0.5),
        ends={1.0: (pi / 2, inf, inf, inf), -1.0: (-pi / 2, inf, -inf, inf)},
        inside=within,
    ),
    Seam(
        "numpy.arccos",
        np.arccos,
        mp.acos,
        (0.0, 0.5),
        ends={1.0: (0, -inf, -inf, -inf), -1.0: (pi, -inf, inf, -inf)},
        inside=within,
    ),
    Seam(
        "numpy.arccosh",
        np.arccosh,
        mp.acosh,
        (2.0,),
        ends={1.0: (0, inf, -inf, inf)},
        inside=lambda x: x > 1,
    ),
    Seam(
        "numpy.arctanh",
        np.arctanh,
        mp.atanh,
        (0.0, 0.5),
        ends={1.0: (inf, inf, inf, inf)},
        inside=within,
    ),
    Seam(
        "numpy.sinc", np.sinc, lambda x: mp.sinc(mp.pi * x), (0.0, 1.0, 1 / pi, 1.5 / pi, 2.0 / pi)
    ),
    Seam("numpy.deg2rad", np.deg2rad, lambda x: x * mp.pi / 180),
    Seam("numpy.rad2deg", np.rad2deg, lambda x: x * 180 / mp.pi),
    Seam("numpy.negative", np.negative, lambda x: -x),
    Seam("numpy.positive", np.positive, first),
    Seam("numpy.absolute", np.absolute, abs, (), {0.0: zero}),
    Seam("numpy.fabs", np.fabs, abs, (), {0.0: zero}),
    Seam("numpy.nan_to_num", np.nan_to_num, first),
    Seam("lax.logistic", wl.nn.sigmoid, sigma, (0.0, 3.0, -3.0)),
    Seam("lax.erf", wl.lax.erf, mp.erf, (0.0, 0.47, 1.0)),
    Seam("lax.erfc", wl.lax.erfc, mp.erfc, (0.0, 0.47, 3.0)),
    Seam(
        "lax.erf_inv",
        wl.lax.erf_inv,
        mp.erfinv,
        (0.0, 0.5),
        ends={1.0: (inf, inf, inf, inf)},
        inside=within,
    ),
    Seam("lax.lgamma", wl.lax.lgamma, mp.loggamma, (1.0, 2.0, 10.0), inside=positive),
    Seam("lax.digamma", wl.lax.digamma, mp.digamma, (1.0, 10.0), inside=positive),
    Seam("special.ndtr", wl.special.ndtr, mp.ncdf),
    Seam(
        "special.logit",
        wl.special.logit,
        lambda p: mp.log(p / (1 - p)),
        (0.25, 0.5, 0.75),
        ends={0.0: (-inf, inf, -inf, inf), 1.0: (inf, inf, inf, inf)},
        inside=lambda p: 0 < p < 1,
    ),
    Seam("special.erf", wl.special.erf, mp.erf, (0.0, 0.47, 1.0)),
    Seam("special.erfc", wl.special.erfc, mp.erfc, (0.0, 0.47, 3.0)),
    Seam("special.wofz", lambda x: np.real(wl.special.wofz(x)), lambda x: mp.exp(-x * x)),
    Seam("special.erfcx", wl.special.erfcx, scaled_erfc, (0.0, 0.47, 3.0)),
    Seam(
        "special.erfcinv",
        wl.special.erfcinv,
        lambda x: mp.erfinv(1 - x),
        (0.3, 1.0, 1.7),
        ends={0.0: (inf, -inf, inf, -inf), 2.0: (-inf, -inf, -inf, -inf)},
        inside=lambda x: 1e-9 < x < 2,
    ),
    Seam("special.log_ndtr", wl.special.log_ndtr, lambda x: mp.log(mp.ncdf(x)), (0.0, -1.0, 3.0)),
    Seam(
        "special.ndtri",
        wl.special.ndtri,
        lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1),
        (0.15, 0.5, 0.85),
        ends={0.0: (-inf, inf, -inf, inf), 1.0: (inf, inf, inf, inf)},
        inside=lambda p: 1e-9 < p < 1,
    ),
    Seam("special.gamma", wl.special.gamma, mp.gamma, (1.0, 2.0, 8.0, -0.5), inside=apart),
    Seam("special.loggamma", wl.special.loggamma, mp.loggamma, (1.0, 10.0), inside=positive),
    Seam(
        "special.polygamma",
        lambda x: wl.special.polygamma(2, x),
        lambda x: mp.psi(2, x),
        (1.0, 10.0),
        inside=positive,
    ),
    Seam(
        "special.multigammaln",
        lambda x: wl.special.multigammaln(x, 2),
        lambda x: mp.log(mp.pi) / 2 + mp.loggamma(x) + mp.loggamma(x - 0.5),
        (2.0,),
    ),
    Seam(
        "special.factorial",
        wl.special.factorial,
        mp.factorial,
        (0.0, 3.0),
        inside=lambda x: x > 1e-9,
    ),
    Seam("special.exp1", wl.special.exp1, mp.e1, (1.1, 2.0), inside=positive),
    Seam("special.expi", wl.special.expi, mp.ei, (0.37, 40.0, -1.1)),
    Seam(
        "special.expn",
        lambda x: wl.special.expn(3, x),
        lambda x: mp.expint(3, x),
        (1.1, 3.0),
        inside=positive,
    ),
    Seam("special.i0", wl.special.i0, lambda x: mp.besseli(0, x), (0.0, 6.0, -8.0)),
    Seam("numpy.i0", np.i0, lambda x: mp.besseli(0, x), (0.0, 6.0, -8.0)),
    Seam("special.i1", wl.special.i1, lambda x: mp.besseli(1, x), (0.0, 6.0, -8.0)),
    Seam(
        "special.i0e",
        wl.special.i0e,
        lambda x: mp.besseli(0, x) * mp.exp(-abs(x)),
        (6.0, -8.0),
        {0.0: lambda x: mp.besseli(0, x)},
    ),
    Seam(
        "special.i1e",
        wl.special.i1e,
        lambda x: mp.besseli(1, x) * mp.exp(-abs(x)),
        (6.0, -8.0),
        {0.0: lambda x: mp.besseli(1, x)},
    ),
    Seam("special.j0", wl.special.j0, lambda x: mp.besselj(0, x), (0.0, 8.0, -8.0)),
    Seam("special.j1", wl.special.j1, lambda x: mp.besselj(1, x), (0.0, 8.0, -8.0)),
    Seam(
        "special.jn",
        lambda x: wl.special.jn(3, x),
        lambda x: mp.besselj(3, x),
        (0.0, 3.0, 8.0, -3.0),
    ),
    Seam(
        "special.bessel_jn",
        lambda x: wl.special.bessel_jn(x, v=2)[2],
        lambda x: mp.besselj(2, x),
        (0.0, 2.0),
    ),
    Seam("special.y0", wl.special.y0, lambda x: mp.bessely(0, x), (8.0, 1.0), inside=positive),
    Seam("special.y1", wl.special.y1, lambda x: mp.bessely(1, x), (8.0, 1.0), inside=positive),
    Seam(
        "special.yn",
        lambda x: wl.special.yn(2, x),
        lambda x: mp.bessely(2, x),
        (8.0, 2.0),
        inside=positive,
    ),
    Seam(
        "special.iv",
        lambda x: wl.special.iv(2.5, x),
        lambda x: mp.besseli(2.5, x),
        (2 * math.sqrt(3.5),),
        inside=positive,
    ),
    Seam(
        "special.ive",
        lambda x: wl.special.ive(0.5, x),
        lambda x: mp.besseli(0.5, x) * mp.exp(-x),
        (2 * math.sqrt(1.5),),
        inside=positive,
    ),
    Seam("special.exprel", wl.special.exprel, relative_exp, (0.0, 1.0, -1.5)),
    Seam("special.log_expit", wl.special.log_expit, lambda x: -soft(-x)),
    Seam(
        "special.entr",
        wl.special.entr,
        lambda x: -x * mp.log(x),
        (1.0,),
        {-0.5: zero},
        {0.0: (0, inf, -inf)},
        positive,
    ),
    Seam(
        "nn.log1mexp",
        wl.nn.log1mexp,
        lambda x: mp.log(-mp.expm1(-x)),
        (math.log(2),),
        ends={0.0: (-inf, inf, -inf, inf)},
        inside=positive,
    ),
    Seam(
        "special.spence",
        wl.special.spence,
        lambda z: mp.polylog(2, 1 - z),
        (1.0, 0.5, 2.0, 0.1, 7.0),
        inside=positive,
    ),
    Seam("special.cosm1", wl.special.cosm1, lambda x: mp.cos(x) - 1, (0.0, 2.0)),
    Seam("special.exp10", wl.special.exp10, lambda x: mp.mpf(10) ** x),
    Seam("special.rgamma", wl.special.rgamma, mp.rgamma, (1.0, 2.5, -0.5), inside=apart),
    Seam("nn.relu", wl.nn.relu, lambda x: max(x, 0), (), {0.0: zero}),
    Seam(
        "nn.leaky_relu",
        wl.nn.leaky_relu,
        lambda x: x if x >= 0 else mp.mpf(0.01) * x,
        (),
        {0.0: first},
    ),
    Seam("nn.elu", wl.nn.elu, lambda x: x if x > 0 else mp.expm1(x), (), {0.0: mp.expm1}),
    Seam(
        "nn.gelu",
        wl.nn.gelu,
        lambda x: x * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3))) / 2,
    ),
    Seam("nn.gelu", lambda x: wl.nn.gelu(x, False), lambda x: x * mp.ncdf(x)),
    Seam("nn.silu", wl.nn.silu, lambda x: x * sigma(x)),
    Seam("nn.softplus", wl.nn.softplus, soft, (0.0, 20.0, -40.0)),
    Seam("nn.log_sigmoid", wl.nn.log_sigmoid, lambda x: -soft(-x), (0.0, 40.0, -20.0)),
    Seam("nn.relu6", wl.nn.relu6, clamped(0, 6), (), {0.0: zero, 6.0: lambda x: mp.mpf(6)}),
    Seam(
        "nn.hard_sigmoid",
        wl.nn.hard_sigmoid,
        lambda x: clamped(0, 6)(x + 3) / 6,
        (0.0,),
        {-3.0: zero, 3.0: lambda x: mp.mpf(1)},
    ),
    Seam(
        "nn.hard_silu",
        wl.nn.hard_silu,
        lambda x: x * clamped(0, 6)(x + 3) / 6,
        (0.0,),
        {-3.0: zero, 3.0: first},
    ),
    Seam("nn.hard_tanh", wl.nn.hard_tanh, clamped(-1, 1), (0.0,), {-1.0: first, 1.0: first}),
    Seam("nn.tanh", wl.nn.tanh, mp.tanh),
    Seam("nn.soft_sign", wl.nn.soft_sign, lambda x: x / (1 + abs(x)), (1.0,), {0: first}, order=1),
    Seam(
        "nn.celu",
        lambda x: wl.nn.celu(x, 2.0),
        lambda x: x if x > 0 else 2 * mp.expm1(x / 2),
        (),
        {0.0: lambda x: 2 * mp.expm1(x / 2)},
    ),
    Seam(
        "nn.selu",
        wl.nn.selu,
        lambda x: SELU[0] * (x if x > 0 else SELU[1] * mp.expm1(x)),
        (),
        {0.0: lambda x: SELU[0] * SELU[1] * mp.expm1(x)},
    ),
    Seam("nn.mish", wl.nn.mish, lambda x: x * mp.tanh(soft(x)), (0.0, -20.0, 20.0)),
    Seam("nn.squareplus", wl.nn.squareplus, lambda x: (x + mp.sqrt(x * x + 4)) / 2),
    Seam(
        "nn.sparse_plus",
        wl.nn.sparse_plus,
        lambda x: x if x >= 1 else (max(x, -1) + 1) ** 2 / 4,
        (0.0,),
        {-1.0: zero, 1.0: first},
    ),
    Seam("nn.glu", pair(lambda x: wl.nn.glu(x)[..., 0]), lambda x, y: x * sigma(y), (TIE,)),
    Seam(
        "nn.logmeanexp",
        pair(lambda x: wl.nn.logmeanexp(x, -1)),
        lambda x, y: log_sum(x, y) - mp.log(2),
        (TIE, APART, (0.0, 0.0)),
    ),
    Seam(
        "nn.standardize",
        pair(lambda x: wl.nn.standardize(x)[..., 0]),
        lambda x, y: (x - y) / 2 / mp.sqrt((x - y) ** 2 / 4 + mp.mpf(1e-5)),
        (APART, (1.0, 3.0)),
    ),
    Seam(
        "nn.rms_norm",
        pair(lambda x: wl.nn.rms_norm(x)[..., 0]),
        lambda x, y: x / mp.sqrt((x * x + y * y) / 2 + mp.mpf(1e-6)),
        (APART, TIE),
    ),
    Seam("lax.integer_pow", lambda x: wl.lax.integer_pow(x, 3), lambda x: x**3),
    Seam("lax.integer_pow", lambda x: wl.lax.integer_pow(x, 1), first),
    Seam("lax.integer_pow", lambda x: wl.lax.integer_pow(x, 0), lambda x: mp.mpf(1)),
    *(
        Seam("numpy.power", lambda x, n=n: x ** np.array(n), lambda x, n=n: x**n, (0.0, 1.0, -2.0))
        for n in (0.0, 1.0, 2.0, 3.0, 4.0)
    ),
    *(Seam("numpy.power", lambda x, n=n: x**n, lambda x, n=n: x**n) for n in range(6)),
    Seam(
        "numpy.power",
        lambda x: x ** np.array(1.5),
        lambda x: x ** mp.mpf(1.5),
        (1.0,),
        ends={0.0: (0, 0, inf)},
        inside=positive,
    ),
    Seam(
        "numpy.vander",
        lambda x: np.sum(np.vander(x.reshape(-1), 4), -1),
        lambda x: 1 + x + x**2 + x**3,
    ),
    Seam(
        "numpy.polyval",
        lambda x: wl.numpy.polyval([2.0, 0.0, 1.0, 3.0], x),
        lambda x: 2 * x**3 + x + 3,
    ),
    Seam(
        "optim.clip",
        lambda x: clipped(x),
        lambda x: min(max(x, -1), 1),
        (0.0,),
        {1.0: lambda x: x / 2, -1.0: lambda x: x / 2},
    ),
]


def clipped(x: Any) -> Any:
    optimizer = wl.optim.clip(1.0)
    return optimizer.update(x, optimizer.init(x))[0]


def by_norm(x: Any, y: Any) -> Any:
    """The first of two numbers, cut to the norm 1."""
    optimizer = wl.optim.clip_by_global_norm(1.0)
    cuts = wl.vmap(lambda a, b: optimizer.update((a, b), ())[0][0])
    return cuts(x, y)


def smaller(x: Any, y: Any) -> Any:
    return min(x, y)


def bce(x: Any, t: Any) -> Any:
    return (1 - t) * soft(x) + t * soft(-x)


def huber(p: Any, t: Any) -> Any:
    size = abs(p - t)
    return size * size / 2 if size <= 1 else size - mp.mpf(1) / 2


def soft_first(x: Any, y: Any) -> Any:
    return 1 / (1 + mp.exp(y - x))


def norm_of(x: Any, y: Any) -> Any:
    return mp.sqrt(x * x + y * y)


def spread(x: Any, y: Any) -> Any:
    return abs(x - y) / 2


GREATEST = {TIE: half, (0.0, 0.0): half}

OF_TWO = [
    Seam("numpy.add", np.add, lambda x, y: x + y, (TIE,)),
    Seam("numpy.subtract", np.subtract, lambda x, y: x - y, (TIE,)),
    Seam("numpy.multiply", np.multiply, lambda x, y: x * y, ((0.0, 0.0),)),
    Seam("numpy.divide", np.divide, lambda x, y: x / y, ((0.0, 1.0), (0.0, -2.0))),
    *(Seam(f"numpy.{f.__name__}", f, max, (APART,), GREATEST) for f in (np.maximum, np.fmax)),
    *(Seam(f"numpy.{f.__name__}", f, smaller, (APART,), GREATEST) for f in (np.minimum, np.fmin)),
    Seam("numpy.logaddexp", np.logaddexp, log_sum, (TIE, APART, (0.0, 0.0), (40.0, 0.0))),
    Seam("numpy.logaddexp2", np.logaddexp2, lambda x, y: mp.log(2**x + 2**y, 2), (TIE, (0.0, 0.0))),
    Seam("numpy.hypot", np.hypot, norm_of, ((0.0, 1.0), (1.0, 0.0), (-3.0, 1e-8)), tolerance=1e-8),
    Seam("numpy.hypot", np.hypot, norm_of, (), {(0.0, 0.0): zero}, inside=lambda *_: False),
    Seam(
        "numpy.arctan2", np.arctan2, mp.atan2, ((0.0, 1.0), (1.0, 0.0), (-1.0, -1.0), (1.0, -2.0))
    ),
    Seam("numpy.arctan2", np.arctan2, mp.atan2, ((1e-200, 2e-200),), inside=lambda y, x: x > 0),
    Seam(
        "numpy.angle",
        lambda x, y: np.angle(wl.lax.complex(x, y)),
        lambda x, y: mp.atan2(y, x),
        ((1.0, 0.0), (0.0, 1.0)),
    ),
    Seam(
        "numpy.fmod",
        np.fmod,
        lambda x, y: x - y * cut(x, y),
        ((0.0, 2.0), (-1.5, 1.0), (5.0, -3.0), (0.0, -2.0)),
    ),
    Seam(
        "lax.rem",
        wl.lax.rem,
        lambda x, y: x - y * cut(x, y),
        ((0.0, 2.0), (-1.5, 1.0), (0.0, -2.0)),
    ),
    Seam("lax.div", wl.lax.div, lambda x, y: x / y, ((0.0, 1.0), (0.0, -2.0))),
    Seam("lax.fma", lambda x, y: wl.lax.fma(x, y, x), lambda x, y: x * y + x, ((0.0, 0.0),)),
    Seam(
        "lax.complex",
        lambda x, y: abs(wl.lax.complex(x, y)),
        norm_of,
        ((0.0, 1.0), (3.0, 4.0)),
        {(0.0, 0.0): zero},
        order=1,
        inside=lambda x, y: x and y,
    ),
    Seam(
        "numpy.remainder",
        np.remainder,
        lambda x, y: x - y * mp.floor(x / y),
        ((1.5, 1.0), (-5.0, 3.0)),
    ),
    Seam(
        "numpy.remainder",
        np.remainder,
        lambda x, y: x - y * mp.floor(x / y),
        (),
        {(0.0, 2.0): first},
        inside=lambda x, y: x,
    ),
    Seam(
        "numpy.divmod",
        lambda x, y: np.divmod(x, y)[1],
        lambda x, y: x - y * mp.floor(x / y),
        ((1.5, 1.0),),
    ),
    Seam(
        "numpy.power",
        np.power,
        lambda x, y: x**y,
        ((2.0, 0.0), (1.0, 0.5), (3.0, 1.0)),
        inside=positive,
    ),
    Seam("numpy.float_power", np.float_power, lambda x, y: x**y, ((2.0, 0.0),), inside=positive),
    Seam(
        "numpy.copysign",
        np.copysign,
        lambda x, y: abs(x) * mp.sign(y),
        ((1.0, -2.0), (-1.0, 0.5)),
        inside=lambda x, y: x and y,
    ),
    Seam("numpy.nextafter", np.nextafter, first, ((1.0, 2.0), (0.0, 1.0)), order=2),
    Seam(
        "numpy.heaviside",
        np.heaviside,
        lambda x, y: y if x == 0 else mp.mpf(x > 0),
        (),
        {(0.0, 0.5): second},
        inside=lambda x, y: x,
    ),
    Seam(
        "special.xlogy",
        wl.special.xlogy,
        lambda x, y: x * mp.log(y),
        ((0.0, 0.5), (0.0, 2.0), (3.0, 1.0)),
        inside=lambda x, y: y > 0,
    ),
    Seam(
        "special.xlog1py",
        wl.special.xlog1py,
        lambda x, y: x * mp.log1p(y),
        ((0.0, 0.0), (0.0, 2.0), (3.0, -0.5)),
        inside=lambda x, y: y > -1,
    ),
    Seam(
        "special.rel_entr",
        wl.special.rel_entr,
        lambda x, y: x * mp.log(x / y),
        (TIE, APART, (2.0, 1.0)),
        inside=both_positive,
    ),
    Seam(
        "special.kl_div",
        wl.special.kl_div,
        lambda x, y: x * mp.log(x / y) - x + y,
        (TIE, APART, (2.0, 1.0)),
        inside=both_positive,
    ),
    Seam("special.beta", wl.special.beta, mp.beta, ((1.0, 2.0), (0.5, 9.0)), inside=both_positive),
    Seam(
        "special.betaln",
        wl.special.betaln,
        lambda x, y: mp.log(mp.beta(x, y)),
        ((1.0, 2.0), (8.0, 9.0)),
        inside=both_positive,
    ),
    Seam("special.binom", wl.special.binom, mp.binomial, ((5.0, 2.0), (3.5, 1.5))),
    Seam("special.comb", wl.special.comb, mp.binomial, ((5.0, 2.0),)),
    Seam(
        "special.poch",
        wl.special.poch,
        mp.rf,
        ((2.0, 0.0), (1.5, 3.0)),
        inside=lambda x, y: abs(y) > 1e-9,
    ),
    Seam("special.zeta", wl.special.zeta, mp.zeta, ((2.0, 1.0),), order=2),
    Seam("special.boxcox", wl.special.boxcox, box, ((1.0, 0.0), (2.0, 0.5)), inside=positive),
    Seam(
        "special.boxcox1p",
        wl.special.boxcox1p,
        lambda x, k: box(1 + x, k),
        ((0.0, 0.0), (2.0, 0.5)),
    ),
    Seam("special.inv_boxcox", wl.special.inv_boxcox, unboxed, ((0.0, 0.0), (2.0, 0.5))),
    Seam(
        "special.inv_boxcox1p",
        wl.special.inv_boxcox1p,
        lambda y, k: unboxed(y, k) - 1,
        ((0.0, 0.0), (2.0, 0.5)),
    ),
    Seam(
        "special.huber",
        wl.special.huber,
        lambda d, r: r * r / 2 if abs(r) <= d else d * (abs(r) - d / 2),
        ((1.0, 0.0),),
        {(1.0, 1.0): lambda d, r: r * r / 2},
    ),
    Seam(
        "special.pseudo_huber",
        wl.special.pseudo_huber,
        lambda d, r: d * d * (mp.sqrt(1 + (r / d) ** 2) - 1),
        ((1.0, 0.0), (0.5, -2.0)),
    ),
    Seam("special.softmax", pair(lambda x: wl.special.softmax(x, -1)[..., 0]), soft_first, (TIE,)),
    Seam(
        "special.log_softmax",
        pair(lambda x: wl.special.log_softmax(x, -1)[..., 0]),
        lambda x, y: -soft(y - x),
        (TIE, APART),
    ),
    Seam(
        "special.logsumexp", pair(lambda x: wl.special.logsumexp(x, -1)), log_sum, (TIE, (0.0, 0.0))
    ),
    Seam(
        "special.logsumexp",
        pair(lambda b: wl.special.logsumexp(np.array([0.5, 1.0]), -1, b, return_sign=True)[0]),
        lambda a, b: mp.log(abs(a * mp.exp(mp.mpf(0.5)) + b * mp.exp(1))),
        ((0.0, 1.0), (-2.0, 0.5)),
    ),
    Seam("nn.squared_error", wl.nn.squared_error, lambda p, t: (p - t) ** 2, (TIE,)),
    Seam("nn.l2_loss", wl.nn.l2_loss, lambda p, t: (p - t) ** 2 / 2, (TIE,)),
    Seam(
        "nn.log_cosh",
        wl.nn.log_cosh,
        lambda p, t: mp.log(mp.cosh(p - t)),
        (TIE, (1.0, 0.0), (0.0, 1.0), (30.0, 0.0)),
    ),
    Seam("nn.perceptron_loss", wl.nn.perceptron_loss, lambda p, t: max(0, -p * t), ((1.0, 1.0),)),
    Seam(
        "nn.sparsemax_loss",
        lambda x: wl.nn.sparsemax_loss(x, True),
        lambda x: -x if x <= -1 else (min(x, 1) - 1) ** 2 / 4,
        (0.0,),
        {1.0: zero, -1.0: lambda x: -x},
    ),
    Seam(
        "nn.sigmoid_focal_loss",
        lambda x: wl.nn.sigmoid_focal_loss(x, np.ones_like(x)),
        lambda x: sigma(-x) ** 2 * soft(-x),
        (0.0, 40.0, -40.0),
    ),
    Seam("nn.absolute_error", wl.nn.absolute_error, lambda p, t: abs(p - t), (), {TIE: zero}),
    Seam(
        "nn.huber_loss",
        wl.nn.huber_loss,
        huber,
        (TIE, (0.0, 0.0)),
        {(1.0, 0.0): lambda p, t: (p - t) ** 2 / 2, (0.5, 1.5): lambda p, t: (p - t) ** 2 / 2},
        inside=lambda p, t: abs(p - t) != 1,
    ),
    Seam(
        "nn.hinge_loss",
        wl.nn.hinge_loss,
        lambda p, t: max(0, 1 - p * t),
        (),
        {(1.0, 1.0): zero, (-1.0, -1.0): zero},
    ),
    Seam(
        "nn.sigmoid_binary_cross_entropy",
        wl.nn.sigmoid_binary_cross_entropy,
        bce,
        ((0.0, 0.0), (0.0, 1.0), (0.0, 0.5), (40.0, 1.0), (-40.0, 0.0), (2.0, 0.5)),
    ),
    Seam(
        "nn.softmax", pair(lambda x: wl.nn.softmax(x)[..., 0]), soft_first, (TIE, APART, (0.0, 0.0))
    ),
    Seam(
        "nn.log_softmax",
        pair(lambda x: wl.nn.log_softmax(x)[..., 0]),
        lambda x, y: -soft(y - x),
        (TIE, APART),
    ),
    Seam("nn.logsumexp", pair(lambda x: wl.nn.logsumexp(x, -1)), log_sum, (TIE, APART, (0.0, 0.0))),
    Seam(
        "nn.logsumexp",
        lambda x, b: wl.nn.logsumexp(x[..., None], -1, b[..., None]),
        lambda x, b: x + mp.log(b),
        ((0.0, 1.0),),
    ),
    Seam(
        "nn.softmax_cross_entropy",
        pair(lambda x: wl.nn.softmax_cross_entropy(x, np.array([0.25, 0.75]))),
        lambda x, y: log_sum(x, y) - x / 4 - 3 * y / 4,
        (TIE,),
    ),
    Seam(
        "nn.softmax_cross_entropy_with_integer_labels",
        pair(
            lambda x: wl.nn.softmax_cross_entropy_with_integer_labels(x, np.ones(x.shape[:-1], int))
        ),
        lambda x, y: soft(x - y),
        (TIE,),
    ),
    Seam(
        "nn.negative_log_likelihood",
        pair(lambda x: wl.nn.negative_log_likelihood(x, np.ones(x.shape[:-1], int))),
        lambda x, y: -y,
        (TIE,),
    ),
    Seam(
        "lax.cumlogsumexp",
        pair(lambda x: wl.lax.cumlogsumexp(x, x.ndim - 1)[..., 1]),
        log_sum,
        (TIE, APART, (0.0, 0.0)),
    ),
    *(
        Seam(name, pair(f), max, (APART,), {TIE: half})
        for name, f in (
            ("numpy.max", lambda x: np.max(x, -1)),
            ("numpy.nanmax", lambda x: np.nanmax(x, -1)),
            ("lax.cummax", lambda x: wl.lax.cummax(x, x.ndim - 1)[..., 1]),
            ("lax.reduce_max", lambda x: wl.lax.reduce_max(x, (x.ndim - 1,))),
        )
    ),
    *(
        Seam(name, pair(f), smaller, (APART,), {TIE: half})
        for name, f in (
            ("numpy.min", lambda x: np.min(x, -1)),
            ("numpy.nanmin", lambda x: np.nanmin(x, -1)),
            ("lax.cummin", lambda x: wl.lax.cummin(x, x.ndim - 1)[..., 1]),
            ("lax.reduce_min", lambda x: wl.lax.reduce_min(x, (x.ndim - 1,))),
        )
    ),
    Seam(
        "numpy.ptp", pair(lambda x: np.ptp(x, -1)), lambda x, y: abs(x - y), (APART,), {TIE: zero}
    ),
    *(
        Seam(name, pair(f), lambda x, y: x * y, ((0.0, 0.0), (0.0, 1.0), (2.0, 0.0)))
        for name, f in (
            ("numpy.prod", lambda x: np.prod(x, -1)),
            ("numpy.nanprod", lambda x: np.nanprod(x, -1)),
            ("numpy.cumprod", lambda x: np.cumprod(x, -1)[..., 1]),
            ("numpy.nancumprod", lambda x: np.nancumprod(x, -1)[..., 1]),
            ("numpy.cumulative_prod", lambda x: wl.numpy.cumulative_prod(x, axis=-1)[..., 1]),
            ("lax.cumprod", lambda x: wl.lax.cumprod(x, x.ndim - 1)[..., 1]),
            ("lax.reduce_prod", lambda x: wl.lax.reduce_prod(x, (x.ndim - 1,))),
        )
    ),
    *(
        Seam(name, f, norm_of, ((0.0, 1.0), (3.0, 4.0)), tolerance=1e-8)
        for name, f in (
            ("linalg.norm", pair(lambda x: np.linalg.norm(x, axis=-1))),
            ("linalg.vector_norm", pair(lambda x: np.linalg.vector_norm(x, axis=-1))),
            (
                "linalg.matrix_norm",
                lambda x, y: np.linalg.matrix_norm(wl.numpy.stack([x, y], -1)[..., None]),
            ),
            (
                "optim.global_norm",
                lambda x, y: wl.vmap(lambda a, b: wl.optim.global_norm((a, b)))(x, y),
            ),
        )
    ),
    *(
        Seam(name, f, norm_of, (), {(0.0, 0.0): zero}, inside=lambda *_: False)
        for name, f in (
            ("linalg.norm", pair(lambda x: np.linalg.norm(x, axis=-1))),
            (
                "optim.global_norm",
                lambda x, y: wl.vmap(lambda a, b: wl.optim.global_norm((a, b)))(x, y),
            ),
        )
    ),
    Seam(
        "linalg.norm",
        pair(lambda x: np.linalg.norm(x, 1, -1)),
        lambda x, y: abs(x) + abs(y),
        (APART,),
        {(0.0, 0.0): zero, (0.0, 1.0): second},
        inside=lambda x, y: x and y,
    ),
    Seam(
        "linalg.norm",
        pair(lambda x: np.linalg.norm(x, np.inf, -1)),
        lambda x, y: max(abs(x), abs(y)),
        (APART,),
        {TIE: half},
    ),
    Seam(
        "linalg.matrix_power",
        lambda x, y: wl.vmap(
            lambda a, b: np.linalg.matrix_power(np.stack([np.stack([a, b]), np.stack([b, a])]), 3)[
                0, 0
            ]
        )(x, y),
        lambda x, y: x**3 + 3 * x * y**2,
        ((0.0, 0.0), (0.0, 1.0)),
    ),
    Seam("numpy.var", pair(lambda x: np.var(x, -1)), lambda x, y: (x - y) ** 2 / 4, (TIE,)),
    Seam(
        "numpy.std",
        pair(lambda x: np.std(x, -1)),
        spread,
        (APART,),
        {TIE: zero},
        order=2,
        absolute=1e-6,
    ),
    Seam(
        "optim.clip_by_global_norm",
        by_norm,
        lambda x, y: x / max(1, norm_of(x, y)),
        ((0.0, 0.0), (3.0, 4.0), (0.3, 0.0)),
    ),
    Seam(
        "numpy.average",
        lambda x, w: np.average(
            wl.numpy.stack([x, 0 * x + 1.0], -1), -1, wl.numpy.stack([w, 0 * w + 1.0], -1)
        ),
        lambda x, w: (x * w + 1) / (w + 1),
        ((0.0, 0.0),),
    ),
    Seam("numpy.clip", lambda x, m: np.clip(x, m, 2.0), max, (APART,), {TIE: half}),
    Seam("lax.clamp", lambda x, m: wl.lax.clamp(m, x, 2.0), max, (APART,), {TIE: half}),
    Seam("numpy.sort", pair(lambda x: np.sort(x, -1)[..., 1]), max, (APART,), {TIE: second}),
    Seam("numpy.median", pair(lambda x: np.median(x, -1)), half, (TIE, APART)),
    *(
        Seam(
            f"numpy.{n}",
            pair(lambda x, n=n, q=q: getattr(np, n)(x, q, -1)),
            lambda x, y: 3 * min(x, y) / 4 + max(x, y) / 4,
            (APART,),
        )
        for n, q in (
            ("quantile", 0.25),
            ("nanquantile", 0.25),
            ("percentile", 25),
            ("nanpercentile", 25),
        )
    ),
    Seam("numpy.nanmedian", pair(lambda x: np.nanmedian(x, -1)), half, (TIE, APART)),
    Seam(
        "numpy.interp",
        lambda x, y: np.interp(x, np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 3.0])) + 0 * y,
        lambda x, y: x if x < 1 else 2 * x - 1,
        ((0.5, 0.0),),
        {(1.0, 0.0): lambda x, y: 2 * x - 1},
        inside=lambda x, y: x != 1,
    ),
    Seam(
        "numpy.trapezoid",
        lambda x, y: np.trapezoid(wl.numpy.stack([x, y], -1), axis=-1),
        half,
        (TIE,),
    ),
    Seam(
        "numpy.linspace",
        lambda x, y: np.sum(np.linspace(x, y, 3), 0),
        lambda x, y: 3 * (x + y) / 2,
        (TIE, APART),
    ),
]

SEAMS = [*OF_ONE, *OF_TWO]

DRAWS: dict[str, tuple[Function, tuple[Point, ...]]] = {
    "uniform": (
        lambda key, a, b: wl.random.uniform(key, (64,), np.float64, a, b),
        ((0.0, 0.0), (-1.0, 1.0)),
    ),
    "truncated_normal": (
        lambda key, a, b: wl.random.truncated_normal(key, a, b, (64,), np.float64),
        ((-1.0, 1.0), (0.0, inf), (-inf, 0.5), (-inf, inf), (-2.0, inf)),
    ),
    "triangular": (
        lambda key, a, m, b: wl.random.triangular(key, a, m, b, (64,), np.float64),
        ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (-1.0, 0.5, 1.0)),
    ),
    "double_sided_maxwell": (
        lambda key, m, s: wl.random.double_sided_maxwell(key, m, s, (64,), np.float64),
        ((0.0, 0.0), (1.0, 2.0)),
    ),
    "rayleigh": (lambda key, s: wl.random.rayleigh(key, s, (64,), np.float64), ((0.0,), (1.0,))),
    "pareto": (lambda key, b: wl.random.pareto(key, b, (64,), np.float64), ((1.0,),)),
    "lognormal": (lambda key, s: wl.random.lognormal(key, s, (64,), np.float64), ((0.0,), (1.0,))),
    "weibull_min": (
        lambda key, s, c: wl.random.weibull_min(key, s, c, (64,), np.float64),
        ((0.0, 1.0), (1.0, 2.0)),
    ),
    "wald": (lambda key, m: wl.random.wald(key, m, (64,), np.float64), ((1.0,),)),
}
"""Draws that move with their parameters, and parameters at edges."""
