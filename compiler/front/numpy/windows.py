"""NumPy's windows over traced arrays; it has no name for them but that of its own module."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.source import full, zero_of
from ...ops.windows import windows
from ...trace.operands import axis_of, new, several, shape_given, tracer, wrong
from ...trace.table import implements
from ...trace.tracer import Tracer

__all__: list[str] = []


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Tracer:
    """All windows of these sizes along axes, of which each window is as many new last axes.

    An axis may stand there more than once. Nothing is copied, nor can it be written.
    """
    name, a = "sliding_window_view", tracer(x)
    sizes = shape_given(name, window_shape)
    axes = (
        tuple(range(a.ndim))
        if axis is None
        else tuple(axis_of(name, k, a.ndim) for k in several(axis))
    )
    if len(sizes) != len(axes):
        raise wrong(
            f"{name}: a size for each of {len(axes)} axes is required, got {sizes} for {a.type}",
            f"axis={tuple(range(len(sizes)))}" if axis is None and len(sizes) < a.ndim else "",
        )
    found = a.value
    for k, n in zip(axes, sizes, strict=True):
        if n > found.shape[k]:
            raise wrong(f"{name}: a window within {a.type} is required, got {sizes} along {axes}")
        if n:
            found = windows(found, (k,), (n,))
        else:
            shape = (*found.shape[:k], found.shape[k] + 1, *found.shape[k + 1 :], 0)
            found = full(zero_of(found.type), found.type[shape])
    return new(found, a.weak)
