"""The vocabulary of a GPU's kernels: that of words.py, over parameters, threads and shared memory.

    x0: pointer(f32), n: integer, c1: number(f32)    kinds of parameters: 64-bit slots, one each
    thread_index()  block_index()  block_count()     where this thread is; blocks have one dimension
    shared(start, f32)                               memory of the block, from byte `start` on
    shared_tile(0, 4096, f32)                        the same of a size that the text knows
    barrier(threads)                                 a warp or the whole block waits for itself
    mma_tf32(sums, ...)  mma_bf16(sums, ...)         a product of tensor cores
    team_total(x, threads), ...                      one value of all lanes of all threads
    from_below(x, 4, 0)                              that of the thread four before in the warp

Several lanes at once are read and written at addresses aligned to all of them; words that end in
`_where` take any address. Folds of a team exchange values by shuffles, halves with halves, then
through shared memory, in the order of the warps: the same bits in every thread and on every run.
Arithmetic is that of words.py to the bit, since LLVM contracts nothing and rounds to nearest even;
libm is replaced by far.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.ir as ir

from ....runtime.native.language import Emitter, Integer, Kind, NativeValue, Word
from . import memory, simd
from .memory import MEMORY_WORDS, Pointer
from .numpy_words import TWO_OVER_PI
from .simd import DTYPES, I32, I64, LLVM, SIMD, Vector, common_kind, largest_of, smallest_of, widen
from .words import ELEMENTARY, SOURCES, elementary

GLOBAL, SHARED = 1, 3  # address spaces
WARP = 32
ALL = ir.Constant(I32, -1)  # lanes of a warp
ACCESS = 16  # bytes of the widest access


# ------------------------------------------------------------------ parameters


@dataclass(frozen=True)
class NumberKind(Kind):
    """A parameter that holds one element of `dtype`."""

    dtype: str

    @property
    def llvm(self) -> ir.Type:  # pyright: ignore[reportIncompatibleVariableOverride]
        return DTYPES[self.dtype].memory

    def argument(self, e: Emitter, x: ir.Value) -> NativeValue:
        kind = Vector(self.dtype, 1)
        one = e.builder.insert_element(ir.Constant(memory.memory_type(kind), ir.Undefined), x,
                                       ir.Constant(I32, 0))  # fmt: skip
        return memory.from_memory(e, kind, one)

    def __str__(self) -> str:
        return self.dtype


def pointer(e: Emitter, dtype: str) -> Pointer:
    return Pointer(dtype, GLOBAL)


def number(e: Emitter, dtype: str) -> NumberKind:
    return NumberKind(dtype)


# ------------------------------------------------------------------ threads


def special(name: str) -> Word:
    """A register that tells a thread where it is."""

    def word(e: Emitter) -> NativeValue:
        f = e.declare(f"llvm.nvvm.read.ptx.sreg.{name}", I32, [])
        return NativeValue(Integer(64), e.builder.zext(e.builder.call(f, []), I64))

    return word


def barrier(e: Emitter, threads: int) -> None:
    """What all threads wrote before, all see after."""
    if threads == WARP:
        f = e.declare("llvm.nvvm.bar.warp.sync", ir.VoidType(), [I32])
        e.builder.call(f, [ALL])
    else:
        f = e.declare("llvm.nvvm.barrier.cta.sync.aligned.all", ir.VoidType(), [I32])
        e.builder.call(f, [ir.Constant(I32, 0)])


def shared(e: Emitter, start: Any, dtype: str) -> NativeValue:
    """The shared memory that the launch asks for, from byte `start` on."""
    of = ir.ArrayType(ir.IntType(8), 0)
    place = in_shared(e, "rows", of)
    first = e.builder.gep(place, [e.i64(0), e.i64(start)])
    kind = Pointer(dtype, SHARED)
    return NativeValue(kind, e.builder.bitcast(first, kind.llvm))


def shared_tile(e: Emitter, number: int, elements: int, dtype: str) -> NativeValue:
    """Shared memory whose size the text knows; one number, one place."""
    of = ir.ArrayType(DTYPES[dtype].memory, elements)
    first = e.builder.gep(in_shared(e, f"tile{number}", of), [e.i64(0), e.i64(0)])
    return NativeValue(Pointer(dtype, SHARED), first)


def in_shared(e: Emitter, name: str, of: ir.ArrayType) -> ir.GlobalVariable:
    name = f"{e.function.name}_{name}"
    if name not in e.module.globals:
        place: Any = ir.GlobalVariable(e.module, of, name, SHARED)
        place.align = 16
        if of.count:
            place.linkage = "internal"
            place.initializer = ir.Constant(of, ir.Undefined)
        else:
            place.linkage = "external"
    return e.module.globals[name]


# ------------------------------------------------------------------ folds


def team_fold(
    combine: Callable[[Emitter, NativeValue, NativeValue], NativeValue], fold: Word
) -> Word:
    """One value of the lanes, then of the threads."""

    def word(e: Emitter, x: NativeValue, threads: int) -> NativeValue:
        x = fold(e, x)
        distance = WARP // 2
        while distance:
            x = combine(e, x, shuffled(e, x, distance))
            distance //= 2
        return x if threads == WARP else of_warps(e, x, threads // WARP, combine)

    return word


def shuffled(e: Emitter, x: NativeValue, distance: int) -> NativeValue:
    """The value of the thread whose number in the warp differs by the bit `distance`."""
    return exchanged(e, x, "bfly", distance, WARP - 1)


def exchanged(e: Emitter, x: NativeValue, mode: str, distance: int, bounds: int) -> NativeValue:
    """The value of another thread of the warp, by 32 bits at a time."""
    b, kind = e.builder, common_kind(x)
    one = b.extract_element(memory.to_memory(e, kind, x.llvm), ir.Constant(I32, 0))
    bits = 8 * DTYPES[kind.dtype].bytes
    word = b.bitcast(one, ir.IntType(bits))
    f = e.declare(f"llvm.nvvm.shfl.sync.{mode}.i32", I32, [I32, I32, I32, I32])

    def moved(part: LLVM) -> LLVM:
        return b.call(f, [ALL, part, ir.Constant(I32, distance), ir.Constant(I32, bounds)])

    if bits == 64:
        high = b.zext(moved(b.trunc(b.lshr(word, ir.Constant(I64, 32)), I32)), I64)
        low = b.zext(moved(b.trunc(word, I32)), I64)
        word = b.or_(b.shl(high, ir.Constant(I64, 32)), low)
    elif bits == 32:
        word = moved(word)
    else:
        word = b.trunc(moved(b.zext(word, I32)), ir.IntType(bits))
    lane = b.insert_element(
        ir.Constant(memory.memory_type(kind), ir.Undefined),
        b.bitcast(word, one.type),
        ir.Constant(I32, 0),
    )
    return memory.from_memory(e, kind, lane)


def from_below(e: Emitter, x: NativeValue, distance: int, fill: Any) -> NativeValue:
    """The value of the thread `distance` before this one in the warp, or `fill` for the first."""
    below = exchanged(e, x, "up", distance, 0)
    index = special("tid.x")(e)
    first = index.kind.compare(e, "<", index.kind.binary(e, "%", index, WARP), distance)
    return simd.select(e, NativeValue(Vector("bool", 1), simd.splat(e, first.llvm, 1)), fill, below)


def of_warps(
    e: Emitter,
    x: NativeValue,
    warps: int,
    combine: Callable[[Emitter, NativeValue, NativeValue], NativeValue],
) -> NativeValue:
    """Every thread combines what the warps hold, in their order."""
    kind = common_kind(x)
    place = in_shared(e, f"warps_{kind.dtype}", ir.ArrayType(DTYPES[kind.dtype].memory, warps))
    slots = NativeValue(Pointer(kind.dtype, SHARED), e.builder.gep(place, [e.i64(0), e.i64(0)]))
    index = special("tid.x")(e)
    lane, warp = (index.kind.binary(e, op, index, WARP) for op in ("%", "//"))
    barrier(e, warps * WARP)  # nobody reads what was there before
    with e.builder.if_then(index.kind.compare(e, "==", lane, 0).llvm):
        memory.store(e, slots, warp, x)
    barrier(e, warps * WARP)
    out = memory.load(e, slots, 0, 1)
    for k in range(1, warps):
        out = combine(e, out, memory.load(e, slots, k, 1))
    return out


def extremum(emit: simd.Emission) -> Callable[[Emitter, NativeValue, NativeValue], NativeValue]:
    return lambda e, x, y: NativeValue(x.kind, emit(e, common_kind(x), x.llvm, y.llvm))


TEAM = {
    "team_total": team_fold(simd.binary_word("+"), simd.total),
    "team_product": team_fold(simd.binary_word("*"), simd.product),
    "team_largest": team_fold(extremum(largest_of), simd.largest),
    "team_smallest": team_fold(extremum(smallest_of), simd.smallest),
    "team_any_": team_fold(simd.binary_word("|"), simd.any_),
    "team_all_": team_fold(simd.binary_word("&"), simd.all_),
}


# ------------------------------------------------------------------ memory


def access_alignment(kind: Vector) -> int:
    return min(ACCESS, DTYPES[kind.dtype].bytes * kind.lanes)


def load(e: Emitter, p: Any, i: Any, lanes: int) -> NativeValue:
    """Elements i, i + 1, ..., aligned to all of them."""
    kind = Vector(p.kind.dtype, lanes)
    t = memory.memory_type(kind)
    at = memory.as_vectors(e, p, memory.element(e, p, i), t)
    return memory.from_memory(e, kind, e.builder.load(at, align=access_alignment(kind)))


def store(e: Emitter, p: Any, i: Any, v: Any) -> None:
    kind, value = memory.stored(e, p, v)
    at = memory.as_vectors(e, p, memory.element(e, p, i), value.type)
    e.builder.store(value, at, align=access_alignment(kind))


def load_where(e: Emitter, p: Any, i: Any, mask: NativeValue, other: Any) -> NativeValue:
    """Elements i, i + 1, ...; lanes outside `mask` are not read and hold `other`."""
    kind = Vector(p.kind.dtype, common_kind(mask).lanes)
    b, t = e.builder, memory.memory_type(kind)
    rest = memory.to_memory(e, kind, widen(e, other, kind))
    out = ir.Constant(t, ir.Undefined)
    first = memory.element(e, p, i)
    for k in range(kind.lanes):
        at = ir.Constant(I32, k)
        missing, before = b.extract_element(rest, at), b.block
        with b.if_then(b.extract_element(mask.llvm, at)):
            found, inside = b.load(b.gep(first, [at]), align=p.kind.bytes), b.block
        one = b.phi(t.element)
        one.add_incoming(missing, before)
        one.add_incoming(found, inside)
        out = b.insert_element(out, one, at)
    return memory.from_memory(e, kind, out)


def store_where(e: Emitter, p: Any, i: Any, v: Any, mask: NativeValue) -> None:
    kind, value = memory.stored(e, p, v, common_kind(mask).lanes)
    b, first = e.builder, memory.element(e, p, i)
    where = widen(e, mask, Vector("bool", kind.lanes))
    for k in range(kind.lanes):
        at = ir.Constant(I32, k)
        with b.if_then(b.extract_element(where, at)):
            b.store(b.extract_element(value, at), b.gep(first, [at]), align=p.kind.bytes)


def viewed(e: Emitter, p: Any, dtype: str) -> NativeValue:
    """The same memory as elements of another dtype."""
    kind = Pointer(dtype, p.kind.space)
    return NativeValue(kind, e.builder.bitcast(p.llvm, kind.llvm))


# ------------------------------------------------------------------ tensor cores


def tf32(e: Emitter, x: NativeValue) -> NativeValue:
    """f32 rounded to the 11 bits that tensor cores read, ties away from zero."""
    b, f = e.builder, e.declare("llvm.nvvm.f2tf32.rna", I32, [ir.FloatType()])
    lane = b.extract_element(x.llvm, ir.Constant(I32, 0))
    return one_lane(e, "f32", b.bitcast(b.call(f, [lane]), ir.FloatType()))


def packed(e: Emitter, x: NativeValue) -> NativeValue:
    """Two lanes of 16 bits as one of 32."""
    kind = Vector("u32", 1)
    return NativeValue(kind, e.builder.bitcast(x.llvm, kind.llvm))


def one_lane(e: Emitter, dtype: str, x: LLVM) -> NativeValue:
    kind = Vector(dtype, 1)
    blank = ir.Constant(kind.llvm, ir.Undefined)
    return NativeValue(kind, e.builder.insert_element(blank, x, ir.Constant(I32, 0)))


def mma(shape: str) -> Word:
    """sums + A B by a warp: four of a thread's sums, four fragments of A, two of B."""

    def word(e: Emitter, sums: NativeValue, *fragments: NativeValue) -> NativeValue:
        b, f32 = e.builder, ir.FloatType()
        four = ir.LiteralStructType([f32] * 4)
        f = e.declare(f"llvm.nvvm.mma.{shape}", four, [I32] * 6 + [f32] * 4)
        words = [b.bitcast(b.extract_element(x.llvm, ir.Constant(I32, 0)), I32) for x in fragments]
        old = [b.extract_element(sums.llvm, ir.Constant(I32, k)) for k in range(4)]
        new = b.call(f, [*words, *old])
        out = ir.Constant(sums.kind.llvm, ir.Undefined)
        for k in range(4):
            out = b.insert_element(out, b.extract_value(new, k), ir.Constant(I32, k))
        return NativeValue(sums.kind, out)

    return word


# ------------------------------------------------------------------ instead of libm


def two_over_pi(e: Emitter, word: NativeValue) -> NativeValue:
    """The word of this number of the bits of 2 / pi, 0 beyond: chosen, not loaded."""
    kind = Vector("u64", common_kind(word).lanes)
    out: Any = NativeValue(kind, simd.literal(kind, 0))
    for k, bits in enumerate(TWO_OVER_PI):
        out = simd.select(e, kind.compare(e, "==", word, k), bits, out)
    return out


def each_lane(
    e: Emitter, name: str, x: NativeValue, mask: NativeValue, other: NativeValue
) -> NativeValue:
    """What far.py has for libm's function where the mask holds."""
    wide = e.read(f"far_{name}")(e, simd.cast(e, x, "f64"))
    return simd.select(e, mask, simd.cast(e, wide, common_kind(x).dtype), other)


# ------------------------------------------------------------------ the vocabulary

HERE = Path(__file__).parent
CPU_ALONE = ("address_pointer", "prefetch", "transpose", "load_rows", "store_rows")
SHARED_WORDS = {n: w for n, w in (SIMD | MEMORY_WORDS).items() if n not in CPU_ALONE}
PRIMITIVES: dict[str, Any] = SHARED_WORDS | {
    "pointer": pointer, "integer": Integer(64), "number": number,
    "thread_index": special("tid.x"), "block_index": special("ctaid.x"),
    "block_count": special("nctaid.x"),
    "from_below": from_below, "barrier": barrier, "shared": shared, "shared_tile": shared_tile,
    "load": load, "store": store, "load_where": load_where, "store_where": store_where,
    "viewed": viewed, "packed": packed, "tf32": tf32,
    "mma_tf32": mma("m16n8k8.row.col.tf32"), "mma_bf16": mma("m16n8k16.row.col.bf16"),
    "two_over_pi": two_over_pi, "each_lane": each_lane,
} | TEAM  # fmt: skip


@cache
def words() -> dict[str, Any]:
    """Every word by its name, made when a program for a GPU is."""
    text = f"{ELEMENTARY}\n{(HERE / 'far.py').read_text()}"
    return PRIMITIVES | elementary(PRIMITIVES, text)


@cache
def key() -> str:
    """The version of these words."""
    own = [HERE / f"{name}.py" for name in ("far", "gpu_words")]
    return hashlib.sha256(b"".join(f.read_bytes() for f in (*SOURCES, *own))).hexdigest()
