"""NumPy's order statistics and interpolation, by sorting and searching."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.types import NUMPY
from ...trace.operands import BF16, promoted, tracer, unsupported, wrong
from ...trace.table import implements
from ...trace.tracer import Tracer
from .elementwise import where
from .indexing import take, take_along_axis
from .order import searchsorted, sort
from .reductions import reduced_axes
from .shapes import broadcast_to, moveaxis, reshape

__all__ = [
    "interp", "median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile",
]  # fmt: skip

CONTINUOUS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""alpha and beta of the methods that interpolate. Source: Hyndman and Fan, 1996."""
DISCRETE = ("lower", "higher", "nearest")
"""The methods that give an element, in its dtype."""
METHODS = (*CONTINUOUS, *DISCRETE, "midpoint")


def _rows(name: str, a: Any, axis: Any) -> tuple[Tracer, tuple[int, ...]]:
    """The elements of the axes in order along the last one; the shape of keepdims."""
    x = tracer(a)
    axes = reduced_axes(name, axis, x.ndim)
    rest = [n for d, n in enumerate(x.shape) if d not in axes]
    count = math.prod(x.shape[d] for d in axes)
    kept = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
    last = range(x.ndim - len(axes), x.ndim)
    return sort(reshape(moveaxis(x, axes, tuple(last)), (*rest, count))), kept


def _position(q: Any, count: Any, method: str) -> Any:
    """Where among `count` elements in order the quantile lies."""
    if method in CONTINUOUS:
        alpha, beta = CONTINUOUS[method]
        at = count * q + (alpha + q * (1 - alpha - beta)) - 1
        return np.minimum(np.maximum(at, 0), count - 1)
    at = q * (count - 1)
    match method:
        case "lower":
            return np.floor(at)
        case "higher":
            return np.ceil(at)
        case "nearest":
            return np.rint(at)
    return (np.floor(at) + np.ceil(at)) / 2


def _between(low: Any, high: Any, part: Any) -> Any:
    """low + part * (high - low), also of equal infinities."""
    step = where((low == high) & np.isinf(low), 0, high - low)
    return where(part < 0.5, low + step * part, high - step * (1 - part))


def _given(q: Any) -> Any:
    """Quantiles as a traced value, an array, or a Python number, which is weak."""
    return q if isinstance(q, Tracer) or type(q) in (int, float) else np.asarray(q)


def _quantile(
    name: str, a: Any, q: Any, axis: Any, method: str, keepdims: bool, skip: bool
) -> Tracer:
    if method not in METHODS:
        raise wrong(f"{name}: a method of {', '.join(METHODS)} is required, got {method!r}")
    s, kept = _rows(name, a, axis)
    if s.type.is_complex or (s.type.dtype == "bool" and method not in DISCRETE):
        raise wrong(f"{name}: real numbers are required, got {s.type}", "x.astype(float)")
    if not s.shape[-1] and not skip:
        raise wrong(f"{name}: at least one element is required, got {s.type}")
    whole, s = s, s if s.type.is_float else s.astype(np.float64)
    if not s.shape[-1]:
        s = broadcast_to(s.dtype.type(np.nan), (*s.shape[:-1], 1))
    given = q if isinstance(q, Tracer) or type(q) in (int, float) else np.asarray(q)
    if not isinstance(q, Tracer) and np.asarray(q).dtype.kind not in "biuf":
        raise wrong(f"{name}: quantiles are numbers, got {q!r:.40}")
    if not isinstance(q, Tracer) and not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= 1)):
        raise wrong(f"{name}: quantiles within 0 and 1 are required, got {q}")
    dtype = NUMPY[promoted(name, whole, given, 1.0)]
    shape, flat = np.shape(given), np.reshape(given, (-1,))
    n, rest = s.shape[-1], s.shape[:-1]
    missing: Any = np.isnan(s)
    if skip:
        count = np.sum(~missing, -1, keepdims=True)
        empty = count == 0
        at = _position(flat, np.maximum(count, 1), method)
    else:
        at, empty = _position(flat, n, method), missing[..., -1:]
    low = np.floor(at)
    part = (at - low).astype(dtype)
    places = low.astype(np.int64), np.minimum(np.ceil(at).astype(np.int64), n - 1)
    below, above = (
        (take_along_axis(s, p, -1) if skip else take(s, p, -1)).astype(dtype) for p in places
    )
    found = where(empty, dtype.type(np.nan), _between(below, above, part))
    found = reshape(moveaxis(found, -1, 0), (*shape, *(kept if keepdims else rest)))
    return found.astype(whole.dtype) if method in DISCRETE else found


def _median(name: str, a: Any, axis: Any, keepdims: bool, skip: bool) -> Tracer:
    """The mean of the two elements in the middle, of a count that is even; NaN of none."""
    s, kept = _rows(name, a, axis)
    of = s.dtype if s.type.is_inexact else np.dtype(np.float64)
    s = s.astype(np.float32 if of == np.float16 else of) if of != BF16 else s
    nan = s.dtype.type(complex(np.nan, np.nan) if s.type.is_complex else np.nan)
    if not s.shape[-1]:
        s = broadcast_to(nan, (*s.shape[:-1], 1))
    missing, n = np.isnan(s), s.shape[-1]
    if skip:
        count = np.sum(~missing, -1, keepdims=True)
        empty = count == 0
        low, high = (
            take_along_axis(s, np.maximum(p, 0), -1) for p in ((count - 1) // 2, count // 2)
        )
        odd: Any = count % 2 == 1
    else:
        empty, odd = missing[..., -1:], n % 2 == 1
        low, high = (s[..., p : p + 1] for p in ((n - 1) // 2, n // 2))
    found = where(odd, low, (low + high) / 2)
    found = where(empty, nan if skip else s[..., -1:], found).astype(of)
    return reshape(found, kept if keepdims else s.shape[:-1])


def _function(name: str, scale: int, skip: bool) -> Any:
    def implementation(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> Tracer:
        unsupported(name, out=out, weights=weights)
        if scale != 1:
            q = (
                q / scale
                if isinstance(q, Tracer) or type(q) in (int, float)
                else np.asarray(q) / scale
            )
        return _quantile(name, a, q, axis, method, keepdims, skip)

    return implementation


quantile = implements(np.quantile)(_function("quantile", 1, False))
percentile = implements(np.percentile)(_function("percentile", 100, False))
nanquantile = implements(np.nanquantile)(_function("nanquantile", 1, True))
nanpercentile = implements(np.nanpercentile)(_function("nanpercentile", 100, True))


@implements(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Tracer:
    unsupported("median", out=out)
    return _median("median", a, axis, keepdims, False)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Tracer:
    unsupported("nanmedian", out=out)
    return _median("nanmedian", a, axis, keepdims, True)


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Tracer:
    """The piecewise linear function through the points (xp, fp), xp rising, at x; constant outside.

    With a period, points and x are taken modulo it, the points in any order.
    """
    x, xs, ys = tracer(x).astype(np.float64), tracer(xp).astype(np.float64), tracer(fp)
    ys = ys.astype(np.complex128 if ys.type.is_complex else np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape or not xs.size:
        raise wrong(f"interp: points of one axis are required, got {xs.type} and {ys.type}")
    if period is not None:
        from_start = np.argsort(xs % period)
        x, xs, ys = x % period, (xs % period)[from_start], ys[from_start]
        xs = np.concatenate([xs[-1:] - period, xs, xs[:1] + period])
        ys = np.concatenate([ys[-1:], ys, ys[:1]])
    if xs.size == 1:
        inside = x * 0 + ys[0]
    else:
        at = np.clip(searchsorted(xs, x, "right"), 1, xs.size - 1)
        x0, x1, y0, y1 = xs[at - 1], xs[at], ys[at - 1], ys[at]
        width = x1 - x0
        slope = (y1 - y0) / where(width == 0, 1.0, width)
        # where an infinite value makes it NaN: a point's own value there, else from the other end
        near, far = y0 + (x - x0) * slope, y1 + (x - x1) * slope
        far = where(np.isnan(far) & (y0 == y1), y0, far)
        far = where(x == x0, y0, where(x == x1, y1, far))
        inside = where(width == 0, y0, where(np.isnan(near), far, near))
    if period is not None:
        return inside
    found = where(x < xs[0], ys[0] if left is None else left, inside)
    return where(x > xs[-1], ys[-1] if right is None else right, found)
