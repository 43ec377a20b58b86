"""Copies of objects for a trace, with other arrays in them, and the places of their arrays.

What foreign code writes to its object while it is traced are traced values. It is given a copy, so
that no object and no other thread ever sees one. Copied are instances of classes outside of the
standard library, containers, functions with what they close over, and what these hold; all else is
shared. What was one object is one in the copy.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import io
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.source import location, user_source
from ...trace.tracer import Tracer
from .doors import NEVER, RANDOM, RandomStandIn
from .draft import Draft

LARGE = 1024
"""Entries of a container which is looked through once, and shared if there is no array in it."""
HEAP = 1 << 9  # of __flags__: the class was made while the program ran
PLAIN = object, dict, list, tuple
SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)

Children = list[tuple[str, Any]]


def is_array(x: Any) -> bool:
    return type(x) is np.ndarray or isinstance(x, (Tracer, Draft))


def is_foreign(name: str | None) -> bool:
    """Whether a module, of a function or class in Python, is none of Python's, NumPy's, or ours.

    One of no file is called "builtins" if it is called nothing."""
    return name in (None, "builtins") or name.split(".")[0] not in NEVER


def is_object(x: Any) -> bool:
    """Whether it is an instance of a class of the foreign code's."""
    return not isinstance(x, (type, types.ModuleType)) and is_object_type(type(x))


@functools.cache
def is_object_type(kind: type) -> bool:
    if issubclass(kind, enum.Enum) or not kind.__flags__ & HEAP:
        return kind is types.SimpleNamespace
    base = next(b for b in kind.__mro__ if not b.__flags__ & HEAP)
    if base not in PLAIN or not is_foreign(kind.__module__):
        return False
    return not any(k.__flags__ & HEAP and is_compiled(k) for k in kind.__mro__)


def is_compiled(kind: type) -> bool:
    """Whether C or Cython made a class: by methods or attributes that no Python code makes."""
    own = {n: v for n, v in vars(kind).items() if n not in ("__dict__", "__weakref__")}
    made = [v for v in own.values() if getattr(v, "__objclass__", None) is kind]
    return not all(isinstance(v, types.MemberDescriptorType) for v in made)


def is_container(x: Any) -> bool:
    return type(x) in (list, dict, tuple, OrderedDict, defaultdict, deque)


def attributes(x: Any) -> dict[str, Any]:
    """The attributes of an instance, those in slots too."""
    found = dict(getattr(x, "__dict__", {}))
    for name, slot in slots_of(type(x)):
        with contextlib.suppress(AttributeError):  # not set
            found[name] = slot.__get__(x)
    return found


@functools.cache
def slots_of(kind: type) -> tuple[tuple[str, Any], ...]:
    of = [k for k in kind.__mro__ if k.__flags__ & HEAP]
    members = [(n, s) for k in of for n, s in vars(k).items()]
    return tuple((n, s) for n, s in members if isinstance(s, types.MemberDescriptorType))


def named_in(code: types.CodeType) -> Iterator[str]:
    """The names that a code reads, and functions in it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from named_in(part)


class Contents:
    """What a function holds: the attributes of its object, else what it closes over or names among
    the globals of its module."""

    def __init__(self, function: Any) -> None:
        self.function = function
        inner = function
        while isinstance(inner, functools.partial):
            inner = inner.func
        self.spaces: dict[str, Any] | None = None
        if isinstance(inner, types.FunctionType) and is_foreign(inner.__module__):
            self.spaces = inner.__globals__
        self.harmless: dict[int, tuple[Any, int]] = {}

    def large(self, x: Any) -> bool:
        """Whether it is a large container without arrays."""
        if len(x) <= LARGE:
            return False
        found = self.harmless.get(id(x))
        if found is None or found[1] != len(x):
            children = x.values() if isinstance(x, dict) else x
            if not all(map(_harmless, children)):
                return False
            self.harmless[id(x)] = x, len(x)
        return True

    def children(self, x: Any) -> Children | None:
        """What is within; None of what is shared."""
        if isinstance(x, SCALARS) or is_array(x):
            return None
        if is_container(x):
            if self.large(x):
                return None
            items = x.items() if isinstance(x, dict) else enumerate(x)
            return [(f"[{k!r}]", v) for k, v in items]
        if isinstance(x, types.MethodType):
            return [("", x.__self__), ("", x.__func__)]
        if isinstance(x, functools.partial):
            return [("", x.func), (".args", x.args), (".keywords", x.keywords)]
        if isinstance(x, types.FunctionType):
            return self.held(x) if is_foreign(x.__module__) else None
        if is_object(x):
            inside = [(f".{n}", v) for n, v in attributes(x).items()]
            if isinstance(x, (dict, list, tuple)):
                items = x.items() if isinstance(x, dict) else enumerate(x)
                inside += [(f"[{k!r}]", v) for k, v in items]
            return inside
        return None

    def held(self, x: types.FunctionType) -> Children:
        """What a function closes over, its defaults and attributes, and globals of the module that
        is copied."""
        found: Children = []
        for name, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # nothing is there yet
                found.append((f".{name}", cell.cell_contents))
        found += [(".defaults", x.__defaults__)] if x.__defaults__ else []
        found += [(".keywords", x.__kwdefaults__)] if x.__kwdefaults__ else []
        found += [(f".{n}", v) for n, v in vars(x).items() if n != "__wrapped__"]
        if self.spaces is not None and x.__globals__ is self.spaces:
            found += [(f".{n}", self.spaces[n]) for n in self.globals_of(x)]
        return found

    def globals_of(self, x: types.FunctionType) -> list[str]:
        """Globals that a function names and that hold something."""
        spaces = self.spaces or {}
        return [
            n for n in dict.fromkeys(named_in(x.__code__))
            if n in spaces and not isinstance(spaces[n], (types.ModuleType, type))
        ]  # fmt: skip

    def leaves(self, root: Any = None) -> Iterator[tuple[str, Any]]:
        """All that has nothing within, with its place: an array once."""
        seen: dict[int, Any] = {}
        pending: Children = [("", self.function if root is None else root)]
        while pending:
            path, x = pending.pop()
            if isinstance(x, SCALARS):
                yield path.lstrip("."), x
                continue
            if id(x) in seen:
                continue
            seen[id(x)] = x
            inside = self.children(x)
            if inside is None:
                yield path.lstrip("."), x
                continue
            if isinstance(x, types.FunctionType):
                yield path, x.__code__
            elif not is_container(x):
                yield path, type(x)
            pending += [(path + name, child) for name, child in reversed(inside)]


def _harmless(x: Any) -> bool:
    if isinstance(x, (list, tuple, set)):
        return all(map(_harmless, x))
    return isinstance(x, SCALARS)


class Going:
    """An iterator that is held from call to call, which no trace of one call can move."""

    def __init__(self, iterator: Any, place: str) -> None:
        self.iterator, self.place = iterator, place

    def __iter__(self) -> Going:
        return self

    def __next__(self) -> Any:
        raise ProgramError(
            f"port: a function that takes what goes on from call to call as an argument is "
            f"required, got one that calls next of {self.place}",
            location(user_source()),
            "the next value as an argument, or a list",
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.iterator, name)


def is_going(x: Any) -> bool:
    """Whether it is an iterator, of no file."""
    return isinstance(x, Iterator) and not isinstance(x, (io.IOBase, Going))


class Copier:
    """Copies with `lifted` arrays: of a place and the array there."""

    def __init__(
        self, contents: Contents, lifted: Callable[[str, Any], Any], spaces: dict[str, Any] | None
    ) -> None:
        self.contents, self.lifted, self.spaces = contents, lifted, spaces
        self.memo: dict[int, tuple[Any, Any]] = {}
        self.written: set[str] = set()

    def root(self) -> Any:
        """A copy of the function."""
        try:
            return self.copied("", self.contents.function)
        except RecursionError:
            raise ProgramError(
                "port: an object of some hundred objects within each other at most is required, "
                "got more",
                repair="an object that does not hold the history of its values",
            ) from None

    def kept(self, x: Any, new: Any) -> Any:
        self.memo[id(x)] = x, new
        return new

    def copied(self, path: str, x: Any) -> Any:
        if isinstance(x, SCALARS):
            return self.lifted(path.lstrip("."), x)
        if id(x) in self.memo:
            return self.memo[id(x)][1]
        if is_array(x):
            return self.kept(x, self.lifted(path.lstrip("."), x))
        if self.contents.children(x) is None:
            if isinstance(x, RANDOM):
                return self.kept(x, RandomStandIn(x, path.lstrip(".")))
            return self.kept(x, Going(x, path.lstrip("."))) if is_going(x) else x
        if isinstance(x, types.MethodType):
            of = self.copied(path, x.__self__)
            return self.kept(x, types.MethodType(self.copied(path, x.__func__), of))
        if isinstance(x, types.FunctionType):
            return self.function(path, x)
        if isinstance(x, functools.partial):
            function = self.copied(path, x.func)
            args = self.copied(f"{path}.args", x.args)
            named = self.copied(f"{path}.keywords", x.keywords)
            return self.kept(x, functools.partial(function, *args, **named))
        return self.container(path, x) if is_container(x) else self.object(path, x)

    def container(self, path: str, x: Any) -> Any:
        if isinstance(x, tuple):
            return self.kept(x, tuple(self.copied(f"{path}[{i}]", v) for i, v in enumerate(x)))
        if isinstance(x, dict):
            new = self.kept(x, defaultdict(x.default_factory) if isinstance(x, defaultdict)
                            else type(x)())  # fmt: skip
            for k, v in x.items():
                new[k] = self.copied(f"{path}[{k!r}]", v)
            return new
        new = self.kept(x, type(x)())
        new.extend(self.copied(f"{path}[{i}]", v) for i, v in enumerate(x))
        return new

    def object(self, path: str, x: Any) -> Any:
        if isinstance(x, tuple):
            items = [self.copied(f"{path}[{i}]", v) for i, v in enumerate(x)]
            new = self.kept(x, tuple.__new__(type(x), items))
        else:
            made: Any = next(k for k in (dict, list, object) if isinstance(x, k))
            new = self.kept(x, made.__new__(type(x)))
        if isinstance(x, dict):
            for k, v in x.items():
                dict.__setitem__(new, k, self.copied(f"{path}[{k!r}]", v))
        elif isinstance(x, list):
            list.extend(new, (self.copied(f"{path}[{i}]", v) for i, v in enumerate(x)))
        inside = getattr(new, "__dict__", None)
        for name, value in attributes(x).items():
            found = self.copied(f"{path}.{name}", value)
            if inside is not None and name in x.__dict__:
                inside[name] = found
            else:
                dict(slots_of(type(x)))[name].__set__(new, found)
        return new

    def function(self, path: str, x: types.FunctionType) -> Any:
        """The code of a function over copies of what it closes over."""
        spaces = x.__globals__
        if self.spaces is not None and spaces is self.contents.spaces:
            spaces = self.spaces
        cells = tuple(types.CellType() for _ in x.__closure__ or ())
        new = self.kept(x, types.FunctionType(x.__code__, spaces, x.__name__, None, cells or None))
        functools.update_wrapper(new, x, updated=())
        vars(new).pop("__wrapped__", None)
        vars(new).update((n, self.copied(f"{path}.{n}", v)) for n, v in vars(x).items())
        for name, cell, own in zip(x.__code__.co_freevars, x.__closure__ or (), cells, strict=True):
            with contextlib.suppress(ValueError):
                own.cell_contents = self.copied(f"{path}.{name}", cell.cell_contents)
        new.__defaults__ = self.copied(f"{path}.defaults", x.__defaults__)
        new.__kwdefaults__ = self.copied(f"{path}.keywords", x.__kwdefaults__)
        if self.spaces is not None and spaces is self.spaces:
            for name in self.contents.globals_of(x):
                original = (self.contents.spaces or {})[name]
                made = self.copied(f"{path}.{name}", original)
                if made is not original:
                    self.spaces[name] = made
                    self.written.add(name)
        return new
