"""tan and the inverse circular functions, as elementary.py and after it.

Accuracy, largest error measured in ulp (tests hold them to 2):
         tan   asin  acos  atan  atan2
    f32  0.51  0.61  0.61  1.55  0.51
    f64  0.78  1.00  0.93  1.42  1.80

Sources: the reductions of atan and asin are those of fdlibm (Sun Microsystems, 1993) in shape; the
polynomials are fits made for this file.
"""

from __future__ import annotations

from .elementary import _cosine_f64, _far, _quarter_f64, _sine_f64
from .numpy_words import (
    abs_,
    cast,
    copysign,
    f32,
    f64,
    fma,
    i64,
    inf,
    maximum,
    minimum,
    polynomial,
    reinterpret,
    select,
    sqrt,
)

PI_F64, PI_LOW_F64 = 3.141592653589793, 1.2246467991473532e-16
PI_2_F64, PI_2_LOW_F64 = 1.5707963267948966, 6.123233995736766e-17
PI_4_F64, PI_4_LOW_F64 = 0.7853981633974483, 3.061616997868383e-17
PI_F32, PI_LOW_F32 = 3.1415927410125732, -8.742277657347586e-08
PI_2_F32, PI_2_LOW_F32 = 1.5707963705062866, -4.371138828673793e-08
PI_4_F32, PI_4_LOW_F32 = 0.7853981852531433, -2.1855694143368964e-08
TINY = 1e-30


# ------------------------------------------------------------------ tan


def tan_f32(x):
    # in f64, whose spare bits make sine, cosine and quotient right to the last bit
    wide = cast(x, f64)
    shifted = fma(wide, 0.6366197723675814, 6755399441055744.0)
    n = shifted - 6755399441055744.0
    r = fma(n, -6.123233995736766e-17, fma(n, -1.5707963267948966, wide))
    z = r * r
    s = fma(
        polynomial(
            z, 2.724992580305979e-06, -0.00019840086735384846, 0.008333331874710208,
            -0.1666666666385529,
        ),
        z * r,
        r,
    )  # fmt: skip
    c = fma(
        polynomial(
            z, -2.730095920390147e-07, 2.480060037715673e-05, -0.001388888767201679,
            0.0416666666643212,
        ),
        z * z,
        fma(-0.5, z, 1.0),
    )  # fmt: skip
    even = (reinterpret(shifted, i64) & 1) == 0
    y = cast(select(even, s, -c) / select(even, c, s), f32)
    return _far("tan", x, select(x == 0.0, x, y))


def tan_f64(x):
    q, r, lost = _quarter_f64(x)
    s, s_low = _sine_f64(r, lost)
    c, c_low = _cosine_f64(r, lost)
    even = (q & 1) == 0
    over, over_low = select(even, s, -c), select(even, s_low, -c_low)
    under, under_low = select(even, c, s), select(even, c_low, s_low)
    return _far("tan", x, select(x == 0.0, x, _quotient(over, over_low, under, under_low)))


def _quotient(over, over_low, under, under_low):
    """(over + over_low) / (under + under_low)."""
    y = over / under
    return y + ((fma(-y, under, over) + over_low) - y * under_low) / under


# ------------------------------------------------------------------ atan, atan2
# atan(a) = atan(c) + atan((a - c) / (1 + a c)) for c = 0, 1, infinity: leaves at most 1/2.


def _atan_rest(a):
    middle = select(a < 2.0, a - 1.0, -1.0) / select(a < 2.0, a + 1.0, a)
    return select(a < 0.5, a, middle)


def _atan_series_f32(z):
    return polynomial(
        z, 0.0422568582, -0.0823550597, 0.110068806, -0.142798007, 0.199998751, -0.333333343
    )


def _atan_series_f64(z):
    return polynomial(
        z, 0.011152908092096216, -0.02895352123252625, 0.04283578705573422, -0.05157516225552972,
        0.058664967492257074, -0.06665052856794013, 0.07692198451257941, -0.09090904370311348,
        0.11111110990139533, -0.14285714284106285, 0.199999999999916, -0.33333333333333326,
    )  # fmt: skip


def _atan_short_series(z):
    """Enough for f32, in f64."""
    return polynomial(
        z, 0.025812129551127754, -0.05540665816372279, 0.07473753072953304, -0.09066511493113001,
        0.11109603134181695, -0.14285667970440874, 0.19999999453512565, -0.33333333332267845,
    )  # fmt: skip


def atan_f32(x):
    a = abs_(x)
    t = _atan_rest(a)
    z = t * t
    y = fma(_atan_series_f32(z), z * t, t)
    zero = abs_(copysign(0.0, x))
    high = select(a < 2.0, zero + PI_4_F32, PI_2_F32)
    low = select(a < 2.0, zero + PI_4_LOW_F32, PI_2_LOW_F32)
    return copysign(select(a < 0.5, y, high + (y + low)), x)


def atan_f64(x):
    a = abs_(x)
    t = _atan_rest(a)
    z = t * t
    y = fma(_atan_series_f64(z), z * t, t)
    zero = abs_(copysign(0.0, x))
    high = select(a < 2.0, zero + PI_4_F64, PI_2_F64)
    low = select(a < 2.0, zero + PI_4_LOW_F64, PI_2_LOW_F64)
    return copysign(select(a < 0.5, y, high + (y + low)), x)


def atan2_f32(y, x):
    p, q = cast(y, f64), cast(x, f64)
    t, close = _slope(p, q, 1.0)
    z = t * t
    return cast(_angle(p, q, fma(_atan_short_series(z), z * t, t), close), f32)


def atan2_f64(y, x):
    large = maximum(abs_(y), abs_(x))
    one = abs_(copysign(1.0, x))
    t, close = _slope(y, x, select(large > 1e300, 0.0625, select(large < 1e-280, 1e80, one)))
    z = t * t
    return _angle(y, x, fma(_atan_series_f64(z), z * t, t), close)


def _slope(y, x, scale):
    """(t, close): the lesser side over the greater is t, or where `close` (1 + t) / (1 - t)."""
    least = minimum(abs_(y), abs_(x))
    most = maximum(abs_(y), abs_(x))
    close = (least * scale > most * scale * 0.5) | (least == inf)
    over = select(close, least * scale - most * scale, least * scale)
    under = select(close, least * scale + most * scale, most * scale)
    return select(least == most, 0.0, over / under), close


def _angle(y, x, t, close):
    """atan2(y, x) from the angle t to the nearer axis, or where `close` to the diagonal."""
    steep = abs_(y) > abs_(x)
    left = copysign(1.0, x) < 0.0
    zero = abs_(copysign(0.0, x))
    sign = select(steep ^ left, -1.0, zero + 1.0)
    axis = select(steep, PI_2_F64, select(left, PI_F64, zero))
    axis_low = select(steep, PI_2_LOW_F64, select(left, PI_LOW_F64, zero))
    diagonal = sign * select(close, PI_4_F64, zero)
    diagonal_low = sign * select(close, PI_4_LOW_F64, zero)
    high = axis + diagonal
    low = ((axis - high) + diagonal) + (axis_low + diagonal_low)
    return copysign(high + fma(sign, t, low), y)


# ------------------------------------------------------------------ asin, acos
# asin(a) = pi / 2 - 2 asin(s) beyond 1/2, s = sqrt((1 - a) / 2); c is what rounding took from s.


def _half_angle(x):
    """(beyond, s^2, s, c); s is |x| itself up to 1/2."""
    a = abs_(x)
    beyond = a > 0.5
    z = select(beyond, 0.5 * (1.0 - a), a * a)
    s = select(beyond, sqrt(z), a)
    c = select(beyond, fma(-s, s, z) / (s + s + TINY), 0.0)
    return beyond, z, s, c


def _asin_series_f32(z):
    return polynomial(
        z, 0.0336908475, 0.0171492379, 0.0311006624, 0.0445994027, 0.0750009418, 0.166666657
    )


def _asin_series_f64(z):
    return polynomial(
        z, 0.028169218060881414, -0.010749050339697808, 0.01603551434914882, 0.0078029494773533175,
        0.011875494382636922, 0.013929652902326633, 0.017355259955786323, 0.02237204763174451,
        0.03038194736709848, 0.044642857103423646, 0.07500000000020764, 0.1666666666666665,
    )  # fmt: skip


def asin_f32(x):
    beyond, z, s, c = _half_angle(x)
    t = fma(s * z, _asin_series_f32(z), c)
    return copysign(select(beyond, _less(PI_2_F32, PI_2_LOW_F32, s + s, t + t), s + t), x)


def asin_f64(x):
    beyond, z, s, c = _half_angle(x)
    t = fma(s * z, _asin_series_f64(z), c)
    return copysign(select(beyond, _less(PI_2_F64, PI_2_LOW_F64, s + s, t + t), s + t), x)


def acos_f32(x):
    beyond, z, s, c = _half_angle(x)
    t = fma(s * z, _asin_series_f32(z), c)
    u, v = _doubled(x, beyond, s, t)
    zero = abs_(copysign(0.0, x))
    base = select(beyond, select(x > 0.0, zero, PI_F32), PI_2_F32)
    low = select(beyond, select(x > 0.0, zero, PI_LOW_F32), PI_2_LOW_F32)
    return _less(base, low, u, v)


def acos_f64(x):
    beyond, z, s, c = _half_angle(x)
    t = fma(s * z, _asin_series_f64(z), c)
    u, v = _doubled(x, beyond, s, t)
    zero = abs_(copysign(0.0, x))
    base = select(beyond, select(x > 0.0, zero, PI_F64), PI_2_F64)
    low = select(beyond, select(x > 0.0, zero, PI_LOW_F64), PI_2_LOW_F64)
    return _less(base, low, u, v)


def _doubled(x, beyond, s, t):
    """asin(x) as a sum up to 1/2; beyond, twice s + t with the other sign."""
    u, v = select(beyond, s + s, s), select(beyond, t + t, t)
    opposite = beyond ^ (x < 0.0)
    return select(opposite, -u, u), select(opposite, -v, v)


def _less(high, low, s, t):
    """(high + low) - (s + t) where high is 0 or exceeds s."""
    rest = high - s
    return rest + ((((high - rest) - s) - t) + low)
