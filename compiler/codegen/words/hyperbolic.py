"""Hyperbolic functions and their inverses, as elementary.py and after it.

Accuracy, largest error measured in ulp (tests hold them to 2):
         sinh  cosh  asinh  acosh  atanh
    f32  1.59  1.25  0.51   0.51   0.51
    f64  1.54  1.22  1.19   0.74   0.77

Sources: fdlibm (Sun Microsystems, 1993) for the shape of the inverses; the polynomials are fits
made for this file.
"""

from __future__ import annotations

from .elementary import (
    LN2,
    _clamp,
    _log_split_f64,
    _log_sum_f64,
    _scaled_f32,
    _scaled_f64,
    _series_f32,
    _series_f64,
    _short_log1p,
    _split_f32,
    _split_f64,
    _twofold_sum,
)
from .numpy_words import abs_, cast, copysign, f32, f64, fma, inf, nan, polynomial, select, sqrt

# ------------------------------------------------------------------ sinh, cosh
# With h = exp(|x|) / 2, halved in the exponent: h -+ 1 / (4 h). A series serves sinh below 1.


def _half_exp_f32(x):
    bits, r, c = _split_f32(_clamp(x, -104.0, 91.0), 253.0)
    return _scaled_f32(_twofold_sum(_series_f32(r), r, c), bits)


def _half_exp_f64(x):
    bits, r, c = _split_f64(_clamp(x, -746.0, 712.0), 2045.0)
    return _scaled_f64(_twofold_sum(_series_f64(r), r, c), bits)


def sinh_f32(x):
    a = abs_(x)
    z = x * x
    p = polynomial(z, 2.80628024e-06, 0.000198381022, 0.00833333936, 0.166666672)
    h = _half_exp_f32(a)
    return copysign(select(a < 1.0, fma(p, z * a, a), h - 0.25 / h), x)


def sinh_f64(x):
    a = abs_(x)
    z = x * x
    p = polynomial(
        z, 2.8445264169895285e-15, 7.646625361656657e-13, 1.6059048396350562e-10,
        2.505210836405804e-08, 2.755731922404034e-06, 0.00019841269841269773,
        0.008333333333333333, 0.16666666666666666,
    )  # fmt: skip
    h = _half_exp_f64(a)
    return copysign(select(a < 1.0, fma(p, z * a, a), h - 0.25 / h), x)


def cosh_f32(x):
    h = _half_exp_f32(abs_(x))
    return h + 0.25 / h


def cosh_f64(x):
    h = _half_exp_f64(abs_(x))
    return h + 0.25 / h


# ------------------------------------------------------------------ asinh, acosh, atanh
# Each is log(1 + u), with u as a sum of two numbers. Beyond 2^54 log(2 |x|) is as good.


def asinh_f32(x):
    a = cast(abs_(x), f64)
    y = _short_log(a + a * a / (1.0 + sqrt(fma(a, a, 1.0))))
    return select(abs_(x) < inf, copysign(cast(y, f32), x), x)


def acosh_f32(x):
    d = cast(x, f64) - 1.0
    y = cast(_short_log(d + sqrt(d * (d + 2.0))), f32)
    return select(x < inf, select(x < 1.0, nan, y), x)


def atanh_f32(x):
    a = cast(abs_(x), f64)
    y = cast(0.5 * _short_log((a + a) / (1.0 - a)), f32)
    return _atanh_ends(x, y)


def _short_log(u):
    """log(1 + u) in f64, enough for f32."""
    k, f = _log_split_f64(1.0 + u)
    return fma(k, LN2, _short_log1p(select(k == 0.0, u, f)))


def asinh_f64(x):
    a = abs_(x)
    huge = a > 18014398509481984.0
    v = a * a / (1.0 + sqrt(fma(a, a, 1.0)))
    u = a + v
    y = _log_of_sum(huge, a, u, (a - u) + v)
    return select(a < inf, copysign(y, x), x)


def acosh_f64(x):
    d = x - 1.0
    twice, square = d + d, d * d
    q = twice + square
    lost = select(d < 2.0, (twice - q) + square, (square - q) + twice) + fma(d, d, -square)
    r = sqrt(q)
    r_low = (fma(-r, r, q) + lost) / (r + r + 1e-300)
    u = r + d
    y = _log_of_sum(x > 18014398509481984.0, x, u, ((r - u) + d) + r_low)
    return select(x < inf, select(x < 1.0, nan, y), x)


def atanh_f64(x):
    a = abs_(x)
    d = 1.0 - a
    u = (a + a) / d
    low = (fma(-u, d, a + a) - u * ((1.0 - d) - a)) / d
    return _atanh_ends(x, 0.5 * _log_of_sum(a > 2.0, a, u, low))


def _atanh_ends(x, y):
    a = abs_(x)
    return select(a < 1.0, copysign(y, x), select(a == 1.0, copysign(inf, x), nan))


def _log_of_sum(huge, a, u, low):
    """log(1 + u + low), or log(2 a) where `huge`."""
    w = select(huge, a, 1.0 + u)
    lost = select(huge, 0.0, select(u < 1.0, (1.0 - w) + u, (u - w) + 1.0))
    k, f = _log_split_f64(w)
    c = (select(k == 0.0, 0.0, lost) + select(huge, 0.0, low)) / w
    return _log_sum_f64(select(huge, k + 1.0, k), select(k == 0.0, u, f), c)
