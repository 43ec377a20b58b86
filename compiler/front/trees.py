"""What jax.tree does with trees beyond taking them apart: paths, reductions, layouts; and tables.

    decayed = wl.tree.map_with_path(lambda path, x: x.ndim > 1, {"w": np.ones((3, 2)), "b": x})
    print(wl.tree.summary({"w": np.ones((3, 2)), "b": x}))

A path is a tuple of keys: DictKey("w").key, SequenceKey(0).idx, GetAttrKey("weight").name, and
`keystr(path)` is its text.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..ir.explain import explained
from ..ir.types import Type
from ..trace import tree as trees
from ..trace.containers import KeyPath, keystr
from ..trace.operands import wrong
from ..trace.trace import aval
from ..trace.tree import Structure

__all__ = [
    "all", "broadcast", "flatten_with_path", "leaves_with_path", "map_with_path", "nbytes",
    "reduce", "reduce_associative", "size", "summary", "transpose",
]  # fmt: skip

T = TypeVar("T")
IsLeaf = Callable[[Any], bool] | None
_NONE: Any = object()

# ---------------------------------------------------------------- paths


@explained
def flatten_with_path(
    tree: Any, is_leaf: IsLeaf = None
) -> tuple[list[tuple[KeyPath, Any]], Structure]:
    """Pairs of the path to a leaf and the leaf, in order, and the structure.

    Example:
    >>> [(keystr(path), x) for path, x in flatten_with_path({"w": [1, 2]})[0]]
    [("['w'][0]", 1), ("['w'][1]", 2)]
    """
    leaves, structure = trees.flatten(tree, is_leaf)
    return list(zip(trees.key_paths(structure), leaves, strict=True)), structure


@explained
def leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Pairs of the path to a leaf and the leaf, in order."""
    return flatten_with_path(tree, is_leaf)[0]


@explained
def map_with_path(f: Callable[..., Any], tree: T, *rest: Any, is_leaf: IsLeaf = None) -> T:
    """The tree of f(path, leaf, ...), with what stands at the place of the leaf in `rest`.

    Example:
    >>> map_with_path(lambda path, x: x * (path[-1].key == "w"), {"w": 2, "b": 3})
    {'b': 0, 'w': 2}
    """
    leaves, structure = trees.flatten(tree, is_leaf)
    columns = leaves, *(trees.subtrees(structure, other) for other in rest)
    rows = zip(trees.key_paths(structure), *columns, strict=True)
    return trees.unflatten(structure, [f(*row) for row in rows])


# ---------------------------------------------------------------- leaves


@explained
def reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _NONE, is_leaf: IsLeaf = None
) -> Any:
    """f(... f(f(initializer, first), second) ..., last) of the leaves in order.

    Without an initializer the first leaf is; then one is required.
    Example:
    >>> reduce(lambda total, x: total + x, {"w": [1, 2], "b": 3})
    6
    """
    leaves = trees.leaves(tree, is_leaf)
    if initializer is not _NONE:
        return functools.reduce(function, leaves, initializer)
    if not leaves:
        raise wrong("reduce: a leaf or an initializer is required, got neither", "initializer=0")
    return functools.reduce(function, leaves)


@explained
def reduce_associative(
    operation: Callable[[Any, Any], Any],
    tree: Any,
    *,
    identity: Any = _NONE,
    is_leaf: IsLeaf = None,
) -> Any:
    """The first half of the leaves combined with the second, each as such: log n operations deep.

    Example:
    >>> reduce_associative(lambda x, y: x + y, ["a", ("b", "c")])
    'abc'
    """
    leaves = trees.leaves(tree, is_leaf)
    if not leaves and identity is _NONE:
        raise wrong("reduce_associative: a leaf or an identity is required, got neither")

    def combined(part: list[Any]) -> Any:
        half = len(part) // 2
        return operation(combined(part[:half]), combined(part[half:])) if half else part[0]

    return combined(leaves) if leaves else identity


@explained
def all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Whether every leaf is true."""
    return builtins.all(trees.leaves(tree, is_leaf))


# ---------------------------------------------------------------- layouts


@explained
def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """`full_tree` with each leaf replaced by that of `prefix_tree` which stands there or above.

    Example:
    >>> broadcast((1, 2), ("x", {"a": "y", "b": "z"}))
    (1, {'a': 2, 'b': 2})
    """
    leaves, outer = trees.flatten(prefix_tree, is_leaf)
    parts = [trees.structure(part, is_leaf) for part in trees.subtrees(outer, full_tree)]
    found = [x for x, part in zip(leaves, parts, strict=True) for _ in range(part.size)]
    return trees.unflatten(trees.structure(full_tree, is_leaf), found)


@explained
def transpose(
    outer_treedef: Structure, inner_treedef: Structure | None, pytree_to_transpose: Any
) -> Any:
    """Of an outer tree of inner trees the inner tree of outer trees.

    `inner_treedef` may be None: then it is that of the first.
    Example:
    >>> pairs = [(1, 2), (3, 4), (5, 6)]
    >>> transpose(trees.structure([0, 0, 0]), None, pairs)
    ([1, 3, 5], [2, 4, 6])
    """
    rows = trees.subtrees(outer_treedef, pytree_to_transpose)
    if inner_treedef is None:
        if not rows:
            raise wrong("transpose: an inner structure is required where there are no trees")
        inner_treedef = trees.structure(rows[0])
    columns = zip(*(trees.subtrees(inner_treedef, row) for row in rows), strict=True)
    empty = [()] * inner_treedef.size
    outer = [trees.unflatten(outer_treedef, list(c)) for c in (list(columns) if rows else empty)]
    return trees.unflatten(inner_treedef, outer)


# ---------------------------------------------------------------- sizes


def _types(tree: Any) -> Iterator[tuple[str, Type]]:
    """Path and type of each leaf, which must be an array, a type or a number."""
    for path, leaf in leaves_with_path(tree):
        yield keystr(path), aval(leaf, f"tree{keystr(path)}")[0]


@explained
def size(tree: Any) -> int:
    """The number of elements of all leaves: how many parameters a model has."""
    return sum(of.size for _, of in _types(tree))


@explained
def nbytes(tree: Any) -> int:
    """The number of bytes of all leaves."""
    return sum(of.nbytes for _, of in _types(tree))


@explained
def summary(tree: Any) -> str:
    """A table of the leaves: path, shape, dtype, parameters, bytes, and the totals.

    Example:
    >>> print(summary({"w": np.ones((3, 2), np.float32), "b": np.ones(2, np.float32)}))
    path   shape   dtype  parameters  bytes
    ['b']  [2]     f32             2      8
    ['w']  [3, 2]  f32             6     24
    total                          8     32
    """
    rows = [("path", "shape", "dtype", "parameters", "bytes")]
    types = list(_types(tree))
    for path, of in types:
        shape = f"[{', '.join(builtins.map(str, of.shape))}]" if of.shape else ""
        rows.append((path or "(the tree)", shape, of.dtype, f"{of.size:,}", f"{of.nbytes:,}"))
    elements, total = sum(of.size for _, of in types), sum(of.nbytes for _, of in types)
    rows.append(("total", "", "", f"{elements:,}", f"{total:,}"))
    widths = [max(builtins.map(len, column)) for column in zip(*rows, strict=True)]
    left, right = widths[:3], widths[3:]
    return "\n".join(
        "  ".join((*builtins.map(str.ljust, row, left), *builtins.map(str.rjust, row[3:], right)))
        for row in rows
    )
