"""Index arithmetic: where an element stands in memory, affine in the axes of a kernel.

A value's element is named by one map per dimension, or by a flat map into its C order. Views turn
the index of a result into the index of an operand; a reshape goes through the flat form, and
`unravel` comes back from it where that needs no division.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .kernel import Map
from .ops.family import affine


class CannotFuse(Exception):
    """This reading needs its operand in memory."""


class SplitAxis(CannotFuse):
    """The reading is affine once `axis` is two axes, the inner one of `inner` points."""

    def __init__(self, axis: str, inner: int) -> None:
        super().__init__(f"{axis} // {inner}")
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
    rest = m.offset
    if rest < 0 or any(s < 0 for _, s in m.strides):
        raise CannotFuse
    offsets = []
    for k, p in enumerate(pitch):
        offsets.append(rest // p)
        room[k] -= offsets[k]
        rest %= p
    if room and min(room) < 0:
        raise CannotFuse
    for axis, s in sorted(m.strides, key=lambda t: -t[1]):
        n = sizes[axis]
        k = next((k for k, p in enumerate(pitch) if p <= s and shape[k] > 1), None)
        if n == 1:
            continue
        if k is None or s % pitch[k]:
            raise CannotFuse
        step = s // pitch[k]
        if step * (n - 1) > room[k]:
            inner, left = divmod(shape[k], step)
            if left or inner <= 1 or n % inner or inner >= n or m.offset:
                raise CannotFuse
            raise SplitAxis(axis, inner)
        room[k] -= step * (n - 1)
        strides[k][axis] = step
    return tuple(affine(s, o) for s, o in zip(strides, offsets, strict=True))
