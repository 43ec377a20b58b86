"""From what a user passes to values of the graph: NumPy's promotion, casts, broadcasting, and the
table of functions.

Operands are tracers, Python scalars (weak), NumPy scalars, arrays and lists. A function is written
once, on tracers, and decorated with the NumPy functions that it computes; what the decorator gives
is the function of wonderland.numpy: traced inside of a trace, NumPy's own outside.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import operator
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, overload

import numpy as np

from ..ir.errors import ProgramError
from ..ir.explain import explained, shown
from ..ir.failed import repaired
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
    Type,
    dtype_name,
    language_dtype,
)
from ..kernel.scalar import cast as scalar_cast
from ..ops.elementwise import cast, ne
from ..ops.source import Constant, full, python_type
from ..ops.view import broadcast, reshape
from ..settings import active as active_settings
from ..settings import default_matmul_precision
from .arrays import plain, refuse_subclasses
from .lint import widening
from .repairs import added, our_array, out_argument
from .static_fields import static_field
from .tracer import FUNCTIONS, SYNTAX, Tracer, active, current, refuse_function

P = ParamSpec("P")
Shape = tuple[int, ...]
WEAK = (int, float, complex)
SCALARS = (bool, *WEAK)
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
    array = plain(x)
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


def kinds_of(operands: Sequence[Any]) -> tuple[Any, ...]:
    """What NumPy's promotion asks for: dtypes, or Python's types for what takes another's dtype.

    Beside a typed float those are integers of any width too, and floats that nobody typed."""
    typed = any(map(is_typed, operands))
    return tuple(_kind(x, typed) for x in operands)


def _kind(x: Any, typed: bool) -> Any:
    if type(x) in SCALARS:
        return type(x) if type(x) is not bool else np.dtype(bool)
    if x.dtype.kind == "b":
        return x.dtype
    name = x.type.dtype if isinstance(x, Tracer) else NAMES.get(x.dtype)
    follows = (typed or isinstance(x, Tracer)) and is_weak(x)
    if name and (follows or (typed and x.dtype.kind in "iu")):
        return python_type(name)
    return x.dtype


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
    x = operand(x)
    if isinstance(x, Tracer):
        found = casted(active().lift(x), dtype or x.type.dtype)
    else:
        array = constant_array(x, dtype)
        if not array.ndim:
            return full(array.item(), Type(dtype_name(array.dtype), shape or ()))
        found = active().constant(array)
    return found if shape is None else broadcasted(found, shape)


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
    if all(s == shapes[0] for s in shapes):
        return shapes[0]
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


# ---------------------------------------------------------------- f64 that nobody asked for

DTYPES = ("dtype", "new_dtype", "preferred_element_type", "result_dtype", "out_dtype")
"""Parameters that ask for a dtype."""
NARROW = {"f64": "f32", "c128": "c64"}


def following(function: Callable[P, Any]) -> Callable[P, Any]:
    """The function, whose results of f64 are weak where nobody asked for them."""
    places = functools.cache(lambda: _dtype_places(function))  # which takes 20 us

    @functools.wraps(function)
    def traced(*args: P.args, **options: P.kwargs) -> Any:
        found = function(*args, **options)
        wide = isinstance(found, tuple) or (isinstance(found, Tracer) and found.dtype.char in "dD")
        return followers(found) if wide and not asks_wide(args, options, places()) else found

    return traced


def _dtype_places(function: Callable[..., Any]) -> tuple[int, ...]:
    parameters = inspect.signature(function).parameters.values()
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    placed = itertools.takewhile(lambda p: p.kind in kinds, parameters)
    return tuple(k for k, p in enumerate(placed) if p.name in DTYPES)


def asks_wide(args: Sequence[Any], options: Mapping[str, Any], places: Sequence[int] = ()) -> bool:
    """Whether an argument asks for f64: a dtype that is given, an array of f64 that is typed, or a
    function, which may close over one."""
    if any(options.get(n) is not None for n in DTYPES):
        return True
    if any(k < len(args) and args[k] is not None for k in places):
        return True
    return any(map(_wide, (*args, *options.values())))


def _wide(x: Any) -> bool:
    if isinstance(x, Tracer):
        return not x.weak and x.type.dtype in NARROW
    if isinstance(x, (list, tuple)):
        return any(map(_wide, x))
    if current() is None and isinstance(x, np.ndarray):
        return is_wide(x)
    return isinstance(x, np.dtype) or (callable(x) and x not in SCALARS)


def followers(found: Any) -> Any:
    """Results of f64 as what follows typed floats; by the setting default_dtype f32 already."""
    if isinstance(found, tuple):
        parts = map(followers, found)
        return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
    if not isinstance(found, Tracer) or found.type.dtype not in NARROW:
        return found
    if active_settings().default_dtype == "f32":
        return new(cast(found.value, NARROW[found.type.dtype]), weak=True)
    found.weak = True
    return found


def narrowed(found: Any, wanted: bool) -> Any:
    """What NumPy made outside of a trace, by the setting default_dtype f32."""
    if isinstance(found, tuple):
        parts = [narrowed(x, wanted) for x in found]
        return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
    if wanted or not is_wide(found):
        return found
    return found.astype(NUMPY[NARROW[NAMES[found.dtype]]])


IGNORED = frozenset(("casting", "copy", "device", "like", "order", "signature", "subok"))


def ignored(name: str, options: dict[str, Any]) -> None:
    """Refuse keywords other than NumPy's that mean nothing to traced arrays."""
    for option in options:
        if option not in IGNORED:
            raise wrong(f"{name}: a parameter of NumPy's is required, got {option}=")


# ---------------------------------------------------------------- the table


@overload
def implements(
    *functions: Any, precise: Literal[False] = False, writes: bool = False
) -> Callable[[Callable[P, Any]], Callable[P, Any]]: ...
@overload
def implements(
    *functions: Any, precise: Literal[True], writes: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
def implements(
    *functions: Any, precise: bool = False, writes: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated function in the table as these NumPy functions.

    What it becomes is the function of wonderland.numpy: outside of a trace, the first of them. With
    `precise` that takes `precision=` too, the setting default_matmul_precision of one call, and
    `preferred_element_type=`, in which products are added and given. What `writes` into an argument
    is NumPy's own for every dtype. Keywords that NumPy's function has not are JAX's: with one of
    them it is the traced form, run at once, outside of a trace too.
    """

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        numpys = functions[0]
        name = numpys.__name__
        ufunc = isinstance(numpys, np.ufunc)
        known = parameter_names(implementation)
        takes_out = not ufunc and "out" in (
            inspect.signature(implementation).parameters if known is None else known
        )
        placed = with_out(implementation, name) if takes_out else implementation
        traced = following(explained(placed, name))
        extra = {} if ufunc else extra_parameters(implementation, numpys)
        for function in functions:
            FUNCTIONS[function] = traced

        @functools.wraps(numpys, updated=())
        def public(*args: Any, **options: Any) -> Any:
            if current() is not None:
                return traced(*args, **options)
            if writes and options.get("inplace", True):
                options.pop("inplace", None)
                return numpys(*args, **options)
            if options and not extra.keys().isdisjoint(options):
                return SYNTAX.eagerly(implementation, args, options)
            found = eager_call(numpys, implementation, args, options)
            if active_settings().default_dtype == "f32":
                return narrowed(found, asks_wide(args, options))
            return found

        @functools.wraps(numpys, updated=())
        def with_precision(
            *args: Any, precision: Any = None, preferred_element_type: Any = None, **options: Any
        ) -> Any:
            if preferred_element_type is not None:
                kind = NUMPY[dtype_name(preferred_element_type)]
                wide = (as_wide(x, kind) for x in args)
                return with_precision(*wide, precision=precision, **options).astype(kind)
            if precision is None:
                return public(*args, **options)
            with default_matmul_precision(precision):
                return public(*args, **options)

        if isinstance(numpys, np.ufunc):
            for method in METHODS:
                setattr(public, method, _method(numpys, method))
        if extra:
            own = inspect.signature(numpys)
            both = own.replace(parameters=[*own.parameters.values(), *extra.values()])
            vars(public)["__signature__"] = both
        return with_precision if precise else public

    return register


METHODS = ("accumulate", "at", "outer", "reduce", "reduceat")
"""What a ufunc can do besides being called."""


def as_wide(x: Any, dtype: np.dtype[Any]) -> Any:
    """An array as one whose dtype holds numbers of `dtype` too; anything else as it is."""
    arrays = isinstance(x, (Tracer, np.ndarray))
    return x.astype(common((x.dtype, dtype))) if arrays else x


def _method(function: np.ufunc, name: str) -> Callable[..., Any]:
    """np.add.reduce and its kin, as a method of a function of wonderland.numpy."""

    def method(*args: Any, **options: Any) -> Any:
        numpys = getattr(function, name)
        found = FUNCTIONS.get(numpys) if current() is not None else numpys
        if found is None:
            refuse_function(f"{function.__name__}.{name}", tracer(args[0]))
        return found(*args, **options)

    method.__name__ = name
    method.__doc__ = f"numpy.{function.__name__}.{name}."
    return method


def _common(x: Any) -> bool:
    """Whether an argument is one of nearly all: an ndarray not of bf16, or a number."""
    return x.dtype != BF16 if type(x) is np.ndarray else type(x) in SCALARS


def eager_call(
    function: Any, implementation: Any, args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """NumPy's function, or where an array of bf16 is among the arguments the traced form, run at
    once: NumPy's promotes bf16 and Python numbers to f32 or f64."""
    if not options and all(map(_common, args)):
        return function(*args)
    given = (*args, *options.values())
    refuse_subclasses(given)
    narrow = any(isinstance(x, (np.ndarray, np.generic)) and x.dtype == BF16 for x in given)
    if narrow and options.get("out") is None:
        return SYNTAX.eagerly(implementation, args, options)
    return function(
        *map(language_dtype, args), **{k: language_dtype(v) for k, v in options.items()}
    )


@functools.cache
def ufunc_loop(
    function: np.ufunc, kinds: tuple[Any, ...], dtype: Any
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """NumPy's choice of dtypes for operands and results."""
    if all(isinstance(k, type) for k in kinds):
        kinds = tuple(np.dtype(k) for k in kinds)
    results = (None,) * function.nout
    options: dict[str, Any] = (
        {"signature": (*(None,) * function.nin, *(dtype,) * function.nout)} if dtype else {}
    )
    kinds, narrow = without_bf16(kinds)
    found = function.resolve_dtypes((*kinds, *results), **options)
    if narrow:
        found = tuple(BF16 if d == np.float16 else d for d in found)
    return found[: function.nin], found[function.nin :]


def ufunc(
    *functions: np.ufunc, python: bool = False, single: bool = True, among: Any = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a rule on values of the loop's dtypes and one shape; the operands are promoted as NumPy
    promotes them.

    A rule with `python` gets the Python scalars among the operands too, as the keyword `given`;
    `among` makes operands of operands before they are promoted.
    """
    function = functions[0]
    name = function.__name__

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        def implementation(
            *args: Any, dtype: Any = None, out: Any = None, where: Any = True, **options: Any
        ) -> Any:
            if options:
                ignored(name, options)
            args, out = operands_and_places(function, args, out)
            into = places_given(name, out, where, function.nout)
            operands = [operand(x) for x in args]
            operands = among(operands) if among else operands
            try:
                inputs, outputs = ufunc_loop(
                    function,
                    kinds_of(operands),
                    dtype and np.dtype(language_dtype(dtype)),
                )
            except TypeError as error:
                raise wrong(f"{name}: {_misfit(function, operands, str(error))}") from None
            wanted = [result_dtype(name, d) for d in inputs]
            for d in outputs:
                result_dtype(name, d)
            lint(name, operands, wanted[0])
            shape = common_shape(name, *(shape_of(x) for x in operands))
            values = [value(x, d, shape) for x, d in zip(operands, wanted, strict=True)]
            if single:  # halves are computed with in f32, and rounded once
                values = [cast(v, "f32") if v.dtype in HALVES else v for v in values]
            weak = all(is_weak(x) for x in operands) and outputs[0].kind != "b"
            found = rule(*values, given=operands) if python else rule(*values)
            several = isinstance(found, tuple)
            made = [
                new(cast(v, NAMES[d]) if d in HALF else v, weak)
                for v, d in zip(found if several else (found,), outputs, strict=True)
            ]
            made = [
                x if place is None else write_into(name, place, x, where)
                for x, place in zip(made, into, strict=True)
            ]
            return tuple(made) if several else made[0]

        return implements(*functions)(implementation)

    return enter


def operands_and_places(
    function: np.ufunc, args: tuple[Any, ...], out: Any
) -> tuple[tuple[Any, ...], Any]:
    """A ufunc's operands, and what is written to, which NumPy takes by place too."""
    given, least, most = len(args), function.nin, function.nin + function.nout
    if given < least or given > (most if out is None else least):
        count = "one operand is" if least == 1 else f"{least} operands are"
        raise wrong(f"{function.__name__}: {count} required, got {given}")
    if given == least:
        return args, out
    return args[:least], (*args[least:], *(None,) * (most - given))


LETTERS = {"bools": "?", "integers": "bBhHiIlLqQ", "floats": "efdg", "complex numbers": "FDG"}
"""NumPy's letters of dtypes, by what messages call them."""


def _misfit(function: np.ufunc, operands: Sequence[Any], text: str) -> str:
    """What a ufunc takes and what came, or what NumPy says of another matter."""
    if "not supported for the input types" not in text and "did not contain a loop" not in text:
        return text
    taken = []
    for place in range(function.nin):
        letters = {loop[place] for loop in function.types}
        taken.append(" or ".join(k for k, of in LETTERS.items() if letters & set(of)))
    came = " and ".join(str(x.type) if isinstance(x, Tracer) else shown(x) for x in operands)
    return f"{' and '.join(dict.fromkeys(taken))} are required, got {came}"


def places_given(
    name: str, out: Any, mask: Any = True, count: int = 1
) -> tuple[Tracer | None, ...]:
    """The traced arrays that `out=` names, of each result. An ndarray can't be written to while
    tracing."""
    places = out if isinstance(out, tuple) else (out,) + (None,) * (count - 1)
    of_foreign_code = (not isinstance(o, Tracer) and hasattr(o, "become") for o in places)
    places = tuple(o.become() if f else o for o, f in zip(places, of_foreign_code, strict=True))  # pyright: ignore[reportOptionalMemberAccess]
    if len(places) != count or any(not isinstance(o, (Tracer, type(None))) for o in places):
        raise wrong(
            f"{name}: a new result is required, got out=, which writes into an array",
            repaired((added, our_array, out_argument), "x = x + y, not x += y"),
        )
    if mask is not True and None in places:
        raise wrong(
            f"{name}: an array that keeps its elements elsewhere is required beside where=, "
            "got no out=",
            "np.where(mask, result, other)",
        )
    return places


def write_into(name: str, place: Tracer, result: Any, mask: Any = True) -> Tracer:
    """`place`, into which a result was written where the mask holds."""
    found = tracer(result)
    return SYNTAX.overwrite(
        place, found if mask is True else FUNCTIONS[np.where](mask, found, place), name
    )


def with_out(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function that has a parameter `out` and gives one array, with what that means."""
    parameters = list(inspect.signature(function).parameters.values())
    at = next(
        (k for k, p in enumerate(parameters) if p.name == "out" and p.kind is not p.KEYWORD_ONLY),
        sys.maxsize,
    )

    @functools.wraps(function)
    def placed(*args: Any, **options: Any) -> Any:
        if len(args) > at:
            out, args = args[at], (*args[:at], None, *args[at + 1 :])
        else:
            out = options.pop("out", None)
        if out is None:
            return function(*args, **options)
        (place,) = places_given(name, out)
        found = function(*args, **options)
        return found if place is None else write_into(name, place, found)

    return placed


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Read off the code, or the text of one in C: a hundred times as fast as inspect. Or None."""
    code = getattr(getattr(function, "_implementation", function), "__code__", None)
    if code is not None:
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    text = getattr(function, "__text_signature__", None)
    return None if text is None else tuple(re.findall(r"[(,]\s*\**(\w+)", text))


def extra_parameters(function: Callable[..., Any], numpys: Any) -> dict[str, inspect.Parameter]:
    """Keywords that NumPy's function has not, which are JAX's."""
    here, there = parameter_names(function), parameter_names(numpys)
    if isinstance(getattr(numpys, "__self__", None), np.ufunc):
        return {}
    if here is not None and there is not None and set(here) <= set(there):
        return {}
    try:
        own = inspect.signature(numpys).parameters
    except ValueError:
        return {}
    if any(p.kind is p.VAR_KEYWORD for p in own.values()):
        return {}
    return {
        n: p.replace(kind=p.KEYWORD_ONLY)
        for n, p in inspect.signature(function).parameters.items()
        if n not in own and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
