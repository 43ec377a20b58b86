"""What all distributions have, and what they say where a formula is not known.

A family defines what it knows of `_sample`, `_log_prob`, `_cdf`, `_icdf`, `_entropy`, `_mean` and
`_variance`, for parameters that broadcast against each other; what users call is here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn, Self

import numpy

from ...compiler.front import numpy as np
from ...compiler.front.lax.lax import eager
from ...compiler.trace.operands import common_shape, shape_given, tracer, wrong
from ...compiler.trace.tracer import Tracer
from ...compiler.trace.tree import leaves
from ...compiler.trace.tree import map as tree_map

__all__ = ["Distribution"]

Shape = tuple[int, ...]


class Distribution:
    """A law of numbers or of vectors, as many independent ones as its parameters broadcast to.

    Outside of the support densities are 0; parameters outside of their domain give NaN.
    """

    def __post_init__(self) -> None:
        """Lists are arrays: they would be trees of numbers."""
        for name in self.__dataclass_fields__:  # type: ignore[attr-defined]
            if isinstance(x := getattr(self, name), (list, tuple)):
                object.__setattr__(self, name, np.array(x))

    @property
    def batch_shape(self) -> Shape:
        """The shape of the parameters together."""
        own = (getattr(self, name) for name in self.__dataclass_fields__)  # type: ignore[attr-defined]
        return common_shape(type(self).__name__, *(numpy.shape(p) for p in own if p is not None))

    @property
    def event_shape(self) -> Shape:
        """The shape of one draw of one of them: () of numbers."""
        return ()

    @eager("self", "key")
    def sample(self, key: Any, shape: Any = ()) -> Any:
        """Draws [*shape, *batch_shape, *event_shape], of the dtype of the parameters, float32
        where they are numbers; whole numbers are int32.

        Draws of real numbers have derivatives in the parameters (a mixture's have none).
        """
        full = (*shape_given("sample", shape), *self.batch_shape)
        return self._sample(key, full)

    @eager("self", "value")
    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density, or of the probability, [..., *batch_shape]."""
        return self._sound()._log_prob(_number(value))

    @eager("self", "value")
    def cdf(self, value: Any) -> Any:
        """The probability of no more than `value`."""
        return self._sound()._cdf(_number(value))

    @eager("self", "value")
    def icdf(self, value: Any) -> Any:
        """The number of which the probability of no more is `value`."""
        return self._sound()._icdf(_number(value))

    @eager("self")
    def entropy(self) -> Any:
        """The mean of -log_prob, in nats."""
        return self.shaped(self._sound()._entropy())

    @property
    def mean(self) -> Any:
        """The mean of draws; NaN where there is none."""
        return _mean(self)

    @property
    def variance(self) -> Any:
        """The variance of each number of a draw; NaN where there is none."""
        return _variance(self)

    @property
    def stddev(self) -> Any:
        """The square root of the variance."""
        return _stddev(self)

    def _sound(self) -> Self:
        """Itself, whose parameters go together; else that is said before a formula trips."""
        assert self.batch_shape is not None
        return self

    def shaped(self, x: Any, event: Shape = ()) -> Any:
        """What some parameters tell, of the shape and of the dtype of all."""
        whole = np.broadcast_to(x, (*self.batch_shape, *event))
        chosen = dtypes_chosen(*leaves(self))
        return whole.astype(numpy.result_type(*chosen)) if chosen else whole

    def _sample(self, key: Any, shape: Shape) -> Any:
        self._unknown("sample")

    def _log_prob(self, value: Any) -> Any:
        self._unknown("log_prob")

    def _cdf(self, value: Any) -> Any:
        self._unknown("cdf")

    def _icdf(self, value: Any) -> Any:
        self._unknown("icdf")

    def _entropy(self) -> Any:
        self._unknown("entropy")

    def _mean(self) -> Any:
        self._unknown("mean")

    def _variance(self) -> Any:
        self._unknown("variance")

    def _unknown(self, name: str) -> NoReturn:
        kind = type(self).__name__
        what = f"{name}: a distribution of known {name} is required, got {kind}"
        raise wrong(what, ESTIMATES.get(name, ""))


DRAWS = "distribution.sample(key, (10000,))"
ESTIMATES = {
    "cdf": f"np.mean({DRAWS} <= value, axis=0)",
    "icdf": f"np.quantile({DRAWS}, value, axis=0)",
    "entropy": f"-np.mean(distribution.log_prob({DRAWS}), axis=0)",
    "mean": f"np.mean({DRAWS}, axis=0)",
    "variance": f"np.var({DRAWS}, axis=0)",
}
"""What to do where there is no formula."""


@eager("self")
def _mean(self: Any) -> Any:
    return self.shaped(self._sound()._mean(), self.event_shape)


@eager("self")
def _variance(self: Any) -> Any:
    return self.shaped(self._sound()._variance(), self.event_shape)


@eager("self")
def _stddev(self: Any) -> Any:
    return np.sqrt(_variance(self))


def _number(value: Any) -> Tracer:
    x = tracer(value)
    if x.type.is_complex:
        raise wrong(f"distributions: real numbers are required, got {x.type}")
    return x


def dtype_of(*parameters: Any) -> Any:
    """The dtype of draws: that of the parameters, float32 where nobody chose one."""
    return numpy.result_type(*dtypes_chosen(*parameters), numpy.float32)


def dtypes_chosen(*parameters: Any) -> list[Any]:
    """The dtypes of typed floats; where there are none, of arrays: they are more than numbers."""
    traced = [x for p in parameters if p is not None and (x := tracer(p)).type.is_float]
    typed = [x.dtype for x in traced if not x.weak]
    return typed or [x.dtype for x in traced if x.ndim]


def in_wide(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula of distributions, and of values, in f64 where they are less: its large terms
    cancel each other, and f32 has no digits left of what remains."""

    @functools.wraps(formula)
    def computed(*given: Any) -> Any:
        chosen = dtypes_chosen(*leaves(given))
        dtype = numpy.result_type(*chosen) if chosen else numpy.dtype("f8")
        if dtype.itemsize == 8:
            return formula(*given)
        return formula(*tree_map(_widened, given)).astype(dtype)

    return computed


def _widened(x: Any) -> Any:
    x = tracer(x)
    return x.astype("float64") if x.type.is_float else x


def one_of(name: str, **parameters: Any) -> None:
    """That one of the parameters is there, the others None."""
    there = [n for n, p in parameters.items() if p is not None]
    if len(there) != 1:
        told, known = " or ".join(parameters), " and ".join(there) or "none"
        raise wrong(f"{name}: {told}, one of them, is required, got {known}")
