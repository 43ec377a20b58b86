"""The parameters of ops: what they may be, when two are the same, how they are spelled."""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import math
import re
import struct
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union, get_args, get_origin

import numpy as np

from .errors import CompilerError
from .sizes import Size
from .types import Type, type_of


class Parameter:
    """What an op holds beside numbers, strings, types and tuples: immutable, known by content."""

    __slots__ = ()

    @property
    def bits(self) -> tuple[Any, ...]:
        """A key that only what is the same has."""
        raise NotImplementedError

    def spelled(self, functions: Mapping[int, str]) -> str:
        """Its text in that of a graph; `functions` names the graphs inside, by id."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Array(Parameter):
    """An array as a parameter: immutable, compared by content, printed as type and hash."""

    data: np.ndarray
    digest: str = field(init=False)
    whole_digest: str = field(init=False)  # that nobody can give another array the same of

    def __post_init__(self) -> None:
        copy = np.array(self.data, order="C", copy=True)
        copy.flags.writeable = False
        object.__setattr__(self, "data", copy)
        text = str(type_of(copy)).encode() + copy.tobytes()
        object.__setattr__(self, "whole_digest", hashlib.sha256(text).hexdigest())
        object.__setattr__(self, "digest", self.whole_digest[:16])

    @property
    def bits(self) -> tuple[Any, ...]:
        return "array", self.digest

    def spelled(self, functions: Mapping[int, str]) -> str:
        return f'{type_of(self.data)}("{self.digest}")'

    def __str__(self) -> str:
        return f"{self.digest}"


_foreign = itertools.count()


class Foreign(Parameter):
    """A Python function as a parameter: known by the number it got when it was made."""

    __slots__ = ("call", "name", "number")

    def __init__(self, call: Callable[..., Any], name: str) -> None:
        self.call, self.name, self.number = call, name, next(_foreign)

    @property
    def key(self) -> str:
        return f"{self.name}_{self.number}"

    @property
    def bits(self) -> tuple[Any, ...]:
        return "foreign", self.number

    def spelled(self, functions: Mapping[int, str]) -> str:
        return f'foreign("{self.key}")'

    def __repr__(self) -> str:
        return self.key


def bit_key(x: Any) -> Any:
    """A key that only equal bits have: 0.0 is not -0.0, nan is nan, 1 is not 1.0 is not True."""
    if type(x) is Size:
        return x.__class__.__name__, x
    match x:
        case bool() | int() | str() | None | Type():
            return type(x).__name__, x
        case float():
            return "float", struct.pack("<d", x)
        case complex():
            return "complex", struct.pack("<dd", x.real, x.imag)
        case tuple():
            return tuple(bit_key(v) for v in x)
        case Parameter():
            return x.bits
        case np.generic():
            return type(x).__name__, x.tobytes()
    raise CompilerError(
        f"a parameter of an op is a number, string, type, array or graph, got {x!r}"
    )


def spell(x: Any, functions: Mapping[int, str]) -> str:
    """A parameter as text that reads back with the same bits."""
    match x:
        case bool() | int() | str() | None:
            return repr(x)
        case float():
            return (
                f"{'-' if math.copysign(1, x) < 0 else ''}nan" if math.isnan(x) else repr(float(x))
            )
        case complex():
            return f"complex({spell(x.real, functions)}, {spell(x.imag, functions)})"
        case tuple():
            return tuple_text(spell(v, functions) for v in x)
        case Type():
            return str(x)
        case Parameter():
            return x.spelled(functions)
        case np.generic():
            return f"{type_of(x)}({spell(x.item(), functions)})"
    raise CompilerError(
        f"text: a parameter of an op is a number, string, type, array or graph, got {x!r}"
    )


def tuple_text(parts: Iterable[str]) -> str:
    found = list(parts)
    return f"({found[0]},)" if len(found) == 1 else f"({', '.join(found)})"


# ---------------------------------------------------------------- annotations


@functools.cache
def annotations_of(cls: type) -> Mapping[str, Any]:
    """The annotations of the fields of a class, inherited ones too; what cannot be found is Any."""
    found: dict[str, Any] = {}
    for part in reversed(cls.__mro__):
        names = getattr(sys.modules.get(part.__module__), "__dict__", {})
        for name, text in inspect.get_annotations(part).items():
            try:  # by the names of the module: those of the class are its methods
                found[name] = eval(text, dict(names), {}) if isinstance(text, str) else text
            except (NameError, TypeError):
                found[name] = Any
    return found


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotation: a class, a union, a tuple of them. A bool is no int."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is tuple:
        if type(value) is not tuple:
            return False
        if len(parts) == 2 and parts[1] is ...:
            return all(fits(v, parts[0]) for v in value)
        return len(value) == len(parts) and all(map(fits, value, parts))
    if kind is int:
        return isinstance(value, int | np.integer) and type(value) is not bool
    if kind is float:
        return isinstance(value, float | np.floating)
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


def kind_text(kind: Any) -> str:
    """An annotation, for messages: `tuple[int, ...]`."""
    return kind.__name__ if type(kind) is type else re.sub(r"[\w.]+\.(?=\w)", "", str(kind))
