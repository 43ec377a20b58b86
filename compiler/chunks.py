"""Fixed chunks: how the points of a kernel are divided, so that results never depend on threads.

    elementwise   its last axis becomes the inner one, in blocks where it is long
    reduction     few points over much data: chunks of the data, then a kernel that combines the
                  chunks in order
    accumulation  chunks of the rows, each with sums of its own, then the same combination
    scatter       blocks of the rows that it writes, where nothing else is parallel

The sizes of a kernel alone decide. Two levels of summation are also the more accurate ones: the
error of a chain grows with its length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .emission import Work
from .ir import Value
from .kernel import (
    Accumulate,
    Axis,
    Buffer,
    Expr,
    Index,
    Keep,
    Kernel,
    Leaf,
    Load,
    Map,
    Reduce,
    Result,
    Stage,
    Statement,
    Store,
    axes_of,
    normalise,
    rebuilt,
    walk,
)
from .ops.family import affine
from .types import Type

BLOCK = 8192  # elements of a block of an elementwise kernel: 32 KB of f32 an operand
CHUNKS = 64  # at most this many: enough for any machine's cores, few enough to combine for nothing
CHUNK_ROWS = 128  # at least this many steps of a reduction in a chunk
ROW_BYTES = 32 * 1024  # a row of sums of this size stays in the first-level cache
LEAST_WORK = 32 * 1024  # elements below which one chunk does it all
BLOCKS_OF_ROW, LEAST_OF_ROW = 8, 32  # blocks of a scattered row at most, and their least elements


def chunked(work: Work) -> tuple[Work, ...]:
    """The kernels that do the work of one in fixed chunks, in order."""
    if not isinstance(work.kernel, Kernel):
        return (work,)
    kernel = normalise(work.kernel)
    work = replace(work, kernel=kernel)
    if any(a.segment for a in kernel.axes.values()):
        return (work,)
    if any(s.at for s in writes(kernel)):
        return (replace(work, kernel=blocked(kernel)),)
    if kernel.ordered:
        return accumulation(work, kernel)
    if not any(s.axes for s in kernel.stages):
        return (replace(work, kernel=elementwise(kernel)),)
    if only_reduces(kernel) and tall(kernel):
        if by_rows := column_sums(kernel):
            return accumulation(replace(work, kernel=by_rows), by_rows)
        points = math.prod(a.size for a in kernel.outer)
        if (points if of_rows(kernel) else points // 8) < CHUNKS:
            return reduction(work, kernel)
    return (work,)


# ---------------------------------------------------------------- elementwise


def elementwise(kernel: Kernel) -> Kernel:
    """Outer axes only → the last one inner, in blocks where it is longer than two."""
    if not kernel.outer:
        return kernel
    *outer, last = kernel.outer
    if last.size <= 2 * BLOCK:
        return replace(
            kernel, outer=tuple(outer), stages=tuple(Stage((last,), s.body) for s in kernel.stages)
        )
    c, j = halves(last, BLOCK)
    mapped = Remap({last.name: affine({c.name: BLOCK, j.name: 1})})
    stages = tuple(Stage((j,), tuple(map(mapped.statement, s.body))) for s in kernel.stages)
    return replace(kernel, outer=(*outer, c), stages=stages)


def halves(axis: Axis, size: int) -> tuple[Axis, Axis]:
    """`axis` as one over blocks of `size`, and one within a block; the last may be short."""
    outer = Axis(f"{axis.name}c", -(-axis.size // size))
    return outer, Axis(f"{axis.name}r", size, (outer.name, axis.size))


# ---------------------------------------------------------------- reductions


def only_reduces(kernel: Kernel) -> bool:
    """Whether one stage reduces and the other only stores the results."""
    if len(kernel.stages) != 2:
        return False
    reduce, store = kernel.stages
    plain = all(
        isinstance(s, Store) and isinstance(s.expr, Result) and not s.at for s in store.body
    )
    of = {s.names[0]: s.monoid for s in reduce.body if isinstance(s, Reduce)}
    kinds: dict[str, set[str]] = {}  # of what each buffer takes, which its parts combine by
    for s in store.body:
        if isinstance(s, Store) and isinstance(s.expr, Result):
            kinds.setdefault(s.buffer.name, set()).add(of.get(s.expr.name, ""))
    plain = plain and all(len(found) == 1 for found in kinds.values())
    single = all(isinstance(s, Reduce) and len(s.names) == 1 for s in reduce.body)
    return plain and single and not store.axes and bool(reduce.axes)


def tall(kernel: Kernel) -> bool:
    """Whether much data is reduced to few results, along many steps."""
    axes = kernel.stages[0].axes
    inner, outer = (math.prod(a.size for a in some) for some in (axes, kernel.outer))
    return inner >= 2 * CHUNK_ROWS and inner * outer >= LEAST_WORK


def of_rows(kernel: Kernel) -> bool:
    """Whether memory runs along the reduced axes, so that each result is that of a row."""
    stage = kernel.stages[0]
    loads = [e for e in walk(*stage.exprs) if isinstance(e, Load)]
    return all(e.map.stride(stage.axes[-1].name) in (0, 1, 2) for e in loads)


def column_sums(kernel: Kernel) -> Kernel | None:
    """Sums of columns as rows added to a row of sums, if that fits the first-level cache."""
    reduce, store = kernel.stages
    exprs = {
        s.names[0]: s.exprs[0] for s in reduce.body if isinstance(s, Reduce) and s.monoid == "sum"
    }
    outputs = [s for s in store.body if isinstance(s, Store)]
    names = [s.expr.name for s in outputs if isinstance(s.expr, Result)]
    if of_rows(kernel) or any(n not in exprs for n in names):
        return None
    if sum(s.buffer.size for s in outputs) * 8 > ROW_BYTES:
        return None
    body = tuple(Accumulate(s.buffer, s.map, exprs[n]) for s, n in zip(outputs, names, strict=True))
    return replace(kernel, outer=reduce.axes, stages=(Stage(kernel.outer, body),), parallel=0)


def reduction(work: Work, kernel: Kernel) -> tuple[Work, ...]:
    """A reduction of chunks into partial results, and one of those."""
    reduce, store = kernel.stages
    longest = max(reduce.axes, key=lambda a: a.size)
    c, r = halves(longest, max(-(-longest.size // CHUNKS), CHUNK_ROWS))
    if c.size == 1:
        return (work,)
    mapped = Remap({longest.name: affine({c.name: r.size, r.name: 1})})
    monoid = {n: s.monoid for s in reduce.body if isinstance(s, Reduce) for n in s.names}
    parts = Parts(work, c)
    stores = tuple(
        Store(*parts.of(s, monoid[s.expr.name]), s.expr)
        for s in store.body
        if isinstance(s, Store) and isinstance(s.expr, Result)
    )
    axes = tuple(r if a is longest else a for a in reduce.axes)
    first = Stage(axes, tuple(map(mapped.statement, reduce.body)))
    stages = (first, Stage((), stores))
    return parts.works(replace(kernel, outer=(c, *kernel.outer), stages=stages))


def accumulation(work: Work, kernel: Kernel) -> tuple[Work, ...]:
    """Rows in chunks: each chunk accumulates into sums of its own."""
    rows = kernel.outer[0]
    elements = math.prod(a.size for a in kernel.outer) * max(
        (math.prod(a.size for a in s.axes) for s in kernel.stages), default=1
    )
    if elements < LEAST_WORK or rows.size < 16:
        return (work,)
    c, r = halves(rows, max(8, -(-rows.size // CHUNKS)))
    mapped = Remap({rows.name: affine({c.name: r.size, r.name: 1})})
    parts = Parts(work, c)

    def statement(s: Statement) -> Statement:
        if not isinstance(s, Accumulate):
            return mapped.statement(s)
        return Accumulate(*parts.of(s, "sum"), mapped.expr(s.expr))

    stages = tuple(Stage(st.axes, tuple(map(statement, st.body))) for st in kernel.stages)
    return parts.works(replace(kernel, outer=(c, r, *kernel.outer[1:]), stages=stages, parallel=1))


# ---------------------------------------------------------------- scatters


def writes(kernel: Kernel) -> list[Store | Accumulate]:
    return [s for st in kernel.stages for s in st.body if isinstance(s, (Store, Accumulate))]


def blocked(kernel: Kernel) -> Kernel:
    """A scatter of rows, in which every point goes through all rows for a block of their elements.

    Every element is still combined in the order of the rows.
    """
    (stage,) = kernel.stages
    points = math.prod(a.size for a in kernel.free)
    elements = math.prod(a.size for a in (*kernel.ordered, *stage.axes))
    if not stage.axes or points > 1 or elements < LEAST_WORK:
        return kernel
    row = stage.axes[-1]
    size = -(-max(row.size // BLOCKS_OF_ROW, LEAST_OF_ROW) // LEAST_OF_ROW) * LEAST_OF_ROW
    apart = not any(
        row.name in axes_of(i, frozenset(), {}) for s in writes(kernel) for _, i, _ in s.at
    )
    if row.size < 2 * size or not apart:
        return kernel
    c, j = halves(row, size)
    mapped = Remap({row.name: affine({c.name: size, j.name: 1})})
    stages = (Stage((*stage.axes[:-1], j), tuple(map(mapped.statement, stage.body))),)
    return replace(
        kernel,
        outer=(*kernel.free, c, *kernel.ordered),
        stages=stages,
        parallel=len(kernel.free) + 1,
    )


class Parts:
    """Partial results of chunks, a row each, and the kernels that combine them."""

    def __init__(self, work: Work, chunks: Axis) -> None:
        self.work, self.chunks = work, chunks
        self.partial: dict[str, tuple[Buffer, Value, str]] = {}

    def of(self, s: Store | Accumulate, monoid: str) -> tuple[Buffer, Map]:
        """Where a chunk writes what `s` writes."""
        buffer = Buffer(s.buffer.name, s.buffer.dtype, self.chunks.size * s.buffer.size)
        shape = (self.chunks.size, s.buffer.size)
        self.partial[s.buffer.name] = buffer, Value(Type(s.buffer.dtype, shape)), monoid
        place = affine(dict(s.map.strides) | {self.chunks.name: s.buffer.size}, s.map.offset)
        return buffer, place

    def works(self, kernel: Kernel) -> tuple[Work, ...]:
        values, buffers, final = [], [], []
        for buffer, value in zip(kernel.buffers, self.work.values, strict=True):
            if buffer.name in self.partial:
                part, partial, monoid = self.partial[buffer.name]
                values.append(partial)
                buffers.append(part)
                final.append(combination(buffer, value, part, partial, monoid, self.chunks.size))
            else:
                values.append(value)
                buffers.append(buffer)
        first = replace(kernel, name=f"{kernel.name}_chunks", buffers=tuple(buffers))
        return (Work(first, tuple(values), self.work.writes), *final)


def combination(
    out: Buffer, value: Value, part: Buffer, partial: Value, monoid: str, chunks: int
) -> Work:
    """`out` from the rows of `part`, in the order of the chunks."""
    x, y = Buffer("x0", part.dtype, part.size), Buffer("y0", out.dtype, out.size)
    i, c = Axis("i", out.size), Axis("c", chunks)
    load = Load(x, affine({"c": out.size, "i": 1}))
    stages = (
        Stage((c,), (Reduce(("r",), monoid, (load,)),)),
        Stage((), (Store(y, affine({"i": 1}), Result("r", (), part.dtype)),)),
    )
    return Work(normalise(Kernel(f"combine_{monoid}", (x, y), (i,), stages)), (partial, value), 1)


# ---------------------------------------------------------------- axes replaced by maps


@dataclass(frozen=True)
class Remap:
    """Statements with axes replaced by maps of others."""

    by: dict[str, Map]

    def map(self, m: Map) -> Map:
        strides, offset = {a: s for a, s in m.strides if a not in self.by}, m.offset
        for a, s in m.strides:
            if a in self.by:
                offset += s * self.by[a].offset
                for b, t in self.by[a].strides:
                    strides[b] = strides.get(b, 0) + s * t
        return affine(strides, offset)

    def leaf(self, leaf: Leaf) -> Leaf:
        if isinstance(leaf, Load):
            guards = tuple((self.map(m), low, high) for m, low, high in leaf.guards)
            return Load(
                leaf.buffer, self.map(leaf.map), guards, leaf.fill if guards else None, leaf.at
            )
        return Index(self.map(leaf.map), leaf.dtype) if isinstance(leaf, Index) else leaf

    def expr(self, e: Expr) -> Expr:
        return rebuilt(e, self.leaf, self.memo)

    @property
    def memo(self) -> dict[Expr, Expr]:
        """Shared between the statements of a kernel, so that shared values stay shared."""
        found: dict[Expr, Expr] = self.__dict__.setdefault("_memo", {})
        return found

    def statement(self, s: Statement) -> Statement:
        match s:
            case Reduce():
                return replace(s, exprs=tuple(map(self.expr, s.exprs)))
            case Keep():
                return replace(s, expr=self.expr(s.expr))
            case Store() | Accumulate():
                at = tuple((n, self.expr(e), size) for n, e, size in s.at)
                return replace(s, map=self.map(s.map), expr=self.expr(s.expr), at=at)
