"""Trees in many processes that run one script: given to all, shared out by rows, written once.

    mesh = wl.distributed.mesh({"data": wl.distributed.process_count()})
    params = wl.distributed.broadcast(params)  # those of process 0, in all
    xs, ys = wl.distributed.local_rows((xs, ys), mesh=mesh)  # those of this process

Every process calls them, all in one order.
"""

from __future__ import annotations

import json
import math
import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...runtime.processes.world import initialize
from ...runtime.rows import MeshAxes, Transfer
from ..ir.explain import explained, shown
from ..ir.types import NUMPY, dtype_name, type_of
from ..settings import active
from ..trace import tree as trees
from ..trace.arrays import plain
from ..trace.containers import keystr
from ..trace.operands import wrong
from ..trace.trace import PYTHON
from .tree_files import load, nested, save

__all__ = ["broadcast_tree", "load_once", "local_rows", "save_once"]


@explained
def broadcast_tree(tree: Any, source: int = 0) -> Any:
    """The tree of the process `source`, in all of them.

    All must have the same containers and types; the arrays of the others are not read.
    """
    here = initialize()
    if not 0 <= source < here.size:
        raise wrong(f"broadcast: a process below {here.size} is required, got {source}")
    arrays = named_arrays("broadcast", tree)
    here.agree("broadcast: trees of the same types", spelled_types(arrays))
    if here.size == 1:
        return tree
    return in_containers(tree, sent(arrays, source).values())


@explained
def local_rows(tree: Any, axis_name: str = "data", *, mesh: Any = None) -> Any:
    """This process's rows of every array: as many as the others', in the order of their places.

    The processes are those along an axis of a mesh, by default that of the block around.
    Example:
    >>> import wonderland as wl
    >>> with wl.distributed.mesh({"data": 1}):
    ...     local_rows(np.arange(3))
    array([0, 1, 2])
    """
    axes = active().mesh if mesh is None else mesh.axes
    if axis_name not in dict(axes):
        known = ", ".join(repr(name) for name, _ in axes) or "a mesh around it"
        raise wrong(
            f"local_rows: an axis of {known} is required, got {axis_name!r:.40}",
            "local_rows(tree, axis_name, mesh=mesh)",
        )
    size, place = dict(axes)[axis_name], initialize().place(axes, axis_name)

    def own(array: Any) -> Any:
        shape = np.shape(array)
        if not shape or shape[0] % size:
            got = f"shape {list(shape)}" if shape else shown(array)
            required = f"a first axis that {size} processes share evenly is required"
            raise wrong(f"local_rows: {required}, got {got}")
        each = shape[0] // size
        return array[place * each : (place + 1) * each]

    return trees.map(own, tree)


@explained
def save_once(path: str | os.PathLike[str], tree: Any) -> None:
    """Process 0 writes the arrays of a tree, as wl.tree.save does; all go on when they are there.

    The tree of the others is not read. Errors: what process 0 raises, in all.
    """
    by_first(lambda: save(path, tree))


@explained
def load_once(path: str | os.PathLike[str], like: Any = None) -> Any:
    """The tree of a file that process 0 reads, as wl.tree.load does, in all of them.

    Errors: what process 0 raises, in all.
    """
    tree = by_first(lambda: load(path, like))
    if initialize().size == 1:
        return tree
    found = sent(named_arrays("load", tree), 0)
    if like is None:
        return nested(found)
    return in_containers(like, found.values())


def by_first(do: Callable[[], Any]) -> Any:
    """What process 0 gets, which alone does it; where that fails it fails in all."""
    here, found, failed = initialize(), None, None
    if here.rank == 0:
        try:
            found = do()
        except Exception as error:  # any, for the others wait
            failed = error
    word = here.broadcast(pickled(failed), 0)
    if failed is not None:
        raise failed
    if word:
        raise pickle.loads(word)
    return found


def pickled(error: Exception | None) -> bytes:
    """Of this or, where that cannot be sent, of what says the same; of nothing, nothing."""
    if error is None:
        return b""
    try:
        pickle.loads(word := pickle.dumps(error))
        return word
    except Exception:  # of types of the user's
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def agree_on(what: str, text: str) -> None:
    """Errors: a ProcessError where processes have other texts, with the first line that differs."""
    initialize().agree(what, text)


def gathered_arrays(array: np.ndarray, mesh: MeshAxes, axis: str) -> np.ndarray:
    """The arrays of all processes along an axis, in the order of their places."""
    transfer = Transfer("gather", mesh, axis, array.dtype, array.size)
    return initialize().exchanged(transfer, array).reshape(transfer.size, *array.shape)


def sent(arrays: Mapping[str, np.ndarray], source: int) -> dict[str, np.ndarray]:
    """The arrays of the process `source`, by name."""
    here = initialize()
    types = [[name, dtype_name(x.dtype), list(x.shape)] for name, x in arrays.items()]
    mine = here.rank == source
    head = here.broadcast(json.dumps(types).encode() if mine else b"", source)
    content = here.broadcast(
        b"".join(x.tobytes() for x in arrays.values()) if mine else b"", source
    )
    at, found = 0, {}
    for name, dtype, shape in json.loads(head):
        count = math.prod(shape)
        found[name] = np.frombuffer(content, NUMPY[dtype], count, at).reshape(shape).copy()
        at += found[name].nbytes
    return found


def in_containers(like: Any, arrays: Iterable[np.ndarray]) -> Any:
    """Arrays in the containers of a tree; where that has Python numbers, such numbers."""
    leaves, structure = trees.flatten(like)
    pairs = zip(leaves, arrays, strict=True)
    found = [type(leaf)(x.item()) if type(leaf) in PYTHON else x for leaf, x in pairs]
    return trees.unflatten(structure, found)


def named_arrays(function: str, tree: Any) -> dict[str, np.ndarray]:
    """The leaves by their paths, steps joined by dots."""
    leaves, structure = trees.flatten(tree)
    found = {}
    for path, leaf in zip(trees.key_paths(structure), leaves, strict=True):
        array = np.asarray(plain(leaf))
        if array.dtype == object:
            got = f"{shown(leaf)} at tree{keystr(path)}"
            raise wrong(f"{function}: arrays and numbers are required, got {got}")
        found[keystr(path, simple=True, separator=".")] = array
    return found


def spelled_types(arrays: Mapping[str, np.ndarray]) -> str:
    """A line for each array."""
    return "\n".join(f"{name} {type_of(x)}" for name, x in arrays.items())
