"""NumPy's reductions."""

from __future__ import annotations

import builtins
import functools
import math
from typing import Any

import numpy as np

from ...ir.graph import Value
from ...ir.types import COMPLEX, HALVES, NUMPY, Type, dtype_name, is_inexact
from ...ops import reduce as ops
from ...ops.view import reshape
from ...trace.operands import (
    axes_of,
    axis_of,
    inexact,
    new,
    promoted,
    result_dtype,
    tracer,
    unsupported,
    value,
    wrong,
)
from ...trace.table import implements
from ...trace.tracer import Tracer
from .elementwise import (
    add,
    conj,
    equal,
    isclose,
    isnan,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    real,
    root,
    where,
)
from .shapes import broadcast_to

__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "array_equal", "array_equiv",
    "average", "count_nonzero", "max", "mean", "min", "nanargmax", "nanargmin", "nanmax", "nanmean",
    "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "prod", "ptp", "std", "sum", "var",
]  # fmt: skip


@functools.cache
def accumulated(function: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that NumPy's reduction of this dtype gives."""
    return function(np.ones(1, dtype)).dtype


def kept_dims(x: Value, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> Value:
    """The result with the reduced axes as axes of size 1."""
    return reshape(x, tuple(1 if i in axes else n for i, n in enumerate(shape))) if keepdims else x


def reduced_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction: a number has its axis 0 too, as in NumPy."""
    return () if not ndim and axis in (0, -1) else axes_of(name, axis, ndim)


def _reduction(function: Any, rule: Any, combine: Any, neutral: Any = None) -> Any:
    """`rule(value, axes)` with NumPy's axis, dtype, keepdims, initial and where."""
    name = function.__name__

    def implementation(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Tracer:
        unsupported(name, out=out)
        x = tracer(a)
        wanted = dtype_name(dtype) if dtype else result_dtype(name, accumulated(function, x.dtype))
        if initial is not None and not _begins(initial, wanted):
            what = f"{name}: a number of {wanted} is required for initial"
            raise wrong(f"{what}, got {initial!r:.40}")
        if where is not True:
            first = initial if neutral is None else neutral
            if first is None:
                raise wrong(
                    f"{name}: initial= is required beside where=",
                    f"np.{name}(x, initial=..., where=mask)",
                )
            x = _where(where, tracer(x, wanted), tracer(first, wanted))
        axes = reduced_axes(name, axis, x.ndim)
        if neutral is None and 0 in [x.shape[i] for i in axes]:
            if initial is None:
                raise wrong(
                    f"{name}: at least one element is required, got {x.type}",
                    f"np.{name}(x, initial=...)",
                )
            left = tuple(n for i, n in enumerate(x.shape) if i not in axes)
            nothing = value(initial, wanted, left)
            return new(kept_dims(nothing, x.shape, axes, keepdims))
        found = new(kept_dims(rule(value(x, wanted), axes), x.shape, axes, keepdims), x.weak)
        return found if initial is None else combine(found, tracer(initial, wanted))

    return implementation


def _begins(initial: Any, dtype: str) -> bool:
    """Whether a reduction in this dtype may begin with `initial`."""
    x = tracer(initial)
    return not x.ndim and (x.type.is_complex <= (dtype in COMPLEX))


_where = where


def _bool_or(rule: Any, of_bools: Any) -> Any:
    return lambda x, axes: (of_bools if x.dtype == "bool" else rule)(x, axes)


_sum = _reduction(np.sum, _bool_or(ops.reduce_sum, ops.reduce_any), add, 0)
_prod = _reduction(np.prod, _bool_or(ops.reduce_prod, ops.reduce_all), multiply, 1)
_max = _reduction(np.max, _bool_or(ops.reduce_max, ops.reduce_any), maximum)
_min = _reduction(np.min, _bool_or(ops.reduce_min, ops.reduce_all), minimum)
_any = _reduction(np.any, ops.reduce_any, logical_or, False)
_all = _reduction(np.all, ops.reduce_all, logical_and, True)

sum = implements(np.sum)(_sum)
prod = implements(np.prod)(_prod)


def _ordered(reduction: Any, truth: bool = False) -> Any:
    """The signature of NumPy's max, min, any and all, which have no dtype."""

    def implementation(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Tracer:
        return reduction(a, axis, np.bool_ if truth else None, out, keepdims, initial, where)

    return implementation


max = amax = implements(np.max, np.amax)(_ordered(_max))
min = amin = implements(np.min, np.amin)(_ordered(_min))
any = implements(np.any)(_ordered(_any, truth=True))
all = implements(np.all)(_ordered(_all, truth=True))

for _ufunc, _reduced in (
    (np.add, _sum),
    (np.multiply, _prod),
    (np.maximum, _max),
    (np.minimum, _min),
    (np.logical_or, _any),
    (np.logical_and, _all),
):
    implements(_ufunc.reduce)(functools.partial(_reduced, axis=0))


@implements(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Tracer:
    x = tracer(a)
    if not dtype and x.type.dtype in HALVES:
        return mean(x.astype("f32"), axis, None, out, keepdims, where=where).astype(x.dtype)
    wanted = dtype_name(dtype) if dtype else x.type.dtype if x.type.is_inexact else "f64"
    total = _sum(x, axis, NUMPY[wanted], out, keepdims, None, where)
    if where is not True:
        count = _sum(broadcast_to(where, x.shape), axis, np.int64, None, keepdims)
        return _as(total / count.astype(_divisor(wanted)), wanted)
    return _as(total / _count(x, axis), wanted)


def _as(x: Tracer, dtype: str) -> Tracer:
    return x if x.type.dtype == dtype else tracer(x, dtype)


def _count(x: Tracer, axis: Any) -> int:
    return math.prod(x.shape[i] for i in reduced_axes("mean", axis, x.ndim))


def _divisor(dtype: str) -> np.dtype[Any]:
    """The dtype in which sums of a dtype are divided by counts."""
    return Type(dtype).part.numpy if is_inexact(dtype) else np.dtype(np.float64)


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Tracer:
    unsupported("average", returned=returned or None)
    if weights is None:
        return mean(a, axis, keepdims=keepdims)
    x, w = tracer(a), tracer(weights)
    if w.shape != x.shape:
        (at,) = axes_of("average", axis, x.ndim)
        w = w.reshape(*(n if i == at else 1 for i, n in enumerate(x.shape)))
    of = NUMPY[promoted("average", inexact(x), w)]
    total = sum(broadcast_to(w, x.shape), axis, of, keepdims=keepdims)
    return sum(multiply(x, w, dtype=of), axis, keepdims=keepdims) / total


@implements(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Tracer:
    """The mean of the squared distance from the mean, or from `mean`: real of complex numbers."""
    x = tracer(a)
    if not dtype and x.type.dtype in HALVES:
        options = {"where": where, "mean": mean, "correction": correction}
        return var(tracer(x, "f32"), axis, None, out, ddof, keepdims, **options).astype(x.dtype)
    wanted = Type(dtype_name(dtype) if dtype else x.type.dtype if x.type.is_inexact else "f64")
    if not wanted.is_inexact:
        raise wrong(f"var: dtype= of floats is required, got {wanted}", "dtype=np.float64")
    x = tracer(x, wanted.dtype if wanted.is_complex or not x.type.is_complex else x.type.dtype)
    centred = x - (_mean(x, axis, keepdims=True, where=where) if mean is None else mean)
    square = real(centred * conj(centred)) if x.type.is_complex else centred * centred
    total = sum(square, axis, None, out, keepdims, None, where)
    less = ddof if correction is None else correction
    if where is True:
        found = total / builtins.max(_count(x, axis) - less, 0)
    else:
        counts = sum(broadcast_to(where, x.shape), axis, total.dtype, None, keepdims)
        found = total / maximum(counts - less, 0)
    return _as(found, wanted.dtype) if dtype else found


_mean = mean


@implements(np.std)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Tracer:
    options = {"where": where, "mean": mean, "correction": correction}
    return root(var(a, axis, dtype, out, ddof, keepdims, **options))


def _numbers(a: Any, among: Any) -> tuple[Tracer, Any]:
    """Zeros for NaN, whose derivatives reach no other element, and where there are numbers."""
    x = tracer(a)
    if not x.type.is_inexact:
        return x, among
    found = logical_not(isnan(x))
    kept = found if among is True else logical_and(found, among)
    return where(found, x, x.dtype.type(0)), kept


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Tracer:
    x, kept = _numbers(a, where)
    if dtype and x.type.is_inexact and not is_inexact(dtype_name(dtype)):
        raise wrong(f"nanmean: dtype= of floats is required for {x.type}, got {dtype_name(dtype)}")
    return mean(x, axis, dtype, out, keepdims, where=kept)


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Tracer:
    x, kept = _numbers(a, where)
    options = {"where": kept, "mean": mean, "correction": correction}
    return var(x, axis, dtype, out, ddof, keepdims, **options)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Tracer:
    options = {"where": where, "mean": mean, "correction": correction}
    return root(nanvar(a, axis, dtype, out, ddof, keepdims, **options))


def _arg(name: str, rule: Any) -> Any:
    def implementation(
        a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False
    ) -> Tracer:
        unsupported(name, out=out)
        x = tracer(a)
        dtype = "i32" if x.type.dtype == "bool" else x.type.dtype
        axis = None if not x.ndim and axis in (0, -1) else axis
        at = 0 if axis is None else axis_of(name, axis, x.ndim)
        flat = reshape(x.value, (x.size,)) if axis is None else x.value
        if not flat.shape[at]:
            raise wrong(f"{name}: at least one element is required, got {x.type}")
        axes = tuple(range(x.ndim)) if axis is None else (at,)
        return new(kept_dims(rule(value(new(flat), dtype), at), x.shape, axes, keepdims))

    return implementation


argmax = implements(np.argmax)(_arg("argmax", ops.argmax))
argmin = implements(np.argmin)(_arg("argmin", ops.argmin))


def _arg_of_numbers(function: Any, own: Any, extreme: Any, fill: float) -> Any:
    """The place of the extreme of what is not NaN; -1 where all is, as in JAX."""

    def implementation(
        a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False
    ) -> Tracer:
        x = tracer(a)
        if not x.type.is_inexact:
            return own(x, axis, out, keepdims=keepdims)
        known = logical_not(isnan(x))
        kept = where(known, x, x.dtype.type(fill))
        at, first = (f(y, axis, out, keepdims=keepdims) for f, y in ((own, kept), (argmax, known)))
        at = where(equal(extreme(kept, axis, None, keepdims), fill), first, at)
        return where(any(known, axis, None, keepdims), at, np.int64(-1))

    return implements(function)(implementation)


nanargmax = _arg_of_numbers(np.nanargmax, argmax, max, -math.inf)
nanargmin = _arg_of_numbers(np.nanargmin, argmin, min, math.inf)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tracer:
    return sum(tracer(a) != 0, axis, keepdims=keepdims)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Tracer:
    return max(a, axis, out, keepdims) - min(a, axis, out, keepdims)


@implements(np.allclose)
def allclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tracer:
    return all(isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Tracer:
    a, b = tracer(a1), tracer(a2)
    if a.shape != b.shape:
        return tracer(np.False_)
    return all(equal(a, b) | isnan(a) & isnan(b) if equal_nan else equal(a, b))


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Tracer:
    """Whether they are equal when they are broadcast; False where that is not possible."""
    a, b = tracer(a1), tracer(a2)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return tracer(np.False_)
    return all(equal(a, b))


def _nan_as(reduction: Any, fill: float, extreme: bool = False) -> Any:
    """The reduction of what is not NaN; the extreme of nothing but NaN is NaN."""

    def implementation(a: Any, axis: Any = None, *args: Any, **options: Any) -> Tracer:
        x = tracer(a)
        if not x.type.is_inexact:
            return reduction(x, axis, *args, **options)
        found = reduction(_where(x == x, x, fill), axis, *args, **options)
        if not extreme or options.get("initial") is not None:
            return found
        return _where(all(x != x, axis, None, found.ndim == x.ndim), x.dtype.type(np.nan), found)

    return implementation


nansum = implements(np.nansum)(_nan_as(sum, 0))
nanprod = implements(np.nanprod)(_nan_as(prod, 1))
nanmax = implements(np.nanmax)(_nan_as(max, -math.inf, extreme=True))
nanmin = implements(np.nanmin)(_nan_as(min, math.inf, extreme=True))
