"""NumPy's ufuncs, and the functions of each element alone. Rules see values of the loop's dtypes
and of one shape."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ... import ops
from ...ir.graph import Value
from ...ir.types import COMPLEX, UNSIGNED, dtype_name, finfo
from ...ops.elementwise import like
from ...ops.source import Full
from ...trace.operands import (
    by_value,
    casted,
    common_shape,
    inexact,
    is_weak,
    new,
    operand,
    promoted,
    shape_of,
    tracer,
    unsupported,
    value,
    wrong,
)
from ...trace.table import implements, ufunc
from ...trace.tracer import Tracer

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "around", "asin", "asinh", "astype", "atan", "atan2", "atanh",
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "cbrt", "ceil", "clip", "conj", "conjugate", "copy",
    "copysign", "cos", "cosh", "deg2rad", "degrees", "divide", "divmod", "equal", "exp", "exp2",
    "expm1", "fabs", "fix", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod",
    "greater", "greater_equal", "heaviside", "hypot", "imag", "invert", "isclose", "iscomplex",
    "iscomplexobj", "isfinite", "isinf", "isnan", "isreal", "isrealobj", "left_shift", "less",
    "less_equal", "log", "log1p", "log2", "log10", "logaddexp", "logaddexp2", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply",
    "nan_to_num", "negative", "nextafter", "not_equal", "positive", "pow", "power", "rad2deg",
    "radians", "real", "reciprocal", "remainder", "right_shift", "rint", "round", "select", "sign",
    "signbit", "sin", "sinc", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "true_divide",
    "trunc",
]  # fmt: skip

# ---------------------------------------------------------------- arithmetic


def _is_bool(x: Value) -> bool:
    return x.dtype == "bool"


def _is_float(x: Value) -> bool:
    return x.type.is_float


def _is_complex(x: Value) -> bool:
    return x.type.is_complex


def _by_parts(rule: Any) -> Any:
    """The rule of real numbers on both parts of complex ones."""

    def both(x: Value) -> Value:
        if not _is_complex(x):
            return rule(x)
        return ops.complex(rule(ops.real(x)), rule(ops.imag(x)))

    return both


def _of_either(rule: Any, combine: Any) -> Any:
    """A truth value of real numbers, combined over the parts of complex ones."""

    def either(x: Value) -> Value:
        return combine(rule(ops.real(x)), rule(ops.imag(x))) if _is_complex(x) else rule(x)

    return either


@ufunc(np.add)
def add(x: Value, y: Value) -> Value:
    return ops.or_(x, y) if _is_bool(x) else ops.add(x, y)


@ufunc(np.multiply)
def multiply(x: Value, y: Value) -> Value:
    return ops.and_(x, y) if _is_bool(x) else ops.mul(x, y)


def _ordered(x: Value, y: Value, strictly: Any, rule: Any) -> Value:
    """Complex numbers compared by their real parts, equal ones by their imaginary parts."""
    real, imag = (ops.real(x), ops.real(y)), (ops.imag(x), ops.imag(y))
    known = ops.and_(*(ops.eq(v, v) for v in imag))
    first = ops.and_(strictly(*real), known)
    return ops.or_(first, ops.and_(ops.eq(*real), rule(*imag)))


def _maximum(x: Value, y: Value) -> Value:
    if _is_complex(x):
        first = ops.or_(_ordered(x, y, ops.gt, ops.ge), ops.ne(x, x))
        return ops.select(first, x, y)
    return ops.or_(x, y) if _is_bool(x) else ops.maximum(x, y)


def _minimum(x: Value, y: Value) -> Value:
    if _is_complex(x):
        first = ops.or_(_ordered(x, y, ops.lt, ops.le), ops.ne(x, x))
        return ops.select(first, x, y)
    return ops.and_(x, y) if _is_bool(x) else ops.minimum(x, y)


def _without_nan(rule: Any) -> Any:
    """The rule on numbers, where NaN alone is NaN."""

    def of_numbers(x: Value, y: Value) -> Value:
        found = rule(x, y)
        if not x.type.is_inexact:
            return found
        return ops.select(ops.ne(x, x), y, ops.select(ops.ne(y, y), x, found))

    return of_numbers


maximum, minimum = ufunc(np.maximum)(_maximum), ufunc(np.minimum)(_minimum)
fmax, fmin = ufunc(np.fmax)(_without_nan(_maximum)), ufunc(np.fmin)(_without_nan(_minimum))


def _identity(x: Value) -> Value:
    return x


subtract = ufunc(np.subtract)(ops.sub)
divide = true_divide = ufunc(np.divide)(ops.div)
negative = ufunc(np.negative)(ops.neg)
positive = ufunc(np.positive)(_identity)
sign = ufunc(np.sign)(ops.sign)
floor_divide = ufunc(np.floor_divide)(ops.floordiv)
remainder = mod = ufunc(np.remainder)(ops.rem)


@ufunc(np.conjugate)
def conjugate(x: Value) -> Value:
    return ops.conj(x) if _is_complex(x) else x


conj = conjugate


@ufunc(np.absolute)
def absolute(x: Value) -> Value:
    return x if x.dtype in ("bool", *UNSIGNED) else ops.abs(x)


abs = absolute
fabs = ufunc(np.fabs)(ops.abs)


@ufunc(np.fmod)
def fmod(x: Value, y: Value) -> Value:
    if x.type.is_float:
        return ops.fmod(x, y)
    found = ops.rem(x, y)  # with the sign of y
    if x.dtype in UNSIGNED:
        return found
    zero = like(x, 0)
    turned = ops.xor(ops.lt(x, zero), ops.lt(found, zero))
    return ops.select(ops.and_(turned, ops.ne(found, zero)), ops.sub(found, y), found)


@ufunc(np.divmod)
def divmod(x: Value, y: Value) -> tuple[Value, Value]:
    return ops.floordiv(x, y), ops.rem(x, y)


@ufunc(np.power, python=True)
def power(x: Value, y: Value, given: list[Any]) -> Value:
    """x ** y; small Python exponents are products (in NumPy, 2 is), whose derivative has no log."""
    exponent = given[1] if type(given[1]) in (int, float) else None
    if _is_complex(x) and exponent is not None and exponent in range(-99, 100):  # as in NumPy
        return _whole_power(x, int(exponent))
    if not x.type.is_inexact:
        if exponent is not None and exponent < 0:
            raise wrong(
                "power: an exponent of 0 or more is required for integers, got " + str(exponent),
                "x.astype(float)",
            )
        return ops.mul(x, x) if exponent == 2 else ops.pow(x, y)
    match exponent:
        case 0:
            return like(x, 1.0)
        case 1:
            return x
        case 2:
            return ops.mul(x, x)
        case 3:
            return ops.mul(ops.mul(x, x), x)
        case 4:
            return ops.mul(square := ops.mul(x, x), square)
        case 0.5:
            return ops.sqrt(x)
        case -1:
            return ops.div(like(x, 1.0), x)
    return ops.pow(x, y)


def _whole_power(x: Value, exponent: int) -> Value:
    """By squaring."""
    if exponent < 0:
        return ops.div(like(x, 1.0), _whole_power(x, -exponent))
    found = None
    while exponent:
        if exponent % 2:
            found = x if found is None else ops.mul(found, x)
        exponent //= 2
        x = ops.mul(x, x) if exponent else x
    return like(x, 1.0) if found is None else found


pow = power
float_power = ufunc(np.float_power)(ops.pow)


@ufunc(np.square)
def square(x: Value) -> Value:
    return x if _is_bool(x) else ops.mul(x, x)


@ufunc(np.reciprocal)
def reciprocal(x: Value) -> Value:
    if x.type.is_inexact:
        return ops.div(like(x, 1.0), x)
    one, zero = like(x, 1), like(x, 0)  # of integers, what 1 / x is cut towards zero
    found = ops.select(ops.eq(x, one), one, zero)
    return found if x.dtype in UNSIGNED else ops.select(ops.eq(x, like(x, -1)), x, found)


# ---------------------------------------------------------------- rounding


@ufunc(np.floor)
def floor(x: Value) -> Value:
    return ops.floor(x) if _is_float(x) else x


@ufunc(np.ceil)
def ceil(x: Value) -> Value:
    return ops.ceil(x) if _is_float(x) else x


@ufunc(np.trunc)
def trunc(x: Value) -> Value:
    return ops.trunc(x) if _is_float(x) else x


rint = ufunc(np.rint)(_by_parts(ops.round))


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Tracer:
    unsupported("fix", out=out)
    return trunc(x)


@implements(np.round, np.around)
def round(a: Any, decimals: int = 0, out: Any = None) -> Tracer:
    unsupported("round", out=out)
    x = tracer(a)
    if x.type.dtype == "bool" and not decimals:
        return x.astype(np.float16)
    if x.type.dtype == "bool":
        raise wrong(f"round: numbers are required, got {x.type}", "x.astype(float)")
    if not x.type.is_inexact:
        if decimals >= 0:
            return x
        tens = round(x.astype(np.float64), decimals)  # may be beyond the dtype, and wraps
        return tens.astype(np.uint64 if x.dtype == np.uint64 else np.int64).astype(x.dtype)
    if not decimals:
        return rint(x)
    if x.type.is_complex:  # by parts: times 1 + 0j an infinite one would be NaN
        parts = (round(part(x), decimals).value for part in (real, imag))
        return new(ops.complex(*parts), x.weak)
    scale = 10.0 ** max(decimals, -decimals)
    return rint(x * scale) / scale if decimals > 0 else rint(x / scale) * scale


around = round

# ---------------------------------------------------------------- comparison, logic, bits


def _bools_less(x: Value, y: Value) -> Value:
    return ops.and_(ops.not_(x), y)


def _bools_at_most(x: Value, y: Value) -> Value:
    return ops.or_(ops.not_(x), y)


COMPARISONS = {
    "equal": (ops.eq, ops.eq, "equal", False),
    "not_equal": (ops.ne, ops.ne, "not_equal", True),
    "less": (ops.lt, _bools_less, "greater", True),
    "less_equal": (ops.le, _bools_at_most, "greater_equal", True),
    "greater": (ops.gt, lambda x, y: _bools_less(y, x), "less", False),
    "greater_equal": (ops.ge, lambda x, y: _bools_at_most(y, x), "less_equal", False),
}
"""On numbers, on bools, with the operands exchanged, and of a negative number and one of u64."""


def _comparison(name: str) -> Any:
    rule, of_bools, exchanged, negative = COMPARISONS[name]

    def compare(x: Value, y: Value) -> Value:
        if _is_bool(x):
            return of_bools(x, y)
        if _is_complex(x) and rule not in (ops.eq, ops.ne):
            return _ordered(x, y, ops.lt if rule in (ops.lt, ops.le) else ops.gt, rule)
        if x.dtype == y.dtype:
            return rule(x, y)
        if x.dtype == "u64":  # NumPy compares i64 and u64 as they are
            return _comparison(exchanged)(y, x)
        below, found = ops.lt(x, like(x, 0)), rule(ops.cast(x, "u64"), y)
        return ops.or_(below, found) if negative else ops.and_(ops.not_(below), found)

    return compare


equal = ufunc(np.equal, among=by_value)(_comparison("equal"))
not_equal = ufunc(np.not_equal, among=by_value)(_comparison("not_equal"))
less = ufunc(np.less, among=by_value)(_comparison("less"))
less_equal = ufunc(np.less_equal, among=by_value)(_comparison("less_equal"))
greater = ufunc(np.greater, among=by_value)(_comparison("greater"))
greater_equal = ufunc(np.greater_equal, among=by_value)(_comparison("greater_equal"))


def _of_truth(rule: Any) -> Any:
    return lambda *xs: rule(*(casted(x, "bool") for x in xs))


logical_and = ufunc(np.logical_and)(_of_truth(ops.and_))
logical_or = ufunc(np.logical_or)(_of_truth(ops.or_))
logical_xor = ufunc(np.logical_xor)(_of_truth(ops.xor))
logical_not = ufunc(np.logical_not)(_of_truth(ops.not_))
bitwise_and = ufunc(np.bitwise_and)(ops.and_)
bitwise_or = ufunc(np.bitwise_or)(ops.or_)
bitwise_xor = ufunc(np.bitwise_xor)(ops.xor)
invert = bitwise_not = bitwise_invert = ufunc(np.invert)(ops.not_)


def _shift(rule: Any, x: Value, y: Value, beyond: Value) -> Value:
    """x shifted by y; `beyond` where y is not within the bits of x."""
    bits = 8 * x.type.numpy.itemsize
    by = y.node.op.value if y.node and isinstance(y.node.op, Full) else None
    if isinstance(by, int) and 0 <= by < bits:
        return rule(x, y)
    inside = ops.lt(y, like(y, bits))
    if y.dtype not in UNSIGNED:
        inside = ops.and_(inside, ops.ge(y, like(y, 0)))
    return ops.select(inside, rule(x, ops.select(inside, y, like(y, 0))), beyond)


@ufunc(np.left_shift)
def left_shift(x: Value, y: Value) -> Value:
    return _shift(ops.shift_left, x, y, like(x, 0))


@ufunc(np.right_shift)
def right_shift(x: Value, y: Value) -> Value:
    if x.dtype in UNSIGNED:
        return _shift(ops.shift_right, x, y, like(x, 0))
    return _shift(ops.shift_right, x, y, ops.select(ops.lt(x, like(x, 0)), like(x, -1), like(x, 0)))


bitwise_left_shift, bitwise_right_shift = left_shift, right_shift


@ufunc(np.isnan)
def isnan(x: Value) -> Value:
    return ops.ne(x, x)


def _isinf(x: Value) -> Value:
    return ops.eq(ops.abs(x), like(x, math.inf)) if _is_float(x) else ops.ne(x, x)


def _isfinite(x: Value) -> Value:
    return ops.lt(ops.abs(x), like(x, math.inf)) if _is_float(x) else ops.eq(x, x)


isinf = ufunc(np.isinf)(_of_either(_isinf, ops.or_))
isfinite = ufunc(np.isfinite)(_of_either(_isfinite, ops.and_))


@ufunc(np.signbit)
def signbit(x: Value) -> Value:
    return ops.lt(ops.copysign(like(x, 1.0), x), like(x, 0.0))


copysign = ufunc(np.copysign)(ops.copysign)
nextafter = ufunc(np.nextafter, single=False)(ops.nextafter)


@ufunc(np.heaviside)
def heaviside(x: Value, y: Value) -> Value:
    zero = like(x, 0.0)
    step = ops.select(ops.lt(x, zero), zero, like(x, 1.0))
    return ops.select(ops.ne(x, x), x, ops.select(ops.eq(x, zero), y, step))


# ---------------------------------------------------------------- functions of one or two reals

exp, expm1 = ufunc(np.exp)(ops.exp), ufunc(np.expm1)(ops.expm1)
log, log1p = ufunc(np.log)(ops.log), ufunc(np.log1p)(ops.log1p)
sqrt, tanh = ufunc(np.sqrt)(ops.sqrt), ufunc(np.tanh)(ops.tanh)
sin, cos = ufunc(np.sin)(ops.sin), ufunc(np.cos)(ops.cos)
exp2, cbrt = ufunc(np.exp2)(ops.exp2), ufunc(np.cbrt)(ops.cbrt)
log2, log10 = ufunc(np.log2)(ops.log2), ufunc(np.log10)(ops.log10)
tan, hypot = ufunc(np.tan)(ops.tan), ufunc(np.hypot)(ops.hypot)
asin = arcsin = ufunc(np.arcsin)(ops.asin)
acos = arccos = ufunc(np.arccos)(ops.acos)
atan = arctan = ufunc(np.arctan)(ops.atan)
atan2 = arctan2 = ufunc(np.arctan2)(ops.atan2)
sinh, cosh = ufunc(np.sinh)(ops.sinh), ufunc(np.cosh)(ops.cosh)
asinh = arcsinh = ufunc(np.arcsinh)(ops.asinh)
acosh = arccosh = ufunc(np.arccosh)(ops.acosh)
atanh = arctanh = ufunc(np.arctanh)(ops.atanh)


@ufunc(np.deg2rad, np.radians)
def deg2rad(x: Value) -> Value:
    return ops.mul(x, like(x, math.pi / 180))


@ufunc(np.rad2deg, np.degrees)
def rad2deg(x: Value) -> Value:
    return ops.mul(x, like(x, 180 / math.pi))


radians, degrees = deg2rad, rad2deg


logaddexp, logaddexp2 = ufunc(np.logaddexp)(ops.logaddexp), ufunc(np.logaddexp2)(ops.logaddexp2)


@implements(np.sinc)
def sinc(x: Any) -> Tracer:
    y = np.pi * tracer(x)
    return new(ops.sinc(y.value), y.weak)


# ---------------------------------------------------------------- choice, casts


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None) -> Tracer:
    if x is None or y is None:
        raise wrong(
            "where: x and y are required for traced arrays, got a condition alone",
            "np.where(mask, x, 0), or wonderland.numpy.where(mask, size=n)",
        )
    mask, x, y = operand(condition), operand(x), operand(y)
    dtype = promoted("where", x, y)
    shape = common_shape("where", shape_of(mask), shape_of(x), shape_of(y))
    chosen = ops.select(value(mask, "bool", shape), value(x, dtype, shape), value(y, dtype, shape))
    return new(chosen, is_weak(x) and is_weak(y))


def root(squares: Any) -> Any:
    """The square root of a sum of squares, with the derivative 0 at 0 that |x| has there."""
    nothing = squares == 0
    return where(nothing, 0.0, sqrt(where(nothing, 1.0, squares)))


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tracer:
    found = default
    conditions, choices = list(condlist), list(choicelist)
    if len(conditions) != len(choices):
        counts = f"{len(conditions)} conditions and {len(choices)} choices"
        raise wrong(f"select: a choice for each condition is required, got {counts}")
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        found = where(condition, choice, found)
    return tracer(found)


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Tracer:
    unsupported("clip", out=out)
    low, high = a_min if a_min is not None else min, a_max if a_max is not None else max
    x = tracer(a)
    if x.dtype.kind in "iu":  # as in NumPy, Python ints beyond the dtype are no bounds
        limits = np.iinfo(x.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tracer:
    x, name = tracer(x), dtype_name(dtype)
    if x.type.is_complex and name not in ("bool", *COMPLEX):
        warnings.warn(
            "Casting complex values to real discards the imaginary part",
            np.exceptions.ComplexWarning,
            stacklevel=3,
        )
    return tracer(x, name)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Tracer:
    x = tracer(a)
    return new(ops.copy(x.value), x.weak)


@implements(np.real)
def real(val: Any) -> Tracer:
    x = tracer(val)
    return new(ops.real(x.value), x.weak) if x.type.is_complex else x


@implements(np.imag)
def imag(val: Any) -> Tracer:
    x = tracer(val)
    return new(ops.imag(x.value) if x.type.is_complex else like(x.value, 0), x.weak)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Tracer:
    z = tracer(z)
    found = arctan2(imag(z), real(z)) if z.type.is_complex else arctan2(0, z)
    return rad2deg(found) if deg else found


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Tracer:
    x = tracer(x)
    if x.type.is_complex:
        parts = (nan_to_num(part(x), copy, nan, posinf, neginf) for part in (real, imag))
        return new(ops.complex(*(part.value for part in parts)), x.weak)
    if not x.type.is_float:
        return x
    most = float(finfo(x.type.dtype).max)
    x = where(isnan(x), nan, x)
    x = where(x == math.inf, most if posinf is None else posinf, x)
    return where(x == -math.inf, -most if neginf is None else neginf, x)


@implements(np.isclose)
def isclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tracer:
    a, b = tracer(a), inexact(b)  # differences of integers would wrap
    near = (absolute(a - b) <= atol + rtol * absolute(b)) & isfinite(b) | (a == b)
    return near | (isnan(a) & isnan(b)) if equal_nan else near


@implements(np.isreal)
def isreal(x: Any) -> Tracer:
    return imag(x) == 0


@implements(np.iscomplex)
def iscomplex(x: Any) -> Tracer:
    return imag(x) != 0


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return tracer(x).type.is_complex


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not tracer(x).type.is_complex
