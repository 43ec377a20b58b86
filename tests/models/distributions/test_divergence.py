"""Divergences against the sum or the integral that they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import distributions as ds
from wonderland.models.distributions.divergence import DIVERGENCES

NUMBERS = np.arange(400)
PAIRS: list[tuple[Any, Any, Any]] = [
    (ds.Bernoulli(0.3), ds.Bernoulli(logits=0.4), np.arange(2)),
    (ds.Bernoulli(0.3), ds.Poisson(0.7), np.arange(2)),
    (ds.Binomial(5, 0.3), ds.Binomial(5, 0.6), np.arange(6)),
    (ds.Categorical([0.2, 0.0, 0.8]), ds.Categorical(logits=[0.3, 0.1, -0.2]), np.arange(3)),
    (ds.Poisson(2.5), ds.Poisson(3.5), NUMBERS),
    (ds.Normal(0.3, 1.2), ds.Normal(-0.4, 2.0), (-15, 15)),
    (ds.LogNormal(0.3, 0.4), ds.LogNormal(-0.4, 0.7), (1e-9, 40)),
    (ds.Normal(0.3, 1.2), ds.Laplace(-0.4, 2.0), (-15, 15)),
    (ds.Laplace(0.3, 0.5), ds.Laplace(-0.4, 0.8), (-15, 15)),
    (ds.Uniform(0.0, 1.0), ds.Uniform(-1.0, 1.5), (0, 1)),
    (ds.Exponential(2.0), ds.Exponential(3.0), (0, 25)),
    (ds.Exponential(2.0), ds.Gamma(1.5, 0.7), (1e-9, 25)),
    (ds.Gamma(2.5, 2.0), ds.Exponential(0.7), (0, 25)),
    (ds.Gamma(2.5, 2.0), ds.Gamma(1.5, 0.7), (1e-9, 25)),
    (ds.Beta(2.5, 2.0), ds.Beta(1.5, 3.7), (1e-9, 1 - 1e-9)),
    (ds.Beta(2.5, 2.0), ds.Normal(0.3, 0.8), (0, 1)),
    (ds.Exponential(2.0), ds.Normal(0.3, 0.8), (0, 25)),
    (ds.Gamma(2.5, 2.0), ds.Normal(0.3, 0.8), (0, 25)),
    (ds.Laplace(0.3, 0.5), ds.Normal(0.3, 0.8), (-15, 15)),
    (ds.LogNormal(0.3, 0.4), ds.Normal(0.3, 0.8), (1e-9, 40)),
    (ds.StudentT(9.0, 0.3), ds.Normal(0.3, 0.8), (-300, 300)),
    (ds.Uniform(-0.5, 1.0), ds.Normal(0.3, 0.8), (-0.5, 1)),
]


@pytest.mark.parametrize(("p", "q", "over"), PAIRS, ids=lambda d: type(d).__name__)
def test_a_divergence_is_the_mean_of_a_difference_of_logarithms(p: Any, q: Any, over: Any) -> None:
    x = np.linspace(over[0], over[1], 100_001) if isinstance(over, tuple) else over
    own, other = p.log_prob(x), q.log_prob(x)
    part = np.exp(own)
    terms = np.where(part > 0, part * np.where(part > 0, own - other, 0), 0)
    want = np.trapezoid(terms, x) if isinstance(over, tuple) else np.sum(terms)
    at_a_pole = isinstance(over, tuple) and over[0] == 1e-9
    np.testing.assert_allclose(ds.kl(p, q), want, rtol=2e-3 if at_a_pole else 3e-5)
    if type(p) is type(q):
        np.testing.assert_allclose(ds.kl(q, q), 0, atol=1e-15)


def test_every_pair_of_the_table_is_tried() -> None:
    tried = {(type(p), type(q)) for p, q, _ in PAIRS}
    joint = {d: (d, d) for d in (ds.Dirichlet, ds.MultivariateNormal, ds.Independent)}
    assert tried | set(joint.values()) == set(DIVERGENCES)


def test_divergences_of_vectors_are_those_of_draws() -> None:
    rng = np.random.default_rng(1)
    a, b = (x @ x.T + np.eye(3) for x in rng.normal(size=(2, 3, 3)))
    pairs = [
        (ds.MultivariateNormal(np.zeros(3), a), ds.MultivariateNormal(np.ones(3) / 2, b)),
        (ds.Dirichlet(np.array([1.5, 2.0, 3.0])), ds.Dirichlet(np.array([2.5, 2.0, 1.0]))),
    ]
    for p, q in pairs:
        x = p.sample(wl.random.key(0), (20_000,))
        logs = p.log_prob(x) - q.log_prob(x)
        assert abs(ds.kl(p, q) - np.mean(logs)) < 4 * np.std(logs) / math.sqrt(20_000)
        np.testing.assert_allclose(ds.kl(p, p), 0, atol=1e-14)
    wl.testing.check_gradients(ds.kl, *pairs[1])
    p, q = (ds.MultivariateNormal(d.loc, scale_tril=np.linalg.cholesky(c))
            for (d, c) in zip(pairs[0], (a, b), strict=True))  # fmt: skip
    wl.testing.check_gradients(ds.kl, p, q)
    diagonal = ds.Normal(np.arange(3.0), np.array([1.0, 2.0, 3.0])), ds.Normal(np.zeros(3), 2.0)
    found = ds.kl(*(ds.Independent(d) for d in diagonal))
    np.testing.assert_allclose(found, np.sum(ds.kl(*diagonal)))
    full = [ds.MultivariateNormal(d.mean, np.diag(d.variance)) for d in diagonal]
    np.testing.assert_allclose(found, ds.kl(*full))


def test_a_divergence_is_infinite_where_only_the_first_has_draws() -> None:
    assert ds.kl(ds.Uniform(0.0, 2.0), ds.Uniform(0.0, 1.0)) == np.inf
    assert ds.kl(ds.Bernoulli(0.5), ds.Bernoulli(0.0)) == np.inf
    assert ds.kl(ds.Bernoulli(0.0), ds.Bernoulli(0.5)) == pytest.approx(math.log(2))
    assert ds.kl(ds.Categorical([0.5, 0.5]), ds.Categorical([1.0, 0.0])) == np.inf
    assert ds.kl(ds.Binomial(3, 0.5), ds.Binomial(2, 0.5)) == np.inf
    assert np.isnan(ds.kl(ds.Binomial(2, 0.5), ds.Binomial(3, 0.5)))
