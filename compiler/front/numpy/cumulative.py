"""NumPy's cumulative functions, and sums over neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.types import dtype_name
from ...ops import cumulative as ops
from ...trace.operands import axis_of, new, result_dtype, tracer, unsupported, value, wrong
from ...trace.table import implements
from ...trace.tracer import Tracer
from .elementwise import where
from .reductions import accumulated
from .reductions import sum as sum_
from .shapes import atleast_1d, concatenate, diff, moveaxis, ravel

__all__ = [
    "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "nancumprod", "nancumsum",
    "trapezoid",
]  # fmt: skip


def _cumulative(name: str, function: Any, rule: Any) -> Any:
    """`rule(value, axis, reverse)` with NumPy's axis, whose default flattens, and dtype."""

    def implementation(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
        unsupported(name, out=out)
        x = tracer(a)
        wanted = dtype_name(dtype) if dtype else result_dtype(name, accumulated(function, x.dtype))
        axis = None if not x.ndim and axis in (0, -1) else axis
        x, axis = (ravel(x), 0) if axis is None else (x, axis_of(name, axis, x.ndim))
        return new(rule(value(x, wanted), axis), x.weak)

    return implementation


def _of_bools(rule: Any, of_bools: Any = None) -> Any:
    """The rule, which for bools is that of 0 and 1, or another."""

    def found(x: Any, axis: int) -> Any:
        if x.dtype != "bool":
            return rule(x, axis)
        return value(new((of_bools or rule)(value(new(x), "u8"), axis)), "bool")

    return found


_cumsum = _cumulative("cumsum", np.cumsum, _of_bools(ops.cumsum, ops.cummax))
_cumprod = _cumulative("cumprod", np.cumprod, _of_bools(ops.cumprod, ops.cummin))
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
        x = atleast_1d(x)
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
