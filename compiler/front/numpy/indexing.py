"""Reading by indices: basic indices are views, integer arrays are gathers.

Indices within range are NumPy's. Index arrays known when the function is traced are checked; traced
ones wrap where negative, and beyond the axis x[i] reads the nearest element, because a compiled
program cannot raise. `take` and `take_along_axis` give NaN there, as jax.numpy's do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.explain import explained, shown
from ...ir.graph import Value
from ...ir.types import INTEGERS, is_inexact
from ...ops import gather
from ...ops import view as ops
from ...ops.places import INDICES
from ...trace.arrays import plain
from ...trace.foreign import traces_foreign
from ...trace.operands import (
    axis_of,
    common_shape,
    new,
    operand,
    shape_given,
    shape_of,
    tracer,
    unsupported,
    value,
    wrong,
)
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, SYNTAX, Tracer
from .creation import eye
from .elementwise import where
from .selection import Selection, from_front, mode_of, selection
from .shapes import broadcast_to, moveaxis, pad, ravel, reshape

__all__ = [
    "choose", "compress", "diag", "diagflat", "diagonal", "extract", "take", "take_along_axis",
    "trace",
]  # fmt: skip

Shape = tuple[int, ...]


def getitem(x: Any, at: Any) -> Tracer:
    """x[at] for ints, slices, None, Ellipsis and integer arrays."""
    strange = traces_foreign() and isinstance(x, Tracer)
    if strange and isinstance(at, Tracer) and at.type.dtype == "bool":
        return SYNTAX.picked(x, at)
    made = elements_at(tracer(x), at, None)
    if strange and made.ndim and made.memory is x.memory:
        made.base = x, at
    return made


def elements_at(
    x: Tracer, at: Any, mode: str | None, fill_value: Any = None, wrap: bool = True
) -> Tracer:
    """x[at]; beyond the axis by `mode`: "fill" gives `fill_value`, "wrap" counts on."""
    found = selection(x, at)
    if found.basic:
        return _basic(x, found)
    indices = values_of(x, found, mode, wrap)
    block = new(gather(x.value, indices, found.block, **found.params), x.weak)
    if mode == "fill" and (inside := in_bounds(found, indices)) is not None:
        block = where(inside, block, filling(x, fill_value))
    return reshape(new(ops.flip(block.value, found.flipped), x.weak), found.shape)


def values_of(x: Any, selected: Selection, mode: str | None, wrap: bool = True) -> list[Value]:
    """The indices of a selection from `x` as values, counted from the front."""
    out: list[Value] = []
    for d, i in zip(selected.indexed, selected.indices, strict=True):
        places = i if isinstance(i, int) else from_front(i, selected.x[d], x, d, mode, wrap)
        out.append(index_value("x[i]", places))
    return out


def index_value(name: str, places: Any) -> Value:
    found = value(places)
    if found.dtype not in INDICES:
        raise wrong(
            f"{name}: integer indices are required, got {found.type}", "indices.astype(np.int32)"
        )
    return found


def in_bounds(selected: Selection, indices: list[Value]) -> Tracer | None:
    """Where all traced indices are within their axes, in the shape of the block."""
    out: Any = None
    for k, (v, over) in enumerate(zip(indices, selected.along, strict=True)):
        given = selected.indices[k]
        if isinstance(given, int):
            continue
        i = new(v)
        inside = (i >= 0) & (i < selected.room(k))
        order = sorted(range(len(over)), key=lambda a, over=over: over[a])
        spread = FUNCTIONS[np.transpose](inside, order) if len(order) > 1 else inside
        shape = tuple(n if a in over else 1 for a, n in enumerate(selected.block))
        here = reshape(spread, shape)
        out = here if out is None else out & here
    return out


def filling(x: Tracer, fill_value: Any) -> Any:
    """What stands for elements that are not there: as jax.numpy's fill mode has it."""
    if fill_value is not None:
        return tracer(fill_value).astype(x.dtype)
    if is_inexact(x.type.dtype):
        return x.dtype.type(np.nan)
    if x.type.dtype not in INTEGERS:
        return True
    return x.dtype.type(np.iinfo(x.dtype).min if x.dtype.kind == "i" else np.iinfo(x.dtype).max)


def _basic(x: Tracer, found: Selection) -> Tracer:
    """Ints, slices and None, for every axis."""
    start, stop, step, flipped = bounds_of(found)
    made = ops.flip(ops.slice_(x.value, start, stop, step), flipped)
    return new(ops.reshape(made, found.shape), x.weak)


def bounds_of(selected: Selection) -> tuple[list[int], list[int], list[int], list[int]]:
    """Of a view: start, stop and step along every axis of x, and the axes that run backwards."""
    start: list[int] = []
    stop: list[int] = []
    step: list[int] = []
    flipped: list[int] = []
    for i in selected.parts:
        if i is None:
            continue
        axis = len(start)
        n = selected.x[axis]
        places = range(i % n, i % n + 1) if isinstance(i, int) else range(*i.indices(n))
        low, high = (
            (min(places[0], places[-1]), max(places[0], places[-1]) + 1) if places else (0, 0)
        )
        if places.step < 0:
            flipped.append(axis)
        start.append(low)
        stop.append(high)
        step.append(abs(places.step) if places else 1)
    return start, stop, step, flipped


SYNTAX.getitem = explained(getitem, "x[i]")


@implements(np.take)
def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: Any = None,
    mode: str | None = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    fill_value: Any = None,
) -> Tracer:
    """As np.take. Traced indices beyond the axis give `fill_value`, NaN if it is None; with mode
    'clip' the nearest element, also of negative ones, with 'wrap' they count on.
    """
    unsupported("take", out=out)
    x = tracer(a)
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of("take", axis, x.ndim))
    beyond = mode_of("take", None if mode == "raise" else mode)
    places = operand(indices)
    if isinstance(places, Tracer):
        beyond = beyond or ("fill" if mode in (None, "raise", "fill") else None)
        if places.dtype.kind not in "iu":
            index_value("take", places)
    at = places if isinstance(places, Tracer) else plain(places)
    if at.dtype.kind not in "iu" and at.size:
        index_value("take", at)
    return elements_at(x, (slice(None),) * axis + (at,), beyond, fill_value, wrap=mode != "clip")


@implements(np.take_along_axis)
def take_along_axis(
    arr: Any,
    indices: Any,
    axis: int | None = -1,
    mode: str | None = None,
    fill_value: Any = None,
) -> Tracer:
    """x[..., indices[..., j, ...], ...] with j along `axis`; modes as of `take`."""
    x, places = tracer(arr), operand(indices)
    if axis is None:
        return take_along_axis(ravel(x), ravel(places), 0, mode, fill_value)
    found = along_axis("take_along_axis", x, places, axis)
    beyond = mode_of("take_along_axis", mode)
    traced = isinstance(places, Tracer)
    beyond = "fill" if beyond is None and traced and mode != "promise_in_bounds" else beyond
    return elements_at(x, found, beyond, fill_value)


def along_axis(name: str, x: Any, places: Any, axis: int) -> tuple[Any, ...]:
    """The index of the elements at `places` along `axis`, and everywhere else in step."""
    axis = axis_of(name, axis, x.ndim)
    shape = shape_of(places)
    if len(shape) != x.ndim:
        raise wrong(f"{name}: indices of {x.ndim} dimensions are required, got {list(shape)}")
    rest = [(m, n) for k, (m, n) in enumerate(zip(x.shape, shape, strict=True)) if k != axis]
    free = common_shape(name, *zip(*rest, strict=True)) if rest else ()
    sizes = (*free[:axis], shape[axis], *free[axis:])
    return tuple(
        places if d == axis
        else np.zeros((1,) * x.ndim, np.int64) if x.shape[d] == 1
        else np.arange(n).reshape([-1 if k == d else 1 for k in range(x.ndim)])
        for d, n in enumerate(sizes)
    )  # fmt: skip


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
    if x.ndim not in (1, 2):
        raise wrong(f"diag: one or two axes are required, got {x.type}")
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.size + abs(k)
    down = max(-k, 0)
    column = pad(x, (down, n - x.size - down))[:, None]
    return where(eye(n, n, k, dtype=bool), column, x.dtype.type(0))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Tracer:
    return diag(ravel(v), k)


@implements(np.extract)
def extract(condition: Any, arr: Any, *, size: int | None = None, fill_value: Any = 0) -> Tracer:
    """The elements at which a condition holds, known when the function is traced, or `size` of
    them; `fill_value` where there are fewer."""
    if size is not None:
        return compress(ravel(condition), ravel(arr), size=size, fill_value=fill_value)
    return ravel(arr)[np.nonzero(np.ravel(condition))]


@implements(np.compress)
def compress(
    condition: Any,
    a: Any,
    axis: int | None = None,
    out: Any = None,
    *,
    size: int | None = None,
    fill_value: Any = 0,
) -> Tracer:
    """The slices of `a` at which a condition, known when the function is traced, holds; of any
    condition the first `size`, `fill_value` where there are fewer."""
    if size is not None:
        x, mask = tracer(a), tracer(condition)
        x, axis = (ravel(x), 0) if axis is None else (x, axis_of("compress", axis, x.ndim))
        if mask.ndim != 1 or mask.size > x.shape[axis]:
            count = x.shape[axis]
            raise wrong(f"compress: up to {count} truth values are required, got {mask.type}")
        (count,) = shape_given("compress", size)
        order = FUNCTIONS[np.cumsum](mask != 0)
        at = FUNCTIONS[np.searchsorted](order, np.arange(1, count + 1))
        known = reshape(at < mask.size, [-1 if k == axis else 1 for k in range(x.ndim)])
        return where(known, take(x, at, axis, mode="clip"), tracer(fill_value, x.type.dtype))
    unsupported("compress", out=out)
    if isinstance(condition, Tracer):
        raise wrong(
            f"compress: a result of static shape is required, got a traced mask {condition.type}",
            "np.where(mask, x, 0), whose shape is static",
        )
    if np.ndim(condition) != 1:
        raise wrong(f"compress: a condition of one axis is required, got {shown(condition)}")
    x = tracer(a)
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of("compress", axis, x.ndim))
    return x[(slice(None),) * axis + (np.nonzero(np.asarray(condition))[0],)]


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "clip") -> Tracer:
    unsupported("choose", out=out)
    options = FUNCTIONS[np.stack](FUNCTIONS[np.broadcast_arrays](*choices))
    places: Any = new(
        value(a, shape=common_shape("choose", shape_of(operand(a)), options.shape[1:]))
    )
    options = broadcast_to(options, (options.shape[0], *places.shape))
    if mode != "wrap":
        places, mode = FUNCTIONS[np.maximum](places, 0), "clip"
    return take_along_axis(options, places[None], 0, mode)[0]
