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

from dataclasses import replace

from ..ir.graph import Value
from ..kernel import (
    Accumulate,
    Axis,
    Kernel,
    KernelReduce,
    Load,
    Result,
    Stage,
    Statement,
    Store,
    expr_axes,
    normalise,
)
from ..kernel.index import affine
from ..kernel.product import Product
from .apart import LEAST_WORK, MOST_ROWS, Apart, chunked_rows, divisible, long_product
from .emission import Work
from .partial import Partial, Remap, blocked_axes, c_order_map, points, work_of

BLOCK = 8192  # elements of a block of an elementwise kernel: 32 KB of f32 an operand
BLOCKS_OF_ROW, LEAST_OF_ROW = 8, 32  # blocks of a scattered row at most, and their least elements


def chunked(work: Work) -> tuple[Work, ...]:
    """The kernels that do the work of one in fixed chunks, in order."""
    if isinstance(work.kernel, Product):
        first, *rest = long_product(work, work.kernel)
        return (first, *(part for w in rest for part in chunked(w)))
    if not isinstance(work.kernel, Kernel):
        return (work,)
    kernel = normalise(work.kernel)
    work = replace(work, kernel=kernel)
    if any(a.segment or a.split for a in kernel.axes.values()):
        return (work,)
    if any(s.at for _, s in kernel.writes()):
        return (replace(work, kernel=blocked(kernel)),)
    if kernel.ordered:
        return accumulation(work, kernel)
    if not any(s.axes for s in kernel.stages):
        return (replace(work, kernel=elementwise(kernel)),)
    if divisible(kernel):
        parts = (replace(w, waits=work.waits) for w in Apart(work, kernel).all())
        return tuple(part for w in parts for part in chunked(w))
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
    c, j = blocked_axes(last, BLOCK)
    mapped = Remap({last.name: affine({c.name: BLOCK, j.name: 1})})
    stages = tuple(Stage((j,), tuple(map(mapped.statement, s.body))) for s in kernel.stages)
    return replace(kernel, outer=(*outer, c), stages=stages)


# ---------------------------------------------------------------- accumulations


def accumulation(work: Work, kernel: Kernel) -> tuple[Work, ...]:
    """Rows in chunks: each chunk accumulates into sums of its own."""
    rows = points(kernel.ordered)
    elements = points(kernel.outer) * max((points(s.axes) for s in kernel.stages), default=1)
    if rows <= MOST_ROWS and (elements < LEAST_WORK or rows < 16):
        return (work,)
    chunks, within, split = chunked_rows(kernel.ordered)
    if kernel.free or not chunks:
        return (work,)
    values = dict(zip((b.name for b in kernel.buffers), work.values, strict=True))
    written = set(list(values)[len(values) - work.writes :])
    sums: list[tuple[Accumulate, Partial]] = []

    def statement(s: Statement) -> Statement:
        if not isinstance(s, Accumulate):
            return split.statement(s)
        part = Partial.of(f"p{len(sums)}", s.buffer.dtype, points(chunks), s.buffer.size)
        sums.append((s, part))
        values[part.buffer.name] = part.value
        place = affine(
            dict(split.map(s.map).strides) | dict(c_order_map(chunks, s.buffer.size).strides),
            s.map.offset,
        )
        return Accumulate(part.buffer, place, split.expr(s.expr))

    stages = tuple(Stage(st.axes, tuple(map(statement, st.body))) for st in kernel.stages)
    first = Kernel(f"{kernel.name}_chunks", (), (*chunks, *within), stages, len(chunks))
    written |= {p.buffer.name for _, p in sums}
    works = [work_of(first, values, written)]
    works += [combination(s, p, points(chunks), values) for s, p in sums]
    first_work, *rest = (replace(w, waits=work.waits) for w in works)
    return (first_work, *(part for w in rest for part in chunked(w)))


def combination(s: Accumulate, part: Partial, chunks: int, values: dict[str, Value]) -> Work:
    """What `s` accumulates, from the sums of the chunks in their order."""
    i, c = Axis("i", s.buffer.size), Axis("c", chunks)
    load = Load(part.buffer, affine({"c": i.size, "i": 1}))
    total = Result("r", (), part.buffer.dtype)
    stages = (
        Stage((c,), (KernelReduce(("r",), "sum", (load,)),)),
        Stage((), (Store(s.buffer, affine({"i": 1}), total),)),
    )
    return work_of(Kernel("combine_sum", (), (i,), stages), values, {s.buffer.name})


# ---------------------------------------------------------------- scatters


def blocked(kernel: Kernel) -> Kernel:
    """A scatter of rows, in which every point goes through all rows for a block of their elements.

    Every element is still combined in the order of the rows.
    """
    (stage,) = kernel.stages
    free, elements = points(kernel.free), points((*kernel.ordered, *stage.axes))
    if not stage.axes or free > 1 or elements < LEAST_WORK:
        return kernel
    row = stage.axes[-1]
    size = -(-max(row.size // BLOCKS_OF_ROW, LEAST_OF_ROW) // LEAST_OF_ROW) * LEAST_OF_ROW
    places = [(s.map.stride(row.name), p) for _, s in kernel.writes() for p in s.at]
    apart = not any(
        row.name in expr_axes(index, frozenset(), {})
        or not (pitch > step * (row.size - 1) or pitch * count <= step)  # blocks meet elsewhere
        for step, (pitch, index, count) in places
    )
    if row.size < 2 * size or not apart:
        return kernel
    c, j = blocked_axes(row, size)
    mapped = Remap({row.name: affine({c.name: size, j.name: 1})})
    stages = (Stage((*stage.axes[:-1], j), tuple(map(mapped.statement, stage.body))),)
    return replace(
        kernel,
        outer=(*kernel.free, c, *kernel.ordered),
        stages=stages,
        parallel=len(kernel.free) + 1,
    )
