"""The table of functions: what computes a NumPy function on tracers, and is it in our namespace.

A function is written once, on tracers, and decorated with the NumPy functions that it computes.
What the decorator gives is traced inside of a trace, NumPy's own outside. Ufuncs are rules on
values, to which operands are promoted as NumPy promotes them.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, ParamSpec, overload

import numpy as np

from ..ir.explain import explained, shown
from ..ir.failed import repaired
from ..ir.types import HALVES, NAMES, NUMPY, dtype_name, language_dtype
from ..ops.elementwise import cast
from ..settings import active as active_settings
from ..settings import default_matmul_precision
from .arrays import refuse_subclasses
from .following import asks_wide, following, narrowed
from .operands import (
    BF16,
    HALF,
    SCALARS,
    common,
    common_shape,
    is_weak,
    kinds_of,
    lint,
    new,
    operand,
    result_dtype,
    shape_of,
    tracer,
    value,
    without_bf16,
    wrong,
)
from .repairs import added, our_array, out_argument
from .tracer import FUNCTIONS, SYNTAX, Tracer, current, refuse_function

P = ParamSpec("P")
IGNORED = frozenset(("casting", "copy", "device", "like", "order", "signature", "subok"))


def ignored(name: str, options: dict[str, Any]) -> None:
    """Refuse keywords other than NumPy's that mean nothing to traced arrays."""
    for option in options:
        if option not in IGNORED:
            raise wrong(f"{name}: a parameter of NumPy's is required, got {option}=")


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

        if ufunc:
            for method in METHODS:
                setattr(public, method, _method(numpys, method))
        if extra:
            own = numpys_signature(numpys)
            both = own.replace(parameters=[*own.parameters.values(), *extra.values()])
            vars(public)["__signature__"] = both
        if not precise:
            return public

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

        return with_precision

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


class Loop(NamedTuple):
    """NumPy's choice of dtypes for operands and results, and the language's names of them."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    names: tuple[str | None, ...]  # of all of them; None is of no dtype that we have

    @property
    def wanted(self) -> tuple[str | None, ...]:
        """The names of the operands' dtypes."""
        return self.names[: len(self.inputs)]


@functools.cache
def ufunc_loop(function: np.ufunc, kinds: tuple[Any, ...], dtype: Any) -> Loop:
    """The loop of a ufunc for operands of these kinds; `dtype`, where it is given, of results."""
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
    names = tuple(NAMES.get(np.dtype(language_dtype(d))) for d in found)
    return Loop(found[: function.nin], found[function.nin :], names)


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
            new_only = out is None and where is True
            into = () if new_only else places_given(name, out, where, function.nout)
            operands = [operand(x) for x in args]
            operands = among(operands) if among else operands
            try:
                loop = ufunc_loop(
                    function,
                    kinds_of(operands),
                    dtype and np.dtype(language_dtype(dtype)),
                )
            except TypeError as error:
                raise wrong(f"{name}: {_misfit(function, operands, str(error))}") from None
            if None in loop.names:
                for d in (*loop.inputs, *loop.outputs):
                    result_dtype(name, d)
            wanted = [str(d) for d in loop.wanted]
            lint(name, operands, wanted[0])
            shape = common_shape(name, *map(shape_of, operands))
            values = [value(x, d, shape) for x, d in zip(operands, wanted, strict=True)]
            if single:  # halves are computed with in f32, and rounded once
                values = [cast(v, "f32") if v.dtype in HALVES else v for v in values]
            weak = all(map(is_weak, operands)) and loop.outputs[0].kind != "b"
            found = rule(*values, given=operands) if python else rule(*values)
            several = isinstance(found, tuple)
            made = [
                new(cast(v, NAMES[d]) if d in HALF else v, weak)
                for v, d in zip(found if several else (found,), loop.outputs, strict=True)
            ]
            if not new_only:
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
    code = getattr(function, "__code__", None)
    if code is not None:  # read off the code: a hundred times as fast as inspect
        named = [n == "out" for n in code.co_varnames[: code.co_argcount]]
    else:
        parameters = inspect.signature(function).parameters.values()
        named = [p.name == "out" and p.kind is not p.KEYWORD_ONLY for p in parameters]
    at = named.index(True) if True in named else sys.maxsize

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


def numpys_signature(numpys: Any) -> inspect.Signature:
    """The signature of a function of NumPy's; of one in C from its text, which Python reads faster
    than inspect does."""
    text = None if hasattr(numpys, "__code__") else getattr(numpys, "__text_signature__", None)
    if text is None or "$" in text:
        return inspect.signature(numpys)
    return inspect.signature(eval(f"(lambda {text.strip()[1:-1]}: None)"))


def extra_parameters(function: Callable[..., Any], numpys: Any) -> dict[str, inspect.Parameter]:
    """Keywords that NumPy's function has not, which are JAX's."""
    here, there = parameter_names(function), parameter_names(numpys)
    if isinstance(getattr(numpys, "__self__", None), np.ufunc):
        return {}
    if here is not None and there is not None and set(here) <= set(there):
        return {}
    try:
        own = numpys_signature(numpys).parameters
    except ValueError:
        return {}
    if any(p.kind is p.VAR_KEYWORD for p in own.values()):
        return {}
    return {
        n: p.replace(kind=p.KEYWORD_ONLY)
        for n, p in inspect.signature(function).parameters.items()
        if n not in own and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
