"""Pooling of windows, with the names and signatures of flax.linen: channels are the last axis.

`window_shape` are the sizes along the axes before the channels, as many as there are in it; all
others are batches. `strides` are ones where none are given, `padding` is a name or pairs, as in
`lax.reduce_window`, `dilation` what lies between places of a window.

Example:
>>> max_pool(np.arange(6.0).reshape(1, 6, 1), (2,), (2,)).ravel()
array([1., 3., 5.])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.front.lax.spatial import pads, steps
from ...compiler.front.lax.windows import reduce_window
from ...compiler.ir.explain import explained, shown
from ...compiler.ir.types import HALVES, INEXACT, Type, dtype_name
from ...compiler.trace.operands import wrong
from ...compiler.trace.trace import keeps_bf16

__all__ = [
    "avg_pool", "global_avg_pool", "global_max_pool", "max_pool", "min_pool", "pool", "sum_pool",
]  # fmt: skip

Ints = tuple[int, ...]
Padding = str | Sequence[tuple[int, int]]


@explained
def pool(
    inputs: Any,
    init: Any,
    reduce_fn: Callable[[Any, Any], Any],
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: Sequence[int] | None = None,
) -> Any:
    """`reduce_fn` of the elements of each window, and of `init`, which pads."""
    return pooled("pool", inputs, init, reduce_fn, (window_shape, strides, padding, dilation))


@explained
def max_pool(
    inputs: Any,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: Sequence[int] | None = None,
) -> Any:
    """The greatest of each window, padding apart; the first of equal ones has the derivative."""
    windows = window_shape, strides, padding, dilation
    return pooled("max_pool", inputs, extreme(inputs, least=True), np.maximum, windows)


@explained
def min_pool(
    inputs: Any,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: Sequence[int] | None = None,
) -> Any:
    """The least of each window, padding apart; the first of equal ones has the derivative."""
    windows = window_shape, strides, padding, dilation
    return pooled("min_pool", inputs, extreme(inputs, least=False), np.minimum, windows)


@explained
def sum_pool(
    inputs: Any,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: Sequence[int] | None = None,
) -> Any:
    """The sum of each window."""
    return pooled("sum_pool", inputs, 0, np.add, (window_shape, strides, padding, dilation))


@explained
@keeps_bf16
def avg_pool(
    inputs: Any,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
    dilation: Sequence[int] | None = None,
) -> Any:
    """The mean of each window; its padding is zeros, or not of it without `count_include_pad`.

    A window of padding alone has the mean NaN where padding does not count. Halves are added up in
    f32, the mean of integers is f64.
    """
    x = array_or_tracer(inputs)
    inexact, half = (dtype_name(x.dtype) in kind for kind in (INEXACT, HALVES))
    wide = np.float32 if half else x.dtype if inexact else np.float64
    windows = windows_of("avg_pool", x, window_shape, strides, padding, dilation)
    total = reduce_window(x.astype(wide), 0, np.add, *windows)
    count = math.prod(windows[0])
    if not count_include_pad:
        pooled_axes = range(x.ndim - 1 - len(window_shape), x.ndim - 1)
        ones = np.ones([n if a in pooled_axes else 1 for a, n in enumerate(x.shape)], wide)
        count = reduce_window(ones, 0, np.add, *windows)
    return (total / count).astype(x.dtype if inexact else wide)


@explained
def global_avg_pool(inputs: Any) -> Any:
    """The mean over all axes but the first and the last: of each example and channel."""
    return np.mean(inputs, axis=spatial("global_avg_pool", inputs))


@explained
def global_max_pool(inputs: Any) -> Any:
    """The greatest over all axes but the first and the last; equal ones share the derivative."""
    return np.max(inputs, axis=spatial("global_max_pool", inputs))


# ---------------------------------------------------------------- windows before the channels

Windows = tuple[Ints, Ints, Padding, None, Ints]
"""What `reduce_window` takes of windows."""


def windows_of(
    name: str, x: Any, window_shape: Any, strides: Any, padding: Any, dilation: Any
) -> Windows:
    """Windows of the axes before the last one."""
    count = len(window_shape) if isinstance(window_shape, (tuple, list)) else 0
    if not 0 < count < x.ndim:
        raise wrong(
            f"{name}: a window_shape of 1 to {max(x.ndim - 1, 1)} ints is required for "
            f"{Type(dtype_name(x.dtype), x.shape)}, of which the last axis is channels, "
            f"got {shown(window_shape)}",
            "window_shape=(2, 2) of images [batch, height, width, channels]",
        )
    sizes = steps(name, "window_shape", window_shape, count)
    by = steps(name, "strides", strides, count)
    apart = steps(name, "dilation", dilation, count)
    extents = [(n - 1) * d + 1 for n, d in zip(sizes, apart, strict=True)]
    ends = pads(name, padding, x.shape[-count - 1 : -1], extents, by)
    front = (1,) * (x.ndim - count - 1)
    none = ((0, 0),)
    whole = ((*front, *v, 1) for v in (sizes, by, apart))
    sizes, by, apart = whole
    return sizes, by, (*none * len(front), *ends, *none), None, apart


def pooled(name: str, inputs: Any, init: Any, reduce_fn: Any, windows: tuple[Any, ...]) -> Any:
    return reduce_window(
        inputs, init, reduce_fn, *windows_of(name, array_or_tracer(inputs), *windows)
    )


def extreme(inputs: Any, least: bool) -> Any:
    """The least, or the greatest, number of the dtype of `inputs`."""
    dtype = array_or_tracer(inputs).dtype
    if dtype.kind == "b":
        return not least
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return int(info.min if least else info.max)
    return -math.inf if least else math.inf


def spatial(name: str, inputs: Any) -> Ints:
    x = array_or_tracer(inputs)
    if x.ndim < 3:
        raise wrong(
            f"{name}: a batch, axes to pool and channels are required, "
            f"got {Type(dtype_name(x.dtype), x.shape)}",
            "inputs[None], a batch of one",
        )
    return tuple(range(1, x.ndim - 1))
