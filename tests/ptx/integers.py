"""Integer arithmetic, logic, shifts and fields of bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .formats import SIGNED, TYPES, UNSIGNED, Array, Type
from .operands import Op, Step, meaning

if TYPE_CHECKING:
    pass


def limits(t: Type) -> tuple[int, int]:
    bits = t.bits // t.lanes
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if t.kind == "s" else (0, (1 << bits) - 1)


def clamped(x: Array, t: Type) -> Array:
    """Integers as the nearest of the type's; x is of a type that holds both."""
    low, high = limits(t)
    info = np.iinfo(x.dtype)
    return np.clip(x, max(low, int(info.min)), min(high, int(info.max)))


def quotient(a: Array, b: Array) -> Array:
    """Towards zero; all ones where b is 0."""
    safe = np.where(b == 0, b.dtype.type(1), b)
    q = (a - np.fmod(a, safe)) // safe
    return np.where(b == 0, ~(a ^ a), q)


def remainder(a: Array, b: Array) -> Array:
    """Of the sign of a; a itself where b is 0."""
    return np.where(b == 0, a, np.fmod(a, np.where(b == 0, b.dtype.type(1), b)))


def high_product(a: Array, b: Array) -> Array:
    """The upper half of the product."""
    bits = 8 * a.dtype.itemsize
    if bits < 64:
        wide = (SIGNED if a.dtype.kind == "i" else UNSIGNED)[2 * bits]
        return ((a.astype(wide) * b.astype(wide)) >> wide.type(bits)).astype(a.dtype)
    x, y = a.view(np.uint64), b.view(np.uint64)
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    xh, xl, yh, yl = x >> half, x & low, y >> half, y & low
    middle = xh * yl + (xl * yl >> half)
    other = xl * yh + (middle & low)
    high = xh * yh + (middle >> half) + (other >> half)
    if a.dtype.kind == "i":
        high = high - np.where(a < 0, y, np.uint64(0)) - np.where(b < 0, x, np.uint64(0))
    return high.view(a.dtype)


def wide_product(a: Array, b: Array) -> Array:
    wide = (SIGNED if a.dtype.kind == "i" else UNSIGNED)[16 * a.dtype.itemsize]
    return a.astype(wide) * b.astype(wide)


def product_form(op: Op, t: Type) -> tuple[Callable[[Array, Array], Array], Type]:
    """The function of .lo, .hi or .wide and the type of its result."""
    form = op.choice("lo", "hi", "wide")
    if form == "wide":
        return wide_product, t.widened()
    return (np.multiply if form == "lo" else high_product), t


SIMPLE: dict[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "div": quotient,
    "rem": remainder,
    "min": np.minimum,
    "max": np.maximum,
}


def binary(op: Op, t: Type) -> Step:
    """add, sub, div, rem, min, max of integers."""
    function = SIMPLE[op.opcode]
    if op.flag("sat"):
        plain = function
        wide = np.dtype(np.int64)

        def function(a: Array, b: Array) -> Array:
            return clamped(plain(a.astype(wide), b.astype(wide)), t).astype(a.dtype)

    if op.flag("relu"):
        bounded = function
        return op.compute(lambda a, b: np.maximum(bounded(a, b), a.dtype.type(0)), (t, t), t)
    return op.compute(function, (t, t), t)


def with_carry(op: Op, t: Type, carry_in: bool, carry_out: bool, sign: int) -> Step:
    """add, sub and their chains through the carry flag, which is a register of its own."""
    op.done(3)
    reads, write = (op.read(1, t), op.read(2, t)), op.write(0, t)

    def step(m, active) -> None:
        a, b = (np.asarray(read(m)).view(UNSIGNED[t.bits]) for read in reads)
        carry = np.asarray(m.carry if carry_in else False).astype(a.dtype)
        first = a + b if sign > 0 else a - b
        second = first + carry if sign > 0 else first - carry
        write(m, active, second)
        if carry_out:
            out = (first < a) | (second < first) if sign > 0 else (first > a) | (second > first)
            m.carry = out if active.mask is None else np.where(active.mask, out, m.carry)

    return step


@meaning("addc", "subc")
def _chained(op: Op) -> Step:
    t, out = op.type(), op.flag("cc")
    return with_carry(op, t, True, out, 1 if op.opcode == "addc" else -1)


def multiply(op: Op, t: Type) -> Step:
    function, result = product_form(op, t)
    return op.compute(function, (t, t), result)


def multiply_add(op: Op, t: Type) -> Step:
    function, result = product_form(op, t)
    if op.flag("sat"):
        wide = np.dtype(np.int64)
        return op.compute(
            lambda a, b, c: clamped(function(a, b).astype(wide) + c, result).astype(c.dtype),
            (t, t, result),
            result,
        )
    return op.compute(lambda a, b, c: function(a, b) + c, (t, t, result), result)


def _low24(x: Array) -> Array:
    return (x << x.dtype.type(8)) >> x.dtype.type(8)


@meaning("mul24", "mad24")
def _mul24(op: Op) -> Step:
    t, form = op.type(), op.choice("lo", "hi")

    def product(a: Array, b: Array) -> Array:
        whole = wide_product(_low24(a), _low24(b))
        return (whole if form == "lo" else whole >> whole.dtype.type(16)).astype(a.dtype)

    if op.opcode == "mul24":
        return op.compute(product, (t, t), t)
    return op.compute(lambda a, b, c: product(a, b) + c, (t, t, t), t)


@meaning("sad")
def _sad(op: Op) -> Step:
    t = op.type()
    return op.compute(lambda a, b, c: np.where(a < b, b - a, a - b) + c, (t, t, t), t)


@meaning("dp4a", "dp2a")
def _dot(op: Op) -> Step:
    high = op.opcode == "dp2a" and op.choice("lo", "hi") == "hi"
    ta, tb = op.types()
    result = TYPES["s32" if "s" in (ta.kind, tb.kind) else "u32"]
    lanes = 4 if op.opcode == "dp4a" else 2

    def parts(x: Array, kind: str, size: int) -> Array:
        flat = np.ascontiguousarray(x)[..., None]
        return flat.view(f"{'i' if kind == 's' else 'u'}{size}").astype(np.int64)

    def dot(a: Array, b: Array, c: Array) -> Array:
        x = parts(a, ta.kind, 4 // lanes)
        y = parts(b, tb.kind, 1)
        y = y[..., 2:] if high else y[..., :lanes]
        return ((x * y).sum(-1) + c.astype(np.int64)).astype(result.dtype)

    return op.compute(dot, (TYPES["b32"], TYPES["b32"], result), result)


# -- logic


@meaning("and", "or", "xor")
def _logic(op: Op) -> Step:
    t = op.type()
    function = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[op.opcode]
    return op.compute(function, (t, t), t)


@meaning("not")
def _not(op: Op) -> Step:
    t = op.type()
    return op.compute(np.invert, (t,), t)


@meaning("cnot")
def _cnot(op: Op) -> Step:
    t = op.type()
    return op.compute(lambda a: (a == 0).astype(a.dtype), (t,), t)


@meaning("lop3")
def _lop3(op: Op) -> Step:
    t = TYPES["b32"]
    op.flag("b32")

    def lop3(a: Array, b: Array, c: Array, table: Array) -> Array:
        out = np.uint32(0)
        for k in range(8):
            if int(table) >> k & 1:
                x, y, z = (v if k >> s & 1 else ~v for v, s in ((a, 2), (b, 1), (c, 0)))
                out = out | (x & y & z)
        return out

    return op.compute(lop3, (t, t, t, TYPES["u32"]), t)


# -- shifts


@meaning("shl", "shr")
def _shift(op: Op) -> Step:
    t = op.type()
    shift = np.left_shift if op.opcode == "shl" else np.right_shift
    arithmetic = op.opcode == "shr" and t.kind == "s"
    bits = t.bits

    def function(a: Array, count: Array) -> Array:
        near = np.minimum(count, np.uint32(bits - 1)).astype(a.dtype)
        out = shift(a, near)
        if arithmetic:
            return out
        return np.where(count >= bits, a.dtype.type(0), out)

    return op.compute(function, (t, TYPES["u32"]), t)


@meaning("shf")
def _funnel(op: Op) -> Step:
    side, clamp = op.choice("l", "r"), op.choice("wrap", "clamp") == "clamp"
    t = op.type()

    def function(low: Array, high: Array, count: Array) -> Array:
        n = np.minimum(count, np.uint32(32)) if clamp else count & np.uint32(31)
        whole = low.astype(np.uint64) | (high.astype(np.uint64) << np.uint64(32))
        if side == "r":
            return (whole >> n.astype(np.uint64)).astype(np.uint32)
        return (whole >> (np.uint64(32) - n.astype(np.uint64))).astype(np.uint32)

    return op.compute(function, (t, t, TYPES["u32"]), t)


# -- fields and counts of bits


@meaning("popc")
def _popc(op: Op) -> Step:
    t = op.type()
    return op.compute(lambda a: np.bitwise_count(a).astype(np.uint32), (t,), TYPES["u32"])


def leading_zeros(a: Array) -> Array:
    """Of unsigned numbers; the number of bits for 0."""
    bits = 8 * a.dtype.itemsize
    for k in (1, 2, 4, 8, 16, 32)[: bits.bit_length() - 1]:
        a = a | (a >> a.dtype.type(k))
    return (bits - np.bitwise_count(a).astype(np.int64)).astype(np.uint32)


@meaning("clz")
def _clz(op: Op) -> Step:
    t = op.type()
    return op.compute(leading_zeros, (t,), TYPES["u32"])


@meaning("bfind")
def _bfind(op: Op) -> Step:
    amount, t = op.flag("shiftamt"), op.type()

    def function(a: Array) -> Array:
        bits = np.where(a < 0, ~a, a).view(UNSIGNED[t.bits])
        zeros = leading_zeros(bits)
        place = zeros if amount else np.uint32(t.bits - 1) - zeros
        return np.where(bits == 0, np.uint32(0xFFFFFFFF), place)

    return op.compute(function, (t,), TYPES["u32"])


@meaning("brev")
def _brev(op: Op) -> Step:
    t = op.type()

    def function(a: Array) -> Array:
        for k, mask in ((1, 0x55), (2, 0x33), (4, 0x0F)):
            m, s = a.dtype.type(int(f"{mask:02x}" * t.bytes, 16)), a.dtype.type(k)
            a = ((a >> s) & m) | ((a & m) << s)
        return a.byteswap()

    return op.compute(function, (t,), t)


@meaning("bfe")
def _bfe(op: Op) -> Step:
    t = op.type()

    def function(a: Array, start: Array, length: Array) -> Array:
        one = np.uint64(1)
        start, length = (v.astype(np.uint64) & np.uint64(255) for v in (start, length))
        last = np.minimum(start + length - one, np.uint64(t.bits - 1))
        bits = np.asarray(a).astype(SIGNED[64] if t.kind == "s" else UNSIGNED[64])
        sign = (bits >> last.astype(bits.dtype)) & bits.dtype.type(1)
        fill = np.where((sign != 0) & (t.kind == "s"), np.uint64(2**64 - 1), np.uint64(0))
        held = np.where(
            start > np.uint64(63), fill, bits.view(np.uint64) >> (start & np.uint64(63))
        )
        whole = length >= np.uint64(64)
        mask = np.where(whole, np.uint64(2**64 - 1), (one << (length & np.uint64(63))) - one)
        top = np.minimum(length, np.uint64(t.bits) - np.minimum(start, np.uint64(t.bits)))
        real = np.where(top >= np.uint64(64), mask, (one << (top & np.uint64(63))) - one)
        out = np.where(length == 0, np.uint64(0), (held & mask & real) | (fill & ~real))
        return out.astype(UNSIGNED[t.bits])

    return op.compute(function, (t, TYPES["u32"], TYPES["u32"]), TYPES[f"b{t.bits}"])


@meaning("bfi")
def _bfi(op: Op) -> Step:
    t = op.type()

    def function(a: Array, b: Array, start: Array, length: Array) -> Array:
        start, length = (v.astype(np.uint64) & np.uint64(255) for v in (start, length))
        one, all_ones = np.uint64(1), np.uint64(2**64 - 1)
        mask = np.where(length >= 64, all_ones, (one << (length & np.uint64(63))) - one)
        inside = start < np.uint64(64)
        near = start & np.uint64(63)
        mask = np.where(inside, mask << near, np.uint64(0)).astype(a.dtype)
        return (
            np.where(inside, a.astype(np.uint64) << near, np.uint64(0)).astype(a.dtype) & mask
        ) | (b & ~mask)

    return op.compute(function, (t, t, TYPES["u32"], TYPES["u32"]), t)


@meaning("bmsk")
def _bmsk(op: Op) -> Step:
    clamp, t = op.choice("clamp", "wrap") == "clamp", op.type()

    def function(start: Array, length: Array) -> Array:
        if not clamp:
            start, length = start & np.uint32(31), length & np.uint32(31)
        near, long = (np.minimum(v, np.uint32(32)).astype(np.uint64) for v in (start, length))
        ones = (np.uint64(1) << long) - np.uint64(1)
        return (ones << near).astype(np.uint32)

    return op.compute(function, (t, t), t)


@meaning("szext")
def _szext(op: Op) -> Step:
    clamp, t = op.choice("clamp", "wrap") == "clamp", op.type()

    def function(a: Array, length: Array) -> Array:
        n = np.minimum(length, np.uint32(32)) if clamp else length & np.uint32(31)
        mask = ((np.uint64(1) << n.astype(np.uint64)) - np.uint64(1)).astype(np.uint32)
        bits = a.view(np.uint32) & mask
        sign = (a.view(np.uint32) >> (np.maximum(n, np.uint32(1)) - np.uint32(1))) & np.uint32(1)
        negative = (sign != 0) & (n > 0) & (t.kind == "s")
        return np.where(negative, bits | ~mask, bits)

    return op.compute(function, (t, TYPES["u32"]), TYPES["u32"])


MODES = "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"


@meaning("prmt")
def _prmt(op: Op) -> Step:
    t = TYPES["b32"]
    op.flag("b32")
    mode = op.choice(*MODES, default="")

    def function(a: Array, b: Array, control: Array) -> Array:
        whole = a.astype(np.uint64) | (b.astype(np.uint64) << np.uint64(32))
        out = np.uint32(0)
        for k in range(4):
            place, sign = _byte(k, control, mode)
            byte = ((whole >> (place.astype(np.uint64) * np.uint64(8))) & np.uint64(255)).astype(
                np.uint32
            )
            filled = np.where(byte & np.uint32(128), np.uint32(255), np.uint32(0))
            out = out | (np.where(sign, filled, byte) << np.uint32(8 * k))
        return out

    return op.compute(function, (t, t, TYPES["u32"]), t)


def _byte(k: int, control: Array, mode: str) -> tuple[Array, Array]:
    """Which of eight bytes goes to place k, and whether its sign is spread instead."""
    if not mode:
        nibble = (control >> np.uint32(4 * k)) & np.uint32(15)
        return nibble & np.uint32(7), (nibble & np.uint32(8)) != 0
    c = (control & np.uint32(3)).astype(np.int64)
    place = {
        "f4e": c + k,
        "b4e": (c - k) % 8,
        "rc8": c,
        "ecl": np.maximum(c, k),
        "ecr": np.minimum(c, k),
        "rc16": (c & 1) * 2 + k % 2,
    }[mode]
    return place.astype(np.uint32), np.bool_(False)
