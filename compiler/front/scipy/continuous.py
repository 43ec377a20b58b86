"""Distributions of real numbers, at loc 0 and scale 1."""

from __future__ import annotations

import math
from typing import Any

from ...ir.types import finfo
from .. import special as sp
from ..lax.lax import stop_gradient
from ..numpy import elementwise as el
from .families import Continuous, all_positive, log1p_square
from .student import log_t_below, log_t_density, t_below

__all__ = [
    "beta", "cauchy", "chi2", "expon", "gamma", "gennorm", "gumbel_l", "gumbel_r", "laplace",
    "logistic", "norm", "pareto", "t", "truncnorm", "uniform", "vonmises", "wrapcauchy",
]  # fmt: skip

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def log_normal_density(z: Any) -> Any:
    return -0.5 * (z * z) - HALF_LOG_2PI


def above_zero(*shapes: Any) -> tuple[Any, Any]:
    return 0.0, math.inf


def one(*shapes: Any) -> Any:
    return 1.0


def half(*shapes: Any) -> Any:
    return 0.5


def log_power(z: Any, n: Any) -> Any:
    """n log(z); where that is infinite, at 0, its derivatives are 0."""
    end = el.equal(z, 0) & el.not_equal(n, 0)
    found = sp.xlogy(n, el.where(end, 1.0, z))
    return el.where(end, el.where(el.greater(n, 0), -math.inf, math.inf), found)


norm = Continuous(
    "norm",
    (),
    log_normal_density,
    below=sp.ndtr,
    above=lambda z: sp.ndtr(-z),
    log_below=sp.log_ndtr,
    log_above=lambda z: sp.log_ndtr(-z),
    quantile=sp.ndtri,
    upper_quantile=lambda q: -sp.ndtri(q),
)
t = Continuous(
    "t",
    ("df",),
    log_t_density,
    below=t_below,
    above=lambda z, df: t_below(-z, df),
    log_below=log_t_below,
    log_above=lambda z, df: log_t_below(-z, df),
)


def cauchy_quantile(q: Any) -> Any:
    """tan(pi (q - 1/2)), precise for q near 0 and 1 too."""
    low, high = el.less(q, 0.25), el.greater(q, 0.75)
    near = el.where(low | high, 0.5, q)
    far = el.where(low, q, el.where(high, 1 - q, 0.25))
    found = el.where(low, -1.0, 1.0) / el.tan(math.pi * far)
    return el.where(low | high, found, el.tan(math.pi * (near - 0.5)))


cauchy = Continuous(
    "cauchy",
    (),
    lambda z: -math.log(math.pi) - log1p_square(z),
    below=lambda z: el.arctan2(1.0, -z) / math.pi,
    above=lambda z: el.arctan2(1.0, z) / math.pi,
    quantile=cauchy_quantile,
    upper_quantile=lambda q: -cauchy_quantile(q),
)
expon = Continuous(
    "expon",
    (),
    lambda z: -z,
    above_zero,
    one,
    below=lambda z: -el.expm1(-z),
    above=lambda z: el.exp(-z),
    log_below=lambda z: sp.log1mexp(-z),
    log_above=lambda z: -z,
    quantile=lambda q: -el.log1p(-q),
    upper_quantile=lambda q: -el.log(q),
)
gamma = Continuous(
    "gamma",
    ("a",),
    lambda z, a: log_power(z, a - 1) - z - sp.gammaln(a),
    above_zero,
    one,
    below=lambda z, a: sp.gammainc(a, z),
    above=lambda z, a: sp.gammaincc(a, z),
)
chi2 = Continuous(
    "chi2",
    ("df",),
    lambda z, df: log_power(z, df / 2 - 1) - z / 2 - sp.gammaln(df / 2) - df / 2 * math.log(2),
    above_zero,
    one,
    below=lambda z, df: sp.gammainc(df / 2, z / 2),
    above=lambda z, df: sp.gammaincc(df / 2, z / 2),
)


def _log_beta_density(z: Any, a: Any, b: Any) -> Any:
    end = el.equal(z, 1) & el.not_equal(b, 1)
    right = sp.xlog1py(b - 1, -el.where(end, 0.5, z))
    right = el.where(end, el.where(el.greater(b, 1), -math.inf, math.inf), right)
    return log_power(z, a - 1) + right - sp.betaln(a, b)


beta = Continuous(
    "beta",
    ("a", "b"),
    _log_beta_density,
    lambda a, b: (0.0, 1.0),
    half,
    below=lambda z, a, b: sp.betainc(a, b, z),
    above=lambda z, a, b: sp.betainc(b, a, 1 - z),
)


def _laplace_below(z: Any) -> Any:
    left = el.less(z, 0)
    tail = el.exp(el.where(left, z, 0.0)) / 2
    return el.where(left, tail, 1 - el.exp(-el.where(left, 0.0, z)) / 2)


def _laplace_quantile(q: Any) -> Any:
    left = el.less(q, 0.5)
    right = -el.log(2 * (1 - el.where(left, 0.5, q)))
    return el.where(left, el.log(2 * el.where(left, q, 0.5)), right)


laplace = Continuous(
    "laplace",
    (),
    lambda z: -el.absolute(z) - math.log(2),
    below=_laplace_below,
    above=lambda z: _laplace_below(-z),
    quantile=_laplace_quantile,
    upper_quantile=lambda q: -_laplace_quantile(q),
)
logistic = Continuous(
    "logistic",
    (),
    lambda z: -el.logaddexp(z, 0.0) - el.logaddexp(-z, 0.0),
    below=sp.expit,
    above=lambda z: sp.expit(-z),
    log_below=sp.log_expit,
    log_above=lambda z: sp.log_expit(-z),
    quantile=sp.logit,
    upper_quantile=lambda q: -sp.logit(q),
)


def _gumbel_rate(z: Any) -> Any:
    """exp(-z), the greatest of its dtype where that overflows."""
    return el.exp(el.minimum(-z, math.log(float(finfo(z.type.dtype).max))))


def _gumbel_log_above(z: Any) -> Any:
    far = el.greater(z, 30)  # where 1 - exp(-exp(-z)) is exp(-z) but for its square
    near = sp.log1mexp(-_gumbel_rate(el.where(far, 0.0, z)))
    return el.where(far, -z - el.exp(-el.where(far, z, 30.0)) / 2, near)


def _gumbel_quantile(q: Any) -> Any:
    end = el.equal(q, 0)
    return el.where(end, -math.inf, -el.log(-el.log(el.where(end, 0.5, q))))


def _gumbel_upper_quantile(q: Any) -> Any:
    end = el.equal(q, 1)
    return el.where(end, -math.inf, -el.log(-el.log1p(-el.where(end, 0.5, q))))


gumbel_r = Continuous(
    "gumbel_r",
    (),
    lambda z: -z - el.exp(-z),
    below=lambda z: el.exp(-_gumbel_rate(z)),
    above=lambda z: -el.expm1(-_gumbel_rate(z)),
    log_below=lambda z: -el.exp(-z),
    log_above=_gumbel_log_above,
    quantile=_gumbel_quantile,
    upper_quantile=_gumbel_upper_quantile,
)
gumbel_l = Continuous(  # the other, mirrored
    "gumbel_l",
    (),
    lambda z: z - el.exp(z),
    below=lambda z: -el.expm1(-_gumbel_rate(-z)),
    above=lambda z: el.exp(-_gumbel_rate(-z)),
    log_below=lambda z: _gumbel_log_above(-z),
    log_above=lambda z: -el.exp(z),
    quantile=lambda q: -_gumbel_upper_quantile(q),
    upper_quantile=lambda q: -_gumbel_quantile(q),
)
pareto = Continuous(
    "pareto",
    ("b",),
    lambda z, b: el.log(b) - (b + 1) * el.log(z),
    lambda b: (1.0, math.inf),
    lambda b: 2.0,
    below=lambda z, b: -el.expm1(-b * el.log(z)),
    above=lambda z, b: el.exp(-b * el.log(z)),
    log_below=lambda z, b: sp.log1mexp(-b * el.log(z)),
    log_above=lambda z, b: -b * el.log(z),
    quantile=lambda q, b: el.exp(-el.log1p(-q) / b),
    upper_quantile=lambda q, b: el.exp(-el.log(q) / b),
)
uniform = Continuous(
    "uniform",
    (),
    lambda z: 0.0 * z,
    lambda: (0.0, 1.0),
    half,
    below=lambda z: z,
    above=lambda z: 1 - z,
    quantile=lambda q: q,
    upper_quantile=lambda q: 1 - q,
)


def _power(z: Any, beta: Any) -> Any:
    """|z| ** beta; at 0 its derivatives are those from the right, 0 where it is a cusp."""
    cusp = el.equal(z, 0) & el.less_equal(beta, 1)
    size = el.where(cusp, 1.0, el.where(el.less(z, 0), -z, z))
    return el.where(cusp, 0.0, el.power(size, beta))


def _gennorm_below(z: Any, beta: Any) -> Any:
    size = stop_gradient(_power(z, beta))
    middle, far = el.equal(size, 0), el.equal(size, math.inf)
    tail = sp.gammaincc(1 / beta, _power(el.where(middle | far, 1.0, z), beta)) / 2
    tail = el.where(far, 0.0, tail)
    slope = beta / (2 * sp.gamma(1 / beta))
    return el.where(middle, 0.5 + z * slope, el.where(el.less(z, 0), tail, 1 - tail))


gennorm = Continuous(
    "gennorm",
    ("beta",),
    lambda z, beta: el.log(beta / 2) - sp.gammaln(1 / beta) - _power(z, beta),
    inside=one,
    below=_gennorm_below,
    above=lambda z, beta: _gennorm_below(-z, beta),
)
vonmises = Continuous(
    "vonmises",
    ("kappa",),
    # kappa (cos z - 1), precise near the mode
    lambda z, kappa: (
        -2 * kappa * el.square(el.sin(z / 2)) - el.log(sp.i0e(kappa)) - 2 * HALF_LOG_2PI
    ),
    domain=lambda kappa: el.greater_equal(kappa, 0),
)
wrapcauchy = Continuous(
    "wrapcauchy",
    ("c",),
    lambda z, c: (
        el.log1p(-c * c) - 2 * HALF_LOG_2PI
        - el.log(el.square(1 - c) + 4 * c * el.square(el.sin(z / 2)))
    ),
    lambda c: (0.0, 2 * math.pi),
    one,
    lambda c: all_positive(c, 1 - c),
)  # fmt: skip

# ---------------------------------------------------------------- between two numbers


def log_mass(a: Any, b: Any) -> Any:
    """log(ndtr(b) - ndtr(a)) for a < b, precise in both tails and for numbers close together."""
    width = b - a
    middle = el.where(el.isfinite(width), a + width / 2, 0.0)
    narrow = el.less(width * (1 + el.absolute(middle)), 2e-3)
    w, m = el.where(narrow, width, 1.0), el.where(narrow, middle, 0.0)
    # Taylor's polynomial about the middle, but for its 4th power of the width
    close = log_normal_density(m) + el.log(w) + el.log1p((m * m - 1) * w * w / 24)
    apart = _log_mass_apart(el.where(narrow, 0.0, a), el.where(narrow, 1.0, b))
    return el.where(narrow, close, apart)


def _log_mass_apart(a: Any, b: Any) -> Any:
    turn = el.greater(a, 0)  # what lies right of 0 is that left of it
    low, high = el.where(turn, -b, a), el.where(turn, -a, b)
    left = el.less_equal(high, 0)
    far_low, far_high = el.where(left, low, -2.0), el.where(left, high, -1.0)
    nothing = el.less(far_high, -1e18)  # where the logarithm is infinite, or nearly so
    far_low, far_high = el.where(nothing, -2.0, far_low), el.where(nothing, -1.0, far_high)
    top = sp.log_ndtr(far_high)
    tails = el.where(nothing, -math.inf, top + sp.log1mexp(sp.log_ndtr(far_low) - top))
    low, high = el.where(left, -1.0, low), el.where(left, 1.0, high)
    return el.where(left, tails, el.log1p(-sp.ndtr(low) - sp.ndtr(-high)))


def _end(a: Any, b: Any) -> Any:
    """A finite point from a to b."""
    finite = [el.isfinite(x) for x in (a, b)]
    middle = 0.5 * (el.where(finite[0], a, 0.0) + el.where(finite[1], b, 0.0))
    one_sided = el.where(finite[0], a + 1.0, el.where(finite[1], b - 1.0, 0.0))
    return el.where(finite[0] & finite[1], middle, one_sided)


def _log_part(side: int) -> Any:
    def of(z: Any, a: Any, b: Any) -> Any:
        end = el.less_equal(z, a) if side == 0 else el.greater_equal(z, b)
        z = el.where(end, _end(a, b), z)
        found = (log_mass(a, z) if side == 0 else log_mass(z, b)) - log_mass(a, b)
        return el.where(end, -math.inf, found)

    return of


def _part(side: int) -> Any:
    def of(z: Any, a: Any, b: Any) -> Any:
        found = _log_part(side)(z, a, b)
        none = el.equal(found, -math.inf)
        return el.where(none, 0.0, el.exp(el.where(none, 0.0, found)))

    return of


truncnorm = Continuous(
    "truncnorm",
    ("a", "b"),
    lambda z, a, b: log_normal_density(z) - log_mass(a, b),
    lambda a, b: (a, b),
    _end,
    lambda a, b: el.less(a, b),
    below=_part(0),
    above=_part(1),
    log_below=_log_part(0),
    log_above=_log_part(1),
)
