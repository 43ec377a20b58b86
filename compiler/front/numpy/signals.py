"""NumPy's functions of signals and samples: slopes, phases, windows, covariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import ops
from ...ir.explain import shown
from ...trace.operands import axes_of, axis_of, holds_tracer, inexact, new, tracer, wrong
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, Tracer
from .creation import result_type
from .cumulative import cumsum
from .elementwise import clip, mod, sqrt, where
from .products import matmul
from .reductions import mean, sum
from .shapes import atleast_2d, concatenate, diff, squeeze

__all__ = ["bartlett", "corrcoef", "cov", "gradient", "i0", "kaiser", "unwrap"]


# ---------------------------------------------------------------- windows


@implements(np.i0)
def i0(x: Any) -> Tracer:
    """The modified Bessel function of order 0."""
    a = tracer(x)
    if a.type.is_complex:
        raise wrong(f"i0: real numbers are required, got {a.type}")
    return new(ops.i0(inexact(a).value))


@implements(np.bartlett)
def bartlett(M: int) -> Tracer:
    """The triangle that is 0 at both ends."""
    return tracer(np.bartlett(M))


@implements(np.kaiser)
def kaiser(M: int, beta: Any) -> Tracer:
    """i0 of a half circle of height beta, over i0(beta)."""
    if not holds_tracer(beta):
        return tracer(np.kaiser(M, beta))
    if M < 2:
        return tracer(np.ones(max(M, 0)))
    half = (M - 1) / 2
    height = np.sqrt(1 - ((np.arange(M) - half) / half) ** 2)
    beta = tracer(beta).astype("f64")
    return i0(beta * height) / i0(beta)


# ---------------------------------------------------------------- along an axis


def _part(x: Tracer, axis: int, start: int | None, stop: int | None) -> Tracer:
    return x[(slice(None),) * axis + (slice(start, stop),)]


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * math.pi) -> Tracer:
    """Steps beyond `discont`, half a period, become their complements; the derivative is that of
    p."""
    x = tracer(p)
    axis = axis_of("unwrap", axis, x.ndim)
    steps = diff(x, axis=axis)
    x, steps = (v.astype(result_type(steps, period)) for v in (x, steps))
    exact = x.dtype.kind in "iu"
    low = -(period // 2 if exact else period / 2)
    turned = mod(steps - low, period) + low
    if not exact or period % 2 == 0:
        turned = where((turned == low) & (steps > 0), -low, turned)
    least = period / 2 if discont is None else discont
    added = where(abs(steps) < least, x.dtype.type(0), turned - steps)
    added = new(ops.stop_gradient(added.value)) if x.type.is_inexact else added
    first, rest = _part(x, axis, 0, 1), _part(x, axis, 1, None)
    return concatenate([first, rest + cumsum(added, axis, x.dtype)], axis)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes along each axis, of the second order inside and of `edge_order` at the ends."""
    x = tracer(f)
    x = x if x.type.dtype == "bool" else inexact(x)
    axes = axes_of("gradient", axis, x.ndim)
    if edge_order not in (1, 2):
        raise wrong(f"gradient: an edge_order of 1 or 2 is required, got {shown(edge_order)}")
    if len(varargs) not in (0, 1, len(axes)) or (
        len(varargs) == 1 < len(axes) and np.ndim(varargs[0])
    ):
        raise wrong(
            f"gradient: a distance, or one for each of {len(axes)} axes, is required, "
            f"got {len(varargs)}"
        )
    spacing = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    found = [_slope(x, *pair, edge_order) for pair in zip(axes, spacing, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _slope(x: Tracer, axis: int, spacing: Any, order: int) -> Tracer:
    """Of the parabola through three neighbours; of two at the ends if `order` is 1."""
    n, even = x.shape[axis], np.ndim(spacing) == 0
    if n <= order:
        least = f"{order + 1} elements or more along axis {axis}"
        raise wrong(f"gradient: {least} are required, got {x.type}")
    steps: Any = None
    if not even:
        at = tracer(spacing)
        if at.shape != (n,):
            raise wrong(f"gradient: {n} places along axis {axis} are required, got {at.type}")
        steps = diff(inexact(at))
        steps = steps.reshape(n - 1, *(1,) * (x.ndim - axis - 1))

    def here(k: int) -> Any:
        return _part(x, axis, k, k + 1 or None)

    def step(k: int) -> Any:
        return spacing if even else steps[k : k + 1 or None]

    if order == 1:
        first, last = (here(1) - here(0)) / step(0), (here(-1) - here(-2)) / step(-1)
    else:
        d, e = step(0), step(1)
        first = here(1) * ((d + e) / (d * e)) - here(0) * ((2 * d + e) / (d * (d + e)))
        first = first - here(2) * (d / (e * (d + e)))
        d, e = step(-2), step(-1)
        last = here(-1) * ((2 * e + d) / (e * (d + e))) - here(-2) * ((d + e) / (d * e))
        last = last + here(-3) * (e / (d * (d + e)))
    before, after = _part(x, axis, None, -2), _part(x, axis, 2, None)
    if even:
        inside = (after - before) / (2.0 * spacing)
    else:
        d, e = steps[:-1], steps[1:]
        inside = after * (d / (e * (d + e))) - before * (e / (d * (d + e)))
        inside = inside + _part(x, axis, 1, -1) * ((e - d) / (d * e))
    found = concatenate([first, inside, last], axis)
    return found if x.weak else found.astype(x.dtype)


# ---------------------------------------------------------------- covariances


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Tracer:
    """The covariances of the rows, of columns without `rowvar`; in f64 where no dtype is given."""
    given = [tracer(a) for a in (m, *(() if y is None else (y,)))]
    kind = dtype or result_type(*(a.dtype for a in given), np.float64)
    rows = [atleast_2d(a.astype(kind)) for a in given]
    if any(r.ndim > 2 for r in rows):
        raise wrong(f"cov: at most two axes are required, got {rows[0].type}")
    if not rowvar:
        turn = given[0].ndim > 1, y is not None and rows[-1].shape[0] > 1
        rows = [r.T if yes else r for r, yes in zip(rows, turn, strict=False)]
    x = rows[0] if y is None else concatenate(rows, 0)
    if not x.shape[0]:
        return x[:, :0]
    ddof = (0 if bias else 1) if ddof is None else ddof
    count: Any = x.shape[1]
    weights = [_weights("cov", w, count) for w in (fweights, aweights) if w is not None]
    if not weights:
        centred = x - mean(x, 1, keepdims=True)
        factor = 1 / (count - ddof) if count > ddof else math.inf
        return squeeze(matmul(centred, centred.conj().T) * factor)
    w = weights[0] if len(weights) == 1 else weights[0] * weights[1]
    total = sum(w)
    centred = x - matmul(x, w.astype(kind))[:, None] / total
    lost = ddof if aweights is None else ddof * sum(w * weights[-1]) / total
    return squeeze(matmul(centred, (centred * w).conj().T) / (total - lost)).astype(kind)


def _weights(name: str, weights: Any, count: int) -> Tracer:
    w = tracer(weights)
    if w.shape != (count,):
        raise wrong(f"{name}: a weight for each of {count} samples is required, got {w.type}")
    return w


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Tracer:
    """Covariances over the roots of the variances."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    size = sqrt(FUNCTIONS[np.diagonal](c).real)
    c = c / size[:, None] / size[None, :]
    if c.type.is_complex:
        return clip(c.real, -1, 1) + 1j * clip(c.imag, -1, 1)
    return clip(c, -1, 1)
