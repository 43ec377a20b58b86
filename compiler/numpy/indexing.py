"""Indexing: basic indices are views, integer arrays are gathers.

Indices within range are NumPy's. Index arrays known when the function is traced are checked; traced
ones wrap where negative and are clipped to the axis, because a compiled program cannot raise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import Value
from ..ops import gather
from ..ops import view as ops
from ..tracer import FUNCTIONS, Tracer
from .creation import eye
from .elementwise import where
from .operands import (
    axis_of,
    common_shape,
    implements,
    new,
    operand,
    shape_of,
    tracer,
    unsupported,
    value,
    wrong,
)
from .shapes import moveaxis, pad, ravel, reshape

Shape = tuple[int, ...]


def getitem(x: Any, at: Any) -> Tracer:
    """x[at] for ints, slices, None, Ellipsis and integer arrays."""
    x = tracer(x)
    parts = _filled(x, [_checked(x, i) for i in (at if isinstance(at, tuple) else (at,))])
    if not any(_is_array(i) for i in parts):
        return _basic(x, parts)
    basic = [slice(None) if _is_array(i) or isinstance(i, int) else i for i in parts]
    arrays: list[Any] = []  # per axis of the result of the basic part: the index array, or None
    for i, part in enumerate(parts):
        arrays.append(basic[i] if isinstance(basic[i], type(None)) else part)
    found = _basic(x, basic)
    return _gathered(found, [i if _is_array(i) or isinstance(i, int) else None for i in arrays])


def _is_array(i: Any) -> bool:
    return isinstance(i, (Tracer, np.ndarray))


def _checked(x: Tracer, i: Any) -> Any:
    """One index: int, slice of ints, None, Ellipsis, or an integer array."""
    if i is None or i is Ellipsis or (isinstance(i, int) and not isinstance(i, bool)):
        return i
    if isinstance(i, slice):
        if any(isinstance(p, Tracer) for p in (i.start, i.stop, i.step)):
            raise wrong(
                f"x[i:j]: bounds of Python ints are required for {x.type}, got a traced value",
                "np.take(x, i + np.arange(size), axis=0)",
            )
        return i
    if isinstance(i, np.integer):
        return int(i)
    array = i if isinstance(i, Tracer) else np.asarray(i)
    if isinstance(array, np.ndarray) and not array.size and not isinstance(i, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind == "b" and isinstance(array, Tracer):
        raise wrong(
            f"x[mask]: a result of static shape is required, got a traced mask {array.type}",
            "np.where(mask, x, 0)",
        )
    if array.dtype.kind not in "biu" or (array.dtype.kind == "b" and not array.ndim):
        raise wrong(f"x[i]: ints, slices, None, ... or integer arrays are required, got {i!r:.40}")
    return array


def _filled(x: Tracer, parts: list[Any]) -> list[Any]:
    """Static masks as index arrays, the ellipsis and the axes not named as full slices."""
    spread: list[Any] = []
    for i in parts:
        if isinstance(i, np.ndarray) and i.dtype.kind == "b":
            spread += np.nonzero(i)
        else:
            spread.append(i)
    named = sum(i is not None and i is not Ellipsis for i in spread)
    if named > x.ndim:
        raise wrong(f"x[i]: at most {x.ndim} indices are required for {x.type}, got {named}")
    rest = [slice(None)] * (x.ndim - named)
    places = [k for k, i in enumerate(spread) if i is Ellipsis]
    if len(places) > 1:
        raise wrong(f"x[i]: one ellipsis at most is required, got {len(places)}")
    k = places[0] if places else len(spread)
    return spread[:k] + rest + spread[k + 1 :]


def _basic(x: Tracer, parts: list[Any]) -> Tracer:
    """Ints, slices and None, for every axis."""
    start, stop, step, flipped, shape = [], [], [], [], []
    for i in parts:
        if i is None:
            shape.append(1)
            continue
        axis = len(start)
        n = x.shape[axis]
        if isinstance(i, int):
            low = counted(x, i, axis)
            low, high, by = low, low + 1, 1
        else:
            places = range(*i.indices(n))
            by = abs(places.step) if places else 1
            low, high = (
                (min(places[0], places[-1]), max(places[0], places[-1]) + 1) if places else (0, 0)
            )
            if places.step < 0:
                flipped.append(axis)
            shape.append(len(places))
        start.append(low)
        stop.append(high)
        step.append(by)
    found = ops.flip(ops.slice_(x.value, start, stop, step), flipped)
    return new(ops.reshape(found, shape), x.weak)


def counted(x: Tracer, i: int, axis: int) -> int:
    """A static index counted from the front."""
    n = x.shape[axis]
    if not -n <= i < n:
        raise wrong(f"x[i]: an index within {n} is required for axis {axis} of {x.type}, got {i}")
    return i % n


def _gathered(x: Tracer, arrays: list[Any]) -> Tracer:
    """Integer arrays on some axes: one gather along those axes taken as one."""
    axes = [k for k, i in enumerate(arrays) if i is not None]
    shape = common_shape("x[i]", *(shape_of(arrays[k]) for k in axes))
    adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
    first = axes[0] if adjacent else 0
    together = moveaxis(x, axes, range(first, first + len(axes))) if not adjacent else x
    sizes = [x.shape[k] for k in axes]
    merged = reshape(
        together, (*together.shape[:first], math.prod(sizes), *together.shape[first + len(axes) :])
    )
    flat: Any = 0
    for k, n in zip(axes, sizes, strict=True):
        here = wrapped(arrays[k], n, x, k, bound=len(axes) > 1)
        flat = here if len(axes) == 1 else flat * n + here
    return new(gather.take(merged.value, value(flat, shape=shape), first), x.weak)


def wrapped(indices: Any, n: int, x: Tracer, axis: int, bound: bool = False) -> Any:
    """Indices counted from the front: checked if static; with `bound`, traced ones are clipped."""
    indices = operand(indices)
    if not isinstance(indices, Tracer):
        array = np.asarray(indices)
        if array.size and not (-n <= array.min() and array.max() < n):
            out = array[(array < -n) | (array >= n)].flat[0] if array.ndim else array
            raise wrong(
                f"x[i]: an index within {n} is required for axis {axis} of {x.type}, got {out}"
            )
        return np.where(array < 0, array + n, array).astype(np.int64)
    if indices.dtype.kind == "u":
        indices = indices.astype("i64")
    indices = where(indices < 0, indices + n, indices)
    return FUNCTIONS[np.clip](indices, 0, n - 1) if bound else indices


FUNCTIONS["getitem"] = getitem


@implements(np.take)
def take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "clip"
) -> Tracer:
    """As np.take; traced indices beyond the axis are clipped, or wrapped with mode 'wrap'."""
    unsupported("take", out=out)
    x = tracer(a)
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of("take", axis, x.ndim))
    places = operand(indices)
    if mode == "wrap":
        places = tracer(places) % x.shape[axis]
    return new(gather.take(x.value, _index(wrapped(places, x.shape[axis], x, axis)), axis), x.weak)


def _index(places: Any) -> Value:
    found = value(places)
    if found.dtype not in ("i32", "i64"):
        raise wrong(
            f"take: integer indices are required, got {found.type}", "indices.astype(np.int32)"
        )
    return found


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Tracer:
    x, places = tracer(arr), operand(indices)
    if axis is None:
        return take_along_axis(ravel(x), ravel(places), 0)
    axis = axis_of("take_along_axis", axis, x.ndim)
    if len(shape_of(places)) != x.ndim:
        raise wrong(
            f"take_along_axis: indices of {x.ndim} dimensions are required, "
            f"got {list(shape_of(places))}"
        )
    rest = [
        (m, n) for k, (m, n) in enumerate(zip(x.shape, shape_of(places), strict=True)) if k != axis
    ]
    free = common_shape("take_along_axis", *zip(*rest, strict=True)) if rest else ()
    found = _index(wrapped(places, x.shape[axis], x, axis))
    chosen = value(new(found), shape=(*free[:axis], found.shape[axis], *free[axis:]))
    spread = value(x, shape=(*free[:axis], x.shape[axis], *free[axis:]))
    return new(gather.take_along(spread, chosen, axis), x.weak)


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tracer:
    """A view: every (columns + 1)st element of the flat matrix."""
    x = tracer(a)
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    *rest, rows, columns = x.shape
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    start = max(-offset, 0) * columns + max(offset, 0) if count else 0
    last = start + max(count - 1, 0) * (columns + 1)
    flat = reshape(x, (*rest, rows * columns))
    return flat[..., start : last + (count > 0) : columns + 1]


@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Tracer:
    return FUNCTIONS[np.sum](diagonal(a, offset, axis1, axis2), -1, dtype, out)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Tracer:
    x = tracer(v)
    if x.ndim != 1:
        return diagonal(x, k)
    n = x.size + abs(k)
    down = max(-k, 0)
    column = pad(x, (down, n - x.size - down))[:, None]
    return where(eye(n, n, k, dtype=bool), column, x.dtype.type(0))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Tracer:
    return diag(ravel(v), k)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Tracer:
    return ravel(arr)[np.nonzero(np.ravel(condition))]


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "clip") -> Tracer:
    unsupported("choose", out=out)
    options = FUNCTIONS[np.stack](FUNCTIONS[np.broadcast_arrays](*choices))
    places = value(a, shape=options.shape[1:])
    return take_along_axis(options, new(places)[None], 0)[0]
