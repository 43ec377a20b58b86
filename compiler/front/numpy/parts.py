"""Numbers taken apart: fractions, exponents, divisors, bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.graph import Graph, Value, apply_all
from ...ops.nested.while_loop import While
from ...trace.operands import axis_of, casted, new, tracer, unsupported, wrong
from ...trace.table import implements, ufunc
from ...trace.tracer import FUNCTIONS, Tracer, tracing
from .elementwise import absolute, where
from .reductions import any as any_
from .shapes import moveaxis, ravel

__all__ = [
    "bitwise_count", "frexp", "gcd", "isneginf", "isposinf", "lcm", "ldexp", "modf", "packbits",
    "spacing", "unpackbits",
]  # fmt: skip

# ---------------------------------------------------------------- floats


def _infinite(function: Any, negative: bool) -> Any:
    def implementation(x: Any, out: Any = None) -> Tracer:
        unsupported(function.__name__, out=out)
        a = tracer(x)
        if a.type.is_complex:
            raise wrong(f"{function.__name__}: real numbers are required, got {a.type}")
        return FUNCTIONS[np.isinf](a) & (FUNCTIONS[np.signbit](a.astype("f64")) == negative)

    return implements(function)(implementation)


isneginf, isposinf = _infinite(np.isneginf, True), _infinite(np.isposinf, False)


@ufunc(np.modf)
def modf(x: Value) -> tuple[Value, Value]:
    """What is behind the point, with the sign of x, and what is before it."""
    a: Any = new(x)
    whole: Any = np.trunc(a)
    rest = where(np.signbit(a), -(whole - a), a - whole)  # -0 of -0, and the slope is 1
    nothing: Any = np.copysign(0, a)
    return where(np.isinf(a), nothing.astype(a.dtype), rest).value, whole.value


def _two_to(k: Any, dtype: Any) -> Any:
    """2 ** k for whole k, exact: where it is normal."""
    return np.exp2(k.astype(np.float64)).astype(dtype)


def _split(a: Any) -> tuple[Any, Any]:
    """m and e as of `frexp`."""
    limits = np.finfo(a.dtype)
    scaled = limits.nmant + 2  # a power that makes what is subnormal normal
    finite = np.isfinite(a) & (a != 0)
    small = np.abs(a) < limits.tiny
    y: Any = np.where(finite, np.where(small, a * a.dtype.type(2.0**scaled), a), 1)
    e: Any = np.floor(np.log2(np.abs(y))).astype(np.int32) + 1
    m: Any = y * _two_to(-e // 2, a.dtype) * _two_to(-e - (-e // 2), a.dtype)  # 2 ** -e is beyond
    more, less = np.abs(m) >= 1, np.abs(m) < 0.5  # where log2 was rounded to a whole number
    m = np.where(more, m * 0.5, np.where(less, m * 2, m))
    e = e + more.astype(np.int32) - less.astype(np.int32)
    e = np.where(finite, e - np.where(small, np.int32(scaled), np.int32(0)), np.int32(0))
    return np.where(finite, m, a), e


@ufunc(np.frexp)
def frexp(x: Value) -> tuple[Value, Value]:
    """m of 0.5 <= |m| < 1 and a whole e with x = m * 2 ** e; where there is none, x and 0."""
    m, e = _split(new(x))
    return m.value, e.value


@ufunc(np.ldexp)
def ldexp(x: Value, n: Value) -> Value:
    """x * 2 ** n, rounded once"""
    m, e = _split(new(x))
    limits = np.finfo(m.dtype)
    wanted: Any = np.clip(tracer(new(n), "i64"), -(10**6), 10**6) + e.astype(np.int64)
    first = np.clip(wanted, limits.minexp + 1, limits.maxexp - 1)  # normal, and exact
    rest = np.clip(wanted - first, -64, 2)
    return (m * _two_to(first, m.dtype) * _two_to(rest, m.dtype)).value


@ufunc(np.spacing)
def spacing(x: Value) -> Value:
    """How far the next number away from 0 is, with the sign of x; NaN of what is infinite."""
    a: Any = new(x)
    beyond: Any = np.nextafter(a, np.where(a < 0, -np.inf, np.inf).astype(a.dtype))
    return (beyond - a).value


# ---------------------------------------------------------------- integers


def _common(x: Value, y: Value) -> Tracer:
    """The greatest common divisor, by Euclid's steps, which run until all elements are done; of
    magnitudes without signs, for that of the least integer is no integer of its dtype."""
    name = f"u{x.type.numpy.itemsize * 8}"
    sizes = [casted(absolute(new(v)).value, name) for v in (x, y)]
    with tracing("gcd") as made:
        a, b = Value(sizes[0].type), Value(sizes[0].type)
        p, q = Tracer(a, made), Tracer(b, made)
        done = q == 0
        more = Graph.of("condition", (a, b), (any_(~done).value,))
        step = where(done, p, q), where(done, q, p % where(done, 1, q))
        body = Graph.of("body", (a, b), tuple(v.value for v in step))
    return new(casted(apply_all(While(more, body, 0), *sizes)[0], x.dtype))


@ufunc(np.gcd)
def gcd(x: Value, y: Value) -> Value:
    return _common(x, y).value


@ufunc(np.lcm)
def lcm(x: Value, y: Value) -> Value:
    a, b = absolute(new(x)), absolute(new(y))
    common = _common(x, y)
    return (a // where(common == 0, 1, common) * b).value


@ufunc(np.bitwise_count)
def bitwise_count(x: Value) -> Value:
    """How many bits of |x| are 1: added in pairs, then pairs of those."""
    bits = x.type.numpy.itemsize * 8
    a: Any = tracer(np.abs(new(x)), f"u{bits}")
    for by in (1, 2, 4, 8, 16, 32):
        if by < bits:
            mask = a.dtype.type((2**bits - 1) // (2**by + 1))
            a = (a & mask) + ((a >> a.dtype.type(by)) & mask)
    return casted(a.value, "u8")


def _eighths(name: str, bitorder: str) -> np.ndarray:
    """By how much the bits of a byte are shifted, in their order."""
    if bitorder not in ("big", "little"):
        raise wrong(f"{name}: a bitorder of 'big' or 'little' is required, got {bitorder!r:.40}")
    order = np.arange(8, dtype=np.uint8)
    return order[::-1] if bitorder == "big" else order


@implements(np.packbits)
def packbits(a: Any, /, axis: int | None = None, bitorder: str = "big") -> Tracer:
    """Bytes of eight truth values each, the last filled up with zeros."""
    x, by = tracer(a), _eighths("packbits", bitorder)
    if x.type.is_inexact:
        raise wrong(f"packbits: bools or integers are required, got {x.type}", "packbits(x != 0)")
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of("packbits", axis, x.ndim))
    bits: Any = moveaxis(x != 0, axis, -1).astype(np.uint8)
    bits = np.pad(bits, [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[axis] % 8)])
    bits = bits.reshape(*bits.shape[:-1], bits.shape[-1] // 8, 8)
    return moveaxis(np.sum(bits << by, -1, dtype=np.uint8), -1, axis)


@implements(np.unpackbits)
def unpackbits(
    a: Any, /, axis: int | None = None, count: int | None = None, bitorder: str = "big"
) -> Tracer:
    """The bits of bytes: the first `count`, all but the last -count if that is negative."""
    x, by = tracer(a), _eighths("unpackbits", bitorder)
    if x.type.dtype != "u8":
        raise wrong(f"unpackbits: bytes, u8, are required, got {x.type}")
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of("unpackbits", axis, x.ndim))
    bits: Any = (moveaxis(x, axis, -1)[..., None] >> by) & np.uint8(1)
    bits = bits.reshape(*bits.shape[:-2], bits.shape[-2] * 8)
    if count is not None:
        more = max(count - bits.shape[-1], 0)
        bits = np.pad(bits, [(0, 0)] * (x.ndim - 1) + [(0, more)])[..., :count]
    return moveaxis(bits, -1, axis)
