"""Pytrees: arrays in nested containers, as jax.tree names what to do with them.

    doubled = wl.tree.map(lambda x: 2 * x, {"w": w, "b": [x, 3.0]})
    leaves, structure = wl.tree.flatten(doubled)
    same = wl.tree.unflatten(structure, leaves)

Containers are dict, list, tuple, namedtuple, dataclass and None; anything else is a leaf. flatten,
leaves, structure and paths take a tree apart (a Structure compares and hashes), unflatten puts it
together, map applies a function to each leaf of trees of one structure.
"""

from .compiler.trace.tree import *  # noqa: F403
from .compiler.trace.tree import __all__ as __all__
