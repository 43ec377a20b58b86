"""Histograms over several axes."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ...ir.explain import shown
from ...trace.operands import promoted, tracer, whole, wrong
from ...trace.table import implements
from ...trace.tracer import Tracer
from .elementwise import where
from .order import counted, histogram_bin_edges, searchsorted
from .shapes import ravel, reshape, stack

__all__ = ["histogram2d", "histogramdd"]


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tracer, tuple[Tracer, ...]]:
    """How many points, rows of the sample or sequences of coordinates, lie in each cell, and the
    edges along each axis; the last cells hold their upper edges too."""
    points = (
        sample if isinstance(sample, Tracer) or np.ndim(sample) == 2 else stack(list(sample), -1)
    )
    x = tracer(points)
    x = reshape(x, (-1, 1)) if x.ndim == 1 else x
    if x.ndim != 2:
        raise wrong(f"histogramdd: rows of coordinates are required, got {x.type}")
    axes = x.shape[1]
    each = [bins] * axes if whole(bins) is not None else list(bins)
    ranges = [None] * axes if range is None else list(range)
    if len(each) != axes or len(ranges) != axes:
        raise wrong(
            f"histogramdd: bins and a range for {axes} axes are required, got {shown(bins)}"
        )
    edges = tuple(
        histogram_bin_edges(x[:, k], b, r)
        for k, (b, r) in enumerate(zip(each, ranges, strict=True))
    )
    cell: Any = np.int64(0)
    for k, limits in enumerate(edges):
        n = limits.size - 1
        at = searchsorted(limits, x[:, k], "right")
        last = x[:, k] == tracer(limits[-1], promoted("histogramdd", x, limits))
        at = where(last, n, at).astype(np.int64)
        cell = cell * (n + 2) + at
    sizes = [e.size + 1 for e in edges]  # those outside of the first and the last too
    of = np.ones(x.shape[0], np.int64) if weights is None else ravel(tracer(weights))
    counts: Any = reshape(counted(cell, of, int(np.prod(sizes))), sizes)
    counts = counts[(slice(1, -1),) * axes].astype(np.float64)
    if density:
        counts = counts / np.sum(counts)
        for k, limits in enumerate(edges):
            widths: Any = np.diff(limits).astype(np.float64)
            counts = counts / reshape(widths, [-1 if i == k else 1 for i in builtins.range(axes)])
    return counts, edges


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tracer, Tracer, Tracer]:
    """histogramdd of pairs; bins of one number or edges are those of both axes."""
    edges = whole(bins) is None and len(bins) != 2
    both = [bins, bins] if edges else bins
    counts, (first, second) = histogramdd(stack([x, y], -1), both, range, density, weights)
    return counts, first, second
