"""What the parameters of an op may be, by the annotations of its fields."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

import numpy as np


@functools.cache
def annotations_of(cls: type) -> Mapping[str, Any]:
    """The annotations of the fields of a class, inherited ones too; what cannot be found is Any."""
    found: dict[str, Any] = {}
    for part in reversed(cls.__mro__):
        names = vars(sys.modules[part.__module__])
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


def spelled(kind: Any) -> str:
    """An annotation, for messages: `tuple[int, ...]`."""
    return kind.__name__ if type(kind) is type else str(kind).rsplit("compiler.", 1)[-1]
