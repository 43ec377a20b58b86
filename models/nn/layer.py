"""What a layer is: a frozen dataclass whose arrays are leaves of a tree, whose sizes are not."""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import enum
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, dataclass_transform

import numpy as np

from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.ir.types import Type, dtype_name
from ...compiler.trace.containers import static

__all__ = ["layer"]

T = TypeVar("T")
PLAIN = {
    "int", "float", "complex", "bool", "str", "bytes", "type", "dtype", "None", "NoneType",
    "tuple", "Union", "Optional", "Final", "Annotated",
}  # fmt: skip
"""Classes whose values are no arrays, and what such annotations are put together with."""
WHOLE = {"Callable", "Literal", "type", "dtype", "Type"}
"""What is no array, whatever stands in its brackets."""
WIDTH = 88  # of a line of a layer's text


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(static,))
def layer(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass that is a tree: of its fields, those that are no numbers.

    Fields annotated int, float, complex, bool, str, bytes, an Enum, a dtype, a type, a Callable, a
    Literal, or tuples and unions of these are static: a program is made for each of their values.
    Everything else, arrays, layers, tuples and dicts of them, is part of the tree: `wl.grad`
    differentiates in its floats, `wl.tree.save` writes it by name. A learned number is annotated as
    an array.
    Example:
    >>> @layer
    ... class Scaled:
    ...     weight: Any
    ...     power: int = 2
    ...
    ...     def __call__(self, x):
    ...         return self.weight * x**self.power
    >>> import wonderland as wl
    >>> wl.grad(lambda f: f(3.0))(Scaled(2.0))
    Scaled(weight=9.0, power=2)
    """
    return _made(cls, sys._getframe(2).f_locals)  # of who calls, past the border of errors


if not TYPE_CHECKING:  # checkers see no class maker behind a function that another wraps
    layer = explained(layer)


def _dataclass(cls: type[T], beside: Mapping[str, Any]) -> type[T]:
    if not isinstance(cls, type):
        raise ProgramError(f"layer: a class is required, got {cls!r:.60}")
    if "__dataclass_fields__" in cls.__dict__:
        got = f"{cls.__name__} that is one"
        raise ProgramError(
            f"layer: a class that is no dataclass yet is required, got {got}",
            repair="@nn.layer alone, which makes it one",
        )
    module = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    names = {**module, **beside}
    for name, kind in inspect.get_annotations(cls).items():
        if _is_plain(kind, names):
            given = cls.__dict__.get(name, dataclasses.MISSING)
            if not isinstance(given, dataclasses.Field):
                setattr(cls, name, static(default=given))
            elif not given.metadata:
                given.metadata = types.MappingProxyType(dict(static().metadata))
    if "__repr__" not in cls.__dict__:
        cls.__repr__ = _text  # type: ignore[assignment]
    try:
        made = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
    except (TypeError, ValueError) as error:  # a default that is an array, fields without after it
        raise ProgramError(f"layer: {cls.__name__}: {error}") from None
    frozen = made.__setattr__

    def refuse(self: Any, name: str, value: Any) -> None:
        try:
            frozen(self, name, value)
        except dataclasses.FrozenInstanceError:
            raise _refused(self, name) from None

    made.__setattr__ = refuse  # type: ignore[method-assign]
    return made


class FrozenLayer(ProgramError, dataclasses.FrozenInstanceError):
    """A field of a layer is set, which is made once."""


def _refused(self: Any, name: str) -> FrozenLayer:
    known = name in {f.name for f in dataclasses.fields(self)}
    if known and name in vars(self):
        repair = f"dataclasses.replace(layer, {name}=...), which is another"
    elif known:
        repair = f"a classmethod init that returns cls({name}=...), in place of __init__"
    else:
        repair = f"{name}: Any among the fields of {type(self).__name__}"
    what = f"layer: fields that are given when it is made are required, got an assignment of {name}"
    return FrozenLayer(what, location(user_source()), repair)


_made = explained(_dataclass, "layer")


def _is_plain(kind: Any, names: Mapping[str, Any]) -> bool:
    """Whether an annotation, or the text of one, is of values that are no arrays."""
    if isinstance(kind, str):
        try:
            return _is_plain_text(ast.parse(kind.strip(), mode="eval").body, names)
        except SyntaxError:
            return False
    if kind is None or (isinstance(kind, type) and not typing.get_args(kind)):
        named = getattr(kind, "__name__", "None")
        return kind is collections.abc.Callable or named in PLAIN or _is_enum(kind)
    origin = typing.get_origin(kind)
    if kind is typing.Callable or origin in (collections.abc.Callable, Literal, type, np.dtype):
        return True
    if origin in (typing.Final, typing.Annotated):
        return _is_plain(typing.get_args(kind)[0], names)
    combined = origin in (tuple, typing.Union, types.UnionType)
    return combined and all(a is ... or _is_plain(a, names) for a in typing.get_args(kind))


def _is_plain_text(node: ast.expr, names: Mapping[str, Any]) -> bool:
    match node:
        case ast.Constant(value=str() as text):
            return _is_plain(text, names)
        case ast.Constant(value=value):
            return value is None or value is ...
        case ast.BinOp(left=left, right=right):
            return _is_plain_text(left, names) and _is_plain_text(right, names)
        case ast.Tuple(elts=elements):
            return all(_is_plain_text(e, names) for e in elements)
        case ast.Subscript(value=of, slice=inside):
            named = _last(of)
            if named in WHOLE:
                return True
            if named == "Annotated" and isinstance(inside, ast.Tuple):
                inside = inside.elts[0]
            return named in PLAIN and _is_plain_text(inside, names)
        case ast.Name(id=name) if name not in PLAIN and name != "Callable":
            alias = names.get(name)  # what an annotation is short for
            if isinstance(alias, type) and not typing.get_args(alias):
                return _is_enum(alias)
            return alias is not None and _is_plain(alias, names)
        case ast.Name() | ast.Attribute():
            return _last(node) in {*PLAIN, "Callable"}
    return False


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


# ---------------------------------------------------------------- texts


def _text(self: Any) -> str:
    """The layer with its arrays as types; what is long has a line for each field."""
    parts = [
        f"{f.name}={_told(getattr(self, f.name))}" for f in dataclasses.fields(self) if f.repr
    ]
    return _together(f"{type(self).__name__}(", parts, ")")


def _told(x: Any) -> str:
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return str(Type(dtype_name(x.dtype), tuple(x.shape))) if x.shape else str(x)
    if isinstance(x, tuple | list) and type(x) in (tuple, list):
        if isinstance(x, list):
            return _together("[", [_told(e) for e in x], "]")
        return _together("(", [_told(e) for e in x], ",)" if len(x) == 1 else ")")
    if isinstance(x, dict):
        return _together("{", [f"{k!r}: {_told(v)}" for k, v in x.items()], "}")
    return getattr(x, "__name__", None) or repr(x)


def _together(opening: str, parts: list[str], closing: str) -> str:
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    inside = "".join(f"    {part},\n".replace("\n", "\n    ")[:-4] for part in parts)
    return f"{opening}\n{inside}{closing}"
