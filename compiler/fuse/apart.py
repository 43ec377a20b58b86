"""Divisions of a reduction: what is long is reduced in chunks, and what follows is done once.

    stages    a kernel that reduces much to little, whatever it computes of that: each stage over
              the data is a kernel over chunks; the next one combines their results, runs what
              stands between the stages, and stores what later ones need
    product   a long depth in parts: products of their own, then their sum and the stores

The sizes of a kernel alone decide. Chunks have a greatest size, so that the error of a sum grows
with the logarithm of its length and no more (see codegen/cascade.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..ir.graph import Value
from ..ir.sizes import larger, smaller
from ..kernel import (
    MONOIDS,
    Accumulate,
    Axis,
    Expr,
    Keep,
    Kernel,
    KernelReduce,
    Leaf,
    Load,
    Result,
    Stage,
    Statement,
    Store,
    rebuilt,
    walk,
)
from ..kernel.index import affine
from ..kernel.product import Product, result
from ..kernel.stages import mapped
from .emission import Work
from .partial import Partial, Remap, blocked_axes, c_order_map, points, work_of

CHUNKS = 64  # about so many: enough for a processor's cores, few enough to combine for nothing
LEAST_STEPS, MOST_STEPS = 128, 32 * 1024  # of a reduction in a chunk
LEAST_WORK = 32 * 1024  # elements below which one chunk does it all
LONG_ROW = 64 * 1024  # from which on rows that are written too are read again for every stage
SHORT_ROW, ROW_BYTES = 64, 32 * 1024
"""Elements of a row of sums that registers hold, and bytes of one in the first-level cache.

Sums of 8 columns are 13 times faster in registers, of 128 columns 4 times slower.
"""
BESIDE = 4  # steps of what is read beside a row
LEAST_ROWS, MOST_ROWS = 8, 64  # added to a row of sums in a chunk
DEPTH, DEPTH_OF_FEW = 64 * 1024, 8 * 1024  # of a part of a product
WINDOW_RESULTS, DEPTH_OF_WINDOWS = 256 * 1024, 2 * 1024
"""Of gradients of windows, whose depth is all places of all images: parts keep their rows whole."""
FEW_RESULTS, FEW_ROWS = 16 * 1024, 16  # that leave cores idle, or have longer chains


# ---------------------------------------------------------------- what is divided


def divisible(kernel: Kernel) -> bool:
    """Whether the kernel reduces much data to few results, along many steps."""
    stages = [s for s in kernel.stages if s.axes]
    statements = [s for stage in stages for s in stage.body]
    reduces = [s for s in statements if isinstance(s, KernelReduce)]
    if not reduces or any(MONOIDS[s.monoid].fields > 1 for s in reduces):
        return False
    steps, results = min(points(s.axes) for s in stages), points(kernel.outer)
    least = 2 * LEAST_STEPS if len(reduces) == len(statements) else LONG_ROW
    if steps < least or steps * results < LEAST_WORK:
        return False
    if len(stages) == 1 and by_rows(kernel, stages[0]):
        return True
    return all((results if of_rows(s) else results // 8) < CHUNKS for s in stages)


def of_rows(stage: Stage) -> bool:
    """Whether memory runs along the reduced axes, so that each result is that of a row."""
    loads = [e for e in walk(*stage.exprs) if isinstance(e, Load)]
    steps = {e.map.stride(stage.axes[-1].name) for e in loads}
    return all(0 <= step <= (BESIDE if 1 in steps else 2) for step in steps)


def by_rows(kernel: Kernel, stage: Stage) -> bool:
    """Whether sums of columns are rows added to a row of sums in the first-level cache."""
    sums = all(isinstance(s, KernelReduce) and s.monoid == "sum" for s in stage.body)
    columns = points(kernel.outer)
    fits = columns > SHORT_ROW and len(stage.body) * columns * 8 <= ROW_BYTES
    return sums and fits and not of_rows(stage)


# ---------------------------------------------------------------- stages


class Apart:
    """The works that do what a kernel does, a stage over data each.

    `known`: what stands for a result of the stages that are done: a load of what was stored, or,
    for a row that was kept, what computes it again.
    """

    def __init__(self, work: Work, kernel: Kernel) -> None:
        self.kernel, self.works = kernel, list[Work]()
        names = [b.name for b in kernel.buffers]
        self.values: dict[str, Value] = dict(zip(names, work.values, strict=True))
        self.written = set(names[len(names) - work.writes :])
        self.known: dict[str, Expr] = {}
        self.points = points(kernel.outer)

    def all(self) -> list[Work]:
        rest = list(self.kernel.stages)
        while rest:
            partial: list[tuple[KernelReduce, Partial]] = []
            chunks: tuple[Axis, ...] = ()
            if rest[0].axes:
                chunks, partial = self.over_data(rest.pop(0))
            between = []
            while rest and not rest[0].axes:
                between.append(rest.pop(0))
            self.after(chunks, partial, between, rest)
        return self.works

    def fresh(self, dtype: str, chunks: int) -> Partial:
        """Memory for a value per outer point, of each chunk."""
        name = next(n for k in range(len(self.values) + 1) if (n := f"p{k}") not in self.values)
        made = Partial.of(name, dtype, chunks, self.points)
        self.values[name] = made.value
        self.written.add(name)
        return made

    def add(
        self, name: str, outer: tuple[Axis, ...], stages: Iterable[Stage], parallel: int = -1
    ) -> None:
        kernel = Kernel(name, (), outer, tuple(stages), parallel)
        self.works.append(work_of(kernel, self.values, self.written))
        self.written -= {b.name for b in self.works[-1].kernel.buffers}

    def statements(self, body: Iterable[Statement]) -> list[Statement]:
        """Statements that read what is known."""
        memo: dict[Expr, Expr] = {}

        def leaf(e: Leaf) -> Leaf | Expr:
            return self.known.get(e.name, e) if isinstance(e, Result) else e

        return [mapped(s, lambda e: rebuilt(e, leaf, memo)) for s in body]

    # ---- over data

    def over_data(
        self, stage: Stage
    ) -> tuple[tuple[Axis, ...], list[tuple[KernelReduce, Partial]]]:
        """The kernel of a stage over chunks; the axes of those, and its reductions."""
        body = self.statements(stage.body)
        self.known |= {s.name: s.expr for s in body if isinstance(s, Keep)}
        reduces = [s for s in body if isinstance(s, KernelReduce)]
        stores = [s for s in body if isinstance(s, Store)]
        name, outer = f"{self.kernel.name}_chunks", self.kernel.outer
        if not reduces:
            self.add(self.kernel.name, (*outer, *stage.axes), [Stage((), tuple(stores))])
            return (), []
        rows = by_rows(self.kernel, stage) and not stores
        chunks, axes, split = chunked_rows(stage.axes) if rows else of_longest(stage.axes)
        partial = [(s, self.fresh(s.exprs[0].dtype, points(chunks))) for s in reduces]
        place = c_order_map((*chunks, *outer))
        if rows:
            sums = (Accumulate(p.buffer, place, split.expr(s.exprs[0])) for s, p in partial)
            self.add(name, (*chunks, *axes), [Stage(outer, tuple(sums))], len(chunks))
        else:
            once = tuple(
                Store(p.buffer, place, Result(s.names[0], (), s.exprs[0].dtype)) for s, p in partial
            )
            first = Stage(axes, tuple(map(split.statement, (*reduces, *stores))))
            self.add(name, (*chunks, *outer), [first, Stage((), once)])
        return chunks, partial

    # ---- once

    def after(
        self,
        chunks: tuple[Axis, ...],
        partial: list[tuple[KernelReduce, Partial]],
        between: Sequence[Stage],
        later: Sequence[Stage],
    ) -> None:
        """Combines the results of chunks, and computes what follows before the next stage."""
        outer, stages = self.kernel.outer, []
        dtypes = {s.names[0]: s.exprs[0].dtype for s, _ in partial}
        if partial:
            c = Axis("c", points(chunks))
            place = c_order_map((c, *outer))
            stages.append(Stage((c,), tuple(
                KernelReduce(s.names, s.monoid, (Load(p.buffer, place),)) for s, p in partial
            )))  # fmt: skip
        stages += [Stage((), tuple(self.statements(st.body))) for st in between]
        dtypes |= {s.name: s.expr.dtype for st in stages for s in st.body if isinstance(s, Keep)}
        needed = {e.name for st in later for e in walk(*st.exprs) if isinstance(e, Result)}
        kept = [(n, self.fresh(d, 1)) for n, d in dtypes.items() if n in needed]
        if kept:
            stages.append(Stage((), tuple(
                Store(p.buffer, c_order_map(outer), Result(n, (), dtypes[n])) for n, p in kept
            )))  # fmt: skip
        if not any(isinstance(s, Store) for st in stages for s in st.body):
            return
        plain = all(isinstance(s, Store) and isinstance(s.expr, Result)
                    for st in stages if not st.axes for s in st.body)  # fmt: skip
        name = f"combine_{partial[0][0].monoid}" if partial and plain else self.kernel.name
        self.add(name, outer, stages)
        self.known |= {n: Load(p.buffer, c_order_map(outer)) for n, p in kept}


def of_longest(axes: tuple[Axis, ...]) -> tuple[tuple[Axis, ...], tuple[Axis, ...], Remap]:
    """The longest of `axes` in chunks: those, the axes within one, and where its points are."""
    longest = max(axes, key=lambda a: a.size)
    others = points(axes) // longest.size
    least, most = -(-LEAST_STEPS // others), max(1, MOST_STEPS // others)
    c, r = blocked_axes(longest, min(max(-(-longest.size // CHUNKS), least), most))
    split = Remap({longest.name: affine({c.name: r.size, r.name: 1})})
    return (c,), tuple(r if a is longest else a for a in axes), split


def chunked_rows(axes: tuple[Axis, ...]) -> tuple[tuple[Axis, ...], tuple[Axis, ...], Remap]:
    """The same of rows, whose order stays: as many of the last ones as a chunk may have."""
    most = smaller(larger(-(-points(axes) // CHUNKS), LEAST_ROWS), MOST_ROWS)
    rows, within = 1, list[Axis]()
    for k in reversed(range(len(axes))):
        a = axes[k]
        if rows * a.size > most:
            size = most // rows
            if size < 2:
                return axes[: k + 1], tuple(within), Remap({})
            c, r = blocked_axes(a, size)
            split = Remap({a.name: affine({c.name: size, r.name: 1})})
            return (*axes[:k], c), (r, *within), split
        within.insert(0, a)
        rows *= a.size
    return (), axes, Remap({})


# ---------------------------------------------------------------- products


def long_product(work: Work, p: Product) -> list[Work]:
    """The product in parts of its depth, and the kernel that adds them; or itself, if it is short.

    Parts are equally long; what is left of the depth is a product of its own.
    """
    if p.depth.size <= DEPTH_OF_WINDOWS:
        return [work]  # whatever else it is
    results = points(p.outer)
    few = results <= FEW_RESULTS or p.rows.size <= FEW_ROWS or p.columns.size <= FEW_ROWS
    most = DEPTH_OF_FEW if few else DEPTH
    if p.windowed and results <= WINDOW_RESULTS:
        most = DEPTH_OF_WINDOWS
    if p.depth.size <= most:
        return [work]
    long = max(p.depth_axes or (p.depth,), key=lambda a: a.size)
    others = p.depth.size // long.size
    steps = -(-long.size // min(-(-p.depth.size // most), long.size))
    count, rest = divmod(long.size, steps)
    values = dict(zip((b.name for b in p.buffers), work.values, strict=True))
    written = set(list(values)[len(values) - work.writes :])
    c = Axis("c", count)
    works, found = list[Work](), list[Load]()
    whole = (c,) if count > 1 else ()
    for k, (chunks, depth, start) in enumerate([(whole, steps, 0), ((), rest, count * steps)]):
        if not depth:
            continue
        part = Partial.of(f"p{k}", p.dtype, points(chunks), results)
        values[part.buffer.name] = part.value
        place = c_order_map((*chunks, *p.outer))
        lhs, rhs = (from_step(x, long, start, chunks, steps) for x in (p.lhs, p.rhs))
        axes = (replace(a, size=depth) if a is long else a for a in p.depth_axes)
        factors = tuple(dict.fromkeys((lhs.buffer, rhs.buffer)))
        alone = replace(
            p, name=f"{p.name}_chunks", buffers=(*factors, part.buffer), batch=(*chunks, *p.batch),
            depth=replace(p.depth, size=depth * others), lhs=lhs, rhs=rhs,
            stores=(Store(part.buffer, place, result(p.dtype)),), depth_axes=tuple(axes),
        )  # fmt: skip
        reads = tuple(values[b.name] for b in factors)
        works.append(Work(alone, (*reads, part.value), 1, work.waits))
        found.append(Load(part.buffer, place))
    works.append(sum_of_parts(p, c, found, values, written))
    return works


def from_step(x: Load, depth: Axis, start: int, chunks: tuple[Axis, ...], steps: int) -> Load:
    """A factor from some step of the depth on, in chunks of `steps`."""
    stride = x.map.stride(depth.name)
    more = {c.name: stride * steps for c in chunks}
    return Load(x.buffer, affine(dict(x.map.strides) | more, x.map.offset + stride * start))


def sum_of_parts(
    p: Product, c: Axis, loads: Sequence[Load], values: dict[str, Value], written: set[str]
) -> Work:
    """The stores of a product, of the sum of its parts."""
    parts, *rest = loads
    total: Expr = Result("parts", (), p.dtype) if c.size > 1 else parts
    for load in rest:
        total = total + load
    memo: dict[Expr, Expr] = {}

    def leaf(e: Leaf) -> Leaf | Expr:
        return total if isinstance(e, Result) else e

    stores = tuple(mapped(s, lambda e: rebuilt(e, leaf, memo)) for s in p.stores)
    sums = (Stage((c,), (KernelReduce(("parts",), "sum", (parts,)),)),) if c.size > 1 else ()
    return work_of(Kernel(p.name, (), p.outer, (*sums, Stage((), stores))), values, written)
