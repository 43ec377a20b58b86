"""Fewer, longer axes: contiguous `for i in 1: for j in 64: for k in 32` becomes `for k in 2048`.

Axes of one point go away; parallel axes stand in the order in which the first store walks memory;
neighbours (parallel, ordered, or of one stage) become one where every map that sees them walks them
as one. What remains is the part of a shape that the machine code must know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from .expr import Axis, Expr, Index, Leaf, Load, Map, Result, rebuilt, walk
from .stages import Accumulate, Keep, Kernel, Stage, Statement, Store, mapped


def normalise(kernel: Kernel) -> Kernel:
    """An equal kernel with the fewest axes. Cost: axes^2 times the size of the kernel."""
    kernel = by_stride(without_single(kernel))
    while pair := joinable(kernel):
        kernel = merged_axes(kernel, *pair)
    return kernel


# ---- axes of one point


def without_single(kernel: Kernel) -> Kernel:
    """Drops axes of one point; a split by a dropped axis is no split."""
    gone = {a.name for a in kernel.axes.values() if a.size == 1 and not a.segment}
    if not gone:
        return kernel

    def axis(a: Axis) -> Axis:
        if a.split and a.split[0] in gone:
            return replace(a, size=min(a.size, a.split[1]), split=None)
        return a

    parallel = sum(a.name not in gone for a in kernel.free) if kernel.parallel >= 0 else -1
    outer = tuple(axis(a) for a in kernel.outer if a.name not in gone)
    stages = tuple(
        Stage(tuple(axis(a) for a in s.axes if a.name not in gone), s.body) for s in kernel.stages
    )
    rest = Kernel(kernel.name, kernel.buffers, outer, stages, parallel)
    return with_maps(rest, lambda m: m.renamed(lambda a: None if a in gone else a), gone)


# ---- order


def by_stride(kernel: Kernel) -> Kernel:
    """Parallel axes by falling stride of the first store, so that it is contiguous if it can be."""
    store = next((s for s in statements(kernel) if isinstance(s, Store | Accumulate)), None)
    if store is None:
        return kernel
    free = sorted(kernel.free, key=lambda a: -abs(store.map.stride(a.name)))
    return replace(kernel, outer=(*free, *kernel.ordered))


# ---- neighbours


def joinable(kernel: Kernel) -> tuple[Axis, Axis] | None:
    """The first pair of neighbours that all maps walk as one axis."""
    rows = [kernel.free, kernel.ordered, *(s.axes for s in kernel.stages)]
    split = {a.split[0] for a in kernel.axes.values() if a.split}
    for row in rows:
        for a, b in pairwise(row):
            plain = not any(x.split or x.segment or x.name in split for x in (a, b))
            if plain and are_adjacent(kernel, a.name, b.name) and contiguous(kernel, a, b):
                return a, b
    return None


def are_adjacent(kernel: Kernel, a: str, b: str) -> bool:
    """Whether every list of axes holds both, one after the other, or none."""
    lists = [tuple(x.name for x in s.axes) for s in kernel.stages]
    lists += [tuple(x.name for x in kernel.free), tuple(x.name for x in kernel.ordered)]
    for s in statements(kernel):
        lists += [s.axes] if isinstance(s, Keep) else []
        lists += [e.axes for e in walk(*s.exprs) if isinstance(e, Result)]
    return all((a in x) == (b in x) and (a not in x or x.index(b) == x.index(a) + 1) for x in lists)


def contiguous(kernel: Kernel, a: Axis, b: Axis) -> bool:
    return all(m.stride(a.name) == b.size * m.stride(b.name) for m in maps(kernel))


def merged_axes(kernel: Kernel, a: Axis, b: Axis) -> Kernel:
    """`kernel` with `a` and `b` as one axis under the name of `b`."""

    def axes(row: tuple[Axis, ...]) -> tuple[Axis, ...]:
        return tuple(replace(x, size=a.size * b.size) if x == b else x for x in row if x != a)

    parallel = len(axes(kernel.free)) if kernel.parallel >= 0 else -1
    stages = tuple(Stage(axes(s.axes), s.body) for s in kernel.stages)
    rest = Kernel(kernel.name, kernel.buffers, axes(kernel.outer), stages, parallel)
    return with_maps(rest, lambda m: m.renamed(lambda x: None if x == a.name else x), {a.name})


# ---- all maps of a kernel


def statements(kernel: Kernel) -> list[Statement]:
    return [s for stage in kernel.stages for s in stage.body]


def maps(kernel: Kernel) -> list[Map]:
    """Every map: of stores, loads, guards and indices."""
    found: list[Map] = [e.map for a in kernel.axes.values() for e in a.ends]
    for s in statements(kernel):
        found += [s.map] if isinstance(s, Store | Accumulate) else []
        for e in walk(*s.exprs):
            found += [e.map] if isinstance(e, Load | Index) else []
            found += [g for g, _, _ in e.guards] if isinstance(e, Load) else []
    return found


def with_maps(kernel: Kernel, change: Callable[[Map], Map], gone: set[str]) -> Kernel:
    """`kernel` with `change` of every map, and rows without the axes that are `gone`."""

    def kept(axes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(a for a in axes if a not in gone)

    def leaf(e: Leaf) -> Leaf:
        match e:
            case Load():
                guards = tuple((change(m), low, high) for m, low, high in e.guards)
                return Load(e.buffer, change(e.map), guards, e.fill, e.at)
            case Index():
                return Index(change(e.map), e.dtype)
            case Result():
                return Result(e.name, kept(e.axes), e.dtype)
        return e

    memo: dict[Expr, Expr] = {}

    def statement(s: Statement) -> Statement:
        made = mapped(s, lambda e: rebuilt(e, leaf, memo), change)
        return replace(made, axes=kept(made.axes)) if isinstance(made, Keep) else made

    def axis(a: Axis) -> Axis:
        return replace(a, segment=(a.segment[0], change(a.segment[1]))) if a.segment else a

    stages = tuple(
        Stage(tuple(map(axis, s.axes)), tuple(map(statement, s.body))) for s in kernel.stages
    )
    return replace(kernel, stages=stages)
