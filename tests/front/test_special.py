"""scipy.special's functions, traced and not, against scipy.special."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.special

import wonderland as wl
from wonderland.compiler.front import special
from wonderland.compiler.front.functions import derivatives as functions
from wonderland.compiler.trace.trace import call, trace

X = np.array([-math.inf, -30.5, -3.0, -0.75, -1e-9, 0.0, 1e-300, 0.3, 1.0, 2.5, 40.0, math.inf])
UNIT = np.array([0.0, 1e-300, 1e-9, 0.25, 0.5, 0.75, 1 - 1e-12, 1.0])
POINTS = {
    "erfinv": UNIT,
    "logit": UNIT,
    "entr": np.append(UNIT, [-1.0, 7.0]),
    "erfcinv": np.append(UNIT[UNIT != 1], [1.5, 2.0, 2.5]),
    "ndtri": np.append(UNIT, [-1.0, 2.0]),
    "zeta": np.array([-3.0, -2.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 50.0, math.nan]),
}
UNARY = (
    "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp1", "expi", "expit",
    "exprel", "factorial", "gamma", "gammaln", "gammasgn", "i0", "i0e", "i1", "i1e", "log_expit",
    "log_ndtr", "loggamma", "logit", "ndtr", "ndtri", "psi", "zeta",
)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name, dtype):
    x = POINTS.get(name, np.append(X, math.nan)).astype(dtype)
    if name in ("gammaln", "i0", "i1"):
        x = x[(x > -math.inf) & (x < math.inf)]  # SciPy has no limits there, C and we have
    function, wide = getattr(special, name), x.astype(np.float64)
    with np.errstate(all="ignore"):
        want = getattr(scipy.special, name)(wide).astype(dtype)
    for got in (function(x), call(trace(function, x), x)):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == np.float32 else 2e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_odds_are_precise_to_3_units_where_they_are_about_0_too(dtype):
    near = [s * 10.0**-k for k in range(1, 18) for s in (1, -1)]
    points = [1e-9, 1 - 1e-5, *(c + d for c in (0.25, 0.5, 0.75) for d in (0.0, *near))]
    p = np.concatenate([points, np.random.default_rng(0).uniform(size=400)]).astype(dtype)
    with mp.workdps(40):
        exact = [mp.mpf(float(x)) for x in p]
        want = np.array([float(mp.log(x / (1 - x))) for x in exact])
    units = np.spacing(np.abs(want.astype(dtype)))
    for got in (special.logit(p), wl.jit(special.logit)(p)):
        assert np.max(np.abs(got - want) / units) < 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log1mexp_is_precise_to_3_units_near_0_and_far_from_it(dtype):
    sizes = [10.0**-k for k in range(-2, 30)] + [math.log(2) + d for d in (-1e-6, 0.0, 1e-6)]
    drawn = np.random.default_rng(0).uniform(0, 40, 400)
    x = -np.concatenate([sizes, drawn, [0.0, math.inf]]).astype(dtype)
    with mp.workdps(60):
        want = np.array([float(mp.log(-mp.expm1(mp.mpf(float(v))))) if v else -math.inf for v in x])
    units = np.spacing(np.abs(want.astype(dtype)))
    for got in (special.log1mexp(x), wl.jit(special.log1mexp)(x), wl.jit(wl.nn.log1mexp)(-x)):
        assert got[-2] == -math.inf and got[-1] == 0
        assert np.max(np.abs(got[:-2] - want[:-2]) / units[:-2]) < 3
    assert np.isnan(special.log1mexp(dtype(1)))
    slope = wl.grad(special.log1mexp)
    assert slope(dtype(0)) == slope(dtype(-0.0)) == -math.inf and slope(dtype(-math.inf)) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergences_of_about_equal_numbers_keep_their_digits(dtype: type) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0.1, 3, 200).astype(dtype)
    y = (x * (1 + rng.choice([-1, 1], 200) * 10 ** rng.uniform(-6, 0.3, 200))).astype(dtype)
    x, y = x[y > 0], y[y > 0]
    with mp.workdps(40):
        pairs = [(mp.mpf(float(a)), mp.mpf(float(b))) for a, b in zip(x, y, strict=True)]
        want = np.array([float(a * mp.log(a / b) - a + b) for a, b in pairs])
    units = np.spacing(np.abs(want.astype(dtype)))
    assert np.max(np.abs(special.kl_div(x, y) - want) / units) < 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_normal_distribution_is_precise_in_its_tails(dtype: type) -> None:
    x = np.linspace(-12, 12, 49).astype(dtype)
    with mp.workdps(90):
        want = np.array([float(mp.ncdf(float(v))) for v in x])
        logs = np.array([float(mp.log(mp.ncdf(float(v)))) for v in x])
    rtol = 1e-7 if dtype == np.float32 else 2e-15
    np.testing.assert_allclose(special.ndtr(x), want, rtol=rtol)
    np.testing.assert_allclose(special.log_ndtr(x), logs, rtol=max(rtol, 2e-14))
    np.testing.assert_allclose(
        special.ndtri(want[:24]), x[:24], rtol=1e-7 if rtol == 1e-7 else 1e-14
    )


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_zero_takes_no_logarithm(name):
    x, y = (g.ravel() for g in np.meshgrid([0.0, 2.0, math.nan], [0.0, 0.5, 3.0, math.nan]))
    got = getattr(special, name)(x, y)
    np.testing.assert_allclose(got, getattr(scipy.special, name)(x, y), rtol=1e-15)
    slope = functions.grad(getattr(special, name), 1)
    assert slope(0.0, 0.0) == 0.0


def test_every_derivative_of_lgamma_has_a_rule():
    third = functions.grad(functions.grad(functions.grad(special.gammaln)))
    for x in (0.25, 1.0, 3.5, 12.0, -0.5, -3.25):
        np.testing.assert_allclose(third(x), scipy_polygamma(x), rtol=1e-9)


def scipy_polygamma(x: float) -> float:
    """The second derivative of digamma, on both sides of 0."""
    if x > 0:
        return float(scipy.special.polygamma(2, x))
    t = math.pi * x  # psi''(1 - x) - psi''(x) = 2 pi^3 cos / sin^3
    return float(
        scipy.special.polygamma(2, 1 - x) - 2 * math.pi**3 * math.cos(t) / math.sin(t) ** 3
    )


# ---------------------------------------------------------------- of two and three

NUMBERS = [-2.5, -2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0, math.inf, math.nan]
HIGHER = (  # where SciPy's NaN is a limit, the number; where its number hides a NaN, that
    "beta", "betaln", "binom", "boxcox", "boxcox1p", "comb", "gammainc", "gammaincc", "huber",
    "inv_boxcox", "inv_boxcox1p", "kl_div", "poch", "pseudo_huber", "rel_entr", "zeta",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", HIGHER)
def test_functions_of_two_numbers(name: str) -> None:
    x, y = (g.ravel() for g in np.meshgrid(NUMBERS, NUMBERS, indexing="ij"))
    got = np.asarray(wl.jit(getattr(special, name), disable_jit=True)(x, y))
    want = getattr(scipy.special, name)(x, y)
    finite = np.isfinite(x) & np.isfinite(y)
    if name == "beta":  # at poles of both there is no sign
        got, want = (np.where(np.isinf(v), np.abs(v), v) for v in (got, want))
    np.testing.assert_allclose(got[finite], want[finite], rtol=3e-13)
    both = ~np.isnan(got) & ~np.isnan(want)
    np.testing.assert_allclose(got[both], want[both], rtol=3e-13)


LIMITS = {
    "i0": ((math.inf,), math.inf), "i1": ((-math.inf,), -math.inf),
    "kl_div": ((math.inf, 1.0), math.inf), "binom": ((0.5, math.inf), 0.0),
    "boxcox": ((3.0, math.inf), math.inf), "inv_boxcox": ((0.5, math.inf), 1.0),
    "pseudo_huber": ((math.inf, 3.0), 4.5), "poch": ((math.inf, -2.5), 0.0),
    "zeta": ((math.inf, 3.0), 0.0), "betaln": ((0.5, math.nan), math.nan),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_where_scipy_has_nan_we_have_the_limit(name: str) -> None:
    given, want = LIMITS[name]
    np.testing.assert_equal(float(getattr(special, name)(*map(np.float64, given))), want)


@pytest.mark.parametrize("n", range(4))
def test_polygamma(n: int) -> None:
    x = np.array([-2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 30.0, math.inf, math.nan])
    for order in (n, np.float64(n)):
        got = special.polygamma(order, x)
        np.testing.assert_allclose(got, scipy.special.polygamma(n, x), rtol=1e-13)
    x = np.array([0.3, 2.0, 11.0])
    slope = wl.grad(lambda x: np.sum(special.polygamma(n, x)))
    np.testing.assert_allclose(slope(x), scipy.special.polygamma(n + 1, x), rtol=1e-12)


def test_multigammaln_is_scipys_and_nan_outside_of_its_domain() -> None:
    for d in (1, 2, 5):
        x = np.array([0.5 * (d - 1), 0.5 * (d - 1) + 0.1, 7.0])
        want = [scipy.special.multigammaln(v, d) for v in x[1:]]  # pyright: ignore
        np.testing.assert_allclose(special.multigammaln(x, d), [math.nan, *want], rtol=1e-14)


def test_counts_are_whole_numbers() -> None:
    n, k = (g.ravel() for g in np.meshgrid(np.arange(40), np.arange(-2, 42)))
    want = [float(math.comb(a, b)) if b >= 0 else 0.0 for a, b in zip(n, k, strict=True)]
    np.testing.assert_array_equal(special.comb(n, k), want)
    n = np.arange(23)
    np.testing.assert_array_equal(special.factorial(n), [float(math.factorial(v)) for v in n])


def test_exponential_integrals_of_orders() -> None:
    x = np.array([0.0, 0.3, 2.0, 30.0])
    for n in (0, 1, 3, 12):  # beyond 50 SciPy has 6 digits
        np.testing.assert_allclose(special.expn(n, x), scipy.special.expn(n, x), rtol=2e-14)


def test_mistakes_in_orders_and_dimensions_are_explained() -> None:
    with pytest.raises(wl.ProgramError, match="polygamma: an order of 0 or more is required"):
        special.polygamma(-1, 2.0)
    with pytest.raises(wl.ProgramError, match="multigammaln: a dimension of 1 or more"):
        special.multigammaln(2.0, 0)
    with pytest.raises(wl.ProgramError, match="expn: an order of 0 or more, a Python int"):
        special.expn(-1, 2.0)


def test_any_of_the_arguments_may_be_one_number_for_all_elements() -> None:
    x = np.linspace(0.1, 0.9, 21)
    calls = [("betaln", 2, 0), ("zeta", 2, 1), ("gammainc", 2, 0), ("gammainc", 2, 1)]
    calls += [("betainc", 3, 1), ("betainc", 3, 2), ("expn", 1, 0)]

    def values(function, x, one):
        return [
            function(name)(
                *((3,) * (name == "expn")), *(one + 1 if i != k else x for i in range(n))
            )
            if name != "betainc"
            else function(name)(*(one if i != k else x for i in range(n)))
            for name, n, k in calls
        ]

    got = wl.jit(lambda x, one: values(lambda n: getattr(special, n), x, one))(x, np.float64(0.7))
    want = values(lambda n: getattr(scipy.special, n), x, 0.7)
    for call_, g, w in zip(calls, got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-13, err_msg=str(call_))


# ---------------------------------------------------------------- sums of exponentials

ROWS = np.array([[1.0, 2.0, 3.0], [math.inf, 0.0, 1.0], [-math.inf] * 3, [-800.0, 700.0, 900.0]])
WEIGHTS = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, -1.0], [1.0, 1.0, 1.0], [1.0, 3.0, 0.0]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"axis": 1},
        {"axis": (0, 1), "keepdims": True},
        {"axis": -1, "b": WEIGHTS, "return_sign": True},
        {"axis": 0, "b": WEIGHTS},
        {"axis": 1, "b": 2.0, "keepdims": True},
    ],
    ids=str,
)
def test_logsumexp_is_scipys(options: dict) -> None:
    got, want = special.logsumexp(ROWS, **options), scipy.special.logsumexp(ROWS, **options)
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-14)


def test_logsumexp_takes_masks_and_nothing() -> None:
    mask = np.array([True, False, True])
    np.testing.assert_allclose(
        special.logsumexp(ROWS[0], where=mask), math.log(math.e + math.e**3), rtol=1e-15
    )
    assert special.logsumexp(np.zeros(0)) == -math.inf
    slope = wl.grad(lambda b: special.logsumexp(ROWS[0], b=b))
    terms = np.exp(ROWS[0])
    np.testing.assert_allclose(slope(np.array([0.0, 1.0, 2.0])), terms / (terms @ [0, 1, 2]))


def test_softmax_shares_over_all_elements_unless_told_axes() -> None:
    x = ROWS[[0, 3]]
    for axis in (None, 0, -1, (0, 1)):
        for name in ("softmax", "log_softmax"):
            want = getattr(scipy.special, name)(x, axis=axis)
            np.testing.assert_allclose(getattr(special, name)(x, axis), want, atol=1e-300)


# ---------------------------------------------------------------- SciPy's own functions


def test_scipys_own_functions_are_traced_as_ours() -> None:
    sp = scipy.special

    def mixed(x):
        first = sp.expit(x) + sp.gammainc(x, 2.0) + sp.betainc(x, 2, 0.5) + sp.psi(x)
        return first + sp.zeta(x + 1) + sp.zeta(2.5, x) + sp.i0(x) * sp.xlogy(x, 3)

    x = np.array([0.3, 1.5, 4.0])
    np.testing.assert_allclose(wl.jit(mixed)(x), mixed(x), rtol=1e-13)
    slope = wl.grad(lambda x: np.sum(mixed(x)))(x)
    near = (mixed(x + 1e-5) - mixed(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope, near, rtol=1e-7)


def test_what_scipys_functions_cannot_do_with_traced_values_is_said() -> None:
    sp, x = scipy.special, np.ones(2)
    with pytest.raises(wl.ProgramError, match="k0: has no form for traced arrays"):
        wl.jit(sp.k0)(x)
    with pytest.raises(wl.ProgramError, match="expit: a new result is required, got out="):
        wl.jit(lambda x: sp.expit(x, out=np.zeros(2)))(x)
    with pytest.raises(wl.ProgramError, match="beside where=, got no out="):
        wl.jit(lambda x: sp.expit(x, where=x > 0))(x)
    assert float(sp.expit(0.0)) == 0.5  # outside of a trace it is SciPy's


def test_the_curvature_of_log_ndtr_is_that_of_the_ratio_of_mills() -> None:
    """-1 far on the left, where differences of the slope have no digit left; 0 on the right."""
    curved = wl.jit(wl.vmap(wl.grad(wl.grad(wl.special.log_ndtr))))
    x = np.array([-1e10, -3000.0, -201.0, -50.0, 0.0, 5.0, 14.0, 1e5])
    want = [-1.0, -0.999999888888963, -0.9999752518125925, -0.999600956813196,
            -0.6366197723675814, -7.433601914860711e-06, -1.5352491831445597e-42, 0.0]  # fmt: skip
    np.testing.assert_allclose(curved(x), want, 1e-11)
    np.testing.assert_allclose(curved(x[:6].astype(np.float32)), want[:6], 2e-7)


def test_slopes_at_poles_of_gamma_are_those_of_differences() -> None:
    step = 1e-6
    for f, x, y in (
        (wl.special.poch, [0.0, -3.0, -3.0, 0.0, -2.0, 2.0], [2.0, 2.0, 5.0, 0.5, 0.5, 3.0]),
        (wl.special.binom, [2.0, 1.0, 5.0, 3.3, 0.5, 4.0], [5.0, 2.0, 2.0, 4.3, 1.5, 4.5]),
    ):
        a, b = np.array(x), np.array(y)
        got = wl.jit(wl.vmap(wl.grad(f)))(a, b)
        np.testing.assert_allclose(got, (f(a + step, b) - f(a - step, b)) / (2 * step), 1e-7)


def test_the_dilogarithm_is_precise_on_both_sides_of_1() -> None:
    z = np.concatenate([np.linspace(0, 4, 41), 1 + np.array([-1e-9, 1e-9]), [1e5, 1e300]])
    with mp.workdps(40):
        want = np.array([float(mp.re(mp.polylog(2, 1 - mp.mpf(x)))) for x in z])
    for dtype in (np.float64, np.float32):
        near = z[z < 1e30].astype(dtype)
        scale = np.maximum(np.abs(want[z < 1e30]), 1)
        error = np.abs(wl.special.spence(near) - want[z < 1e30]) / scale
        assert np.max(error[near == z[z < 1e30]]) < 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(wl.special.spence(z), want, rtol=2e-15, atol=5e-16)
    assert np.isnan(wl.special.spence(-1.0))


def test_bernoulli_numbers_are_rounded_once() -> None:
    np.testing.assert_array_equal(wl.special.bernoulli(4), [1, -1 / 2, 1 / 6, 0, -1 / 30])
    np.testing.assert_array_equal(
        wl.special.bernoulli(20), [float(mp.bernoulli(n)) for n in range(21)]
    )
