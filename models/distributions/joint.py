"""Distributions of vectors, and those that are made of others."""

from __future__ import annotations

from typing import Any

import numpy

from ...compiler.front import numpy as np
from ...compiler.front import random, rejection
from ...compiler.front import special as sp
from ...compiler.front.lax.lax import stop_gradient
from ...compiler.front.numpy.linalg.decompositions import cholesky
from ...compiler.front.scipy.discrete import (
    entropy_by_factor,
    log_dirichlet_density,
    log_normal_density_by_factor,
    spacing,
)
from ...compiler.trace.operands import common_shape, wrong
from ..nn.layer import layer
from .distribution import Distribution, dtype_of, dtypes_chosen, in_wide, one_of
from .real import entropy_of_gamma
from .whole import Categorical

__all__ = ["Dirichlet", "Independent", "Mixture", "MultivariateNormal"]


@layer
class MultivariateNormal(Distribution):
    """Vectors of mean `loc` [..., n], by their covariance [..., n, n] or by `scale_tril`, its
    lower Cholesky factor, which spares the factorisation."""

    loc: Any
    covariance_matrix: Any = None
    scale_tril: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(
            "MultivariateNormal",
            covariance_matrix=self.covariance_matrix,
            scale_tril=self.scale_tril,
        )

    @property
    def _shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        matrix = self.scale_tril if self.covariance_matrix is None else self.covariance_matrix
        mean, square = numpy.shape(self.loc), numpy.shape(matrix)
        if not mean or square[-2:] != (mean[-1], mean[-1]):
            raise wrong(
                "MultivariateNormal: loc [..., n] and a matrix [..., n, n] are required, "
                f"got {list(mean)} and {list(square)}"
            )
        return mean, square

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the parameters but for the axes of vectors and matrices."""
        mean, square = self._shapes
        return common_shape("MultivariateNormal", mean[:-1], square[:-2])

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(n,)"""
        return self._shapes[0][-1:]

    def factor(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        if self.covariance_matrix is None:
            return np.tril(self.scale_tril)
        return cholesky(self.covariance_matrix)

    def _sample(self, key: Any, shape: Any) -> Any:
        dtype = dtype_of(self.loc, self.covariance_matrix, self.scale_tril)
        noise = random.normal(key, (*shape, *self.event_shape), dtype)
        return self.loc + np.matvec(self.factor(), noise)

    def _log_prob(self, value: Any) -> Any:
        return log_normal_density_by_factor(value - self.loc, self.factor())

    def _entropy(self) -> Any:
        return entropy_by_factor(self.factor())

    def _mean(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        if self.covariance_matrix is not None:
            return np.diagonal(self.covariance_matrix, axis1=-2, axis2=-1)
        return np.sum(self.factor() ** 2, axis=-1)


@layer
class Dirichlet(Distribution):
    """Vectors of numbers from 0 on of sum 1, of density proportional to the product of
    x[k]**(concentration[k] - 1)."""

    concentration: Any

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the concentrations but for the last axis."""
        return numpy.shape(self.concentration)[:-1]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The last axis of the concentrations."""
        shape = numpy.shape(self.concentration)
        if not shape:
            raise wrong("Dirichlet: one axis of concentrations or more is required, got a number")
        return shape[-1:]

    def _sample(self, key: Any, shape: Any) -> Any:
        dtype = dtype_of(self.concentration)
        return rejection.dirichlet(key, self.concentration, shape, dtype)

    def _log_prob(self, value: Any) -> Any:
        rounded = max(map(spacing, dtypes_chosen(value, self.concentration)), default=1e-10)
        return in_wide(log_dirichlet_density)(value, self.concentration, rounded)

    @in_wide
    def _entropy(self) -> Any:
        whole = np.sum(self.concentration, axis=-1)
        own = np.sum(entropy_of_gamma(self.concentration), axis=-1) - entropy_of_gamma(whole)
        return own - (self.event_shape[0] - 1) * sp.digamma(whole)

    def _mean(self) -> Any:
        return self.concentration / np.sum(self.concentration, axis=-1, keepdims=True)

    def _variance(self) -> Any:
        whole = np.sum(self.concentration, axis=-1, keepdims=True)
        part = self.concentration / whole
        return part * (1 - part) / (whole + 1)


@layer
class Mixture(Distribution):
    """One of `components`, that `mixture` chooses along the last axis of their batch.

    Draws have no derivatives: those of a choice are none. Entropies and divergences are to be
    estimated; densities have all derivatives.
    """

    mixture: Categorical
    components: Any

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """That of the components but for the last axis."""
        shape, count = self.components.batch_shape, self.mixture.count
        if shape[-1:] != (count,):
            raise wrong(
                f"Mixture: components of a batch [..., {count}] are required of {count} "
                f"categories, got {list(shape)}"
            )
        return common_shape("Mixture", shape[:-1], self.mixture.batch_shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """That of the components."""
        return self.components.event_shape

    def _spread(self, x: Any) -> Any:
        """x [..., *event], with an axis of components before the event."""
        return np.expand_dims(x, x.ndim - len(self.event_shape))

    def _weighted(self, x: Any) -> Any:
        """The sum of x [..., components, *event], weighted by the probabilities."""
        events = len(self.event_shape)
        p = self.mixture.chances()
        return np.sum(p.reshape(*p.shape, *(1 for _ in range(events))) * x, axis=-1 - events)

    def _sample(self, key: Any, shape: Any) -> Any:
        keys, events = random.split(key), len(self.event_shape)
        chosen = self.mixture._sample(keys[0], shape)
        drawn = self.components._sample(keys[1], (*shape, self.components.batch_shape[-1]))
        places = chosen.reshape(*shape, *(1 for _ in range(events + 1)))
        drawn = np.take_along_axis(drawn, places, axis=len(shape))
        return stop_gradient(np.squeeze(drawn, axis=len(shape)))

    def _log_prob(self, value: Any) -> Any:
        logs = self.components._log_prob(self._spread(value))
        return sp.logsumexp(logs + self.mixture.logs(), axis=-1)

    def _cdf(self, value: Any) -> Any:
        return self._weighted(self.components._cdf(self._spread(value)))

    def _mean(self) -> Any:
        return self._weighted(self._of_each(self.components._mean()))

    def _variance(self) -> Any:
        means = self._of_each(self.components._mean())
        away = means - self._spread(self._weighted(means))
        return self._weighted(self._of_each(self.components._variance()) + away * away)

    def _of_each(self, x: Any) -> Any:
        return self.components.shaped(x, self.event_shape)


@layer
class Independent(Distribution):
    """Vectors of the last `axes` of the batch of `distribution`: its draws, as one event."""

    distribution: Any
    axes: int = 1

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """That of the distribution but for the axes of events."""
        shape = self.distribution.batch_shape
        if not 0 <= self.axes <= len(shape):
            raise wrong(
                f"Independent: a batch of {max(self.axes, 0)} axes or more is required, got "
                f"{list(shape)} and axes={self.axes}"
            )
        return shape[: len(shape) - self.axes]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The axes of the batch, and the event of the distribution."""
        inner = self.distribution
        return inner.batch_shape[len(self.batch_shape) :] + inner.event_shape

    def total(self, x: Any) -> Any:
        """The sum over the axes of the event."""
        return np.sum(x, axis=tuple(range(-self.axes, 0))) if self.axes else x

    def _sample(self, key: Any, shape: Any) -> Any:
        own = self.distribution.batch_shape[len(self.batch_shape) :]
        return self.distribution._sample(key, (*shape, *own))

    def _log_prob(self, value: Any) -> Any:
        return self.total(self.distribution._log_prob(value))

    def _entropy(self) -> Any:
        whole = np.broadcast_to(self.distribution._entropy(), self.distribution.batch_shape)
        return self.total(whole)

    def _mean(self) -> Any:
        return self.distribution._mean()

    def _variance(self) -> Any:
        return self.distribution._variance()
