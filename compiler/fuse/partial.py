"""Partial results: what the chunks of a division compute, and the kernel that combines them.

Chunk c of a value with n elements stands at c * n of a buffer of its own. Combining takes the
chunks in order, so the number of threads is nowhere in a result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..ir.graph import Value
from ..ir.types import Type
from ..kernel import (
    Accumulate,
    Axis,
    Buffer,
    Expr,
    Index,
    Keep,
    Kernel,
    KernelReduce,
    Leaf,
    Load,
    Map,
    Statement,
    Store,
    rebuilt,
    walk,
)
from ..kernel.index import affine
from .emission import Work


def blocked_axes(axis: Axis, size: int) -> tuple[Axis, Axis]:
    """`axis` as one over blocks of `size`, and one within a block; the last may be short."""
    outer = Axis(f"{axis.name}c", -(-axis.size // size))
    return outer, Axis(f"{axis.name}r", size, (outer.name, axis.size))


def c_order_map(axes: Iterable[Axis], start: int = 1) -> Map:
    """The place of a point of `axes`, C-ordered, in steps of `start`."""
    strides, step = {}, start
    for a in reversed(tuple(axes)):
        strides[a.name] = step
        step *= a.size
    return affine(strides)


@dataclass(frozen=True)
class Partial:
    """A buffer with a result of each chunk, and the value behind it."""

    buffer: Buffer
    value: Value

    @classmethod
    def of(cls, name: str, dtype: str, chunks: int, size: int) -> Partial:
        return cls(Buffer(name, dtype, chunks * size), Value(Type(dtype, (chunks, size))))


def work_of(kernel: Kernel, values: dict[str, Value], written: Iterable[str]) -> Work:
    """The work of a kernel, with a buffer for each of `values` that it reads or writes."""
    write = set(written)
    used = {e.buffer.name: e.buffer for st in kernel.stages for e in walk(*st.exprs)
            if isinstance(e, Load)}  # fmt: skip
    used |= {s.buffer.name: s.buffer for st in kernel.stages for s in st.body
             if isinstance(s, Store | Accumulate)}  # fmt: skip
    names = sorted(used, key=lambda n: (n in write, list(values).index(n)))
    kernel = replace(kernel, buffers=tuple(used[n] for n in names))
    return Work(kernel, tuple(values[n] for n in names), sum(n in write for n in names))


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
            case KernelReduce():
                return replace(s, exprs=tuple(map(self.expr, s.exprs)))
            case Keep():
                return replace(s, expr=self.expr(s.expr))
            case Store() | Accumulate():
                at = tuple((n, self.expr(e), size) for n, e, size in s.at)
                return replace(s, map=self.map(s.map), expr=self.expr(s.expr), at=at)


def points(axes: Iterable[Axis]) -> int:
    return math.prod(a.size for a in axes)
