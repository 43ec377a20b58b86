"""Distributions of real numbers: densities and distribution functions are those of scipy.stats."""

from __future__ import annotations

import math
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import random, rejection
from ...compiler.front import special as sp
from ...compiler.front.scipy import stats
from ..nn.layer import layer
from .distribution import Distribution, dtype_of, in_wide

__all__ = [
    "Beta", "Exponential", "Gamma", "Laplace", "LogNormal", "Normal", "StudentT", "Uniform",
]  # fmt: skip


SERIES_FROM = 250
"""Concentrations and degrees of freedom beyond which entropies are series."""


def entropy_of_gamma(a: Any) -> Any:
    """a + gammaln(a) + (1 - a) * digamma(a), whose terms cancel each other for many."""
    many = a > SERIES_FROM
    few, rest = np.where(many, 1.0, a), 1 / np.where(many, a, 1.0)
    more = -rest * (1 / 3 + rest * (1 / 12 + rest * (1 / 90 - rest / 120)))
    large = 0.5 * (1 + math.log(2 * math.pi) + np.log(np.where(many, a, 1.0))) + more
    return np.where(many, large, few + sp.gammaln(few) + (1 - few) * sp.digamma(few))


class ByFamily(Distribution):
    """By a family of scipy.stats and its arguments."""

    law = stats.norm

    def _arguments(self) -> tuple[Any, ...]:
        """Shapes, loc and scale."""
        raise NotImplementedError

    def _log_prob(self, value: Any) -> Any:
        return self.law.logpdf(value, *self._arguments())

    def _cdf(self, value: Any) -> Any:
        return self.law.cdf(value, *self._arguments())

    def _icdf(self, value: Any) -> Any:
        if not self.law.quantile:
            return super()._icdf(value)
        return self.law.ppf(value, *self._arguments())


@layer
class Normal(ByFamily):
    """Of mean `loc` and standard deviation `scale`."""

    loc: Any = 0.0
    scale: Any = 1.0

    def _arguments(self) -> tuple[Any, ...]:
        return self.loc, self.scale

    def _sample(self, key: Any, shape: Any) -> Any:
        noise = random.normal(key, shape, dtype_of(self.loc, self.scale))
        return self.loc + self.scale * noise

    def _entropy(self) -> Any:
        return 0.5 * (1 + math.log(2 * math.pi)) + np.log(self.scale)

    def _mean(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        return self.scale * self.scale


@layer
class LogNormal(Distribution):
    """The exponential of a normal number of mean `loc` and standard deviation `scale`."""

    loc: Any = 0.0
    scale: Any = 1.0

    @property
    def _normal(self) -> Normal:
        return Normal(self.loc, self.scale)

    def _sample(self, key: Any, shape: Any) -> Any:
        return np.exp(self._normal._sample(key, shape))

    def _log_prob(self, value: Any) -> Any:
        none = value <= 0
        logs = np.log(np.where(none, 1.0, value))
        return np.where(none, -math.inf, self._normal._log_prob(logs) - logs)

    def _cdf(self, value: Any) -> Any:
        none = value <= 0
        return np.where(none, 0.0, self._normal._cdf(np.log(np.where(none, 1.0, value))))

    def _icdf(self, value: Any) -> Any:
        return np.exp(self._normal._icdf(value))

    def _entropy(self) -> Any:
        return self.loc + self._normal._entropy()

    def _mean(self) -> Any:
        return np.exp(self.loc + self.scale * self.scale / 2)

    def _variance(self) -> Any:
        square = self.scale * self.scale
        return np.expm1(square) * np.exp(2 * self.loc + square)


@layer
class Uniform(ByFamily):
    """Of one density from `low` to `high`."""

    low: Any = 0.0
    high: Any = 1.0

    law = stats.uniform

    def _arguments(self) -> tuple[Any, ...]:
        return self.low, self.high - self.low

    def _sample(self, key: Any, shape: Any) -> Any:
        drawn = random.uniform(key, shape, dtype_of(self.low, self.high))
        return self.low + (self.high - self.low) * drawn

    def _entropy(self) -> Any:
        return np.log(self.high - self.low)

    def _mean(self) -> Any:
        return (self.low + self.high) / 2

    def _variance(self) -> Any:
        return (self.high - self.low) ** 2 / 12


@layer
class Exponential(ByFamily):
    """Of density rate * exp(-rate * x) from 0 on."""

    rate: Any = 1.0

    law = stats.expon

    def _arguments(self) -> tuple[Any, ...]:
        return 0.0, 1 / self.rate

    def _sample(self, key: Any, shape: Any) -> Any:
        return random.exponential(key, shape, dtype_of(self.rate)) / self.rate

    def _entropy(self) -> Any:
        return 1 - np.log(self.rate)

    def _mean(self) -> Any:
        return 1 / self.rate

    def _variance(self) -> Any:
        return 1 / (self.rate * self.rate)


@layer
class Laplace(ByFamily):
    """Of density exp(-|x - loc| / scale) / (2 * scale)."""

    loc: Any = 0.0
    scale: Any = 1.0

    law = stats.laplace

    def _arguments(self) -> tuple[Any, ...]:
        return self.loc, self.scale

    def _sample(self, key: Any, shape: Any) -> Any:
        noise = random.laplace(key, shape, dtype_of(self.loc, self.scale))
        return self.loc + self.scale * noise

    def _entropy(self) -> Any:
        return 1 + math.log(2) + np.log(self.scale)

    def _mean(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        return 2 * self.scale * self.scale


@layer
class Gamma(ByFamily):
    """Of density proportional to x**(concentration - 1) * exp(-rate * x) from 0 on.

    Draws have derivatives in the concentration, by the distribution function.
    Source: Figurnov, Mohamed, Mnih, Implicit reparameterization gradients, 2018.
    """

    concentration: Any
    rate: Any = 1.0

    law = stats.gamma

    def _arguments(self) -> tuple[Any, ...]:
        return self.concentration, 0.0, 1 / self.rate

    _log_prob = in_wide(ByFamily._log_prob)
    _cdf = in_wide(ByFamily._cdf)

    def _sample(self, key: Any, shape: Any) -> Any:
        dtype = dtype_of(self.concentration, self.rate)
        return rejection.gamma(key, self.concentration, shape, dtype) / self.rate

    @in_wide
    def _entropy(self) -> Any:
        return entropy_of_gamma(self.concentration) - np.log(self.rate)

    def _mean(self) -> Any:
        return self.concentration / self.rate

    def _variance(self) -> Any:
        return self.concentration / (self.rate * self.rate)


@layer
class Beta(ByFamily):
    """Of density proportional to x**(concentration1 - 1) * (1 - x)**(concentration0 - 1)."""

    concentration1: Any
    concentration0: Any

    law = stats.beta

    def _arguments(self) -> tuple[Any, ...]:
        return self.concentration1, self.concentration0

    _log_prob = in_wide(ByFamily._log_prob)
    _cdf = in_wide(ByFamily._cdf)

    def _sample(self, key: Any, shape: Any) -> Any:
        a, b = self._arguments()
        return rejection.beta(key, a, b, shape, dtype_of(a, b))

    @in_wide
    def _entropy(self) -> Any:
        a, b = self._arguments()
        own = entropy_of_gamma(a) + entropy_of_gamma(b) - entropy_of_gamma(a + b)
        return own - sp.digamma(a + b)

    def _mean(self) -> Any:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    def _variance(self) -> Any:
        a, b = self._arguments()
        return a / (a + b) * (b / (a + b)) / (a + b + 1)


@layer
class StudentT(ByFamily):
    """loc + scale * t, t Student's of `df` degrees of freedom."""

    df: Any
    loc: Any = 0.0
    scale: Any = 1.0

    law = stats.t

    def _arguments(self) -> tuple[Any, ...]:
        return self.df, self.loc, self.scale

    _log_prob = in_wide(ByFamily._log_prob)
    _cdf = in_wide(ByFamily._cdf)

    def _sample(self, key: Any, shape: Any) -> Any:
        drawn = rejection.t(key, self.df, shape, dtype_of(self.df, self.loc, self.scale))
        return self.loc + self.scale * drawn

    @in_wide
    def _entropy(self) -> Any:
        df = self.df
        many = df > SERIES_FROM
        few, rest = np.where(many, 1.0, df), 1 / np.where(many, df, 1.0)
        half = (few + 1) / 2
        own = half * (sp.digamma(half) - sp.digamma(few / 2))
        own = own + 0.5 * np.log(few) + sp.betaln(few / 2, 0.5)
        # the normal distribution's, and what is more in powers of 1 / df
        more = rest * (1 + rest * (1 / 4 - rest * (1 / 6 + rest * (1 / 8 - rest * 3 / 10))))
        return np.where(many, 0.5 * (1 + math.log(2 * math.pi)) + more, own) + np.log(self.scale)

    def _mean(self) -> Any:
        return np.where(self.df > 1, self.loc, math.nan)

    def _variance(self) -> Any:
        finite = self.df > 2
        many = np.where(finite, self.df, 3.0)
        found = np.where(finite, many / (many - 2), math.inf) * self.scale * self.scale
        return np.where(self.df > 1, found, math.nan)
