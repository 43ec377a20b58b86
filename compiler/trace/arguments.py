"""Static arguments: which are meant, by place or by name, and what tells their values apart."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir.errors import ProgramError
from ..ir.source import location, user_source

Ints = int | Sequence[int]
Strings = str | Sequence[str]


@dataclass(frozen=True)
class Static:
    """A static argument at a place or of a name; equal are those of one bit pattern."""

    where: int | str
    bits: Any
    value: Any = field(compare=False)

    @staticmethod
    def of(where: int | str, value: Any) -> Static:
        try:
            hash(value)
        except TypeError:
            raise ProgramError(
                f"jit: static argument {where} must be hashable, got {type(value).__name__}",
                location(user_source()),
                repair="a tuple in place of a list, or a dynamic argument",
            ) from None
        return Static(where, exact(value), value)


def exact(value: Any) -> Any:
    """A key that only the same value has: 1 is not 1.0 is not True, 0.0 is not -0.0, nan is nan."""
    if isinstance(value, tuple):
        return type(value), *map(exact, value)
    if isinstance(value, frozenset):
        return type(value), frozenset(map(exact, value))
    return type(value), repr(value) if isinstance(value, (float, complex)) else value


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters, where they are known: some functions written in C tell nothing."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that have a place, where they are known."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [p for p in parameters_of(function) if p.kind in kinds]


def known_names(
    function: Callable[..., Any], names: Sequence[str], what: str = "jit: static_argnames"
) -> None:
    """Refuses names that no parameter has, where the parameters are known and not any name's."""
    every = parameters_of(function)
    taken = [p.name for p in every if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    wrong = [n for n in names if n not in taken]
    if wrong and every and not any(p.kind is p.VAR_KEYWORD for p in every):
        raise ProgramError(
            f"{what} among {', '.join(taken) or 'no names'} are required, "
            f"got {wrong[0]!r}",
            location(user_source()),
        )


def tuple_of(what: str, kind: type, values: Any, of: str = "jit") -> tuple[Any, ...]:
    """One of a kind, or a sequence of them, as a tuple."""
    found = (values,) if isinstance(values, kind) else values
    fits = isinstance(found, (tuple, list, range, set, frozenset))
    if not fits or not all(isinstance(x, kind) for x in found):
        raise ProgramError(
            f"{of}: {what} of type {kind.__name__} are required, got {values!r:.40}",
            location(user_source()),
        )
    return tuple(found)


def argument_places(
    function: Callable[..., Any], argnums: Ints, of: str = "jit"
) -> tuple[int, ...]:
    """Places of arguments, from 0; a negative one counts from the last parameter."""
    numbers = tuple_of("argument places", int, argnums, of)
    every, count = parameters_of(function), len(positional(function))
    most = count if every and not any(p.kind is p.VAR_POSITIONAL for p in every) else math.inf
    if wrong := [n for n in numbers if not -count <= n < most]:
        raise ProgramError(
            f"{of}: the place of one of {count} parameters is required, got {wrong[0]}",
            location(user_source()),
        )
    return tuple(dict.fromkeys(n % count if n < 0 else n for n in numbers))


def places_and_names(
    function: Callable[..., Any],
    argnums: Ints,
    named: Strings,
    what: str = "static_argnames",
    of: str = "jit",
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The arguments that are meant, by place and by name where a parameter has both."""
    numbers = argument_places(function, argnums, of)
    names = tuple_of(what, str, named, of)
    known_names(function, names, f"{of}: {what}")
    parameters = positional(function) if numbers or names else []
    place = {p.name: k for k, p in enumerate(parameters)}
    name = {k: p.name for k, p in enumerate(parameters) if p.kind is p.POSITIONAL_OR_KEYWORD}
    return (
        tuple(dict.fromkeys((*numbers, *(place[n] for n in names if n in place)))),
        tuple(dict.fromkeys((*names, *(name[k] for k in numbers if k in name)))),
    )
