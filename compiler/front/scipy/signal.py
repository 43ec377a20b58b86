"""scipy.signal's convolutions, of any number of axes, and detrend."""

from __future__ import annotations

import math
from typing import Any

from ...ir.explain import explained
from ...trace.operands import alike, axes_of, cast_to, wrong
from .. import numpy as np
from ..lax.convolution import conv_general_dilated
from ..lax.primitives import array_or_tracer

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "detrend", "fftconvolve"]


def _two(name: str, in1: Any, in2: Any, mode: str) -> tuple[Any, Any]:
    x, y = (array_or_tracer(v) for v in (in1, in2))
    if x.ndim != y.ndim or not x.ndim or mode not in ("full", "same", "valid"):
        raise wrong(
            f"{name}: arrays of as many axes and a mode among full, same, valid are required, "
            f"got shapes {list(x.shape)} and {list(y.shape)}, mode {mode!r}"
        )
    return alike(x, y)


def _part(full: Any, mode: str, first: Any, second: Any, axes: Any) -> Any:
    """The part of a full convolution that a mode gives."""
    if mode == "full":
        return full
    ends: list[slice] = [slice(None)] * full.ndim
    for a in axes:
        n, m = first[a], second[a]
        size = n if mode == "same" else abs(n - m) + 1
        start = (full.shape[a] - size) // 2
        ends[a] = slice(start, start + size)
    return full[tuple(ends)]


@explained
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Sums of products of one array with the other reversed; of `method` "fft" by transforms.

    The part of mode "same" is of the first array's shape, in the middle; "valid" needs no zeros.
    """
    if method == "fft":
        return fftconvolve(in1, in2, mode)
    x, y = _two("convolve", in1, in2, mode)
    if x.dtype.kind not in "fc":  # whole numbers stay whole
        wide = convolve(x.astype(np.float64), y.astype(np.float64), mode)
        return np.rint(wide).astype(x.dtype)
    axes = tuple(range(x.ndim))
    pads = [(n - 1, n - 1) for n in y.shape]
    full = conv_general_dilated(x[None, None], np.flip(y, axes)[None, None], (1,) * x.ndim, pads)
    return _part(full[0, 0], mode, x.shape, y.shape, axes)


@explained
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Sums of products of one array with the conjugate of the other, moved along it."""
    y = array_or_tracer(in2)
    y = np.flip(np.conj(y) if y.dtype.kind == "c" else y, tuple(range(y.ndim)))
    return convolve(in1, y, mode, method)


def _of_images(name: str, in1: Any, in2: Any, boundary: str, fillvalue: Any) -> None:
    if np.ndim(in1) != 2 or np.ndim(in2) != 2 or boundary != "fill" or fillvalue != 0:
        raise wrong(
            f"{name}: matrices, boundary='fill' and fillvalue=0 are required, got "
            f"{np.ndim(in1)} and {np.ndim(in2)} axes, {boundary!r} and {fillvalue}"
        )


@explained
def convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Any:
    """`convolve` of matrices, with zeros around them."""
    _of_images("convolve2d", in1, in2, boundary, fillvalue)
    return convolve(in1, in2, mode)


@explained
def correlate2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Any:
    """`correlate` of matrices, with zeros around them."""
    _of_images("correlate2d", in1, in2, boundary, fillvalue)
    if mode != "same":
        return correlate(in1, in2, mode)
    full, (n, m) = correlate(in1, in2), np.shape(in1)  # of an even size the other middle
    top, left = (k // 2 for k in np.shape(in2))
    return full[top : top + n, left : left + m]


@explained
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """`convolve` along axes by Fourier transforms: faster for long arrays, less precise."""
    x, y = _two("fftconvolve", in1, in2, mode)
    x, y = (v if v.dtype.kind in "fc" else v.astype(np.float64) for v in (x, y))
    along = axes_of("fftconvolve", axes, x.ndim)
    sizes = [x.shape[a] + y.shape[a] - 1 for a in along]
    if x.dtype.kind == "c":
        full = np.fft.ifftn(
            np.fft.fftn(x, sizes, along) * np.fft.fftn(y, sizes, along), sizes, along
        )
    else:
        spectra = np.fft.rfftn(x, sizes, along) * np.fft.rfftn(y, sizes, along)
        full = np.fft.irfftn(spectra, sizes, along)
    return _part(cast_to(full, x), mode, x.shape, y.shape, along)


@explained
def detrend(data: Any, axis: int = -1, type: str = "linear") -> Any:
    """Data less its mean along an axis, or less the line that fits best."""
    if type not in ("linear", "constant"):
        raise wrong(f"detrend: a type of linear or constant is required, got {type!r}")
    x = array_or_tracer(data)
    rest = x - np.mean(x, axis=axis, keepdims=True)
    n = x.shape[axis]
    if type == "constant" or n < 2:
        return rest
    t = [k - (n - 1) / 2 for k in range(n)]
    shape = [n if a == axis % x.ndim else 1 for a in range(x.ndim)]
    times = np.reshape(cast_to(t, rest), shape)
    slope = np.sum(times * rest, axis=axis, keepdims=True) / math.fsum(v * v for v in t)
    return rest - times * slope
