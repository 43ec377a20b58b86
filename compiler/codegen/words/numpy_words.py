"""The primitive words as NumPy: vectors are 1-d arrays, i64 are ints, pointers reach real memory.

Each does what the word of the same name in simd.py and memory.py emits, to the bit (NaN payloads
apart). Operators are NumPy's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir.types import HALVES
from ...kernel.scalar import NUMPY
from ...kernel.scalar import cast as scalar_cast

bool_, f16, bf16, f32, f64 = "bool", "f16", "bf16", "f32", "f64"
i8, i16, i32, i64, u8, u16, u32, u64 = "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"
inf, nan = float("inf"), float("nan")

NAMES = {t: n for n, t in NUMPY.items()}

Vector = np.ndarray[Any, Any]


def common_operands(*xs: Any) -> list[Vector]:
    """Operands as arrays of the dtype of the first array and of equal length."""
    dtype = next(x.dtype for x in xs if isinstance(x, np.ndarray))
    return list(np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, dtype)) for x in xs)))


# ------------------------------------------------------------------ arithmetic

libm = ctypes.CDLL(ctypes.util.find_library("m"))


def from_libm(name: str, arity: int) -> Callable[..., Any]:
    """libm's function of doubles, element by element."""
    f = getattr(libm, name)
    f.restype, f.argtypes = ctypes.c_double, [ctypes.c_double] * arity
    return np.frompyfunc(f, arity, 1)


fma_f64 = from_libm("fma", 3)


def fma(x: Any, y: Any, z: Any) -> Vector:
    """x * y + z, rounded once."""
    x, y, z = common_operands(x, y, z)
    if x.dtype == np.float64:
        return np.asarray(fma_f64(x, y, z), np.float64)
    product, addend = (
        x.astype(np.float64) * y.astype(np.float64),
        z.astype(np.float64),
    )  # the product is exact
    rounded = product + addend
    part = rounded - product
    lost = (product - (rounded - part)) + (addend - part)
    # round to odd: an inexact sum keeps a last bit set, so that rounding to f32 rounds the true sum
    even = (rounded.view(np.int64) & 1) == 0
    odd = np.where(
        even & (lost != 0) & np.isfinite(lost),
        np.nextafter(rounded, np.copysign(np.inf, lost)),
        rounded,
    )
    return odd.astype(np.float32)


def polynomial(x: Vector, *coefficients: float) -> Vector:
    y: Any = coefficients[0]
    for c in coefficients[1:]:
        y = fma(y, x, c)
    return y


sqrt, floor, ceil, rint, trunc = np.sqrt, np.floor, np.ceil, np.rint, np.trunc
neg, abs_, invert = np.negative, np.abs, np.invert


def copysign(x: Any, y: Any) -> Vector:
    return np.copysign(*common_operands(x, y))


def fmod(x: Any, y: Any) -> Vector:
    return np.fmod(*common_operands(x, y))


def maximum(x: Any, y: Any) -> Vector:
    x, y = common_operands(x, y)
    return np.where(y != y, y, np.where(y > x, y, x))


def minimum(x: Any, y: Any) -> Vector:
    x, y = common_operands(x, y)
    return np.where(y != y, y, np.where(y < x, y, x))


# ------------------------------------------------------------------ masks and lanes


def select(mask: Vector, x: Any, y: Any) -> Vector:
    return np.where(mask, *common_operands(x, y))


def first(n: int, lanes: int) -> Vector:
    return np.arange(lanes) < n


def full(value: Any, dtype: str, lanes: int) -> Vector:
    one = np.asarray([value], np.int64).astype(NUMPY[dtype]) if isinstance(value, int) else value
    return np.ascontiguousarray(np.broadcast_to(np.asarray(one, NUMPY[dtype]), lanes))


def iota(start: int, dtype: str, lanes: int) -> Vector:
    return np.arange(start, start + lanes, dtype=np.int64).astype(NUMPY[dtype])


def widened(x: Vector, lanes: int) -> Vector:
    return np.broadcast_to(x, lanes)


def shifted(x: Vector, by: int, fill: Any) -> Vector:
    places = np.arange(x.size) - by
    inside = (places >= 0) & (places < x.size)
    return np.where(inside, x[np.where(inside, places, 0)], np.asarray(fill, x.dtype))


def lane(x: Vector, k: int) -> Vector:
    return x[k : k + 1]


def scalar(x: Vector) -> int:
    (only,) = x
    return int(only)


def cast(x: Vector, dtype: str) -> Vector:
    return scalar_cast(x.astype(np.float32) if NAMES[x.dtype] in HALVES else x, dtype)


def reinterpret(x: Vector, dtype: str) -> Vector:
    return np.ascontiguousarray(x).view(NUMPY[dtype])


def each_lane(name: str, x: Vector, mask: Vector, other: Vector) -> Vector:
    """libm's function of doubles where the mask holds, else `other`."""
    out = other.copy()
    out[mask] = from_libm(name, 1)(x[mask])
    return out


TWO_OVER_PI = (
    0x0, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484,
    0xE99C7026B45F7E41, 0x3991D639835339F4, 0x9C845F8BBDF9283B, 0x1FF897FFDE05980F,
    0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D, 0x7527BAC7EBE5F17B,
    0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB,
)  # fmt: skip


def two_over_pi(word: Vector) -> Vector:
    """Word `word` of the bits of 2 / pi, the word before the point being the first; 0 beyond."""
    inside = word < len(TWO_OVER_PI)
    return np.where(inside, np.array(TWO_OVER_PI, np.uint64)[np.where(inside, word, 0)], 0)


# ------------------------------------------------------------------ folds


def lane_fold(combine: Callable[[Any, Any], Any]) -> Callable[[Vector], Vector]:
    def word(x: Vector) -> Vector:
        while x.size > 1:
            x = combine(x[: x.size // 2], x[x.size // 2 :])
        return x

    return word


total, product = lane_fold(np.add), lane_fold(np.multiply)
largest, smallest = lane_fold(maximum), lane_fold(minimum)
any_, all_ = lane_fold(np.bitwise_or), lane_fold(np.bitwise_and)


# ------------------------------------------------------------------ memory


@dataclass(frozen=True)
class RawPointer:
    address: int
    dtype: str

    def elements(self, i: int, n: int) -> Vector:
        """Elements i .. i + n - 1, as a view of memory."""
        t = NUMPY[self.dtype]
        memory: Any = (ctypes.c_char * (n * t.itemsize)).from_address(self.address + i * t.itemsize)
        return np.frombuffer(memory, t)


def memory(width: int) -> tuple[Callable[[int], int], Callable[[int, int], None]]:
    of = {8: ctypes.c_int8, 32: ctypes.c_int32, 64: ctypes.c_int64}[width]

    def write(address: int, value: int) -> None:
        of.from_address(address).value = value

    return lambda address: of.from_address(address).value, write


(read64, write64), (read32, write32), (read8, write8) = memory(64), memory(32), memory(8)


def integer(args: int, slot: int) -> int:
    return read64(args + 8 * slot)


def pointer(args: int, slot: int, dtype: str) -> RawPointer:
    return RawPointer(integer(args, slot), dtype)


address_pointer = RawPointer


def at(p: RawPointer, i: int) -> RawPointer:
    return RawPointer(p.address + i * NUMPY[p.dtype].itemsize, p.dtype)


def load(p: RawPointer, i: int, lanes: int) -> Vector:
    return p.elements(i, lanes).copy()


def store(p: RawPointer, i: int, v: Any) -> None:
    v = np.atleast_1d(np.asarray(v, NUMPY[p.dtype]))
    p.elements(i, v.size)[:] = v


def gather_where(p: RawPointer, indices: Vector, mask: Vector, other: Any) -> Vector:
    indices, mask = np.broadcast_arrays(indices, mask)
    out = np.array(np.broadcast_to(np.asarray(other, NUMPY[p.dtype]), indices.shape))
    for k in np.flatnonzero(mask):
        out[k] = p.elements(int(indices[k]), 1)[0]
    return out


def store_strided_where(p: RawPointer, i: int, stride: int, v: Any, mask: Vector) -> None:
    v = np.broadcast_to(np.asarray(v, NUMPY[p.dtype]), mask.shape)
    for k in np.flatnonzero(mask):
        p.elements(i + int(k) * stride, 1)[0] = v[k]


def steps(i: int, stride: int, lanes: int) -> Vector:
    return i + stride * np.arange(lanes)


def gather(p: RawPointer, indices: Vector) -> Vector:
    return gather_where(p, indices, np.ones(indices.shape, bool), 0)


def load_where(p: RawPointer, i: int, mask: Vector, other: Any) -> Vector:
    return gather_where(p, steps(i, 1, mask.size), mask, other)


def store_where(p: RawPointer, i: int, v: Any, mask: Vector) -> None:
    store_strided_where(p, i, 1, v, mask)


def load_strided(p: RawPointer, i: int, stride: int, lanes: int) -> Vector:
    return gather(p, steps(i, stride, lanes))


def load_strided_where(p: RawPointer, i: int, stride: int, mask: Vector, other: Any) -> Vector:
    return gather_where(p, steps(i, stride, mask.size), mask, other)


def store_strided(p: RawPointer, i: int, stride: int, v: Any) -> None:
    v = np.atleast_1d(np.asarray(v, NUMPY[p.dtype]))
    store_strided_where(p, i, stride, v, np.ones(v.shape, bool))


def store_pairs(p: RawPointer, i: int, v: Any, w: Any) -> None:
    v, w = np.broadcast_arrays(np.atleast_1d(v), np.atleast_1d(w))
    store_pairs_where(p, i, v, w, np.ones(v.shape, bool))


def store_pairs_where(p: RawPointer, i: int, v: Any, w: Any, mask: Vector) -> None:
    for k, x in enumerate((v, w)):
        store_strided_where(p, i + k, 2, x, mask)


def load_rows(p: RawPointer, i: int, q: RawPointer, k: int, pitch: int, n: int, lanes: int) -> None:
    rows = load(p, i, n * lanes).reshape(lanes, n)
    for j in range(n):
        store(q, k + pitch * j, rows[:, j])


def store_rows(
    p: RawPointer, i: int, q: RawPointer, k: int, pitch: int, n: int, lanes: int
) -> None:
    columns = np.array([load(q, k + pitch * j, lanes) for j in range(n)])
    store(p, i, columns.T.reshape(-1))


def prefetch(p: RawPointer, i: int) -> None:
    return None


def transpose(
    p: RawPointer, i: int, stride: int, q: RawPointer, k: int, pitch: int, n: int
) -> None:
    tile = np.array([load(p, i + stride * r, n) for r in range(n)])
    for r in range(n):
        store(q, k + pitch * r, tile[:, r])
