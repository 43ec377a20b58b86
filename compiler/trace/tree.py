"""Pytrees: arrays in nested containers, as a flat list of leaves and a structure that compares and
hashes.

Containers are dict (read in sorted key order), OrderedDict, defaultdict, list, tuple, namedtuple,
dataclass, None (which has no leaves) and what is registered; anything else is a leaf. A container's
exact type is part of the structure, and so are static fields of a dataclass (see containers.py).
`unflatten(flatten(tree))` gives the tree back; dataclasses are rebuilt without calling `__init__`,
so leaves may be anything. `is_leaf` stops at containers that it says are leaves.

Example:
>>> leaves, structure = flatten({"w": [1, 2], "b": 3})
>>> leaves, paths(structure)
([3, 1, 2], ["['b']", "['w'][0]", "['w'][1]"])
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

from ..ir.errors import ProgramError
from ..ir.explain import explained
from ..ir.source import location, user_source
from .arguments import exact
from .containers import (
    CLASSES,
    DATACLASS,
    DICT,
    FIELDS,
    KINDS,
    LEAF,
    LIST,
    NAMED,
    NONE,
    REGISTERED,
    TUPLE,
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyPath,
    SequenceKey,
    container_kind,
    fields_of,
    static_of,
    unsortable,
)

T = TypeVar("T")

__all__ = ["Structure", "flatten", "leaves", "map", "paths", "structure", "unflatten"]

DEEPEST = 256
"""Containers in each other, at most: Python's own stack holds a few for each."""
MANY = 8
"""Children of one structure, from which on a reader takes them together."""


class Structure(tuple[Any, ...]):
    """A container's (type, data, children), or (None, (), ()) for a leaf.

    A tuple, for the speed of hashing and comparing.
    """

    __slots__ = ()

    @property
    def container(self) -> type | None:
        return self[0]

    @property
    def data(self) -> tuple[Any, ...]:
        """Sorted keys of a dict; static values of a dataclass, or data and keys of a registered
        class, and then what tells these apart to the bit."""
        return self[1]

    @property
    def children(self) -> tuple[Structure, ...]:
        return self[2]

    @property
    def size(self) -> int:
        """The number of leaves."""
        return 1 if self[0] is None else sum(c.size for c in self[2])

    @property
    def num_leaves(self) -> int:
        """As jax calls `size`."""
        return self.size

    def __repr__(self) -> str:
        return f"Structure({unflatten(self, ['*'] * self.size)!r})"


_LEAF = Structure((None, (), ()))
_NONE = Structure((type(None), (), ()))


@explained
def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Structure]:
    """The leaves in order, and the structure that puts them back."""
    leaves: list[Any] = []
    if is_leaf is not None:
        return leaves, _flatten_until(tree, is_leaf, leaves)
    kind = container_kind(type(tree))
    if kind == LEAF:
        return [tree], _LEAF
    return leaves, _flatten(tree, kind, leaves)


def _flatten(tree: Any, kind: int, leaves: list[Any], depth: int = 1) -> Structure:
    """The structure of a container; its leaves are appended. Written for speed."""
    if depth > DEEPEST + 8:  # a few are ours, as that of all arguments
        _too_deep()
    if kind == NONE:
        return _NONE
    children, data = (tree, ()) if LIST <= kind <= TUPLE else _apart(tree, kind)
    found = []
    for child in children:
        inner = KINDS.get(type(child))
        if inner is None:
            inner = container_kind(type(child))
        if inner:
            found.append(_flatten(child, inner, leaves, depth + 1))
        else:
            leaves.append(child)
            found.append(_LEAF)
    return Structure((type(tree), data, tuple(found)))


def _flatten_until(
    tree: Any, is_leaf: Callable[[Any], bool], leaves: list[Any], depth: int = 1
) -> Structure:
    """As `_flatten`, down to what is a leaf."""
    if depth > DEEPEST + 8:
        _too_deep()
    kind = LEAF if is_leaf(tree) else container_kind(type(tree))
    if kind == LEAF:
        leaves.append(tree)
        return _LEAF
    children, data = _apart(tree, kind)
    inside = tuple([_flatten_until(child, is_leaf, leaves, depth + 1) for child in children])
    return Structure((type(tree), data, inside))


def _too_deep() -> NoReturn:
    raise ProgramError(
        f"tree: at most {DEEPEST} containers in each other are required, got more",
        location(user_source()),
        "one list of all arrays, and no container that holds itself",
    )


def _apart(tree: Any, kind: int) -> tuple[Sequence[Any], tuple[Any, ...]]:
    """The children of a container of a kind, and the data of its structure."""
    if kind == DICT:
        try:
            keys = tuple(sorted(tree))
        except TypeError:
            raise unsortable(tree) from None
        return [tree[key] for key in keys], keys
    if kind == DATACLASS:
        names, static = FIELDS[type(tree)]
        children = [getattr(tree, name) for name in names]
        if not static:
            return children, ()
        values = [getattr(tree, name) for name in static]
        return children, (*values, *[exact(x) for x in values])
    if kind == REGISTERED:
        children, own, keys = CLASSES[type(tree)].apart(tree)
        return children, (own, keys, exact(own))
    return () if kind == NONE else tree, ()


def reader(structure: Structure) -> Callable[[Any], tuple[Any, ...] | None]:
    """A fast function from a tree to its leaves, or to None where its containers are not those of
    `structure`.

    It does not look at the types of the leaves: what stands at the place of a leaf may be a
    container. A caller that checks the leaves anyway (a compiled function's guard) reads its
    arguments so at about 40 ns a leaf. Many leaves of a container are read at once, and many
    containers of one structure in turns, so that the function is no longer for more of them.
    """
    names: dict[str, Any] = {"exact": exact, "chain": itertools.chain.from_iterable}
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
        variable = f"t{len(names)}"
        kind = container_kind(container)
        checks = f"type({variable}) is not {name(container)}"
        if kind in (DICT, LIST, TUPLE):
            checks += f" or len({variable}) != {len(children)}"
        if kind == DATACLASS:
            fields, static = FIELDS[container]
            checks += "".join(
                f" or {variable}.{f} is not {name(v)} and exact({variable}.{f}) != {name(k)}"
                for f, v, k in zip(static, data, data[len(static) :], strict=False)
            )
            places = [f".{f}" for f in fields]
        elif kind == REGISTERED:
            _, keys, bits = data
            checks = f"{variable}.keys != {name(keys)} or exact({variable}.data) != {name(bits)}"
            checks += f" or len({variable}.children) != {len(children)}"
            lines.append(f"        if type({text}) is not {name(container)}: return None\n")
            text = f"{name(CLASSES[container].apart)}({text})"
            places = [f".children[{i}]" for i in range(len(children))]
        elif kind == DICT:
            places = [f"[{name(key)}]" for key in data]
        else:
            places = [f"[{i}]" for i in range(len(children))]
        lines.append(f"        {variable} = {text}\n        if {checks}: return None\n")
        if len(children) >= MANY and children.count(children[0]) == len(children):
            every = f"{name(_getter(kind, container, data))}({variable})"
            if children[0].container is None:
                found.append(f"*{every}")
                return
            each = name(reader(children[0]))
            lines.append(
                f"        {variable} = [{each}(part) for part in {every}]\n"
                f"        if None in {variable}: return None\n"
            )
            found.append(f"*chain({variable})")
            return
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


def _getter(kind: int, container: type, data: tuple[Any, ...]) -> Callable[[Any], Iterable[Any]]:
    """A function from a container to its children."""
    if kind == DICT:
        return operator.itemgetter(*data)
    if kind == DATACLASS:
        return operator.attrgetter(*FIELDS[container][0])
    return operator.attrgetter("children") if kind == REGISTERED else tuple


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
    kind = KINDS[container]
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
    if kind == REGISTERED:
        return CLASSES[container].together(data[0], tuple(values))
    names, static = FIELDS[container]
    made = object.__new__(container)
    for name, value in (*zip(names, values, strict=True), *zip(static, data, strict=False)):
        object.__setattr__(made, name, value)
    return made


@explained
def leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves in order."""
    return flatten(tree, is_leaf)[0]


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
    kind = container_kind(type(numbers))
    fits = type(numbers) is structure.container and kind not in (LEAF, NONE)
    children, data = _apart(numbers, kind) if fits else ((), ())
    if kind == DICT:
        fits = data == structure.data
    if not fits or len(children) != len(structure.children):
        raise ProgramError(
            f"a number, None, or a tree of them for {_described(structure)}"
            f"{path and f' at {path}'} is required, got {numbers!r:.60}"
        )
    for part, key, child in zip(children, keys, structure.children, strict=True):
        yield from prefix(part, child, path + key)


@explained
def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Structure:
    """The structure, without the leaves."""
    return flatten(tree, is_leaf)[1]


@explained
def map(
    function: Callable[..., Any],
    tree: T,
    *rest: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> T:
    """The tree of `function` of the leaves that stand at the same place in all trees.

    In `rest` a whole tree may stand in the place of a leaf: the function is given that.
    Example:
    >>> map(lambda x, y: x + y, {"w": 1, "b": [2]}, {"w": 10, "b": [20]})
    {'b': [22], 'w': 11}
    """
    first, structure = flatten(tree, is_leaf)
    others = [subtrees(structure, other) for other in rest]
    return unflatten(structure, [function(*same) for same in zip(first, *others, strict=True)])


def subtrees(structure: Structure, tree: Any) -> list[Any]:
    """What stands in `tree` at the place of each leaf of `structure`, its leaves or containers."""
    found: list[Any] = []
    if difference := _cut(structure, tree, found):
        raise ProgramError(f"tree: trees of one structure are required, {difference}")
    return found


def _cut(structure: Structure, tree: Any, found: list[Any], path: str = "") -> str:
    """Fills `found`; the result is empty, or says where the structures differ."""
    if structure.container is None:
        found.append(tree)
        return ""
    kind = container_kind(type(tree))
    children, data = _apart(tree, kind) if kind else ((), ())
    own = Structure((type(tree), data, (_LEAF,) * len(children))) if kind else _LEAF
    wanted = Structure((*structure[:2], (_LEAF,) * len(structure.children)))
    if own != wanted:
        return difference(wanted, own, path)
    for part, child, key in zip(structure.children, children, _keys(structure), strict=True):
        if wrong := _cut(part, child, found, path + key):
            return wrong
    return ""


@explained
def paths(tree: Any) -> list[str]:
    """How each leaf of a tree, or of its structure, is reached: `['layers'][0].weight`."""
    of = tree if isinstance(tree, Structure) else structure(tree)
    return ["".join(str(key) for key in path) for path in key_paths(of)]


def key_paths(structure: Structure) -> Iterator[KeyPath]:
    """The path to each leaf."""
    if structure.container is None:
        yield ()
    for key, child in zip(entries(structure), structure.children, strict=True):
        for path in key_paths(child):
            yield (key, *path)


def entries(structure: Structure) -> tuple[Any, ...]:
    """The step of a path to each child of a container."""
    container, data, children = structure
    if container is None:
        return ()
    kind = container_kind(container)
    if kind == DICT:
        return tuple(DictKey(k) for k in data)
    if kind in (NAMED, DATACLASS):
        return tuple(GetAttrKey(name) for name in fields_of(container))
    if kind == REGISTERED:
        return data[1] or tuple(FlattenedIndexKey(i) for i in range(len(children)))
    return tuple(SequenceKey(i) for i in range(len(children)))


def _keys(structure: Structure) -> tuple[str, ...]:
    """How each child of a container is reached from it."""
    return tuple(str(key) for key in entries(structure))


def difference(expected: Structure, got: Structure, path: str = "") -> str:
    """Where two structures first differ, for messages; empty where they agree."""
    if expected == got:
        return ""
    keys, others = _keys(expected), _keys(got)
    if expected[:1] == got[:1] and keys == others and expected.data == got.data:
        pairs = zip(keys, expected.children, got.children, strict=True)
        return next(found for key, a, b in pairs if (found := difference(a, b, path + key)))
    first, second = _described(expected), _described(got)
    if first == second:
        first, second = (f"{first} with {_fixed(x)}" for x in (expected, got))
    return f"{path or 'the tree'} is {first} in one and {second} in the other"


def _described(structure: Structure) -> str:
    if structure.container is None:
        return "a leaf"
    if structure.container is type(None):
        return "None"
    inside = ", ".join(key.strip("[].") for key in _keys(structure)) or "nothing"
    return f"a {structure.container.__name__} of {inside}"


def _fixed(structure: Structure) -> str:
    """The static part of a container in words."""
    container, data, _ = structure
    names = static_of(container) if container else ()
    pairs = [f"{n}={x!r:.40}" for n, x in zip(names, data, strict=False)]
    return ", ".join(pairs) or f"{data[0]!r:.60}"


def static_parts(structure: Structure, path: str = "") -> Iterator[tuple[str, Any]]:
    """The path and the value of each static part."""
    container, data, children = structure
    names = static_of(container) if container else ()
    if container is not None and container_kind(container) == REGISTERED:
        yield path, data[0]
    else:
        yield from ((f"{path}.{n}", x) for n, x in zip(names, data, strict=False))
    for key, child in zip(_keys(structure), children, strict=True):
        yield from static_parts(child, path + key)


def unhashable(structure: Structure) -> tuple[str, Any] | None:
    """The path and the value of a static part that does not hash."""
    return next((part for part in static_parts(structure) if not _hashes(part[1])), None)


def _hashes(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True
