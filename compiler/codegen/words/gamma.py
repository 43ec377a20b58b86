"""gamma, betaln and zeta, as special.py and after it.

Accuracy, largest error measured:
    gamma   f32 0.51 ulp; f64 3 ulp, between the poles 1e-14 of the result
    betaln  f64 3e-15 of the result or of 1, whichever is more
    zeta    f64 5e-16 times 1 + s |log q|
"""

from __future__ import annotations

from .circular import PI_F64
from .elementary import (
    _exp_twofold_f64,
    _log_split_f64,
    _log_twofold,
    log1p_f64,
    log_f64,
    pow__f64,
)
from .numpy_words import (
    abs_,
    any_,
    cast,
    copysign,
    f32,
    f64,
    floor,
    fma,
    inf,
    maximum,
    minimum,
    nan,
    polynomial,
    rint,
    scalar,
    select,
)
from .special import _factors, _sine_of_turns, _stirling_parts, _stirling_rest, lgamma_f64

# ------------------------------------------------------------------ gamma
# A polynomial on [2, 3), to which factors lead from [0, 8); beyond Stirling's series, as two
# numbers. At x < 0: -pi / (sin(-pi x) gamma(1 - x)).


def gamma_f32(x):
    return cast(gamma_f64(cast(x, f64)), f32)


def gamma_f64(x):
    a = abs_(x)
    far = a >= 8.0
    t = select(far, select(a > 400.0, 400.0, a), 8.0)
    k, f = _log_split_f64(t)
    high, low = _log_twofold(k, f)
    p, rest = _stirling_parts(t, high, low)
    h = p + rest
    h_low = (p - h) + rest
    e = _exp_twofold_f64(select(x < 0.0, -h, h), select(x < 0.0, -h_low, h_low))
    near, factorial = _gamma_near(select(far, 1.0, a))
    s = PI_F64 / abs_(_sine_of_turns(a))
    left = select(far, s / a * e, s / factorial)
    left = select(rint(x) == x, nan, left)
    even = rint(0.5 * floor(a)) == 0.5 * floor(a)
    y = select(x < 0.0, select(even, -left, left), select(far, e, near))
    ends = select(x == 0.0, copysign(inf, x), select(x > 0.0, x, nan))
    return select((a > 0.0) & (a < inf), y, ends)


def _gamma_near(a):
    """(gamma(a), gamma(1 + a)) for 0 < a < 8."""
    m = floor(a)
    y = a - m
    g = 1.0 + y * polynomial(
        y, 4.119603259115305e-08, -4.530476694455148e-07, 2.4347553101398314e-06,
        -8.695081766445247e-06, 2.388794586382451e-05, -5.560395409308346e-05,
        0.00011846564888812104, -0.00023939893107138033, 0.0004898164324726073,
        -0.0009194122278305231, 0.002103899174270705, -0.0028526405542505908,
        0.011154045147777762, -0.0002669820276767981, 0.07424901075170777, 0.0815769192471283,
        0.4118403304264393, 0.42278433509846713,
    )  # fmt: skip
    over = g * _factors(a, m)
    under = select(a < 1.0, 1.0 + a, 1.0)
    return over / (under * select(a < 2.0, a, 1.0)), over * select(a < 2.0, 1.0, a) / under


def _alike(x, y):
    """Both with the lanes of both, as variables must be."""
    return select(y == y, x, x), select(x == x, y, y)


# ------------------------------------------------------------------ betaln
# The logarithm of a quotient of gammas below 8, beyond by Stirling's series; for x or y < 0 a sum
# of lgammas.


def betaln_f32(a, b):
    return cast(betaln_f64(cast(a, f64), cast(b, f64)), f32)


def betaln_f64(a, b):
    x, y = _alike(a, b)
    # of a whole number from 0 down and a whole number, beta(x, y) = +-beta(1 - x - y, y)
    whole = (rint(x) == x) & (rint(y) == y)
    u = select(whole & (x <= 0.0) & (x + y < 1.0), 1.0 - x - y, x)
    v = select(whole & (y <= 0.0) & (x + y < 1.0) & (x > 0.0), 1.0 - x - y, y)
    out = _betaln_right(u, v)
    left = (u < 0.0) | (v < 0.0) | (x == -inf) | (y == -inf)
    if scalar(any_(left)):
        poles = ((rint(u) == u) & (u <= 0.0)) | ((rint(v) == v) & (v <= 0.0))
        below = lgamma_f64(u) + lgamma_f64(v) - lgamma_f64(u + v)
        below = select((poles & (u + v == u + v)) | (u + v == inf), inf, below)
        below = select((x == -inf) | (y == -inf), nan, below)
        out = select(left, below, out)
    return out


def _betaln_right(x, y):
    """For x and y from 0 on."""
    least, most = minimum(x, y), maximum(x, y)
    sound = (least > 0.0) & (most < inf)
    a, b = select(sound, least, 1.0), select(sound, most, 1.0)
    n = a + b
    near, _ = _gamma_near(select(a < 8.0, a, 1.0))
    other, _ = _gamma_near(select(b < 8.0, b, 1.0))
    shift = (n >= 8.0) & (b < 8.0)
    rest, _ = _gamma_near(select(b < 8.0, select(shift, n - 8.0, n), 1.0))
    eight = _factors(n, select(n > 0.0, 8.0, n)) * ((n - 7.0) * (n - 8.0))
    ratio = near * other / (rest * select(shift, eight, 1.0))
    small = log_f64(select(b < 8.0, ratio, select(a < 8.0, near, a / n)))
    big = select(b < 8.0, 8.0, b)
    step, size = log1p_f64(a / big), log_f64(big)
    total = select(b < 8.0, 8.0, n)
    middle = small + ((a - a * size) - (n - 0.5) * step)
    wide = select(a < 8.0, 8.0, a)
    least_rest = 0.9189385332046727 + _stirling_rest(wide) - 0.5 * size
    far = (a - 0.5) * small - b * step + least_rest
    beyond = select(a < 8.0, middle, far) + (_stirling_rest(big) - _stirling_rest(total))
    ends = select(least == 0.0, inf, select((least > 0.0) & (least < inf), -most, nan))
    return select(sound, select(b < 8.0, small, beyond), ends)


# ------------------------------------------------------------------ zeta
# Ten terms and the formula of Euler and Maclaurin. For q < 0 and whole s the sum over all whole
# numbers, which has a period of 1 in q, without what lies before q.


def zeta_f32(s, q):
    return cast(zeta_f64(cast(s, f64), cast(q, f64)), f32)


def zeta_f64(s, q):
    x, y = _alike(s, q)
    sound = (x >= 0.0) & (x != 1.0) & (y > 0.0)
    t = select((x >= 0.0) & (x != 1.0), x, 2.0)
    out = _zeta_right(t, select(y > 0.0, y, 1.0))
    left = (x > 1.0) & (y < 0.0) & (rint(y) != y) & (rint(x) == x)
    if scalar(any_(left)):
        below = select(left, y, -0.5)
        part = below - floor(below)
        odd = rint(0.5 * t) != 0.5 * t
        before = _zeta_right(t, 1.0 - part) - _zeta_right(t, 1.0 - below)
        whole = _zeta_right(t, part) + select(odd, -before, before)
        out = select(left, whole, out)
    pole = (x > 1.0) & (y <= 0.0) & (rint(y) == y)
    out = select(sound | left, out, select(pole, inf, nan * y))
    return select((x == 1.0) & (y == y), inf, out)


def _zeta_right(s, q):
    """For s from 0 on, but 1, and q > 0."""
    k = abs_(copysign(0.0, s))
    total = abs_(copysign(0.0, s))
    while scalar(any_(k < 10.0)):
        total = total + pow__f64(q + k, -s)
        k = k + 1.0
    w = select(q > 1e300, 1e300, q) + 10.0
    c = select(s > 1e4, 1e4, s)  # beyond, the tenth term is nothing
    u = 1.0 / (w * w)
    r = fma((c + 17.0) * u, (c + 18.0) * -2.174868698558062e-16, 8.586062056277845e-15)
    r = fma((c + 15.0) * u, (c + 16.0) * r, -3.3896802963225827e-13)
    r = fma((c + 13.0) * u, (c + 14.0) * r, 1.3382536530684679e-11)
    r = fma((c + 11.0) * u, (c + 12.0) * r, -5.284190138687493e-10)
    r = fma((c + 9.0) * u, (c + 10.0) * r, 2.08767569878681e-08)
    r = fma((c + 7.0) * u, (c + 8.0) * r, -8.267195767195768e-07)
    r = fma((c + 5.0) * u, (c + 6.0) * r, 3.306878306878307e-05)
    r = fma((c + 3.0) * u, (c + 4.0) * r, -0.001388888888888889)
    r = fma((c + 1.0) * u, (c + 2.0) * r, 0.08333333333333333)
    return total + pow__f64(w, -s) * (0.5 + w / (c - 1.0) + c / w * r)
