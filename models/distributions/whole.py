"""Distributions of whole numbers, by probabilities or by their logits; draws are int32."""

from __future__ import annotations

import math
from typing import Any

import numpy

from ...compiler.front import numpy as np
from ...compiler.front import random, rejection
from ...compiler.front import special as sp
from ...compiler.front.lax.lax import eager
from ...compiler.front.scipy import stats
from ...compiler.front.scipy.discrete import log_choices
from ...compiler.trace.operands import wrong
from ...compiler.trace.tracer import Tracer
from ..nn.functions import log_sigmoid, log_softmax, softmax
from ..nn.layer import layer
from .distribution import Distribution, dtype_of, in_wide, one_of

__all__ = ["Bernoulli", "Binomial", "Categorical", "Poisson"]


def times_chance(p: Any, x: Any) -> Any:
    """p * x; 0 where p is, whatever x."""
    none = p == 0
    return np.where(none, 0.0, p * np.where(none, 0.0, x))


def counts_to(value: Any, most: Any) -> Any:
    """Whether a number is one of 0, 1, ..., most."""
    return (value >= 0) & (value <= most) & (value == np.floor(value))


@layer
class Bernoulli(Distribution):
    """1 with probability `probs`, or sigmoid(`logits`), else 0."""

    probs: Any = None
    logits: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("Bernoulli", probs=self.probs, logits=self.logits)

    def chance(self) -> Any:
        """The probability of 1."""
        return sp.expit(self.logits) if self.probs is None else self.probs

    def logs(self) -> tuple[Any, Any]:
        """The logarithms of the probabilities of 1 and of 0."""
        if self.probs is None:
            return log_sigmoid(self.logits), log_sigmoid(-self.logits)
        return np.log(self.probs), np.log1p(-self.probs)

    def _sample(self, key: Any, shape: Any) -> Any:
        p = np.asarray(self.chance())
        return random.bernoulli(key, p.astype(dtype_of(p)), shape).astype(np.int32)

    def _log_prob(self, value: Any) -> Any:
        if self.probs is not None:
            return stats.bernoulli.logpmf(value, self.probs)
        one, zero = self.logs()
        return np.where(counts_to(value, 1), np.where(value == 1, one, zero), -math.inf)

    def _cdf(self, value: Any) -> Any:
        return stats.bernoulli.cdf(value, self.chance())

    def _entropy(self) -> Any:
        if self.probs is not None:
            return sp.entr(self.probs) + sp.entr(1 - self.probs)
        p, (one, zero) = self.chance(), self.logs()
        return -times_chance(p, one) - times_chance(1 - p, zero)

    def _mean(self) -> Any:
        return self.chance()

    def _variance(self) -> Any:
        return self.chance() * (1 - self.chance())


@layer
class Binomial(Distribution):
    """How many of `total_count` trials succeed, each with probability `probs`, or
    sigmoid(`logits`)."""

    total_count: Any
    probs: Any = None
    logits: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("Binomial", probs=self.probs, logits=self.logits)

    def trial(self) -> Bernoulli:
        """One of the trials."""
        return Bernoulli(self.probs, self.logits)

    def _sample(self, key: Any, shape: Any) -> Any:
        p = self.trial().chance()
        drawn = rejection.binomial(key, self.total_count, p, shape, dtype_of(p))
        return np.where(drawn >= 0, drawn, -1).astype(np.int32)

    @in_wide
    def _log_prob(self, value: Any) -> Any:
        n = self.total_count
        if self.probs is not None:
            return stats.binom.logpmf(value, n, self.probs)
        good, (one, zero) = counts_to(value, n), self.trial().logs()
        k = np.where(good, value, 0)
        found = log_choices(n, k) + times_chance(k, one) + times_chance(n - k, zero)
        return np.where(good, found, -math.inf)

    @in_wide
    def _cdf(self, value: Any) -> Any:
        return stats.binom.cdf(value, self.total_count, self.trial().chance())

    def entropy(self) -> Any:
        """The mean of -log_prob, in nats, a sum over the numbers up to `total_count`, which has to
        be known while a program is traced."""
        if isinstance(self.total_count, Tracer):
            self._unknown("entropy")
        counts = numpy.arange(int(numpy.max(self.total_count, initial=0)) + 1)
        return _entropy_over(self, counts)

    def _mean(self) -> Any:
        return self.total_count * self.trial().chance()

    def _variance(self) -> Any:
        return self.total_count * self.trial()._variance()


@eager("of", "counts")
def _entropy_over(of: Binomial, counts: Any) -> Any:
    k = counts.reshape(-1, *(1 for _ in of.batch_shape))
    logs = of._log_prob(k)
    return of.shaped(-np.sum(times_chance(np.exp(logs), logs), axis=0))


@layer
class Categorical(Distribution):
    """k with probability probs[..., k], or softmax(logits)[..., k]; `probs` need not sum to 1."""

    probs: Any = None
    logits: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("Categorical", probs=self.probs, logits=self.logits)

    @property
    def _table(self) -> Any:
        table = self.logits if self.probs is None else self.probs
        if not numpy.shape(table):
            raise wrong("Categorical: one axis of categories or more is required, got a number")
        return table

    @property
    def count(self) -> int:
        """How many categories there are."""
        return numpy.shape(self._table)[-1]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the parameters but for the last axis, along which the categories are."""
        return numpy.shape(self._table)[:-1]

    def chances(self) -> Any:
        """Probabilities [..., categories]."""
        if self.probs is None:
            return softmax(self.logits)
        return self.probs / np.sum(self.probs, axis=-1, keepdims=True)

    def logs(self) -> Any:
        """Their logarithms."""
        return log_softmax(self.logits) if self.probs is None else np.log(self.chances())

    def _sample(self, key: Any, shape: Any) -> Any:
        logits = np.asarray(np.log(self.probs) if self.logits is None else self.logits)
        return random.categorical(key, logits.astype(dtype_of(logits)), shape=shape)

    def _log_prob(self, value: Any) -> Any:
        good = counts_to(value, self.count - 1)
        k = np.where(good, value, 0).astype(np.int32)
        if not self.batch_shape:
            found = np.take(self._table, k)
        else:
            shape = np.broadcast_shapes(k.shape, self.batch_shape)
            table = np.broadcast_to(self._table, (*shape, self.count))
            found = np.take_along_axis(table, np.broadcast_to(k, shape)[..., None], axis=-1)[..., 0]
        if self.probs is None:
            found = found - sp.logsumexp(self.logits, axis=-1)
        else:
            found = np.log(found) - np.log(np.sum(self.probs, axis=-1))
        return np.where(good, found, -math.inf)

    def _cdf(self, value: Any) -> Any:
        below = np.arange(self.count) <= value[..., None]
        return np.sum(np.where(below, self.chances(), 0.0), axis=-1)

    def _entropy(self) -> Any:
        if self.probs is None:
            return -np.sum(times_chance(self.chances(), self.logs()), axis=-1)
        whole = np.sum(
            self.probs, axis=-1
        )  # the derivative of a chance of 0 is inf, others' finite
        return np.log(whole) + np.sum(sp.entr(self.probs), axis=-1) / whole

    def _mean(self) -> Any:
        return np.sum(self.chances() * np.arange(self.count), axis=-1)

    def _variance(self) -> Any:
        away = np.arange(self.count) - self._mean()[..., None]
        return np.sum(self.chances() * away * away, axis=-1)


@layer
class Poisson(Distribution):
    """How many events happen in a time in which `rate` are expected; draws of a rate that is no
    finite number from 0 on are -1."""

    rate: Any

    def _sample(self, key: Any, shape: Any) -> Any:
        return rejection.poisson(key, self.rate, shape)

    @in_wide
    def _log_prob(self, value: Any) -> Any:
        return stats.poisson.logpmf(value, self.rate)

    @in_wide
    def _cdf(self, value: Any) -> Any:
        return stats.poisson.cdf(value, self.rate)

    def _mean(self) -> Any:
        return self.rate

    def _variance(self) -> Any:
        return self.rate
