"""cvt: between integers and floats of every width, rounded once, saturated where it is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import integers
from .formats import Array, Type, directed, flushed, odd, rounded, sum_of
from .operands import Op, Step, meaning

Function = Callable[..., Array]

INTEGRAL = "rni", "rzi", "rmi", "rpi"


@meaning("cvt")
def _cvt(op: Op) -> Step:
    result, source, *more = op.types()
    if more:
        raise op.unknown()
    integral = op.choice(*INTEGRAL, default="")
    mode = op.choice("rn", "rna", "rz", "rm", "rp", default="rn")
    ftz, saturate, finite = op.flag("ftz"), op.flag("sat"), op.flag("satfinite")
    if source.kind == "f" and result.kind == "f":
        function = _float_to_float(source, result, mode, integral, saturate, finite)
    elif source.kind == "f":
        function = lambda x: float_to_integer(x, source, result, integral)  # noqa: E731
    elif result.kind == "f":
        function = lambda x: integer_to_float(x, result, mode)  # noqa: E731
    else:
        function = _integer_to_integer(result, saturate)
    plain = function
    if ftz:

        def function(x: Array) -> Array:
            out = plain(flushed(x) if source.name == "f32" else x)
            return flushed(out) if result.name == "f32" else out

    if op.flag("relu"):
        unbounded = function
        function = lambda x: np.maximum(unbounded(x), 0.0)  # noqa: E731
    if result.lanes == 2:  # the first source goes into the upper half
        joined = function
        both = lambda a, b: np.stack(np.broadcast_arrays(joined(b), joined(a)), -1)  # noqa: E731
        return op.compute(both, (source, source), result)
    return op.compute(function, (source,), result)


def _float_to_float(
    source: Type, result: Type, mode: str, integral: str, saturate: bool, finite: bool
) -> Function:
    def function(x: Array) -> Array:
        if integral:
            x = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}[integral](x)
        if source.name != result.name and result.float is not None:
            wide = np.asarray(x, np.float64)
            x = rounded(wide, result.float, mode)
            if finite:
                x = np.clip(x, -result.float.largest, result.float.largest)
        if saturate:
            x = np.where(x > 0, np.minimum(x, 1.0), 0.0)
        return np.asarray(x).astype(result.dtype)

    return function


def float_to_integer(x: Array, source: Type, result: Type, integral: str) -> Array:
    """The nearest integer of the type; a NaN is 0, or the sign bit alone where 64 bits meet."""
    low, high = integers.limits(result)
    wide = np.asarray(x, np.float64)
    wide = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}[integral](wide)
    over, under = wide >= float(high) + (1.0 if result.bits < 53 else 0.0), wide <= float(low)
    inside = np.where(over | under | np.isnan(wide), 0.0, wide)
    out = inside.astype(result.dtype)
    out = np.where(over, result.dtype.type(high), np.where(under, result.dtype.type(low), out))
    sixty_four = source.name == "f64" or result.bits == 64
    nan = result.dtype.type((low or high // 2 + 1) if sixty_four else 0)
    return np.where(np.isnan(wide), nan, out)


def integer_to_float(x: Array, result: Type, mode: str) -> Array:
    half = x.dtype.type(32)
    if x.dtype.itemsize < 8:
        exact, error = np.asarray(x).astype(np.float64), np.float64(0)
    else:
        high = (x >> half).astype(np.float64) * 2.0**32
        exact, error = sum_of(high, (x & x.dtype.type(0xFFFFFFFF)).astype(np.float64))
    if result.name == "f64":
        return exact if mode == "rn" else directed(exact, error, mode)
    assert result.float is not None
    return rounded(odd(exact, error), result.float, mode).astype(result.dtype)


def _integer_to_integer(result: Type, saturate: bool) -> Function:
    def function(x: Array) -> Array:
        if saturate:
            x = integers.clamped(x, result)
        return x.astype(result.dtype)

    return function
