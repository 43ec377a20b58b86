"""Elementary functions, written once: plain Python over NumPy here, emitted in place as words.

A name that ends in a dtype is the function's form for it, one without serves all, and `_` marks
parts of others. Every operation is written as it is computed (fma where one rounding is meant), so
machine code and this module agree to the bit. NaN, infinities, signed zeros and subnormal numbers
are treated as in NumPy. Any lane may be any number: what a lane gives depends on that lane alone.

Accuracy, largest error measured in ulp (tests hold them to 2):
         exp   expm1  log   log1p  tanh  sigmoid  sin   cos   erf   pow   rsqrt
    f32  0.98  1.27   0.77  0.84   1.29  1.78     1.53  1.54  1.05  0.51  1.48
    f64  0.95  1.28   0.76  0.77   1.27  1.83     0.78  0.76  1.14  0.80  1.48

Sources: S. Moshier, Cephes (1992): log, sin and cos in f32, tanh. Sun Microsystems, fdlibm (1993):
log, sin and cos in f64, the special values of pow. The polynomials of exp, erf and pow are minimax
fits made for this file.
"""

from __future__ import annotations

from .numpy_words import (
    abs_,
    all_,
    any_,
    cast,
    copysign,
    each_lane,
    f32,
    f64,
    floor,
    fma,
    fmod,
    i32,
    i64,
    inf,
    maximum,
    nan,
    polynomial,
    reinterpret,
    rint,
    scalar,
    select,
    sqrt,
    trunc,
)


def sign(x):
    return select(x > 0, 1, select(x < 0, -1, select(x == 0, 0, x)))


def sign_u8(x):
    return select(x > 0, 1, x)


def sign_u16(x):
    return select(x > 0, 1, x)


def sign_u32(x):
    return select(x > 0, 1, x)


def sign_u64(x):
    return select(x > 0, 1, x)


def rsqrt(x):
    return 1.0 / sqrt(x)


# ------------------------------------------------------------------ division rounded down


def floordiv(x, y):
    return x // y


def remainder(x, y):
    return x % y


def floordiv_f32(x, y):
    return _floordiv(x, y)


def floordiv_f64(x, y):
    return _floordiv(x, y)


def remainder_f32(x, y):
    return _remainder(x, y)


def remainder_f64(x, y):
    return _remainder(x, y)


def _floordiv(x, y):
    """As NumPy: from x less its remainder, so that a rounded x / y misleads nobody."""
    r = _fmod(x, y)
    whole = (x - r) / y
    quotient = select((r != 0.0) & ((y < 0.0) ^ (r < 0.0)), whole - 1.0, whole)
    down = floor(quotient)
    nearest = select(quotient - down > 0.5, down + 1.0, down)
    return select(y == 0.0, x / y, select(quotient == 0.0, copysign(0.0, x / y), nearest))


def _remainder(x, y):
    """Of the sign of y, zeros too."""
    r = _fmod(x, y)
    return select(r == 0.0, copysign(r, y), select((y < 0.0) ^ (r < 0.0), r + y, r))


def _fmod(x, y):
    """x - y trunc(x / y), without error.

    The rounded quotient has the right whole part or a neighbour of it, and what is left is exact
    with either. Beyond 2^22, and for infinities, libm divides, lane by lane."""
    a, b = abs_(x), abs_(y)
    q = trunc(a / b)
    r = fma(-q, b, a)
    up = select(r < 0.0, r + b, r)
    rest = copysign(select(up >= b, up - b, up), x)
    near = (q < 4194304.0) & (b < inf)
    if not scalar(all_(near)):
        rest = select(near, rest, fmod(x, y))
    return rest


# ------------------------------------------------------------------ neighbours


def nextafter_f32(x, y):
    bits = reinterpret(x, i32)
    step = select((y > x) ^ (x < 0.0), bits + 1, bits - 1)
    return _next(x, y, copysign(1.401298464324817e-45, y), reinterpret(step, f32))


def nextafter_f64(x, y):
    bits = reinterpret(x, i64)
    step = select((y > x) ^ (x < 0.0), bits + 1, bits - 1)
    return _next(x, y, copysign(5e-324, y), reinterpret(step, f64))


def _next(x, y, least, step):
    """y where equal, the least number of its sign from 0, NaN of NaN, else the number beside x."""
    other = select(x == 0.0, least, step)
    return select(x == y, y, select((x == x) & (y == y), other, nan))


# ------------------------------------------------------------------ exp, expm1, sigmoid, tanh
# x = n ln 2 + r + c with |r| <= ln 2 / 2 and c the rounding error of r; exp(r) = 1 + r + r^2 p(r).
# n is rounded by adding 1.5 * 2^mantissa + bias, whose low bits then hold n + bias: shifted into
# the exponent they are 2^n. (Converting to an integer would be undefined for NaN.)

ROUND_F32, ROUND_F64 = 12582912.0, 6755399441055744.0
LOG2E, LN2 = 1.4426950408889634, 0.6931471805599453
LN2_HIGH_F32, LN2_LOW_F32 = 0.693359375, -2.12194440e-4
LN2_HIGH_F64, LN2_LOW_F64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def _split_f32(x, bias):
    """(bits whose low ones are n + bias, r, c)."""
    shifted = fma(x, LOG2E, ROUND_F32 + bias)
    n = shifted - (ROUND_F32 + bias)
    t = fma(n, -LN2_HIGH_F32, x)
    r = fma(n, -LN2_LOW_F32, t)
    return reinterpret(shifted, i32), r, fma(n, -LN2_LOW_F32, t - r)


def _split_f64(x, bias):
    shifted = fma(x, LOG2E, ROUND_F64 + bias)
    n = shifted - (ROUND_F64 + bias)
    t = fma(n, -LN2_HIGH_F64, x)
    r = fma(n, -LN2_LOW_F64, t)
    return reinterpret(shifted, i64), r, fma(n, -LN2_LOW_F64, t - r)


def _series_f32(r):
    return polynomial(
        r,
        1.985454603e-4,
        1.394096117e-3,
        8.333374009e-3,
        4.166635569e-2,
        1.666666643e-1,
        5.000000046e-1,
    )


def _series_f64(r):
    return polynomial(
        r, 2.0875246525987409e-9, 2.5109090634506377e-8, 2.755740318082236e-7,
        2.7557244076146804e-6, 2.4801587171597812e-5, 1.9841269886238097e-4, 1.3888888888963008e-3,
        8.333333333321594e-3, 4.1666666666666507e-2, 1.6666666666666677e-1, 0.5,
    )  # fmt: skip


def _clamp(x, least, most):
    """By compares, which NaN passes."""
    above = select(x < least, least, x)
    return select(above > most, most, above)


def _scaled_f32(y, bits):
    """y 2^n from the bits of n + 254.

    Two factors: subnormal results keep their bits, and overflow gives infinity by itself."""
    half = bits >> 1
    return y * reinterpret(half << 23, f32) * reinterpret((bits - half) << 23, f32)


def _scaled_f64(y, bits):
    half = bits >> 1
    return y * reinterpret(half << 52, f64) * reinterpret((bits - half) << 52, f64)


def exp_f32(x):
    bits, r, _ = _split_f32(_clamp(x, -104.0, 89.0), 254.0)
    return _scaled_f32(fma(_series_f32(r), r * r, r) + 1.0, bits)


def exp_f64(x):
    bits, r, _ = _split_f64(_clamp(x, -746.0, 710.0), 2046.0)
    return _scaled_f64(fma(_series_f64(r), r * r, r) + 1.0, bits)


def _exp_twofold_f32(x, low):
    """exp(x + low), a quarter of an ulp better than exp."""
    bits, r, c = _split_f32(_clamp(x, -104.0, 89.0), 254.0)
    return _scaled_f32(_twofold_sum(_series_f32(r), r, c + low), bits)


def _exp_twofold_f64(x, low):
    bits, r, c = _split_f64(_clamp(x, -746.0, 710.0), 2046.0)
    return _scaled_f64(_twofold_sum(_series_f64(r), r, c + low), bits)


def _twofold_sum(p, r, low):
    """exp(r + low) for low near the last bit of r."""
    z = r * r
    return fma(p, z, low * (fma(p, z, r) + 1.0)) + r + 1.0


def _modest_exp_f32(x):
    """exp where it neither overflows nor gets subnormal."""
    bits, r, _ = _split_f32(x, 127.0)
    return (fma(_series_f32(r), r * r, r) + 1.0) * reinterpret(bits << 23, f32)


def _modest_exp_f64(x):
    bits, r, _ = _split_f64(x, 1023.0)
    return (fma(_series_f64(r), r * r, r) + 1.0) * reinterpret(bits << 52, f64)


def expm1_f32(x):
    # (2^n - 1) + 2^n r + 2^n (r^2 p + c), all halved so that 2^128 has a place
    bits, r, c = _split_f32(_clamp(x, -18.0, 89.0), 126.0)
    power = reinterpret(bits << 23, f32)
    y = fma(power, fma(_series_f32(r), r * r, c), fma(power, r, power - 0.5))
    return select(abs_(x) < 1e-9, x, y + y)


def expm1_f64(x):
    bits, r, c = _split_f64(_clamp(x, -40.0, 710.0), 1022.0)
    power = reinterpret(bits << 52, f64)
    y = fma(power, fma(_series_f64(r), r * r, c), fma(power, r, power - 0.5))
    return select(abs_(x) < 1e-18, x, y + y)


def sigmoid_f32(x):
    return _sigmoid(x, _exp_twofold_f32(-abs_(x), 0.0))


def sigmoid_f64(x):
    return _sigmoid(x, _exp_twofold_f64(-abs_(x), 0.0))


def _sigmoid(x, e):
    """With e = exp(-|x|), which never overflows; corrected for the rounding of 1 + e."""
    d = 1.0 + e
    y = select(x >= 0.0, 1.0, e) / d
    return fma(y * fma(0.5, e, -1.0), e - (d - 1.0), y)


def tanh_f32(x):
    z = x * x
    p = polynomial(
        z,
        -5.70498872745e-3,
        2.06390887954e-2,
        -5.37397155531e-2,
        1.33314422036e-1,
        -3.33332819422e-1,
    )
    a = abs_(x)
    return _tanh(x, a, fma(p * z, a, a), _modest_exp_f32(2.0 * select(a > 10.0, 10.0, a)))


def tanh_f64(x):
    z = x * x
    p = polynomial(
        z, -9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3
    )
    q = polynomial(
        z, 1.0, 1.12811678491631932402e2, 2.23548839060100448583e3, 4.84406305325125486048e3
    )
    a = abs_(x)
    return _tanh(x, a, fma(p / q * z, a, a), _modest_exp_f64(2.0 * select(a > 20.0, 20.0, a)))


def _tanh(x, a, near, e):
    """With a = |x|, its tanh where it is near 0, and e = exp(2a)."""
    return copysign(select(a < 0.625, near, 1.0 - 2.0 / (e + 1.0)), x)


# ------------------------------------------------------------------ log, log1p
# x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2).

SQRT_HALF_F32, MANTISSA_F32, LEAST_F32 = 0x3F3504F3, 0x7FFFFF, 1.1754943508222875e-38
SQRT_HALF_F64, MANTISSA_F64, LEAST_F64 = (
    0x3FE6A09E667F3BCD,
    0xFFFFFFFFFFFFF,
    2.2250738585072014e-308,
)
ONE_F64, ROUND_BITS_F64 = 0x3FF0000000000000, 0x4338000000000000


def _log_split_f32(x):
    """(k as a float, f) of a positive normal number."""
    bits = reinterpret(x, i32) - SQRT_HALF_F32
    return cast(bits >> 23, f32), reinterpret((bits & MANTISSA_F32) + SQRT_HALF_F32, f32) - 1.0


def _log_split_f64(x):
    # masked, since AVX2 has no arithmetic shift of 64 bits; and no conversion, so k is made as n in
    # exp is taken apart
    bits = reinterpret(x, i64) + (ONE_F64 - SQRT_HALF_F64)
    k = reinterpret(((bits >> 52) & 0xFFF) + ROUND_BITS_F64, f64) - (ROUND_F64 + 1023.0)
    return k, reinterpret((bits & MANTISSA_F64) + SQRT_HALF_F64, f64) - 1.0


def _log_sum_f32(k, f, c):
    """k ln 2 + log(1 + f) + c for small c (Cephes)."""
    z = f * f
    p = polynomial(
        f, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    y = fma(k, LN2_LOW_F32, fma(f * z, p, c))
    return fma(k, LN2_HIGH_F32, f + fma(-0.5, z, y))


def _log_sum_f64(k, f, c):
    """The same by a series in s = f / (2 + f) (fdlibm)."""
    s = f / (f + 2.0)
    z = s * s
    w = z * z
    odd = polynomial(
        w,
        1.479819860511658591e-01,
        1.818357216161805012e-01,
        2.857142874366239149e-01,
        6.666666666666735130e-01,
    )
    even = polynomial(
        w, 1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01
    )
    h = f * f * 0.5
    y = fma(s, h + fma(z, odd, w * even), fma(k, LN2_LOW_F64, c))
    return fma(k, LN2_HIGH_F64, (y - h) + f)


def log_f32(x):
    tiny = x < LEAST_F32
    k, f = _log_split_f32(select(tiny, x * 33554432.0, x))
    return _log_ends(x, x, _log_sum_f32(select(tiny, k - 25.0, k), f, 0.0))


def log_f64(x):
    tiny = x < LEAST_F64
    k, f = _log_split_f64(select(tiny, x * 18014398509481984.0, x))
    return _log_ends(x, x, _log_sum_f64(select(tiny, k - 54.0, k), f, 0.0))


def log1p_f32(x):
    u = x + 1.0
    k, f = _log_split_f32(u)
    y = _log_ends(u, x, _log_sum_f32(k, select(k == 0.0, x, f), _lost(x, u, k)))
    return select(x == 0.0, x, y)


def log1p_f64(x):
    u = x + 1.0
    k, f = _log_split_f64(u)
    y = _log_ends(u, x, _log_sum_f64(k, select(k == 0.0, x, f), _lost(x, u, k)))
    return select(x == 0.0, x, y)


def _lost(x, u, k):
    """What rounding took from u = 1 + x, as a part of log(u); none where f is x itself."""
    return select(k == 0.0, 0.0, select(k > 1.0, 1.0 - (u - x), x - (u - 1.0)) / u)


def _log_ends(u, x, y):
    """log(u), with y where u is positive and finite; x is infinite where u is."""
    return select(u > 0.0, select(u == inf, x, y), select(u == 0.0, u - inf, nan))


# ------------------------------------------------------------------ sin, cos
# x = q pi / 2 + r with |r| <= pi / 4, pi / 2 in three parts. x - q * (first part) is exact. Beyond
# 2^16 libm is asked, lane by lane.


def _quarter_f32(x):
    """(q, r) with only the last bits of q of meaning."""
    shifted = fma(x, 0.6366197723675814, ROUND_F32)
    n = shifted - ROUND_F32
    t = fma(n, 4.371138828673793e-08, fma(n, -1.5707963705062866, x))
    return reinterpret(shifted, i32), fma(n, 1.7151245100058819e-15, t)


def _quarter_f64(x):
    """(q, r, c) where c is what rounding took from r."""
    shifted = fma(x, 0.6366197723675814, ROUND_F64)
    n = shifted - ROUND_F64
    t = fma(n, -1.5707963267948966, x)
    r = fma(n, -6.123233995736766e-17, t)
    c = fma(n, 1.4973849048591698e-33, fma(n, -6.123233995736766e-17, t - r))
    return reinterpret(shifted, i64), r, c


def _circle_f32(q, r):
    """sin(r + q pi / 2) (Cephes)."""
    z = r * r
    s = fma(polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1), z * r, r)
    c = fma(
        polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
        z * z,
        fma(-0.5, z, 1.0),
    )
    y = select((q & 1) == 0, s, c)
    return reinterpret(reinterpret(y, i32) ^ ((q & 2) << 30), f32)


def _circle_f64(q, r, lost):
    """sin(r + lost + q pi / 2)."""
    s, _s_low = _sine_f64(r, lost)
    c, _c_low = _cosine_f64(r, lost)
    y = select((q & 1) == 0, s, c)
    return reinterpret(reinterpret(y, i64) ^ ((q & 2) << 62), f64)


def _sine_f64(r, lost):
    """sin(r + lost) as (high, low) (fdlibm)."""
    z = r * r
    p = polynomial(
        z, 1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
        -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01,
    )  # fmt: skip
    h = 0.5 * z
    t = fma(p, z * r, fma(-h, lost, lost))
    s = r + t
    return s, (r - s) + t


def _cosine_f64(r, lost):
    """cos(r + lost) as (high, low) (fdlibm)."""
    z = r * r
    p = polynomial(
        z, -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
        2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02,
    )  # fmt: skip
    h = 0.5 * z
    w = 1.0 - h
    t = ((1.0 - w) - h) + fma(p, z * z, -r * lost)
    c = w + t
    return c, ((w - c) + t) - 0.5 * fma(r, r, -z)


def sin_f32(x):
    q, r = _quarter_f32(x)
    return _far("sin", x, select(x == 0.0, x, _circle_f32(q, r)))


def cos_f32(x):
    q, r = _quarter_f32(x)
    return _far("cos", x, _circle_f32(q + 1, r))


def sin_f64(x):
    q, r, c = _quarter_f64(x)
    return _far("sin", x, select(x == 0.0, x, _circle_f64(q, r, c)))


def cos_f64(x):
    q, r, c = _quarter_f64(x)
    return _far("cos", x, _circle_f64(q + 1, r, c))


def _far(name, x, near):
    """`near`, but libm's function beyond 2^16."""
    y = near
    far = abs_(x) > 65536.0
    if scalar(any_(far)):
        y = each_lane(name, x, far, near)
    return y


# ------------------------------------------------------------------ erf
# x + x q(x^2) below 15/16, else 1 - exp(p(|x|)), where p is fitted to log(erfc). Beyond 4 (6) the
# result rounds to 1.


def erf_f32(x):
    z = x * x
    q = polynomial(
        z, 8.266555286e-5, -8.117833526e-4, 5.198805823e-3, -2.685848614e-2, 1.128367874e-1,
        -3.761263262e-1, 1.283791665e-1,
    )  # fmt: skip
    a = abs_(x)
    t = select(a > 4.0, 4.0, a)
    p = polynomial(
        t, 1.937532693e-4, -3.021925877e-3, 2.214242634e-2, -1.037568059e-1, -6.373811527e-1,
        -1.127557486, -2.243128616e-4,
    )  # fmt: skip
    return select(a < 0.9375, fma(q, x, x), copysign(1.0 - _modest_exp_f32(p), x))


def _erf_series_f64(z):
    """erf(x) / x - 1 from z = x^2, for |x| < 15/16."""
    return polynomial(
        z, -8.2195109256601281e-10, 1.392914024351227e-8, -1.625300528100627e-7,
        1.6452776352244402e-6, -1.4925135793780207e-5, 1.2055313970760227e-4,
        -8.5483265594083629e-4, 5.2239776182404401e-3, -2.6866170644470006e-2, 0.1128379167095198,
        -0.37612638903183694, 0.12837916709551257,
    )  # fmt: skip


def erf_f64(x):
    q = _erf_series_f64(x * x)
    a = abs_(x)
    t = select(a > 6.0, 6.0, a)
    p = polynomial(
        t, -6.1215808324443717e-12, 2.5048820563381258e-10, -4.7564184840127386e-9,
        5.547308734387699e-8, -4.4200752051761979e-7, 2.5173871337582274e-6, -1.0274277211170122e-5,
        2.8060178389647653e-5, -3.3644148816778006e-5, -1.0811936517314404e-4, 7.279060230283043e-4,
        -1.8627810415859209e-3, 3.5941854638452176e-4, 1.9027581220729877e-2, -0.10272344624819298,
        -0.63663624127780879, -1.1283757706634834, -3.2522015714462381e-7,
    )  # fmt: skip
    return select(a < 0.9375, fma(q, x, x), copysign(1.0 - _modest_exp_f64(p), x))


# ------------------------------------------------------------------ pow
# |x|^y = exp(y log |x|) with log as a sum of two numbers, then sign and special values (fdlibm).


def pow__f32(x, y):
    # in f64, whose 29 spare bits allow short series: log |x| = k ln 2 + 2 atanh(s)
    a = abs_(cast(x, f64))
    k, f = _log_split_f64(a)
    e = cast(y, f64) * _log_of_size(a, fma(k, LN2, _short_log1p(f)))
    bits, r, _ = _split_f64(_clamp(e, -200.0, 200.0), 1023.0)
    return _pow_ends(
        x, y, cast(fma(_series_f32(r), r * r, r + 1.0) * reinterpret(bits << 52, f64), f32)
    )


def pow__f64(x, y):
    a = abs_(x)
    tiny = a < LEAST_F64
    k, f = _log_split_f64(select(tiny, a * 18014398509481984.0, a))
    high, low = _log_twofold(select(tiny, k - 54.0, k), f)
    e = y * _log_of_size(a, high)
    rest = fma(y, high, -e) + y * low
    return _pow_ends(x, y, _exp_twofold_f64(e, select(abs_(e) < 1000.0, rest, 0.0)))


def _short_log1p(f):
    """log(1 + f) in f64, enough for f32."""
    s = f / (f + 2.0)
    return s * polynomial(
        s * s, 0.19610449803128972, 0.22174087675676843, 0.28572170040492012, 0.39999994853776847,
        0.66666666679710871, 1.9999999999999464,
    )  # fmt: skip


def _log_of_size(a, log):
    """`log`, made right where a is 0, infinite or NaN."""
    return select((a > 0.0) & (a < inf), log, select(a == 0.0, -inf, a))


def _log_twofold(k, f):
    """k ln 2 + 2 atanh(s) with s = f / (2 + f) as (high, low), to 2^-65 of its size."""
    d = f + 2.0
    inverse = 1.0 / d
    s = f * inverse
    s_low = (fma(-s, d, f) - s * (f - (d - 2.0))) * inverse
    w = s * s
    w_low = fma(s, s, -w) + 2.0 * s * s_low
    tail = w * w * polynomial(
        w, 0.059953393799714549, 0.058373079587764841, 0.066681637785225344, 0.076922783011663188,
        0.090909094371748314, 0.11111111108751268, 0.14285714285722629, 0.19999999999999989,
    )  # fmt: skip
    third = w * 0.3333333333333333
    third_low = fma(w, 0.3333333333333333, -third) + fma(
        w, 1.850371707708594e-17, w_low * 0.3333333333333333
    )
    t = third + tail
    t_low = ((third - t) + tail) + third_low
    u = s * t
    u_low = fma(s, t, -u) + fma(s, t_low, s_low * t)
    v = s + u
    v_low = ((s - v) + u) + (u_low + s_low)
    whole = k * LN2_HIGH_F64
    sum = whole + 2.0 * v
    rest = ((whole - sum) + 2.0 * v) + fma(k, LN2_LOW_F64, 2.0 * v_low)
    high = sum + rest
    return high, (sum - high) + rest


def _pow_ends(x, y, r):
    """The power with r = |x|^y where that is no special case."""
    whole = rint(y) == y
    odd = whole & (rint(0.5 * y) != 0.5 * y)
    r_signed = select(odd, copysign(r, x), r)
    r_real = select((x < 0.0) & (x > -inf) & (rint(y) != y), nan, r_signed)
    return select((y == 0.0) | (x == 1.0) | ((x == -1.0) & (abs_(y) == inf)), 1.0, r_real)


# ------------------------------------------------------------------ integer pow by squaring


def pow__i8(x, y):
    return _integer_power(x, y)


def pow__i16(x, y):
    return _integer_power(x, y)


def pow__i32(x, y):
    return _integer_power(x, y)


def pow__i64(x, y):
    return _integer_power(x, y)


def pow__u8(x, y):
    return _integer_power(x, y)


def pow__u16(x, y):
    return _integer_power(x, y)


def pow__u32(x, y):
    return _integer_power(x, y)


def pow__u64(x, y):
    return _integer_power(x, y)


def _integer_power(x, y):
    """Negative exponents give 0 (NumPy refuses them)."""
    power = select(y < 0, 0, 1 + (x & 0))
    base = x + 0
    left = maximum(y, 0)
    while scalar(any_(left > 0)):
        power = select((left & 1) == 0, power, power * base)
        base = base * base
        left = left >> 1
    return power
