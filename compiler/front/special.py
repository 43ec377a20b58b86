"""scipy.special's functions of numbers, by its names.

SciPy's own functions (its ufuncs) on traced values do the same. Values at edges are SciPy's, but
where mathematics has a limit that SciPy has not: i0(inf) is inf, powers of NaN stay NaN. Halves are
computed with in f32 and stay halves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import ops
from ..ir.graph import Value
from ..ir.types import INEXACT
from ..ops.elementwise import like
from ..trace.operands import (
    common_shape,
    inexact,
    is_weak,
    new,
    operand,
    promoted,
    shape_of,
    tracer,
    value,
    whole,
    wrong,
)
from ..trace.table import ignored, places_given, write_into
from ..trace.tracer import SCIPY, Tracer
from .bessel import bessel_jn, i0, i0e, i1, i1e, iv, ive, j0, j1, jn, y0, y1, yn
from .dilogarithm import bernoulli, spence
from .exponentials import log_softmax, logsumexp, softmax
from .faddeeva import erf, erfc, wofz
from .lax.lax import binary, digamma, eager, lgamma, logistic, unary
from .lax.lax import erf_inv as erfinv
from .numpy import elementwise as el

__all__ = [
    "bernoulli",
    "bessel_jn",
    "beta",
    "betainc",
    "betaln",
    "binom",
    "boxcox",
    "boxcox1p",
    "cbrt",
    "comb",
    "cosm1",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "exp1",
    "exp2",
    "exp10",
    "expi",
    "expit",
    "expm1",
    "expn",
    "exprel",
    "factorial",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "gammasgn",
    "huber",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "inv_boxcox",
    "inv_boxcox1p",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "kl_div",
    "log1p",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "loggamma",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "poch",
    "polygamma",
    "pseudo_huber",
    "psi",
    "rel_entr",
    "rgamma",
    "round",
    "softmax",
    "spence",
    "wofz",
    "xlog1py",
    "xlogy",
    "y0",
    "y1",
    "yn",
    "zeta",
]  # fmt: skip

expit, gammaln, psi = logistic, lgamma, digamma

# ---------------------------------------------------------------- of NumPy too

cbrt, exp2, expm1, log1p, round = el.cbrt, el.exp2, el.expm1, el.log1p, el.rint


@eager("x")
def exp10(x: Any) -> Tracer:
    """10 ** x"""
    return el.power(10.0, tracer(x))


@eager("x")
def cosm1(x: Any) -> Tracer:
    """cos(x) - 1, precise near 0."""
    half = el.sin(tracer(x) / 2)
    return -2 * half * half


# ---------------------------------------------------------------- logistic, entropy


logit = unary(ops.log_odds, "logit", "log(p / (1 - p)), the inverse of expit.")
entr = unary(ops.entr, "entr", "-x log(x), 0 at 0 and -inf below.")
log1mexp = unary(ops.log1mexp, "log1mexp", "log(1 - e ** x) of x below 0; SciPy has no such name.")
xlogy = binary(ops.xlogy, "xlogy", "x log(y), and 0 where x is 0 (but for NaN).")
xlog1py = binary(ops.xlog1py, "xlog1py", "x log(1 + y), and 0 where x is 0 (but for NaN).")
rel_entr = binary(
    ops.rel_entr, "rel_entr", "x log(x / y); 0 where x is 0, inf outside of x >= 0, y > 0."
)
kl_div = binary(
    ops.kl_div, "kl_div", "x log(x / y) - x + y; y where x is 0, inf outside of x >= 0, y > 0."
)


@eager("x")
def log_expit(x: Any) -> Tracer:
    """log(expit(x)), without overflow."""
    return -el.logaddexp(-tracer(x), 0.0)


# ---------------------------------------------------------------- the normal distribution

erfcx = unary(ops.erfcx, "erfcx", "exp(x**2) erfc(x), without underflow. Accuracy: 2 ulp.")
erfcinv = unary(
    ops.erfcinv, "erfcinv", "The inverse of erfc, precise near 0, where it is inf. Accuracy: 2 ulp."
)
ndtr = unary(
    ops.ndtr, "ndtr", "The distribution function of the standard normal, precise in both tails."
)
log_ndtr = unary(ops.log_ndtr, "log_ndtr", "log(ndtr(x)), precise in both tails. Accuracy: 4 ulp.")
ndtri = unary(
    ops.ndtri, "ndtri", "The inverse of ndtr, infinite at 0 and 1. Accuracy: 3 ulp, near 0 too."
)


# ---------------------------------------------------------------- gamma, beta, zeta

gamma = unary(
    ops.gamma_function,
    "gamma",
    "The gamma function: infinite at 0, NaN at -1, -2, ...\n\n"
    "Accuracy: 3 ulp; factorials up to 22! are exact.",
)


@eager("x")
def rgamma(x: Any) -> Tracer:
    """1 / gamma(x), 0 at 0, -1, -2, ..."""
    x = tracer(x)
    pole = el.less_equal(x, 0) & el.equal(x, el.floor(x))
    return el.where(pole, 0.0, 1 / gamma(el.where(pole, 1.0, x)))


gammasgn = unary(
    ops.gamma_sign, "gammasgn", "The sign of the gamma function, that of x at 0; NaN at -1, -2, ..."
)
beta = binary(
    ops.beta,
    "beta",
    "gamma(x) gamma(y) / gamma(x + y).\n\nAccuracy: 2e-14 times 1 + |log| of the result.",
)
betaln = binary(
    ops.betaln,
    "betaln",
    "log |beta(x, y)|; large arguments cancel no digits.\n\n"
    "Accuracy: 1e-14 of the result or of 1, whichever is more.",
)
binom = binary(
    ops.binom,
    "binom",
    "gamma(x + 1) / (gamma(y + 1) gamma(x - y + 1)): of whole numbers how many sets of y there are "
    "in x.\n\nWhole below 1e15 where x and y are; NaN for x = -1, -2, ...",
)


poch = binary(
    ops.poch,
    "poch",
    "gamma(x + y) / gamma(x), the rising factorial.\n\n"
    "Accuracy: 2e-14 times 1 + |log| of the result.",
)


def of_several(rule: Callable[..., Any], name: str, *given: Any) -> Tracer:
    """A rule of floats, promoted and broadcast; integers are taken as f64."""
    xs = [operand(v) for v in given]
    dtype, shape = promoted(name, *xs), common_shape(name, *(shape_of(v) for v in xs))
    dtype = dtype if dtype in INEXACT else "f64"
    return new(rule(*(value(v, dtype, shape) for v in xs)), all(is_weak(v) for v in xs))


@eager("a", "x")
def gammainc(a: Any, x: Any) -> Tracer:
    """P(a, x), the integral of t**(a - 1) exp(-t) / gamma(a) for t from 0 to x.

    Accuracy: 1e-13 of the result in both tails, for a from 1e-3 to 1e6; the derivative in x as
    much, that in a 1e-10.
    """
    return of_several(ops.gammainc, "gammainc", a, x)


@eager("a", "x")
def gammaincc(a: Any, x: Any) -> Tracer:
    """Q(a, x) = 1 - P(a, x), the integral from x on.

    Accuracy: as gammainc, in both tails.
    """
    return of_several(ops.gammaincc, "gammaincc", a, x)


@eager("a", "b", "x")
def betainc(a: Any, b: Any, x: Any) -> Tracer:
    """I_x(a, b), the integral of t**(a - 1) (1 - t)**(b - 1) / beta(a, b) for t from 0 to x.

    Accuracy: 3e-13 of the result in both tails, for a and b from 1 to 1e4, 2e-12 from 1e-3. The
    derivative in x as much, those in a and b 1e-9.
    """
    return of_several(ops.betainc, "betainc", a, b, x)


@eager("x", "q")
def zeta(x: Any, q: Any = None) -> Tracer:
    """The sum of (q + k)**-x for k = 0, 1, ...: Hurwitz' zeta function, Riemann's without q.

    inf at x = 1 and q = 0, -1, ...; of other q < 0 for whole x only, and NaN for x < 1. Riemann's
    is defined for every x.
    Accuracy: 2e-15 of the result; Riemann's left of -150 2e-13.
    """
    if q is not None:
        found = of_several(ops.zeta, "zeta", x, q)
        return el.where(el.less(x, 1), math.nan, found)
    x = _inexact(tracer(x))
    if x.type.dtype != "f64":  # where powers would lose the digits of f32
        return zeta(x.astype("f64")).astype(x.dtype)
    left = el.less(x, 0)
    right = el.where(left, 1 - x, x)
    found = of_several(ops.zeta, "zeta", right, 1.0)
    # by the functional equation
    turn = el.remainder(x, 4)
    turn = el.where(el.greater(turn, 3), turn - 4, el.where(el.greater(turn, 1), 2 - turn, turn))
    turn = el.sin(turn * (math.pi / 2))  # 0 of even x
    far = left & el.greater(right, 150)  # where powers and factorials alone are infinite
    near = (2 * math.pi) ** -right * gamma(el.where(left & ~far, right, 1.0))
    size = el.where(far, el.exp(gammaln(right) - right * math.log(2 * math.pi)), near)
    mirrored = el.where(el.equal(turn, 0), 0.0, 2 * size * turn * found)
    return el.where(left, mirrored, found)


@eager("x")
def polygamma(n: Any, x: Any) -> Tracer:
    """The derivative of digamma of order n, a whole number from 0 on; digamma itself for 0."""
    order = whole(n)
    if order is not None and order < 0:
        raise wrong(f"polygamma: an order of 0 or more is required, got {order}")
    if order == 0:
        return digamma(x)
    n = inexact(n) if order is None else n
    if order is not None:
        return (-1.0) ** (order + 1) * math.gamma(order + 1) * zeta(float(order + 1), x)
    n, above = tracer(n), el.greater(n, 0)
    safe = el.where(above, n, 1)
    odd = el.remainder(safe, 2)
    found = (2 * odd - 1) * gamma(safe + 1) * zeta(safe + 1, x)
    return el.where(above, found, el.where(el.equal(n, 0), digamma(x), math.nan))


def _right_of_0(x: Value) -> Value:
    return ops.select(ops.lt(x, like(x, 0.0)), like(x, math.nan), ops.lgamma(x))


loggamma = unary(
    _right_of_0, "loggamma", "log(gamma(x)), the real function: NaN below 0; see gammaln."
)


@eager("a")
def multigammaln(a: Any, d: Any) -> Tracer:
    """log of the gamma function of d dimensions; NaN where a <= (d - 1) / 2."""
    size = whole(d)
    if size is None or size < 1:
        raise wrong(f"multigammaln: a dimension of 1 or more is required, got {d}")
    a = tracer(a)
    total: Any = size * (size - 1) / 4 * math.log(math.pi) + gammaln(a)
    for k in range(1, size):
        total = total + gammaln(a - k / 2)
    return el.where(el.greater(a, (size - 1) / 2), total, math.nan)


@eager("n")
def factorial(n: Any) -> Tracer:
    """gamma(n + 1), 0 for n below 0; exact up to 22!"""
    n = tracer(n)
    below = el.less(n, 0)
    return el.where(below, 0.0, gamma(el.where(below, 0, n) + 1))


@eager("N", "k")
def comb(N: Any, k: Any) -> Tracer:
    """How many sets of k there are in N: binom(N, k), and 0 where not 0 <= k <= N."""
    n, k = tracer(N), tracer(k)
    good = el.greater_equal(n, k) & el.greater_equal(k, 0)
    return el.where(good, binom(el.where(good, n, 1), el.where(good, k, 1)), 0.0)


exp1 = unary(
    ops.expn,
    "exp1",
    "The integral of exp(-t) / t for t from x on; NaN below 0. Accuracy: 1e-14 of the result.",
)
expi = unary(
    ops.expi,
    "expi",
    "The principal value of the integral of exp(t) / t for t up to x. Accuracy: 1e-14 of the "
    "result.",
)


@eager("x")
def expn(n: Any, x: Any) -> Tracer:
    """The integral of exp(-x t) / t**n for t from 1 on, of a whole number n.

    Accuracy: 1e-14 of the result.
    """
    order = whole(n)
    if order is None or order < 0:
        raise wrong(f"expn: an order of 0 or more, a Python int, is required, got {n}")
    x = _inexact(tracer(x))
    return new(ops.expn(x.value, order), x.weak) if order else el.exp(-x) / x


# ---------------------------------------------------------------- statistics

exprel = unary(ops.exprel, "exprel", "(e**x - 1) / x, 1 at 0. Accuracy: 3 ulp.")


def _powered(log: Tracer, lmbda: Any) -> Tracer:
    """(e**(lmbda log) - 1) / lmbda, where the logarithm may be infinite."""
    lmbda = tracer(lmbda)
    infinite, falls = el.isinf(log), el.less(lmbda * el.sign(log), 0)
    end = el.where(falls, -1 / el.where(falls, lmbda, 1.0), log)
    log = el.where(infinite, 0.0, log)
    found = log * exprel(lmbda * log)
    return el.where(infinite & el.equal(lmbda, lmbda), end, found)


@eager("x", "lmbda")
def boxcox(x: Any, lmbda: Any) -> Tracer:
    """(x**lmbda - 1) / lmbda, log(x) for lmbda = 0."""
    return _powered(el.log(tracer(x)), lmbda)


@eager("x", "lmbda")
def boxcox1p(x: Any, lmbda: Any) -> Tracer:
    """((1 + x)**lmbda - 1) / lmbda, log(1 + x) for lmbda = 0; precise near x = 0."""
    return _powered(el.log1p(tracer(x)), lmbda)


def _rooted(y: Tracer, lmbda: Any) -> Tracer:
    """log(1 + lmbda y) / lmbda, where y may be infinite."""
    lmbda = tracer(lmbda)
    infinite = el.isinf(y)
    product = _inexact(lmbda * el.where(infinite, 1.0, y))
    found = y * new(ops.log1prel(product.value), product.weak)
    rises = el.greater_equal(lmbda * el.sign(y), 0)
    return el.where(infinite, el.where(rises, y, math.nan), found)


@eager("y", "lmbda")
def inv_boxcox(y: Any, lmbda: Any) -> Tracer:
    """(1 + lmbda y)**(1 / lmbda), e**y for lmbda = 0: the inverse of boxcox."""
    return el.exp(_rooted(tracer(y), lmbda))


@eager("y", "lmbda")
def inv_boxcox1p(y: Any, lmbda: Any) -> Tracer:
    """inv_boxcox(y, lmbda) - 1, precise near y = 0: the inverse of boxcox1p."""
    return el.expm1(_rooted(tracer(y), lmbda))


def _inexact(x: Tracer) -> Tracer:
    if x.type.is_complex:
        raise wrong(f"special: real numbers are required, got {x.type}")
    return inexact(x)


@eager("delta", "r")
def huber(delta: Any, r: Any) -> Tracer:
    """r**2 / 2 where |r| <= delta, else delta (|r| - delta / 2); inf for delta < 0."""
    delta, r = _inexact(tracer(delta)), _inexact(tracer(r))
    size = el.absolute(r)
    near = el.less_equal(size, delta)
    found = el.where(near, 0.5 * r * r, delta * (size - 0.5 * delta))
    return el.where(el.less(delta, 0), math.inf, found)


@eager("delta", "r")
def pseudo_huber(delta: Any, r: Any) -> Tracer:
    """delta**2 (sqrt(1 + (r / delta)**2) - 1), smooth; 0 for delta = 0, inf below."""
    delta, r = _inexact(tracer(delta)), _inexact(tracer(r))
    good = el.greater(delta, 0) & el.isfinite(delta)
    safe = el.where(good, delta, 1.0)
    ratio = r / safe
    far = el.greater(el.absolute(ratio), 1e8)  # its square may overflow, and 1 is nothing beside
    near = el.where(far, 1.0, ratio)
    found = el.where(far, 1.0, r) * (near / (1 + el.sqrt(1 + near * near)))
    found = safe * el.where(far, el.absolute(r) - safe, found)
    ends = el.where(el.equal(delta, math.inf), 0.5 * r * r, delta)
    ends = el.where(el.less(delta, 0), math.inf, el.where(el.equal(delta, 0), 0.0, ends))
    return el.where(good, found, ends)


# ---------------------------------------------------------------- SciPy's own functions


def _of_scipy(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """What SciPy's ufunc of that name does with traced values: the function here."""

    def called(*args: Any, out: Any = None, where: Any = True, **options: Any) -> Tracer:
        ignored(name, options)
        (place,) = places_given(name, out, where)
        found = function(*args)
        return found if place is None else write_into(name, place, found, where)

    return called


SCIPY |= {
    name: _of_scipy(name, globals()[name])
    for name in __all__
    if name not in ("bernoulli", "bessel_jn", "comb", "factorial", "multigammaln")
    and name not in ("log_softmax", "logsumexp", "softmax")
} | {
    "_zeta": _of_scipy("zeta", zeta),
    "_riemann_zeta": _of_scipy("zeta", zeta),
    "jv": _of_scipy("jn", jn),
}
