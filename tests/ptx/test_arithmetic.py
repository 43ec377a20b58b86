"""Every arithmetic instruction against NumPy or exact fractions, over random and special values."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import wonderland.numpy as wnp

from .formats import BF16, F16, F32, Float, rounded
from .programs import evaluate

F32_SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.17549435e-38, 3.4028235e38,
     -3.4028235e38, 0.1, 2.5, -2.5, 1.5, 0.5, 8388609.0, 2147483648.0, 4294967295.0, 1e-30],
    np.float32,
)  # fmt: skip
BF = np.dtype(wnp.bfloat16)


def floats(dtype: object, count: int = 400, seed: int = 0) -> np.ndarray:
    """Random bits, random moderate numbers, special values."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)  # type: ignore[call-overload]
    bits = rng.integers(0, 256, count * dtype.itemsize, dtype=np.uint8).view(dtype)
    moderate = rng.standard_normal(count).astype(dtype)
    special = F32_SPECIAL.astype(dtype)
    everything = np.concatenate([bits, moderate, special])
    return rng.permutation(everything)


def integers(dtype: object, count: int = 400, seed: int = 0) -> np.ndarray:
    info = np.iinfo(dtype)  # type: ignore[call-overload]
    rng = np.random.default_rng(seed)
    small = rng.integers(max(-9, info.min), 9, count)
    edges = [info.min, info.max, 0, 1, info.max - 1, info.min + 1]
    bits = rng.integers(0, 256, count * info.bits // 8, dtype=np.uint8).view(info.dtype)
    return rng.permutation(
        np.concatenate([bits, small.astype(info.dtype), np.array(edges, info.dtype)])
    )


def same(a: np.ndarray, b: np.ndarray) -> None:
    """Equal bits, any NaN for a NaN."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    bits = f"u{a.itemsize}"
    equal = a.view(bits) == b.view(bits)
    if a.dtype.kind != "i" and a.dtype.kind != "u" and a.dtype != np.bool_:
        equal |= np.isnan(a.astype(np.float64)) & np.isnan(b.astype(np.float64))
    wrong = np.nonzero(~equal)[0]
    assert not wrong.size, f"{wrong.size} differ, first at {wrong[0]}: {a[wrong[0]]} {b[wrong[0]]}"


INTEGER_TYPES = {"s16": np.int16, "u16": np.uint16, "s32": np.int32, "u32": np.uint32,
                 "s64": np.int64, "u64": np.uint64}  # fmt: skip


def wrapped(value: int, dtype: type) -> int:
    bits = np.iinfo(dtype).bits
    value %= 1 << bits
    return value - (1 << bits) if np.iinfo(dtype).min < 0 and value >> bits - 1 else value


def truncated(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if b else -1


INTEGER: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul.lo": lambda a, b: a * b,
    "div": truncated,
    "rem": lambda a, b: a - truncated(a, b) * b if b else a,
    "min": min,
    "max": max,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}


@pytest.mark.parametrize("name", INTEGER_TYPES)
@pytest.mark.parametrize("op", INTEGER)
def test_integer_arithmetic_wraps(op: str, name: str) -> None:
    dtype = INTEGER_TYPES[name]
    a, b = integers(dtype, seed=1), integers(dtype, seed=2)
    expected = [wrapped(INTEGER[op](int(x), int(y)), dtype) for x, y in zip(a, b, strict=True)]
    t = f"b{name[1:]}" if op in ("and", "or", "xor") else name
    same(evaluate(f"{op}.{t} %y, %x0, %x1;", a, b, out=dtype), np.array(expected, dtype))


@pytest.mark.parametrize("name", INTEGER_TYPES)
def test_the_upper_half_of_a_product(name: str) -> None:
    dtype = INTEGER_TYPES[name]
    a, b, c = (integers(dtype, seed=s) for s in (1, 2, 3))
    bits = int(name[1:])
    high = [(int(x) * int(y)) >> bits for x, y in zip(a, b, strict=True)]
    same(
        evaluate(f"mul.hi.{name} %y, %x0, %x1;", a, b, out=dtype),
        np.array([wrapped(h, dtype) for h in high], dtype),
    )
    if bits > 16:
        same(
            evaluate(f"mad.hi.{name} %y, %x0, %x1, %x2;", a, b, c, out=dtype),
            np.array([wrapped(h + int(z), dtype) for h, z in zip(high, c, strict=True)], dtype),
        )


@pytest.mark.parametrize("name", ["s16", "u16", "s32", "u32"])
def test_products_of_double_width(name: str) -> None:
    dtype = INTEGER_TYPES[name]
    wide = INTEGER_TYPES[f"{name[0]}{2 * int(name[1:])}"]
    a, b, c = integers(dtype, seed=1), integers(dtype, seed=2), integers(wide, seed=3)
    got = evaluate(f"mad.wide.{name} %y, %x0, %x1, %x2;", a, b, c, out=wide)
    same(got, a.astype(wide) * b.astype(wide) + c)


@pytest.mark.parametrize("name", INTEGER_TYPES)
def test_shifts_of_any_count(name: str) -> None:
    dtype, bits = INTEGER_TYPES[name], int(name[1:])
    a = integers(dtype, seed=1)
    n = np.random.default_rng(0).integers(0, bits + 20, a.size).astype(np.uint32)
    left = [wrapped(int(x) << int(k), dtype) if k < bits else 0 for x, k in zip(a, n, strict=True)]
    right = [int(x) >> int(k) for x, k in zip(a, n, strict=True)]
    same(evaluate(f"shl.b{bits} %y, %x0, %x1;", a, n, out=dtype), np.array(left, dtype))
    same(evaluate(f"shr.{name} %y, %x0, %x1;", a, n, out=dtype), np.array(right, dtype))


def test_saturating_addition() -> None:
    a, b = integers(np.int32, seed=1), integers(np.int32, seed=2)
    expected = np.clip(a.astype(np.int64) + b, -(2**31), 2**31 - 1).astype(np.int32)
    same(evaluate("add.sat.s32 %y, %x0, %x1;", a, b, out=np.int32), expected)


def test_sums_of_128_bits_carry() -> None:
    a, b = integers(np.uint64, seed=1), integers(np.uint64, seed=2)
    code = "add.cc.u64 %d1, %x0, %x1; addc.u64 %y, 0, 0;"
    carry = [(int(x) + int(y)) >> 64 for x, y in zip(a, b, strict=True)]
    same(evaluate(code, a, b, out=np.uint64), np.array(carry, np.uint64))
    code = "sub.cc.u64 %d1, %x0, %x1; subc.u64 %y, 5, 0;"
    borrow = [5 - (int(x) < int(y)) for x, y in zip(a, b, strict=True)]
    same(evaluate(code, a, b, out=np.uint64), np.array(borrow, np.uint64))


BITS: dict[str, tuple[type, type, Callable[[int, int], int]]] = {
    "popc.b32": (np.uint32, np.uint32, lambda a, n: a.bit_count()),
    "popc.b64": (np.uint64, np.uint32, lambda a, n: a.bit_count()),
    "clz.b32": (np.uint32, np.uint32, lambda a, n: 32 - a.bit_length()),
    "clz.b64": (np.uint64, np.uint32, lambda a, n: 64 - a.bit_length()),
    "brev.b32": (np.uint32, np.uint32, lambda a, n: int(f"{a:032b}"[::-1], 2)),
    "brev.b64": (np.uint64, np.uint64, lambda a, n: int(f"{a:064b}"[::-1], 2)),
    "not.b32": (np.uint32, np.uint32, lambda a, n: ~a % 2**32),
    "neg.s32": (np.uint32, np.uint32, lambda a, n: -a % 2**32),
    "bfind.u32": (np.uint32, np.uint32, lambda a, n: (a.bit_length() - 1) % 2**32),
    "cnot.b32": (np.uint32, np.uint32, lambda a, n: int(a == 0)),
}


@pytest.mark.parametrize("op", BITS)
def test_functions_of_bits(op: str) -> None:
    source, result, function = BITS[op]
    a = integers(source)
    expected = np.array([function(int(x), 0) for x in a], result)
    same(evaluate(f"{op} %y, %x0;", a, out=result), expected)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("kind", "us")
def test_fields_are_extracted(kind: str, bits: int) -> None:
    """The definition of the ISA, bit by bit."""
    dtype = np.dtype(f"u{bits // 8}")
    a = integers(dtype)
    rng = np.random.default_rng(0)
    start, length = rng.integers(0, bits + 10, (2, a.size)).astype(np.uint32)

    def field(x: int, at: int, n: int) -> int:
        top = min(at + n - 1, bits - 1)
        sign = 0 if kind == "u" or n == 0 else x >> top & 1
        return sum((x >> at + k & 1 if k < n and at + k < bits else sign) << k for k in range(bits))

    expected = [field(int(x), int(s), int(n)) for x, s, n in zip(a, start, length, strict=True)]
    got = evaluate(f"bfe.{kind}{bits} %y, %x0, %x1, %x2;", a, start, length, out=dtype)
    same(got, np.array(expected, dtype))


@pytest.mark.parametrize("bits", [32, 64])
def test_fields_are_inserted(bits: int) -> None:
    dtype = np.dtype(f"u{bits // 8}")
    a, b = integers(dtype, seed=1), integers(dtype, seed=2)
    start, length = np.random.default_rng(0).integers(0, bits + 10, (2, a.size)).astype(np.uint32)

    def field(x: int, y: int, at: int, n: int) -> int:
        mask = ((1 << n) - 1) << at
        return (y & ~mask | x << at & mask) % 2**bits

    expected = [field(*map(int, v)) for v in zip(a, b, start, length, strict=True)]
    got = evaluate(f"bfi.b{bits} %y, %x0, %x1, %x2, %x3;", a, b, start, length, out=dtype)
    same(got, np.array(expected, dtype))


def test_bytes_are_permuted() -> None:
    a, b, c = (integers(np.uint32, seed=s) for s in (1, 2, 3))

    def permuted(x: int, y: int, control: int) -> int:
        data = (x | y << 32).to_bytes(8, "little")
        out = 0
        for k in range(4):
            nibble = control >> 4 * k & 15
            byte = data[nibble & 7]
            out |= (255 * (byte >> 7) if nibble & 8 else byte) << 8 * k
        return out

    expected = [permuted(*map(int, v)) for v in zip(a, b, c, strict=True)]
    got = evaluate("prmt.b32 %y, %x0, %x1, %x2;", a, b, c, out=np.uint32)
    same(got, np.array(expected, np.uint32))


def test_any_function_of_three_bits() -> None:
    a, b, c = (integers(np.uint32, seed=s) for s in (1, 2, 3))
    got = evaluate("lop3.b32 %y, %x0, %x1, %x2, 0xE8;", a, b, c, out=np.uint32)
    same(got, (a & b) | (a & c) | (b & c))


def test_funnel_shifts() -> None:
    a, b = integers(np.uint32, seed=1), integers(np.uint32, seed=2)
    n = integers(np.uint32, seed=3)
    whole = a.astype(object) | b.astype(object) * 2**32
    left = [(int(w) << (int(k) & 31)) >> 32 & 0xFFFFFFFF for w, k in zip(whole, n, strict=True)]
    right = [int(w) >> min(int(k), 32) & 0xFFFFFFFF for w, k in zip(whole, n, strict=True)]
    got = evaluate("shf.l.wrap.b32 %y, %x0, %x1, %x2;", a, b, n, out=np.uint32)
    same(got, np.array(left, np.uint32))
    got = evaluate("shf.r.clamp.b32 %y, %x0, %x1, %x2;", a, b, n, out=np.uint32)
    same(got, np.array(right, np.uint32))


def test_dot_products_of_bytes() -> None:
    a, b, c = (integers(np.int32, seed=s) for s in (1, 2, 3))
    x, y = a.view(np.int8).reshape(-1, 4), b.view(np.uint8).reshape(-1, 4)
    expected = ((x.astype(np.int64) * y).sum(1) + c).astype(np.int32)
    same(evaluate("dp4a.s32.u32 %y, %x0, %x1, %x2;", a, b, c, out=np.int32), expected)


# -- floating point

ROUNDED: dict[str, Callable[..., Fraction | None]] = {
    "add": lambda a, b: Fraction(a) + Fraction(b),
    "sub": lambda a, b: Fraction(a) - Fraction(b),
    "mul": lambda a, b: Fraction(a) * Fraction(b),
    "div": lambda a, b: Fraction(a) / Fraction(b) if b else None,
    "fma": lambda a, b, c: Fraction(a) * Fraction(b) + Fraction(c),
}
PLAIN = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "fma": lambda a, b, c: np.where(np.isfinite(a) & np.isfinite(b) & np.isinf(c), c, a * b + c),
}
MODES = "rn", "rz", "rm", "rp"
FORMATS: dict[str, tuple[object, Float | None]] = {
    "f16": (np.float16, F16),
    "bf16": (BF, BF16),
    "f32": (np.float32, F32),
    "f64": (np.float64, None),
}


def nearest(exact: Fraction, f: Float | None, mode: str) -> float:
    """A fraction rounded once, in the plainest way: by scaling."""
    f = f or Float("f64", 53, -1022, 1023)
    if exact == 0:
        return -0.0 if mode == "rm" else 0.0
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    ulp = Fraction(2) ** (max(exponent, f.least) - f.precision + 1)
    whole, rest = divmod(exact / ulp, 1)
    half = Fraction(1, 2)
    up = {
        "rn": rest > half or (rest == half and whole % 2 == 1),
        "rz": exact < 0 and rest > 0,
        "rm": False,
        "rp": rest > 0,
    }[mode]
    value = (whole + up) * ulp
    if abs(value) > f.largest:
        inward = mode == "rz" or ((mode == "rm") == (exact > 0) and mode != "rn")
        return (f.largest if inward else np.inf) * (-1 if exact < 0 else 1)
    return float(value) if value else (-0.0 if exact < 0 else 0.0)


@pytest.mark.parametrize(("name", "mode"), [
    *((n, "rn") for n in FORMATS), *((n, m) for n in ("f32", "f64") for m in MODES[1:])
])  # fmt: skip
@pytest.mark.parametrize("op", ROUNDED)
def test_results_are_rounded_once(op: str, name: str, mode: str) -> None:
    """Against fractions, wherever operands are finite."""
    if op == "div" and name in ("f16", "bf16"):
        pytest.skip("no such instruction")
    dtype, f = FORMATS[name]
    operands = [floats(dtype, seed=s) for s in range(3 if op == "fma" else 2)]
    if op == "fma":  # halves of ulps and cancellation, where rounding twice goes wrong
        a, b = operands[0], operands[1]
        operands[2][::3] = -(a[::3] * b[::3]).astype(operands[2].dtype)
    names = ", ".join(f"%x{k}" for k in range(len(operands)))
    got = evaluate(f"{op}.{mode}.{name} %y, {names};", *operands, out=dtype)
    wide = [x.astype(np.float64) for x in operands]
    plain = PLAIN[op](*wide)
    expected = np.zeros(got.size)
    for k, values in enumerate(zip(*wide, strict=True)):
        exact = ROUNDED[op](*map(float, values)) if np.isfinite(values).all() else None
        if exact is None or (exact == 0 and (mode == "rn" or plain[k] != 0)):
            expected[k] = plain[k] if exact is None or plain[k] == 0 else 0.0
        elif exact == 0:
            zeros = {"fma": (wide[0][k] * wide[1][k], values[-1])}.get(op, values)
            signs = {bool(np.signbit(z)) for z in zeros} if op in ("add", "fma") else set()
            if op == "sub":
                signs = {bool(np.signbit(values[0])), not np.signbit(values[1])}
            expected[k] = (-0.0 if mode == "rm" else 0.0) if len(signs) == 2 else plain[k]
        else:
            expected[k] = nearest(exact, f, mode)
    same(got, expected.astype(got.dtype))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["f32", "f64"])
def test_square_roots_are_rounded_once(name: str, mode: str) -> None:
    dtype, f = FORMATS[name]
    a = np.abs(floats(dtype))
    got = evaluate(f"sqrt.{mode}.{name} %y, %x0;", a, out=dtype).astype(np.float64)
    for x, y in zip(a.astype(np.float64), got, strict=True):
        if not np.isfinite(x) or x == 0:
            assert y == x or np.isnan(x)
            continue
        square, root = Fraction(x), Fraction(y)
        spacing = np.spacing(np.asarray(y, np.float64 if f is None else np.float32))
        below, above = root - Fraction(float(spacing)), root + Fraction(float(spacing))
        if mode == "rn":
            assert ((root + below) / 2) ** 2 <= square <= ((root + above) / 2) ** 2
        elif mode == "rp":
            assert below**2 < square <= root**2
        else:
            assert root**2 <= square < above**2


@pytest.mark.parametrize("op", ["rsqrt", "ex2", "lg2", "sin", "cos", "tanh", "rcp"])
def test_approximate_functions(op: str) -> None:
    function = {
        "rsqrt": lambda x: 1 / np.sqrt(x), "ex2": np.exp2, "lg2": np.log2, "sin": np.sin,
        "cos": np.cos, "tanh": np.tanh, "rcp": lambda x: 1 / x,
    }[op]  # fmt: skip
    a = floats(np.float32)
    expected = function(a.astype(np.float64)).astype(np.float32)
    same(evaluate(f"{op}.approx.f32 %y, %x0;", a, out=np.float32), expected)


def test_subnormals_are_flushed_on_request() -> None:
    a = np.array([1e-40, -1e-40, 1.0, 2e-38, 1.2e-38], np.float32)
    b = np.array([1.0, 1.0, 1e-40, -1.5e-38, 0.5], np.float32)
    got = evaluate("mul.ftz.f32 %y, %x0, %x1;", a, b, out=np.float32)
    same(got, np.array([0, -0.0, 0, -0.0, 0], np.float32))
    got = evaluate("add.ftz.f32 %y, %x0, %x1;", a[3:], b[3:], out=np.float32)
    same(got, np.array([0, 0.5], np.float32))


def test_saturation_to_the_unit_interval() -> None:
    a = floats(np.float32)
    expected = np.where(a > 0, np.minimum(a, np.float32(1)), np.float32(0))
    same(evaluate("add.sat.f32 %y, %x0, 0f00000000;", a, out=np.float32), expected)


def test_a_nan_has_the_bits_of_the_hardware() -> None:
    a = np.array([np.nan, np.inf], np.float32)
    got = evaluate("add.f32 %y, %x0, %x1;", a, -a, out=np.float32)
    assert (got.view(np.uint32) == 0x7FFFFFFF).all()


@pytest.mark.parametrize("op", ["min", "max"])
@pytest.mark.parametrize("nans", ["", ".NaN"])
@pytest.mark.parametrize("name", FORMATS)
def test_extrema_order_zeros_and_treat_nans(op: str, nans: str, name: str) -> None:
    if name == "f64" and nans:
        pytest.skip("no such instruction")
    dtype, _ = FORMATS[name]
    a, b = floats(dtype, seed=1), floats(dtype, seed=2)
    a[:8], b[:8] = np.array([0, -0.0, 0, -0.0] * 2, a.dtype), np.array([-0.0, 0] * 4, a.dtype)
    x, y = a.astype(np.float64), b.astype(np.float64)
    key = [(v, not np.signbit(v)) for v in x], [(v, not np.signbit(v)) for v in y]
    pick = [(max if op == "max" else min)(i, j)[0] for i, j in zip(*key, strict=True)]
    none = np.where(np.isnan(x), y, np.where(np.isnan(y), x, pick))
    expected = np.where(np.isnan(x) | np.isnan(y), np.nan, pick) if nans else none
    got = evaluate(f"{op}{nans}.{name} %y, %x0, %x1;", a, b, out=dtype)
    same(got, expected.astype(got.dtype))


COMPARED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: (a != b) & ~np.isnan(a) & ~np.isnan(b),
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
    "equ": lambda a, b: (a == b) | np.isnan(a) | np.isnan(b),
    "neu": lambda a, b: a != b,
    "ltu": lambda a, b: ~(a >= b),
    "leu": lambda a, b: ~(a > b),
    "gtu": lambda a, b: ~(a <= b),
    "geu": lambda a, b: ~(a < b),
    "num": lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    "nan": lambda a, b: np.isnan(a) | np.isnan(b),
}


@pytest.mark.parametrize("op", COMPARED)
def test_comparisons_of_floats(op: str) -> None:
    a, b = floats(np.float32, seed=1), floats(np.float32, seed=2)
    b[::3] = a[::3]
    got = evaluate(f"setp.{op}.f32 %y, %x0, %x1;", a, b, out=np.bool_)
    same(got, COMPARED[op](a, b))


def test_comparisons_combine_with_a_predicate() -> None:
    a, b = integers(np.int32, seed=1), integers(np.int32, seed=2)
    code = "setp.lt.s32 %q1, %x0, 0; setp.gt.and.s32 %y|%q2, %x0, %x1, %q1;"
    same(evaluate(code, a, b, out=np.bool_), (a > b) & (a < 0))
    code = "setp.lt.s32 %q1, %x0, 0; setp.gt.or.s32 %q2|%y, %x0, %x1, !%q1;"
    same(evaluate(code, a, b, out=np.bool_), ~(a > b) | (a >= 0))
    code = "setp.hi.u32 %y, %x0, %x1;"
    same(evaluate(code, a, b, out=np.bool_), a.view(np.uint32) > b.view(np.uint32))


def test_pairs_of_halves() -> None:
    a, b, c = (floats(np.float16, seed=s) for s in range(3))
    pairs = [x[: x.size // 2 * 2].view(np.uint32) for x in (a, b, c)]
    got = evaluate("fma.rn.f16x2 %y, %x0, %x1, %x2;", *pairs, out=np.uint32).view(np.float16)
    same(got, evaluate("fma.rn.f16 %y, %x0, %x1, %x2;", a, b, c, out=np.float16)[: got.size])
    got = evaluate("max.bf16x2 %y, %x0, %x1;", *pairs[:2], out=np.uint32).view(BF)
    x, y = a.view(BF), b.view(BF)
    same(got, evaluate("max.bf16 %y, %x0, %x1;", x, y, out=BF)[: got.size])


# -- conversions


@pytest.mark.parametrize("mode", ["rni", "rzi", "rmi", "rpi"])
@pytest.mark.parametrize("result", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("source", FORMATS)
def test_floats_become_the_nearest_integer_of_the_type(source: str, result: str, mode: str) -> None:
    dtype = np.dtype(f"{'i' if result[0] == 's' else 'u'}{int(result[1:]) // 8}")
    a = floats(FORMATS[source][0])
    got = evaluate(f"cvt.{mode}.{result}.{source} %y, %x0;", a, out=dtype)
    info = np.iinfo(dtype)
    function = {"rni": round, "rzi": int, "rmi": lambda v: v // 1, "rpi": lambda v: -(-v // 1)}[
        mode
    ]
    sixty_four = "64" in source or "64" in result
    for x, y in zip(a.astype(np.float64), got, strict=True):
        if np.isnan(x):
            sign = info.min or info.max // 2 + 1
            assert y == (sign if sixty_four else 0)
        elif np.isinf(x):
            assert y == (info.max if x > 0 else info.min)
        else:
            assert y == min(max(function(Fraction(x)), info.min), info.max), x


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("result", ["f32", "f64", "f16"])
@pytest.mark.parametrize("source", ["s32", "u32", "s64", "u64"])
def test_integers_become_floats_rounded_once(source: str, result: str, mode: str) -> None:
    a = integers(INTEGER_TYPES[source])
    dtype, f = FORMATS[result]
    got = evaluate(f"cvt.{mode}.{result}.{source} %y, %x0;", a, out=dtype)
    expected = [nearest(Fraction(int(x)), f, mode) if x else 0.0 for x in a]
    same(got, np.array(expected).astype(got.dtype))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("result", "source"),
    [("f16", "f32"), ("bf16", "f32"), ("f32", "f64"), ("f16", "f64")],
)
def test_floats_are_narrowed_rounded_once(result: str, source: str, mode: str) -> None:
    if result == "bf16" and mode in ("rm", "rp"):
        pytest.skip("no such instruction")
    a = floats(FORMATS[source][0])
    dtype, f = FORMATS[result]
    got = evaluate(f"cvt.{mode}.{result}.{source} %y, %x0;", a, out=dtype)
    expected = [
        float(x) if not np.isfinite(x) or x == 0 else nearest(Fraction(float(x)), f, mode)
        for x in a
    ]
    same(got, np.array(expected).astype(got.dtype))


def test_two_floats_become_a_pair_of_halves() -> None:
    a, b = floats(np.float32, seed=1), floats(np.float32, seed=2)
    got = evaluate("cvt.rn.bf16x2.f32 %y, %x0, %x1;", a, b, out=np.uint32).view(BF)
    same(got[1::2], a.astype(BF))
    same(got[::2], b.astype(BF))


def test_tf32_keeps_eleven_bits_and_rounds_halves_away() -> None:
    a = floats(np.float32)
    got = evaluate("cvt.rna.tf32.f32 %y, %x0;", a, out=np.float32)
    finite = np.isfinite(a) & (np.abs(a) < 1e38)
    bits = (a.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    same(got[finite], bits.view(np.float32)[finite])


def test_widening_is_exact_and_integers_wrap_or_saturate() -> None:
    h = floats(np.float16)
    same(evaluate("cvt.f32.f16 %y, %x0;", h, out=np.float32), h.astype(np.float32))
    same(evaluate("cvt.f64.f16 %y, %x0;", h, out=np.float64), h.astype(np.float64))
    b = floats(BF)
    same(evaluate("cvt.f32.bf16 %y, %x0;", b, out=np.float32), b.astype(np.float32))
    a = integers(np.int64)
    same(evaluate("cvt.s32.s64 %y, %x0;", a, out=np.int32), a.astype(np.int32))
    same(evaluate("cvt.s64.s8 %y, %x0;", a, out=np.int64), a.astype(np.int8).astype(np.int64))
    same(
        evaluate("cvt.sat.u16.s64 %y, %x0;", a, out=np.uint16),
        np.clip(a, 0, 65535).astype(np.uint16),
    )


def test_floats_are_rounded_to_integral_floats() -> None:
    a = floats(np.float32)
    same(evaluate("cvt.rni.f32.f32 %y, %x0;", a, out=np.float32), np.rint(a))
    same(evaluate("cvt.rzi.f32.f32 %y, %x0;", a, out=np.float32), np.trunc(a))


def test_rounding_to_any_format_agrees_with_the_slow_way() -> None:
    x = floats(np.float64)
    x = x[np.isfinite(x) & (x != 0)]
    for f in (F16, BF16, F32):
        for mode in MODES:
            same(rounded(x, f, mode), np.array([nearest(Fraction(v), f, mode) for v in x]))
