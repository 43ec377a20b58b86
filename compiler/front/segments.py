"""Reductions of rows by segment, as jax.ops names them: ids say which segment each row is of.

    sums = wl.ops.segment_sum(messages, receivers, num_segments=nodes, indices_are_sorted=True)

Rows of ids that are negative or beyond the last segment take no part. An empty segment has the
value of an empty reduction: 0, 1, or the least or greatest number. Sums are in the order of rows,
whatever the number of threads. With `indices_are_sorted` every segment reduces its own rows, in
parallel; otherwise rows are added to their segments one after the other. Either way what computes
the rows is part of the reduction: gathered messages are never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..ir.explain import explained
from ..ir.graph import Value
from ..ir.types import HALVES, Type
from ..ops.gather import COMBINE, rows_of
from ..trace.arrays import plain
from ..trace.operands import cast_to, inexact, new, tracer, wrong
from ..trace.tracer import FUNCTIONS, Tracer
from .lax.lax import eager
from .numpy.selection import mode_of

__all__ = [
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_softmax",
    "segment_sum",
]


def segment_count(name: str, ids: Any, num_segments: Any) -> int:
    """The number of segments, told by ids that are known where it is not given."""
    if isinstance(num_segments, Tracer):
        raise wrong(f"{name}: num_segments known when the function is traced is required")
    if num_segments is not None:
        if not isinstance(num_segments, (int, np.integer)) or num_segments < 0:
            raise wrong(f"{name}: num_segments of 0 or more is required, got {num_segments!r:.40}")
        return int(num_segments)
    if isinstance(ids, Tracer):
        raise wrong(
            f"{name}: num_segments is required where the ids are traced, got {ids.type}",
            f"{name}(data, ids, num_segments=n)",
        )
    array = plain(ids)
    return int(array.max()) + 1 if array.size else 0


def reduced_segments(
    name: str,
    combine: str,
    data: Any,
    ids: Any,
    num_segments: Any,
    is_sorted: bool,
    unique: bool = False,
    mode: str | None = None,
) -> Tracer:
    count = segment_count(name, ids, num_segments)
    known = isinstance(ids, np.ndarray) and ids.ndim == 1
    is_sorted = is_sorted or (known and bool((ids[1:] >= ids[:-1]).all()))
    x, places = tracer(data), tracer(ids)
    if places.dtype.kind not in "iu" or not x.ndim or places.shape != x.shape[: places.ndim]:
        raise wrong(
            f"{name}: an integer id for each row is required, got {x.type} and ids {places.type}"
        )
    if places.type.dtype not in ("i32", "i64"):
        places = places.astype(np.int64)
    clip = mode_of(name, mode) == "clip"
    kind = x.type.dtype
    if kind == "bool":  # as jax has it: of truth values as numbers
        raise wrong(f"{name}: numbers are required, got {x.type}", "data.astype(np.int32)")
    if x.type.is_complex and combine in ("min", "max"):
        raise wrong(f"{name}: real numbers are required, got {x.type}")
    shape = (count, *x.shape[places.ndim :])
    start = COMBINE[combine].identity("f32" if kind in HALVES else kind)
    zeros = ops.full(start, Type(kind, shape))
    if not count:
        return new(zeros)
    axes = rows_of(len(shape), 0, places.ndim)
    found = ops.scatter(
        zeros, x.value, (places.value,), combine, **axes,
        mode="clip" if clip else "drop", unique=unique, sorted=is_sorted and not clip,
    )  # fmt: skip
    return new(found)


def segment_reduction(name: str, combine: str, doc: str) -> Callable[..., Any]:
    """The public function of one reduction."""

    @eager("data", "segment_ids")
    def traced(data: Any, segment_ids: Any, *options: Any) -> Tracer:
        return reduced_segments(name, combine, data, segment_ids, *options)

    @explained
    def function(
        data: Any,
        segment_ids: Any,
        num_segments: int | None = None,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        bucket_size: int | None = None,
        mode: str | None = None,
    ) -> Any:
        count = segment_count(name, segment_ids, num_segments)
        return traced(data, segment_ids, count, indices_are_sorted, unique_indices, mode)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


segment_sum = segment_reduction(
    "segment_sum",
    "add",
    """y[s] = the sum of data[e] with segment_ids[e] = s

    Example:
    >>> segment_sum(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 0]), 3)
    array([4., 0., 2.])
    """,
)
segment_prod = segment_reduction(
    "segment_prod", "mul", "y[s] = the product of data[e] with segment_ids[e] = s"
)
segment_max = segment_reduction(
    "segment_max",
    "max",
    "y[s] = the greatest data[e] with segment_ids[e] = s; equals share its derivative",
)
segment_min = segment_reduction(
    "segment_min",
    "min",
    "y[s] = the least data[e] with segment_ids[e] = s; equals share its derivative",
)


@explained
def segment_mean(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
) -> Any:
    """y[s] = the mean of data[e] with segment_ids[e] = s, 0 where there is none"""
    count = segment_count("segment_mean", segment_ids, num_segments)
    return _mean(data, segment_ids, count, indices_are_sorted)


@eager("data", "segment_ids")
def _mean(data: Any, segment_ids: Any, count: int, is_sorted: bool) -> Tracer:
    x, places = inexact(data), tracer(segment_ids)
    total = reduced_segments("segment_mean", "add", x, places, count, is_sorted)
    ones = FUNCTIONS[np.ones_like](places, x.dtype)
    number = reduced_segments("segment_mean", "add", ones, places, count, is_sorted)
    number = cast_to(FUNCTIONS[np.maximum](number, 1), x)
    return total / number.reshape((count, *(1 for _ in total.shape[1:])))


@explained
def segment_softmax(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
) -> Any:
    """exp(data[e]) / the sum of exp(data[f]) over the rows f of the segment of e

    Rows that take part in no segment give those of the nearest.
    """
    count = segment_count("segment_softmax", segment_ids, num_segments)
    return _softmax(data, segment_ids, count, indices_are_sorted)


@eager("data", "segment_ids")
def _softmax(data: Any, segment_ids: Any, count: int, is_sorted: bool) -> Tracer:
    x, places = tracer(data), tracer(segment_ids)
    top = reduced_segments("segment_softmax", "max", x, places, count, is_sorted)
    shifted = FUNCTIONS[np.exp](x - rows_of_segments(ops.stop_gradient(top.value), places))
    total = reduced_segments("segment_softmax", "add", shifted, places, count, is_sorted)
    return shifted / rows_of_segments(total.value, places)


def rows_of_segments(x: Value, places: Tracer) -> Tracer:
    """What belongs to the segment of each row."""
    return new(ops.take(x, places.value, 0))
