"""jax.tree_util's names for what wl.tree does.

    from wonderland.tree_util import keystr, tree_map_with_path

    decays = tree_map_with_path(lambda path, x: "bias" not in keystr(path), {"bias": x, "w": w})

Trees: tree_map, tree_map_with_path, tree_leaves, tree_leaves_with_path, tree_flatten,
tree_flatten_with_path, tree_unflatten, tree_structure, tree_transpose, tree_broadcast, tree_reduce,
tree_reduce_associative, tree_all, all_leaves.
Paths: KeyPath, a tuple of KeyEntry (DictKey, SequenceKey, GetAttrKey, FlattenedIndexKey), keystr.
Classes: register_pytree_node, register_pytree_with_keys, register_pytree_node_class,
register_pytree_with_keys_class, register_dataclass, register_static, Partial.
Structures: PyTreeDef, treedef_children, treedef_is_leaf, treedef_tuple.
"""

from .compiler.front.tree_util import *  # noqa: F403
from .compiler.front.tree_util import __all__ as __all__
