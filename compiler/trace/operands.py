"""From what a user passes to values of the graph: NumPy's promotion, casts, broadcasting.

Operands are tracers, Python scalars (weak), NumPy scalars, arrays and lists. A float that somebody
typed keeps its dtype beside what nobody did.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.explain import shown
from ..ir.graph import Value
from ..ir.source import location, user_source
from ..ir.types import (
    HALVES,
    INEXACT,
    INTEGERS,
    NAMES,
    NUMPY,
    PART,
    WHOLE,
    WIDE,
    Type,
    dtype_name,
    is_inexact,
    language_dtype,
)
from ..kernel.scalar import cast as scalar_cast
from ..ops.elementwise import cast, ne
from ..ops.source import Constant, full, python_type
from ..ops.view import broadcast, reshape
from .arrays import plain
from .lint import widening
from .static_fields import static_field
from .tracer import FUNCTIONS, Tracer, active

Shape = tuple[int, ...]
WEAK = (int, float, complex)
SCALARS = (bool, *WEAK)
NARROW = {"f64": "f32", "c128": "c64"}
BF16, HALF = NUMPY["bf16"], tuple(NUMPY[d] for d in HALVES)


def wrong(what: str, repair: str = "") -> ProgramError:
    """An error of the user's program, with the line."""
    return ProgramError(what, location(user_source()), repair)


# ---------------------------------------------------------------- operands


def holds_tracer(x: Any) -> bool:
    return isinstance(x, Tracer) or (isinstance(x, (list, tuple)) and any(map(holds_tracer, x)))


def operand(x: Any) -> Any:
    """A tracer, a Python scalar, or an array; a list may hold tracers."""
    if isinstance(x, Tracer) or type(x) in SCALARS or type(x) is np.ndarray:
        return x
    if isinstance(x, (list, tuple)) and holds_tracer(x):
        return FUNCTIONS[np.array](x)
    array = np.asarray(x) if isinstance(x, np.generic) else plain(x)
    if array.dtype not in NAMES and array.dtype.kind not in "biufc":
        raise wrong(f"array: numbers are required, got {type(x).__name__} {x!r:.60}")
    return array


def is_wide(x: Any) -> bool:
    """Whether an operand that is not traced is f64 or c128, which NumPy makes of floats alone."""
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.char in "dD"


def is_weak(x: Any) -> bool:
    """Whether an operand takes the dtype of the typed float that it meets."""
    return x.weak if isinstance(x, Tracer) else type(x) in WEAK or is_wide(x)


def is_typed(x: Any) -> bool:
    """Whether an operand is a float or complex of a dtype that somebody chose: others follow it."""
    if isinstance(x, Tracer):
        return not x.weak and x.type.is_inexact
    array = isinstance(x, (np.ndarray, np.generic)) and not is_wide(x)
    return array and (x.dtype.kind in "fc" or x.dtype == BF16)


def shape_of(x: Any) -> Shape:
    return x.shape if isinstance(x, (Tracer, np.ndarray)) else ()


def promoting(x: Any) -> Any:
    """What promotion asks of an operand: of a tracer its dtype and whether it is weak, of a Python
    scalar its type, of an array its dtype."""
    if isinstance(x, Tracer):
        return x._value.type.dtype, x.weak
    return type(x) if type(x) in SCALARS else x.dtype


def kinds_of(operands: Sequence[Any]) -> tuple[Any, ...]:
    """What NumPy's promotion asks for: dtypes, or Python's types for what takes another's dtype.

    Beside a typed float those are integers of any width too, and floats that nobody typed."""
    return kinds_told(tuple(map(promoting, operands)))


@functools.cache
def kinds_told(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """`kinds_of` of operands of which that is told."""
    typed = any(map(_is_typed, operands))
    return tuple(_kind(x, typed) for x in operands)


def _is_typed(x: Any) -> bool:
    if isinstance(x, tuple):
        return not x[1] and is_inexact(x[0])
    return not isinstance(x, type) and (x == BF16 or (x.kind in "fc" and x.char not in "dD"))


def _kind(x: Any, typed: bool) -> Any:
    if isinstance(x, type):
        return x if x is not bool else np.dtype(bool)
    traced = isinstance(x, tuple)
    dtype = NUMPY[x[0]] if traced else x
    if dtype.kind == "b":
        return dtype
    name = x[0] if traced else NAMES.get(dtype)
    follows = x[1] if traced else typed and dtype.char in "dD"
    if name and (follows or (typed and dtype.kind in "iu")):
        return python_type(name)
    return dtype


def result_dtype(name: str, dtype: Any) -> str:
    """The language's name of a result's dtype."""
    found = NAMES.get(np.dtype(language_dtype(dtype)))
    if found is None:
        raise wrong(
            f"{name}: a result of {', '.join(NUMPY)} is required, got {np.dtype(dtype)}",
            "x.astype(np.float32) before",
        )
    return found


def promoted(name: str, *operands: Any) -> str:
    """The common dtype: NumPy's, but that of the typed floats where there are some."""
    found = result_dtype(name, common(kinds_of(operands)))
    lint(name, operands, found)
    return found


def by_value(operands: list[Any]) -> list[Any]:
    """Operands of a comparison: integers are compared as numbers, so that a Python int may be
    beyond the dtype beside it, and one that is traced keeps its 64 bits (NEP 50)."""
    strong = [x.dtype for x in operands if not is_weak(x) and type(x) is not bool]
    if not strong or any(d.kind not in "iub" for d in strong):
        return operands
    limits = np.iinfo(strong[0] if strong[0].kind in "iu" else np.int64)

    def exact(x: Any) -> Any:
        if isinstance(x, Tracer):
            return new(x.value) if x.weak and x.type.dtype == "i64" else x
        if type(x) is not int or limits.min <= x <= limits.max:
            return x
        wide = next((d for d in (np.int64, np.uint64) if _within(x, d)), None)
        return np.asarray(x, wide) if wide else math.copysign(math.inf, x)

    return [exact(x) for x in operands]


def _within(x: int, dtype: Any) -> bool:
    return np.iinfo(dtype).min <= x <= np.iinfo(dtype).max


@functools.cache
def common(kinds: tuple[Any, ...]) -> np.dtype[Any]:
    if all(isinstance(k, type) for k in kinds):
        return np.result_type(*(np.dtype(k) for k in kinds))
    kinds, narrow = without_bf16(kinds)
    found = np.result_type(*(k(0) if isinstance(k, type) else k for k in kinds))
    return BF16 if narrow and found == np.float16 else found


def without_bf16(kinds: tuple[Any, ...]) -> tuple[tuple[Any, ...], bool]:
    """The kinds with f16 for bf16, which NumPy promotes with less, and whether it stands for it.

    Beside another float, f16 too, it is f32 that stands there."""
    if BF16 not in kinds:
        return kinds, False
    alone = not any(k.kind in "fc" for k in kinds if not isinstance(k, type))
    place = np.dtype(np.float16 if alone else np.float32)
    return tuple(place if k == BF16 else k for k in kinds), alone


def lint(name: str, operands: Sequence[Any], common: str) -> None:
    """Look at operands whose common dtype is f64 or c128."""
    if common in NARROW and len(operands) > 1:
        typed = [x for x in operands if isinstance(x, Tracer) and is_typed(x)]
        wide = [x for x in typed if x.type.dtype in NARROW and x.value.node is None]
        widening(name, common, [x.type for x in typed], wide)


# ---------------------------------------------------------------- values


def value(x: Any, dtype: str = "", shape: Shape | None = None) -> Value:
    """An operand as a value of the current trace, cast to `dtype` and broadcast to `shape`."""
    if not isinstance(x, Tracer):
        x = operand(x)
    if isinstance(x, Tracer):
        found = active().lift(x)
        if dtype and found.type.dtype != dtype:
            found = casted(found, dtype)
    elif type(x) is float and dtype in WIDE:
        return full(x, Type(dtype, shape or ()))
    else:
        array = constant_array(x, dtype)
        if not array.ndim:
            return full(array.item(), Type(dtype_name(array.dtype), shape or ()))
        found = active().constant(array)
    return found if shape is None or found.type.shape == shape else broadcasted(found, shape)


def constant_array(x: Any, dtype: str) -> np.ndarray:
    """A concrete operand as an array of `dtype`; a Python scalar must be within it."""
    try:
        with np.errstate(all="ignore"):
            if type(x) in SCALARS:
                cut = type(x) is float and dtype in INTEGERS
                return scalar_cast(x, dtype) if cut else np.asarray(x, NUMPY.get(dtype))
            wanted = dtype or result_dtype("array", x.dtype)
            return x if x.dtype == NUMPY[wanted] else scalar_cast(x, wanted)
    except (OverflowError, TypeError) as error:  # too great, complex for real
        raise wrong(f"array: {error}") from None


def casted(x: Value, dtype: str) -> Value:
    if x.dtype == dtype:
        return x
    if dtype == "bool":
        return ne(x, full(0, x.type))
    return cast(x, dtype)


def broadcasted(x: Value, shape: Shape, name: str = "broadcast_to") -> Value:
    """`x` repeated to `shape` by NumPy's rules."""
    if x.shape == shape:
        return x
    missing = len(shape) - len(x.shape)
    fits = missing >= 0 and all(a in (1, b) for a, b in zip(x.shape, shape[missing:], strict=True))
    if not fits:
        raise wrong(f"{name}: a shape that broadcasts to {list(shape)} is required, got {x.type}")
    kept = [i for i, n in enumerate(x.shape) if n == shape[missing + i]]
    new = tuple(i for i in range(len(shape)) if i - missing not in kept)
    x = reshape(x, tuple(x.shape[i] for i in kept)) if len(kept) < len(x.shape) else x
    return broadcast(x, shape, new) if new else x


def common_shape(name: str, *shapes: Shape) -> Shape:
    longest = max(shapes, key=len)
    if all(not s or s == longest for s in shapes):
        return longest
    ndim = max(map(len, shapes))
    columns = list(zip(*((1,) * (ndim - len(s)) + tuple(s) for s in shapes), strict=True))
    sizes = [next((n for n in column if n != 1), 1) for column in columns]
    if any(n not in (1, size) for column, size in zip(columns, sizes, strict=True) for n in column):
        texts = " and ".join(str(list(s)) for s in shapes)
        raise wrong(f"{name}: shapes that broadcast together are required, got {texts}")
    return tuple(sizes)


def new(value: Value, weak: bool = False) -> Tracer:
    """A value of the current trace as a tracer."""
    return Tracer(value, active(), weak)


def tracer(x: Any, dtype: str = "") -> Tracer:
    """An operand as a tracer of the current trace."""
    x = operand(x)
    return new(value(x, dtype), is_weak(x) and not dtype)


def cast_to(x: Any, other: Any) -> Any:
    """`x` in the dtype of another array, and as weak; by `.astype` it would be typed."""
    if not isinstance(x, Tracer) and not isinstance(other, Tracer):
        return np.asarray(x).astype(other.dtype)
    return new(value(x, dtype_name(other.dtype)), is_weak(other))


def alike(*xs: Any) -> tuple[Any, ...]:
    """Arrays in their common dtype, weak where nobody typed one of them."""
    if not holds_tracer(xs):
        dtype = np.result_type(*xs)
        return tuple(x.astype(dtype) for x in xs)
    dtype = result_dtype("array", common(kinds_of(xs)))
    weak = all(is_weak(x) or (dtype in INEXACT and not is_typed(x)) for x in xs)
    return tuple(new(value(x, dtype), weak) for x in xs)


def met(x: Tracer, update: Any) -> Tracer:
    """`x` in the dtype of the typed float that it meets, where nobody typed its own."""
    if not (x.weak and x.type.is_inexact and isinstance(update, Tracer) and is_typed(update)):
        return x
    part = PART.get(update.type.dtype, update.type.dtype)
    return new(cast(x.value, WHOLE[part] if x.type.is_complex else part))


def inexact(x: Any) -> Tracer:
    """An operand as a tracer of floats or complex numbers: integers as f64 that nobody typed."""
    x = tracer(x)
    return x if x.type.is_inexact else new(casted(x.value, "f64"), True)


def whole(x: Any) -> int | None:
    """A Python int, or what stands for one (as NumPy's integers); else None."""
    try:
        return None if isinstance(x, (Tracer, bool)) else operator.index(x)
    except TypeError:
        return None


def several(x: Any) -> Sequence[Any]:
    """What is given as one or as a sequence, as a sequence; of a traced constant its numbers."""
    node = x._value.node if isinstance(x, Tracer) else None
    if node is not None and isinstance(node.op, Constant) and x.ndim:
        return node.op.array.data.tolist()
    if hasattr(x, "__array__") and not isinstance(x, Tracer) and x.ndim:
        return x.tolist()
    return x if isinstance(x, (tuple, list, range)) else (x,)


def axis_of(name: str, axis: Any, ndim: int) -> int:
    """An axis counted from the front."""
    at = whole(axis)
    if at is None or not -ndim <= at < ndim:
        raise wrong(f"{name}: an axis within {ndim} dimensions is required, got {shown(axis)}")
    return at % ndim


def axes_of(name: str, axis: Any, ndim: int) -> Shape:
    """Axes counted from the front; None is all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis_of(name, a, ndim) for a in several(axis))
    if len(set(axes)) < len(axes):
        raise wrong(f"{name}: different axes are required, got {axis}")
    return axes


def shape_given(name: str, shape: Any, least: int = 0) -> Shape:
    """A static shape from an int or a sequence of ints, from `least` on."""
    each = (shape,) if isinstance(shape, Tracer) else several(shape)
    if traced := [n for n in each if isinstance(n, Tracer)]:
        fields = [repair for n in traced if (repair := static_field(n))]
        raise wrong(
            f"{name}: a shape of Python ints is required, got a traced value",
            next(iter(fields), "x.shape, which is static, or static_argnames= for an argument"),
        )
    given = [whole(n) for n in several(shape)]
    sizes = tuple(n for n in given if n is not None)
    if len(sizes) < len(given):
        raise wrong(f"{name}: an int or a tuple of ints is required, got {shown(shape)}")
    if any(n < least for n in sizes):
        raise wrong(f"{name}: sizes of {least} or more are required, got {shown(shape)}")
    return sizes


def unsupported(name: str, **options: Any) -> None:
    """Refuse options of NumPy's signature that have no traced form."""
    for option, given in options.items():
        if given is not None:
            raise wrong(
                f"{name}: {option}= has no form for traced arrays, got {given!r:.40}",
                f"{name} without {option}=",
            )
