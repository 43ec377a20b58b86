"""Vectors in the native language: their kinds, operators, selection, casts and folds.

    a = load(x, i, 32)                 # 32 floats; LLVM splits what is wider than a register
    b = fma(a, 2.0, c)                 # operands may be vectors, one-lane vectors and numbers
    y = select(a < b, a, b)            # a comparison is a mask, a vector of bool
    s = total(y)                       # one lane

A word takes the emitter first, which texts do not write. A one-lane vector is a scalar: it widens
to the other operand, as Python numbers do. A run-time i64 meets only vectors of i64; `full` says
which dtype is meant elsewhere. Nothing contracts or reassociates: fma is written, and folds add
halves to halves. Integers wrap around.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.ir as ir
import numpy as np

from ....runtime.native.language import Emitter, Integer, Kind, NativeError, NativeValue, Word
from ...ir.types import NUMPY

LLVM = Any  # a value or type of llvmlite, which has no types to check
I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))


@dataclass(frozen=True)
class Dtype:
    """How elements are held in lanes and in memory.

    Family: bool, signed, unsigned, float, or half: 16 bits of a float, which only casts read."""

    name: str
    lane: LLVM
    memory: LLVM
    family: str
    bytes: int


DTYPES = {
    d.name: d
    for d in (
        Dtype("bool", I1, I8, "bool", 1),
        Dtype("i8", I8, I8, "signed", 1),
        Dtype("i16", I16, I16, "signed", 2),
        Dtype("i32", I32, I32, "signed", 4),
        Dtype("i64", I64, I64, "signed", 8),
        Dtype("u8", I8, I8, "unsigned", 1),
        Dtype("u16", I16, I16, "unsigned", 2),
        Dtype("u32", I32, I32, "unsigned", 4),
        Dtype("u64", I64, I64, "unsigned", 8),
        Dtype("f16", I16, I16, "half", 2),
        Dtype("bf16", I16, I16, "half", 2),
        Dtype("f32", ir.FloatType(), ir.FloatType(), "float", 4),
        Dtype("f64", ir.DoubleType(), ir.DoubleType(), "float", 8),
    )
}


@dataclass(frozen=True)
class Vector(Kind):
    """`lanes` elements of `dtype`."""

    dtype: str
    lanes: int

    @property
    def llvm(self) -> ir.VectorType:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ir.VectorType(DTYPES[self.dtype].lane, self.lanes)

    @property
    def family(self) -> str:
        return DTYPES[self.dtype].family

    @property
    def floating(self) -> bool:
        return self.family == "float"

    def __str__(self) -> str:
        return f"{self.dtype}x{self.lanes}"

    def negative(self, e: Emitter, x: Any) -> NativeValue:
        return neg(e, x)

    def binary(self, e: Emitter, op: str, x: Any, y: Any) -> NativeValue:
        kind, (a, b) = widen_all(e, x, y)
        table = OPERATORS.get(kind.family, OPERATORS["integer"])
        if op not in table:
            raise NativeError(f"'{op}' is not defined for {kind.dtype}")
        return NativeValue(kind, table[op](e, kind, a, b))

    def compare(self, e: Emitter, op: str, x: Any, y: Any) -> NativeValue:
        kind, (a, b) = widen_all(e, x, y)
        if kind.family == "half":
            raise NativeError(f"'{op}' is not defined for {kind.dtype}")
        if kind.floating:
            emit = e.builder.fcmp_unordered if op == "!=" else e.builder.fcmp_ordered
        else:
            emit = e.builder.icmp_signed if kind.family == "signed" else e.builder.icmp_unsigned
        return NativeValue(Vector("bool", kind.lanes), emit(op, a, b))


# ------------------------------------------------------------------ widening


def literal(kind: Vector, x: bool | int | float) -> ir.Constant:
    """The literal `x` in every lane of `kind`; it must have a place there."""
    if kind.floating:
        return Splat(kind, float(x))
    if kind.family == "half":
        return Splat(kind, int(np.asarray(x, NUMPY[kind.dtype]).view(np.uint16)))
    least, above = integer_range(kind)
    if isinstance(x, float) or not least <= x < above:
        raise NativeError(f"{x!r} is no {kind.dtype}")
    return Splat(kind, int(x))


def integer_range(kind: Vector) -> tuple[int, int]:
    """The least integer of a dtype, and the one above the largest."""
    bits = 1 if kind.family == "bool" else 8 * DTYPES[kind.dtype].bytes
    return (-(1 << bits - 1), 1 << bits - 1) if kind.family == "signed" else (0, 1 << bits)


class VectorText(ir.Constant):
    """A vector by a text that is made once: naming all lanes anew is a third of emitting."""

    def __init__(self, of: ir.VectorType, text: str) -> None:
        self.type, self.text, self.constant = of, text, ()  # no lanes, for who would look at each

    def get_reference(self) -> str:
        return self.text


def undefined(of: ir.VectorType) -> VectorText:
    return VectorText(of, "undef")


class Splat(VectorText):
    """A number in every lane."""

    def __init__(self, kind: Vector, x: int | float) -> None:
        number = ir.Constant(DTYPES[kind.dtype].lane, x)
        super().__init__(kind.llvm, f"splat ({number.type} {number.get_reference()})")


@cache
def pattern(lanes: tuple[int, ...], of: LLVM = I32) -> VectorText:
    """Integers, lane by lane."""
    kind = ir.VectorType(of, len(lanes))
    if len(set(lanes)) == 1:
        return VectorText(kind, f"splat ({of} {lanes[0]})")
    return VectorText(kind, ir.Constant(kind, list(lanes)).get_reference())


def lane_numbers(lanes: int, of: LLVM = I32) -> VectorText:
    """0, 1, 2, ..."""
    return pattern(tuple(range(lanes)), of)


def shuffle(e: Emitter, x: LLVM, lanes: list[int], y: LLVM | None = None) -> LLVM:
    other = undefined(x.type) if y is None else y
    return e.builder.shuffle_vector(x, other, pattern(tuple(lanes)))


def splat(e: Emitter, x: LLVM, lanes: int) -> LLVM:
    """An LLVM scalar in every lane."""
    blank = undefined(ir.VectorType(x.type, lanes))
    return shuffle(e, e.builder.insert_element(blank, x, ir.Constant(I32, 0)), [0] * lanes)


def widen(e: Emitter, x: Any, kind: Vector) -> LLVM:
    """A vector, one-lane vector or number as `kind`."""
    if isinstance(x, bool | int | float):
        return literal(kind, x)
    if isinstance(x, NativeValue) and isinstance(x.kind, Vector) and x.kind.dtype == kind.dtype:
        if x.kind.lanes == kind.lanes:
            return x.llvm
        if x.kind.lanes == 1:
            return shuffle(e, x.llvm, [0] * kind.lanes)
    if isinstance(x, NativeValue) and x.kind == {"i64": Integer(64), "bool": Integer(1)}.get(
        kind.dtype
    ):
        return splat(e, x.llvm, kind.lanes)
    raise NativeError(f"{kind} is required, got {x.kind if isinstance(x, NativeValue) else x!r}")


def common_kind(*xs: Any) -> Vector:
    """The kind that operands widen to."""
    kinds = [x.kind for x in xs if isinstance(x, NativeValue) and isinstance(x.kind, Vector)]
    if not kinds:
        raise NativeError("a vector is required")
    return Vector(kinds[0].dtype, max(k.lanes for k in kinds))


def widen_all(e: Emitter, *xs: Any) -> tuple[Vector, list[LLVM]]:
    kind = common_kind(*xs)
    return kind, [widen(e, x, kind) for x in xs]


def mangled(t: LLVM) -> str:
    if isinstance(t, ir.VectorType):
        return f"v{t.count}{mangled(t.element)}"
    return {ir.FloatType: "f32", ir.DoubleType: "f64"}.get(type(t)) or f"i{t.width}"


def intrinsic(
    e: Emitter, name: str, *args: LLVM, result: LLVM | None = None, suffix: str | None = None
) -> LLVM:
    """A call of an LLVM intrinsic overloaded on the type of its first operand."""
    t = args[0].type
    full = f"{name}.{suffix or mangled(t)}"
    return e.builder.call(e.declare(full, result or t, [a.type for a in args]), args)


# ------------------------------------------------------------------ operators

Emission = Callable[[Emitter, Vector, LLVM, LLVM], LLVM]


def instruction(name: str) -> Emission:
    return lambda e, kind, x, y: getattr(e.builder, name)(x, y)


def shift(name: str) -> Emission:
    """As NumPy: beyond the width, what repeated shifting gives (LLVM leaves it open)."""

    def emit(e: Emitter, kind: Vector, x: LLVM, y: LLVM) -> LLVM:
        signed = kind.family == "signed" and name == ">>"
        last = literal(kind, 8 * DTYPES[kind.dtype].bytes - 1)
        inside = e.builder.icmp_unsigned("<=", y, last)
        by = e.builder.select(inside, y, last)
        if signed:
            return e.builder.ashr(x, by)
        shifted = (e.builder.shl if name == "<<" else e.builder.lshr)(x, by)
        return e.builder.select(inside, shifted, literal(kind, 0))

    return emit


def division(e: Emitter, kind: Vector, x: LLVM, y: LLVM) -> tuple[LLVM, LLVM]:
    """Quotient rounded down, remainder of the divisor's sign; both 0 where y is 0, as in NumPy.

    The divisors LLVM leaves open (0, and -1 under the least integer) are replaced by 1 first."""
    b, zero, one = e.builder, literal(kind, 0), literal(kind, 1)
    none = b.icmp_unsigned("==", y, zero)
    if kind.family == "unsigned":
        safe = b.select(none, one, y)
        q, r = b.udiv(x, safe), b.urem(x, safe)
        return b.select(none, zero, q), b.select(none, zero, r)
    least = literal(kind, integer_range(kind)[0])
    wraps = b.and_(b.icmp_unsigned("==", x, least), b.icmp_unsigned("==", y, literal(kind, -1)))
    safe = b.select(b.or_(none, wraps), one, y)
    q, r = b.sdiv(x, safe), b.srem(x, safe)
    apart = b.and_(b.icmp_unsigned("!=", r, zero), b.icmp_signed("<", b.xor(r, safe), zero))
    q = b.select(apart, b.sub(q, one), q)
    r = b.select(apart, b.add(r, safe), r)
    return b.select(none, zero, q), r


LOGIC = {"&": instruction("and_"), "|": instruction("or_"), "^": instruction("xor")}
OPERATORS: dict[str, dict[str, Emission]] = {
    "bool": LOGIC,
    "half": {},
    "float": {
        "+": instruction("fadd"),
        "-": instruction("fsub"),
        "*": instruction("fmul"),
        "/": instruction("fdiv"),
    },
    "integer": LOGIC
    | {
        "+": instruction("add"),
        "-": instruction("sub"),
        "*": instruction("mul"),
        "<<": shift("<<"),
        ">>": shift(">>"),
    }
    | {
        "//": lambda e, k, x, y: division(e, k, x, y)[0],
        "%": lambda e, k, x, y: division(e, k, x, y)[1],
    },
}


# ------------------------------------------------------------------ arithmetic


def float_word(name: str) -> Word:
    """LLVM's function of floats, e.g. `llvm.floor`, of one kind for all operands."""

    def word(e: Emitter, *xs: Any) -> NativeValue:
        kind, values = widen_all(e, *xs)
        if not kind.floating:
            raise NativeError(f"{name.removeprefix('llvm.')}: floats are required, got {kind}")
        return NativeValue(kind, intrinsic(e, name, *values))

    return word


fma = float_word("llvm.fma")
sqrt = float_word("llvm.sqrt")
floor = float_word("llvm.floor")
ceil = float_word("llvm.ceil")
rint = float_word("llvm.rint")
trunc = float_word("llvm.trunc")
copysign = float_word("llvm.copysign")


def fmod(e: Emitter, x: Any, y: Any) -> NativeValue:
    """The remainder of x / y rounded toward zero, as C's; lane by lane, slow."""
    kind, (a, b) = widen_all(e, x, y)
    return NativeValue(kind, e.builder.frem(a, b))


def polynomial(e: Emitter, x: NativeValue, *coefficients: float) -> NativeValue:
    """By Horner's rule with fma, highest power first."""
    y: Any = coefficients[0]
    for c in coefficients[1:]:
        y = fma(e, y, x, c)
    return y


def neg(e: Emitter, x: Any) -> NativeValue:
    """-x; changes the sign of zeros too."""
    kind, (v,) = widen_all(e, x)
    if kind.family == "bool":
        raise NativeError("'-' is not defined for bool")
    return NativeValue(kind, e.builder.fneg(v) if kind.floating else e.builder.neg(v))


def abs_(e: Emitter, x: Any) -> NativeValue:
    kind, (v,) = widen_all(e, x)
    if kind.floating:
        return NativeValue(kind, intrinsic(e, "llvm.fabs", v))
    return NativeValue(
        kind, intrinsic(e, "llvm.abs", v, ir.Constant(I1, 0)) if kind.family == "signed" else v
    )


def invert(e: Emitter, x: Any) -> NativeValue:
    """~x: all bits of integers, the truth of bools."""
    kind, (v,) = widen_all(e, x)
    return NativeValue(kind, e.builder.xor(v, Splat(kind, -1)))


def extremum(sign: str) -> Emission:
    """The larger or smaller; NaN if either is; x where they are equal."""
    name = "max" if sign == ">" else "min"

    def emit(e: Emitter, kind: Vector, x: LLVM, y: LLVM) -> LLVM:
        if kind.family == "bool":
            return e.builder.or_(x, y) if sign == ">" else e.builder.and_(x, y)
        if not kind.floating:
            return intrinsic(e, f"llvm.{'s' if kind.family == 'signed' else 'u'}{name}", x, y)
        # two compares: llvm.maximum also orders -0 and +0, which costs more
        better = e.builder.select(e.builder.fcmp_ordered(sign, y, x), y, x)
        return e.builder.select(e.builder.fcmp_unordered("uno", y, y), y, better)

    return emit


def two(emit: Emission) -> Word:
    def word(e: Emitter, x: Any, y: Any) -> NativeValue:
        kind, (a, b) = widen_all(e, x, y)
        return NativeValue(kind, emit(e, kind, a, b))

    return word


largest_of, smallest_of = extremum(">"), extremum("<")
maximum, minimum = two(largest_of), two(smallest_of)


# ------------------------------------------------------------------ masks and lanes


def select(e: Emitter, mask: Any, x: Any, y: Any) -> NativeValue:
    """x where the mask holds, else y."""
    kind = common_kind(x, y)
    lanes = max(kind.lanes, common_kind(mask).lanes)
    kind = Vector(kind.dtype, lanes)
    test = widen(e, mask, Vector("bool", lanes))
    return NativeValue(kind, e.builder.select(test, widen(e, x, kind), widen(e, y, kind)))


def first(e: Emitter, n: Any, lanes: int) -> NativeValue:
    """The mask `lane < n`; n may exceed the lanes."""
    limit = e.builder.trunc(e.i64(e.min(n, lanes)), I32)  # lanes of 32 bits: half the compares
    inside = e.builder.icmp_signed("<", lane_numbers(lanes), splat(e, limit, lanes))
    return NativeValue(Vector("bool", lanes), inside)


def full(e: Emitter, value: Any, dtype: str, lanes: int) -> NativeValue:
    """`value` (a number, an i64 or one lane) in every lane, as `dtype`."""
    kind = Vector(dtype, lanes)
    if isinstance(value, NativeValue) and isinstance(value.kind, Integer):
        value = cast(e, NativeValue(Vector("i64", 1), splat(e, e.i64(value), 1)), dtype)
    return NativeValue(kind, widen(e, value, kind))


def iota(e: Emitter, start: Any, dtype: str, lanes: int) -> NativeValue:
    """start, start + 1, ..."""
    at = e.builder.add(splat(e, e.i64(start), lanes), lane_numbers(lanes, I64))
    return cast(e, NativeValue(Vector("i64", lanes), at), dtype)


def widened(e: Emitter, x: Any, lanes: int) -> NativeValue:
    kind = Vector(common_kind(x).dtype, lanes)
    return NativeValue(kind, widen(e, x, kind))


def shifted(e: Emitter, x: NativeValue, by: int, fill: Any) -> NativeValue:
    """Lanes moved up by `by`, or down where that is negative; `fill` in those left behind."""
    kind = common_kind(x)
    n = kind.lanes
    order = [k - by if 0 <= k - by < n else n for k in range(n)]
    return NativeValue(kind, shuffle(e, x.llvm, order, widen(e, fill, kind)))


def lane(e: Emitter, x: NativeValue, k: int) -> NativeValue:
    """Lane k, as one lane."""
    kind = common_kind(x)
    return NativeValue(Vector(kind.dtype, 1), shuffle(e, x.llvm, [k]))


def scalar(e: Emitter, x: NativeValue) -> NativeValue:
    """The only lane of integers or bools as an i64, for an index or a condition."""
    kind = common_kind(x)
    if kind.lanes != 1 or kind.floating:
        raise NativeError(f"scalar: one lane of integers is required, got {kind}")
    return NativeValue(
        Integer(64), e.builder.extract_element(cast(e, x, "i64").llvm, ir.Constant(I32, 0))
    )


def cast(e: Emitter, x: NativeValue, dtype: str) -> NativeValue:
    """x as `dtype`.

    Floats to integers round toward zero and saturate, NaN gives 0. Integers wrap. Bool is x != 0.
    Halves pass through f32: from f64 to f16 without a second rounding, as NumPy, to bf16 with one,
    as ml_dtypes; so do integers.
    """
    source = common_kind(x)
    to = Vector(dtype, source.lanes)
    b, t = e.builder, to.llvm
    v: LLVM = x.llvm
    old, new = DTYPES[source.dtype], DTYPES[dtype]
    if old == new:
        return x
    if old.family == "half":
        return cast(e, from_half(e, x), dtype)
    if new.family == "half":
        odd = source.dtype == "f64" and dtype == "f16"
        return to_half(e, rounded_to_odd(e, x) if odd else cast(e, x, "f32"), dtype)
    if new.family == "bool":
        return source.compare(e, "!=", x, 0)
    if source.floating and to.floating:
        return NativeValue(to, b.fpext(v, t) if new.bytes > old.bytes else b.fptrunc(v, t))
    if to.floating:
        return NativeValue(to, b.sitofp(v, t) if old.family == "signed" else b.uitofp(v, t))
    if source.floating:
        name = "llvm.fptosi.sat" if new.family == "signed" else "llvm.fptoui.sat"
        return NativeValue(
            to, intrinsic(e, name, v, result=t, suffix=f"{mangled(t)}.{mangled(v.type)}")
        )
    if new.lane.width == old.lane.width:
        return NativeValue(to, v)
    if new.lane.width < old.lane.width:
        return NativeValue(to, b.trunc(v, t))
    return NativeValue(to, b.sext(v, t) if old.family == "signed" else b.zext(v, t))


def from_half(e: Emitter, x: NativeValue) -> NativeValue:
    """f16 or bf16 as f32, exactly."""
    kind = common_kind(x)
    wide = Vector("f32", kind.lanes)
    if kind.dtype == "f16":
        halves = ir.VectorType(ir.HalfType(), kind.lanes)
        return NativeValue(wide, e.builder.fpext(e.builder.bitcast(x.llvm, halves), wide.llvm))
    bits = Vector("u32", kind.lanes)
    shifted = e.builder.shl(e.builder.zext(x.llvm, bits.llvm), literal(bits, 16))
    return NativeValue(wide, e.builder.bitcast(shifted, wide.llvm))


def to_half(e: Emitter, x: NativeValue, dtype: str) -> NativeValue:
    """f32 as f16 or bf16, halves to even; NaN stays NaN."""
    kind = Vector(dtype, common_kind(x).lanes)
    b = e.builder
    if dtype == "f16":
        # else LLVM may take two roundings, of which the first is exact, for one from f64 to f16:
        # a call of a function which nobody brings
        fenced = intrinsic(e, "llvm.arithmetic.fence", x.llvm)
        halves = b.fptrunc(fenced, ir.VectorType(ir.HalfType(), kind.lanes))
        return NativeValue(kind, b.bitcast(halves, kind.llvm))
    words = Vector("u32", kind.lanes)
    bits = b.bitcast(x.llvm, words.llvm)
    last = b.and_(b.lshr(bits, literal(words, 16)), literal(words, 1))
    up = b.add(bits, b.add(last, literal(words, 0x7FFF)))
    quiet = b.or_(bits, literal(words, 0x400000))
    kept = b.select(b.fcmp_unordered("uno", x.llvm, x.llvm), quiet, up)
    return NativeValue(kind, b.trunc(b.lshr(kept, literal(words, 16)), kind.llvm))


def rounded_to_odd(e: Emitter, x: NativeValue) -> NativeValue:
    """f64 as f32, cut off, the last bit set if anything was lost: rounded further, rounds x."""
    wide, narrow = common_kind(x), Vector("f32", common_kind(x).lanes)
    words, b = Vector("u32", wide.lanes), e.builder
    near = b.fptrunc(x.llvm, narrow.llvm)
    back = b.fpext(near, wide.llvm)
    size, back_size = (intrinsic(e, "llvm.fabs", v) for v in (x.llvm, back))
    beyond = b.zext(b.fcmp_ordered(">", back_size, size), words.llvm)
    lost = b.zext(b.fcmp_ordered("!=", back, x.llvm), words.llvm)
    bits = b.or_(b.sub(b.bitcast(near, words.llvm), beyond), lost)
    return NativeValue(narrow, b.bitcast(bits, narrow.llvm))


def reinterpret(e: Emitter, x: NativeValue, dtype: str) -> NativeValue:
    """The bits of x as another dtype of the same size."""
    to = Vector(dtype, common_kind(x).lanes)
    return NativeValue(to, e.builder.bitcast(x.llvm, to.llvm))


def each_lane(
    e: Emitter, name: str, x: NativeValue, mask: NativeValue, other: NativeValue
) -> NativeValue:
    """libm's function of doubles where the mask holds, else `other`: for ranges that are rare."""
    kind = common_kind(x)
    b, double = e.builder, DTYPES["f64"].lane
    f = e.declare(name, double, [double])
    block = e.alloca(ir.ArrayType(double, kind.lanes), 64)
    place = b.bitcast(block, ir.VectorType(double, kind.lanes).as_pointer())
    b.store(cast(e, x, "f64").llvm, place, align=64)

    def body(k: NativeValue) -> None:
        slot = b.gep(block, [e.i64(0), k.llvm], inbounds=True)
        b.store(b.call(f, [b.load(slot)]), slot)

    e.repeat(body, kind.lanes)
    wide = NativeValue(Vector("f64", kind.lanes), b.load(place, align=64))
    return select(e, mask, cast(e, wide, kind.dtype), other)


# ------------------------------------------------------------------ folds


def lane_fold(combine: Callable[[Emitter, NativeValue, NativeValue], NativeValue]) -> Word:
    """Folds the upper half of the lanes, a power of two, onto the lower until one is left."""

    def word(e: Emitter, x: NativeValue) -> NativeValue:
        kind = common_kind(x)
        if kind.lanes & (kind.lanes - 1):
            raise NativeError(f"a power of two lanes is required, got {kind}")
        n = kind.lanes
        while n > 1:
            n //= 2
            half = Vector(kind.dtype, n)
            low, high = (shuffle(e, x.llvm, list(range(k, k + n))) for k in (0, n))
            x = combine(e, NativeValue(half, low), NativeValue(half, high))
        return x

    return word


def binary_word(op: str) -> Callable[[Emitter, NativeValue, NativeValue], NativeValue]:
    return lambda e, x, y: x.kind.binary(e, op, x, y)


total, product = lane_fold(binary_word("+")), lane_fold(binary_word("*"))
largest, smallest = lane_fold(maximum), lane_fold(minimum)
any_, all_ = lane_fold(binary_word("|")), lane_fold(binary_word("&"))

SIMD: dict[str, Any] = {
    **{name: name for name in DTYPES},
    "inf": float("inf"), "nan": float("nan"),
    "fma": fma, "sqrt": sqrt, "floor": floor, "ceil": ceil, "rint": rint, "trunc": trunc,
    "copysign": copysign, "fmod": fmod, "polynomial": polynomial,
    "neg": neg, "abs_": abs_, "invert": invert, "maximum": maximum, "minimum": minimum,
    "select": select, "first": first, "full": full, "iota": iota, "widened": widened,
    "lane": lane, "shifted": shifted, "scalar": scalar, "cast": cast, "reinterpret": reinterpret,
    "each_lane": each_lane,
    "total": total, "product": product, "largest": largest, "smallest": smallest,
    "any_": any_, "all_": all_,
}  # fmt: skip
