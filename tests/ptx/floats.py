"""Floating-point arithmetic, comparison and selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from . import integers
from .formats import (
    TYPES,
    Array,
    Type,
    directed,
    error_sign,
    flushed,
    fma64,
    fma_of,
    odd,
    product_of,
    quotient_of,
    root_of,
    rounded,
    sum_of,
)
from .nodes import Both
from .operands import Op, Step, meaning, writer

if TYPE_CHECKING:
    pass

Pair = Callable[..., tuple[Array, Array]]
Function = Callable[..., Array]


def rounding(op: Op) -> str:
    return op.choice("rn", "rz", "rm", "rp", default="rn")


def finished(op: Op, t: Type, function: Function, ftz: bool) -> Function:
    """The function between .ftz of its operands and .ftz, .sat, .relu of its result."""
    saturate, relu = op.flag("sat"), op.flag("relu")

    def whole(*values: Array) -> Array:
        out = function(*(flushed(v) for v in values)) if ftz else function(*values)
        if ftz:
            out = flushed(out)
        if saturate:  # a NaN becomes +0
            out = np.where(out > 0, np.minimum(out, out.dtype.type(1)), out.dtype.type(0))
        if relu:
            out = np.where(out <= 0, out.dtype.type(0), out)
        return out

    return whole if ftz or saturate or relu else function


@dataclass(frozen=True)
class Operation:
    """What is needed to round it in every mode.

    `native` is to nearest in NumPy's own f32 and f64; `pair` gives, of float64 that come from at
    most 24 bits, the nearest float64 and what is lacking; `lacking` is a fraction of that sign for
    any float64; `terms` are what may cancel to a zero, whose sign is then that of the mode.
    """

    native: Function
    pair: Pair
    lacking: Callable[..., Fraction]
    terms: Callable[..., tuple[Array, Array]] | None = None


ARITHMETIC = {
    "add": Operation(np.add, sum_of, lambda s, a, b: a + b - s, lambda a, b: (a, b)),
    "sub": Operation(
        np.subtract, lambda a, b: sum_of(a, -b), lambda s, a, b: a - b - s, lambda a, b: (a, -b)
    ),
    "mul": Operation(np.multiply, product_of, lambda p, a, b: a * b - p),
    "div": Operation(np.divide, quotient_of, lambda q, a, b: a / b - q),
    "sqrt": Operation(np.sqrt, root_of, lambda q, a: a - q * q),
    "fma": Operation(fma64, fma_of, lambda s, a, b, c: a * b + c - s, lambda a, b, c: (a * b, c)),
}


def correctly_rounded(t: Type, mode: str, o: Operation) -> Function:
    """The operation, rounded once to the type."""
    if mode == "rn" and (t.name == "f64" or (t.name == "f32" and o.native is not fma64)):
        return o.native

    def function(*values: Array) -> Array:
        wide = [np.asarray(v, np.float64) for v in values]
        if t.float is None:
            nearest = o.native(*wide)
            error = error_sign(o.lacking, nearest, *wide)
            out = directed(nearest, error, mode)
        else:
            error = np.float64(0)
            out = rounded(odd(*o.pair(*wide)), t.float, mode)
        if mode == "rm" and o.terms is not None:
            x, y = o.terms(*wide)
            cancelled = (out == 0) & (error == 0) & (x == -y) & (np.signbit(x) != np.signbit(y))
            out = np.where(cancelled, -0.0, out)
        return out.astype(t.dtype)

    return function


@meaning("add", "sub", "mul", "div", "rem")
def _arithmetic(op: Op) -> Step:
    t = op.type()
    if t.kind != "f":
        if op.opcode == "mul":
            return integers.multiply(op, t)
        if op.flag("cc"):
            return integers.with_carry(op, t, False, True, 1 if op.opcode == "add" else -1)
        return integers.binary(op, t)
    if op.opcode == "rem":
        raise op.unknown()
    if op.opcode == "div":
        op.ignore("approx", "full")
    mode, ftz = rounding(op), op.flag("ftz")
    function = finished(op, t, correctly_rounded(t, mode, ARITHMETIC[op.opcode]), ftz)
    return op.compute(function, (t, t), t)


@meaning("fma", "mad")
def _fma(op: Op) -> Step:
    t = op.type()
    if t.kind != "f":
        return integers.multiply_add(op, t)
    mode, ftz = rounding(op), op.flag("ftz")
    function = correctly_rounded(t, mode, ARITHMETIC["fma"])
    return op.compute(finished(op, t, function, ftz), (t, t, t), t)


@meaning("sqrt", "rcp")
def _root(op: Op) -> Step:
    t = op.type()
    op.ignore("approx")
    mode, ftz = rounding(op), op.flag("ftz")
    if op.opcode == "sqrt":
        function = correctly_rounded(t, mode, ARITHMETIC["sqrt"])
    else:
        divide = correctly_rounded(t, mode, ARITHMETIC["div"])
        function = lambda a: divide(a.dtype.type(1), a)  # noqa: E731
    return op.compute(finished(op, t, function, ftz), (t,), t)


APPROXIMATE: dict[str, Function] = {
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "ex2": np.exp2,
    "lg2": np.log2,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
}


@meaning(*APPROXIMATE)
def _approximate(op: Op) -> Step:
    """To nearest of float64's function; the hardware may be a few units off."""
    t = op.type()
    op.ignore("approx")
    ftz, plain = op.flag("ftz"), APPROXIMATE[op.opcode]

    def function(x: Array) -> Array:
        exact = plain(np.asarray(x, np.float64))
        return exact if t.float is None else rounded(exact, t.float).astype(t.dtype)

    return op.compute(finished(op, t, function, ftz), (t,), t)


# -- signs, minimum, maximum


@meaning("neg", "abs")
def _sign(op: Op) -> Step:
    t = op.type()
    ftz = op.flag("ftz")
    if t.kind != "f":
        function = np.negative if op.opcode == "neg" else np.abs
        return op.compute(function, (t,), t)
    function = np.negative if op.opcode == "neg" else np.abs
    return op.compute(finished(op, t, function, ftz), (t,), t)


@meaning("copysign")
def _copysign(op: Op) -> Step:
    t = op.type()
    return op.compute(lambda a, b: np.copysign(b, a), (t, t), t)


def extremum(a: Array, b: Array, largest: bool, nans: bool, magnitude: bool) -> Array:
    """IEEE 754-2019 maximumNumber or, with nans, maximum; +0 is larger than -0."""
    x, y = (np.abs(a), np.abs(b)) if magnitude else (a, b)
    first = (
        (x > y) | ((x == y) & ~np.signbit(x)) if largest else (x < y) | ((x == y) & np.signbit(x))
    )
    out = np.where(first, x, y)
    if nans:
        out = np.where(np.isnan(a) | np.isnan(b), a.dtype.type(np.nan), out)
    else:
        out = np.where(np.isnan(a), y, np.where(np.isnan(b), x, out))
    if magnitude:  # .xorsign.abs
        out = np.copysign(out, np.where(np.signbit(a) ^ np.signbit(b), -1.0, 1.0))
    return out.astype(a.dtype)


@meaning("min", "max")
def _extremum(op: Op) -> Step:
    t = op.type()
    if t.kind != "f":
        return integers.binary(op, t)
    ftz, nans = op.flag("ftz"), op.flag("NaN")
    magnitude = op.flag("xorsign")
    if magnitude and not op.flag("abs"):
        raise op.unknown()
    largest, three = op.opcode == "max", len(op.operands) == 4

    def two(a: Array, b: Array) -> Array:
        return extremum(a, b, largest, nans, magnitude)

    if three:
        function = finished(op, t, lambda a, b, c: two(two(a, b), c), ftz)
        return op.compute(function, (t, t, t), t)
    return op.compute(finished(op, t, two, ftz), (t, t), t)


# -- comparison


def _unordered(a: Array, b: Array) -> Array:
    return np.isnan(a) | np.isnan(b)


COMPARISONS: dict[str, Function] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lo": np.less,
    "ls": np.less_equal,
    "hi": np.greater,
    "hs": np.greater_equal,
    "equ": lambda a, b: np.equal(a, b) | _unordered(a, b),
    "neu": np.not_equal,
    "ltu": lambda a, b: ~np.greater_equal(a, b),
    "leu": lambda a, b: ~np.greater(a, b),
    "gtu": lambda a, b: ~np.less_equal(a, b),
    "geu": lambda a, b: ~np.less(a, b),
    "num": lambda a, b: ~_unordered(a, b),
    "nan": _unordered,
}
LOGIC: dict[str, Function] = {
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
}


def comparison(op: Op, t: Type, ftz: bool) -> Function:
    name = op.choice(*COMPARISONS)
    compare = COMPARISONS[name]
    if t.kind == "f" and name == "ne":  # ordered: false where one is a NaN
        compare = lambda a, b: np.not_equal(a, b) & ~_unordered(a, b)  # noqa: E731
    if not ftz:
        return compare
    return lambda a, b: compare(flushed(a), flushed(b))


@meaning("setp")
def _setp(op: Op) -> Step:
    t = op.type()
    compare = comparison(op, t, op.flag("ftz"))
    combine = LOGIC.get(op.choice(*LOGIC, default=""))
    op.done(4 if combine else 3)
    target = op.operands[0]
    pred = TYPES["pred"]
    both = isinstance(target, Both)
    write = writer(target.first if both else target, pred)
    write_other = writer(target.second, pred) if both else None
    a, b = op.read(1, t), op.read(2, t)
    c = op.read(3, pred) if combine else None

    def step(m, active) -> None:
        out = np.asarray(compare(a(m), b(m)))
        other = ~out
        if t.lanes == 2:  # one predicate for each of a pair
            out, other = out[..., 0], out[..., 1]
        if combine and c:
            with_ = c(m)
            out, other = combine(out, with_), combine(other, with_)
        write(m, active, out)
        if write_other:
            write_other(m, active, other)

    return step


@meaning("set")
def _set(op: Op) -> Step:
    result, t = op.types()
    compare = comparison(op, t, op.flag("ftz"))
    combine = LOGIC.get(op.choice(*LOGIC, default=""))

    def function(a: Array, b: Array, *c: Array) -> Array:
        out = np.asarray(compare(a, b))
        if combine:
            out = combine(out, c[0])
        if result.kind == "f":
            return out.astype(result.dtype)
        return np.where(out, ~result.dtype.type(0), result.dtype.type(0))

    return op.compute(function, (t, t, *([TYPES["pred"]] if combine else [])), result)


@meaning("selp")
def _selp(op: Op) -> Step:
    t = op.type()
    raw = TYPES[f"b{t.bits}"] if t.kind != "pred" else t
    return op.compute(lambda a, b, p: np.where(p, a, b), (raw, raw, TYPES["pred"]), raw)


@meaning("slct")
def _slct(op: Op) -> Step:
    ftz = op.flag("ftz")
    t, c = op.types()
    raw = TYPES[f"b{t.bits}"]

    def function(a: Array, b: Array, sign: Array) -> Array:
        return np.where((flushed(sign) if ftz else sign) >= 0, a, b)

    return op.compute(function, (raw, raw, c), raw)


@meaning("testp")
def _testp(op: Op) -> Step:
    test = op.choice("finite", "infinite", "number", "notanumber", "normal", "subnormal")
    t = op.type()
    tiny = np.finfo(np.float32 if t is TYPES["f32"] else np.float64).tiny

    def function(x: Array) -> Array:
        size = np.abs(x)
        return {
            "finite": np.isfinite(x),
            "infinite": np.isinf(x),
            "number": ~np.isnan(x),
            "notanumber": np.isnan(x),
            "normal": np.isfinite(x) & (size >= tiny),
            "subnormal": (size < tiny) & (size > 0),
        }[test]

    return op.compute(function, (t,), TYPES["pred"])
