"""Where the elements of a traced array would be in NumPy's memory, which decides what is a view.

A reshape of x.T is a copy in NumPy, one of x is a view: foreign code that writes to it means that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.graph import Op, Value
from ..ops.view import Reshape
from .aliases import VIEWS


def views_from(value: Value, of: Value) -> list[Op] | None:
    """The views that make a value of another one, the first first; None if it is none of it."""
    ops: list[Op] = []
    while value is not of:
        node = value.node
        if node is None or not isinstance(node.op, VIEWS):
            return None
        ops.append(node.op)
        value = node.args[0]
    return ops[::-1]


def is_numpys_view(value: Value, of: Any, raveled: bool) -> bool:
    """Whether a value that is made by views of a tracer's is a view in NumPy as well; of ravel it
    is if its elements stand side by side."""
    ops = views_from(value, of._value)
    if ops is None or (of.base is None and len(ops) == 1) or not value.type.size:
        return True
    if not any(isinstance(op, Reshape) for op in ops):
        return True
    here: Any = memory_at(positions(of))
    for op in ops:
        there: Any = op.reference(here)
        if not np.may_share_memory(there, here):
            return False
        here = there
    return here.flags.c_contiguous or not raveled


def positions(x: Any) -> np.ndarray:
    """Where the elements of a tracer are, in elements of the array that it is a view of at last."""
    if x.base is None:
        return np.arange(x._value.type.size).reshape(x.shape)
    of, at = x.base
    found: Any = positions(of)
    if at is Ellipsis:
        return found.reshape(x.shape)
    if not isinstance(at, Value):
        return found[at]
    for op in views_from(x._value, at) or ():
        found = op.reference(found)
    return found


def memory_at(at: np.ndarray) -> np.ndarray:
    """An array of bytes with elements at these places."""
    first = int(at.flat[0])
    steps = [int(np.take(at, 1, k).flat[0]) - first if n > 1 else 0 for k, n in enumerate(at.shape)]
    memory = np.empty(int(at.max()) + 1, np.uint8)
    return np.lib.stride_tricks.as_strided(memory[first:], at.shape, steps)
