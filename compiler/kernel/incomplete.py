"""NumPy meanings of functions of two and three numbers that NumPy lacks, computed in f64.

The same formulas as those of machine code (codegen/words/incomplete.py), one number at a time and
without its expansions: sums and fractions are as long as they need be.
"""

from __future__ import annotations

import math

from .functions import each, log_gamma

BERNOULLI = (  # over factorials
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000,
)  # fmt: skip
MOST = 100_000  # terms of a sum or of a fraction
EULER = 0.5772156649015329
ROOT, ROOT_LOW = 0.3725074107813666, 1.3140183414386028e-17  # of integral_of_exp, as a sum
SPREAD = 20  # from here on gammas are those of Stirling's series


def whole_number(x: float) -> bool:
    return abs(x) < math.inf and x == math.floor(x)


def bounded_power(x: float, y: float) -> float:
    """x ** y, inf beyond the range; of x < 0 for whole y."""
    try:
        return x**y
    except (OverflowError, ZeroDivisionError):
        return math.inf


def hurwitz_zeta(s: float, q: float) -> float:
    """The sum of (q + k) ** -s for k = 0, 1, ...: terms, and Euler and Maclaurin's formula."""
    if s != s or q != q or s < 0.0 or (s < 1.0 and q <= 0.0):
        return math.nan
    if s == 1.0 or (whole_number(q) and q <= 0.0):
        return math.inf
    if q < 0.0 and s < math.inf and not whole_number(s):
        return math.nan
    if s == math.inf:
        return 1.0 if q == 1.0 else (0.0 if q > 1.0 else math.inf)
    if q == math.inf:
        return 0.0
    if q < -20.0:  # one period, by what lies before
        part, sign = q - math.floor(q), -1.0 if s % 2 else 1.0
        before = hurwitz_zeta(s, 1.0 - part) - hurwitz_zeta(s, 1.0 - q)
        return hurwitz_zeta(s, part) + sign * before
    terms = 12 + max(0, math.ceil(-q))
    total = math.fsum(bounded_power(q + k, -s) for k in range(terms))
    w = q + terms
    term, series = s / w, 0.5 + w / (s - 1.0)
    for k, c in enumerate(BERNOULLI):
        series += c * term
        term *= (s + 2 * k + 1) * (s + 2 * k + 2) / (w * w)
        if not abs(term) < 1e100:  # the power is nothing beside
            break
    return total + bounded_power(w, -s) * series


def stirling_rest(a: float) -> float:
    """log gamma(a) less (a - 1/2) log(a) - a + log(2 pi) / 2."""
    v = 1.0 / a
    w = v * v
    return v * (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188))))


def less_log1p(u: float, ratio: float) -> float:
    """u - log(1 + u), where 1 + u is `ratio`."""
    if abs(u) > 0.3:
        return u - math.log(ratio) if ratio > 0.0 else math.inf
    term, total, k = u * u, 0.0, 2
    while abs(term) > 1e-18 * total:
        total += term / k
        term *= -u
        k += 1
    return total


def log_beta(x: float, y: float) -> float:
    """log |gamma(x) gamma(y) / gamma(x + y)|"""
    if x != x or y != y or -math.inf in (x, y):
        return math.nan
    if whole_number(x) and whole_number(y) and x + y < 1.0:
        x, y = (1.0 - x - y, y) if x <= 0.0 else ((x, 1.0 - x - y) if y <= 0.0 else (x, y))
    if any(whole_number(v) and v <= 0.0 for v in (x, y)):
        return math.inf
    a, b = min(x, y), max(x, y)
    if b == math.inf:
        return math.nan if a == b else (math.inf if a < 0.0 else -math.inf)
    if a < 0.0 or b < SPREAD:
        return log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    n, step = a + b, math.log1p(a / b)
    rest = stirling_rest(b) - stirling_rest(n)
    if a < SPREAD:
        return log_gamma(a) + rest + a - a * math.log(b) - (n - 0.5) * step
    rest += stirling_rest(a) + 0.5 * math.log(2 * math.pi / b)
    return rest + (a - 0.5) * math.log(a / n) - b * step


def gamma_power(a: float, x: float) -> float:
    """x ** a exp(-x) / gamma(a + 1)"""
    if a < SPREAD:
        return math.exp(a * math.log(x) - x - math.lgamma(a + 1.0))
    exponent = a * less_log1p((x - a) / a, x / a) + stirling_rest(a)
    return math.exp(-exponent) / math.sqrt(2 * math.pi * a)


def density_of_gamma(a: float, x: float) -> float:
    """x ** (a - 1) exp(-x) / gamma(a)"""
    if not (a > 0.0 and x >= 0.0):
        return math.nan
    if x == 0.0:
        return math.inf if a < 1.0 else (1.0 if a == 1.0 else 0.0)
    if a == math.inf or x == math.inf:
        return 0.0
    if a < SPREAD:
        return math.exp((a - 1.0) * math.log(x) - x - math.lgamma(a))
    scale = gamma_power(a, x)
    return scale * (a / x) if scale else 0.0


def gamma_halves(a: float, x: float) -> tuple[float, float]:
    """(P, Q) of a and x, the smaller of them computed."""
    if not (a >= 0.0 and x >= 0.0) or (a == x and a in (0.0, math.inf)):
        return math.nan, math.nan
    if x == 0.0 or a == math.inf:
        return 0.0, 1.0
    if a == 0.0 or x == math.inf:
        return 1.0, 0.0
    if x <= 1.1 and (-a * math.log(x) <= 0.4 if x <= 0.5 else a <= 1.1 * x):
        less = math.expm1(a * math.log(x) - math.lgamma(1.0 + a))
        term, total, n = -x, -x / (a + 1.0), 1
        while abs(term) > 1e-18 * abs(total):
            n += 1
            term *= -x / n
            total += term / (a + n)
        q = -less - a * (less + 1.0) * total
        return 1.0 - q, q
    scale = gamma_power(a, x)
    if x > a:
        q = scale * a * gamma_fraction(a, x) if scale else 0.0
        return 1.0 - q, q
    term = total = 1.0
    k = a
    while term > 1e-17 * total and k < a + MOST:
        k += 1.0
        term *= x / k
        total += term
    return scale * total, 1.0 - scale * total


def gamma_fraction(a: float, x: float) -> float:
    """1 / (x + 1 - a - (1 - a) / (x + 3 - a - ...)), by Lentz's method."""
    b = x + 1.0 - a
    c, d = math.inf, 1.0 / b
    y, n = d, 0
    while n < MOST:
        n += 1
        t = n * (a - n)
        b += 2.0
        d = 1.0 / (b + t * d)
        c = b + t / c
        y *= c * d
        if abs(c * d - 1.0) < 3e-16:
            break
    return y


def exponential_integral(n: float, x: float) -> float:
    """The integral of exp(-x t) / t ** n for t from 1 on."""
    if not (n >= 1.0 and x >= 0.0):
        return math.nan
    if x == 0.0:
        return math.inf if n == 1.0 else 1.0 / (n - 1.0)
    if x == math.inf or n == math.inf:
        return 0.0
    if x > 1.1 or n > 50.0:
        return math.exp(-x) * gamma_fraction(1.0 - n, x)
    terms = [(-x) ** k / (k * math.factorial(k)) for k in range(1, 25)]
    y = -math.fsum((EULER, math.log(x), *terms))
    for k in range(1, math.ceil(n)):
        y = (math.exp(-x) - x * y) / k
    return y


def integral_of_exp(x: float) -> float:
    """The principal value of the integral of exp(t) / t for t up to x."""
    if x < 0.0:
        return -exponential_integral(1.0, -x)
    if not 0.0 < x < math.inf:
        return -math.inf if x == 0.0 else x
    if x <= 40.0:
        d = (x - ROOT) - ROOT_LOW
        part, last, total = 1.0, 1.0, 1.0
        for n in range(2, 200):
            last *= ROOT / n
            part = part * x / n + last
            total += part / n
        return d * total + (math.log1p(d / ROOT) if abs(d) < 0.2 else math.log(x / ROOT))
    term, terms, n = 1.0, [1.0], 1
    while term > 1e-18 and n < x:
        term *= n / x
        terms.append(term)
        n += 1
    size = math.exp(x / 2)
    return size * (math.fsum(terms) / x) * size if x < 1400.0 else math.inf


def beta_power(a: float, b: float, x: float) -> float:
    """x ** a (1 - x) ** b / B(a, b)"""
    y, n = 1.0 - x, a + b
    if min(a, b) < SPREAD:
        return math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b))
    off = b * x - a * y
    exponent = a * less_log1p(off / a, n * x / a) + b * less_log1p(-off / b, n * y / b)
    exponent += stirling_rest(a) + stirling_rest(b) - stirling_rest(n)
    return math.exp(-exponent) * math.sqrt(a * (b / (2 * math.pi * n)))


def density_of_beta(a: float, b: float, x: float) -> float:
    """x ** (a - 1) (1 - x) ** (b - 1) / B(a, b)"""
    if not (0.0 < a < math.inf and 0.0 < b < math.inf and 0.0 <= x <= 1.0):
        return math.nan
    if x in (0.0, 1.0):
        near, far = (b, a) if x else (a, b)
        return math.inf if near < 1.0 else (far if near == 1.0 else 0.0)
    return beta_power(a, b, x) / (x * (1.0 - x))


def regularized_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), by its fraction for x below the mean."""
    if not (a >= 0.0 and b >= 0.0 and 0.0 <= x <= 1.0) or (a == b and a in (0.0, math.inf)):
        return math.nan
    if x in (0.0, 1.0):
        return x
    if a == 0.0 or b == math.inf:
        return 1.0
    if b == 0.0 or a == math.inf:
        return 0.0
    scale = beta_power(a, b, x)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - scale / b * beta_fraction(b, a, 1.0 - x)
    return scale / a * beta_fraction(a, b, x)


def beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of betainc, by Lentz's method."""
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    y, m = d, 0
    while m < MOST:
        m += 1
        k = a + 2 * m
        for t in (x * m * (b - m) / ((k - 1.0) * k), -x * (a + m) * (a + b + m) / (k * (k + 1.0))):
            d = 1.0 / (1.0 + t * d)
            c = 1.0 + t / c
            y *= c * d
        if abs(c * d - 1.0) < 3e-16:
            break
    return y


zeta, betaln, betainc = each(hurwitz_zeta), each(log_beta), each(regularized_beta)
gammainc = each(lambda a, x: gamma_halves(a, x)[0])
expn, expi = each(exponential_integral), each(integral_of_exp)
gamma_density, beta_density = each(density_of_gamma), each(density_of_beta)
gammaincc = each(lambda a, x: gamma_halves(a, x)[1])
