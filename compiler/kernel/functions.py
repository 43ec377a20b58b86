"""NumPy meanings of functions that NumPy lacks, computed in f64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of floats on every element."""
    return np.vectorize(function, otypes=[np.float64])


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


erf, erfc, lgamma = each(math.erf), each(math.erfc), each(log_gamma)
digamma, erfinv = each(psi), each(inverse_erf)
