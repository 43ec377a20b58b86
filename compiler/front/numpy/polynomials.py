"""NumPy's functions of polynomials by their coefficients, the highest first.

Traced coefficients are not trimmed, for their number is static: results have a place for every
power that may occur, remainders as many as the dividend, and a leading 0 of roots gives NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.explain import shown
from ...ir.types import NUMPY, finfo
from ...trace.operands import inexact, promoted, tracer, whole, wrong
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, Tracer
from .linalg.decompositions import eigvals
from .linalg.equations import inv, lstsq
from .products import convolve
from .shapes import atleast_1d, concatenate, stack

__all__ = [
    "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "roots",
]  # fmt: skip


def _coefficients(name: str, p: Any, number: bool = True) -> Tracer:
    x = atleast_1d(p) if number else tracer(p)
    if x.ndim != 1:
        raise wrong(f"{name}: coefficients of one axis are required, got {x.type}")
    return x


def _padded(name: str, a1: Any, a2: Any) -> tuple[Tracer, Tracer]:
    """Both with as many coefficients, zeros before the fewer."""
    x, y = _coefficients(name, a1), _coefficients(name, a2)
    size = max(x.size, y.size)
    return FUNCTIONS[np.pad](x, (size - x.size, 0)), FUNCTIONS[np.pad](y, (size - y.size, 0))


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Tracer:
    x, y = _padded("polyadd", a1, a2)
    return x + y


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Tracer:
    x, y = _padded("polysub", a1, a2)
    return x - y


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Tracer:
    return convolve(_coefficients("polymul", a1), _coefficients("polymul", a2))


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Tracer, Tracer]:
    """q and r with u = q v + r; r has as many coefficients as u, the first of them zeros."""
    x, y = _coefficients("polydiv", u), _coefficients("polydiv", v)
    of = promoted("polydiv", x, y, 1.0)
    rest, y = tracer(x, of), tracer(y, of)
    count = max(x.size - y.size + 1, 1)
    if x.size < y.size:
        return FUNCTIONS[np.zeros](1, NUMPY[of]), rest
    found = []
    for k in range(count):
        found.append(rest[k] / y[0])
        less = FUNCTIONS[np.pad](found[-1] * y, (k, x.size - y.size - k))
        rest = rest - less
        rest = concatenate([FUNCTIONS[np.zeros](k + 1, NUMPY[of]), rest[k + 1 :]])  # exactly
    return stack(found), rest


def _order(name: str, m: Any) -> int:
    times = whole(m)
    if times is None or times < 0:
        raise wrong(f"{name}: an order of 0 or more is required, got {shown(m)}")
    return times


@implements(np.polyder)
def polyder(p: Any, m: Any = 1) -> Tracer:
    """The derivative of order m."""
    x = _coefficients("polyder", p, number=False)
    for _ in range(_order("polyder", m)):
        x = x[:-1] * np.arange(x.size - 1, 0, -1)
    return x


@implements(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Tracer:
    """The antiderivative of order m, of which `k` are the constants."""
    x, times = _coefficients("polyint", p, number=False), _order("polyint", m)
    constants: Any = atleast_1d(tracer(0 if k is None else k))
    if constants.size not in (1, times):
        raise wrong(f"polyint: {times} constants are required, got {constants.type}")
    for n in range(times):
        c = constants[n if constants.size > 1 else 0]
        x = concatenate([x / np.arange(x.size, 0, -1), c[None]])
    return x


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Tracer:
    """The coefficients of the polynomial of these roots, or the characteristic one of a matrix."""
    x = atleast_1d(seq_of_zeros)
    if x.ndim > 2 or (x.ndim == 2 and x.shape[0] != x.shape[1]):
        raise wrong(f"poly: roots or a square matrix are required, got {x.type}")
    at = inexact(eigvals(x) if x.ndim == 2 else x)
    found = FUNCTIONS[np.ones](1, at.dtype)
    for k in range(at.size):
        grown = concatenate([found, FUNCTIONS[np.zeros](1, at.dtype)])
        found = grown - concatenate([FUNCTIONS[np.zeros](1, at.dtype), found * at[k]])
    return found.real if x.ndim == 2 and not x.type.is_complex else found


@implements(np.roots)
def roots(p: Any) -> Tracer:
    """The complex roots, eigenvalues of the companion matrix; of traced p the first is not 0."""
    x = inexact(_coefficients("roots", p))
    n = x.size - 1
    if n < 1:
        return FUNCTIONS[np.zeros](0, np.result_type(x.dtype, np.complex64))
    below = FUNCTIONS[np.eye](n - 1, n, dtype=x.dtype)
    return eigvals(concatenate([(-x[1:] / x[0])[None], below]))


@implements(np.polyfit)
def polyfit(
    x: Any,
    y: Any,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: Any = False,
) -> Any:
    """The polynomial of this degree nearest to points, by least squares with weights w."""
    a, b = tracer(x), tracer(y)
    if whole(deg) is None or deg < 0:
        raise wrong(f"polyfit: a degree of 0 or more is required, got {shown(deg)}")
    if a.ndim != 1 or b.ndim not in (1, 2) or a.size != b.shape[0] or not a.size:
        raise wrong(f"polyfit: as many points are required of both, got {a.type} and {b.type}")
    of = promoted("polyfit", a, b, 1.0)
    a, b = tracer(a, of), tracer(b, of)
    powers = stack([a**k for k in range(deg, -1, -1)], -1)
    if w is not None:
        weights = tracer(w, of)
        if weights.shape != a.shape:
            raise wrong(f"polyfit: a weight for every point is required, got {weights.type}")
        powers = powers * weights[:, None]
        b = b * (weights if b.ndim == 1 else weights[:, None])
    scale: Any = FUNCTIONS[np.sqrt](FUNCTIONS[np.sum](powers * powers, 0))
    powers = powers / scale
    cut = a.size * float(finfo(of).eps) if rcond is None else rcond
    found, rest, rank, values = lstsq(powers, b, cut)
    found = (found.T / scale).T
    if full:
        return found, rest, rank, values, tracer(cut)
    if not cov:
        return found
    spread: Any = inv(powers.T @ powers) / (scale[:, None] * scale)
    if cov != "unscaled":
        if a.size <= deg + 1:
            raise wrong(f"polyfit: more than {deg + 1} points are required for cov, got {a.size}")
        error = rest / (a.size - deg - 1)
        spread = spread * error[0] if b.ndim == 1 else spread[..., None] * error
    return found, spread
