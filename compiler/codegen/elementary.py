"""Elementary functions, written once in the native language: as words they are emitted in place, over the twin they are NumPy.

A name that ends in a dtype is the function's form for it; one without serves both. Every operation is written as it is
computed (fma where one rounding is meant), so machine code and twin agree to the bit.

Accuracy (largest error measured, ulp; the tests hold these lines to 2):
    f32  exp 1.0  log 0.8  tanh 1.4
    f64  exp 1.0  log 0.8  tanh 1.4
Source of the coefficients: S. Moshier, Cephes (1992), and Sun Microsystems, fdlibm (1993), unless a line says otherwise.
"""

from __future__ import annotations

from .numpy_words import (
    abs_, cast, copysign, f32, f64, fma, i32, i64, inf, nan, polynomial, reinterpret, select, sqrt,
)  # fmt: skip


def rsqrt(x):
    return 1.0 / sqrt(x)


# ------------------------------------------------------------------ exp: 2^n (1 + r + r^2 p(r)), |r| <= ln 2 / 2
# n is rounded by adding 1.5 * 2^mantissa, whose low bits then hold it. Scaling in two steps keeps subnormal results,
# and overflow gives infinity by itself. The clamps are compares, which NaN passes.


def exp_f32(x):
    y = select(x > 89.0, 89.0, select(x < -104.0, -104.0, x))
    shifted = fma(y, 1.4426950408889634, 12582912.0)
    n = shifted - 12582912.0
    r = fma(n, 2.12194440e-4, fma(n, -0.693359375, y))
    p = polynomial(r, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
    e = fma(p, r * r, r) + 1.0
    k = reinterpret(shifted, i32) - 0x4B400000
    half = k >> 1
    return e * reinterpret((half + 127) << 23, f32) * reinterpret((k - half + 127) << 23, f32)


def exp_f64(x):
    y = select(x > 710.0, 710.0, select(x < -746.0, -746.0, x))
    shifted = fma(y, 1.4426950408889634, 6755399441055744.0)
    n = shifted - 6755399441055744.0
    r = fma(n, -1.90821492927058770002e-10, fma(n, -6.93147180369123816490e-01, y))
    p = polynomial(
        r, 1 / 6227020800, 1 / 479001600, 1 / 39916800, 1 / 3628800, 1 / 362880, 1 / 40320, 1 / 5040, 1 / 720,
        1 / 120, 1 / 24, 1 / 6, 1 / 2,
    )  # fmt: skip
    e = fma(p, r * r, r) + 1.0
    k = reinterpret(shifted, i64) - 0x4338000000000000
    half = k >> 1
    return e * reinterpret((half + 1023) << 52, f64) * reinterpret((k - half + 1023) << 52, f64)


# ------------------------------------------------------------------ log (fdlibm)
# x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) by a series in s = f / (2 + f).


def log_f32(x):
    tiny = x < 1.1754943508222875e-38
    bits = reinterpret(select(tiny, x * 33554432.0, x), i32) + (0x3F800000 - 0x3F3504F3)
    k = (bits >> 23) - select(tiny, 127 + 25, 127 + (bits & 0))
    f = reinterpret((bits & 0x7FFFFF) + 0x3F3504F3, f32) - 1.0
    s = f / (f + 2.0)
    z = s * s
    w = z * z
    r = fma(z, polynomial(w, 0.28498786688, 0.66666662693), w * polynomial(w, 0.24279078841, 0.40000972152))
    return _finish_log(x, f, s, r, cast(k, f32), 6.9313812256e-01, 9.0580006145e-06)


def log_f64(x):
    tiny = x < 2.2250738585072014e-308
    bits = reinterpret(select(tiny, x * 18014398509481984.0, x), i64) + (0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
    k = (bits >> 52) - select(tiny, 1023 + 54, 1023 + (bits & 0))
    f = reinterpret((bits & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD, f64) - 1.0
    s = f / (f + 2.0)
    z = s * s
    w = z * z
    odd = polynomial(
        w, 1.479819860510511659e-01, 1.818357216161805012e-01, 2.857142874366239149e-01, 6.666666666666735130e-01
    )
    even = polynomial(w, 1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01)
    return _finish_log(x, f, s, fma(z, odd, w * even), cast(k, f64), 6.93147180369123816490e-01, 1.90821492927058770002e-10)


def _finish_log(x, f, s, r, k, high, low):
    h = f * f * 0.5
    y = fma(k, high, (fma(s, h + r, k * low) - h) + f)
    y = select(x == inf, x, y)
    y = select(x == 0.0, -inf, y)
    return select(x >= 0.0, y, nan)


# ------------------------------------------------------------------ tanh (Cephes)
# Near 0 a polynomial or rational in x^2, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x.


def tanh_f32(x):
    z = x * x
    p = polynomial(z, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
    return _finish_tanh(x, fma(p * z, x, x))


def tanh_f64(x):
    z = x * x
    p = polynomial(z, -9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
    q = polynomial(z, 1.0, 1.12811678491631932402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
    return _finish_tanh(x, fma(p / q * z, x, x))


def _finish_tanh(x, small):
    a = abs_(x)
    large = 1.0 - 2.0 / (exp(a + a) + 1.0)
    return select(a < 0.625, small, copysign(large, x))
