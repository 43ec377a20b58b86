"""Memory in the native language: pointers to elements, vectors read from and written to them.

    x = pointer(args, 0, f32)          # the address in slot 0 of the argument block
    a = load(x, i, 32)                 # elements i .. i + 31
    store_where(y, i, a, first(n, 32)) # lanes outside the mask are neither read nor written

Elements two apart, as the parts of complex numbers are, are read and written by whole vectors:
    a = load_strided(x, i, 2, 32)      # with a literal 2
    store_pairs(y, i, a, b)            # a[0], b[0], a[1], b[1], ...

Indices and strides count elements. Addresses need only the alignment of an element. A bool is a
byte in memory, 0 or 1, and a mask in lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from ....runtime.native.language import Emitter, Integer, Kind, NativeError, NativeValue
from .simd import (
    DTYPES,
    I8,
    I32,
    I64,
    LLVM,
    Splat,
    Vector,
    common_kind,
    lane_numbers,
    mangled,
    shuffle,
    splat,
    undefined,
    widen,
)

Place = Any  # a Value whose kind is a Pointer
REGISTER = 64  # bytes of the widest
CLOSE = 16  # elements apart that are read by whole registers


@dataclass(frozen=True)
class Pointer(Kind):
    """The address of elements of `dtype` in one of LLVM's address spaces, 0 where there is one."""

    dtype: str
    space: int = 0

    @property
    def llvm(self) -> ir.Type:  # pyright: ignore[reportIncompatibleVariableOverride]
        return DTYPES[self.dtype].memory.as_pointer(self.space)

    @property
    def bytes(self) -> int:
        return DTYPES[self.dtype].bytes

    def __str__(self) -> str:
        return f"{self.dtype}*"


def pointer(e: Emitter, args: Any, slot: Any, dtype: str) -> NativeValue:
    """The address in slot `slot` (8 bytes each) of the argument block."""
    block = e.builder.inttoptr(e.i64(args), I64.as_pointer())
    address = e.builder.load(e.builder.gep(block, [e.i64(slot)]), align=8)
    return address_pointer(e, NativeValue(Integer(64), address), dtype)


def address_pointer(e: Emitter, address: Any, dtype: str) -> NativeValue:
    """An address, e.g. of scratch, as a pointer."""
    kind = Pointer(dtype)
    return NativeValue(kind, e.builder.inttoptr(e.i64(address), kind.llvm))


def at(e: Emitter, p: Place, i: Any) -> NativeValue:
    """The pointer to element i."""
    return NativeValue(p.kind, element(e, p, i))


def element(e: Emitter, p: Place, i: Any) -> LLVM:
    if not isinstance(p, NativeValue) or not isinstance(p.kind, Pointer):
        raise NativeError(
            f"a pointer is required, got {p.kind if isinstance(p, NativeValue) else p!r}"
        )
    return e.builder.gep(p.llvm, [e.i64(i)], inbounds=True)


# ------------------------------------------------------------------ lanes and their form in memory


def memory_type(kind: Vector) -> ir.VectorType:
    return ir.VectorType(DTYPES[kind.dtype].memory, kind.lanes)


def from_memory(e: Emitter, kind: Vector, v: LLVM) -> NativeValue:
    return NativeValue(
        kind,
        e.builder.icmp_unsigned("!=", v, ir.Constant(v.type, None)) if kind.dtype == "bool" else v,
    )


def to_memory(e: Emitter, kind: Vector, v: LLVM) -> LLVM:
    return e.builder.zext(v, memory_type(kind)) if kind.dtype == "bool" else v


def stored(e: Emitter, p: Place, v: Any, lanes: int = 1) -> tuple[Vector, LLVM]:
    """`v` as elements of `p`; a number is one lane, or `lanes`."""
    if isinstance(v, NativeValue) and isinstance(v.kind, Vector):
        lanes = max(lanes, v.kind.lanes)
    kind = Vector(p.kind.dtype, lanes)
    return kind, to_memory(e, kind, widen(e, v, kind))


def as_vectors(e: Emitter, p: Place, address: LLVM, t: ir.Type) -> LLVM:
    """The address as that of a `t`."""
    return e.builder.bitcast(address, t.as_pointer(p.kind.space))


def masked_call(e: Emitter, name: str, result: ir.Type, suffix: str, args: list[LLVM]) -> LLVM:
    return e.builder.call(
        e.declare(f"llvm.masked.{name}.{suffix}", result, [a.type for a in args]), args
    )


# ------------------------------------------------------------------ neighbours


def load(e: Emitter, p: Place, i: Any, lanes: int) -> NativeValue:
    """Elements i, i + 1, ..."""
    address = element(e, p, i)
    kind = Vector(p.kind.dtype, lanes)
    at = as_vectors(e, p, address, memory_type(kind))
    return from_memory(e, kind, e.builder.load(at, align=p.kind.bytes))


def store(e: Emitter, p: Place, i: Any, v: Any) -> None:
    address = element(e, p, i)
    _, value = stored(e, p, v)
    e.builder.store(value, as_vectors(e, p, address, value.type), align=p.kind.bytes)


def load_where(e: Emitter, p: Place, i: Any, mask: NativeValue, other: Any) -> NativeValue:
    """Elements i, i + 1, ...; lanes outside `mask` are not read and hold `other`."""
    address = element(e, p, i)
    kind = Vector(p.kind.dtype, common_kind(mask).lanes)
    t = memory_type(kind)
    at = as_vectors(e, p, address, t)
    rest = to_memory(e, kind, widen(e, other, kind))
    args = [at, ir.Constant(I32, p.kind.bytes), mask.llvm, rest]
    return from_memory(e, kind, masked_call(e, "load", t, f"{mangled(t)}.p{p.kind.space}", args))


def store_where(e: Emitter, p: Place, i: Any, v: Any, mask: NativeValue) -> None:
    address = element(e, p, i)
    _, value = stored(e, p, v, common_kind(mask).lanes)
    at = as_vectors(e, p, address, value.type)
    args = [value, at, ir.Constant(I32, p.kind.bytes), mask.llvm]
    masked_call(e, "store", ir.VoidType(), f"{mangled(value.type)}.p{p.kind.space}", args)


# ------------------------------------------------------------------ strides and indices


def steps(e: Emitter, i: Any, stride: Any, lanes: int) -> LLVM:
    """i, i + stride, ... as a vector of i64."""
    apart = e.builder.mul(splat(e, e.i64(stride), lanes), lane_numbers(lanes, I64))
    return e.builder.add(splat(e, e.i64(i), lanes), apart)


def lane_addresses(e: Emitter, p: Place, indices: LLVM) -> LLVM:
    base = splat(e, e.builder.ptrtoint(element(e, p, 0), I64), indices.type.count)
    size = Splat(Vector("i64", indices.type.count), p.kind.bytes)
    places = e.builder.add(base, e.builder.mul(indices, size))
    return e.builder.inttoptr(places, ir.VectorType(p.kind.llvm, indices.type.count))


def gather_lanes(e: Emitter, p: Place, indices: LLVM) -> NativeValue:
    """One scalar load a lane: as fast as gather instructions where those exist, or faster."""
    kind = Vector(p.kind.dtype, indices.type.count)
    v = undefined(memory_type(kind))
    for k in range(kind.lanes):
        place = NativeValue(Integer(64), e.builder.extract_element(indices, ir.Constant(I32, k)))
        one = e.builder.load(element(e, p, place), align=p.kind.bytes)
        v = e.builder.insert_element(v, one, ir.Constant(I32, k))
    return from_memory(e, kind, v)


def gather_lanes_where(
    e: Emitter, p: Place, indices: LLVM, mask: NativeValue, other: Any
) -> NativeValue:
    kind = Vector(p.kind.dtype, indices.type.count)
    t = memory_type(kind)
    rest = to_memory(e, kind, widen(e, other, kind))
    where = widen(e, mask, Vector("bool", kind.lanes))
    args = [lane_addresses(e, p, indices), ir.Constant(I32, p.kind.bytes), where, rest]
    return from_memory(e, kind, masked_call(e, "gather", t, f"{mangled(t)}.v{kind.lanes}p0", args))


def scatter_lanes_where(e: Emitter, p: Place, indices: LLVM, v: Any, mask: LLVM) -> None:
    _, value = stored(e, p, v, indices.type.count)
    args = [value, lane_addresses(e, p, indices), ir.Constant(I32, p.kind.bytes), mask]
    masked_call(e, "scatter", ir.VoidType(), f"{mangled(value.type)}.v{value.type.count}p0", args)


def load_strided(e: Emitter, p: Place, i: Any, stride: Any, lanes: int) -> NativeValue:
    """Elements i, i + stride, ..."""
    if type(stride) is int and stride == 2 and lanes > 1:
        return every_other(e, p, i, lanes)
    if type(stride) is int and 2 < stride <= CLOSE and lanes > 1:
        return every_nth(e, p, i, stride, lanes)
    return gather_lanes(e, p, steps(e, i, stride, lanes))


def every_nth(e: Emitter, p: Place, i: Any, n: int, lanes: int) -> NativeValue:
    """Elements i, i + n, ...: of whole registers, the last of which ends with the last of them."""
    each = min(lanes, REGISTER // p.kind.bytes)
    last = n * (each - 1) + 1 - each  # where the last one begins
    starts = [*range(0, last, each), last]
    of = [min(n * m // each, len(starts) - 1) for m in range(each)]
    places = [(k, n * m - starts[k]) for m, k in enumerate(of)]
    parts = [
        picked(e, [register(e, p, i, n * first + start, each) for start in starts], places)
        for first in range(0, lanes, each)
    ]
    while len(parts) > 1:
        whole = list(range(2 * parts[0].type.count))
        parts = [shuffle(e, x, whole, y) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    return from_memory(e, Vector(p.kind.dtype, lanes), parts[0])


def register(e: Emitter, p: Place, i: Any, start: int, lanes: int) -> LLVM:
    """Elements i + start, ... in their form in memory."""
    place = NativeValue(Integer(64), e.builder.add(e.i64(i), e.i64(start)))
    t = memory_type(Vector(p.kind.dtype, lanes))
    return e.builder.load(as_vectors(e, p, element(e, p, place), t), align=p.kind.bytes)


def picked(e: Emitter, registers: list[LLVM], places: list[tuple[int, int]]) -> LLVM:
    """Lane by lane what stands in lane `place[1]` of register `place[0]`: a shuffle each."""
    count, found = len(places), undefined(registers[0].type)
    for k in sorted({k for k, _ in places}):
        turn = [count + lane if of == k else m for m, (of, lane) in enumerate(places)]
        found = shuffle(e, found, turn, registers[k])
    return found


def every_other(e: Emitter, p: Place, i: Any, lanes: int) -> NativeValue:
    """Elements i, i + 2, ...: of two vectors, which reach to the last of them and no further."""
    first = load(e, p, i, lanes)
    last = load(e, p, NativeValue(Integer(64), e.builder.add(e.i64(i), e.i64(lanes - 1))), lanes)
    return NativeValue(first.kind, shuffle(e, first.llvm, every_second(lanes), last.llvm))


def every_second(lanes: int) -> list[int]:
    """Lanes of two vectors, of which the first one's last element is the other's first."""
    return [2 * k if 2 * k < lanes else 2 * k + 1 for k in range(lanes)]


def load_strided_where(
    e: Emitter, p: Place, i: Any, stride: Any, mask: NativeValue, other: Any
) -> NativeValue:
    lanes = common_kind(mask).lanes
    if type(stride) is int and stride == 2 and lanes > 1:
        return every_other_where(e, p, i, mask, other)
    return gather_lanes_where(e, p, steps(e, i, stride, lanes), mask, other)


def every_other_where(e: Emitter, p: Place, i: Any, mask: NativeValue, other: Any) -> NativeValue:
    """As `every_other`, of masks of which each second lane is out: gathers are slower."""
    kind = Vector(p.kind.dtype, common_kind(mask).lanes)
    lanes = kind.lanes
    none = ir.Constant(ir.VectorType(ir.IntType(1), lanes), None)

    def half(start: int) -> NativeValue:
        """The elements from `start` on that are of lanes in the mask."""
        at = [start + k for k in range(lanes)]
        inside = shuffle(e, mask.llvm, [lanes if n % 2 else n // 2 for n in at], none)
        place = NativeValue(Integer(64), e.builder.add(e.i64(i), e.i64(start)))
        return load_where(e, p, place, NativeValue(mask.kind, inside), 0)

    first, last = half(0), half(lanes - 1)
    found = shuffle(e, first.llvm, every_second(lanes), last.llvm)
    rest = widen(e, other, kind)
    return NativeValue(kind, e.builder.select(mask.llvm, found, rest))


def store_strided(e: Emitter, p: Place, i: Any, stride: Any, v: Any) -> None:
    kind, value = stored(e, p, v)
    places = steps(e, i, stride, kind.lanes)
    for k in range(kind.lanes):
        lane = ir.Constant(I32, k)
        place = NativeValue(Integer(64), e.builder.extract_element(places, lane))
        e.builder.store(
            e.builder.extract_element(value, lane), element(e, p, place), align=p.kind.bytes
        )


def store_strided_where(
    e: Emitter, p: Place, i: Any, stride: Any, v: Any, mask: NativeValue
) -> None:
    scatter_lanes_where(e, p, steps(e, i, stride, common_kind(mask).lanes), v, mask.llvm)


def store_pairs(e: Emitter, p: Place, i: Any, v: Any, w: Any) -> None:
    """Elements i, i + 2, ... and i + 1, i + 3, ..."""
    for k, both, _ in in_turns(e, p, common_kind(v, w).lanes, v, w, None):
        address = element(e, p, NativeValue(Integer(64), e.builder.add(e.i64(i), e.i64(2 * k))))
        at = as_vectors(e, p, address, both.type)
        e.builder.store(both, at, align=p.kind.bytes)


def store_pairs_where(e: Emitter, p: Place, i: Any, v: Any, w: Any, mask: NativeValue) -> None:
    """As `store_pairs`, those pairs whose lane is in the mask."""
    for k, both, inside in in_turns(e, p, common_kind(mask).lanes, v, w, mask):
        address = element(e, p, NativeValue(Integer(64), e.builder.add(e.i64(i), e.i64(2 * k))))
        at = as_vectors(e, p, address, both.type)
        args = [both, at, ir.Constant(I32, p.kind.bytes), inside]
        masked_call(e, "store", ir.VoidType(), f"{mangled(both.type)}.p0", args)


def load_rows(
    e: Emitter, p: Place, i: Any, q: Place, k: Any, pitch: Any, n: int, lanes: int
) -> None:
    """As many rows of n as lanes, from p[i] on, as n columns `pitch` apart from q[k] on."""
    rows = [register(e, p, i, start, lanes) for start in range(0, n * lanes, lanes)]
    for j, place in enumerate(columns(e, k, pitch, n)):
        column = picked(e, rows, [divmod(n * m + j, lanes) for m in range(lanes)])
        at = as_vectors(e, q, element(e, q, place), column.type)
        e.builder.store(column, at, align=p.kind.bytes)


def store_rows(
    e: Emitter, p: Place, i: Any, q: Place, k: Any, pitch: Any, n: int, lanes: int
) -> None:
    """The columns as rows: what undoes `load_rows`."""
    found = [register(e, q, place, 0, lanes) for place in columns(e, k, pitch, n)]
    for start in range(0, n * lanes, lanes):
        turned = (divmod(start + m, n) for m in range(lanes))
        row = picked(e, found, [(j, lane) for lane, j in turned])
        place = NativeValue(Integer(64), e.builder.add(e.i64(i), e.i64(start)))
        at = as_vectors(e, p, element(e, p, place), row.type)
        e.builder.store(row, at, align=p.kind.bytes)


def columns(e: Emitter, k: Any, pitch: Any, n: int) -> list[NativeValue]:
    """k, k + pitch, ..."""
    steps = (e.builder.mul(e.i64(pitch), e.i64(j)) for j in range(n))
    return [NativeValue(Integer(64), e.builder.add(e.i64(k), step)) for step in steps]


def in_turns(
    e: Emitter, p: Place, lanes: int, v: Any, w: Any, mask: NativeValue | None
) -> Iterator[tuple[int, LLVM, LLVM]]:
    """v[k], w[k], v[k + 1], w[k + 1], ... a register a time, and which of them are in the mask.

    LLVM takes longer vectors apart lane by lane.
    """
    x, y = (stored(e, p, given, lanes)[1] for given in (v, w))
    inside = mask.llvm if mask else Splat(Vector("bool", lanes), 1)
    step = min(lanes, max(REGISTER // p.kind.bytes, 1))
    for k in range(0, lanes, step):
        turns = [n + side for n in range(k, k + step) for side in (0, lanes)]
        yield k, shuffle(e, x, turns, y), shuffle(e, inside, turns, inside)


def gather(e: Emitter, p: Place, indices: NativeValue) -> NativeValue:
    """Elements at `indices`, a vector of i64."""
    return gather_lanes(e, p, widen(e, indices, Vector("i64", common_kind(indices).lanes)))


def gather_where(
    e: Emitter, p: Place, indices: NativeValue, mask: NativeValue, other: Any
) -> NativeValue:
    return gather_lanes_where(
        e, p, widen(e, indices, Vector("i64", common_kind(indices, mask).lanes)), mask, other
    )


# ------------------------------------------------------------------ cache


def prefetch(e: Emitter, p: Place, i: Any) -> None:
    """Asks for the cache line of element i; any address is harmless."""
    byte = I8.as_pointer()
    f = e.declare("llvm.prefetch.p0", ir.VoidType(), [byte, I32, I32, I32])
    line = e.builder.bitcast(e.builder.gep(p.llvm, [e.i64(i)]), byte)
    e.builder.call(f, [line, *(ir.Constant(I32, n) for n in (0, 3, 1))])


def transpose(
    e: Emitter, p: Place, i: Any, stride: Any, q: Place, k: Any, pitch: Any, n: int
) -> None:
    """The n by n tile at p[i] with rows `stride` apart, transposed to q[k] with rows `pitch` apart.

    n is a power of two. Rows held in registers exchange off-diagonal blocks of growing size."""
    b = e.builder

    def row(start: Any, step: Any, r: int) -> NativeValue:
        return NativeValue(Integer(64), b.add(e.i64(start), b.mul(e.i64(step), e.i64(r))))

    rows = [load(e, p, row(i, stride, r), n).llvm for r in range(n)]
    size = 1
    while size < n:
        low = [c + n - size if c & size else c for c in range(n)]
        high = [c + n if c & size else c + size for c in range(n)]
        for r in range(n):
            if not r & size:
                x, y = rows[r], rows[r + size]
                rows[r], rows[r + size] = shuffle(e, x, low, y), shuffle(e, x, high, y)
        size *= 2
    for r in range(n):
        store(e, q, row(k, pitch, r), NativeValue(Vector(p.kind.dtype, n), rows[r]))


MEMORY_WORDS: dict[str, Any] = {
    "pointer": pointer, "address_pointer": address_pointer, "at": at,
    "load": load, "store": store, "load_where": load_where, "store_where": store_where,
    "load_strided": load_strided, "load_strided_where": load_strided_where,
    "store_strided": store_strided, "store_strided_where": store_strided_where,
    "store_pairs": store_pairs, "store_pairs_where": store_pairs_where,
    "load_rows": load_rows, "store_rows": store_rows,
    "gather": gather, "gather_where": gather_where, "prefetch": prefetch, "transpose": transpose,
}  # fmt: skip
