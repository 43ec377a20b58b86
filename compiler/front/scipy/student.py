"""Student's distribution t: its density, and the probability of no more than z.

By betainc, derivatives in z and in the degrees of freedom from the density and from betainc's.
Beyond FAR degrees of freedom a transformed normal distribution: nothing there is lost to rounding.
Where the probability is too small for a float, its logarithm is a sum over nodes of Gauss.

Accuracy: of the result, in both tails, 1e-16 times the degrees of freedom, at least 1e-14 and at
most 1e-9; of the derivative in them 1e-9 of the greatest about.
Source: Wallace, Bounds on normal approximations to Student's and the chi-square distributions,
1959.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from ...ops.incomplete import betainc_slope
from .. import special as sp
from ..functions.custom import custom_jvp
from ..numpy import elementwise as el
from ..numpy.reductions import sum as total
from .families import log1p_square

__all__ = ["log_t_below", "log_t_density", "t_below"]

FAR = 2e6
NODES, WEIGHTS = numpy.polynomial.laguerre.laggauss(16)


def log_t_density(z: Any, df: Any) -> Any:
    """By betaln, in which large numbers cancel no digits."""
    size = log1p_square(z / el.sqrt(df))
    return -sp.betaln(df / 2, 0.5) - 0.5 * el.log(df) - (df + 1) / 2 * size


def _part(z: Any, df: Any) -> tuple[Any, Any, Any]:
    """Whether z is about 0, and z**2 / (df + z**2) there, elsewhere df / (df + z**2)."""
    near, w = el.less(el.absolute(z), 0.5), z / el.sqrt(df)
    inside, outside = el.where(near, w, 0.5), el.where(near, 0.5, w)
    return near, inside * inside / (1 + inside * inside), 1 / (1 + outside * outside)


@custom_jvp
def _below(z: Any, df: Any) -> Any:
    near, inside, outside = _part(z, df)
    middle = 0.5 + 0.5 * el.sign(z) * sp.betainc(0.5, df / 2, inside)
    tail = 0.5 * sp.betainc(df / 2, 0.5, outside)
    return el.where(near, middle, el.where(el.less(z, 0), tail, 1 - tail))


@_below.defjvp
def _below_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    (z, df), (dz, ddf) = primals, tangents
    near, inside, outside = _part(z, df)
    density = el.exp(log_t_density(z, df))
    # of the incomplete beta function at one place; the place moves by the density
    first = sp.of_several(partial(betainc_slope, i=0), "t", df / 2, 0.5, outside)
    second = -sp.of_several(partial(betainc_slope, i=1), "t", 0.5, df / 2, inside)
    slope = -0.25 * el.sign(z) * el.where(near, second, first) - z * density / (2 * df)
    # at 0 the sum is linear in z, but of |z| and its sign
    rate = 0.5 * density * (sp.digamma((df + 1) / 2) - sp.digamma(df / 2) - 1 / df)
    slope = el.where(el.equal(z, 0), z * rate, slope)
    return _below(z, df), dz * density + ddf * slope


def _as_normal(z: Any, df: Any) -> Any:
    """The number that a normal distribution exceeds as often, but for df**-2 of it."""
    w = z / el.sqrt(df)
    close = el.less(el.absolute(w), 1e-5)  # where its square may be 0
    size = el.sqrt(df * log1p_square(el.where(close, 1.0, w)))
    size = el.where(close, z * (1 - w * w / 4), el.sign(z) * size)
    return (8 * df + 1) / (8 * df + 3) * size


def _apart(z: Any, df: Any) -> tuple[Any, Any, Any, Any]:
    """Whether there are many degrees of freedom; arguments for few and for many."""
    far = el.greater(df, FAR)
    return far, el.where(far, 1.0, df), el.where(far, z, 0.0), el.where(far, df, 2 * FAR)


def t_below(z: Any, df: Any) -> Any:
    far, few, z_far, many = _apart(z, df)
    return el.where(far, sp.ndtr(_as_normal(z_far, many)), _below(z, few))


def log_t_below(z: Any, df: Any) -> Any:
    far, few, z_far, many = _apart(z, df)
    found = _below(z, few)
    lost = el.less(found, 1e-30 if z.type.dtype != "f64" else 1e-290)
    inside = el.log(el.where(lost, 1.0, _below(el.where(lost, 0.0, z), few)))
    tail = _log_tail(el.where(lost, z, -1e5), few)
    return el.where(far, sp.log_ndtr(_as_normal(z_far, many)), el.where(lost, tail, inside))


def _log_tail(z: Any, df: Any) -> Any:
    """log of x**a / (2 beta(a, 1/2)) times the integral of exp(-a s) / sqrt(1 - x exp(-s)) for s
    from 0 on, x = df / (df + z**2) and a = df / 2."""
    w, a = z / el.sqrt(df), df / 2
    close = el.maximum(w, -1e15)  # beyond, x is nothing beside 1
    x = 1 / (1 + close * close)
    nodes, weights = NODES.astype(z.dtype), WEIGHTS.astype(z.dtype)
    terms = weights / el.sqrt(1 - x[..., None] * el.exp(-nodes / a[..., None]))
    size = el.log(total(terms, axis=-1) / (2 * a))
    return size - a * log1p_square(w) - sp.betaln(a, 0.5)
