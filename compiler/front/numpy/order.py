"""NumPy's sorts, searches, sets and counts.

What NumPy gives in a shape that depends on numbers has a static `size` here, as in JAX: fewer
results are filled up, more are cut off. Bodies below are plain NumPy, so they serve arrays and
traced values alike.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.explain import explained, shown
from ...ir.types import NAMES, NUMPY, is_float
from ...ops import order as ops
from ...ops.gather import take_add
from ...trace.arrays import plain
from ...trace.following import following
from ...trace.operands import (
    axis_of,
    by_value,
    common_shape,
    new,
    operand,
    promoted,
    several,
    shape_given,
    tracer,
    unsupported,
    value,
    whole,
    wrong,
)
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, Tracer, current
from .creation import linspace
from .elementwise import where as where_
from .shapes import flip, ravel, reshape

__all__ = [
    "argpartition", "argsort", "argwhere", "bincount", "digitize", "flatnonzero", "histogram",
    "histogram_bin_edges", "intersect1d", "isin", "lexsort", "nonzero", "partition", "searchsorted",
    "setdiff1d", "setxor1d", "sort", "sort_complex", "union1d", "unique", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip

# ---------------------------------------------------------------- sorts


def _along(name: str, a: Any, axis: Any) -> tuple[Tracer, int]:
    """The operand and its axis; None is the one axis of the flat operand."""
    x = tracer(a)
    return (ravel(x), 0) if axis is None else (x, axis_of(name, axis, x.ndim))


@implements(np.sort)
def sort(
    a: Any,
    axis: int | None = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
    descending: bool = False,
) -> Tracer:
    """In order along an axis, NaN last, first if `descending`; stable whatever is asked for."""
    unsupported("sort", order=order)
    x, axis = _along("sort", a, axis)
    found = new(ops.sort(x.value, axis=axis)[0], x.weak)
    return flip(found, axis) if descending else found


@implements(np.argsort)
def argsort(
    a: Any,
    axis: int | None = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
    descending: bool = False,
) -> Tracer:
    unsupported("argsort", order=order)
    x, axis = _along("argsort", a, None if not tracer(a).ndim and axis in (0, -1) else axis)
    if descending:  # equals stay in order
        backwards = ops.argsort(flip(x, axis).value, axis=axis)
        return x.shape[axis] - 1 - flip(new(backwards), axis)
    return new(ops.argsort(x.value, axis=axis))


@implements(np.sort_complex)
def sort_complex(a: Any) -> Tracer:
    """In order as complex numbers, of the precision of `a`, NumPy's of f32 is c128."""
    x = tracer(a)
    return sort(x.astype(np.result_type(x.dtype, np.complex64)))


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Tracer:
    """Places in the order of the last key, of equals by the one before it, and so on."""
    xs = [tracer(k) for k in keys]
    if not xs:
        raise wrong("lexsort: one key at least is required, got none")
    shape = common_shape("lexsort", *(x.shape for x in xs))
    axis = axis_of("lexsort", axis, len(shape))
    return new(ops.argsort(*(value(x, shape=shape) for x in reversed(xs)), axis=axis))


def _check_kth(name: str, a: Any, kth: Any, axis: Any) -> None:
    x, axis = _along(name, a, axis)
    n = x.shape[axis]
    for k in several(kth):
        if (place := whole(k)) is None or (n and not -n <= place < n):
            raise wrong(f"{name}: static places within {n} are required, got {shown(kth)}")


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None
) -> Tracer:
    """The sorted elements: a partition at every place."""
    _check_kth("partition", a, kth, axis)
    return sort(a, axis, order=order)


@implements(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None
) -> Tracer:
    _check_kth("argpartition", a, kth, axis)
    return argsort(a, axis, order=order)


# ---------------------------------------------------------------- searches


@implements(np.searchsorted)
def searchsorted(
    a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: Any = None
) -> Tracer:
    """How many elements of the sorted `a` are below each of `v`, or not above it (side='right').

    `method`, which in JAX says how, changes nothing.
    """
    if side not in ("left", "right"):
        raise wrong(f"searchsorted: a side 'left' or 'right' is required, got {side!r}")
    x, wanted = by_value([operand(a), operand(v)])
    if np.ndim(x) != 1:
        raise wrong(f"searchsorted: one axis is required, got {tracer(x).type}")
    if sorter is not None:
        x = np.take(x, operand(sorter))
    dtype = promoted("searchsorted", x, wanted)
    rows = reshape(tracer(wanted, dtype), (-1,))
    found = ops.searchsorted(value(x, dtype), rows.value, side == "right")
    return reshape(new(found), np.shape(wanted))


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False, *, method: Any = None) -> Tracer:
    """The bin of each element; bins rise or fall. `method` changes nothing."""
    edges: Any = tracer(bins)
    if edges.ndim != 1:
        raise wrong(f"digitize: bins of one axis are required, got {edges.type}")
    side = "left" if right else "right"
    if edges.size < 2:
        return searchsorted(edges, x, side)
    falling = edges.size - searchsorted(edges[::-1], x, side)
    return where_(edges[-1] >= edges[0], searchsorted(edges, x, side), falling)


@implements(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
    method: Any = None,
) -> Tracer:
    """Whether each element is one of `test_elements`; `kind` and `method` change nothing."""
    x, given = by_value([operand(element), operand(test_elements)])
    x, among = tracer(x), ravel(tracer(given))
    if not among.size:
        return new(value(np.full(x.shape, invert)))
    dtype = promoted("isin", x, among)
    x, among = tracer(x, dtype), sort(tracer(among, dtype))
    found: Any = np.take(among, np.minimum(searchsorted(among, x), among.size - 1)) == x
    return ~found if invert else found


# ---------------------------------------------------------------- results of a static size


def _sized(own: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`function` where `size` is given, NumPy's `own` where it is not, which needs numbers."""
    name = own.__name__

    def refuse(*args: Any, **options: Any) -> Any:
        raise wrong(
            f"{name}: size= is required for traced arrays, whose shapes are static",
            f"wonderland.numpy.{name}(x, size=n)",
        )

    FUNCTIONS[own] = refuse

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @explained
        def public(*args: Any, size: int | None = None, fill_value: Any = None, **rest: Any) -> Any:
            if size is not None:
                if isinstance(size, Tracer) or not isinstance(size, (int, np.integer)) or size < 0:
                    raise wrong(f"{name}: a size of 0 or more is required, got {size!r:.40}")
                return function(*args, size=size, fill_value=fill_value, **rest)
            if current() is not None:
                refuse()
            return own(*args, **rest)

        public.__name__ = public.__qualname__ = name
        public.__doc__ = function.__doc__
        return public

    return decorate


def _places(mask: Any, size: int) -> Any:
    """The first `size` places of a flat mask where it holds, its length where there are no more."""
    return np.searchsorted(np.cumsum(mask), np.arange(1, size + 1))


def _filled(found: Any, known: Any, fill: Any) -> Any:
    """`found` where known, `fill` elsewhere."""
    return np.where(known, found, np.asarray(fill).astype(found.dtype))


def _array(a: Any) -> Any:
    return a if isinstance(a, Tracer) else plain(a)


@_sized(np.flatnonzero)
def flatnonzero(a: Any, *, size: int, fill_value: Any) -> Any:
    """The first `size` places of the flat array that are not zero; `fill_value`, 0, for others."""
    (found,) = nonzero(np.ravel(_array(a)), size=size, fill_value=fill_value)
    return found


@_sized(np.nonzero)
def nonzero(a: Any, *, size: int, fill_value: Any) -> tuple[Any, ...]:
    """The first `size` places that are not zero, an array per axis; `fill_value`, 0, for others."""
    x = _array(a)
    if not x.ndim:
        raise wrong("nonzero: one axis or more is required, got none", "np.atleast_1d(x)")
    at = _places(np.ravel(x) != 0, size)
    fills = fill_value if isinstance(fill_value, tuple) else (fill_value,) * x.ndim
    found: list[Any] = []
    rest = at
    for n in reversed(x.shape):
        found.append(rest % builtins.max(n, 1))
        rest = rest // builtins.max(n, 1)
    known = at < x.size
    pairs = zip(reversed(found), fills, strict=True)
    return tuple(_filled(f, known, 0 if fill is None else fill) for f, fill in pairs)


@_sized(np.argwhere)
def argwhere(a: Any, *, size: int, fill_value: Any) -> Any:
    """The first `size` places that are not zero, a row each; `fill_value`, 0, for others."""
    return np.stack(nonzero(np.atleast_1d(_array(a)), size=size, fill_value=fill_value), -1)


@explained
def where(condition: Any, x: Any = None, y: Any = None, /, **options: Any) -> Any:
    """x where the condition holds, else y; of a condition alone `nonzero`, with its `size`."""
    if x is not None or y is not None:
        return where_(condition, x, y, **options)
    if not options and isinstance(condition, Tracer):
        return where_(condition)  # says what is required
    return nonzero(condition, **options)


def _unique(x: Any, equal_nan: bool) -> tuple[Any, Any, Any]:
    """The elements in order, their places, and a mask of those that are the first of their kind."""
    order = np.argsort(x, stable=True)
    s = np.take(x, order)
    differs = s[1:] != s[:-1]
    if equal_nan and is_float(NAMES[s.dtype]):
        differs = differs & ~(np.isnan(s[1:]) & np.isnan(s[:-1]))
    return s, order, np.concatenate([np.ones(1, bool), differs])


def _chosen(s: Any, mask: Any, size: int, fill: Any) -> Any:
    """The elements where the mask holds, filled up with the first of them, or with `fill`."""
    found = np.take(s, np.minimum(_places(mask, size), s.shape[0] - 1))
    first = found[:1] if fill is None and size else np.asarray(0 if fill is None else fill)
    return np.where(np.arange(size) < np.sum(mask), found, first.astype(s.dtype))


def _flat(name: str, a: Any) -> Any:
    x = np.ravel(_array(a))
    if not x.shape[0]:
        raise wrong(f"{name}: one element at least is required, got none")
    return x


@_sized(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
    size: int,
    fill_value: Any,
) -> Any:
    """The first `size` different elements in order, filled up with the least or `fill_value`.

    With it where each was first, the number of each element's like, how many there are of each.
    """
    unsupported("unique", axis=axis)
    x = _flat("unique", ar)
    n = x.shape[0]
    s, order, first = _unique(x, equal_nan)
    found: list[Any] = [_chosen(s, first, size, fill_value)]
    at = _places(first, size + 1)
    if return_index:
        index = np.take(order, np.minimum(at[:-1], n - 1))
        found.append(np.where(np.arange(size) < np.sum(first), index, order[:1]))
    if return_inverse:
        rank = np.take(np.cumsum(first) - 1, np.argsort(order))
        found.append(np.reshape(rank, np.shape(ar)))
    if return_counts:
        found.append(np.diff(at))
    return tuple(found) if len(found) > 1 else found[0]


def _unique_of(own: Any, doc: str, **asked: bool) -> Any:
    """The array API's names for what `unique` gives, in which a NaN equals nothing."""
    result = functools.cache(lambda: type(own(np.zeros(0))))  # brings numpy.ma

    def function(x: Any, /, *, size: int, fill_value: Any) -> Any:
        found = unique(x, **asked, equal_nan=False, size=size, fill_value=fill_value)
        return result()(*found) if asked else found

    function.__doc__ = f"The first `size` different elements in order{doc}."
    return _sized(own)(function)


INDEX, INVERSE, COUNTS = ({f"return_{n}": True} for n in ("index", "inverse", "counts"))
unique_all = _unique_of(
    np.unique_all, ", where each was first, numbers of likes, counts", **INDEX, **INVERSE, **COUNTS
)
unique_counts = _unique_of(np.unique_counts, ", and how many there are of each", **COUNTS)
unique_inverse = _unique_of(np.unique_inverse, ", and the number of each one's like", **INVERSE)
unique_values = _unique_of(np.unique_values, "")


@_sized(np.union1d)
def union1d(ar1: Any, ar2: Any, *, size: int, fill_value: Any) -> Any:
    """The different elements of both, in order."""
    both = np.concatenate([np.ravel(_array(ar1)), np.ravel(_array(ar2))])
    return unique(both, size=size, fill_value=fill_value)


def _of_first(name: str, ar1: Any, ar2: Any, among: bool, size: int, fill: Any) -> Any:
    x = _flat(name, ar1)
    if among:
        x = x.astype(NUMPY[promoted(name, x, _array(ar2))])
    s, _, first = _unique(x, True)
    return _chosen(s, first & np.isin(s, _array(ar2), invert=not among), size, fill)


@_sized(np.setdiff1d)
def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int, fill_value: Any
) -> Any:
    """The different elements of `ar1` that are not in `ar2`, in order; filled up with 0."""
    fill = 0 if fill_value is None else fill_value
    return _of_first("setdiff1d", ar1, ar2, False, size, fill)


@_sized(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int, fill_value: Any
) -> Any:
    """The different elements that are in both, in order."""
    return _of_first("intersect1d", ar1, ar2, True, size, fill_value)


@_sized(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int, fill_value: Any) -> Any:
    """The different elements of one, but not of the other, in order."""
    a, b = np.ravel(_array(ar1)), np.ravel(_array(ar2))
    s, _, first = _unique(_flat("setxor1d", np.concatenate([a, b])), True)
    chosen = first & (np.isin(s, a) != np.isin(s, b))
    if is_float(NAMES[s.dtype]):  # NaN equals nothing: that of each is in one only
        missing = np.isnan(s)
        count = 0 + np.any(np.isnan(a)) + np.any(np.isnan(b))
        chosen = chosen & ~missing | missing & (np.cumsum(missing) <= count)
    return _chosen(s, chosen, size, fill_value)


# ---------------------------------------------------------------- counts


def counted(at: Any, weights: Any, length: int) -> Tracer:
    """The sums of weights by their places, of which those not below `length` count for nothing."""
    inside = at < length
    kept = where_(inside, weights, np.zeros((), weights.dtype))
    return new(take_add(kept.value, value(np.minimum(at, length)), length, 0))


@explained
@following
def bincount(x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None) -> Any:
    """How often each number below `length` occurs, or the sums of its weights.

    As in JAX, negative numbers count as 0, and those from `length` on are left out.
    """
    if length is None:
        return np.bincount(x, weights, minlength)
    if current() is None:
        kept = np.asarray(x) < length
        weights = None if weights is None else np.asarray(weights)[kept]
        return np.bincount(np.maximum(x, 0)[kept], weights, length)
    (length,) = shape_given("bincount", builtins.max(length, minlength))
    if length < 1:
        raise wrong(f"bincount: a length of 1 or more is required, got {length}")
    at = tracer(x)
    if at.ndim != 1 or at.type.is_float:
        raise wrong(f"bincount: integers of one axis are required, got {at.type}")
    of = np.ones(at.shape, np.int64) if weights is None else tracer(weights).astype(np.float64)
    return counted(np.maximum(at.astype(np.int64), 0), of, length)


@implements(np.bincount)
def _bincount(*args: Any, **options: Any) -> Any:
    raise wrong(
        "bincount: length= is required for traced arrays, whose shapes are static",
        "wonderland.numpy.bincount(x, length=n)",
    )


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Tracer:
    """The edges of `bins` of one width, or those given."""
    if isinstance(bins, str):
        raise wrong(f"histogram: static bins are required, got {bins!r}", "bins=10, or the edges")
    if np.ndim(bins):
        return tracer(bins)
    x = tracer(a)
    (count,) = shape_given("histogram", bins)
    if count < 1:
        raise wrong(f"histogram: one bin at least is required, got {bins}")
    if range is None and not x.size:
        range = (0.0, 1.0)
    dtype = x.dtype if x.type.is_float else np.dtype(np.float64)
    if range is not None and not any(isinstance(v, Tracer) for v in range):
        of = np.float32 if x.type.dtype == "bf16" else dtype
        return tracer(np.histogram_bin_edges(np.empty(0, of), count, range)).astype(dtype)
    low, high = (np.min(x), np.max(x)) if range is None else range
    low, high = tracer(low).astype(dtype), tracer(high).astype(dtype)
    same, half = low == high, dtype.type(0.5)
    return linspace(where_(same, low - half, low), where_(same, high + half, high), count + 1)


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tracer, Tracer]:
    """How many elements lie in each bin, and its edges; the last bin holds its upper edge too."""
    x = ravel(tracer(a))
    edges: Any = histogram_bin_edges(x, bins, range)
    n = edges.shape[0]
    at = searchsorted(edges, x, "right")
    at = where_(x == tracer(edges[-1], promoted("histogram", x, edges)), n - 1, at)
    of = np.ones(x.shape, np.int64) if weights is None else ravel(tracer(weights))
    counts: Any = counted(at.astype(np.int64), of, n + 1)[1:n]
    if density:
        wide = counts.astype(np.float64)
        counts = wide / np.diff(edges).astype(np.float64) / np.sum(wide)
    return counts, edges
