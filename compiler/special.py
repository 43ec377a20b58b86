"""scipy.special's functions of numbers, by its names."""

from __future__ import annotations

import math
from typing import Any

from .lax import digamma, eager, erf, erfc, lgamma, logistic
from .lax import erf_inv as erfinv
from .numpy import elementwise as el
from .numpy.operands import tracer
from .tracer import Tracer

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfinv",
    "expit",
    "gammaln",
    "log_expit",
    "logit",
    "ndtr",
    "psi",
    "xlog1py",
    "xlogy",
]

expit, gammaln, psi = logistic, lgamma, digamma


@eager("p")
def logit(p: Any) -> Tracer:
    """log(p / (1 - p)), the inverse of expit."""
    p = tracer(p)
    return el.log(p) - el.log1p(-p)


@eager("x")
def log_expit(x: Any) -> Tracer:
    """log(expit(x)), without overflow."""
    return -el.logaddexp(0.0, -tracer(x))


@eager("x", "y")
def xlogy(x: Any, y: Any) -> Tracer:
    """x log(y), and 0 where x is 0 (but for NaN)."""
    x, y = tracer(x), tracer(y)
    nothing = (x == 0) & ~el.isnan(y)
    return el.where(nothing, 0.0, x * el.log(el.where(nothing, 1.0, y)))


@eager("x", "y")
def xlog1py(x: Any, y: Any) -> Tracer:
    """x log(1 + y), and 0 where x is 0 (but for NaN)."""
    x, y = tracer(x), tracer(y)
    nothing = (x == 0) & ~el.isnan(y)
    return el.where(nothing, 0.0, x * el.log1p(el.where(nothing, 0.0, y)))


@eager("x")
def entr(x: Any) -> Tracer:
    """-x log(x), 0 at 0 and -inf below."""
    x = tracer(x)
    return el.where(x < 0, -math.inf, -xlogy(x, el.where(x < 0, 1.0, x)))


@eager("x")
def ndtr(x: Any) -> Tracer:
    """The distribution function of the standard normal, precise in both tails."""
    return 0.5 * erfc(-tracer(x) * math.sqrt(0.5))
