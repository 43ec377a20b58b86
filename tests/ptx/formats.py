"""The number types of PTX over NumPy, and rounding as the hardware does it: once, exactly.

Values of f32 and f64 are NumPy's. Narrower floats (f16, bf16, tf32) are computed with as float64,
which holds sums, products, quotients and roots of them with enough bits that rounding twice is
rounding once (Figueroa, When is double rounding innocuous?, 1995). Where it is not (fma, directed
modes) the float64 is rounded to odd first (Boldo and Melquiond, Emulation of fma and correctly
rounded sums, 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

Array = Any  # np.ndarray, or a NumPy scalar: a value that all threads share

CANONICAL_NAN = {"f16": 0x7FFF, "bf16": 0x7FFF, "tf32": 0x7FFFFFFF, "f32": 0x7FFFFFFF}


@dataclass(frozen=True)
class Float:
    """A binary format: bits of the significand, exponents of its smallest and largest normal."""

    name: str
    precision: int
    least: int
    most: int

    @property
    def largest(self) -> float:
        return float((2 - Fraction(2) ** (1 - self.precision)) * Fraction(2) ** self.most)


F16 = Float("f16", 11, -14, 15)
BF16 = Float("bf16", 8, -126, 127)
TF32 = Float("tf32", 11, -126, 127)
F32 = Float("f32", 24, -126, 127)

UNSIGNED = {8: np.dtype("u1"), 16: np.dtype("u2"), 32: np.dtype("u4"), 64: np.dtype("u8")}
SIGNED = {8: np.dtype("i1"), 16: np.dtype("i2"), 32: np.dtype("i4"), 64: np.dtype("i8")}


@dataclass(frozen=True)
class Type:
    """A type of an instruction: `kind` is "pred", "u", "s", "b" or "f"; `lanes` is 2 if packed."""

    name: str
    kind: str
    bits: int
    float: Float | None = None
    lanes: int = 1

    @property
    def dtype(self) -> np.dtype:
        """The dtype of values as they are computed with."""
        if self.kind == "pred":
            return np.dtype(np.bool_)
        if self.kind == "f":
            return np.dtype(np.float32 if self.name == "f32" else np.float64)
        return SIGNED[self.bits] if self.kind == "s" else UNSIGNED[self.bits]

    @property
    def bytes(self) -> int:
        return self.bits // 8

    def widened(self) -> Type:
        return TYPES[f"{self.kind}{2 * self.bits}"]


TYPES = {
    "pred": Type("pred", "pred", 1),
    **{f"{kind}{bits}": Type(f"{kind}{bits}", kind, bits) for kind in "usb" for bits in UNSIGNED},
    "f16": Type("f16", "f", 16, F16),
    "bf16": Type("bf16", "f", 16, BF16),
    "tf32": Type("tf32", "f", 32, TF32),
    "f32": Type("f32", "f", 32, F32),
    "f64": Type("f64", "f", 64),
    "f16x2": Type("f16x2", "f", 32, F16, 2),
    "bf16x2": Type("bf16x2", "f", 32, BF16, 2),
    "u16x2": Type("u16x2", "u", 32, None, 2),
    "s16x2": Type("s16x2", "s", 32, None, 2),
}


# -- bits and values


def decode(bits: Array, t: Type) -> Array:
    """Unsigned bits of the type's width → its values."""
    if t.kind == "f":
        if t.name == "f16":
            return bits.view(np.float16).astype(np.float64)
        if t.name == "bf16":
            return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
        if t.name == "tf32":  # the low bits of the register are not looked at
            return (bits & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)
    return bits if t.kind in ("u", "b", "pred") else bits.view(t.dtype)


def encode(values: Array, t: Type) -> Array:
    """Values of the type, rounded already → its bits."""
    if t.kind != "f":
        return values if values.dtype.kind in "ub" else values.view(UNSIGNED[t.bits])
    if t.name == "f64":
        return values.view(np.uint64)
    nans = np.isnan(values)
    if t.name == "f32":
        bits = values.view(np.uint32)
    elif t.name == "f16":
        bits = values.astype(np.float16).view(np.uint16)
    else:
        bits = values.astype(np.float32).view(np.uint32)
        if t.name == "bf16":
            bits = (bits >> np.uint32(16)).astype(np.uint16)
    if nans.any():
        bits = np.where(nans, bits.dtype.type(CANONICAL_NAN[t.name]), bits)
    return bits


# -- rounding


def rounded(x: Array, f: Float, mode: str = "rn") -> Array:
    """float64 → the float64 nearest in the format; modes rn, rna, rz, rm, rp."""
    x = np.asarray(x, np.float64)
    if mode == "rn" and f in (F16, F32):
        return x.astype(np.float16 if f is F16 else np.float32).astype(np.float64)
    _, exponents = np.frexp(x)
    ulps = np.maximum(exponents - f.precision, f.least - f.precision + 1)
    y = np.ldexp(to_integer(np.ldexp(x, -ulps), mode), ulps)
    over = np.abs(y) > f.largest
    if over.any():
        up = {"rn": x != 0, "rna": x != 0, "rz": x != x, "rm": x < 0, "rp": x > 0}[mode]
        up = up | np.isinf(x)
        y = np.where(over, np.copysign(np.where(up, np.inf, f.largest), x), y)
    return y


def to_integer(x: Array, mode: str) -> Array:
    """x rounded to an integral float; halves go to even (rn, rni) or away from zero (rna)."""
    if mode in ("rn", "rni"):
        return np.rint(x)
    if mode == "rna":
        return np.copysign(np.floor(np.abs(x) + 0.5), x)
    return {"z": np.trunc, "m": np.floor, "p": np.ceil}[mode[1]](x)


def odd(nearest: Array, error: Array) -> Array:
    """The float64 rounded to odd of nearest + error, where nearest is that sum to nearest."""
    bits = np.asarray(nearest, np.float64).view(np.int64)
    move = (error != 0) & ((bits & 1) == 0) & np.isfinite(nearest)
    away = ((error > 0) == (nearest > 0)) | (nearest == 0)
    return np.where(move, bits + np.where(away, 1, -1), bits).view(np.float64)


def directed(nearest: Array, error: Array, mode: str) -> Array:
    """The float64 next to nearest + error in the direction of the mode."""
    goal = {"rz": 0.0, "rm": -np.inf, "rp": np.inf}[mode]
    wrong = {"rz": (error < 0) == (nearest > 0), "rm": error < 0, "rp": error > 0}[mode]
    return np.where(wrong & (error != 0), np.nextafter(nearest, goal), nearest)


def error_sign(difference: Callable[..., Fraction], nearest: Array, *values: Array) -> Array:
    """The sign of what is lacking, by fractions: slow, right everywhere.

    `difference(nearest, *values)` is something of that sign.
    """
    arrays = np.broadcast_arrays(nearest, *values)
    out = np.zeros(arrays[0].size)
    for k, (x, *own) in enumerate(zip(*(a.ravel().tolist() for a in arrays), strict=True)):
        if not np.isfinite(own).all():
            continue
        exact = map(Fraction, own)
        try:
            d = difference(Fraction(x if np.isfinite(x) else 0), *exact)
        except ZeroDivisionError:
            continue
        out[k] = (d > 0) - (d < 0) if np.isfinite(x) else -np.sign(x)
    return out.reshape(arrays[0].shape)


def sum_of(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b to nearest, and what is lacking, exactly (Knuth)."""
    s = a + b
    part = s - a
    return s, _finite((a - (s - part)) + (b - part))


def product_of(a: Array, b: Array) -> tuple[Array, Array]:
    """a b to nearest, and what is lacking, exactly where nothing underflows (Dekker)."""
    p = a * b
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return p, _finite(((ah * bh - p) + ah * bl + al * bh) + al * bl)


def quotient_of(a: Array, b: Array) -> tuple[Array, Array]:
    """a / b to nearest, and the sign of what is lacking."""
    q = a / b
    p, e = product_of(q, b)
    return q, np.sign(_finite((a - p) - e)) * np.sign(b)


def root_of(a: Array) -> tuple[Array, Array]:
    """The square root to nearest, and the sign of what is lacking."""
    q = np.sqrt(a)
    p, e = product_of(q, q)
    return q, np.sign(_finite((a - p) - e))


def _halves(x: Array) -> tuple[Array, Array]:
    """x = high + low, of at most 26 bits each (Veltkamp)."""
    c = 134217729.0 * x
    high = c - (c - x)
    return high, x - high


def _finite(error: Array) -> Array:
    return np.where(np.isfinite(error), error, 0.0)


# -- fused multiply and add


def fma_of(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """a b + c of factors with at most 24 bits, whose product float64 holds."""
    return sum_of(np.multiply(a, b, dtype=np.float64), np.asarray(c, np.float64))


def fma64(a: Array, b: Array, c: Array) -> Array:
    """float64 a b + c, rounded once."""
    a, b, c = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (a, b, c)))
    plain = np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & (a != 0) & (b != 0)
    p, error = product_of(a, b)
    high, low = sum_of(p, c)
    out = np.asarray(high + odd(*sum_of(low, error)))
    simple = np.where(np.isfinite(a) & np.isfinite(b) & ~np.isfinite(c), c, p + c)
    out = np.asarray(np.where(plain, out, simple))
    ea, eb, ec = (np.frexp(v)[1] for v in (a, b, c))
    rough = (ea + eb < -900) | ((ec < -900) & (c != 0)) | (np.maximum(ea, eb) > 900)
    rough |= (ea + eb > 1000) | (ec > 1000)
    for i in zip(*np.nonzero(np.atleast_1d(plain & rough)), strict=True):
        i = i if out.ndim else ()
        exact = Fraction(float(a[i])) * Fraction(float(b[i])) + Fraction(float(c[i]))
        out[i] = nearest_float(exact)
    return out


def nearest_float(exact: Fraction) -> float:
    """A fraction rounded to float64."""
    if exact == 0:
        return 0.0
    sign = -1 if exact < 0 else 1
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    ulp = Fraction(2) ** max(exponent - 52, -1074)
    whole, rest = divmod(size / ulp, 1)
    whole += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    if whole * ulp >= Fraction(2) ** 1024:
        return sign * float("inf")
    return sign * float(whole * ulp)


def flushed(x: Array) -> Array:
    """Subnormal float32 → zero of the same sign."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(x.dtype.type(0), x), x)
