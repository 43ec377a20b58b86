"""Powers of 2, logarithms to bases 2 and 10, cube roots and hypot, as elementary.py and after it.

Accuracy, largest error measured in ulp (tests hold them to 2):
         exp2  log2  log10  cbrt  hypot
    f32  0.85  0.51  0.51   0.51  0.51
    f64  0.87  0.51  0.51   0.51  0.51

Sources: C. Borges, An Improved Algorithm for hypot(a, b) (2019). The polynomials are fits made for
this file.
"""

from __future__ import annotations

from .elementary import (
    LEAST_F32,
    LEAST_F64,
    ROUND_F32,
    ROUND_F64,
    _clamp,
    _log_ends,
    _log_split_f32,
    _log_split_f64,
    _log_twofold,
    _scaled_f32,
    _scaled_f64,
    _short_log1p,
)
from .numpy_words import (
    abs_,
    cast,
    copysign,
    f32,
    f64,
    fma,
    i32,
    i64,
    inf,
    maximum,
    minimum,
    polynomial,
    reinterpret,
    select,
    sqrt,
)

# ------------------------------------------------------------------ exp2
# x = n + r with |r| <= 1/2; n is rounded and turned into an exponent as in exp.


def exp2_f32(x):
    y = _clamp(x, -151.0, 129.0)
    shifted = y + (ROUND_F32 + 254.0)
    r = y - (shifted - (ROUND_F32 + 254.0))
    p = polynomial(
        r, 1.52973244e-05, 0.000154614449, 0.0013333502, 0.00961805694, 0.0555041097, 0.240226507,
        0.693147182,
    )  # fmt: skip
    return _scaled_f32(fma(p, r, 1.0), reinterpret(shifted, i32))


def exp2_f64(x):
    y = _clamp(x, -1076.0, 1025.0)
    shifted = y + (ROUND_F64 + 2046.0)
    r = y - (shifted - (ROUND_F64 + 2046.0))
    p = polynomial(
        r, 2.5729324177362305e-11, 4.4558179083360645e-10, 7.0548973041554995e-09,
        1.0178057087733941e-07, 1.3215486808705563e-06, 1.5252733841556773e-05,
        0.00015403530393370734, 0.001333355814640647, 0.00961812910762848, 0.055504108664821625,
        0.24022650695910072, 0.6931471805599453,
    )  # fmt: skip
    return _scaled_f64(fma(p, r, 1.0), reinterpret(shifted, i64))


# ------------------------------------------------------------------ log2, log10
# k log(2) + log(1 + f) / ln b; the second part as a sum of two numbers, so that powers of the base
# have whole logarithms.

LOG2E, LOG2E_LOW = 1.4426950408889634, 2.0355273740931033e-17
LOG10E, LOG10E_LOW = 0.4342944819032518, 1.098319650216765e-17
LOG10_2, LOG10_2_LOW = 0.30102999566361177, 3.694239077158931e-13


def log2_f32(x):
    k, f = _log_split_f64(cast(x, f64))
    return _log_ends(x, x, cast(fma(_short_log1p(f), LOG2E, k), f32))


def log10_f32(x):
    k, f = _log_split_f64(cast(x, f64))
    return _log_ends(x, x, cast(fma(_short_log1p(f), LOG10E, k * 0.3010299956639812), f32))


def log2_f64(x):
    k, high, low = _log_parts(x)
    p = high * LOG2E
    p_low = fma(high, LOG2E, -p) + fma(high, LOG2E_LOW, low * LOG2E)
    y = k + p
    return _log_ends(x, x, y + (((k - y) + p) + p_low))


def log10_f64(x):
    k, high, low = _log_parts(x)
    p = high * LOG10E
    p_low = fma(high, LOG10E, -p) + fma(high, LOG10E_LOW, low * LOG10E)
    whole = k * LOG10_2
    y = whole + p
    return _log_ends(x, x, y + (((whole - y) + p) + fma(k, LOG10_2_LOW, p_low)))


def _log_parts(x):
    """(k, high, low) with x = 2^k exp(high + low)."""
    tiny = x < LEAST_F64
    k, f = _log_split_f64(select(tiny, x * 18014398509481984.0, x))
    high, low = _log_twofold(0.0, f)
    return select(tiny, k - 54.0, k), high, low


# ------------------------------------------------------------------ cbrt
# x = 2^(3q + j) (1 + f): a polynomial in f, times 2^(j / 3), and a step of Halley's.


def cbrt_f32(x):
    a = abs_(x)
    tiny = a < LEAST_F32
    k, f = _log_split_f32(select(tiny, a * 134217728.0, a))
    shifted = fma(k, 0.3333333333333333, ROUND_F32 + 127.0)
    j = fma(shifted - (ROUND_F32 + 127.0), -3.0, k)
    guess = polynomial(f, -0.0360001922, 0.0653452799, -0.111729696, 0.333243221, 1.00000691)
    y = _cube_root(j, f, guess) * reinterpret(reinterpret(shifted, i32) << 23, f32)
    return _root_ends(x, a, select(tiny, y * 0.001953125, y))


def cbrt_f64(x):
    a = abs_(x)
    tiny = a < LEAST_F64
    k, f = _log_split_f64(select(tiny, a * 18014398509481984.0, a))
    shifted = fma(k, 0.3333333333333333, ROUND_F64 + 1023.0)
    j = fma(shifted - (ROUND_F64 + 1023.0), -3.0, k)
    guess = polynomial(
        f, -0.01926717343884374, 0.03305103372498255, -0.04196258340701144, 0.0616084004292981,
        -0.11108084330222154, 0.33333466414961627, 0.999999843138507,
    )  # fmt: skip
    y = _cube_root(j, f, guess) * reinterpret(reinterpret(shifted, i64) << 52, f64)
    return _root_ends(x, a, select(tiny, y * 3.814697265625e-06, y))


def _cube_root(j, f, guess):
    """The root of 2^j (1 + f), for j = -1, 0, 1, from a guess of that of 1 + f."""
    v = 1.0 + f
    m = select(j == 0.0, v, select(j > 0.0, v + v, 0.5 * v))
    up, down = guess * 1.259921049894873, guess * 0.7937005259840998
    g = select(j == 0.0, guess, select(j > 0.0, up, down))
    square = g * g
    cube = square * g
    lost = fma(square, g, -cube) + fma(g, g, -square) * g
    return fma(g, ((m - cube) - lost) / fma(2.0, cube, m), g)


def _root_ends(x, a, y):
    """y with the sign of x; 0, infinity and NaN are their own roots."""
    return select((a > 0.0) & (a < inf), copysign(y, x), x)


# ------------------------------------------------------------------ hypot


def hypot_f32(x, y):
    a, b = cast(x, f64), cast(y, f64)
    infinite = (abs_(x) == inf) | (abs_(y) == inf)
    return select(infinite, inf, cast(sqrt(fma(a, a, b * b)), f32))


def hypot_f64(x, y):
    """Scaled so that no square leaves the range, then corrected by what the root squared lacks."""
    most, least = maximum(abs_(x), abs_(y)), minimum(abs_(x), abs_(y))
    large, small = most > 1e150, most < 1e-150
    a = select(
        large, most * 2.409919865102884e-181, select(small, most * 4.149515568880993e180, most)
    )
    b = select(
        large, least * 2.409919865102884e-181, select(small, least * 4.149515568880993e180, least)
    )
    h = sqrt(fma(a, a, b * b))
    aa, hh = a * a, h * h
    lack = fma(-b, b, hh - aa) + fma(h, h, -hh) - fma(a, a, -aa)
    r = h - lack / (h + h + 1e-300)
    root = select(large, r * 4.149515568880993e180, select(small, r * 2.409919865102884e-181, r))
    return select((abs_(x) == inf) | (abs_(y) == inf), inf, root)
