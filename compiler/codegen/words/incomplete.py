"""gammainc, gammaincc and betainc, the regularized incomplete functions, and expn and expi, as
gamma.py and after it.

Loops end when every lane has converged; a lane that has is moved no more.

Accuracy of gammainc and gammaincc: 2e-13 of the result, for a from 1e-3 to 1e6 and every x; of
betainc 1e-12, for x, y from 1e-3 to 1e4. In both tails: it is that of exponents up to 745.

Sources: W. Gautschi, A Computational Procedure for Incomplete Gamma Functions (1979); N. Temme, The
Asymptotic Expansion of the Incomplete Gamma Functions (1979); C. Loader, Fast and Accurate
Computation of Binomial Probabilities (2000); Numerical Recipes 6.4: the fraction of betainc.
"""

from __future__ import annotations

from .elementary import exp_f64, expm1_f64, log1p_f64, log_f64
from .gamma import _alike, _betaln_right, _gamma_near
from .numpy_words import (
    abs_,
    any_,
    cast,
    copysign,
    f32,
    f64,
    fma,
    inf,
    invert,
    nan,
    polynomial,
    scalar,
    select,
    sqrt,
)
from .special import _erfc_near, _erfcx_parts, _lgamma_near, _stirling_rest

TWO_PI = 6.283185307179586


def _less_log1p(u, ratio):
    """u - log1p(u), where 1 + u is `ratio`."""
    near = abs_(u) < 0.5
    s = select(near, u, 0.0) / (u + 2.0)
    z = s * s
    series = polynomial(
        z, 0.07815288900461426, 0.03746071897775383, 0.05422589197440007, 0.05867139530651599,
        0.06667589315724629, 0.07692271982430275, 0.09090909948981357, 0.11111111099118386,
        0.1428571428580005, 0.19999999999999762, 0.3333333333333333,
    )  # fmt: skip
    return select(near, s * (u - 2.0 * z * series), u - log_f64(ratio))


# ------------------------------------------------------------------ gammainc, gammaincc


def gammainc_f32(a, x):
    return cast(gammainc_f64(cast(a, f64), cast(x, f64)), f32)


def gammainc_f64(a, x):
    lower, _ = _gamma_parts(a, x)
    return lower


def gammaincc_f32(a, x):
    return cast(gammaincc_f64(cast(a, f64), cast(x, f64)), f32)


def gammaincc_f64(a, x):
    _, upper = _gamma_parts(a, x)
    return upper


def _gamma_parts(given, upper):
    """(P, Q), with values at the edges."""
    a, x = _alike(given, upper)
    sound = (a > 0.0) & (a < inf) & (x > 0.0) & (x < inf)
    p, q = _gamma_inside(select(sound, a, 1.0), select(sound, x, 1.0))
    none = (a >= 0.0) & (x >= 0.0) & ((a > 0.0) | (x > 0.0)) & ((a < inf) | (x < inf))
    whole = select(none, abs_(copysign(1.0, x)), nan)
    below = (x == 0.0) | (a == inf)
    p_ends, q_ends = select(below, whole - 1.0, whole), select(below, whole, whole - 1.0)
    return select(sound, p, p_ends), select(sound, q, q_ends)


def gamma_density_f32(a, x):
    return cast(gamma_density_f64(cast(a, f64), cast(x, f64)), f32)


def gamma_density_f64(a, x):
    sound = (a > 0.0) & (a < inf) & (x > 0.0) & (x < inf)
    b, t = select(sound, a, 1.0), select(sound, x, 1.0)
    log = log_f64(t)
    big, phi, rest = _gamma_factor(b, t)
    scale = select(big, b / select(t > 1e-280, t, 1e-280), b)
    y = exp_f64(select(big, -b * phi, (b - 1.0) * log - t)) * rest * scale
    none = (a > 0.0) & (x >= 0.0)
    at_zero = select(a < 1.0, inf, select(a == 1.0, a, 0.0))
    ends = select(none, select(x == 0.0, at_zero, 0.0), nan)
    return select(sound, y, ends)


def _gamma_factor(a, x):
    """(whether a is large, phi, c): x^a exp(-x) / gamma(1 + a) is c exp(-a phi) where it is, else c
    exp(a log(x) - x)."""
    big = a >= 8.0
    wide = select(big, a, 8.0)
    _, factorial = _gamma_near(select(big, 1.0, a))
    spread = exp_f64(-_stirling_rest(wide)) / sqrt(TWO_PI * wide)
    return big, _less_log1p((x - a) / a, x / a), select(big, spread, 1.0 / factorial)


def _gamma_inside(a, x):
    """(P, Q), for 0 < a and 0 < x: one of them in one of four ways, the other what is left of 1."""
    log = log_f64(x)
    big, phi, rest = _gamma_factor(a, x)
    e = exp_f64(select(big, -a * phi, a * log - x))
    power = e * rest
    middle = (a >= 200.0) & (phi < 0.125)
    small = (x <= 1.1) & select(x <= 0.5, -a * log <= 0.4, a <= 1.1 * x)
    right = (x > a) & invert(small | middle)
    y = power * _gamma_series(a, x, small | middle | right)
    y = select(right, power * a * _gamma_fraction(a, x, right & (a < 1e100)), y)
    if scalar(any_(small)):
        y = select(small, _gamma_small(a, x, log, small), y)
    if scalar(any_(middle)):
        y = select(middle, _gamma_middle(select(big, a, 8.0), x - a, phi, e), y)
    upper = small | (x > a)
    return select(upper, 1.0 - y, y), select(upper, y, 1.0 - y)


def _gamma_series(a, x, off):
    """The sum of x^n / ((a + 1) ... (a + n)), for x <= a or x < 1."""
    term = select(off, 0.0, copysign(1.0, a))
    total = term + 0.0
    k = a + 0.0
    while scalar(any_(term > 1e-17 * total)):
        k = k + 1.0
        term = term * (x / k)
        total = total + term
    return total


def _gamma_fraction(a, x, on):
    """1 / (x + 1 - a - (1 - a) / (x + 3 - a - ...)), by Lentz's method."""
    b = x - a + 1.0
    c = copysign(1e300, a)
    d = 1.0 / b
    y = d + 0.0
    gap = select(on, abs_(copysign(1.0, a)), 0.0)
    n = abs_(copysign(0.0, a))
    while scalar(any_(gap > 3e-16)):
        n = n + 1.0
        t = n * (a - n)
        b = b + 2.0
        d = 1.0 / fma(t, d, b)
        c = b + t / c
        y = select(gap > 3e-16, y * (c * d), y)
        gap = select((gap > 3e-16) & (n < 1000.0), abs_(c * d - 1.0), 0.0)
    return y


def _gamma_small(a, x, log, on):
    """Q for small x and a: 1 - x^a / gamma(1 + a) less a series of powers of -x."""
    low = a < 0.55
    e = expm1_f64(a * log - _lgamma_near(select(low, a, a - 1.0), low))
    n = copysign(1.0, a)
    power = select(on, -x, 0.0)
    total = power / (a + 1.0)
    while scalar(any_(abs_(power) > -1e-18 * total)):
        n = n + 1.0
        power = power * (-x / n)
        total = total + power / (a + n)
    return -e - a * (e + 1.0) * total


def _gamma_middle(a, off, phi, e):
    """P where a is large and x is `off` below it, Q above, with e = exp(-a phi) (Temme)."""
    z = sqrt(a * phi)
    t = copysign(sqrt(2.0 * phi), off)
    c0 = polynomial(
        t, 1.1004392031956135e-13, -5.0276692801141755e-12, 2.4361948020667415e-11,
        -5.830772132550426e-11, -2.5514193994946248e-11, 9.14769958223679e-10,
        -4.382036018453353e-09, 1.0261809784240309e-08, 6.707853543401498e-09,
        -1.7665952736826078e-07, 8.296711340953087e-07, -1.85406221071516e-06,
        -2.185448510679992e-06, 3.919263178522438e-05, -0.0001787551440329218,
        0.0003527336860670194, 0.0011574074074074073, -0.014814814814814815, 0.08333333333333333,
        -0.3333333333333333,
    )  # fmt: skip
    c1 = polynomial(
        t, -8.56390702649298e-11, 4.162792991842583e-10, -1.0091543710600413e-09,
        -1.7543241719747647e-11, 1.1951628599778148e-08, -5.752545603517705e-08,
        1.378633446915721e-07, 4.647127802807434e-09, -1.6120900894563446e-06,
        7.64916091608111e-06, -1.8098550334489977e-05, -4.018775720164609e-07,
        0.00020576131687242798, -0.0009902263374485596, 0.0026455026455026454,
        -0.003472222222222222, -0.001851851851851852,
    )  # fmt: skip
    c2 = polynomial(
        t, 6.228974084922022e-09, -1.409252991086752e-08, -2.0477098421990866e-10,
        1.4280614206064242e-07, -6.298992138380055e-07, 1.3721957309262934e-06,
        3.423578734096138e-08, -1.2760635188618728e-05, 5.2923448829120125e-05,
        -0.0001073665322636516, 2.0093878600823047e-06, 0.0007716049382716049,
        -0.0026813271604938273, 0.004133597883597883,
    )  # fmt: skip
    c3 = polynomial(
        t, -1.6958404091930278e-07, -2.7861080291528143e-11, 1.4230900732435883e-06,
        -5.6749528269915965e-06, 1.1082654115347302e-05, -2.396505113867297e-07,
        -7.561801671883977e-05, 0.00026772063206283885, -0.0004691894943952557,
        0.00022947209362139917, 0.0006494341563786008,
    )  # fmt: skip
    c4 = polynomial(
        t, 1.1375726970678419e-05, -3.968365047179435e-05, 6.641498215465122e-05,
        -1.4638452578843418e-06, -0.0002990724803031902, 0.0007840392217200666,
        -0.0008618882909167117,
    )  # fmt: skip
    v = 1.0 / a
    sums = fma(v, fma(v, fma(v, fma(v, c4, c3), c2), c1), c0)
    rest = sums / sqrt(TWO_PI * a)
    most, _ = _erfcx_parts(select(z < 0.47, 0.47, select(z > 27.0, 27.0, z)))
    half = 0.5 * select(z < 0.47, _erfc_near(z), e * most)
    return half + e * select(off > 0.0, rest, -rest)


# ------------------------------------------------------------------ expn, expi
# E_n(x): the fraction of gammainc with a = 1 - n where x > 1.1; a series for n = 1, from which a
# recurrence leads up to 50. Ei(x): log(x / root) and a series in which every term has the factor
# x - root; the asymptotic series beyond 40.

EULER, EI_ROOT, EI_ROOT_LOW = 0.5772156649015329, 0.3725074107813666, 1.3140183414386028e-17


def expn_f32(n, x):
    return cast(expn_f64(cast(n, f64), cast(x, f64)), f32)


def expn_f64(order, given):
    n, x = _alike(order, given)
    sound = (n >= 1.0) & (n < inf) & (x > 0.0) & (x < inf)
    m, t = select(sound, n, 1.0), select(sound, x, 1.0)
    e = exp_f64(-t)
    far = (t > 1.1) | (m > 50.0)
    y = e * _gamma_fraction(1.0 - m, t, far)
    if scalar(any_(invert(far))):
        power = select(far, 0.0, -t)
        total = power + 0.0
        k = copysign(1.0, t)
        while scalar(any_(abs_(power) > -1e-18 * k * total)):
            k = k + 1.0
            power = power * (-t / k)
            total = total + power / k
        near = -EULER - log_f64(t) - total
        k = copysign(1.0, t)
        while scalar(any_((k < m) & invert(far))):
            near = select(k < m, (e - t * near) / k, near)
            k = k + 1.0
        y = select(far, y, near)
    none = (n >= 1.0) & (x >= 0.0)
    at_zero = select(n > 1.0, 1.0 / (n - 1.0), inf)
    return select(sound, y, select(none, select(x == 0.0, at_zero, 0.0), nan))


def expi_f32(x):
    return cast(expi_f64(cast(x, f64)), f32)


def expi_f64(x):
    right = (x > 0.0) & (x < inf)
    t = select(right, x, 1.0)
    far = t > 40.0
    d = (t - EI_ROOT) - EI_ROOT_LOW
    sum = select(far, 0.0, copysign(1.0, t))  # of t^j root^(n - 1 - j), over n!
    power = sum + 0.0  # root^n / n!
    total = sum + 0.0
    k = copysign(1.0, t)
    while scalar(any_(sum > 1e-18 * k * total)):
        k = k + 1.0
        power = power * (EI_ROOT / k)
        sum = fma(sum, t / k, power)
        total = total + sum / k
    near = fma(d, total, select(abs_(d) < 0.2, log1p_f64(d / EI_ROOT), log_f64(t / EI_ROOT)))
    if scalar(any_(far)):
        term = select(far, copysign(1.0, t), 0.0)
        tail = term + 0.0
        k = copysign(1.0, t)
        while scalar(any_((term > 1e-18 * tail) & (k < t))):
            term = select(k < t, term * (k / t), 0.0)
            tail = tail + term
            k = k + 1.0
        root = exp_f64(0.5 * t)
        near = select(far, root * (tail / t) * root, near)
    below = -expn_f64(copysign(1.0, t), -x)
    ends = select(x == 0.0, -inf, select(x < 0.0, below, x))
    return select(right, near, ends)


# ------------------------------------------------------------------ betainc


def betainc_f32(a, b, x):
    return cast(betainc_f64(cast(a, f64), cast(b, f64), cast(x, f64)), f32)


def betainc_f64(first, second, upper):
    a, b, x = _all_alike(first, second, upper)
    inner = (a > 0.0) & (b > 0.0) & (a < inf) & (b < inf)
    sound = inner & (x > 0.0) & (x < 1.0)
    y = _beta_inside(select(sound, a, 1.0), select(sound, b, 1.0), select(sound, x, 0.5))
    none = (a >= 0.0) & (b >= 0.0) & (a + b > 0.0) & ((a < inf) | (b < inf))
    none = none & (x >= 0.0) & (x <= 1.0)
    above = (x == 1.0) | ((x > 0.0) & ((a == 0.0) | (b == inf)))
    whole = select(none, abs_(copysign(1.0, x)), nan)
    return select(sound, y, select(above, whole, whole - 1.0))


def beta_density_f32(a, b, x):
    return cast(beta_density_f64(cast(a, f64), cast(b, f64), cast(x, f64)), f32)


def beta_density_f64(a, b, x):
    inner = (a > 0.0) & (b > 0.0) & (a < inf) & (b < inf)
    sound = inner & (x > 0.0) & (x < 1.0)
    t = select(sound, x, 0.5)
    y = _beta_power(select(sound, a, 1.0), select(sound, b, 1.0), t) / (t * (1.0 - t))
    near, far = select(x == 0.0, a, b), select(x == 0.0, b, a)
    ends = select(near < 1.0, inf, select(near == 1.0, far, 0.0))
    edge = inner & ((x == 0.0) | (x == 1.0))
    return select(sound, y, select(edge, ends, nan))


def _all_alike(a, b, x):
    c, d = _alike(a, b)
    e, y = _alike(c, x)
    f, _ = _alike(d, y)
    return e, f, y


def _beta_power(a, b, x):
    """x^a (1 - x)^b / B(a, b), for 0 < a, 0 < b and 0 < x < 1."""
    y = 1.0 - x
    least = select(a < b, a, b)
    big = least >= 8.0
    c, d = select(big, a, 8.0), select(big, b, 8.0)
    t = c + d
    off = d * x - c * y
    far = c * _less_log1p(off / c, t * x / c) + d * _less_log1p(-off / d, t * y / d)
    far = _stirling_rest(t) - _stirling_rest(c) - _stirling_rest(d) - far
    near = a * log_f64(x) + b * log1p_f64(-x) - _betaln_right(a, b)
    return exp_f64(select(big, far, near)) * select(big, sqrt(c * (d / (TWO_PI * t))), 1.0)


def _beta_inside(a, b, x):
    """For 0 < a, 0 < b and 0 < x < 1: by the fraction for x below the mean, else from 1."""
    power = _beta_power(a, b, x)
    y = 1.0 - x
    flip = x > (a + 1.0) / (a + b + 2.0)
    p, q, z = select(flip, b, a), select(flip, a, b), select(flip, y, x)
    part = power / p * _beta_fraction(p, q, z)
    return select(flip, 1.0 - part, part)


def _beta_fraction(a, b, x):
    """The continued fraction of betainc a B(a, b) / (x^a (1 - x)^b), by Lentz's method."""
    n = a + b
    c = copysign(1.0, a)
    d = 1.0 / (1.0 - n * x / (a + 1.0))
    y = d + 0.0
    gap = copysign(1.0, a)
    m = abs_(copysign(0.0, a))
    while scalar(any_(gap > 3e-16)):
        m = m + 1.0
        k = a + 2.0 * m
        t = x * m * (b - m) / ((k - 1.0) * k)
        d = 1.0 / fma(t, d, 1.0)
        c = 1.0 + t / c
        first = c * d
        t = -x * (a + m) * (n + m) / (k * (k + 1.0))
        d = 1.0 / fma(t, d, 1.0)
        c = 1.0 + t / c
        y = select(gap > 3e-16, y * first * (c * d), y)
        gap = select((gap > 3e-16) & (m < 20000.0), abs_(c * d - 1.0), 0.0)
    return y
