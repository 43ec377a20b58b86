"""erfc, erfcx, erfinv, erfcinv, lgamma and digamma, as elementary.py and after it.

Accuracy, largest error measured in ulp (tests hold them to 2):
         erfc  erfinv  lgamma  digamma  erfcx  erfcinv
    f32  0.53  0.56    0.51    0.51     0.50   0.50
    f64  1.16  1.52    1.97    1.52     1.9    1.4
Those of lgamma and digamma are for x > 0. Below, where both have zeros between their poles, the
error in f64 is 4e-15 of the result or of 1, whichever is more.

Sources: M. Shepherd, J. Laframboise, Chebyshev Approximation of (1 + 2x) exp(x^2) erfc x (1981).
The polynomials are fits made for this file.
"""

from __future__ import annotations

from .circular import PI_F64, PI_LOW_F64
from .elementary import (
    LEAST_F64,
    LN2,
    _cosine_f64,
    _erf_series_f64,
    _exp_twofold_f64,
    _log_split_f64,
    _log_twofold,
    _scaled_f64,
    _series_f32,
    _series_f64,
    _short_log1p,
    _sine_f64,
    _split_f64,
    log_f64,
)
from .numpy_words import (
    abs_,
    cast,
    copysign,
    f32,
    f64,
    floor,
    fma,
    inf,
    maximum,
    nan,
    polynomial,
    reinterpret,
    rint,
    select,
    sqrt,
)

# ------------------------------------------------------------------ erfc
# exp(-x^2) (1 + p) / (1 + 2 x) with p a polynomial in (x - 4) / (x + 4); 1 - erf(x) below 0.47.


def erfc_f32(x):
    a = abs_(cast(x, f64))
    t = select(a > 10.25, 10.25, a)
    p = polynomial(
        (t - 2.0) / (t + 2.0), 8.318471846691664e-05, 0.00017648319724405167,
        -0.00040183104367140775, -0.0014287809491246597, 0.001251056601309483,
        0.008712288629360514, -0.008029977299464964, -0.05421836207615978, 0.1640509061986711,
        -0.16603048912962176, -0.09276381574785818, 0.27697838234730865,
    )  # fmt: skip
    bits, r, _ = _split_f64(-t * t, 1023.0)
    y = (p + 1.0) / fma(2.0, t, 1.0) * fma(_series_f32(r), r * r, r + 1.0)
    y = y * reinterpret(bits << 52, f64)
    return cast(select(x < 0.0, 2.0 - y, y), f32)


def erfc_f64(x):
    a = abs_(x)
    t = select(a > 27.3, 27.3, a)
    g, g_low = _erfcx_parts(t)
    z = t * t
    bits, r, c = _split_f64(-z, 2046.0)
    e, e_low = _exp_parts(r, c - fma(t, t, -z))
    m = e * g
    far = _scaled_f64(m + (fma(e, g, -m) + fma(e, g_low, e_low * g)), bits)
    return select(a < 0.47, _erfc_near(x), select(x < 0.0, 2.0 - far, far))


def _erfc_near(x):
    near = 1.0 - x
    near_low = ((1.0 - near) - x) - x * _erf_series_f64(x * x)
    return near + near_low


def _erfcx_parts(t):
    """exp(t^2) erfc(t) as (high, low) for 0.47 < t < 27.3."""
    p = polynomial(
        (t - 4.0) / (t + 4.0), 1.6090502286044106e-09, -9.704936385579143e-09,
        -1.7278314885848846e-08, 1.0339507011752103e-07, 7.388917402580869e-08,
        -8.19661494786819e-07, 2.942816284349158e-07, 5.706587222938383e-06,
        -1.1222210179919605e-05, -2.4398090578066094e-05, 0.0001506217193897572,
        -0.00019925695832453746, -0.0007577732951644077, 0.005031970017649332,
        -0.01619773405724277, 0.03716751553385608, -0.06633036581223559, 0.0937328349985327,
        -0.1010390660363047, 0.06809705425468844, 0.015379652102619767, -0.1396211168405625,
        0.2329951186255525,
    )  # fmt: skip
    over = 1.0 + p
    under = fma(2.0, t, 1.0)
    part = under - 1.0
    under_low = (1.0 - (under - part)) + (2.0 * t - part)
    g = over / under
    return g, (fma(-g, under, over) + ((1.0 - over) + p) - g * under_low) / under


def _exp_parts(r, low):
    """exp(r + low) as (high, low)."""
    p = _series_f64(r)
    z = r * r
    t = fma(p, z, low * (fma(p, z, r) + 1.0))
    s = r + t
    y = 1.0 + s
    return y, ((1.0 - y) + s) + ((r - s) + t)


# ------------------------------------------------------------------ erfcx
# exp(x^2) (1 - erf(x)) below 0.47; what is multiplied by exp(-x^2) in erfc; beyond 27 the
# asymptotic series; 2 exp(x^2) - erfcx(-x) for x < 0.


def erfcx_f32(x):
    return cast(erfcx_f64(cast(x, f64)), f32)


def erfcx_f64(x):
    a = abs_(x)
    z = x * x
    e = _exp_twofold_f64(z, select(z < 1000.0, fma(x, x, -z), 0.0))
    middle, _ = _erfcx_parts(select(a > 27.0, 27.0, a))
    w = 0.5 / select(a > 27.0, z, 729.0)
    far = 0.5641895835477563 / a * polynomial(w, 10395.0, -945.0, 105.0, -15.0, 3.0, -1.0, 1.0)
    right = select(a > 27.0, far, middle)
    return select(a < 0.47, e * _erfc_near(x), select(x < 0.0, 2.0 * e - right, right))


# ------------------------------------------------------------------ erfinv
# x times a rational of x^2 in the middle, then r + h(r) with r = sqrt(-log(1 - |x|)).


def erfinv_f32(x):
    a = abs_(cast(x, f64))
    z = a * a
    near = a * fma(
        z,
        polynomial(
            z, -0.0020564503318116238, 0.1003701930427102, -0.3143253524441623,
            0.23201366669197526,
        )
        / polynomial(
            z, -0.18673393311595746, 1.1066347821094942, -1.9045494488401926, 1.0
        ),
        0.886226925452758,
    )  # fmt: skip
    k, f = _log_split_f64(1.0 - select(a < 1.0, a, 0.0))
    r = sqrt(-fma(k, LN2, _short_log1p(f)))
    s = r - 2.5
    h = polynomial(
        s, -2.981629180442296e-07, -1.0725802922447432e-06, -0.002776851482455911,
        -0.05176514580357207, -0.2346493604567663, -0.3074540781591738,
    ) / polynomial(
        s, 0.0010899857703455113, 0.03525492577554677, 0.29322746276719774, 0.9160164336182178, 1.0
    )  # fmt: skip
    return _erfinv_ends(x, cast(select(a < 0.75, near, r + h), f32))


def erfinv_f64(x):
    a = abs_(x)
    k, f = _log_split_f64(1.0 - select(a < 1.0, a, 0.0))
    high, low = _log_twofold(k, f)
    r, r_low = _erfinv_root(high, low)
    return _erfinv_ends(x, select(a < 0.7, _erfinv_middle(a), r + (_erfinv_tail(r) + r_low)))


def _erfinv_middle(a):
    z = fma(a, a, -0.25)
    p = polynomial(
        z, 0.0031684417470435947, -0.07545839407413804, 0.4997771662651825, -1.3913282001917153,
        1.8454532647454032, -1.1368638619589606, 0.23935974145738306, 0.016372552408939745,
    ) / polynomial(
        z, -0.004024626069487593, 0.12856651222290177, -1.1473629222471013, 4.433222978252133,
        -8.690866775304183, 9.048834325376092, -4.76802820469288, 1.0,
    )  # fmt: skip
    return fma(a, 0.9375, a * p)


def _erfinv_root(high, low):
    """The square root of -(high + low) as (high, low)."""
    r = sqrt(-high)
    return r, (fma(-r, r, -high) - low) / (r + r + 1e-300)


def _erfinv_tail(r):
    """erfinv(1 - exp(-r^2)) - r for 1.09 < r < 6.1."""
    s, t = r - 1.0625, r - 2.5
    over = polynomial(
        s, -2.0847892311463727e-06, -0.0009591111150528633, -0.026189240270173286,
        -0.23139888556010382, -0.9302770600371038, -1.9771539618682143, -2.3392062710803696,
        -1.4512168373946492, -0.364216445412858,
    )  # fmt: skip
    under = polynomial(
        s, 0.00037217286369832286, 0.015083854644264117, 0.18792627385742952, 1.074238310126199,
        3.333606615053787, 6.091216255807501, 6.6063718814730406, 3.961750166717818, 1.0,
    )  # fmt: skip
    over_far = polynomial(
        t, -1.7291736733618165e-10, -3.5821985675945963e-07, -3.600526196009649e-05,
        -0.0010787591341500438, -0.01365983917640816, -0.08519654480512197, -0.2785371284496572,
        -0.46156580298664895, -0.307454078188087,
    )  # fmt: skip
    under_far = polynomial(
        t, 1.1163847356605986e-07, 1.5412484574261882e-05, 0.0006077025099311594,
        0.010254698442617187, 0.08828021529138991, 0.42211525709957776, 1.1435926473002593,
        1.6540663025123248, 1.0,
    )  # fmt: skip
    near = r < 2.5
    return select(near, over, over_far) / select(near, under, under_far)


def _erfinv_ends(x, y):
    a = abs_(x)
    return select(a < 1.0, copysign(y, x), select(a == 1.0, copysign(inf, x), nan))


# ------------------------------------------------------------------ erfcinv
# erfinv(1 - x) above 0.3, else the tail of erfinv, which goes on beyond 6.


def erfcinv_f32(x):
    return cast(erfcinv_f64(cast(x, f64)), f32)


def erfcinv_f64(x):
    w = select(x > 1.0, 2.0 - x, x)
    tiny = w < LEAST_F64
    inside = select(w > 0.0, w, 1.0)
    k, f = _log_split_f64(select(tiny & (w > 0.0), inside * 18014398509481984.0, inside))
    high, low = _log_twofold(select(tiny, k - 54.0, k), f)
    r, r_low = _erfinv_root(high, low)
    s = r - 6.0
    beyond = polynomial(
        s, -4.948163915288857e-13, -2.6602991812340597e-09, -6.292174414965815e-07,
        -4.33500322424426e-05, -0.0012173077964626523, -0.015675917642506528, -0.09192926753997924,
        -0.1986889649844571,
    ) / polynomial(
        s, 7.344794662783736e-10, 2.3031143404029554e-07, 2.0295823352227236e-05,
        0.0007459739927005893, 0.01337262136302179, 0.12323096553986272, 0.5609346221831847, 1.0,
    )  # fmt: skip
    far = r + (select(r > 6.0, beyond, _erfinv_tail(r)) + r_low)
    y = select(w > 0.3, _erfinv_middle(1.0 - w), far)
    ends = select(w == 0.0, inf, nan * x)
    return copysign(select(w > 0.0, y, ends), 1.0 - x)


# ------------------------------------------------------------------ lgamma
# Below 8: rationals about 1 and 2, and the logarithm of the factors between. Beyond: Stirling's
# series. At x < 0: log(pi / sin(pi x)) - lgamma(1 - x).


def lgamma_f32(x):
    return cast(lgamma_f64(cast(x, f64)), f32)


def lgamma_f64(x):
    a = abs_(x)
    m = select(a < 0.6, 0.0, select(a < 1.3, 1.0, maximum(rint(a), 2.0)))
    large = a >= 8.0
    factors = _factors(a, m)
    outer = select(x < 0.0, select(m == 0.0, 1.0, factors * a), select(m == 0.0, a, factors))
    arg = select(large, a, outer)
    tiny = arg < LEAST_F64
    k, f = _log_split_f64(select(tiny, arg * 18014398509481984.0, arg))
    high, low = _log_twofold(select(tiny, k - 54.0, k), f)
    near = _lgamma_near(a - m, m < 1.5)
    first = select(m == 0.0, -high, high)
    total = near + first
    rest = select(abs_(near) < abs_(first), (first - total) + near, (near - total) + first)
    small = total + (rest + select(m == 0.0, -low, low))
    beyond = _stirling(a, high, low)
    positive = select(large, select(x < 0.0, beyond + high, beyond), small)
    y = select(x < 0.0, 1.1447298858494002 - log_f64(abs_(_sine_of_turns(a))) - positive, positive)
    pole = (x == 0.0) | ((x < 0.0) & (rint(x) == x)) | (a > 2.5563481638716906e305)
    return select(pole, inf, y)


def _factors(a, m):
    """(a - 1) (a - 2) ..., as many as lead from the range about 2 to a."""
    low = select(m > 2.0, a - 1.0, 1.0) * select(m > 3.0, a - 2.0, 1.0)
    middle = select(m > 4.0, a - 3.0, 1.0) * select(m > 5.0, a - 4.0, 1.0)
    return low * middle * (select(m > 6.0, a - 5.0, 1.0) * select(m > 7.0, a - 6.0, 1.0))


def _lgamma_near(y, one):
    """lgamma(1 + y) where `one`, for -0.4 < y < 0.6; else lgamma(2 + y), -0.7 < y < 0.5."""
    v, w = y + 0.40625, y + 0.703125
    over_one = polynomial(
        v, 8.557776176652734e-05, 0.02265981977937067, 0.4101157506447594, 2.2464205304067755,
        4.871642460374525, 3.9782963113954475, -0.135723833638906, -1.6597073828865212,
        -0.5666456155171952,
    )  # fmt: skip
    under_one = polynomial(
        v, 0.005989174884927435, 0.18397421370815678, 1.6360170332567359, 6.1955388726380844,
        11.58890747556738, 11.208699503872632, 5.3590518708249295, 1.0,
    )  # fmt: skip
    over_two = polynomial(
        w, 2.4694934281038425e-06, 0.0008498455991299167, 0.021603531440175013,
        0.17255623869959913, 0.57088000471403, 0.8112580424400786, 0.38728913160862805,
        -0.034411226982332385,
    )  # fmt: skip
    under_two = polynomial(
        w, 0.00024191940780487477, 0.010582166522299492, 0.1348513544207321, 0.7240017748510361,
        1.8466312576744721, 2.211883690595074, 1.0,
    )  # fmt: skip
    r = select(one, over_one, over_two) / select(one, under_one, under_two)
    return select(one, fma(y, -0.4375, y * r), fma(y, 0.1875, y * r))


def _stirling(a, high, low):
    """lgamma(a) for a >= 8, with log(a) = high + low."""
    p, rest = _stirling_parts(a, high, low)
    return p + rest


def _stirling_parts(a, high, low):
    t, m = a - 0.5, high - 1.0
    p = t * m
    lost = fma(t, ((high - m) - 1.0) + low, 0.4189385332046727 + _stirling_rest(a))
    return p, fma(t, m, -p) + lost


def _stirling_rest(a):
    """lgamma(a) less (a - 1/2) log(a) - a + log(2 pi) / 2, for a >= 8."""
    v = 1.0 / a
    return v * polynomial(
        v * v, 0.005065905360156132, -0.001890382993887715, 0.0008414700852503147,
        -0.0005952365845057049, 0.0007936507897524059, -0.002777777777773988, 0.08333333333333333,
    )  # fmt: skip


def _half_turns(a):
    """(even, r, lost) with pi a = r + lost + n pi / 2, for the parity of n."""
    n = rint(2.0 * a)
    turn = fma(n, -0.5, a)
    r = turn * PI_F64
    return rint(0.5 * n) == 0.5 * n, r, fma(turn, PI_F64, -r) + turn * PI_LOW_F64


def _sine_of_turns(a):
    """sin(pi a), but for its sign."""
    even, r, lost = _half_turns(a)
    s, s_low = _sine_f64(r, lost)
    c, c_low = _cosine_f64(r, lost)
    return select(even, s + s_low, c + c_low)


# ------------------------------------------------------------------ digamma
# (x - root) times a rational on [1, 3), the root as a sum of two numbers; recurrences lead there
# from (0, 6), beyond the asymptotic series serves. At x < 0: psi(1 - x) - pi / tan(pi x).

PSI_ROOT, PSI_ROOT_LOW = 1.4616321449683622, 9.549995429965697e-17


def digamma_f32(x):
    return cast(digamma_f64(cast(x, f64)), f32)


def digamma_f64(x):
    a = abs_(x)
    n = floor(a) - 2.0
    b = select(a < 3.0, a, a - n)
    below = a < 1.0
    y = select(below, b, b - 1.0)
    d = select(below, b - 0.46163214496836225, b - PSI_ROOT)
    r = polynomial(
        y, -1.578585859621291e-08, -0.0001432096136709192, -0.005324620623015465,
        -0.059577024279652266, -0.25755890192468467, -0.378585465589425, 0.10995323958734607,
        0.4378801375034053,
    ) / polynomial(
        y, 0.00017933601981804436, 0.007561224327355051, 0.10266883844857362, 0.6092694909208878,
        1.7169749127558187, 2.2029923661052755, 1.0,
    )  # fmt: skip
    near = fma(d, 0.8125, d * r - PSI_ROOT_LOW * (0.8125 + r))
    v = 1.0 / a
    v_low = select(a < 1e-300, 0.0, v * fma(-v, a, 1.0))
    first = select(x < 0.0, select(below, 0.0, v), select(below, -v, 0.0))
    first_low = select(below & (x > 0.0), -v_low, 0.0)
    small = first + ((near + _reciprocals(a, n)) + first_low)
    w = v * v
    series = w * polynomial(
        w, 0.2297854245497472, -0.0751835876696361, 0.020916085217393375, -0.0075735577568517305,
        0.004166651522951171, -0.003968253916496818, 0.008333333333265424, -0.08333333333333331,
    )  # fmt: skip
    beyond = log_f64(a) + fma(copysign(0.5, -x), v, series)
    core = select(a < 6.0, small, beyond)
    even, turn, lost = _half_turns(a)
    s, s_low = _sine_f64(turn, lost)
    c, c_low = _cosine_f64(turn, lost)
    t, u = s + s_low, c + c_low
    cotangent = select(even, u, -t) / select(even, t, u)
    ends = select(x == 0.0, copysign(inf, -x), nan)
    pole = (x == 0.0) | ((x < 0.0) & (rint(x) == x))
    return select(pole, ends, select(x < 0.0, fma(PI_F64, cotangent, core), core))


def _reciprocals(a, n):
    """The sum of 1 / (a - k) for k = 1 .. n, where n is at most 3."""
    zero = abs_(copysign(0.0, a))
    over, under = select(n >= 1.0, 1.0, zero), select(n >= 1.0, a - 1.0, zero + 1.0)
    over2, under2 = _with(over, under, a - 2.0, n >= 2.0)
    over3, under3 = _with(over2, under2, a - 3.0, n >= 3.0)
    return over3 / under3


def _with(over, under, x, more):
    """over / under + 1 / x as a fraction, where `more`."""
    return select(more, fma(over, x, under), over), select(more, under * x, under)
