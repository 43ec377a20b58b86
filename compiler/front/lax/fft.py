"""jax.lax.fft: the transforms of numpy.fft by their kind, along the last axes."""

from __future__ import annotations

import enum
from typing import Any

from ...ir.explain import explained, shown
from ...trace.operands import shape_given, wrong
from ..numpy import fft as transforms
from .primitives import array_or_tracer

__all__ = ["FftType", "fft"]


class FftType(enum.IntEnum):
    """Which transform, and which way."""

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


@explained
def fft(x: Any, fft_type: FftType | str, fft_lengths: Any) -> Any:
    """The transform along the last axes, whose numbers of points are `fft_lengths`.

    Inverses are divided by the number of points.
    """
    x, sizes = array_or_tracer(x), shape_given("fft", fft_lengths)
    word = fft_type.upper() if isinstance(fft_type, str) else ""
    kind = next((k for k in FftType if k is fft_type or k.name == word), None)
    if kind is None:
        names = ", ".join(k.name for k in FftType)
        raise wrong(f"fft: a type of {names} is required, got {shown(fft_type)}")
    held = (*sizes[:-1], *(n // 2 + 1 for n in sizes[-1:])) if kind is FftType.IRFFT else sizes
    if not sizes or x.shape[-len(sizes) :] != held:
        what = f"the lengths of the last axes are required for {kind.name}"
        raise wrong(f"fft: {what}, got {sizes} for {shown(x)}")
    of = {
        FftType.FFT: transforms.fftn,
        FftType.IFFT: transforms.ifftn,
        FftType.RFFT: transforms.rfftn,
        FftType.IRFFT: transforms.irfftn,
    }
    return of[kind](x, sizes, tuple(range(-len(sizes), 0)))
