"""What tells attention where a token stands: added to tokens, to scores, or turning both sides.

Positions are integers, traced or not; an int n stands for 0 ... n - 1. So a step of a decoder asks
for the one position that it is at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as host

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.ir.explain import explained
from ...compiler.ir.types import HALVES, Type, dtype_name
from ...compiler.trace.operands import cast_to, whole, wrong
from .layer import layer

__all__ = ["RelativePositions", "alibi", "rotary", "sinusoidal_positions"]

Places = Any
"""Positions [length], or how many there are."""


@explained
def sinusoidal_positions(
    positions: Places, size: int, base: float = 10000.0, dtype: Any = "float32"
) -> Any:
    """sin(t / base^(2k/size)) at 2k and cos of the same at 2k + 1, for each position t.

    Shapes: [length, size].
    Source: Vaswani and others, Attention is all you need, 2017.
    """
    places, periods = _places(positions), _periods((size + 1) // 2, size, base)
    if whole(positions) is not None:  # angles in f64, rounded at the end
        angles = places[:, None] / periods
    else:
        wide = np.float32 if dtype_name(dtype) in HALVES else dtype
        angles = places.astype(wide)[:, None] * (1 / periods).astype(wide)
    both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return both.reshape(angles.shape[0], -1)[:, :size].astype(dtype)


def _periods(count: int, size: int, base: float) -> host.ndarray:
    return base ** (host.arange(count) * 2 / size)


@explained
def rotary(x: Any, positions: Places = None, base: float = 10000.0) -> Any:
    """Pairs (x[k], x[k + size/2]) turned by position / base^(2k/size): the product of a query and
    a key so turned depends on the distance of their positions alone.

    Shapes: x [..., time, heads, size] of an even size, positions [time] or [batch, time]; without
    them 0 ... time - 1. Halves are turned as f32.
    Source: Su and others, RoFormer, 2021; the pairs are those of GPT-NeoX and LLaMA.
    """
    x = array_or_tracer(x)
    if x.ndim < 3 or x.shape[-1] % 2:
        raise wrong(
            "rotary: [..., time, heads, size] of an even size is required, got "
            f"{dtype_name(x.dtype)}{list(x.shape)}"
        )
    wide = x.astype(np.float32) if dtype_name(x.dtype) in HALVES else x
    half = x.shape[-1] // 2
    places = _places(x.shape[-3] if positions is None else positions)
    frequencies = (1 / _periods(half, 2 * half, base)).astype(wide.dtype)
    angles = places.astype(wide.dtype)[..., None, None] * frequencies
    cos, sin = np.cos(angles), np.sin(angles)
    a, b = wide[..., :half], wide[..., half:]
    return cast_to(np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1), x)


def _places(positions: Places) -> Any:
    count = whole(positions)
    if count is not None:
        return host.arange(count)
    found = array_or_tracer(positions)
    if not found.ndim:
        raise wrong(
            f"positions: one axis or more is required, got {Type(dtype_name(found.dtype), ())}",
            "positions[None]",
        )
    kind, size = found.dtype.kind, found.dtype.itemsize
    if kind == "u" or (kind == "i" and size < 4):  # whose differences overflow
        return found.astype(np.int32 if size < 4 else np.int64)
    return found


def _distances(queries: Places, keys: Places) -> Any:
    """How far before its query a key stands: [queries, keys]."""
    return _places(queries)[:, None] - _places(keys)


@explained
def alibi(heads: int, queries: Places, keys: Places, dtype: Any = "float32") -> Any:
    """-slope * |distance|: a bias of scores whose slope falls from head to head by one factor.

    Slopes are 2^(-8k/n), k = 1 ... n, of the largest power of two n within the heads; those left
    take every other slope of 2n. Shapes: [heads, queries, keys].
    Source: Press, Smith, Lewis, Train short, test long, 2022.
    """
    if heads < 1:
        raise wrong(f"alibi: one head or more is required, got {heads}")
    n = 1 << (heads.bit_length() - 1)
    finer = [2 ** (-4 * k / n) for k in range(1, 2 * n + 1)]
    slopes = host.array((finer[1::2] + finer[::2])[:heads])[:, None, None].astype(dtype)
    return -slopes * abs(_distances(queries, keys)).astype(dtype)


@layer
class RelativePositions:
    """A bias of scores for each head and each bucket of distances: near ones have their own.

    Called with positions of queries and of keys it gives [heads, queries, keys].
    Source: Raffel and others, T5, 2020.
    """

    weight: Any  # [buckets, heads]
    distance: int = 128
    both: bool = True

    @classmethod
    def init(
        cls, key: Any, heads: int, *, buckets: int = 32, distance: int = 128,
        both: bool = True, dtype: Any = "float32",
    ) -> RelativePositions:  # fmt: skip
        """Half of the buckets are of keys that come later; none where only earlier ones are seen
        (`both` is False). All distances from `distance` on share the last one.
        """
        least = 4 if both else 2
        if buckets < least or distance <= buckets // least:
            raise wrong(
                f"RelativePositions: {least} buckets or more and a distance beyond those that have "
                f"their own are required, got {buckets} and {distance}"
            )
        weight = random.normal(key, (buckets, heads), dtype) * heads**-0.5
        return cls(weight, distance, both)

    @explained
    def __call__(self, queries: Places, keys: Places) -> Any:
        before = _distances(queries, keys)
        size = self.weight.shape[0] // (2 if self.both else 1)
        table = _buckets(size, self.distance)
        rows = np.take(table, np.clip(before, 0, self.distance), axis=0)
        if self.both:
            after = np.take(table, np.clip(-before, 0, self.distance), axis=0)
            rows = np.where(before < 0, size + after, rows)
        return np.moveaxis(np.take(self.weight, rows, axis=0), -1, 0)


def _buckets(size: int, distance: int) -> host.ndarray:
    """The bucket of every distance: half have one each, the others grow by a constant factor."""
    near = size // 2
    growth = [
        near + int(math.log(d / near) / math.log(distance / near) * (size - near))
        for d in range(near, distance + 1)
    ]
    return host.minimum([*range(near), *growth], size - 1).astype(host.int32)
