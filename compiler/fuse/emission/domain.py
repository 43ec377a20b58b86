"""The points of a kernel, and where they stand in the arrays that it computes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...kernel import Axis, Map
from ...kernel.index import CannotFuse, Index, affine, linear, unravel


@dataclass(frozen=True)
class Domain:
    """An array `shape`, of which the dimensions `inner` are what the reductions run over.

    Dimension k is the axis `ik`, or `jk` where it is inner. `splits` are axes that a reshape needs
    as two: the name, and the points of the inner one.
    """

    shape: tuple[int, ...]
    inner: frozenset[int] = frozenset()
    splits: tuple[tuple[str, int], ...] = ()

    def name(self, k: int) -> str:
        return f"{'j' if k in self.inner else 'i'}{k}"

    def split(self, name: str, size: int) -> Domain:
        """The domain with one axis as two, the inner one of `size` points."""
        return replace(self, splits=(*self.splits, (name, size)))

    def axes(self, inner: bool) -> tuple[Axis, ...]:
        """The outer or the inner axes; a dimension of one point has none."""
        out = [
            Axis(self.name(k), n)
            for k, n in enumerate(self.shape)
            if n != 1 and (k in self.inner) == inner
        ]
        for name, size in self.splits:
            for p, a in enumerate(out):
                if a.name == name:
                    out[p : p + 1] = [Axis(f"{name}a", a.size // size), Axis(f"{name}b", size)]
                    break
        return tuple(out)

    @property
    def sizes(self) -> dict[str, int]:
        return {a.name: a.size for a in (*self.axes(False), *self.axes(True))}

    @property
    def outer(self) -> tuple[int, ...]:
        """The dimensions that are not inner."""
        return tuple(k for k in range(len(self.shape)) if k not in self.inner)

    @property
    def outer_shape(self) -> tuple[int, ...]:
        return tuple(self.shape[k] for k in self.outer)

    @property
    def points(self) -> int:
        return math.prod(self.shape)

    def at(self, dims: Iterable[int]) -> tuple[Map, ...]:
        """The index of a point along each of `dims`."""
        return tuple(self.along(k) for k in dims)

    def along(self, k: int) -> Map:
        """The index of a point along dimension `k`."""
        strides = {self.name(k): int(self.shape[k] != 1)}
        for name, size in self.splits:
            if s := strides.pop(name, 0):
                strides |= {f"{name}a": s * size, f"{name}b": s}
        return affine(strides)

    def whole(self, shape: tuple[int, ...]) -> Index:
        """The index of a point in an array of `shape`: the domain's, or that of its outer part."""
        every = tuple(range(len(self.shape)))
        if shape == self.shape:
            return self.at(every)
        for dims in (every, self.outer):
            over = tuple(self.shape[k] for k in dims)
            fits = dims is every and math.prod(over) == math.prod(shape) > 0
            if fits or squeezed(over) == squeezed(shape):
                return unravel(linear(self.at(dims), over), shape, self.sizes)
        raise CannotFuse

    def has(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of `shape` has the points of the domain, or those of its outer part."""
        same = squeezed(shape) in (squeezed(self.outer_shape), squeezed(self.shape))
        return same or math.prod(shape) == self.points > 0


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without its axes of one point."""
    return tuple(n for n in shape if n != 1)
