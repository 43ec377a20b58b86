"""Distributions against scipy.stats, against sums and integrals, and as trees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

import wonderland as wl
from wonderland import distributions as ds

ss = scipy.stats
X = np.array([-1.5, 0.0, 0.3, 0.75, 1.0, 2.5, 7.0])
K = np.array([-1, 0, 1, 3, 4, 9])
REAL: dict[str, tuple[Any, Any]] = {
    "normal": (ds.Normal(0.3, 1.7), ss.norm(0.3, 1.7)),
    "lognormal": (ds.LogNormal(0.3, 0.7), ss.lognorm(0.7, scale=math.exp(0.3))),
    "uniform": (ds.Uniform(-0.5, 1.0), ss.uniform(-0.5, 1.5)),
    "exponential": (ds.Exponential(2.5), ss.expon(scale=0.4)),
    "laplace": (ds.Laplace(0.3, 1.7), ss.laplace(0.3, 1.7)),
    "gamma": (ds.Gamma(2.3, 1.7), ss.gamma(2.3, scale=1 / 1.7)),
    "flat gamma": (ds.Gamma(0.4, 1.7), ss.gamma(0.4, scale=1 / 1.7)),
    "beta": (ds.Beta(2.3, 0.7), ss.beta(2.3, 0.7)),
    "t": (ds.StudentT(4.5, 0.3, 1.7), ss.t(4.5, 0.3, 1.7)),
}
WHOLE: dict[str, tuple[Any, Any]] = {
    "bernoulli": (ds.Bernoulli(0.3), ss.bernoulli(0.3)),
    "bernoulli of logits": (ds.Bernoulli(logits=-0.5), ss.bernoulli(1 / (1 + math.exp(0.5)))),
    "binomial": (ds.Binomial(4, 0.3), ss.binom(4, 0.3)),
    "binomial of logits": (
        ds.Binomial(4, logits=-0.5),
        ss.binom(4, 1 / (1 + math.exp(0.5))),
    ),
    "categorical": (
        ds.Categorical(np.array([1.0, 0.0, 2.0, 5.0])),
        ss.rv_discrete(values=(np.arange(4), np.array([1, 0, 2, 5]) / 8)),
    ),
    "poisson": (ds.Poisson(2.3), ss.poisson(2.3)),
}
ALL = REAL | WHOLE
EDGES = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def typed(d: Any) -> Any:
    """Of parameters f64[1], which are no numbers that take the dtype of others."""
    return wl.tree.map(lambda x: np.array([x]), d)


def narrow(d: Any) -> Any:
    return wl.tree.map(np.float32, d)


@EDGES
@pytest.mark.parametrize("name", ALL)
def test_densities_and_moments_are_scipys_within_the_support_at_its_ends_and_outside(
    name: str,
) -> None:
    d, of = ALL[name]
    x = (X if name in REAL else K).astype(float)
    logs = of.logpdf(x) if name in REAL else of.logpmf(x)
    np.testing.assert_allclose(d.log_prob(x), logs, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(d.cdf(x), of.cdf(x), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(d.mean, of.mean(), rtol=1e-14)
    np.testing.assert_allclose(d.variance, of.var(), rtol=1e-13)
    np.testing.assert_allclose(d.stddev, of.std(), rtol=1e-13)
    if name != "poisson":
        np.testing.assert_allclose(d.entropy(), of.entropy(), rtol=1e-12)
    if (hasattr(d, "law") and d.law.quantile) or name == "lognormal":
        np.testing.assert_allclose(d.icdf([0.1, 0.9]), of.ppf([0.1, 0.9]), rtol=1e-13)
    short = narrow(d)
    found = short.log_prob(x.astype(np.float32))
    assert found.dtype == short.mean.dtype == short.cdf(np.float32(0.5)).dtype == np.float32
    np.testing.assert_allclose(found, logs, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in REAL if n not in ("flat gamma", "beta")])
def test_an_entropy_is_the_integral_of_the_density(name: str) -> None:
    d, of = REAL[name]
    x = np.linspace(of.ppf(1e-9), of.ppf(1 - 1e-9), 200_001)[1:-1]
    logs = d.log_prob(x)
    np.testing.assert_allclose(d.entropy(), -np.trapezoid(np.exp(logs) * logs, x), rtol=2e-3)


@pytest.mark.parametrize("name", ALL)
def test_draws_have_the_distribution_function(name: str) -> None:
    d, _ = ALL[name]
    x = d.sample(wl.random.key(3), (2000,))
    assert x.dtype == (np.float32 if name in REAL or not hasattr(d, "dtype") else np.int32) or (
        name in WHOLE and x.dtype == np.int32
    )
    places = np.unique(x)[:: max(1, len(np.unique(x)) // 50)]
    part = np.mean(x[:, None] <= places, axis=0)
    assert np.max(np.abs(part - d.cdf(places))) < 1.63 / math.sqrt(2000)  # exceeded once in 100


IMPLICIT = ["normal", "lognormal", "uniform", "exponential", "laplace", "gamma", "flat gamma"]


@pytest.mark.parametrize("name", IMPLICIT)
def test_a_draw_moves_with_the_parameters_so_that_its_place_in_the_distribution_stays(
    name: str,
) -> None:
    d = typed(REAL[name][0])
    key = wl.random.key(1)
    x = d.sample(key, (4,))
    with wl.disable_jit():
        moved = wl.jacfwd(lambda d: d.sample(key, (4,)))(d)
        place = wl.jacfwd(lambda d: d.cdf(x))(d)
    assert x.dtype == np.float64
    density = np.exp(d.log_prob(x))[..., None]
    for got, change in zip(wl.tree.leaves(moved), wl.tree.leaves(place), strict=True):
        np.testing.assert_allclose(got, -change / density, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["beta", "t"])
def test_draws_made_of_two_move_as_their_mean_and_spread_do(name: str) -> None:
    d = typed({"beta": ds.Beta(2.3, 1.7), "t": ds.StudentT(9.0, 0.3, 1.7)}[name])

    def moments(d: Any) -> Any:
        x = d.sample(wl.random.key(2), (20_000,))
        return np.mean(x, axis=0), np.mean((x - d.mean) ** 2, axis=0)

    with wl.disable_jit():
        found = wl.jacfwd(moments)(d)
        want = wl.jacfwd(lambda d: (d.mean, d.variance))(d)
    for got, x in zip(wl.tree.leaves(found), wl.tree.leaves(want), strict=True):
        np.testing.assert_allclose(got, x, rtol=0.1, atol=0.03)


F32 = np.float32
SHAPES: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "numbers": (ds.Normal(0.0, 1.0), (), ()),
    "broadcast": (ds.Gamma(np.ones((2, 1), F32), np.ones(3, F32)), (2, 3), ()),
    "categories": (ds.Categorical(logits=np.zeros((2, 5), F32)), (2,), ()),
    "vectors": (ds.MultivariateNormal(np.zeros((2, 3), F32), np.eye(3, dtype=F32)), (2,), (3,)),
    "factors": (
        ds.MultivariateNormal(np.zeros(3, F32), scale_tril=np.ones((4, 3, 3), F32)),
        (4,),
        (3,),
    ),
    "simplex": (ds.Dirichlet(np.ones((2, 3), F32)), (2,), (3,)),
    "mixture": (
        ds.Mixture(ds.Categorical(np.ones(3, F32)), ds.Normal(0.0, np.ones((2, 3), F32))),
        (2,),
        (),
    ),
    "mixture of vectors": (
        ds.Mixture(
            ds.Categorical(np.ones((4, 2), F32)),
            ds.MultivariateNormal(np.zeros((2, 3), F32), np.eye(3, dtype=F32)),
        ),
        (4,),
        (3,),
    ),
    "independent": (ds.Independent(ds.Laplace(np.zeros((2, 3), F32))), (2,), (3,)),
    "all": (ds.Independent(ds.Laplace(np.zeros((2, 3), F32)), 2), (), (2, 3)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_those_of_draws_then_parameters_then_events(name: str) -> None:
    d, batch, event = SHAPES[name]
    assert (d.batch_shape, d.event_shape) == (batch, event)
    x = d.sample(wl.random.key(0), (7, 1))
    assert x.shape == (7, 1, *batch, *event)
    assert d.sample(wl.random.key(0)).shape == (*batch, *event)
    assert x.dtype == (np.int32 if name == "categories" else np.float32)
    assert d.log_prob(x).shape == (7, 1, *batch)
    assert d.mean.shape == d.variance.shape == (*batch, *event)
    if not name.startswith("mixture"):
        assert d.entropy().shape == ds.kl(d, d).shape == batch


def test_vectors_have_the_density_and_the_moments_of_scipy() -> None:
    rng = np.random.default_rng(0)
    a, mean, x = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(5, 3))
    cov = a @ a.T + np.eye(3)
    want: Any = ss.multivariate_normal(mean, cov)  # pyright: ignore[reportArgumentType]
    for d in (
        ds.MultivariateNormal(mean, cov),
        ds.MultivariateNormal(mean, scale_tril=np.linalg.cholesky(cov)),
    ):
        np.testing.assert_allclose(d.log_prob(x), want.logpdf(x), rtol=1e-13)
        np.testing.assert_allclose(d.entropy(), want.entropy(), rtol=1e-13)
        np.testing.assert_allclose(d.variance, np.diag(cov), rtol=1e-13)
        drawn = d.sample(wl.random.key(0), (20_000,))
        np.testing.assert_allclose(np.cov(drawn.T), cov, atol=0.15)
    wl.testing.check_gradients(lambda d: np.sum(d.log_prob(x)), d)
    alpha = np.array([[0.7, 2.0, 3.0], [1.0, 1.0, 5.0]])
    d, y = ds.Dirichlet(alpha), rng.dirichlet(np.ones(3), (4, 2))
    for i in range(2):
        own = ss.dirichlet(alpha[i])
        np.testing.assert_allclose(d.log_prob(y)[:, i], own.logpdf(y[:, i].T), rtol=1e-12)
        np.testing.assert_allclose(d.entropy()[i], own.entropy(), rtol=1e-12)
        np.testing.assert_allclose(d.variance[i], own.var(), rtol=1e-12)
    drawn = d.sample(wl.random.key(0), (20_000,))
    np.testing.assert_allclose(np.mean(drawn, axis=0), d.mean, atol=0.01)
    assert np.all(np.isneginf(d.log_prob(y + 0.1)))


def test_a_mixture_is_the_weighted_sum_of_its_components() -> None:
    p, loc, scale = np.array([0.2, 0.8]), np.array([-1.0, 2.0]), np.array([0.5, 1.5])
    d = ds.Mixture(ds.Categorical(p), ds.Normal(loc, scale))
    x = np.linspace(-3, 5, 9)
    np.testing.assert_allclose(
        d.log_prob(x), np.log(ss.norm.pdf(x[:, None], loc, scale) @ p), rtol=1e-13
    )
    np.testing.assert_allclose(d.cdf(x), ss.norm.cdf(x[:, None], loc, scale) @ p, rtol=1e-13)
    np.testing.assert_allclose(d.mean, p @ loc)
    np.testing.assert_allclose(d.variance, p @ (scale**2 + loc**2) - (p @ loc) ** 2)
    drawn = d.sample(wl.random.key(1), (4000,))
    assert np.max(np.abs(np.mean(drawn[:, None] <= x, axis=0) - d.cdf(x))) < 1.63 / 63
    slope = wl.grad(lambda d: np.sum(d.sample(wl.random.key(1), (4,))))(d)
    assert not any(np.any(leaf) for leaf in wl.tree.leaves(slope))
    wl.testing.check_gradients(lambda d: np.sum(d.log_prob(x)), d)


def test_logits_far_from_zero_cost_no_digits() -> None:
    far = np.array([-300.0, 300.0], np.float32)
    one = ds.Bernoulli(logits=far)
    np.testing.assert_array_equal(one.log_prob([1, 1]), [-300, 0])
    np.testing.assert_array_equal(one.log_prob([0, 0]), [0, -300])
    np.testing.assert_array_equal(one.log_prob([2, 0.5]), [-np.inf, -np.inf])
    np.testing.assert_array_equal(one.entropy(), [0, 0])
    few = ds.Binomial(3, logits=far)
    np.testing.assert_allclose(few.log_prob([1, 2]), [math.log(3) - 300, math.log(3) - 300])
    slope = wl.grad(lambda d: np.sum(d.log_prob(np.array([1, 0], np.int32)) + d.entropy()))(one)
    np.testing.assert_array_equal(slope.logits, [1, -1])
    rare = ds.Categorical(logits=np.array([0.0, -300.0], np.float32))
    assert rare.log_prob(1) == -300 and rare.entropy() == 0
    slope = wl.grad(lambda d: d.entropy() + ds.kl(d, d))(rare)
    np.testing.assert_array_equal(slope.logits, [0, 0])


def test_a_distribution_goes_through_every_transformation() -> None:
    x = np.linspace(0.1, 2, 5).astype(np.float32)
    d = ds.Gamma(np.array([1.5, 2.5], F32), np.float32(2.0))
    each = wl.vmap(lambda a: ds.Gamma(a, d.rate).log_prob(x))(d.concentration)
    np.testing.assert_allclose(each, d.log_prob(x[:, None]).T, rtol=1e-6)
    fitted = wl.jit(wl.grad(lambda d: -np.mean(d.log_prob(x[:, None]))))(d)
    assert isinstance(fitted, ds.Gamma) and fitted.rate.shape == ()
    other = ds.Laplace(np.array([1.5, 2.5], F32))
    drawn = wl.jit(lambda d, key: d.sample(key, (3,)))(other, wl.random.key(0))
    np.testing.assert_allclose(drawn, other.sample(wl.random.key(0), (3,)), rtol=1e-6)


def test_draws_are_the_same_within_a_trace_and_outside() -> None:
    """Of arrays that nobody typed too, and of numbers."""
    key, wide = wl.random.key(0), np.zeros(3)
    for d in (ds.Normal(wide), ds.Normal(wide.astype(F32)), ds.Normal(0.0, 2.0)):
        inside = wl.jit(lambda d=d: d.sample(key, (2,)), disable_jit=True)()
        found = d.sample(key, (2,))
        assert inside.dtype == found.dtype == (np.float64 if d.loc is wide else F32)
        np.testing.assert_array_equal(inside, found)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ds.Normal(0.0, -1.0).log_prob(0.3),
        lambda: ds.Gamma(-1.0).cdf(0.3),
        lambda: ds.Bernoulli(1.5).log_prob(1),
        lambda: ds.StudentT(0.5).mean,
        lambda: ds.Dirichlet(np.array([1.0, -1.0])).log_prob(np.array([0.5, 0.5])),
    ],
)
def test_what_no_parameter_may_be_gives_nan(make: Any) -> None:
    assert np.isnan(make())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (ds.Bernoulli, "Bernoulli: probs or logits, one of them, is required, got none"),
        (
            lambda: ds.Categorical([0.5, 0.5], [0.0, 0.0]),
            "Categorical: probs or logits, one of them, is required, got probs and logits",
        ),
        (
            lambda: ds.Categorical(0.5).sample(wl.random.key(0)),
            "Categorical: one axis of categories or more is required, got a number",
        ),
        (
            lambda: ds.MultivariateNormal(np.zeros(2), np.eye(3)).entropy(),
            r"MultivariateNormal: loc \[..., n\] and a matrix \[..., n, n\] are required, "
            r"got \[2\] and \[3, 3\]",
        ),
        (
            lambda: ds.Normal(np.zeros(2), np.ones(3)).mean,
            r"Normal: .*\[2\].*\[3\]",
        ),
        (
            lambda: ds.Mixture(ds.Categorical(np.ones(2)), ds.Normal(np.zeros(3))).mean,
            r"Mixture: components of a batch \[..., 2\] are required of 2 categories, got \[3\]",
        ),
        (
            lambda: ds.Independent(ds.Normal(0.0)).entropy(),
            r"Independent: a batch of 1 axes or more is required, got \[\]",
        ),
        (
            lambda: ds.Poisson(2.0).entropy(),
            "entropy: a distribution of known entropy is required, got Poisson",
        ),
        (
            lambda: ds.Gamma(2.0).icdf(0.5),
            "icdf: a distribution of known icdf is required, got Gamma",
        ),
        (
            lambda: ds.kl(ds.Normal(), ds.Gamma(2.0)),
            "kl: a pair of distributions whose divergence is known is required, got Normal and",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_line(make: Any, message: str) -> None:
    with pytest.raises(wl.ProgramError, match=f"{message}(.|\n)*test_distributions.py"):
        make()


def test_the_repairs_that_are_told_work() -> None:
    key = wl.random.key(0)
    p, q = ds.Poisson(2.0), ds.Normal()
    told = {"distribution": p, "p": p, "q": q, "np": np, "key": key, "value": 2}
    for make in (p.entropy, lambda: ds.kl(p, q), lambda: p.icdf(0.5)):
        with pytest.raises(wl.ProgramError) as error:
            make()
        told["value"] = 0.5
        *before, last = str(error.value).partition("try: ")[2].split("; ")
        exec("\n".join(before), told)
        assert np.isfinite(eval(last, told))


MANY: dict[str, tuple[Any, Any, float]] = {
    "gamma": (lambda n: ds.Gamma(n, n), lambda n: ss.gamma(n, scale=1 / n), 1.001),
    "beta": (lambda n: ds.Beta(n, n), lambda n: ss.beta(n, n), 0.5005),
    "t": (lambda n: ds.StudentT(n), lambda n: ss.t(n), 1.25),
    "poisson": (lambda n: ds.Poisson(n), lambda n: ss.poisson(n), 1e6),
    "binomial": (lambda n: ds.Binomial(10**6, 2 / n), lambda n: ss.binom(10**6, 2 / n), 1),
}


@pytest.mark.parametrize("name", MANY)
def test_f32_keeps_its_digits_where_parameters_are_large(name: str) -> None:
    make, reference, x = MANY[name]
    p, wanted = make(np.float32(1e6)), reference(1e6)
    log = getattr(wanted, "logpmf" if name in ("poisson", "binomial") else "logpdf")
    assert p.log_prob(np.float32(x)).dtype == p.cdf(np.float32(x)).dtype == np.float32
    x = float(np.float32(x))
    close: Any = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(p.log_prob(np.float32(x)), log(x), **close)
    np.testing.assert_allclose(p.cdf(np.float32(x)), wanted.cdf(x), **close)
    if name not in ("poisson", "binomial"):
        np.testing.assert_allclose(p.entropy(), wanted.entropy(), **close)


@pytest.mark.parametrize("n", [3.0, 249.0, 251.0, 1e5, 1e9, 1e12])
def test_entropies_of_many_are_those_of_normal_distributions(n: float) -> None:
    """Whose terms cancel; the differences are of order 1 / n."""
    for p in (ds.Gamma(n), ds.StudentT(n), ds.Beta(n, 2 * n), ds.Dirichlet([n, 2 * n])):
        spread = p.variance if type(p) is not ds.Dirichlet else p.variance[0]
        if type(p) is ds.StudentT:
            spread = 1.0
        normal = 0.5 * math.log(2 * math.pi * math.e * float(spread))
        assert abs(float(p.entropy()) - normal) < 3 / n + 1e-13
    np.testing.assert_allclose(ds.Gamma(n).entropy(), ss.gamma(n).entropy(), rtol=1e-11)
    np.testing.assert_allclose(ds.StudentT(n).entropy(), ss.t(n).entropy(), rtol=1e-12)


def test_counts_of_many_spread_as_they_ought() -> None:
    """Whose acceptance is decided by small differences of large terms."""
    for p in (ds.Poisson(1e6), ds.Poisson(1e9), ds.Binomial(10**8, 0.5)):
        draws = np.asarray(p.sample(wl.random.key(0), (20000,)), np.float64)
        spread = math.sqrt(p.variance)
        assert abs(draws.mean() - p.mean) < 4 * spread / math.sqrt(20000)
        assert abs(draws.var() / p.variance - 1) < 0.03


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_draws_of_a_dirichlet_distribution_are_in_its_support(dtype: str) -> None:
    p = ds.Dirichlet(np.full(300, 2.0, dtype))
    draws = np.asarray(p.sample(wl.random.key(0), (3,)))
    wanted = [ss.dirichlet(np.full(300, 2.0)).logpdf(x / x.sum()) for x in draws.astype("f8")]
    np.testing.assert_allclose(p.log_prob(draws), wanted, rtol=2e-3 if dtype == "f2" else 1e-5)


def test_entropies_have_derivatives_where_a_probability_is_0() -> None:
    slopes = wl.grad(lambda p: ds.Categorical(p).entropy())(np.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(slopes, [0, np.inf, 0])
    assert wl.grad(lambda p: ds.Bernoulli(p).entropy())(0.0) == np.inf
    np.testing.assert_allclose(ds.Categorical([1, 2, 3]).entropy(), ss.entropy([1, 2, 3]))


def test_an_independent_distribution_of_less_than_no_axes_is_told() -> None:
    with pytest.raises(wl.ProgramError, match=r"got \[2, 3\] and axes=-1"):
        _ = ds.Independent(ds.Normal(np.zeros((2, 3))), -1).batch_shape
