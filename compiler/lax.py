"""jax.lax's names for what NumPy has no name for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import ops
from .numpy import elementwise
from .numpy.operands import (
    axis_of,
    broadcasted,
    common_shape,
    is_weak,
    new,
    operand,
    promoted,
    shape_given,
    shape_of,
    tracer,
    value,
)
from .ops import contract, source
from .trace import call, trace_tree
from .tracer import Tracer, current
from .types import WHOLE, Type, dtype_name


def eager(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Outside of a trace, trace the decorated function for the arguments `names` and run it."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def public(*args: Any, **options: Any) -> Any:
            if current() is not None:
                return function(*args, **options)
            bound = signature.bind(*args, **options)
            bound.apply_defaults()
            arrays = {n: _array(bound.arguments[n]) for n in names}

            def body(given: dict[str, Any]) -> Any:
                bound.arguments.update(given)
                return function(*bound.args, **bound.kwargs)

            return call(trace_tree(body, (arrays,), function.__name__), arrays)

        return public

    return decorate


def _array(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, (list, tuple)) else x


def _unary(rule: Callable[..., Any]) -> Callable[[Any], Tracer]:
    def function(x: Any) -> Tracer:
        x = tracer(x)
        return new(rule(x.value if x.type.is_inexact else x.astype("f64").value), x.weak)

    function.__name__ = rule.__name__
    function.__doc__ = f"`{rule.__name__}` of each element."
    return eager("x")(function)


rsqrt, logistic = _unary(ops.rsqrt), _unary(ops.sigmoid)
erf, erfc, erf_inv = _unary(ops.erf), _unary(ops.erfc), _unary(ops.erfinv)
lgamma, digamma = _unary(ops.lgamma), _unary(ops.digamma)


@eager("x", "y")
def complex(x: Any, y: Any) -> Tracer:
    """x + i y, of real numbers of one dtype."""
    xs = [operand(v) for v in (x, y)]
    dtype, shape = promoted("complex", *xs), common_shape("complex", *(shape_of(v) for v in xs))
    return new(ops.complex(*(value(v, dtype, shape) for v in xs)), all(is_weak(v) for v in xs))


@eager("x")
def real(x: Any) -> Tracer:
    """The real part."""
    return elementwise.real(x)


@eager("x")
def imag(x: Any) -> Tracer:
    """The imaginary part."""
    return elementwise.imag(x)


@eager("x")
def conj(x: Any) -> Tracer:
    """The conjugate, complex of real numbers too."""
    x = tracer(x)
    if not x.type.is_complex:
        x = tracer(x, WHOLE[x.type.dtype if x.type.dtype in WHOLE else "f64"])
    return elementwise.conj(x)


@eager("x")
def stop_gradient(x: Any) -> Tracer:
    """x, a constant to derivatives."""
    x = tracer(x)
    return new(ops.stop_gradient(x.value), x.weak)


@eager("x", "y", "z")
def fma(x: Any, y: Any, z: Any) -> Tracer:
    """x * y + z, rounded once."""
    xs = [operand(v) for v in (x, y, z)]
    dtype, shape = promoted("fma", *xs), common_shape("fma", *(shape_of(v) for v in xs))
    return new(ops.fma(*(value(v, dtype, shape) for v in xs)), all(is_weak(v) for v in xs))


@eager("pred", "on_true", "on_false")
def select(pred: Any, on_true: Any, on_false: Any) -> Tracer:
    """on_true where pred, else on_false."""
    return elementwise.where(pred, on_true, on_false)


@eager("min", "x", "max")
def clamp(min: Any, x: Any, max: Any) -> Tracer:
    """x within min and max."""
    return elementwise.clip(x, min, max)


@eager("lhs", "rhs")
def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Tracer:
    """Sums of products; `dimension_numbers` are ((lhs, rhs) contracting, (lhs, rhs) batch).

    They are computed in `preferred_element_type` where it is given. `precision` changes nothing:
    products are as precise as their dtype.
    Shapes: batch, lhs free, rhs free.
    """
    x, y = operand(lhs), operand(rhs)
    dtype = dtype_name(preferred_element_type or promoted("dot_general", x, y))
    (left, right), (left_batch, right_batch) = dimension_numbers
    contracting = tuple(map(int, left)), tuple(map(int, right))
    batch = tuple(map(int, left_batch)), tuple(map(int, right_batch))
    return new(contract.dot_general(value(x, dtype), value(y, dtype), contracting, batch))


@eager("operand")
def broadcast_in_dim(operand: Any, shape: Any, broadcast_dimensions: Any) -> Tracer:
    """Dimension i of the operand becomes dimension broadcast_dimensions[i] of the result."""
    x, shape = tracer(operand), shape_given("broadcast_in_dim", shape)
    spread = [1] * len(shape)
    for n, at in zip(x.shape, broadcast_dimensions, strict=True):
        spread[at] = n
    return new(broadcasted(x.reshape(spread).value, shape, "broadcast_in_dim"), x.weak)


@eager()
def broadcasted_iota(dtype: Any, shape: Any, dimension: int) -> Tracer:
    """Positions along one dimension."""
    return new(source.iota(Type(dtype_name(dtype), shape_given("iota", shape)), dimension))


def iota(dtype: Any, size: int) -> Any:
    """0, 1, ... size - 1."""
    return broadcasted_iota(dtype, (size,), 0)


# ---------------------------------------------------------------- along an axis


def _cumulative(rule: Callable[..., Any]) -> Callable[..., Any]:
    def function(operand: Any, axis: int = 0, reverse: bool = False) -> Tracer:
        x = tracer(operand)
        return new(rule(x.value, axis_of(rule.__name__, axis, x.ndim), bool(reverse)), x.weak)

    function.__name__ = rule.__name__
    function.__doc__ = f"`{rule.__name__}` along an axis, from its end if `reverse`."
    return eager("operand")(function)


cumsum, cumprod = _cumulative(ops.cumsum), _cumulative(ops.cumprod)
cummax, cummin = _cumulative(ops.cummax), _cumulative(ops.cummin)
cumlogsumexp = _cumulative(ops.cumlogsumexp)
