"""Kullback-Leibler divergences in closed form, a table by the classes of both distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import special as sp
from ...compiler.front.lax.lax import eager
from ...compiler.front.numpy.linalg.equations import solve_triangular
from ...compiler.trace.operands import common_shape, wrong
from .distribution import in_wide
from .joint import Dirichlet, Independent, MultivariateNormal
from .real import Beta, Exponential, Gamma, Laplace, LogNormal, Normal, StudentT, Uniform
from .whole import Bernoulli, Binomial, Categorical, Poisson, times_chance

__all__ = ["kl"]


@eager("p", "q")
def kl(p: Any, q: Any) -> Any:
    """The mean of log p(x) - log q(x) over draws x of p, in nats, [*batch_shape]; infinite where
    p has draws that q has not.

    In closed form of two of one family, of exponential and gamma, of a normal distribution q and
    any p of known entropy, and a few others.
    """
    formula = DIVERGENCES.get((type(p), type(q)))
    if formula is None:
        raise wrong(
            "kl: a pair of distributions whose divergence is known is required, "
            f"got {type(p).__name__} and {type(q).__name__}",
            "x = p.sample(key, (10000,)); np.mean(p.log_prob(x) - q.log_prob(x), axis=0)",
        )
    return np.broadcast_to(formula(p, q), common_shape("kl", p.batch_shape, q.batch_shape))


def _to_normal(p: Any, q: Normal) -> Any:
    """Of p by its entropy and its moments."""
    away = p._mean() - q.loc
    square = (p._variance() + away * away) / (q.scale * q.scale)
    return 0.5 * (square + math.log(2 * math.pi)) + np.log(q.scale) - p._entropy()


def _normal(p: Normal, q: Normal) -> Any:
    """By the ratio of the scales, precise where p is nearly q."""
    ratio, away = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return 0.5 * (ratio * ratio - 1 + away * away) - np.log(ratio)


def _log_normal(p: LogNormal, q: LogNormal) -> Any:
    return _normal(p._normal, q._normal)


def _uniform(p: Uniform, q: Uniform) -> Any:
    inside = (p.low >= q.low) & (p.high <= q.high)
    return np.where(inside, np.log((q.high - q.low) / (p.high - p.low)), math.inf)


def _exponential(p: Exponential, q: Exponential) -> Any:
    ratio = q.rate / p.rate
    return ratio - 1 - np.log(ratio)


def _laplace(p: Laplace, q: Laplace) -> Any:
    ratio, away = p.scale / q.scale, np.abs(p.loc - q.loc)
    return away / q.scale + ratio * np.exp(-away / p.scale) - 1 - np.log(ratio)


def _normal_to_laplace(p: Normal, q: Laplace) -> Any:
    """By the mean of |x - loc|, of a folded normal distribution."""
    z = (p.loc - q.loc) / p.scale
    folded = p.scale * (math.sqrt(2 / math.pi) * np.exp(-z * z / 2) + z * sp.erf(z / math.sqrt(2)))
    return np.log(2 * q.scale) + folded / q.scale - p._entropy()


@in_wide
def _gamma(p: Gamma, q: Gamma) -> Any:
    a, b = p.concentration, q.concentration
    sizes = sp.gammaln(b) - sp.gammaln(a) + (a - b) * sp.digamma(a)
    return sizes + b * np.log(p.rate / q.rate) + a * (q.rate / p.rate - 1)


def _as_gamma(p: Any) -> Gamma:
    return Gamma(1.0, p.rate) if isinstance(p, Exponential) else p


@in_wide
def _beta(p: Beta, q: Beta) -> Any:
    (a, b), (c, d) = p._arguments(), q._arguments()
    own = (a - c) * sp.digamma(a) + (b - d) * sp.digamma(b)
    return sp.betaln(c, d) - sp.betaln(a, b) + own + (c + d - a - b) * sp.digamma(a + b)


@in_wide
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Any:
    a, b = p.concentration, q.concentration
    whole, other = np.sum(a, axis=-1), np.sum(b, axis=-1)
    sizes = np.sum(sp.gammaln(b) - sp.gammaln(a), axis=-1) + sp.gammaln(whole) - sp.gammaln(other)
    return sizes + np.sum((a - b) * (sp.digamma(a) - sp.digamma(whole)[..., None]), axis=-1)


def _bernoulli(p: Bernoulli, q: Bernoulli) -> Any:
    chance, own, other = p.chance(), p.logs(), q.logs()
    return times_chance(chance, own[0] - other[0]) + times_chance(1 - chance, own[1] - other[1])


def _binomial(p: Binomial, q: Binomial) -> Any:
    """NaN where q has more trials, of which there is no closed form."""
    n, m = p.total_count, q.total_count
    alike = n * _bernoulli(p.trial(), q.trial())
    return np.where(n == m, alike, np.where(n > m, math.inf, math.nan))


def _categorical(p: Categorical, q: Categorical) -> Any:
    return np.sum(times_chance(p.chances(), p.logs() - q.logs()), axis=-1)


def _poisson(p: Poisson, q: Poisson) -> Any:
    return sp.rel_entr(p.rate, q.rate) - p.rate + q.rate


def _bernoulli_to_poisson(p: Bernoulli, q: Poisson) -> Any:
    return q.rate - times_chance(p.chance(), np.log(q.rate)) - p._entropy()


def _multivariate(p: MultivariateNormal, q: MultivariateNormal) -> Any:
    """By the factors: the trace is a sum of squares."""
    own, other = p.factor(), q.factor()
    batch = common_shape("kl", p.batch_shape, q.batch_shape)
    n = other.shape[-1]
    away = np.broadcast_to(p.loc - q.loc, (*batch, n))[..., None]
    sides = np.concatenate([np.broadcast_to(own, (*batch, n, n)), away], axis=-1)
    z = solve_triangular(np.broadcast_to(other, (*batch, n, n)), sides, lower=True)
    logs = [np.sum(np.log(np.diagonal(x, axis1=-2, axis2=-1)), axis=-1) for x in (own, other)]
    return 0.5 * (np.sum(z * z, axis=(-2, -1)) - n) + logs[1] - logs[0]


def _independent(p: Independent, q: Independent) -> Any:
    if p.axes != q.axes:
        raise wrong(f"kl: as many axes of events are required, got {p.axes} and {q.axes}")
    return p.total(kl(p.distribution, q.distribution))


DIVERGENCES: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    (Bernoulli, Bernoulli): _bernoulli,
    (Bernoulli, Poisson): _bernoulli_to_poisson,
    (Beta, Beta): _beta,
    (Binomial, Binomial): _binomial,
    (Categorical, Categorical): _categorical,
    (Dirichlet, Dirichlet): _dirichlet,
    (Exponential, Exponential): _exponential,
    (Exponential, Gamma): lambda p, q: _gamma(_as_gamma(p), q),
    (Gamma, Exponential): lambda p, q: _gamma(p, _as_gamma(q)),
    (Gamma, Gamma): _gamma,
    (Independent, Independent): _independent,
    (Laplace, Laplace): _laplace,
    (LogNormal, LogNormal): _log_normal,
    (MultivariateNormal, MultivariateNormal): _multivariate,
    (Normal, Laplace): _normal_to_laplace,
    (Normal, Normal): _normal,
    (Poisson, Poisson): _poisson,
    (Uniform, Uniform): _uniform,
    **{
        (p, Normal): _to_normal
        for p in (Beta, Exponential, Gamma, Laplace, LogNormal, StudentT, Uniform)
    },
}
