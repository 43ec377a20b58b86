"""Pytrees: arrays in nested containers, as a flat list of leaves and a structure that compares and
hashes.

Containers are dict (read in sorted key order), list, tuple, namedtuple, dataclass and None (which
has no leaves); anything else is a leaf. A container's exact type is part of the structure. A
dataclass field made with `field(metadata={"static": True})` is part of the structure too.
`unflatten(flatten(tree))` gives the tree back; dataclasses are rebuilt without calling `__init__`,
so leaves may be anything.

Example:
>>> leaves, structure = flatten({"w": [1, 2], "b": 3})
>>> leaves, paths(structure)
([3, 1, 2], ["['b']", "['w'][0]", "['w'][1]"])
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..ir.errors import ProgramError
from ..ir.explain import explained
from ..ir.source import location, user_source
from ..ir.types import Type

__all__ = ["Structure", "flatten", "leaves", "map", "paths", "structure", "unflatten"]

DEEPEST = 256
"""Containers in each other, at most: Python's own stack holds a few for each."""

LEAF, NONE, DICT, LIST, TUPLE, NAMED, DATACLASS = range(7)


_kinds: dict[type, int] = {type(None): NONE, dict: DICT, list: LIST, tuple: TUPLE, Type: LEAF}
_fields: dict[
    type, tuple[tuple[str, ...], tuple[str, ...]]
] = {}  # of a dataclass: names of children, of static fields


class Structure(tuple[Any, ...]):
    """A container's (type, keys or static values, children), or (None, (), ()) for a leaf.

    A tuple, for the speed of hashing and comparing.
    """

    __slots__ = ()

    @property
    def container(self) -> type | None:
        return self[0]

    @property
    def data(self) -> tuple[Any, ...]:
        """Sorted keys of a dict, static values of a dataclass."""
        return self[1]

    @property
    def children(self) -> tuple[Structure, ...]:
        return self[2]

    @property
    def size(self) -> int:
        """The number of leaves."""
        return 1 if self[0] is None else sum(c.size for c in self[2])

    def __repr__(self) -> str:
        return f"Structure({unflatten(self, ['*'] * self.size)!r})"


_LEAF = Structure((None, (), ()))
_NONE = Structure((type(None), (), ()))


def fields_of(container: type) -> tuple[str, ...]:
    """Names of the children of a named tuple or a dataclass."""
    if _kind(container) == NAMED:
        return tuple(container._fields)  # pyright: ignore[reportAttributeAccessIssue]
    return _fields[container][0] if container in _fields else ()


def static_of(container: type) -> tuple[str, ...]:
    """Names of the static fields of a dataclass; of anything else there are none."""
    return _fields[container][1] if container in _fields else ()


def _kind(container: type) -> int:
    """How values of a type are taken apart; found out once per type."""
    kind = _kinds.get(container)
    if kind is not None:
        return kind
    kind = LEAF
    if issubclass(container, tuple) and hasattr(container, "_fields"):
        kind = NAMED
    elif dataclasses.is_dataclass(container):
        declared = dataclasses.fields(container)
        static = tuple(f.name for f in declared if f.metadata.get("static"))
        _fields[container] = tuple(f.name for f in declared if f.name not in static), static
        kind = DATACLASS
    elif issubclass(container, (dict, list, tuple)):
        raise ProgramError(
            "tree: a container is a dict, list, tuple, namedtuple, dataclass or None, "
            f"got {container.__name__}",
            repair="dict(...) or list(...) or tuple(...) of it",
        )
    _kinds[container] = kind
    return kind


@explained
def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves in order, and the structure that puts them back."""
    kind = _kind(type(tree))
    if kind == LEAF:
        return [tree], _LEAF
    leaves: list[Any] = []
    return leaves, _flatten(tree, kind, leaves)


def _flatten(tree: Any, kind: int, leaves: list[Any], depth: int = 1) -> Structure:
    """The structure of a container; its leaves are appended. Written for speed."""
    data: tuple[Any, ...] = ()
    if depth > DEEPEST + 8:  # a few are ours, as that of all arguments
        raise ProgramError(
            f"tree: at most {DEEPEST} containers in each other are required, got more",
            location(user_source()),
            "one list of all arrays, and no container that holds itself",
        )
    if kind == DICT:
        try:
            data = tuple(sorted(tree))
        except TypeError:
            raise ProgramError(f"tree: keys of a dict must be sortable, got {list(tree)}") from None
        children = [tree[key] for key in data]
    elif kind == DATACLASS:
        names, static = _fields[type(tree)]
        children = [getattr(tree, name) for name in names]
        data = tuple([getattr(tree, name) for name in static])
    elif kind == NONE:
        return _NONE
    else:
        children = tree
    found = []
    for child in children:
        inner = _kinds.get(type(child))
        if inner is None:
            inner = _kind(type(child))
        if inner:
            found.append(_flatten(child, inner, leaves, depth + 1))
        else:
            leaves.append(child)
            found.append(_LEAF)
    return Structure((type(tree), data, tuple(found)))


def reader(structure: Structure) -> Callable[[Any], tuple[Any, ...] | None]:
    """A fast function from a tree to its leaves, or to None where its containers are not those of
    `structure`.

    It does not look at the types of the leaves: what stands at the place of a leaf may be a
    container. A caller that checks the leaves anyway (a compiled function's guard) reads its
    arguments so at about 40 ns a leaf.
    """
    names: dict[str, Any] = {}
    lines: list[str] = []
    found: list[str] = []

    def name(value: Any) -> str:
        names[f"k{len(names)}"] = value
        return f"k{len(names) - 1}"

    def read(part: Structure, text: str) -> None:
        container, data, children = part
        if container is None:
            found.append(text)
            return
        variable = f"t{len(lines)}"
        kind = _kind(container)
        checks = f"type({variable}) is not {name(container)}"
        if kind in (DICT, LIST, TUPLE):
            checks += f" or len({variable}) != {len(children)}"
        if kind == DATACLASS:
            fields, static = _fields[container]
            checks += "".join(
                f" or {variable}.{f} != {name(v)}" for f, v in zip(static, data, strict=True)
            )
            places = [f".{f}" for f in fields]
        elif kind == DICT:
            places = [f"[{name(key)}]" for key in data]
        else:
            places = [f"[{i}]" for i in range(len(children))]
        lines.append(f"        {variable} = {text}\n        if {checks}: return None\n")
        for place, child in zip(places, children, strict=True):
            read(child, variable + place)

    read(structure, "tree")
    source = (
        f"def reader(tree):\n    try:\n{''.join(lines)}"
        f"        return ({''.join(f'{text}, ' for text in found)})\n"
        "    except (KeyError, AttributeError): return None\n"
    )
    exec(source, names)
    return names["reader"]


@explained
def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of this structure over `leaves`, which must be as many as it has places."""
    remaining = iter(leaves)
    try:
        tree = _unflatten(structure, remaining)
    except StopIteration:
        raise ProgramError(f"tree: {structure.size} leaves are required, got fewer") from None
    for _ in remaining:
        raise ProgramError(f"tree: {structure.size} leaves are required, got more")
    return tree


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    container, data, children = structure
    if container is None:
        return next(leaves)
    values = [next(leaves) if c[0] is None else _unflatten(c, leaves) for c in children]
    kind = _kinds[container]
    if kind == DICT:
        return dict(zip(data, values, strict=True))
    if kind == LIST:
        return values
    if kind == TUPLE:
        return tuple(values)
    if kind == NAMED:
        return container(*values)
    if kind == NONE:
        return None
    names, static = _fields[container]
    made = object.__new__(container)
    for name, value in (*zip(names, values, strict=True), *zip(static, data, strict=True)):
        object.__setattr__(made, name, value)
    return made


@explained
def leaves(tree: Any) -> list[Any]:
    """The leaves in order."""
    return flatten(tree)[0]


def composed(outer: Structure, inner: Structure) -> Structure:
    """The structure of a tree of the outer structure with trees of the inner one for leaves."""
    container, data, children = outer
    if container is None:
        return inner
    return Structure((container, data, tuple(composed(child, inner) for child in children)))


def prefix(numbers: Any, structure: Structure, path: str = "") -> Iterator[Any]:
    """The number or None of `numbers` that stands for each leaf of `structure`.

    `numbers` has the containers of `structure` down to some depth. What stands in place of a
    container stands for all its leaves.
    """
    if numbers is None or isinstance(numbers, int):
        yield from [numbers] * structure.size
        return
    keys = _keys(structure)
    kind = _kind(type(numbers))
    fits = type(numbers) is structure.container and kind not in (LEAF, NONE)
    children: list[Any] = []
    if fits and kind == DICT:
        fits = sorted(numbers) == list(structure.data)
        children = [numbers[key] for key in structure.data] if fits else []
    elif fits:
        children = [getattr(numbers, k[1:]) for k in keys] if kind == DATACLASS else list(numbers)
    if not fits or len(children) != len(structure.children):
        raise ProgramError(
            f"a number, None, or a tree of them for {_described(structure)}"
            f"{path and f' at {path}'} is required, got {numbers!r:.60}"
        )
    for part, key, child in zip(children, keys, structure.children, strict=True):
        yield from prefix(part, child, path + key)


@explained
def structure(tree: Any) -> Structure:
    """The structure, without the leaves."""
    return flatten(tree)[1]


@explained
def map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree of `function` of the leaves that stand at the same place in all trees."""
    first, structure = flatten(tree)
    others = [_matching(structure, other) for other in rest]
    return unflatten(structure, [function(*same) for same in zip(first, *others, strict=True)])


def _matching(structure: Structure, tree: Any) -> list[Any]:
    found, other = flatten(tree)
    if other != structure:
        raise ProgramError(
            f"tree: trees of one structure are required, {difference(structure, other)}"
        )
    return found


@explained
def paths(structure: Structure) -> list[str]:
    """How each leaf is reached, for messages: `['layers'][0].weight`."""
    return list(_paths(structure, ""))


def _keys(structure: Structure) -> tuple[str, ...]:
    """How each child of a container is reached from it."""
    container, data, children = structure
    if container is dict:
        return tuple(f"[{k!r}]" for k in data)
    if container in _fields:
        return tuple(f".{n}" for n in _fields[container][0])
    if container is not None and _kinds[container] == NAMED:
        return tuple(f".{n}" for n in container._fields)
    return tuple(f"[{i}]" for i in range(len(children)))


def _paths(structure: Structure, prefix: str) -> Iterator[str]:
    if structure.container is None:
        yield prefix
    for key, child in zip(_keys(structure), structure.children, strict=True):
        yield from _paths(child, prefix + key)


def difference(expected: Structure, got: Structure, path: str = "") -> str:
    """Where two structures first differ, for messages; empty where they agree."""
    if expected == got:
        return ""
    keys, others = _keys(expected), _keys(got)
    if expected[:1] == got[:1] and keys == others and expected.data == got.data:
        pairs = zip(keys, expected.children, got.children, strict=True)
        return next(found for key, a, b in pairs if (found := difference(a, b, path + key)))
    return (
        f"{path or 'the tree'} is {_described(expected)} in one and {_described(got)} in the other"
    )


def _described(structure: Structure) -> str:
    if structure.container is None:
        return "a leaf"
    if structure.container is type(None):
        return "None"
    inside = ", ".join(key.strip("[].") for key in _keys(structure)) or "nothing"
    return f"a {structure.container.__name__} of {inside}"
