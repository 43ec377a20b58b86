"""What containers are, and how values of each type are taken apart and put together.

A dict is read in sorted key order, an OrderedDict and a defaultdict in their own and in sorted
order, as in JAX. A dataclass is a container of its fields; static ones are part of the structure:
those made by `static()` or `field(metadata={"static": True})`, or annotated `Static[int]`. flax's
`pytree_node=False` is understood. Other classes are registered, as in jax.tree_util.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

from ..ir.errors import ProgramError
from ..ir.explain import explained
from ..ir.types import Type

T = TypeVar("T")
C = TypeVar("C", bound=type)

LEAF, NONE, DICT, LIST, TUPLE, NAMED, DATACLASS, REGISTERED = range(8)


# ---------------------------------------------------------------- paths


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """The place of a child in a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


@dataclasses.dataclass(frozen=True)
class DictKey:
    """The key of a child of a dict."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """The name of a child of a dataclass or a named tuple."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclasses.dataclass(frozen=True)
class FlattenedIndexKey:
    """The place of a child of a class that is registered without keys."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


KeyEntry = SequenceKey | DictKey | GetAttrKey | FlattenedIndexKey
KeyPath = tuple[Any, ...]
"""From the root of a tree to a leaf. Classes may register keys of their own."""


@explained
def keystr(keys: KeyPath, *, simple: bool = False, separator: str = "") -> str:
    """A path as text: `['layers'][0].weight`, or `layers/0/weight` if `simple` and separated by /.

    Example:
    >>> keystr((DictKey("layers"), SequenceKey(0)), simple=True, separator="/")
    'layers/0'
    """
    return separator.join(plain_key(key) if simple else str(key) for key in keys)


def plain_key(key: Any) -> str:
    """A step of a path without brackets and dots."""
    own = (getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name))
    return str(next(own, key))


# ---------------------------------------------------------------- classes


class Inside(NamedTuple):
    """A value of a registered class, taken apart."""

    children: tuple[Any, ...]
    data: Hashable
    keys: tuple[Any, ...] | None


class Registered(NamedTuple):
    """How values of a registered class are taken apart and put together."""

    apart: Callable[[Any], Inside]
    together: Callable[[Any, tuple[Any, ...]], Any]


KINDS: dict[type, int] = {type(None): NONE, dict: DICT, list: LIST, tuple: TUPLE, Type: LEAF}
FIELDS: dict[
    type, tuple[tuple[str, ...], tuple[str, ...]]
] = {}  # of a dataclass: names of children, of static fields
CLASSES: dict[type, Registered] = {}


def container_kind(container: type) -> int:
    """How values of a type are taken apart; found out once per type."""
    kind = KINDS.get(container)
    if kind is not None:
        return kind
    kind = LEAF
    if issubclass(container, tuple) and hasattr(container, "_fields"):
        kind = NAMED
    elif dataclasses.is_dataclass(container):
        declared = dataclasses.fields(container)
        static = tuple(f.name for f in declared if _is_static(container, f))
        FIELDS[container] = tuple(f.name for f in declared if f.name not in static), static
        kind = DATACLASS
    elif issubclass(container, (dict, list, tuple)):
        raise ProgramError(
            "tree: a container is a dict, OrderedDict, defaultdict, list, tuple, namedtuple, "
            f"dataclass, None or of a registered class, got {container.__name__}",
            repair="dict(...) or list(...) or tuple(...) of it, or "
            f"wl.tree.register({container.__name__}, flatten, unflatten)",
        )
    KINDS[container] = kind
    return kind


def fields_of(container: type) -> tuple[str, ...]:
    """Names of the children of a named tuple or a dataclass."""
    if container_kind(container) == NAMED:
        return tuple(container._fields)  # pyright: ignore[reportAttributeAccessIssue]
    return FIELDS[container][0] if container in FIELDS else ()


def static_of(container: type) -> tuple[str, ...]:
    """Names of the static fields of a dataclass; of anything else there are none."""
    return FIELDS[container][1] if container in FIELDS else ()


def is_registered(container: type) -> bool:
    """Whether a class is taken apart by functions that were given for it."""
    return container_kind(container) == REGISTERED


# ---------------------------------------------------------------- static fields

_STATIC = "static"
Static = Annotated[T, _STATIC]
"""The annotation of a static field: `heads: Static[int]`."""


@explained
def static(**options: Any) -> Any:
    """A static field of a dataclass: `dataclasses.field` of these options, part of the structure.

    Its value must be hashable. A function is traced again for each value of it.
    Example:
    >>> import dataclasses
    >>> @dataclasses.dataclass
    ... class Attention:
    ...     weight: Any
    ...     heads: int = static(default=4)
    >>> import wonderland as wl
    >>> wl.tree.leaves(Attention(1.0))
    [1.0]
    """
    return dataclasses.field(
        **{**options, "metadata": {**options.get("metadata", {}), _STATIC: True}}
    )


def _is_static(container: type, field: dataclasses.Field[Any]) -> bool:
    """Whether a field is part of the structure, by its metadata or by its annotation."""
    if _STATIC in field.metadata or "pytree_node" in field.metadata:  # flax has the second
        return bool(field.metadata.get(_STATIC) or not field.metadata.get("pytree_node", True))
    told: Any = field.type
    if not isinstance(told, str):
        return getattr(told, "__metadata__", ()) == (_STATIC,)
    alias = re.match(r"\s*([\w.]+)\s*\[", told)
    if not alias:
        return False
    written = next(c for c in container.__mro__ if field.name in inspect.get_annotations(c))
    first, *rest = alias[1].split(".")
    found: Any = vars(sys.modules[written.__module__]).get(first)
    if found is None:  # a name of a function, which cannot be looked up
        return (first, *rest)[-1] == "Static"
    for name in rest:
        found = getattr(found, name, None)
    return found is Static


# ---------------------------------------------------------------- registering


LEAVES = (bool, int, float, complex, str)
"""Classes of Python that are leaves wherever they are."""


def _enter(container: Any, registered: Registered) -> None:
    if not isinstance(container, type):
        raise ProgramError(f"tree: a class is required, got {container!r:.60}")
    if container in LEAVES:
        raise ProgramError(f"tree: a class of containers is required, got {container.__name__}")
    if container in CLASSES or container in (type(None), dict, list, tuple):
        raise ProgramError(f"tree: a class is registered once, {container.__name__} is already")
    CLASSES[container], KINDS[container] = registered, REGISTERED


@explained
def register_pytree_node(
    nodetype: type[T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Hashable]],
    unflatten_func: Callable[[Any, tuple[Any, ...]], T],
    flatten_with_keys_func: Callable[[T], tuple[Iterable[Any], Hashable]] | None = None,
) -> None:
    """Makes a class a container: `flatten_func` gives (children, static data) of a value, and
    `unflatten_func` the value of (static data, children).

    The data are part of the structure, so they must be hashable and compare. Children may be any
    objects when a tree is rebuilt: don't look at them. `flatten_with_keys_func` gives pairs
    (key, child) in place of children, which paths are made of.
    Example:
    >>> class Scaled:
    ...     def __init__(self, x, by):
    ...         self.x, self.by = x, by
    >>> register_pytree_node(Scaled, lambda s: ((s.x,), s.by), lambda by, xs: Scaled(xs[0], by))
    >>> import wonderland as wl
    >>> wl.jit(lambda s: s.x * s.by)(Scaled(2.0, 3))
    array(6.)
    """
    if flatten_with_keys_func is not None:
        register_pytree_with_keys(nodetype, flatten_with_keys_func, unflatten_func, flatten_func)
        return

    def apart(x: T) -> Inside:
        children, data = _pair(nodetype, flatten_func(x))
        return Inside(tuple(children), data, None)

    _enter(nodetype, Registered(apart, unflatten_func))


@explained
def register_pytree_with_keys(
    nodetype: type[T],
    flatten_with_keys: Callable[[T], tuple[Iterable[Any], Hashable]],
    unflatten_func: Callable[[Any, tuple[Any, ...]], T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Hashable]] | None = None,
) -> None:
    """As `register`, of a class whose flattening gives pairs (key, child): paths are made of keys.

    A key is a DictKey, SequenceKey or GetAttrKey of wl.tree_util, or what hashes and prints as a
    step of a path.
    """
    del flatten_func  # the same without keys, which JAX has for speed

    def apart(x: T) -> Inside:
        pairs, data = _pair(nodetype, flatten_with_keys(x))
        pairs = tuple(pairs)
        return Inside(tuple(child for _, child in pairs), data, tuple(key for key, _ in pairs))

    _enter(nodetype, Registered(apart, unflatten_func))


def _pair(container: type, found: Any) -> tuple[Any, Any]:
    if not isinstance(found, tuple) or len(found) != 2:
        raise ProgramError(
            f"tree: the flattening of {container.__name__} must give a pair (children, data), "
            f"got {found!r:.60}",
            repair="return (self.weight, self.bias), self.name",
        )
    return found


@explained
def register_dataclass(
    nodetype: C,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> C:
    """Names the fields of a class that are children and those that are static; gives the class.

    Dataclasses need no registering: their fields are children but for static ones. Of other classes
    both lists are required. What is in `drop_fields` is not kept when a tree is rebuilt.
    """
    own = ([], [])
    kind: Any = nodetype
    if dataclasses.is_dataclass(kind):
        declared = [f for f in dataclasses.fields(kind) if f.name not in drop_fields]
        static = [f.name for f in declared if _is_static(nodetype, f)]
        own = ([f.name for f in declared if f.name not in static], static)
        every = {f.name for f in declared}
        told = {*(own[0] if data_fields is None else data_fields), *(meta_fields or own[1])}
        if told != every:
            odd = sorted(told ^ every)[0]
            raise ProgramError(
                f"register_dataclass: each field of {nodetype.__name__} in one of data_fields, "
                f"meta_fields and drop_fields is required, got {odd!r}"
            )
    elif data_fields is None or meta_fields is None:
        raise ProgramError(
            f"register_dataclass: data_fields and meta_fields of {nodetype.__name__}, which is no "
            "dataclass, are required, got None",
            repair="@dataclasses.dataclass above the class",
        )
    fields = tuple(own[0] if data_fields is None else data_fields)
    FIELDS[nodetype] = fields, tuple(own[1] if meta_fields is None else meta_fields)
    KINDS[nodetype] = DATACLASS
    return nodetype


@explained
def register_static(cls: C) -> C:
    """Makes values of a class, which hash and compare, part of the structure; gives the class.

    They are no leaves: a function is traced again for each of them.
    """
    _enter(cls, Registered(lambda x: Inside((), x, ()), lambda x, _: x))
    return cls


@explained
def register_pytree_node_class(cls: C) -> C:
    """Registers a class by its methods `tree_flatten` and `tree_unflatten`; gives the class."""
    node: Any = cls
    register_pytree_node(node, node.tree_flatten, node.tree_unflatten)
    return cls


@explained
def register_pytree_with_keys_class(cls: C) -> C:
    """Registers a class by its methods `tree_flatten_with_keys` and `tree_unflatten`; gives it."""
    node: Any = cls
    register_pytree_with_keys(node, node.tree_flatten_with_keys, node.tree_unflatten)
    return cls


class Partial(functools.partial[Any]):
    """functools.partial whose arguments are leaves; the function is part of the structure."""


def _dict_apart(x: dict[Any, Any], keys: Iterable[Any], *data: Any) -> Inside:
    places = tuple(keys)
    return Inside(tuple(x[k] for k in places), (*data, places), tuple(map(DictKey, places)))


def unsortable(mapping: dict[Any, Any]) -> ProgramError:
    return ProgramError(f"tree: keys of a dict must be sortable, got {list(mapping)}")


def _sorted_keys(mapping: dict[Any, Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(mapping))
    except TypeError:
        raise unsortable(mapping) from None


_enter(
    OrderedDict,
    Registered(
        lambda x: _dict_apart(x, x),
        lambda data, xs: OrderedDict(zip(data[0], xs, strict=True)),
    ),
)
_enter(
    defaultdict,
    Registered(
        lambda x: _dict_apart(x, _sorted_keys(x), x.default_factory),
        lambda data, xs: defaultdict(data[0], zip(data[1], xs, strict=True)),
    ),
)
_enter(
    Partial,
    Registered(
        lambda x: Inside(
            (x.args, x.keywords), x.func, (GetAttrKey("args"), GetAttrKey("keywords"))
        ),
        lambda function, xs: Partial(function, *xs[0], **xs[1]),
    ),
)
