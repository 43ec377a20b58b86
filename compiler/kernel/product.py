"""Products: the kernels of level 2 that get a template of their own.

    acc[b, i, j] = sum of lhs[b, i, k] * rhs[b, k, j] over k, then stores of expressions of acc

It is the kernel of two stages that `as_kernel` gives, so its text, its rules and its meaning are
that kernel's; what the class adds is the knowledge which axes are rows, columns and depth. Operands
are read through affine maps: transposed, broadcast and strided operands are no copies, nor are
windows: a windowed product has several axes of rows and of depth, along each of which lhs has a
stride of its own, and is a convolution. A bias, an activation, a residual, a second output live in
the stores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .expr import Axis, Buffer, Expr, Index, Leaf, Load, Map, Result, rebuilt, walk
from .reference import reference as kernel_reference
from .scalar import KernelError
from .stages import Kernel, KernelReduce, Stage, Store
from .verify import verify as kernel_verify

FEW_COLUMNS, GROUP = 4, 8
"""Columns that leave most lanes idle, and most columns of a group that vectors hold several of."""


@dataclass(frozen=True)
class Product:
    """`lhs` varies along batch, rows and depth, `rhs` along batch, depth and columns.

    The stores are at points of batch, rows and columns, and see the sum as `result(dtype)`.
    `precision` is what factors of f32 may be rounded to: f32, tf32, bf16. Of a windowed product
    rows run through `row_axes` and depth through `depth_axes`, in C order: the factors are read
    along those. lhs may vary along columns, which are channels then, or along the first of
    `column_axes`: groups, each of as many columns as the second has.
    """

    name: str
    buffers: tuple[Buffer, ...]
    batch: tuple[Axis, ...]
    rows: Axis
    columns: Axis
    depth: Axis
    lhs: Load
    rhs: Load
    stores: tuple[Store, ...]
    precision: str = "f32"
    row_axes: tuple[Axis, ...] = ()
    depth_axes: tuple[Axis, ...] = ()
    column_axes: tuple[Axis, ...] = ()

    @property
    def windowed(self) -> bool:
        return bool(self.depth_axes)

    @property
    def channels(self) -> bool:
        """Whether columns are channels, each or some together with windows of their own."""
        return bool(self.column_axes) or self.lhs.map.stride(self.columns.name) != 0

    @property
    def dtype(self) -> str:
        return self.lhs.dtype

    @property
    def outer(self) -> tuple[Axis, ...]:
        return (*self.batch, self.rows, self.columns)

    @property
    def plain(self) -> bool:
        """Whether the product itself is all that is stored."""
        return len(self.stores) == 1 and isinstance(self.stores[0].expr, Result)

    def may_overwrite(self, x: Buffer, y: Buffer) -> bool:
        """Whether `y` may be written over `x`, which is then none of the factors."""
        factors = self.lhs.buffer, self.rhs.buffer
        return x not in factors and as_kernel(self).may_overwrite(x, y)

    def __str__(self) -> str:
        return str(as_kernel(self))


def result(dtype: str) -> Result:
    """The value of the product, as the stores see it."""
    return Result("acc", (), dtype)


def as_kernel(p: Product) -> Kernel:
    """The product as stages: a sum over depth per element, then the stores."""
    total = KernelReduce(("acc",), "sum", (p.lhs * p.rhs,))
    outer, depth, stores = p.outer, (p.depth,), p.stores
    if p.windowed:
        rows, depth, columns = p.row_axes or (p.rows,), p.depth_axes, p.column_axes or (p.columns,)
        outer = (*p.batch, *rows, *columns)

        def along(m: Map) -> Map:
            return map_along(map_along(m, p.rows, rows), p.columns, columns)

        stores = respelled(stores, along)
        rhs = Load(p.rhs.buffer, map_along(p.rhs.map, p.columns, columns))
        total = KernelReduce(("acc",), "sum", (p.lhs * rhs,))
    return Kernel(p.name, p.buffers, outer, (Stage(depth, (total,)), Stage((), stores)))


def map_along(m: Map, whole: Axis, axes: tuple[Axis, ...]) -> Map:
    """The map along `axes`, which `whole` runs through."""
    strides, step = dict(m.strides), m.stride(whole.name)
    strides.pop(whole.name, None)
    for axis in reversed(axes):
        strides[axis.name] = step
        step *= axis.size
    return Map(tuple(strides.items()), m.offset)


def verify(p: Product) -> Product:
    """The product, or a KernelError that says what is wrong."""
    rows = p.row_axes or (p.rows,)
    for side, load, others in (("lhs", p.lhs, (p.columns,)), ("rhs", p.rhs, rows)):
        if load.guards or load.at:
            raise KernelError(f"{p.name}: the {side} is read through more than an affine map")
        for axis in others:
            if load.map.stride(axis.name) and not (p.windowed and axis is p.columns):
                raise KernelError(f"{p.name}: the {side} varies along {axis.name}")
    parts = (p.rows, p.row_axes), (p.depth, p.depth_axes), (p.columns, p.column_axes)
    for whole, axes in parts:
        if axes and whole.size != math.prod(a.size for a in axes):
            raise KernelError(f"{p.name}: {whole.size} points of {whole.name} are not {axes}")
    if p.lhs.dtype != p.rhs.dtype:
        both = f"{p.lhs.dtype} and {p.rhs.dtype}"
        raise KernelError(f"{p.name}: factors of one dtype are required, got {both}")
    kernel_verify(as_kernel(p))
    return p


def reference(p: Product, arrays: Mapping[str, np.ndarray]) -> None:
    """Executes the product with NumPy."""
    kernel_reference(as_kernel(p), dict(arrays))


def product_parts(p: Product) -> tuple[Product, Kernel, Buffer]:
    """The product alone, the kernel of its stores, and the buffer between, C-ordered."""
    strides, size = [], 1
    for axis in reversed(p.outer):
        strides.append((axis.name, size if axis.size != 1 else 0))
        size *= axis.size
    names = {b.name for b in p.buffers}
    name = next(n for k in range(len(names) + 1) if (n := f"p{k}") not in names)
    between, place = Buffer(name, p.dtype, size), Map(tuple(reversed(strides)))
    factors = tuple(dict.fromkeys((p.lhs.buffer, p.rhs.buffer)))
    stores = (Store(between, place, result(p.dtype)),)
    alone = replace(p, buffers=(*factors, between), stores=stores)
    memo: dict[Expr, Expr] = {}

    def leaf(x: Leaf) -> Leaf:
        return Load(between, place) if isinstance(x, Result) else x

    after = tuple(
        replace(s, expr=rebuilt(s.expr, leaf, memo),
                at=tuple((k, rebuilt(e, leaf, memo), n) for k, e, n in s.at))
        for s in p.stores
    )  # fmt: skip
    used = {e.buffer for s in after for e in walk(*s.exprs) if isinstance(e, Load)}
    used |= {s.buffer for s in after}
    own = tuple(b for b in p.buffers if b in used)
    kernel = Kernel(f"after_{p.name}", (between, *own), p.outer, (Stage((), after),))
    return alone, kernel_verify(kernel), between


# ---- normal form


def normal_form(p: Product) -> Product:
    """The same product with as few batch axes and as contiguous first stores as it can have.

    A batch axis that every access steps through as if it continued another axis becomes part of
    that one. Rows and columns change places (the transposed product) when the first store is
    contiguous along rows only, or there is but one column. Windows stay lhs.
    """
    if p.windowed:
        return p if p.row_axes else as_rows(as_columns(as_depth(p)))
    while smaller := next((q for axis in p.batch for q in [without(p, axis)] if q), None):
        p = smaller
    along_rows, along_columns = (p.stores[0].map.stride(a.name) for a in (p.rows, p.columns))
    if along_rows == 1 and (along_columns != 1 or p.columns.size == 1):
        p = replace(p, rows=p.columns, columns=p.rows, lhs=p.rhs, rhs=p.lhs)
    return p


def without(p: Product, axis: Axis) -> Product | None:
    """The product without one batch axis, if another axis can take its points."""
    rest = tuple(a for a in p.batch if a is not axis)
    if axis.size == 1:
        return renamed(replace(p, batch=rest), {axis.name: None})
    fixed = {p.rows.name: p.rhs.map, p.columns.name: p.lhs.map}  # may not vary along these
    for inner in (p.columns, p.rows, *rest):
        if inner.size == 1:
            fits = inner.name not in fixed or not fixed[inner.name].stride(axis.name)
            names = {inner.name: None, axis.name: inner.name}
        else:
            fits = continues(all_maps(p), axis, inner)
            names = {axis.name: None}
        if fits:
            longer = replace(inner, size=inner.size * axis.size)
            *batch, rows, columns = (
                longer if a is inner else a for a in (*rest, p.rows, p.columns)
            )
            return renamed(replace(p, batch=tuple(batch), rows=rows, columns=columns), names)
    return None


def all_maps(p: Product) -> list[Map]:
    """Every map of the product."""
    return [p.lhs.map, p.rhs.map, *store_maps(p.stores)]


def store_maps(stores: Sequence[Store]) -> list[Map]:
    """Every map of stores and of what they read."""
    maps = [s.map for s in stores]
    for e in walk(*(e for s in stores for e in s.exprs)):
        if isinstance(e, Index):
            maps.append(e.map)
        elif isinstance(e, Load):
            maps += [e.map, *(g for g, _, _ in e.guards)]
    return maps


def continues(maps: Iterable[Map], outer: Axis, inner: Axis) -> bool:
    """Whether every map steps along `outer` as if that continued `inner`."""
    return all(m.stride(outer.name) == m.stride(inner.name) * inner.size for m in maps)


def renamed(p: Product, names: Mapping[str, str | None]) -> Product:
    """The product with axes of other names in every map; an axis that becomes None stays at 0."""

    def change(m: Map) -> Map:
        return m.renamed(lambda a: names.get(a, a))

    lhs, rhs = (Load(x.buffer, change(x.map)) for x in (p.lhs, p.rhs))
    return replace(p, lhs=lhs, rhs=rhs, stores=respelled(p.stores, change))


def respelled(stores: Sequence[Store], change: Callable[[Map], Map]) -> tuple[Store, ...]:
    """Stores with `change` of every map."""
    memo: dict[Expr, Expr] = {}

    def leaf(x: Leaf) -> Leaf:
        if isinstance(x, Index):
            return Index(change(x.map), x.dtype)
        if isinstance(x, Load):
            guards = tuple((change(g), low, high) for g, low, high in x.guards)
            return Load(x.buffer, change(x.map), guards, x.fill, x.at)
        return x

    def store(s: Store) -> Store:
        at = tuple((stride, rebuilt(e, leaf, memo), size) for stride, e, size in s.at)
        return Store(s.buffer, change(s.map), rebuilt(s.expr, leaf, memo), at)

    return tuple(map(store, stores))


# ---- windows


def as_depth(p: Product) -> Product:
    """The windowed product with its axes of depth in the order of rhs, and as few as there can be.

    What is packed is then read as it lies in memory.
    """
    axes = [a for a in p.depth_axes if a.size != 1] or list(p.depth_axes[:1])
    axes.sort(key=lambda a: -abs(p.rhs.map.stride(a.name)))
    joined = joined_axes(axes, (p.lhs.map, p.rhs.map))
    kept = {a.name for a in joined}
    gone = {a.name: None for a in p.depth_axes if a.name not in kept}
    return renamed(replace(p, depth_axes=joined), gone)


def as_columns(p: Product) -> Product:
    """The windowed product with the axes of its batch that continue columns as part of those."""
    for axis in reversed(p.batch):
        if not p.lhs.map.stride(axis.name) and (q := joined_columns(p, axis)):
            p = q
    return as_groups(as_channels(p))


def as_groups(p: Product) -> Product:
    """The windowed product with the columns of all groups side by side, where they are few."""
    k, lhs = p.columns, p.lhs.map
    if not 1 < k.size <= GROUP or k.size & (k.size - 1) or lhs.stride(k.name):
        return p
    for g in p.batch:
        near = 1 <= lhs.stride(g.name) <= k.size
        if near and continues([p.rhs.map, *store_maps(p.stores)], g, k):
            return of_groups(p, g)
    return p


def of_groups(p: Product, g: Axis) -> Product:
    """The windowed product whose columns are those of all groups."""
    k = p.columns
    whole = Axis(f"{k.name}g", g.size * k.size)
    names = {k.name: whole.name, g.name: None}

    def along(m: Map) -> Map:
        return m.renamed(lambda a: names.get(a, a))

    rhs, stores = Load(p.rhs.buffer, along(p.rhs.map)), respelled(p.stores, along)
    batch = tuple(a for a in p.batch if a is not g)
    return replace(p, batch=batch, columns=whole, column_axes=(g, k), rhs=rhs, stores=stores)


def as_channels(p: Product) -> Product:
    """The windowed product with lanes where they find work: few columns become part of the batch.

    Columns are an axis then whose elements are neighbours in lhs and in the first store: channels,
    or places of one channel.
    """
    place, lhs = p.stores[0].map, p.lhs.map
    if p.columns.size > FEW_COLUMNS or place.stride(p.columns.name) == 1:
        return p
    for axis in (*p.batch, p.rows):
        if axis.size > 1 and lhs.stride(axis.name) == place.stride(axis.name) == 1:
            batch = tuple(a for a in (*p.batch, p.columns) if a is not axis and a.size > 1)
            rows = Axis("row", 1) if axis is p.rows else p.rows
            return replace(p, batch=batch, rows=rows, columns=axis)
    return p


def joined_columns(p: Product, axis: Axis) -> Product | None:
    columns, batch = p.columns, tuple(a for a in p.batch if a is not axis)
    names: dict[str, str | None] = {axis.name: None}
    if columns.size == 1:
        names = {columns.name: None, axis.name: columns.name}
    elif not continues(all_maps(p), axis, columns):
        return None
    longer = replace(columns, size=columns.size * axis.size)
    return renamed(replace(p, batch=batch, columns=longer), names)


def as_rows(p: Product) -> Product:
    """The windowed product with as many rows as there can be.

    Those are axes through which the stores step as through one, in C order of the first.
    """
    free = [a for a in (*p.batch, p.rows) if not p.rhs.map.stride(a.name) and a.size != 1]
    free.sort(key=lambda a: -p.stores[0].map.stride(a.name))
    axes, maps = free[-1:] or [p.rows], store_maps(p.stores)
    for axis in reversed(free[:-1]):
        if continues(maps, axis, axes[0]):
            axes.insert(0, axis)
        elif axis.size > axes[0].size and len(axes) == 1:  # rather a long axis than the last
            axes = [axis]
    batch = tuple(a for a in (*p.batch, p.rows) if a not in axes and a.size != 1)
    whole = Axis(f"{axes[-1].name}r", math.prod(a.size for a in axes))
    names = {a.name: whole.name if a is axes[-1] else None for a in axes}
    stores = respelled(p.stores, lambda m: m.renamed(lambda a: names.get(a, a)))
    rows = joined_axes(axes, (p.lhs.map,))
    kept = {a.name for a in rows}
    place = p.lhs.map.renamed(lambda a: None if a in names and a not in kept else a)
    lhs = Load(p.lhs.buffer, place)
    return replace(p, batch=batch, rows=whole, row_axes=rows, lhs=lhs, stores=stores)


def joined_axes(axes: Sequence[Axis], maps: Sequence[Map]) -> tuple[Axis, ...]:
    """The axes, in C order, of which those that all maps step through as through one are one.

    Its name is that of the last.
    """
    found: list[Axis] = []
    for axis in reversed(axes):
        if found and continues(maps, axis, found[0]):
            found[0] = replace(found[0], size=found[0].size * axis.size)
        else:
            found.insert(0, axis)
    return tuple(found)
