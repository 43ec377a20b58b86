"""What decides a program, and why a compiled function is traced again, in words.

The key of a program is its static values, the structure of the other arguments, the kind of each of
their leaves, and the settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from ..ir.types import Type, dtype_name
from ..settings import Settings
from ..trace import tree
from ..trace.arguments import Static, positional
from ..trace.tree import Structure


class Key(NamedTuple):
    """What decides the program: equal keys run the same one."""

    static: tuple[Static, ...]
    structure: Structure  # of (positional arguments, named ones)
    kinds: tuple[tuple[Any, tuple[int, ...]], ...]  # dtype, or type of a Python scalar; shape
    settings: Settings


def reason(function: Callable[..., Any], key: Key, known: Iterable[Key]) -> str:
    """What `key` has that the nearest of the known keys has not."""
    found = [list(key_differences(function, old, key)) for old in known]
    return "; ".join(min(found, key=len, default=[])) or "it is new"


def key_differences(function: Callable[..., Any], old: Key, new: Key) -> Iterator[str]:
    names = [p.name for p in positional(function)]
    before = {s.where: s.value for s in old.static}
    for s in new.static:
        if s not in old.static:
            text = f"static argument {parameter_name(names, s.where)} is {s.value!r:.60}"
            yield f"{text}, before {before[s.where]!r:.60}" if s.where in before else text
    if old.structure != new.structure:
        yield structural(names, tree.difference(new.structure, old.structure))
    elif old.kinds != new.kinds:
        paths = tree.paths(new.structure)
        for path, a, b in zip(paths, old.kinds, new.kinds, strict=True):
            if a != b:
                yield f"argument {leaf_name(names, path)} is {aval_text(b)}, before {aval_text(a)}"
    for field in fields(Settings):
        was, now = (getattr(s, field.name) for s in (old.settings, new.settings))
        if was != now:
            yield f"setting {field.name} is {now!r}, before {was!r}"


def structural(names: list[str], difference: str) -> str:
    """The words of `tree.difference` of a new and an old structure, with the argument's name."""
    found = re.fullmatch(r"(.*?) is (.*) in one and (.*) in the other", difference)
    assert found, difference
    path, new, old = found.groups()
    nested = path.count("[") > 1 or path.startswith("[1][")
    what = f"argument {leaf_name(names, path)}" if nested else "the list of arguments"
    return f"structure: {what} is {new}, before {old}"


def parameter_name(names: list[str], where: int | str) -> str:
    if isinstance(where, str):
        return where
    return names[where] if 0 <= where < len(names) else str(where)


def leaf_name(names: list[str], path: str) -> str:
    """`x['w']` for the path `[0][1]['w']` in (positional, named) arguments."""
    place, rest = path[4:].split("]", 1)
    return parameter_name(names, int(place) if path.startswith("[0]") else place.strip("'")) + rest


def aval_text(kind: tuple[Any, tuple[int, ...]]) -> str:
    of, shape = kind
    if isinstance(of, type) and not issubclass(of, np.generic):
        return f"a Python {of.__name__}"
    try:
        return str(Type(dtype_name(of), shape))
    except TypeError:
        return f"{of}{list(shape)}"
