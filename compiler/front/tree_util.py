"""jax.tree_util's names: each is a function of wl.tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..ir.explain import explained
from ..trace import containers, tree
from ..trace.containers import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyEntry,
    KeyPath,
    Partial,
    SequenceKey,
    keystr,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
)
from . import trees

__all__ = [
    "DictKey", "FlattenedIndexKey", "GetAttrKey", "KeyEntry", "KeyPath", "Partial", "PyTreeDef",
    "SequenceKey", "all_leaves", "keystr", "register_dataclass", "register_pytree_node",
    "register_pytree_node_class", "register_pytree_with_keys", "register_pytree_with_keys_class",
    "register_static", "tree_all", "tree_broadcast", "tree_flatten", "tree_flatten_with_path",
    "tree_leaves", "tree_leaves_with_path", "tree_map", "tree_map_with_path", "tree_reduce",
    "tree_reduce_associative", "tree_structure", "tree_transpose", "tree_unflatten",
    "treedef_children", "treedef_is_leaf", "treedef_tuple",
]  # fmt: skip

PyTreeDef = tree.Structure
tree_all = trees.all
tree_broadcast = trees.broadcast
tree_flatten = tree.flatten
tree_flatten_with_path = trees.flatten_with_path
tree_leaves = tree.leaves
tree_leaves_with_path = trees.leaves_with_path
tree_map = tree.map
tree_map_with_path = trees.map_with_path
tree_reduce = trees.reduce
tree_reduce_associative = trees.reduce_associative
tree_structure = tree.structure
tree_transpose = trees.transpose
tree_unflatten = tree.unflatten


@explained
def all_leaves(iterable: Iterable[Any], is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether each of them is a leaf, and none a container or None."""
    return all(
        containers.container_kind(type(x)) == containers.LEAF or bool(is_leaf and is_leaf(x))
        for x in iterable
    )


@explained
def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of a container's children."""
    return list(treedef.children)


@explained
def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether it is the structure of a leaf."""
    return treedef.container is None


@explained
def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees."""
    return PyTreeDef((tuple, (), tuple(treedefs)))
