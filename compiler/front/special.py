"""scipy.special's functions of numbers, by its names."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..trace.operands import tracer
from ..trace.tracer import Tracer
from .lax.lax import binary, digamma, eager, erf, erfc, lgamma, logistic, unary
from .lax.lax import erf_inv as erfinv
from .numpy import elementwise as el

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


logit = unary(ops.log_odds, "logit", "log(p / (1 - p)), the inverse of expit.")
entr = unary(ops.entr, "entr", "-x log(x), 0 at 0 and -inf below.")
log1mexp = unary(ops.log1mexp, "log1mexp", "log(1 - e ** x) of x below 0; SciPy has no such name.")
xlogy = binary(ops.xlogy, "xlogy", "x log(y), and 0 where x is 0 (but for NaN).")
xlog1py = binary(ops.xlog1py, "xlog1py", "x log(1 + y), and 0 where x is 0 (but for NaN).")


@eager("x")
def log_expit(x: Any) -> Tracer:
    """log(expit(x)), without overflow."""
    return -el.logaddexp(-tracer(x), 0.0)


@eager("x")
def ndtr(x: Any) -> Tracer:
    """The distribution function of the standard normal, precise in both tails."""
    return 0.5 * erfc(-tracer(x) * math.sqrt(0.5))
