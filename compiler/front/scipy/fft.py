"""scipy.fft's names: those of numpy.fft, and cosine transforms."""

from __future__ import annotations

import math
from typing import Any

from ...ir.explain import explained
from ...trace.operands import axes_of, cast_to, wrong
from .. import numpy as np
from ..lax.primitives import array_or_tracer
from ..numpy.fft import (
    fft,
    fft2,
    fftfreq,
    fftn,
    fftshift,
    hfft,
    ifft,
    ifft2,
    ifftn,
    ifftshift,
    ihfft,
    irfft,
    irfft2,
    irfftn,
    rfft,
    rfft2,
    rfftfreq,
    rfftn,
)  # fmt: skip

__all__ = [
    "dct", "dctn", "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "idct", "idctn", "ifft",
    "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2",
    "rfftfreq", "rfftn",
]  # fmt: skip


def _last(name: str, x: Any, type: int, n: int | None, axis: int, norm: Any) -> Any:
    """A float with its axis last, cut or filled with zeros to n."""
    x = array_or_tracer(x)
    if type != 2 or norm not in (None, "backward", "ortho") or x.dtype.kind == "c":
        raise wrong(
            f"{name}: real numbers, type=2 and a norm among None, backward, ortho are required, "
            f"got {x.dtype}, type {type}, norm {norm!r}"
        )
    x = np.moveaxis(x if x.dtype.kind == "f" else x + 0.0, axis, -1)
    n = x.shape[-1] if n is None else n
    if n > x.shape[-1]:
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1])])
    return x[..., :n]


@explained
def dct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """2 sum x[j] cos(pi k (2 j + 1) / (2 n)), the cosine transform of type 2; norm "ortho" makes it
    a rotation."""
    x = _last("dct", x, type, n, axis, norm)
    count = x.shape[-1]
    # a transform of n: even places, then odd ones from the end
    mixed = np.concatenate([x[..., ::2], np.flip(x[..., 1::2], -1)], -1)
    spectrum = np.fft.fft(mixed)
    angle = cast_to([math.pi * k / (2 * count) for k in range(count)], x)
    found = 2 * (np.real(spectrum) * np.cos(angle) + np.imag(spectrum) * np.sin(angle))
    if norm == "ortho":
        found = found * _ortho(count, x)
    return np.moveaxis(cast_to(found, x), -1, axis)


def _ortho(n: int, x: Any) -> Any:
    sizes = [math.sqrt(1 / (4 * n))] + [math.sqrt(1 / (2 * n))] * (n - 1)
    return cast_to(sizes, x)


@explained
def idct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """The inverse of `dct`."""
    x = _last("idct", x, type, n, axis, norm)
    count = x.shape[-1]
    x = x / _ortho(count, x) if norm == "ortho" else x
    angle = cast_to([math.pi * k / (2 * count) for k in range(count)], x)
    turned = np.concatenate([np.zeros_like(x[..., :1]), np.flip(x[..., 1:], -1)], -1)
    real = x * np.cos(angle) + turned * np.sin(angle)
    imag = x * np.sin(angle) - turned * np.cos(angle)
    mixed = np.real(np.fft.ifft(real + 1j * imag)) / 2
    half = (count + 1) // 2
    found = np.stack([mixed[..., :half], np.flip(mixed[..., count - half :], -1)], -1)
    found = found.reshape(*x.shape[:-1], 2 * half)[..., :count]
    return np.moveaxis(cast_to(found, x), -1, axis)


def _over(name: str, one: Any, x: Any, type: int, s: Any, axes: Any, norm: Any) -> Any:
    x = array_or_tracer(x)
    along = axes_of(name, axes, x.ndim)
    sizes = [None] * len(along) if s is None else list(s)
    if len(sizes) != len(along):
        raise wrong(f"{name}: a size for each of {len(along)} axes is required, got {sizes}")
    for a, n in zip(along, sizes, strict=True):
        x = one(x, type, n, a, norm)
    return x


@explained
def dctn(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """`dct` along axes, all where none are named."""
    return _over("dctn", dct, x, type, s, axes, norm)


@explained
def idctn(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """The inverse of `dctn`."""
    return _over("idctn", idct, x, type, s, axes, norm)
