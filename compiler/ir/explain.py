"""What Python and NumPy say when a function of ours is given what it cannot take, said to its user.

A wrong argument may fail anywhere inside: in `int(axis)`, in a tuple that is taken apart, in NumPy.
`explained` makes of such a bare error one of the user's program: the function, what its signature
requires, what came, the user's line. Before something fails it looks at parameters that are ints or
bools alone, where 1.5 or "no" would pass in silence. Errors of functions that the user passed go
through as they are.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
import traceback
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .errors import ProgramError
from .failed import renamed_keywords, repaired
from .source import is_own, location, user_source
from .types import NAMES, Type

P = ParamSpec("P")
R = TypeVar("R")

BARE = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What Python and NumPy raise for a wrong argument; ProgramError is a TypeError, too."""
ELSEWHERE = {
    "dim": "axis", "dims": "axis", "dimension": "axis", "axes": "axis", "keepdim": "keepdims",
    "unbiased": "ddof", "lr": "learning_rate",
}  # fmt: skip
"""Parameters as other libraries name them, and as NumPy does."""
SPELLED = {
    "int": "an int", "bool": "a bool", "str": "a string", "float": "a number", "None": "None",
    "tuple[int, ...]": "a tuple of ints", "Sequence[int]": "a sequence of ints",
    "Callable": "a function", "Mapping": "a dict", "Sequence": "a sequence",
}  # fmt: skip
"""Annotations as messages say them."""


def explained(function: Callable[P, R], name: str = "") -> Callable[P, R]:
    """The function, but its bare errors say what it requires, what it got, and the user's line.

    Cost: 0.1 us a call, and as much for each parameter that is an int or a bool.
    """
    ints: list[tuple[int, str, bool]] | None = None

    @functools.wraps(function)
    def border(*args: P.args, **options: P.kwargs) -> R:
        nonlocal ints
        if ints is None:  # at the first call: most functions are never called
            ints = _ints(function)
        try:
            for place, parameter, optional in ints:
                x = args[place] if place < len(args) else options.get(parameter, 0)
                if type(x) not in (int, bool) and not ((optional and x is None) or _is_index(x)):
                    raise TypeError
            return function(*args, **options)
        except FloatingPointError:  # of check_nans, or asked for by numpy.errstate: said in full
            raise
        except BARE as error:
            said = explanation(function, name or _called(border), args, options, error)
            if said is error:
                raise
            raise said from None

    return border


def _called(function: Callable[..., Any]) -> str:
    """What a user calls: a layer, or its first weights, is called by its class."""
    if function.__name__ not in ("__call__", "init"):
        return function.__name__
    whole = function.__qualname__.rpartition("<locals>.")[2]
    return whole.removesuffix(".__call__")


def _ints(function: Callable[..., Any]) -> list[tuple[int, str, bool]]:
    """Parameters annotated as ints or bools: place, name, whether None is allowed."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return []
    told = function.__annotations__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [
        (k if k < code.co_argcount else sys.maxsize, n, told[n] == "int | None")
        for k, n in enumerate(names)
        if told.get(n) in ("int", "bool", "int | None")
    ]


def explanation(
    function: Callable[..., Any],
    name: str,
    args: Sequence[Any],
    options: Mapping[str, Any],
    error: BaseException,
) -> BaseException:
    """The error to raise in place of `error`, which a call of the function raised."""
    inner = error.__traceback__.tb_next if error.__traceback__ else None
    if any(not is_own(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(inner)):
        return error  # of a function that the user passed
    if not isinstance(error, ProgramError):
        what = said(function, name, args, options, error)
        repair = _renamed(function, what)
        return ProgramError(what, location(user_source()), repair, error)
    if error.bare is not None:
        what = said(function, name, args, options, error.bare)
        return ProgramError(what, error.where, error.repair, error.bare)
    if not error.where and type(error) is ProgramError:
        return ProgramError(error.what, location(user_source()), error.repair)
    return error


def said(
    function: Callable[..., Any],
    name: str,
    args: Sequence[Any],
    options: Mapping[str, Any],
    error: BaseException,
) -> str:
    """What is required and what came: by the signature, by the annotations, or as Python has it."""
    try:
        signature = inspect.signature(function)
        given = signature.bind(*args, **options).arguments
    except (TypeError, ValueError):
        return f"{name}: {_call(function, args, options, error)}"
    if wrong := _first_misfit(function, signature, given):
        return f"{name}: {wrong}"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, RecursionError):
        text = "trees and lists less deep than Python's recursion limit are required"
    came = ", ".join(f"{k}={shown(v)}" for k, v in given.items())
    return f"{name}: {text}, got {came}"


def _call(
    function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any], error: Any
) -> str:
    """What does not fit the parameters."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return str(error)
    named = [n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    unknown = [n for n in options if n not in named]
    if unknown:
        return f"parameters among {', '.join(named)} are required, got {unknown[0]}="
    places = [
        n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(args) > len(places) and not any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        return f"at most {len(places)} arguments by place are required, got {len(args)}"
    twice = [n for n in places[: len(args)] if n in options]
    if twice:
        return f"one value for {twice[0]} is required, got two"
    missing = [
        n
        for n in named
        if parameters[n].default is inspect.Parameter.empty
        and n not in options
        and n not in places[: len(args)]
    ]
    return f"an argument for {missing[0]} is required, got none" if missing else str(error)


def _renamed(function: Callable[..., Any], what: str) -> str:
    """NumPy's name of a parameter that other libraries call otherwise, in the user's line."""
    unknown = what.rpartition("got ")[2].removesuffix("=")
    if unknown not in ELSEWHERE:
        return ""
    known = frozenset(inspect.signature(function).parameters)
    ours = ELSEWHERE[unknown]
    return repaired((renamed_keywords(ELSEWHERE, known),), f"{ours}=") if ours in known else ""


def shown(x: Any) -> str:
    """A value for a message: an array by its type, anything else shortened."""
    if _is_traced(x):
        return f"a traced {x.type}"
    if isinstance(x, np.ndarray):
        return f"{NAMES.get(x.dtype, x.dtype)}{list(x.shape) if x.ndim else ''}"
    if isinstance(x, (list, tuple)):
        inside = ", ".join(map(shown, x[:4])) + (", ..." if len(x) > 4 else "")
        return f"[{inside}]" if isinstance(x, list) else f"({inside})"
    if callable(x):
        return str(getattr(x, "__name__", type(x).__name__))
    text = repr(x)
    return text if len(text) <= 40 else f"{type(x).__name__} {text[:30]}..."


# ---------------------------------------------------------------- annotations


def _first_misfit(
    function: Callable[..., Any], signature: inspect.Signature, given: Mapping[str, Any]
) -> str:
    """What is required for the first argument that its annotation does not allow, and what came."""
    try:
        hints = typing.get_type_hints(inspect.unwrap(function))
    except (NameError, TypeError):
        return ""
    for parameter, x in given.items():
        kind = signature.parameters[parameter].kind
        hint = hints.get(parameter, Any)
        fits = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if not fits and not allows(hint, x):
            return f"{spelled_hint(hint)} is required for {parameter}, got {shown(x)}"
    return ""


def allows(hint: Any, x: Any) -> bool:
    """Whether an annotation allows a value; what it cannot tell it allows."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(allows(part, x) for part in inner)
    if hint is int:
        return _is_index(x)
    if hint is float:
        return isinstance(x, (int, float, np.number)) or _is_traced(x)
    if hint is bool:
        return isinstance(x, (bool, np.bool_)) or _is_index(x)
    if hint in (None, type(None)):
        return x is None
    if origin in (tuple, list) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        each = inner[0] if inner and (origin is not tuple or inner[1:] == (...,)) else Any
        return isinstance(x, (list, tuple)) and all(allows(each, v) for v in x)
    kind = origin or hint
    if kind is Any or not isinstance(kind, type):
        return True
    try:
        return callable(x) if kind is Callable else isinstance(x, kind)
    except TypeError:  # of a protocol that no value can be asked for
        return True


def _is_index(x: Any) -> bool:
    if _is_traced(x):
        return False
    try:
        operator.index(x)
    except TypeError:
        return False
    return True


def _is_traced(x: Any) -> bool:
    return isinstance(getattr(x, "type", None), Type)


def spelled_hint(hint: Any) -> str:
    """An annotation in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(spelled_hint(part) for part in inner)
    if hint in (None, type(None)):
        return "None"
    name = hint.__name__ if isinstance(hint, type) and not inner else str(hint)
    name = name.replace("collections.abc.", "").replace("typing.", "")
    return SPELLED.get(name) or SPELLED.get(name.split("[")[0]) or name
