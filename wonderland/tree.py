"""Pytrees: arrays in nested containers, as jax.tree names what to do with them.

    doubled = wl.tree.map(lambda x: 2 * x, {"w": w, "b": [x, 3.0]})
    leaves, structure = wl.tree.flatten(doubled)
    same = wl.tree.unflatten(structure, leaves)
    print(wl.tree.summary(same))

Containers are dict, OrderedDict, defaultdict, list, tuple, namedtuple, dataclass, None and classes
that are registered; anything else is a leaf. `is_leaf=` says which containers are leaves too.
Apart and together: flatten, leaves, structure (a Structure compares and hashes), unflatten,
transpose, broadcast. Each leaf: map, reduce, reduce_associative, all.
Paths: paths as texts, flatten_with_path, leaves_with_path, map_with_path by keys, keystr of those.
What is in it: size in elements, nbytes, summary as a table.
Files: save, load, of .npz or .safetensors.
Fields of dataclasses that are no arrays are static: `heads: wl.tree.Static[int]`, or made by
`static(default=4)` or `field(metadata={"static": True})`. A function is traced again for each of
their values.
Other classes: register, register_with_keys, register_dataclass, register_static.
"""

from typing import TYPE_CHECKING, Any

from .compiler.front import trees as _trees
from .compiler.front.trees import *  # noqa: F403
from .compiler.trace import tree as _tree
from .compiler.trace.containers import Static, keystr, register_dataclass, register_static, static
from .compiler.trace.containers import register_pytree_node as register
from .compiler.trace.containers import register_pytree_with_keys as register_with_keys
from .compiler.trace.tree import *  # noqa: F403

if TYPE_CHECKING:
    from .compiler.front.tree_files import load, save

__all__ = [
    "Static", "keystr", "load", "register", "register_dataclass", "register_static",
    "register_with_keys", "save", "static",
]  # fmt: skip
__all__ += _trees.__all__
__all__ += _tree.__all__


if not TYPE_CHECKING:  # or checkers would take it for any name

    def __getattr__(name: str) -> Any:
        if name not in ("load", "save"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        from .compiler.front import tree_files  # brings zipfile

        found = globals()[name] = getattr(tree_files, name)
        return found


def __dir__() -> list[str]:
    return __all__
