"""Index arithmetic: where an element stands in memory, affine in the axes of a kernel.

A value's element is named by one map per dimension, or by a flat map into its C order. Views turn
the index of a result into the index of an operand; a reshape goes through the flat form, and
`unravel` comes back from it where that needs no division.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.errors import CompilerError
from . import Expr, Map


@dataclass(frozen=True)
class Flat:
    """An index into an array read as one row: element `map` in C order."""

    map: Map


Index = tuple[Map, ...] | Flat
"""Where an element stands, affine in the axes of a kernel: a map per dimension, or a flat one."""


def affine(strides: Mapping[str, int], offset: int = 0) -> Map:
    """The map in the one form that compares equal for equal maps."""
    return Map(tuple(sorted((a, s) for a, s in strides.items() if s)), offset)


def plus(x: Map, y: Map, times: int = 1) -> Map:
    """x + times * y."""
    strides = dict(x.strides)
    for a, s in y.strides:
        strides[a] = strides.get(a, 0) + times * s
    return affine(strides, x.offset + times * y.offset)


def moved(m: Map, by: int, times: int = 1) -> Map:
    """by + times * m"""
    return plus(Map((), by), m, times)


def linear(at: Index, shape: tuple[int, ...]) -> Map:
    """The flat C-order index of `at` in an array of `shape`."""
    if isinstance(at, Flat):
        return at.map
    total, stride = Map(), 1
    for m, n in zip(reversed(at), reversed(shape), strict=True):
        total = plus(total, m, stride)
        stride *= n
    return total


def dims(at: Index) -> tuple[Map, ...]:
    """The map per dimension of an index that is not flat."""
    if isinstance(at, Flat):
        raise CompilerError("a flat index reached a view that is no reshape")
    return at


@dataclass(frozen=True)
class Piece:
    """Elements that come from `operand` at `index`, where each guard has low <= map < high."""

    operand: int
    index: Index
    guards: tuple[tuple[Map, int, int], ...] = ()


@dataclass(frozen=True)
class Shifted:
    """An index along one axis: `map`, moved by `by`, of which the values 0 to size - 1 are within.

    What is read where it is not is the nearest element; nothing is written there.
    """

    map: Map
    by: Expr
    size: int


Read = Callable[[int, Sequence[Map | Shifted]], Expr]
"""read(i, index): element `index` of operand `i`."""


class CannotFuse(Exception):
    """This reading needs its operand in memory: `value`, if one alone is known to be enough."""

    value: Any = None


class SplitAxis(CannotFuse):
    """The reading is affine once `axis` is two axes, the inner one of `inner` points."""

    def __init__(self, axis: str, inner: int) -> None:
        super().__init__(axis, inner)
        self.axis, self.inner = axis, inner


def unravel(m: Map, shape: tuple[int, ...], sizes: Mapping[str, int]) -> tuple[Map, ...]:
    """The map of every dimension of `shape`, where the flat index is `m`.

    Raises SplitAxis where an axis must be two for that, and CannotFuse where none is affine.
    """
    if math.prod(shape) == 0:
        return (Map(),) * len(shape)
    strides: list[dict[str, int]] = [{} for _ in shape]
    pitch = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    room = [n - 1 for n in shape]
    rest = m.offset + sum(min(s, 0) * (sizes[a] - 1) for a, s in m.strides)  # the least
    if rest < 0:
        raise CannotFuse
    offsets = []
    for k, p in enumerate(pitch):
        offsets.append(rest // p)
        room[k] -= offsets[k]
        rest %= p
    if any(n < 0 for n in room):
        raise CannotFuse
    for axis, signed in sorted(m.strides, key=lambda t: -abs(t[1])):
        n, s = sizes[axis], abs(signed)
        k = next((k for k, p in enumerate(pitch) if p <= s and shape[k] > 1), None)
        if n == 1:
            continue
        if k is None or s % pitch[k]:
            raise CannotFuse
        step = s // pitch[k]
        if step * (n - 1) > room[k]:
            inner, left = divmod(shape[k], step)
            if left or inner <= 1 or n % inner or inner >= n or m.offset or signed < 0:
                raise CannotFuse
            raise SplitAxis(axis, inner)
        room[k] -= step * (n - 1)
        strides[k][axis] = step if signed > 0 else -step
        offsets[k] += 0 if signed > 0 else step * (n - 1)
    return tuple(affine(s, o) for s, o in zip(strides, offsets, strict=True))
