"""Products: the kernels of level 2 that get a template of their own.

    acc[b, i, j] = sum of lhs[b, i, k] * rhs[b, k, j] over k, then stores of expressions of acc

It is the kernel of two stages that `as_kernel` gives, so its text, its rules and its meaning are
that kernel's; what the class adds is the knowledge which axes are rows, columns and depth. Operands
are read through affine maps: transposed, broadcast and strided operands are no copies. A bias, an
activation, a residual, a second output live in the stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .expr import Axis, Buffer, Expr, Index, Leaf, Load, Map, Result, rebuilt, walk
from .reference import reference as kernel_reference
from .scalar import KernelError
from .stages import Kernel, KernelReduce, Stage, Store
from .verify import verify as kernel_verify


@dataclass(frozen=True)
class Product:
    """`lhs` varies along batch, rows and depth, `rhs` along batch, depth and columns.

    The stores are at points of batch, rows and columns, and see the sum as `result(dtype)`.
    `precision` is what factors of f32 may be rounded to: f32, tf32, bf16.
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
    return Kernel(p.name, p.buffers, p.outer, (Stage((p.depth,), (total,)), Stage((), p.stores)))


def verify(p: Product) -> Product:
    """The product, or a KernelError that says what is wrong."""
    for side, load, other in (("lhs", p.lhs, p.columns), ("rhs", p.rhs, p.rows)):
        if load.guards or load.at:
            raise KernelError(f"{p.name}: the {side} is read through more than an affine map")
        if load.map.stride(other.name):
            raise KernelError(f"{p.name}: the {side} varies along {other.name}")
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
    contiguous along rows only, or there is but one column.
    """
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
            steps = ((m.stride(axis.name), m.stride(inner.name)) for m in all_maps(p))
            fits = all(outer == step * inner.size for outer, step in steps)
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
    maps = [p.lhs.map, p.rhs.map, *(s.map for s in p.stores)]
    for e in walk(*(e for s in p.stores for e in s.exprs)):
        if isinstance(e, Index):
            maps.append(e.map)
        elif isinstance(e, Load):
            maps += [e.map, *(g for g, _, _ in e.guards)]
    return maps


def renamed(p: Product, names: Mapping[str, str | None]) -> Product:
    """The product with axes of other names in every map; an axis that becomes None stays at 0."""
    memo: dict[Expr, Expr] = {}

    def change(m: Map) -> Map:
        return m.renamed(lambda a: names.get(a, a))

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

    lhs, rhs = (Load(x.buffer, change(x.map)) for x in (p.lhs, p.rhs))
    return replace(p, lhs=lhs, rhs=rhs, stores=tuple(map(store, p.stores)))
