"""Models that are linear algebra: ridge regression, Gaussian processes, normal densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

import wonderland as wl
import wonderland.numpy as wnp

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 3)), RNG.standard_normal(20)
FACTOR = np.tril(RNG.uniform(0.2, 1.0, (3, 3))) + np.eye(3)


def ridge(x: Any, y: Any, penalty: Any) -> Any:
    """The weights of least squares with a penalty, in closed form."""
    return np.linalg.solve(x.T @ x + penalty * np.eye(3), x.T @ y)


def test_the_penalty_of_a_ridge_regression_is_learned_through_its_closed_form() -> None:
    def validation(penalty: Any) -> Any:
        weights = ridge(X[:12], Y[:12], np.exp(penalty))
        return np.mean((X[12:] @ weights - Y[12:]) ** 2)

    loss = wl.jit(wl.value_and_grad(validation))
    wl.testing.check_gradients(validation, 0.5)
    penalty, losses = 0.0, []
    for _ in range(30):
        value, slope = loss(penalty)
        losses.append(float(value))
        penalty -= 2.0 * float(slope)
    assert np.all(np.diff(losses) < 0)
    np.testing.assert_allclose(wl.jit(ridge)(X, Y, 0.0), np.linalg.lstsq(X, Y)[0], rtol=1e-12)


def evidence(parameters: Any, x: Any, y: Any) -> Any:
    """The log likelihood of a Gaussian process with a squared exponential kernel and noise."""
    scale, size, noise = np.exp(parameters)
    squares = np.sum((x[:, None] - x[None]) ** 2, -1)
    kernel = size * np.exp(-0.5 * squares / scale**2) + noise * np.eye(len(y))
    lower = np.linalg.cholesky(kernel)
    z = wnp.linalg.solve_triangular(lower, y, lower=True)
    logs = np.sum(np.log(np.diagonal(lower)))
    return -0.5 * z @ z - logs - 0.5 * len(y) * np.log(2 * np.pi)


def test_the_evidence_of_a_gaussian_process_and_its_derivatives() -> None:
    parameters = np.array([0.1, -0.2, -1.0])
    squares = np.sum((X[:, None] - X[None]) ** 2, -1)
    scale, size, noise = np.exp(parameters)
    kernel = size * np.exp(-0.5 * squares / scale**2) + noise * np.eye(20)
    value, slope = wl.jit(wl.value_and_grad(evidence))(parameters, X, Y)
    want = scipy.stats.multivariate_normal.logpdf(Y, np.zeros(20), kernel)
    np.testing.assert_allclose(value, want, rtol=1e-12)
    inverse = np.linalg.inv(kernel)
    weights = inverse @ np.outer(Y, Y) @ inverse - inverse
    np.testing.assert_allclose(slope[2], 0.5 * noise * np.trace(weights), rtol=1e-10)
    smooth = kernel - noise * np.eye(20)
    np.testing.assert_allclose(slope[1], 0.5 * np.sum(weights * smooth), rtol=1e-10)
    hessian = wl.hessian(evidence)(parameters, X, Y)
    step = 1e-6 * np.eye(3)
    rows = [
        (wl.grad(evidence)(parameters + d, X, Y) - wl.grad(evidence)(parameters - d, X, Y)) / 2e-6
        for d in step
    ]
    np.testing.assert_allclose(hessian, rows, 1e-6, 1e-6)
    in_f32 = wl.jit(wl.grad(evidence))(*(a.astype(np.float32) for a in (parameters, X, Y)))
    np.testing.assert_allclose(in_f32, slope, rtol=1e-3)


def log_density(x: Any, mean: Any, covariance: Any) -> Any:
    away = x - mean
    _, log = np.linalg.slogdet(covariance)
    whitened = np.linalg.solve(covariance, away)
    return -0.5 * (away @ whitened + log + len(x) * np.log(2 * np.pi))


def test_densities_of_the_multivariate_normal_are_maximal_at_the_moments() -> None:
    covariance = FACTOR @ FACTOR.T
    mean = np.array([0.5, -1.0, 2.0])
    each = wl.vmap(log_density, (0, None, None))
    normal: Any = scipy.stats.multivariate_normal
    want = normal.logpdf(X, mean, covariance)
    np.testing.assert_allclose(wl.jit(each)(X, mean, covariance), want, rtol=1e-12)

    def likelihood(mean: Any, covariance: Any) -> Any:
        return np.mean(each(X, mean, covariance))

    slopes = wl.jit(wl.grad(likelihood, (0, 1)))(X.mean(0), np.cov(X.T, ddof=0))
    for slope in slopes:
        np.testing.assert_allclose(slope, 0, atol=1e-12)
    wl.testing.check_gradients(likelihood, mean, covariance)


def test_a_kalman_filter_is_a_loop_of_equations() -> None:
    move = np.array([[1.0, 0.1], [0.0, 1.0]])
    seen = np.array([[1.0, 0.0]])

    def likelihood(noise: Any, ys: Any) -> Any:
        def step(state: Any, y: Any) -> Any:
            mean, spread = state
            mean, spread = move @ mean, move @ spread @ move.T + 0.01 * np.eye(2)
            wrong, size = y - seen @ mean, seen @ spread @ seen.T + noise * np.eye(1)
            gain = np.linalg.solve(size, seen @ spread).T
            log = -0.5 * (wrong @ np.linalg.solve(size, wrong) + np.linalg.slogdet(size)[1])
            return (mean + gain @ wrong, spread - gain @ seen @ spread), log

        start = wnp.zeros(2), wnp.eye(2)
        return np.sum(wl.lax.scan(step, start, ys[:, None])[1])

    value, slope = wl.jit(wl.value_and_grad(likelihood))(0.5, Y)
    np.testing.assert_allclose(value, likelihood(0.5, Y), rtol=1e-12)
    wl.testing.check_gradients(likelihood, 0.5, Y, order=1)
    away = (likelihood(0.5 + 1e-6, Y) - likelihood(0.5 - 1e-6, Y)) / 2e-6
    np.testing.assert_allclose(slope, away, rtol=1e-6)
