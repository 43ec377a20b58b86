"""Faddeeva's function w(z) = exp(-z**2) erfc(-i z), and erf and erfc of complex numbers by it.

Above the real axis w is a polynomial in (SCALE + i z) / (SCALE - i z), whose coefficients are a
Fourier transform; below by w(z) = 2 exp(-z**2) - w(-z). All is computed in c128.

Source: Weideman, Computation of the complex error function, 1994.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy

from ..trace.operands import tracer
from ..trace.tracer import Tracer
from .functions.custom import custom_jvp
from .lax import lax
from .lax.lax import eager
from .numpy import elementwise as el

__all__ = ["erf", "erfc", "wofz"]

COUNT = 40
SCALE = math.sqrt(COUNT / math.sqrt(2))
ROOT = math.sqrt(math.pi)


@functools.cache
def coefficients() -> tuple[float, ...]:
    """Of the powers from 0 on."""
    half = 2 * COUNT
    t = SCALE * numpy.tan(numpy.arange(1 - half, half) * (math.pi / (2 * half)))
    samples = numpy.append(0, numpy.exp(-t * t) * (SCALE * SCALE + t * t))
    found = numpy.fft.fft(numpy.fft.fftshift(samples)).real / (2 * half)
    return tuple(found[1 : COUNT + 1].tolist())


def above(z: Any) -> Any:
    """w of numbers whose imaginary part is 0 or more."""
    over = 1 / (SCALE - 1j * z)
    ratio = (SCALE + 1j * z) * over
    found: Any = 0.0
    for c in reversed(coefficients()):
        found = found * ratio + c
    return over * (2 * over * found + 1 / ROOT)


@custom_jvp
def _w(z: Any) -> Any:
    low = el.less(el.imag(z), 0)
    found = above(el.where(low, -z, z))
    return el.where(low, 2 * el.exp(-el.where(low, z * z, 0)) - found, found)


@_w.defjvp
def _w_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    found = _w(z)
    return found, (2j / ROOT - 2 * z * found) * dz


@custom_jvp
def _erfc(z: Any) -> Any:
    left = el.less(el.real(z), 0)
    right = el.where(left, -z, z)
    found = el.exp(-right * right) * above(1j * right)
    return el.where(left, 2 - found, found)


@_erfc.defjvp
def _erfc_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    return _erfc(z), -2 / ROOT * el.exp(-z * z) * dz


@custom_jvp
def _erf(z: Any) -> Any:
    near = el.less(el.absolute(z), 1)
    small = el.where(near, z, 0)
    square, series = small * small, 0 * small
    for k in range(20, -1, -1):  # Maclaurin's
        series = series * square + (-1) ** k * 2 / (ROOT * math.factorial(k) * (2 * k + 1))
    return el.where(near, small * series, 1 - _erfc(el.where(near, 1, z)))


@_erf.defjvp
def _erf_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    return _erf(z), 2 / ROOT * el.exp(-z * z) * dz


def in_c128(rule: Any, z: Tracer) -> Tracer:
    return rule(z) if z.type.dtype == "c128" else rule(z.astype("c128")).astype(z.dtype)


@eager("z")
def wofz(z: Any) -> Tracer:
    """Faddeeva's function exp(-z**2) erfc(-i z), complex.

    Accuracy: 1e-15 of the result above the real axis; below, where it grows, 1e-15 times |z|**2,
    and near its zeros there of 1.
    """
    z = tracer(z)
    return in_c128(_w, z if z.type.is_complex else z + 0j)


@eager("x")
def erf(x: Any) -> Tracer:
    """2 / sqrt(pi) times the integral of exp(-t**2) for t from 0 to x.

    Accuracy: 1 ulp; of complex numbers 1e-15 times 1 + |x|**2 of the result.
    """
    x = tracer(x)
    return in_c128(_erf, x) if x.type.is_complex else lax.erf(x)


@eager("x")
def erfc(x: Any) -> Tracer:
    """1 - erf(x), precise where it is small.

    Accuracy: of complex numbers 1e-15 times 1 + |x|**2 of the result, or of 1 left of 0.
    """
    x = tracer(x)
    return in_c128(_erfc, x) if x.type.is_complex else lax.erfc(x)
