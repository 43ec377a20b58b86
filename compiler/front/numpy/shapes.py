"""NumPy's functions that move elements and compute none."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.explain import shown
from ...ir.graph import Value
from ...ir.types import dtype_name
from ...ops import view as ops
from ...ops.source import python_type
from ...trace.operands import (
    Shape,
    axes_of,
    axis_of,
    common_shape,
    is_weak,
    met,
    new,
    operand,
    promoted,
    several,
    shape_given,
    shape_of,
    tracer,
    unsupported,
    value,
    whole,
    wrong,
)
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, Tracer

__all__ = [
    "append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "block", "broadcast_arrays",
    "broadcast_to", "column_stack", "concat", "concatenate", "delete", "diff", "dsplit", "dstack",
    "ediff1d", "expand_dims", "flip", "fliplr", "flipud", "hsplit", "hstack", "insert", "isscalar",
    "iterable", "matrix_transpose", "moveaxis", "ndim", "pad", "permute_dims", "ravel", "repeat",
    "reshape", "resize", "roll", "rollaxis", "rot90", "shape", "size", "split", "squeeze", "stack",
    "swapaxes", "tile", "transpose", "unstack", "vsplit", "vstack",
]  # fmt: skip


def _like(x: Tracer, found: Value) -> Tracer:
    return new(found, x.weak)


# ---------------------------------------------------------------- shape


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Tracer:
    if order == "F":
        return transpose(reshape(transpose(a), shape_given("reshape", shape, -1)[::-1]))
    unsupported("reshape", order=None if order in ("C", "A") else order)
    x, wanted = tracer(a), list(shape_given("reshape", shape, -1))
    if wanted.count(-1) == 1:
        rest = -math.prod(wanted)
        if rest and not x.size % rest:
            wanted[wanted.index(-1)] = x.size // rest
    if math.prod(wanted) != x.size or builtins.min(wanted, default=0) < 0:
        raise wrong(
            f"reshape: a shape of {x.size} elements is required for {x.type}, "
            f"got {list(shape_given('reshape', shape, -1))}"
        )
    return _like(x, ops.reshape(x.value, wanted))


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Tracer:
    """All elements in order; traced arrays have them in the order of C."""
    x = tracer(a)
    return reshape(x, x.size, "C" if order == "K" else order)


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Tracer:
    x = tracer(a)
    order = tuple(range(x.ndim))[::-1] if axes is None else axes_of("transpose", axes, x.ndim)
    if len(order) != x.ndim:
        raise wrong(f"transpose: every axis of {x.type} once is required, got {axes}")
    return _like(x, ops.permute(x.value, order))


permute_dims = transpose


@implements(np.matrix_transpose)
def matrix_transpose(x: Any, /) -> Tracer:
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Tracer:
    x = tracer(a)
    order = list(range(x.ndim))
    i, j = axis_of("swapaxes", axis1, x.ndim), axis_of("swapaxes", axis2, x.ndim)
    order[i], order[j] = j, i
    return transpose(x, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Tracer:
    x = tracer(a)
    old, new_places = axes_of("moveaxis", source, x.ndim), axes_of("moveaxis", destination, x.ndim)
    order = [i for i in range(x.ndim) if i not in old]
    for place, axis in sorted(zip(new_places, old, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Tracer:
    x = tracer(a)
    axis, start = axis_of("rollaxis", axis, x.ndim), start + x.ndim if start < 0 else start
    return moveaxis(x, axis, start - 1 if start > axis else start)


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Tracer:
    x = tracer(a)
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    axes = ones if axis is None else axes_of("squeeze", axis, x.ndim)
    if any(i not in ones for i in axes):
        raise wrong(f"squeeze: axes of size 1 are required, got axis {axis} of {x.type}")
    return _like(x, ops.reshape(x.value, [n for i, n in enumerate(x.shape) if i not in axes]))


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Tracer:
    x = tracer(a)
    count = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes, old = axes_of("expand_dims", axis, count), iter(x.shape)
    return _like(x, ops.reshape(x.value, [1 if i in axes else next(old) for i in range(count)]))


def _at_least(ndim: int, function: Any) -> Any:
    def implementation(*arys: Any) -> Any:
        made = []
        for x in map(tracer, arys):
            missing = builtins.max(ndim - x.ndim, 0)
            before = missing if ndim < 3 else missing - (x.ndim < 3 and missing > 0)
            before = 1 if ndim == 3 and x.ndim == 1 else before
            made.append(reshape(x, (1,) * before + x.shape + (1,) * (missing - before)))
        return made[0] if len(made) == 1 else tuple(made)

    return implements(function)(implementation)


atleast_1d, atleast_2d, atleast_3d = (
    _at_least(1, np.atleast_1d),
    _at_least(2, np.atleast_2d),
    _at_least(3, np.atleast_3d),
)


@implements(np.isscalar)
def isscalar(element: Any) -> bool:
    """Whether it is a number; a traced value of no axes is one, as NumPy's scalars are."""
    return not element.ndim if isinstance(element, Tracer) else np.isscalar(element)


@implements(np.iterable)
def iterable(y: Any) -> bool:
    return y.ndim > 0 if isinstance(y, Tracer) else np.iterable(y)


# ---------------------------------------------------------------- repeating


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Tracer:
    x = operand(array)
    return new(value(x, shape=shape_given("broadcast_to", shape)), is_weak(x))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Tracer, ...]:
    xs = [operand(x) for x in args]
    shape = common_shape("broadcast_arrays", *(shape_of(x) for x in xs))
    return tuple(broadcast_to(x, shape) for x in xs)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Tracer:
    x, counts = tracer(A), shape_given("tile", reps)
    ndim = builtins.max(x.ndim, len(counts))
    shape: Shape = (1,) * (ndim - x.ndim) + x.shape
    counts: Shape = (1,) * (ndim - len(counts)) + counts
    pairs = [m for n, r in zip(shape, counts, strict=True) for m in (r, n)]
    spread = broadcast_to(reshape(x, [m for n in shape for m in (1, n)]), pairs)
    return reshape(spread, [n * r for n, r in zip(shape, counts, strict=True)])


@implements(np.repeat)
def repeat(
    a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None
) -> Tracer:
    """By a number, or by a count for each element.

    Traced counts need `total_repeat_length`: as many are given, of more the first, and where there
    are fewer the last is repeated.
    """
    x = tracer(a)
    if axis is None or (not x.ndim and axis in (0, -1)):
        x, axis = ravel(x), 0
    axis = axis_of("repeat", axis, x.ndim)
    if total_repeat_length is not None:
        (total,) = shape_given("repeat", total_repeat_length)
        if total and not x.shape[axis]:
            raise wrong(f"repeat: one element at least is required, got {x.type}")
        ends = FUNCTIONS[np.cumsum](broadcast_to(repeats, (x.shape[axis],)))
        at = FUNCTIONS[np.searchsorted](ends, np.arange(total), "right")
        return FUNCTIONS[np.take](x, at, axis, mode="clip")
    if isinstance(repeats, Tracer):
        raise wrong(
            f"repeat: counts of Python ints are required, got a traced {repeats.type}",
            "total_repeat_length=n beside them, for the shape is static",
        )
    counts = shape_given("repeat", repeats)
    if len(counts) != 1:
        return rearranged(x, axis, np.repeat(np.arange(x.shape[axis]), counts))
    (count,) = counts
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    spread = broadcast_to(reshape(x, (*before, n, 1, *after)), (*before, n, count, *after))
    return reshape(spread, (*before, n * count, *after))


# ---------------------------------------------------------------- joining and splitting


@implements(np.concatenate, np.concat)
def concatenate(
    arrays: Sequence[Any],
    /,
    axis: int | None = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Tracer:
    unsupported("concatenate", out=out)
    xs = [operand(x) for x in arrays]
    if not xs:
        raise wrong("concatenate: one array or more is required, got none")
    wanted = dtype_name(dtype) if dtype else promoted("concatenate", *xs)
    xs = [tracer(x, wanted) for x in xs]
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    axis = axis_of("concatenate", axis, xs[0].ndim)
    shapes = {x.shape[:axis] + x.shape[axis + 1 :] for x in xs}
    if len(shapes) > 1 or any(x.ndim <= axis for x in xs):
        types = " and ".join(str(x.type) for x in xs)
        raise wrong(
            f"concatenate: shapes that differ along axis {axis} only are required, got {types}"
        )
    return xs[0] if len(xs) == 1 else new(ops.concatenate(*(x.value for x in xs), axis=axis))


concat = concatenate


@implements(np.stack)
def stack(
    arrays: Sequence[Any],
    axis: int = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Tracer:
    xs = [operand(x) for x in arrays]
    if len({shape_of(x) for x in xs}) > 1:
        texts = " and ".join(str(list(shape_of(x))) for x in xs)
        raise wrong(
            f"stack: arrays of one shape are required, got {texts}", "np.broadcast_arrays before"
        )
    wanted = dtype_name(dtype) if dtype or not xs else promoted("stack", *xs)
    at = axis_of("stack", axis, len(shape_of(xs[0])) + 1) if xs else 0
    return concatenate([expand_dims(tracer(x, wanted), at) for x in xs], at, out)


@implements(np.vstack)
def vstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Tracer:
    return concatenate([atleast_2d(x) for x in tup], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Tracer:
    xs = [atleast_1d(x) for x in tup]
    return concatenate(xs, 0 if xs and xs[0].ndim == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Sequence[Any], dtype: Any = None) -> Tracer:
    return concatenate([atleast_3d(x) for x in tup], 2, dtype=dtype)


@implements(np.column_stack)
def column_stack(tup: Sequence[Any]) -> Tracer:
    return concatenate([x if x.ndim > 1 else reshape(x, (-1, 1)) for x in map(tracer, tup)], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Tracer:
    return concatenate([_array(arr), _array(values)], axis)


def _array(x: Any) -> Tracer:
    """A number as an array of it: an integer is not weak, as in NumPy."""
    x = tracer(x)
    return x if x.type.is_inexact else tracer(x, x.type.dtype)


def _part(x: Tracer, axis: int, start: int, stop: int) -> Tracer:
    return x[(slice(None),) * axis + (slice(start, stop),)]


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tracer]:
    x = tracer(ary)
    axis = axis_of("split", axis, x.ndim)
    n = x.shape[axis]
    if (parts := whole(indices_or_sections)) is not None and parts < 1:
        raise wrong(f"split: 1 part or more is required, got {parts}")
    if parts is not None:
        indices_or_sections = parts
        small, more = builtins.divmod(n, indices_or_sections)
        sizes = [small + (i < more) for i in range(indices_or_sections)]
        borders = [builtins.sum(sizes[:i]) for i in range(1, len(sizes))]
    else:
        borders = list(shape_given("split", indices_or_sections, -sys.maxsize))
    return [_part(x, axis, i, j) for i, j in zip([0, *borders], [*borders, n], strict=True)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tracer]:
    x = tracer(ary)
    n = x.shape[axis_of("split", axis, x.ndim)]
    parts = whole(indices_or_sections)
    if parts and n % parts:
        raise wrong(
            f"split: equal parts are required, got {n} elements for {indices_or_sections}",
            "np.array_split",
        )
    return array_split(x, indices_or_sections, axis)


def _splitter(function: Any, axis: int, least: int) -> Any:
    def implementation(ary: Any, indices_or_sections: Any) -> list[Tracer]:
        x = tracer(ary)
        if x.ndim < least:
            raise wrong(f"{function.__name__}: {least} axes or more are required, got {x.type}")
        return split(x, indices_or_sections, min(axis, x.ndim - 1))

    return implements(function)(implementation)


hsplit = _splitter(np.hsplit, 1, 1)
vsplit, dsplit = _splitter(np.vsplit, 0, 2), _splitter(np.dsplit, 2, 3)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tracer, ...]:
    return tuple(moveaxis(x, axis, 0))


# ---------------------------------------------------------------- order and borders


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Tracer:
    x = tracer(m)
    return _like(x, ops.flip(x.value, axes_of("flip", axis, x.ndim)))


@implements(np.flipud)
def flipud(m: Any) -> Tracer:
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Any) -> Tracer:
    return flip(m, 1)


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Tracer:
    x = tracer(a)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    shifts, axes = several(shift), several(axis)
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        counts = f"{len(shifts)} shifts and {len(axes)} axes"
        raise wrong(f"roll: as many shifts as axes, or one, are required, got {counts}")
    for by, at in zip(*np.broadcast_arrays(shifts, axes), strict=True):
        at = axis_of("roll", at, x.ndim)
        n = x.shape[at]
        border = n - int(by) % n if n else 0
        if border % (n or 1):
            x = concatenate([_part(x, at, border, n), _part(x, at, 0, border)], at)
    return x


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tracer:
    x = tracer(m)
    if len(several(axes)) != 2:
        raise wrong(f"rot90: two axes are required, got {shown(axes)}")
    i, j = axes_of("rot90", axes, x.ndim)
    match k % 4:
        case 0:
            return x
        case 1:
            return swapaxes(flip(x, j), i, j)
        case 2:
            return flip(flip(x, i), j)
    return flip(swapaxes(x, i, j), j)


MOST_RUNS = 16  # of a rearrangement by views; more are a gather
PAD_MODES = ("edge", "reflect", "symmetric", "wrap")


def rearranged(x: Tracer, axis: int, places: np.ndarray) -> Tracer:
    """x[..., places, ...] for static places: slices, flipped slices and repeated elements joined,
    where those are few; else a gather. Views fuse, and their derivatives are views.
    """
    runs = runs_of(places)
    if len(runs) > MOST_RUNS or not runs:
        return x[(slice(None),) * axis + (places,)]
    parts = []
    for first, step, count in runs:
        low, high = sorted((first, first + step * (count - 1)))
        part = _part(x, axis, low, high + 1)
        if step < 0:
            part = flip(part, axis)
        if not step and count > 1:
            part = broadcast_to(part, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
        parts.append(part)
    return _like(x, concatenate(parts, axis).value)


def runs_of(places: np.ndarray) -> list[tuple[int, int, int]]:
    """First, step (-1, 0 or 1) and count of each run."""
    runs: list[tuple[int, int, int]] = []
    for place in places.tolist():
        if runs:
            first, step, count = runs[-1]
            if count == 1 and abs(place - first) <= 1:
                runs[-1] = first, place - first, 2
                continue
            if count > 1 and place == first + step * count:
                runs[-1] = first, step, count + 1
                continue
        runs.append((place, 1, 1))
    return runs


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Tracer:
    """Constant borders, or mode 'edge', 'reflect', 'symmetric', 'wrap' by views."""
    x = tracer(array)
    widths = _per_side("pad", pad_width, x.ndim)
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise wrong(f"pad: widths of 0 or more are required, got {pad_width}", "x[1:-1]")
    if mode != "constant":
        if mode not in PAD_MODES:
            raise wrong(f"pad: a mode of constant, {', '.join(PAD_MODES)} is required, got {mode}")
        for axis, (low, high) in enumerate(widths.tolist()):
            if low or high:
                x = rearranged(x, axis, np.pad(np.arange(x.shape[axis]), (low, high), mode))
        return x
    low, high = (tuple(int(n) for n in w) for w in widths.T)
    if isinstance(constant_values, Tracer):
        inside = new(ops.pad(tracer(np.ones(x.shape, bool)).value, low, high, False))
        return FUNCTIONS[np.where](
            inside, _filled(x, low, high, 0), constant_values.astype(x.dtype)
        )
    fills = _per_side("pad", constant_values, x.ndim)
    if (fills == fills.flat[0]).all() if fills.size else True:
        return _filled(x, low, high, fills.flat[0] if fills.size else 0)
    for axis, sides in enumerate(fills):
        for width, side in ((low, 0), (high, 1)):
            only = tuple(width[axis] if i == axis else 0 for i in range(x.ndim))
            none = (0,) * x.ndim
            x = _filled(x, *((none, only) if side else (only, none)), sides[side])
    return x


def _per_side(name: str, given: Any, ndim: int) -> np.ndarray:
    """A number before and after, for each axis."""
    if isinstance(given, dict):
        each = [given.get(i, given.get(i - ndim, 0)) for i in range(ndim)]
        return np.array([np.broadcast_to(pair, 2) for pair in each])
    try:
        return np.broadcast_to(np.asarray(given), (ndim, 2))
    except ValueError:
        raise wrong(
            f"{name}: one number, a pair, or a pair per axis is required, got {given}"
        ) from None


def _filled(x: Tracer, low: Shape, high: Shape, fill: Any) -> Tracer:
    kind = python_type(x.type.dtype)
    return _like(x, ops.pad(x.value, low, high, kind(fill)))


# ---------------------------------------------------------------- taking out and putting in


@implements(np.delete)
def delete(
    arr: Any, obj: Any, axis: int | None = None, *, assume_unique_indices: bool = False
) -> Tracer:
    """Without the entries at static places, or at traced ones that are known to differ."""
    x = tracer(arr)
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of("delete", axis, x.ndim))
    if isinstance(obj, Tracer) and assume_unique_indices:
        n, at = x.shape[axis], ravel(obj)
        if at.dtype.kind not in "iu":
            raise wrong(f"delete: integers are required, got {at.type}")
        at = FUNCTIONS[np.sort](FUNCTIONS[np.remainder](at, n))
        # before what is left at k stand those whose place, less those before them, is at most k
        left = np.arange(n - at.size)
        before = FUNCTIONS[np.searchsorted](at - np.arange(at.size), left, "right")
        return FUNCTIONS[np.take](x, left + before, axis)
    return rearranged(x, axis, np.delete(np.arange(x.shape[axis]), _places("delete", obj)))


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Tracer:
    """With further entries before static places."""
    x, added = tracer(arr), operand(values)
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of("insert", axis, x.ndim))
    obj, n = _places("insert", obj), x.shape[axis]
    x = met(x, added)
    added = tracer(added, x.type.dtype)
    added = reshape(added, (1,) * (x.ndim - added.ndim) + added.shape)
    if isinstance(obj, slice):
        obj = np.arange(n)[obj]
    if np.ndim(obj) == 0:
        added = moveaxis(added, 0, axis)
        count = added.shape[axis]
    else:
        count = len(obj)
    added = broadcast_to(added, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
    order = np.insert(np.arange(n), obj, n + np.arange(count))
    return rearranged(concatenate([x, added], axis), axis, order)


def _places(name: str, obj: Any) -> Any:
    if isinstance(obj, Tracer):
        raise wrong(f"{name}: static places are required, got a traced {obj.type}")
    return obj


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Tracer:
    """The elements over again until the shape is full."""
    x, wanted = ravel(a), shape_given("resize", new_shape)
    size = math.prod(wanted)
    if not x.size or not size:
        return reshape(_filled(x, (0,), (size - x.size,), 0) if size else x[:0], wanted)
    return reshape(tile(x, -(-size // x.size))[:size], wanted)


@implements(np.block)
def block(arrays: Any) -> Tracer:
    """Nested lists of blocks: the innermost lists join along the last axis."""

    def depth(a: Any) -> int:
        return 1 + builtins.max(map(depth, a), default=0) if isinstance(a, list) else 0

    def leaves(a: Any) -> list[Any]:
        return [x for part in a for x in leaves(part)] if isinstance(a, list) else [a]

    levels = depth(arrays)
    ndim = builtins.max(levels, *(tracer(x).ndim for x in leaves(arrays)))

    def joined(a: Any, level: int) -> Tracer:
        if isinstance(a, list):
            return concatenate([joined(x, level - 1) for x in a], ndim - level)
        x = tracer(a)
        return reshape(x, (1,) * (ndim - x.ndim) + x.shape)

    return joined(arrays, levels)


# ---------------------------------------------------------------- differences


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tracer:
    x: Any = tracer(a)
    if n < 0:
        raise wrong(f"diff: n of 0 or more is required, got {n}")
    if not n:
        return x
    axis = axis_of("diff", axis, x.ndim)
    side = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    ends = [e if e is None else _array(e) for e in (prepend, append)]
    ends = [e if e is None or e.ndim else broadcast_to(e, side) for e in ends]
    if prepend is not None or append is not None:
        x = concatenate([e for e in (ends[0], x, ends[1]) if e is not None], axis)
    for _ in range(n):
        size = x.shape[axis]
        after, before = _part(x, axis, 1, size), _part(x, axis, 0, builtins.max(size - 1, 0))
        x = after != before if x.type.dtype == "bool" else after - before
    return x


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Tracer:
    x = ravel(ary)
    if x.type.dtype == "bool":
        raise wrong(f"ediff1d: numbers are required, got {x.type}", "np.diff")
    ends = [None if e is None else ravel(e) for e in (to_begin, to_end)]
    if any(e is not None and not np.can_cast(e.dtype, x.dtype, "same_kind") for e in ends):
        raise wrong(f"ediff1d: ends of the kind of {x.type} are required", "x.dtype.type(0)")
    ends, steps = [None if e is None else tracer(e, x.type.dtype) for e in ends], diff(x)
    return concatenate([x for x in (ends[0], steps, ends[1]) if x is not None])


@implements(np.ndim)
def ndim(a: Any) -> int:
    return tracer(a).ndim


@implements(np.shape)
def shape(a: Any) -> Shape:
    return tracer(a).shape


@implements(np.size)
def size(a: Any, axis: int | None = None) -> int:
    x = tracer(a)
    return x.size if axis is None else x.shape[axis]
