"""numpy.fft: one op for all axes of a transform; views crop and pad, and shift.

f32 is transformed in f32 and gives complex64, and so do halves; integers and bools give complex128.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.explain import shown
from ...ir.graph import Value
from ...ir.types import HALVES, WHOLE
from ...ops.fft import fft as transform
from ...ops.fft import irfft as real_inverse
from ...ops.fft import rfft as real_transform
from ...ops.view import pad, slice_
from ...trace.operands import (
    axis_of,
    casted,
    new,
    several,
    shape_given,
    tracer,
    unsupported,
    whole,
    wrong,
)
from ...trace.table import ignored, implements
from ...trace.tracer import FUNCTIONS, Tracer

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Lengths = list[tuple[int, int]]
"""Axes, and how many points along each; an axis may repeat."""


def __dir__() -> list[str]:
    return __all__


# ---------------------------------------------------------------- arguments


def wide_operand(name: str, a: Any, out: Any) -> Tracer:
    """The operand in a dtype that is transformed."""
    unsupported(name, out=out)
    x = tracer(a)
    kind = x.type.dtype
    return new(casted(x.value, "f32" if kind in HALVES else kind if x.type.is_inexact else "f64"))


def norm_given(name: str, norm: Any, inverse: bool = False) -> str:
    """What `norm` makes of the sums of a transform."""
    kinds = {"backward": "sum", "ortho": "ortho", "forward": "mean"}
    if norm is not None and not (isinstance(norm, str) and norm in kinds):
        words = ", ".join(map(repr, kinds))
        raise wrong(f"{name}: a norm of {words} is required, got {shown(norm)}")
    kind = kinds[norm or "backward"]
    return {"sum": "mean", "mean": "sum"}.get(kind, kind) if inverse else kind


def opposite(name: str, norm: Any) -> str:
    """The norm that scales an inverse as `norm` scales a transform."""
    return {"sum": "forward", "mean": "backward", "ortho": "ortho"}[norm_given(name, norm)]


def length(name: str, x: Tracer, n: int | None, axis: Any, half: bool = False) -> Lengths:
    """The one axis, with all its points; of `half` of them, those of an even number."""
    at = axis_of(name, axis, x.ndim)
    size = 2 * (x.shape[at] - 1) if half else x.shape[at]
    return [(at, size if n is None else operator.index(n))]


def lengths(name: str, x: Tracer, s: Any, axes: Any, half: bool = False) -> Lengths:
    """Several axes: `s` without axes is of the last ones, -1 is all points."""
    sizes = None if s is None else shape_given(name, s, -1)
    if axes is None:
        axes = range(x.ndim) if sizes is None else range(-len(sizes), 0)
    places = [axis_of(name, a, x.ndim) for a in several(axes)]
    if sizes is None:
        last = [one for a in places[-1:] for one in length(name, x, None, a, half)]
        return [(a, x.shape[a]) for a in places[:-1]] + last
    if len(places) != len(sizes):
        raise wrong(f"{name}: a size for each axis is required, got {shown(s)} for {places}")
    return [(a, x.shape[a] if n == -1 else n) for a, n in zip(places, sizes, strict=True)]


def resized(x: Tracer, along: Lengths) -> Value:
    """The first elements along some axes, or zeros behind all of them."""
    shape = list(x.shape)
    for axis, n in along:
        shape[axis] = n
    kept = [min(n, most) for n, most in zip(shape, x.shape, strict=True)]
    high = [n - k for n, k in zip(shape, kept, strict=True)]
    return pad(slice_(x.value, [0] * x.ndim, kept), [0] * x.ndim, high, 0)


def axes_of_points(name: str, x: Tracer, along: Lengths) -> tuple[int, ...]:
    """The axes, if there are some, and points along each."""
    if not along:
        raise wrong(f"{name}: one axis or more is required, got none for {x.type}")
    for axis, n in along:
        if n < 1:
            raise wrong(
                f"{name}: one point or more is required along axis {axis}, got {n} for {x.type}"
            )
    return tuple(axis for axis, _ in along)


def has_repeats(along: Lengths) -> bool:
    return len(dict(along)) < len(along)


def rounded_as(a: Any, found: Tracer) -> Tracer:
    """The real result of one axis, a half if the operand was."""
    kind = tracer(a).type.dtype
    return new(casted(found.value, kind)) if kind in HALVES else found


# ---------------------------------------------------------------- the three kinds of transforms


def spectrum(name: str, x: Tracer, along: Lengths, norm: Any, inverse: bool = False) -> Tracer:
    """The transform along all axes, the last one first."""
    kind, axes = norm_given(name, norm, inverse), axes_of_points(name, x, along)
    if has_repeats(along):
        for one in along[::-1]:
            x = spectrum(name, x, [one], norm, inverse)
        return x
    return new(transform(resized(x, along), axes, kind, inverse))


def half_spectrum(name: str, x: Tracer, along: Lengths, norm: Any) -> Tracer:
    """The transform of real numbers; of the last axis the half that tells the other."""
    if x.type.is_complex:
        raise wrong(f"{name}: real numbers are required, got {x.type}", "x.real, or np.fft.fft")
    kind, axes = norm_given(name, norm), axes_of_points(name, x, along)
    if has_repeats(along):
        return spectrum(name, half_spectrum(name, x, along[-1:], norm), along[:-1], norm)
    return new(real_transform(resized(x, along), axes, kind))


def of_half(name: str, x: Tracer, along: Lengths, norm: Any) -> Tracer:
    """The real numbers that have this half of a spectrum; the last axis comes last."""
    kind, axes = norm_given(name, norm, inverse=True), axes_of_points(name, x, along)
    if has_repeats(along):
        for one in along[:-1]:
            x = spectrum(name, x, [one], norm, inverse=True)
        return of_half(name, x, along[-1:], norm)
    axis, n = along[-1]
    half = resized(x, [*along[:-1], (axis, n // 2 + 1)])
    return new(real_inverse(casted(half, WHOLE.get(half.dtype, half.dtype)), axes, n, kind))


# ---------------------------------------------------------------- numpy.fft


@implements(np.fft.fft)
def fft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Tracer:
    """y[k] = sum over j of x[j] exp(-2 pi i j k / n)"""
    x = wide_operand("fft", a, out)
    return spectrum("fft", x, length("fft", x, n, axis), norm)


@implements(np.fft.ifft)
def ifft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Tracer:
    x = wide_operand("ifft", a, out)
    return spectrum("ifft", x, length("ifft", x, n, axis), norm, inverse=True)


@implements(np.fft.rfft)
def rfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Tracer:
    x = wide_operand("rfft", a, out)
    return half_spectrum("rfft", x, length("rfft", x, n, axis), norm)


@implements(np.fft.irfft)
def irfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Tracer:
    x = wide_operand("irfft", a, out)
    found = of_half("irfft", x, length("irfft", x, n, axis, half=True), norm)
    return rounded_as(a, found)


@implements(np.fft.hfft)
def hfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Tracer:
    """The real spectrum of what is the conjugate of itself turned around."""
    x = wide_operand("hfft", a, out).conj()
    along, norm = length("hfft", x, n, axis, half=True), opposite("hfft", norm)
    return rounded_as(a, of_half("hfft", x, along, norm))


@implements(np.fft.ihfft)
def ihfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Tracer:
    x = wide_operand("ihfft", a, out)
    along = length("ihfft", x, n, axis)
    return half_spectrum("ihfft", x, along, opposite("ihfft", norm)).conj()


def spectrum_of_axes(name: str, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Tracer:
    x = wide_operand(name, a, out)
    along = lengths(name, x, s, axes)
    return spectrum(name, x, along, norm) if along else tracer(a)


def inverse_of_axes(name: str, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Tracer:
    x = wide_operand(name, a, out)
    along = lengths(name, x, s, axes)
    return spectrum(name, x, along, norm, inverse=True) if along else tracer(a)


def half_spectrum_of_axes(name: str, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Tracer:
    x = wide_operand(name, a, out)
    return half_spectrum(name, x, lengths(name, x, s, axes), norm)


def half_inverse_of_axes(name: str, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Tracer:
    x = wide_operand(name, a, out)
    along = lengths(name, x, s, axes, half=True)
    found = of_half(name, x, along, norm)
    return rounded_as(a, found) if len(along) == 1 else found


def of_axes(function: Any, rule: Callable[..., Tracer], default: Any = None) -> Callable[..., Any]:
    """NumPy's function of several axes, which are `default` where none are given."""

    def implementation(
        a: Any, s: Any = None, axes: Any = default, norm: str | None = None, out: Any = None
    ) -> Tracer:
        return rule(function.__name__, a, s, axes, norm, out)

    return implements(function)(implementation)


fftn, ifftn = of_axes(np.fft.fftn, spectrum_of_axes), of_axes(np.fft.ifftn, inverse_of_axes)
rfftn = of_axes(np.fft.rfftn, half_spectrum_of_axes)
irfftn = of_axes(np.fft.irfftn, half_inverse_of_axes)
fft2 = of_axes(np.fft.fft2, spectrum_of_axes, (-2, -1))
ifft2 = of_axes(np.fft.ifft2, inverse_of_axes, (-2, -1))
rfft2 = of_axes(np.fft.rfft2, half_spectrum_of_axes, (-2, -1))
irfft2 = of_axes(np.fft.irfft2, half_inverse_of_axes, (-2, -1))


# ---------------------------------------------------------------- shifts and frequencies


def turned(name: str, x: Any, axes: Any, back: bool) -> Tracer:
    """Every axis turned by half of its size."""
    y = tracer(x)
    if not y.ndim:
        raise wrong(f"{name}: one axis or more is required, got {y.type}")
    places = range(y.ndim) if axes is None else [axis_of(name, a, y.ndim) for a in several(axes)]
    by = [-(y.shape[a] // 2) if back else y.shape[a] // 2 for a in places]
    return FUNCTIONS[np.roll](y, by, tuple(places))


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Tracer:
    return turned("fftshift", x, axes, back=False)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Tracer:
    return turned("ifftshift", x, axes, back=True)


def frequencies(name: str, n: Any, d: Any, turns: Callable[[int], np.ndarray]) -> Tracer:
    """Turns in n samples, by the time that they take; a static n."""
    count = whole(n)
    if count is None or count < 1:
        raise wrong(f"{name}: n of 1 or more is required, got {shown(n)}")
    return tracer(turns(count)) * (1.0 / (count * d))


@implements(np.fft.fftfreq)
def fftfreq(n: int, d: Any = 1.0, **options: Any) -> Tracer:
    ignored("fftfreq", options)
    return frequencies("fftfreq", n, d, lambda n: np.fft.ifftshift(np.arange(n) - n // 2))


@implements(np.fft.rfftfreq)
def rfftfreq(n: int, d: Any = 1.0, **options: Any) -> Tracer:
    ignored("rfftfreq", options)
    return frequencies("rfftfreq", n, d, lambda n: np.arange(n // 2 + 1))
