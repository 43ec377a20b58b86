"""What other targets ask libm for: remainders of large quotients, sin and cos of large arguments.

Plain Python over NumPy here, emitted in place as words where there is no libm, as in elementary.py.
These ranges are rare; what counts is that any argument gives an answer, to an ulp.

Source: M. Payne and R. Hanek, Radian reduction for trigonometric functions, SIGNUM 18 (1983).
"""

from __future__ import annotations

from .circular import PI_2_F64, PI_2_LOW_F64
from .elementary import _circle_f64, _cosine_f64, _sine_f64
from .numpy_words import (
    abs_,
    any_,
    cast,
    copysign,
    f64,
    fma,
    i64,
    inf,
    invert,
    nan,
    reinterpret,
    scalar,
    select,
    two_over_pi,
    u64,
)


def fmod(x, y):
    """The remainder of x / y rounded toward zero, without error: by halving, as on paper."""
    a, b = abs_(x), abs_(y)
    sound = (a < inf) & (b > 0.0) & (b < inf)
    r = select(sound, a, 0.0)
    s = select(sound, b, 1.0)
    least = s
    while scalar(any_((s <= r) & (s <= r - s))):
        s = select((s <= r) & (s <= r - s), s + s, s)
    while scalar(any_(s > least)):
        r = select(r >= s, r - s, r)
        s = select(s > least, s * 0.5, s)
    r = select(r >= least, r - least, r)
    rest = select(sound, r, select((a < inf) & (b == inf), a, nan))
    return copysign(rest, x)


def far_sin(x):
    q, r, c = _reduced(abs_(x))
    y = _circle_f64(q, r, c)
    return select(abs_(x) < inf, select(x < 0.0, -y, y), nan)


def far_cos(x):
    q, r, c = _reduced(abs_(x))
    return select(abs_(x) < inf, _circle_f64(q + 1, r, c), nan)


def far_tan(x):
    q, r, c = _reduced(abs_(x))
    s, s_low = _sine_f64(r, c)
    t, t_low = _cosine_f64(r, c)
    even = (q & 1) == 0
    y = select(even, s + s_low, -(t + t_low)) / select(even, t + t_low, s + s_low)
    return select(abs_(x) < inf, select(x < 0.0, -y, y), nan)


def _reduced(a):
    """(q, r, c) with a = r + c + q pi / 2, for 2^16 < a: 192 bits of 2 / pi decide."""
    bits = reinterpret(a, u64)
    m = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000
    skipped = (bits >> 52) - 1013  # bits before those of weight below 4, from 64 zeros on
    word = skipped >> 6
    left = skipped & 63
    t0, t1 = two_over_pi(word), two_over_pi(word + 1)
    t2, t3 = two_over_pi(word + 2), two_over_pi(word + 3)
    high, middle, low = _joined(t0, t1, left), _joined(t1, t2, left), _joined(t2, t3, left)
    h0, p0 = _times(m, low)
    h1, l1 = _times(m, middle)
    p1 = l1 + h0
    p2 = m * high + h1 + cast(p1 < h0, u64)
    f1, f0 = (p2 << 2) | (p1 >> 62), (p1 << 2) | (p0 >> 62)
    up = (f1 >> 63) == 1
    g1, g0 = select(up, invert(f1), f1), select(up, invert(f0), f0)
    first = cast((g1 >> 11) << 11, f64) * 5.421010862427522e-20
    rest = fma(cast(g0, f64), 2.938735877055719e-39, cast(g1 & 2047, f64) * 5.421010862427522e-20)
    s = first + rest
    t = (first - s) + rest
    r = s * PI_2_F64
    c = fma(s, PI_2_F64, -r) + fma(s, PI_2_LOW_F64, t * PI_2_F64)
    q = cast((p2 >> 62) + (f1 >> 63), i64)
    return q, select(up, -r, r), select(up, -c, c)


def _joined(x, y, left):
    """The 64 bits of x and y, one behind the other, from bit `left` on."""
    return select(left == 0, x, (x << left) | (y >> (64 - left)))


def _times(x, y):
    """(high, low) halves of a product of 128 bits."""
    xh, xl = x >> 32, x & 0xFFFFFFFF
    yh, yl = y >> 32, y & 0xFFFFFFFF
    ll = xl * yl
    middle = xh * yl + (ll >> 32)
    other = xl * yh + (middle & 0xFFFFFFFF)
    return xh * yh + (middle >> 32) + (other >> 32), x * y
