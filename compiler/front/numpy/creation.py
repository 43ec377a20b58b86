"""Arrays from nothing: constants, counters, triangles. Inside of a trace they are part of the
program, not data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ops
from ...ir.explain import shown
from ...ir.types import NUMPY, Type, dtype_name, language_dtype
from ...ops import source
from ...trace.operands import (
    WEAK,
    casted,
    holds_tracer,
    kinds_of,
    new,
    operand,
    promoted,
    shape_given,
    shape_of,
    tracer,
    value,
    whole,
    wrong,
)
from ...trace.table import ignored, implements
from ...trace.tracer import FUNCTIONS, Tracer
from .elementwise import floor, where
from .shapes import atleast_1d, broadcast_to, ravel, reshape, stack

__all__ = [
    "arange", "array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "blackman",
    "can_cast", "common_type", "empty", "empty_like", "eye", "frombuffer", "fromfile", "fromiter",
    "fromstring", "full", "full_like", "geomspace", "hamming", "hanning", "identity", "indices",
    "linspace", "logspace", "meshgrid", "min_scalar_type", "ones", "ones_like", "polyval",
    "require", "result_type", "tri", "tril", "triu", "vander", "zeros", "zeros_like",
]  # fmt: skip


def _constant(function: Any, number: int) -> Callable[..., Any]:
    def implementation(shape: Any, dtype: Any = None, order: str = "C", **options: Any) -> Tracer:
        ignored(function.__name__, options)
        name = dtype_name(dtype or np.float64)
        return new(source.full(number, Type(name, shape_given(function.__name__, shape))))

    return implements(function)(implementation)


zeros, ones, empty = _constant(np.zeros, 0), _constant(np.ones, 1), _constant(np.empty, 0)


@implements(np.full)
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **options: Any
) -> Tracer:
    ignored("full", options)
    x = operand(fill_value)
    name = dtype_name(dtype) if dtype else tracer(x).type.dtype
    return new(value(x, name, shape_given("full", shape)))


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    **options: Any,
) -> Tracer:
    ignored("full_like", options)
    x = operand(a)
    kept = shape_of(x) if shape is None else shape
    return full(kept, fill_value, dtype or tracer(x).dtype)


def _constant_like(function: Any, number: int) -> Callable[..., Any]:
    def implementation(
        a: Any,
        dtype: Any = None,
        order: str = "K",
        subok: bool = True,
        shape: Any = None,
        **options: Any,
    ) -> Tracer:
        ignored(function.__name__, options)
        return full_like(a, number, dtype, shape=shape)

    return implements(function)(implementation)


zeros_like, ones_like = _constant_like(np.zeros_like, 0), _constant_like(np.ones_like, 1)
empty_like = _constant_like(np.empty_like, 0)


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The common dtype of arrays, numbers and dtypes; traced values of Python numbers are weak."""
    given = [language_dtype(x) for x in arrays_and_dtypes]
    operands = [x for x in given if isinstance(x, (Tracer, np.ndarray, np.generic))]
    found = iter(kinds_of(operands))
    kinds = [next(found) if any(x is o for o in operands) else x for x in given]
    return np.result_type(*(k(0) if isinstance(k, type) and k in WEAK else k for k in kinds))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether a cast from the dtype of an array, or a dtype, is of the kind `casting`."""
    return np.can_cast(
        from_.dtype if isinstance(from_, Tracer) else language_dtype(from_),
        language_dtype(to),
        casting,
    )


@implements(np.array)
def array(
    a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, **options: Any
) -> Tracer:
    """An array of numbers, or of nested sequences that may hold traced values."""
    least = options.pop("ndmin", 0)
    ignored("array", options)
    if isinstance(a, (list, tuple)) and holds_tracer(a):
        found = stack([array(x) for x in a])
    else:
        x = operand(a)
        found = new(ops.copy(value(x)) if isinstance(x, Tracer) and copy is not False else value(x))
    if whole(least) not in range(65):
        raise wrong(f"array: ndmin of 0 to 64 is required, got {shown(least)}")
    if found.ndim < least:
        found = reshape(found, (1,) * (least - found.ndim) + found.shape)
    return tracer(found, dtype_name(dtype)) if dtype else found


@implements(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, **options: Any) -> Tracer:
    """As `array`, but a traced value is not copied."""
    ignored("asarray", options)
    return FUNCTIONS[np.array](a, dtype, copy=False)


@implements(np.asanyarray)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, **options: Any) -> Tracer:
    """As `asarray`: subclasses of ndarray have no traced values."""
    return FUNCTIONS[np.asarray](a, dtype, **options)


@implements(np.require)
def require(a: Any, dtype: Any = None, requirements: Any = None, **options: Any) -> Tracer:
    """As `asarray`: a traced array has no order in memory."""
    return FUNCTIONS[np.asarray](a, dtype, **options)


def _contiguous(function: Any) -> Any:
    def implementation(a: Any, dtype: Any = None, **options: Any) -> Tracer:
        return atleast_1d(FUNCTIONS[np.asarray](a, dtype, **options))

    return implements(function)(implementation)


ascontiguousarray = _contiguous(np.ascontiguousarray)
asfortranarray = _contiguous(np.asfortranarray)


@implements(np.min_scalar_type)
def min_scalar_type(a: Any) -> np.dtype[Any]:
    """The dtype of an array; the least that holds a number that is known."""
    return a.dtype if isinstance(a, Tracer) else np.min_scalar_type(a)


@implements(np.common_type)
def common_type(*arrays: Any) -> type:
    """The inexact type of all of them; integers count as f64."""
    return np.common_type(*(np.zeros(0, operand(x).dtype) for x in arrays))


@implements(np.arange)
def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, **options: Any
) -> Tracer:
    """Static bounds; a count of steps from 0 is a counter, anything else a constant."""
    ignored("arange", options)
    start, stop = (0, start) if stop is None else (start, stop)
    if stop is None:
        raise wrong("arange: a number is required to stop at, got None")
    if any(isinstance(x, Tracer) for x in (start, stop, step)):
        raise wrong(
            "arange: bounds of Python numbers are required, got a traced value",
            "arange(size) + start",
        )
    if isinstance(start, int) and isinstance(step, int) and isinstance(stop, int):
        name = dtype_name(dtype or np.int64)
        if name != "bool":
            size = len(range(start, stop, step))
            if NUMPY[name].kind in "iu" and not holds_integers(NUMPY[name], start, step):
                return arange(start, stop, step, np.int64).astype(NUMPY[name])
            count = new(source.iota(Type(name, (size,)), 0))
            scaled = count if step == 1 else count * NUMPY[name].type(step)
            return scaled if start == 0 else scaled + NUMPY[name].type(start)
    return tracer(np.arange(start, stop, step, dtype=language_dtype(dtype)))


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    **options: Any,
) -> Any:
    ignored("linspace", options)
    if num < 0:
        raise wrong(f"linspace: 0 numbers or more are required, got {num}")
    steps = num - 1 if endpoint else num
    if not isinstance(start, Tracer) and not isinstance(stop, Tracer):
        made, step = np.linspace(
            start, stop, num, endpoint, retstep=True, dtype=language_dtype(dtype), axis=axis
        )
        return (tracer(made), tracer(step)) if retstep else tracer(made)
    num = shape_given("linspace", num)[0]
    ends = operand(start), operand(stop)
    low, high = (tracer(x, promoted("linspace", *ends, 1.0)) for x in ends)
    at = np.arange(num).reshape(num, *(1,) * max(low.ndim, high.ndim))
    size, turn = high - low, at.astype(low.dtype)
    step = size / max(steps, 1)
    # NumPy's numbers to the bit: with a choice in between the product is rounded before the sum
    found = low + where(step == 0, turn / max(steps, 1) * size, turn * step)
    found = where(at == steps, high, found) if endpoint and num > 1 else found
    kind = None if dtype is None else NUMPY[dtype_name(dtype)]
    found = found if kind is None else (floor(found) if kind.kind in "iu" else found).astype(kind)
    found = FUNCTIONS[np.moveaxis](found, 0, axis)
    return (found, size / (steps or np.nan)) if retstep else found


def holds_integers(dtype: np.dtype[Any], *numbers: int) -> bool:
    """Whether the integers are numbers of the dtype."""
    limits = np.iinfo(dtype)
    return all(limits.min <= n <= limits.max for n in numbers)


def _static(function: Any) -> Callable[..., Any]:
    """A function of static arguments: its result is a constant."""

    def implementation(*args: Any, **options: Any) -> Any:
        if any(map(holds_tracer, (*args, *options.values()))):
            raise wrong(f"{function.__name__}: static arguments are required, got a traced value")
        made = function(
            *map(language_dtype, args), **{k: language_dtype(v) for k, v in options.items()}
        )
        return tuple(map(tracer, made)) if isinstance(made, (tuple, list)) else tracer(made)

    return implements(function)(implementation)


geomspace, logspace = _static(np.geomspace), _static(np.logspace)
indices = _static(np.indices)
frombuffer, fromfile = _static(np.frombuffer), _static(np.fromfile)
fromiter, fromstring = _static(np.fromiter), _static(np.fromstring)
hanning, hamming, blackman = _static(np.hanning), _static(np.hamming), _static(np.blackman)


@implements(np.eye)
def eye(
    N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: str = "C", **options: Any
) -> Tracer:
    """By comparing counters, so that no data is stored."""
    ignored("eye", options)
    shape = shape_given("eye", (N, N if M is None else M))
    row, column = (new(source.iota(Type("i64", shape), axis)) for axis in (0, 1))
    return new(casted((column - row == k).value, dtype_name(dtype)))


@implements(np.identity)
def identity(n: int, dtype: Any = float, **options: Any) -> Tracer:
    ignored("identity", options)
    return eye(n, dtype=dtype)


@implements(np.tri)
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float, **options: Any) -> Tracer:
    ignored("tri", options)
    shape = shape_given("tri", (N, N if M is None else M))
    row, column = (new(source.iota(Type("i64", shape), axis)) for axis in (0, 1))
    return new(casted((column - row <= k).value, dtype_name(dtype)))


def _triangle(function: Any, lower: bool) -> Callable[..., Any]:
    def implementation(m: Any, k: int = 0) -> Tracer:
        x = tracer(m)
        if not x.ndim:
            raise wrong(f"{function.__name__}: one axis or more is required, got {x.type}")
        if x.ndim == 1:  # as in NumPy, a row for all rows
            x = broadcast_to(x, x.shape * 2)
        row, column = (new(source.iota(Type("i64", x.shape), x.ndim + axis)) for axis in (-2, -1))
        return where(column - row <= k if lower else column - row >= k, x, x.dtype.type(0))

    return implements(function)(implementation)


tril, triu = _triangle(np.tril, lower=True), _triangle(np.triu, lower=False)


@implements(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Tracer, ...]:
    if indexing not in ("xy", "ij"):
        raise wrong(f"meshgrid: indexing 'xy' or 'ij' is required, got {indexing!r:.40}")
    xs = [ravel(x) for x in xi]
    shape = [x.size for x in xs]
    made = []
    for k, x in enumerate(xs):
        x = reshape(x, [-1 if i == k else 1 for i in range(len(xs))])
        made.append(x if sparse else broadcast_to(x, shape))
    if indexing == "xy" and len(xs) > 1:
        made = [FUNCTIONS[np.swapaxes](x, 0, 1) for x in made]
    return tuple(made)


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tracer:
    """Powers in the dtype of integers and x together, as NumPy's: f64 of f32."""
    a = tracer(x)
    if a.ndim != 1:
        raise wrong(f"vander: one axis is required, got {a.type}")
    a = a.astype(np.promote_types(a.dtype, int)) if a.type.dtype != "bf16" else a
    count = a.size if N is None else N
    if not count:
        return full((a.size, 0), 0, a.dtype)
    powers = [a**k for k in range(count)]
    return stack(powers if increasing else powers[::-1], -1)


@implements(np.polyval)
def polyval(p: Any, x: Any, *, unroll: int = 16) -> Tracer:
    """The polynomial of these coefficients, the highest first; `unroll` changes nothing."""
    found: Any = full_like(x, 0) if isinstance(x, (Tracer, np.ndarray)) else 0
    for c in tracer(p):
        found = found * x + c
    return found
