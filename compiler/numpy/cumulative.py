"""NumPy's cumulative functions, and sums over neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import cumulative as ops
from ..tracer import Tracer
from ..types import dtype_name
from .elementwise import where
from .operands import axis_of, implements, named, new, tracer, unsupported, value, wrong
from .reductions import accumulated
from .reductions import sum as sum_
from .shapes import concatenate, diff, moveaxis, ravel


def _cumulative(name: str, function: Any, rule: Any) -> Any:
    """`rule(value, axis, reverse)` with NumPy's axis, whose default flattens, and dtype."""

    def implementation(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
        unsupported(name, out=out)
        x = tracer(a)
        wanted = dtype_name(dtype) if dtype else named(name, accumulated(function, x.dtype))
        x, axis = (ravel(x), 0) if axis is None else (x, axis_of(name, axis, x.ndim))
        return new(rule(value(x, wanted), axis), x.weak)

    return implementation


_cumsum = _cumulative("cumsum", np.cumsum, ops.cumsum)
_cumprod = _cumulative("cumprod", np.cumprod, ops.cumprod)
cumsum = implements(np.cumsum)(_cumsum)
cumprod = implements(np.cumprod)(_cumprod)


def _nan_as(cumulated: Any, fill: float) -> Any:
    def implementation(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
        x = tracer(a)
        return cumulated(where(x == x, x, fill), axis, dtype, out)

    return implementation


nancumsum = implements(np.nancumsum)(_nan_as(_cumsum, 0))
nancumprod = implements(np.nancumprod)(_nan_as(_cumprod, 1))


def _with_initial(name: str, cumulated: Any, initial: float) -> Any:
    """The names of the array API, which flatten nothing and may begin with the neutral element."""

    def implementation(
        x: Any,
        /,
        *,
        axis: int | None = None,
        dtype: Any = None,
        out: Any = None,
        include_initial: bool = False,
    ) -> Tracer:
        x = tracer(x)
        if axis is None and x.ndim != 1:
            raise wrong(f"{name}: axis= is required for {x.type}", f"{name}(x, axis=0)")
        axis = axis_of(name, 0 if axis is None else axis, x.ndim)
        found = cumulated(x, axis, dtype, out)
        if not include_initial:
            return found
        first = tuple(1 if d == axis else n for d, n in enumerate(x.shape))
        return concatenate([np.full(first, initial, found.dtype), found], axis)

    return implementation


cumulative_sum = implements(np.cumulative_sum)(_with_initial("cumulative_sum", _cumsum, 0))
cumulative_prod = implements(np.cumulative_prod)(_with_initial("cumulative_prod", _cumprod, 1))


def _accumulate(function: np.ufunc, rule: Any) -> None:
    """`function.accumulate`, whose default axis is the first."""
    name = f"{function.__name__}.accumulate"
    of = _cumulative(name, function.accumulate, rule)

    def implementation(array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Tracer:
        return of(array, axis, dtype, out)

    implements(function.accumulate)(implementation)


def _of_bools(rule: Any, dtype: str = "u8") -> Any:
    """A running extreme of bools is that of 0 and 1."""

    def found(x: Any, axis: int) -> Any:
        return (
            value(new(rule(value(new(x), dtype), axis)), "bool")
            if x.dtype == "bool"
            else rule(x, axis)
        )

    return found


_accumulate(np.add, ops.cumsum)
_accumulate(np.multiply, ops.cumprod)
_accumulate(np.maximum, _of_bools(ops.cummax))
_accumulate(np.minimum, _of_bools(ops.cummin))
_accumulate(np.logaddexp, ops.cumlogsumexp)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tracer:
    """The area under straight lines through the points."""
    y = tracer(y)
    y = moveaxis(y, axis_of("trapezoid", axis, y.ndim), -1)
    if x is not None:
        x = tracer(x)
        dx = diff(x) if x.ndim == 1 else moveaxis(diff(x, axis=axis), axis, -1)
    return sum_(dx * (y[..., 1:] + y[..., :-1]) / 2.0, -1)
