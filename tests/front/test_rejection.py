"""Draws by rejection: known distributions, JAX's draws, derivatives by the shape, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

from wonderland.compiler.front import rejection
from wonderland.compiler.front.functions.derivatives import grad
from wonderland.compiler.front.lax import lax
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.jit.jit import jit
from wonderland.compiler.testing import check_gradients

KEY = np.array([123, 456], np.uint32)
MANY = 4000


def f32(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


CONTINUOUS: dict[str, tuple[Callable[[], np.ndarray], Any]] = {
    "gamma": (lambda: rejection.gamma(KEY, 2.5, (MANY,)), scipy.stats.gamma(2.5)),
    "gamma below 1": (lambda: rejection.gamma(KEY, 0.3, (MANY,)), scipy.stats.gamma(0.3)),
    "gamma of doubles": (
        lambda: rejection.gamma(KEY, 7.0, (MANY,), np.float64),
        scipy.stats.gamma(7.0),
    ),
    "loggamma": (lambda: rejection.loggamma(KEY, 0.7, (MANY,)), scipy.stats.loggamma(0.7)),
    "beta": (lambda: rejection.beta(KEY, 0.5, 2.0, (MANY,)), scipy.stats.beta(0.5, 2.0)),
    "dirichlet": (
        lambda: rejection.dirichlet(KEY, f32([1, 2, 3]), (MANY,))[:, 0],
        scipy.stats.beta(1, 5),
    ),
    "chisquare": (lambda: rejection.chisquare(KEY, 3.0, (MANY,)), scipy.stats.chi2(3)),
    "t": (lambda: rejection.t(KEY, 4.0, (MANY,)), scipy.stats.t(4)),
    "f": (lambda: rejection.f(KEY, 5.0, 8.0, (MANY,)), scipy.stats.f(5, 8)),
    "generalized_normal": (
        lambda: rejection.generalized_normal(KEY, 3.0, (MANY,)),
        scipy.stats.gennorm(3.0),
    ),
    "ball": (
        lambda: np.linalg.norm(rejection.ball(KEY, 3, 2, (MANY,)), axis=-1) ** 3,
        scipy.stats.uniform(),
    ),
}
COUNTS: dict[str, tuple[Callable[[], np.ndarray], Any]] = {
    "poisson": (lambda: rejection.poisson(KEY, 3.0, (MANY,)), scipy.stats.poisson(3)),
    "poisson of many": (lambda: rejection.poisson(KEY, 50.0, (MANY,)), scipy.stats.poisson(50)),
    "binomial": (lambda: rejection.binomial(KEY, 9, 0.2, (MANY,)), scipy.stats.binom(9, 0.2)),
    "binomial of many": (
        lambda: rejection.binomial(KEY, 90, 0.7, (MANY,)),
        scipy.stats.binom(90, 0.7),
    ),
    "multinomial": (
        lambda: rejection.multinomial(KEY, np.full(MANY, 12), f32([0.2, 0.3, 0.5]),
                                      shape=(MANY, 3))[:, 1],
        scipy.stats.binom(12, 0.3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_draws_have_their_distribution(name: str) -> None:
    draw, known = CONTINUOUS[name]
    assert scipy.stats.kstest(draw(), known.cdf).pvalue > 1e-3  # the key is fixed


@pytest.mark.parametrize("name", COUNTS)
def test_counts_have_their_distribution(name: str) -> None:
    draw, known = COUNTS[name]
    x = draw()
    np.testing.assert_array_equal(x, np.floor(x))
    assert abs(x.mean() - known.mean()) < 4 * known.std() / np.sqrt(MANY)
    assert abs(x.var() / known.var() - 1) < 0.1


def test_edges_are_those_of_the_distributions() -> None:
    np.testing.assert_array_equal(rejection.poisson(KEY, f32([0, 0])), [0, 0])
    drawn = rejection.binomial(
        KEY, f32([5, 5, np.nan, -1, np.inf, 0]), f32([0, 1, 0.5, 0.5, 0.5, 1])
    )
    np.testing.assert_array_equal(drawn, [0, 5, np.nan, np.nan, np.inf, 0])
    counts = rejection.multinomial(KEY, 9, f32([0.5, 0, 0.5]))
    assert counts.sum() == 9 and counts[1] == 0
    assert rejection.gamma(KEY, f32(2.0)).shape == ()
    np.testing.assert_array_equal(rejection.gamma(KEY, f32([-1.0, np.nan])), [np.nan, np.nan])


def test_a_program_draws_the_same() -> None:
    a = f32([0.4, 3.0])
    drawn = jit(lambda k: rejection.gamma(k, a, (50, 2)))(KEY)
    np.testing.assert_allclose(drawn, rejection.gamma(KEY, a, (50, 2)), rtol=1e-5)
    counts = jit(lambda k: rejection.poisson(k, f32([2.0, 40.0]), (50, 2)))(KEY)
    np.testing.assert_array_equal(counts, rejection.poisson(KEY, f32([2.0, 40.0]), (50, 2)))


# ---------------------------------------------------------------- derivatives


def slopes(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """How the quantile of x moves with the shape, by differences."""
    q, step = scipy.special.gammainc(a, x), 1e-4 * a
    ends = [scipy.special.gammaincinv(a + k * step, q) for k in (-2, -1, 1, 2)]
    return (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * step)


def test_draws_move_with_the_shape_as_their_quantile() -> None:
    rng = np.random.default_rng(0)
    a = 10 ** rng.uniform(-1, 2.5, 500)
    x = scipy.special.gammaincinv(a, rng.uniform(0.02, 0.98, 500))
    np.testing.assert_allclose(lax.random_gamma_grad(a, x), slopes(a, x), rtol=2e-7)
    narrow = lax.random_gamma_grad(f32(a), f32(x))
    assert narrow.dtype == np.float32
    wide = slopes(f32(a).astype(np.float64), f32(x).astype(np.float64))
    np.testing.assert_allclose(narrow, wide, rtol=2e-6)


def test_derivatives_of_draws_are_implicit_in_every_mode() -> None:
    a = np.array([0.4, 1.7, 20.0])
    found = grad(lambda a: rejection.gamma(KEY, a, dtype=np.float64).sum())(a)
    np.testing.assert_allclose(
        found, slopes(a, rejection.gamma(KEY, a, dtype=np.float64)), rtol=1e-6
    )
    logs = grad(lambda a: rejection.loggamma(KEY, a, dtype=np.float64).sum())(a)
    x = np.exp(rejection.loggamma(KEY, a, dtype=np.float64))
    np.testing.assert_allclose(logs, slopes(a, x) / x, rtol=1e-6)
    check_gradients(lambda a, x: lax.random_gamma_grad(a * a, x), a, a + 0.3, order=1)


def test_a_mean_of_draws_has_the_derivative_of_the_mean() -> None:
    found = jit(grad(lambda a: rejection.gamma(KEY, a, (MANY,)).mean()))(np.float32(3.0))
    assert abs(found - 1) < 0.05


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ProgramError, match="gamma: dtype float32 or float64 is required"):
        rejection.gamma(KEY, 2.0, (), np.int32)
    with pytest.raises(ProgramError, match=r"a shape that broadcasts to \[3\] is required"):
        rejection.gamma(KEY, f32([1, 2]), (3,))
    with pytest.raises(ProgramError, match="dirichlet: one axis or more is required, got f32"):
        rejection.dirichlet(KEY, 2.0)


# ---------------------------------------------------------------- JAX

JAXS: dict[str, Callable[[Any], Any]] = {
    "gamma": lambda r: r.gamma(KEY, f32([0.3, 1, 2.5, 40]), (50, 4)),
    "loggamma": lambda r: r.loggamma(KEY, f32([0.01, 1, 2.5, 40]), (50, 4)),
    "beta": lambda r: r.beta(KEY, f32([0.3, 2]), f32(1.5), (50, 2)),
    "dirichlet": lambda r: r.dirichlet(KEY, f32([0.3, 2, 5]), (50,)),
    "chisquare": lambda r: r.chisquare(KEY, f32(3), shape=(50,)),
    "t": lambda r: r.t(KEY, f32(3), (50,)),
    "f": lambda r: r.f(KEY, f32(3), f32(5), shape=(50,)),
    "generalized_normal": lambda r: r.generalized_normal(KEY, 1.5, (50,)),
    "ball": lambda r: r.ball(KEY, 3, shape=(50,)),
    "poisson": lambda r: r.poisson(KEY, f32([0.5, 3, 0, 12, 300]), (50, 5)),
    "binomial": lambda r: r.binomial(KEY, f32([5, 100, 1000, 7]), f32([0.3, 0.04, 0.7, 0.5])),
    "multinomial": lambda r: r.multinomial(KEY, f32(50), f32([0.2, 0.3, 0.5])),
}


@pytest.mark.parametrize("name", JAXS)
def test_draws_are_jaxs_up_to_rounding(name: str) -> None:
    jax = pytest.importorskip("jax")
    ours, theirs = JAXS[name](rejection), np.asarray(JAXS[name](jax.random))
    np.testing.assert_allclose(ours, theirs, rtol=5e-5, atol=1e-6)
    assert ours.dtype == theirs.dtype


def test_rates_of_poisson_that_are_none_give_minus_1():
    rates = np.array([np.inf, np.nan, -1, -np.inf], np.float32)
    np.testing.assert_array_equal(jit(rejection.poisson)(KEY, rates), -1)
