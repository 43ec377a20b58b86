"""Least squares in closed form and by descent, ridge, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.models.families import linear, mlp

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 5)) + 3
Y = X @ np.array([1.0, -2, 0.5, 0, 3]) + 7 + 0.1 * rng.normal(size=40)


def test_least_squares_is_numpys_and_where_descent_ends() -> None:
    found = linear.ridge(X, Y)
    want = np.linalg.lstsq(np.c_[X, np.ones(40)], Y, rcond=None)[0]
    np.testing.assert_allclose(np.r_[found.weight[:, 0], found.bias], want, rtol=1e-10)
    slope = wl.grad(linear.squared_loss)(found, (X, Y))
    np.testing.assert_allclose(np.r_[slope.weight[:, 0], slope.bias], 0, atol=1e-10)
    standard = (X - X.mean(0)) / X.std(0)
    trained = wl.fit(
        linear.squared_loss, nn.Linear(np.zeros((5, 1)), np.zeros(1)), (standard, Y),
        linear.momentum(0.1), epochs=300, progress=False,
    ).model  # fmt: skip
    np.testing.assert_allclose(trained(standard), found(X), atol=1e-3)


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_ridge_minimises_what_it_says_and_shrinks(penalty: float) -> None:
    def penalised(model: nn.Linear) -> np.ndarray:
        residual = model(X)[:, 0] - Y
        return np.sum(residual * residual) + penalty * np.sum(model.weight * model.weight)

    found = linear.ridge(X, Y, penalty)
    slope = wl.grad(penalised)(found)
    np.testing.assert_allclose(np.r_[slope.weight[:, 0], slope.bias], 0, atol=1e-9)
    size, whole = (np.linalg.norm(linear.ridge(X, Y, p).weight) for p in (penalty, 0.0))
    assert size < whole
    alike = np.c_[X, X]  # columns that depend on each other have a ridge, not a least squares
    np.testing.assert_allclose(linear.ridge(alike, Y, penalty).weight[:5],
                               linear.ridge(alike, Y, penalty).weight[5:], rtol=1e-9)  # fmt: skip


def test_labels_drawn_by_the_probabilities_have_no_calibration_error_and_sharper_ones_do() -> None:
    logits = 2 * rng.normal(size=(20_000, 3))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = (rng.random((20_000, 1)) > p.cumsum(-1)).sum(-1)
    assert linear.expected_calibration_error(logits, labels) < 0.015
    assert linear.expected_calibration_error(3 * logits, labels) > 0.1


def test_reliability_is_counted_in_bins_of_the_confidence() -> None:
    p = np.array([[0.95, 0.05], [0.08, 0.92], [0.55, 0.45], [0.5, 0.5]])
    part, confidence, right = linear.reliability(np.log(p), np.array([0, 0, 0, 1]), 10)
    np.testing.assert_allclose(part[[5, 9]], [0.5, 0.5])
    np.testing.assert_allclose(confidence[[5, 9]], [0.525, 0.935])
    np.testing.assert_allclose(right[[5, 9]], [0.5, 0.5])
    found = linear.expected_calibration_error(np.log(p), np.array([0, 0, 0, 1]))
    assert found == pytest.approx(0.5 * 0.025 + 0.5 * 0.435)


def test_rectifiers_of_slope_zero_are_relus_and_learn_their_slopes() -> None:
    model = mlp.LearnedRectifiers.init(wl.random.key(0), (4, 6, 3))
    plain = mlp.LearnedRectifiers(model.layers, (np.zeros(6, np.float32),))
    x, y = rng.normal(size=(8, 4)).astype(np.float32), rng.integers(0, 3, 8)
    np.testing.assert_allclose(plain(x), mlp.forward(model.layers, x), rtol=1e-6)
    slope = wl.grad(mlp.loss)(model, (x, y)).slopes[0]
    assert slope.shape == (6,) and np.any(slope != 0)


def test_parts_of_a_batch_side_by_side_take_the_step_of_the_whole() -> None:
    """Data-parallel training: each part has its gradient, and all take their mean."""
    x, y = rng.normal(size=(24, 3)), rng.integers(0, 2, 24)
    model = wl.tree.map(np.float64, mlp.init(wl.random.key(0), (3, 5, 2)))
    optimizer = wl.optim.sgd(0.1)

    def step(batch: Any) -> Any:
        slope = wl.grad(mlp.loss)(model, batch)
        slope = wl.tree.map(lambda g: wl.lax.pmean(g, "parts"), slope)
        change, _ = optimizer.update(slope, optimizer.init(model), model)
        return wl.optim.apply_updates(model, change)

    everywhere = wl.vmap(step, axis_name="parts")
    whole, parts = everywhere((x[None], y[None])), everywhere((x.reshape(4, 6, 3), y.reshape(4, 6)))
    for one, each in zip(wl.tree.leaves(whole), wl.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(each, np.repeat(one, 4, axis=0), rtol=1e-10)
