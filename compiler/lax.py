"""jax.lax's names for what NumPy has no name for."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .numpy import elementwise
from .numpy.operands import (
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
    wrong,
)
from .ops import contract, source
from .ops import elementwise as ops
from .trace import call, trace_tree
from .tracer import Tracer, current
from .types import Type, dtype_name


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
        return new(rule(x.value if x.type.is_float else x.astype("f64").value), x.weak)

    function.__name__ = rule.__name__
    function.__doc__ = f"`{rule.__name__}` of each element."
    return eager("x")(function)


rsqrt, erf, logistic = _unary(ops.rsqrt), _unary(ops.erf), _unary(ops.sigmoid)


@eager("x")
def erfc(x: Any) -> Tracer:
    """1 - erf(x). Accuracy: absolute, not relative, in the upper tail."""
    return 1.0 - erf(x)


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
def dot_general(lhs: Any, rhs: Any, dimension_numbers: Any) -> Tracer:
    """Sums of products; `dimension_numbers` are ((lhs, rhs) contracting, (lhs, rhs) batch).

    Shapes: batch, lhs free, rhs free.
    """
    x, y = operand(lhs), operand(rhs)
    dtype = promoted("dot_general", x, y)
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


# ---------------------------------------------------------------- inverse error function

F32 = (
    (
        5.0,
        2.5,
        "2.81022636e-08 3.43273939e-07 -3.5233877e-06 -4.39150654e-06 0.00021858087 "
        "-0.00125372503 -0.00417768164 0.246640727 1.50140941",
    ),
    (
        math.inf,
        3.0,
        "-0.000200214257 0.000100950558 0.00134934322 -0.00367342844 0.00573950773 -0.0076224613 "
        "0.00943887047 1.00167406 2.83297682",
    ),
)
F64 = (
    (
        6.25,
        3.125,
        "-3.6444120640178196996e-21 -1.685059138182016589e-19 1.2858480715256400167e-18 "
        "1.115787767802518096e-17 -1.333171662854620906e-16 2.0972767875968561637e-17 "
        "6.6376381343583238325e-15 -4.0545662729752068639e-14 -8.1519341976054721522e-14 "
        "2.6335093153082322977e-12 -1.2975133253453532498e-11 -5.4154120542946279317e-11 "
        "1.051212273321532285e-09 -4.1126339803469836976e-09 -2.9070369957882005086e-08 "
        "4.2347877827932403518e-07 -1.3654692000834678645e-06 -1.3882523362786468719e-05 "
        "0.0001867342080340571352 -0.00074070253416626697512 -0.0060336708714301490533 "
        "0.24015818242558961693 1.6536545626831027356",
    ),
    (
        16.0,
        3.25,
        "2.2137376921775787049e-09 9.0756561938885390979e-08 -2.7517406297064545428e-07 "
        "1.8239629214389227755e-08 1.5027403968909827627e-06 -4.013867526981545969e-06 "
        "2.9234449089955446044e-06 1.2475304481671778723e-05 -4.7318229009055733981e-05 "
        "6.8284851459573175448e-05 2.4031110387097893999e-05 -0.0003550375203628474796 "
        "0.00095328937973738049703 -0.0016882755560235047313 0.0024914420961078508066 "
        "-0.0037512085075692412107 0.005370914553590063617 1.0052589676941592334 "
        "3.0838856104922207635",
    ),
    (
        math.inf,
        5.0,
        "-2.7109920616438573243e-11 -2.5556418169965252055e-10 1.5076572693500548083e-09 "
        "-3.7894654401267369937e-09 7.6157012080783393804e-09 -1.4960026627149240478e-08 "
        "2.9147953450901080826e-08 -6.7711997758452339498e-08 2.2900482228026654717e-07 "
        "-9.9298272942317002539e-07 4.5260625972231537039e-06 -1.9681778105531670567e-05 "
        "7.5995277030017761139e-05 -0.00021503011930044477347 -0.00013871931833623122026 "
        "1.0103004648645343977 4.8499064014085844221",
    ),
)
"""Per range of w = -log(1 - x²): its upper end, the shift, and coefficients from the highest.

The shift is taken off w in the first range, off its root in the others.
"""


@eager("x")
def erf_inv(x: Any) -> Tracer:
    """The inverse of erf; infinite at -1 and 1.

    Accuracy: relative 4e-7 (f32) and 1e-15 (f64) for |x| < 0.99; as XLA's it takes 1 - x² from the
    rounded square, which near 1 costs up to 1e-5 (f32) and 1e-10 (f64). Source: Giles,
    Approximating the erfinv function (2010).
    """
    x = tracer(x)
    if not x.type.is_float:
        raise wrong(f"erf_inv: f32 or f64 is required, got {x.type}", "x.astype(np.float32)")
    inside = elementwise.where(abs(x) < 1, x, 0.0)
    w = -elementwise.log1p(-inside * inside)
    root = elementwise.sqrt(elementwise.where(w > 1, w, 1.0))
    ranges = F32 if x.type.dtype == "f32" else F64
    found: Any = None
    for k, (_, shift, coefficients) in reversed(list(enumerate(ranges))):
        p = _polynomial(coefficients, w - shift if k == 0 else root - shift)
        found = p if found is None else elementwise.where(w < ranges[k][0], p, found)
    return elementwise.where(
        abs(x) == 1, x * math.inf, elementwise.where(abs(x) < 1, found * inside, math.nan)
    )


def _polynomial(coefficients: str, w: Tracer) -> Tracer:
    first, *rest = map(float, coefficients.split())
    found: Any = first
    for c in rest:
        found = found * w + c
    return found
