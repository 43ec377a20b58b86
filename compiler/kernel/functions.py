"""NumPy meanings of functions that NumPy lacks, computed in f64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def each(function: Callable[..., float]) -> Callable[..., Any]:
    """A function of floats on every element: Python's, as NumPy's would compute in f32."""
    on_floats = np.vectorize(function, otypes=[np.float64])
    return lambda *args: on_floats(*(np.asarray(a, np.float64) for a in args))


def log_gamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # at a pole, beyond the range
        return math.inf


def psi(x: float) -> float:
    """The derivative of log_gamma: reflected, then raised to 10, then by the asymptotic series."""
    if x == 0.0:
        return -math.copysign(math.inf, x)
    if x < 0.0:
        if x == -math.inf or x == math.floor(x):
            return math.nan
        return psi(1.0 - x) - math.pi / math.tan(math.pi * math.fmod(x, 1.0))
    if not x < math.inf:
        return x
    raised = 0.0
    while x < 10.0:
        raised += 1.0 / x
        x += 1.0
    w = 1.0 / (x * x)
    series = 0.0
    for c in (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12):
        series = w * (c + series)
    return math.log(x) - 0.5 / x - series - raised


def inverse_erf(x: float) -> float:
    """Steps of Halley's method on erf, or on erfc where the difference from 1 counts."""
    rest = 1.0 - abs(x)
    if not rest > 0.0:
        return math.copysign(math.inf, x) if rest == 0.0 else math.nan
    w = math.log(rest * (1.0 + abs(x)))
    t = 2 / (math.pi * 0.147) + w / 2
    y = math.sqrt(math.sqrt(t * t - w / 0.147) - t)  # within 0.2 per cent (Winitzki)
    for _ in range(3):
        short = math.erf(y) - abs(x) if rest > 0.5 else rest - math.erfc(y)
        step = short * math.sqrt(math.pi) / 2 * math.exp(y * y)
        y -= step / (1.0 + y * step)
    return math.copysign(y, x)


def gamma_function(x: float) -> float:
    if x == 0.0:
        return math.copysign(math.inf, x)
    try:
        return math.gamma(x)
    except ValueError:  # at a pole
        return math.nan
    except OverflowError:
        return math.inf


def scaled_erfc(x: float) -> float:
    """exp(x^2) erfc(x): that, or a continued fraction."""
    if x < 2.0:
        return math.exp(x * x) * math.erfc(x) if x > -26.7 else math.inf
    rest = x
    for k in range(80, 0, -1):
        rest = x + 0.5 * k / rest
    return 1.0 / (math.sqrt(math.pi) * rest) if x == x else x


def inverse_erfc(x: float) -> float:
    """inverse_erf(1 - x), or steps of Newton's method on log(erfc)."""
    if not 0.0 < x < 2.0:
        return math.copysign(math.inf, 1.0 - x) if x in (0.0, 2.0) else math.nan
    rest = min(x, 2.0 - x)
    if rest > 0.3:
        return inverse_erf(1.0 - x)
    y = math.sqrt(-math.log(rest))
    for _ in range(9):
        scaled = scaled_erfc(y)
        y += (math.log(scaled) - y * y - math.log(rest)) * scaled * math.sqrt(math.pi) / 2
    return math.copysign(y, 1.0 - x)


def scaled_bessel(order: int) -> Callable[[float], float]:
    """exp(-|x|) I(x) of an order: the power series, or the asymptotic one from 30 on."""

    def function(x: float) -> float:
        a = math.fabs(x)
        if not a < math.inf:
            return x if x != x else math.copysign(0.0, x if order else 1.0)
        term = total = 1.0
        k = 0
        while abs(term) > 1e-17 * total:
            k += 1
            if a < 30.0:
                term *= 0.25 * a * a / (k * (k + order))
            else:
                term *= ((2 * k - 1) ** 2 - 4 * order * order) / (8 * k * a)
            total += term
        if a >= 30.0:
            total /= math.sqrt(2 * math.pi * a)
        else:
            total *= math.exp(-a) * (0.5 * a) ** order
        return -total if order % 2 and x < 0.0 else total

    return function


erf, erfc, lgamma = each(math.erf), each(math.erfc), each(log_gamma)
digamma, erfinv = each(psi), each(inverse_erf)
gamma, erfcx, erfcinv = each(gamma_function), each(scaled_erfc), each(inverse_erfc)
i0e, i1e = each(scaled_bessel(0)), each(scaled_bessel(1))
