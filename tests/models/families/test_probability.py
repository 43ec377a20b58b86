"""Sampling, networks of tables and uncertain weights keep the laws of probability."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest

import wonderland as wl
from wonderland import distributions as ds
from wonderland.models.families import probability as of


def test_the_error_of_monte_carlo_falls_as_the_root_of_the_draws() -> None:
    p, errors = ds.Exponential(2.0), []
    for draws in (100, 10_000):
        found = [of.monte_carlo(wl.random.key(k), p, lambda x: x**2, draws)[0] for k in range(16)]
        errors.append(np.sqrt(np.mean((np.array(found) - 0.5) ** 2)))
    assert 6 < errors[0] / errors[1] < 15  # 10, of 16 tries
    mean, error = of.monte_carlo(wl.random.key(0), p, lambda x: x**2, 10_000)
    assert abs(mean - 0.5) < 4 * error and error == pytest.approx(errors[1], rel=0.5)


def test_a_mixture_of_one_component_is_fitted_to_mean_and_covariance() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(200, 2)) @ [[1.0, 0.3], [0.0, 0.5]] + [1, -2]).astype(np.float32)
    cov = np.cov(x.T, bias=True)
    lower = np.linalg.cholesky(cov)
    best = of.GaussianMixture(
        np.zeros(1), x.mean(0)[None], (np.tril(lower, -1) + np.diag(np.log(np.diag(lower))))[None]
    )
    with wl.disable_jit():  # means are of f32
        slope = wl.grad(lambda m: of.negative_log_likelihood(m(), x.astype(float)))(best)
    assert max(np.max(np.abs(leaf)) for leaf in wl.tree.leaves(slope)) < 3e-6
    want = ds.MultivariateNormal(x.mean(0), cov).log_prob(x)
    np.testing.assert_allclose(best().log_prob(x), want, rtol=1e-5)


NETWORK = of.Network(
    np.array([[-1.0, 9.0], [0.5, -2.0], [2.0, -0.7], [-0.3, 1.1]]), (-1, 0, 0, 1), (0, 2, 1, 3)
)
WORLDS = np.indices((2,) * 4).reshape(4, -1).T


def test_a_network_is_a_distribution_of_its_tables() -> None:
    p = np.exp(NETWORK.log_prob(WORLDS))
    assert np.sum(p) == pytest.approx(1, abs=1e-12)
    given = (WORLDS[:, 1] == 1) & (WORLDS[:, 2] == 0)
    want = p[given & (WORLDS[:, 3] == 1)].sum() / p[given].sum()
    assert NETWORK.posterior(3, {1: 1, 2: 0}) == pytest.approx(want)
    assert want == pytest.approx(1 / (1 + math.exp(-1.1)))  # a node knows its parent alone
    causes = NETWORK.posterior(0, {3: 1}), NETWORK.posterior(0, {})
    assert causes[1] == pytest.approx(1 / (1 + math.e)) and causes[0] != pytest.approx(causes[1])
    drawn = NETWORK.sample(wl.random.key(0), 4000)
    part = np.mean(np.all(drawn[:, None] == WORLDS, axis=-1), axis=0)
    np.testing.assert_allclose(part, p, atol=4 * 0.5 / math.sqrt(4000))


def test_counts_are_the_most_likely_tables_and_the_tree_spans_what_tells_most() -> None:
    drawn = np.asarray(NETWORK.sample(wl.random.key(1), 500))
    slope = wl.grad(lambda t: np.sum(of.Network(t, NETWORK.parents, NETWORK.order).log_prob(drawn)))
    counted = np.zeros((4, 2))
    for node, parent in enumerate(NETWORK.parents):
        for value in range(2 if parent >= 0 else 1):
            rows = drawn[drawn[:, parent] == value] if parent >= 0 else drawn
            ones = rows[:, node].sum()
            counted[node, value] = math.log(ones / (len(rows) - ones))
    np.testing.assert_allclose(slope(counted), 0, atol=1e-9)
    mutual = of.mutual_information(drawn)
    parents, order = of.spanning_tree(mutual)
    edges = {frozenset((i, p)) for i, p in enumerate(parents) if p >= 0}
    graph = nx.from_numpy_array(mutual)
    assert edges == {frozenset(e) for e in nx.maximum_spanning_edges(graph, data=False)}
    assert all(order.index(p) < order.index(i) for i, p in enumerate(parents) if p >= 0)


def test_the_most_likely_weights_after_a_normal_prior_are_those_of_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    x, y, noise, spread = rng.normal(size=(30, 4)), rng.normal(size=30), 0.7, 1.3
    w = np.linalg.solve(x.T @ x + (noise / spread) ** 2 * np.eye(4), x.T @ y)
    slope = wl.grad(of.log_posterior)
    np.testing.assert_allclose(slope(w, x, y, noise, spread), 0, atol=1e-12)
    assert np.max(np.abs(slope(w + 0.01, x, y, noise, spread))) > 0.1


def test_the_bound_is_below_the_evidence_and_meets_it_at_the_posterior() -> None:
    """Of y = w x with noise 0.5, where all is known."""
    rng = np.random.default_rng(0)
    x, prior = rng.normal(size=20), ds.Normal(0.0, 1.0)
    y = 0.8 * x + 0.5 * rng.normal(size=20)
    evidence = ds.MultivariateNormal(np.zeros(20), 0.25 * np.eye(20) + np.outer(x, x)).log_prob(y)
    precision = 1 + x @ x / 0.25
    exact = ds.Normal(x @ y / 0.25 / precision, precision**-0.5)

    def bound(q: ds.Normal) -> tuple[float, float]:
        def fit(w: np.ndarray) -> np.ndarray:
            return np.sum(ds.Normal(w[:, None] * x, 0.5).log_prob(y), axis=-1)

        mean, error = of.monte_carlo(wl.random.key(0), q, fit, 20_000)
        return float(mean - ds.kl(q, prior)), float(error)

    found, error = bound(exact)
    assert abs(found - evidence) < 4 * error
    for q in (ds.Normal(0.8, 0.3), ds.Normal(0.0, 0.1), ds.Normal(exact.loc, 0.05)):
        found, error = bound(q)
        assert found + 4 * error < evidence


def test_a_distribution_covers_its_own_draws_and_a_narrow_one_too_few() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    p = ds.Normal(1.0, 2.0)
    y = p.sample(wl.random.key(0), (4000,))
    np.testing.assert_allclose(of.coverage(p, y, levels), levels, atol=0.03)
    assert np.all(of.coverage(ds.Normal(1.0, 1.0), y, levels) < levels - 0.03)


def test_weights_are_drawn_anew_for_each_key_and_the_predictive_is_their_mean() -> None:
    model = of.VariationalRegression.init(wl.random.key(0), 3, 4)
    x, y = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    keys = wl.random.split(wl.random.key(1), 5)
    each = np.array([model(x, k).log_prob(y) for k in keys])
    assert len({float(v) for v in each[:, 0]}) == 5
    found = model.predictive(x, wl.random.key(1), 5).log_prob(y)
    np.testing.assert_allclose(found, np.log(np.mean(np.exp(each), axis=0)), rtol=1e-5)
