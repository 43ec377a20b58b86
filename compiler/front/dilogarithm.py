"""What of scipy.special is a series of Bernoulli's numbers: they themselves, and spence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from ..ir.explain import explained
from ..trace.operands import new, shape_given, tracer, wrong
from ..trace.tracer import Tracer
from .functions.custom import custom_jvp
from .lax.lax import eager
from .numpy import elementwise as el

__all__ = ["bernoulli", "spence"]


def even_numbers(count: int) -> list[tuple[int, int]]:
    """B[2], B[4], ... as ratios of whole numbers, of the coefficients of the tangent.

    Source: Brent and Harvey, Fast computation of Bernoulli, tangent and secant numbers, 2011.
    """
    tangents = [math.factorial(k) for k in range(count)]
    for k in range(1, count):
        for j in range(k, count):
            tangents[j] = (j - k) * tangents[j - 1] + (j - k + 2) * tangents[j]
    return [
        ((-1) ** k * 2 * (k + 1) * t, 4 ** (k + 1) * (4 ** (k + 1) - 1))
        for k, t in enumerate(tangents)
    ]


@explained
def bernoulli(n: int) -> np.ndarray:
    """Bernoulli's numbers B[0] to B[n], of which B[1] = -1/2."""
    (count,) = shape_given("bernoulli", n)
    found = np.zeros(count + 1)
    found[:2] = (1.0, -0.5)[: count + 1]
    found[2::2] = [top / bottom for top, bottom in even_numbers(count // 2)]
    return found


TERMS = [
    top / (bottom * math.factorial(2 * k + 3)) for k, (top, bottom) in enumerate(even_numbers(10))
]
"""Of the dilogarithm of 1 - exp(-u), by even powers of u: for |u| <= log 2 the rest is 1e-18."""


def _series(u: Any) -> Any:
    """The dilogarithm of 1 - exp(-u): the integral of u / (exp(u) - 1)."""
    square = u * u
    total: Any = 0.0
    for c in reversed(TERMS):
        total = (total + c) * square
    return u * (1 - u / 4 + total)


@custom_jvp
def _spence(z: Any) -> Any:
    low, high = el.less(z, 0.5), el.greater(z, 2)
    middle = el.where(low | high, 1.0, z)
    near = el.where(low, z, 0.25)
    far = el.where(high, z, 4.0)
    u = el.where(low, -el.log1p(-near), el.where(high, el.log1p(-1 / far), -el.log(middle)))
    found = _series(u)
    # where 1 - z is beyond the circle of convergence, by the reflections z to 1 - z and 1 / z
    product = el.where(el.equal(near, 0), 0.0, el.log(el.where(el.equal(near, 0), 1.0, near)))
    left = math.pi**2 / 6 - product * el.log1p(-near) - found
    right = -(math.pi**2) / 6 - 0.5 * el.square(el.log(far - 1)) - found
    found = el.where(low, left, el.where(high, right, found))
    return el.where(el.less(z, 0), math.nan, found)


@_spence.defjvp
def _spence_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    slope = new(ops.log1prel((tracer(z) - 1).value))
    end = el.equal(z, 0)
    slope = el.where(end, math.inf, el.where(end, 1.0, slope))
    return _spence(z), -slope * dz


@eager("z")
def spence(z: Any) -> Tracer:
    """The integral of log(t) / (1 - t) for t from 1 to z: the dilogarithm of 1 - z; NaN below 0.

    Accuracy: 5e-16 of the result or of 1, whichever is more; near z = 1, where it is 0, of the
    result.
    """
    z = tracer(z)
    if z.type.is_complex:
        raise wrong(f"spence: real numbers are required, got {z.type}")
    return _spence(z if z.type.is_inexact else z + 0.0)
