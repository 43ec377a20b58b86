"""Places in arrays as numbers: flat ones, those of grids and triangles, and writes to some."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.explain import shown
from ...trace.operands import common_shape, operand, shape_given, shape_of, tracer, wrong
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, Tracer
from .elementwise import where
from .shapes import ravel, reshape
from .writes import writable

__all__ = [
    "diag_indices_from", "ix_", "place", "ravel_multi_index", "tril_indices_from",
    "triu_indices_from", "unravel_index",
]  # fmt: skip


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """Sequences as axes of a grid: x[ix_(i, j)] is x at every pair of theirs."""
    made = []
    for k, given in enumerate(args):
        at = operand(given)
        if len(shape_of(at)) != 1:
            raise wrong(f"ix_: sequences of one axis are required, got {shown(given)}")
        if at.dtype.kind == "b":
            (at,) = FUNCTIONS[np.nonzero](at) if isinstance(at, Tracer) else np.nonzero(at)
        at = at if at.size else np.zeros(0, np.intp)
        made.append(at.reshape((1,) * k + (at.size,) + (1,) * (len(args) - k - 1)))
    return tuple(made)


def _order(name: str, order: str) -> bool:
    """Whether the first axis is the one that moves fastest."""
    if order not in ("C", "F"):
        raise wrong(f"{name}: an order of 'C' or 'F' is required, got {order!r:.40}")
    return order == "F"


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """The places along each axis of places in the flat array; beyond it nothing is checked."""
    sizes, found = shape_given("unravel_index", shape), []
    first = _order("unravel_index", order)
    if not isinstance(at := operand(indices), Tracer):
        return tuple(map(tracer, np.unravel_index(at, sizes, "F" if first else "C")))
    rest = _integers("unravel_index", at)
    for n in sizes if first else sizes[::-1]:
        found.append(rest % max(n, 1))
        rest = rest // max(n, 1)
    return tuple(found if first else found[::-1])


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Tracer:
    """The places in the flat array. Beyond an axis they are the nearest ("clip") or count on
    ("wrap"); with "raise" traced ones are not checked.
    """
    sizes = shape_given("ravel_multi_index", dims)
    places = [_integers("ravel_multi_index", i) for i in multi_index]
    modes = mode if isinstance(mode, tuple) else (mode,) * len(sizes)
    if not len(places) == len(sizes) == len(modes):
        raise wrong(f"ravel_multi_index: {len(sizes)} places are required, got {len(places)}")
    common_shape("ravel_multi_index", *(i.shape for i in places))
    found: Any = np.int64(0)
    steps = list(zip(places, sizes, modes, strict=True))
    for i, n, how in steps[::-1] if _order("ravel_multi_index", order) else steps:
        at: Any = i
        if how not in ("raise", "clip", "wrap"):
            raise wrong(f"ravel_multi_index: a mode of raise, clip, wrap is required, got {how!r}")
        at = at % n if how == "wrap" else np.clip(at, 0, n - 1) if how == "clip" else at
        found = found * n + at
    return tracer(found)


def _integers(name: str, x: Any) -> Any:
    at = tracer(x)
    if at.dtype.kind not in "iu":
        raise wrong(f"{name}: integers are required, got {at.type}")
    return at.astype(np.int64)


def _of_shape(function: Any, of: Any) -> Any:
    """What depends on the shape of the array alone."""

    def implementation(arr: Any, k: int = 0) -> tuple[np.ndarray, ...]:
        shape = shape_of(operand(arr))
        if len(shape) != 2:
            raise wrong(f"{function.__name__}: two axes are required, got {list(shape)}")
        return of(shape[0], k, shape[1])

    return implements(function)(implementation)


tril_indices_from = _of_shape(np.tril_indices_from, np.tril_indices)
triu_indices_from = _of_shape(np.triu_indices_from, np.triu_indices)


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> tuple[np.ndarray, ...]:
    shape = shape_of(operand(arr))
    if len(shape) < 2 or len(set(shape)) > 1:
        raise wrong(f"diag_indices_from: two equal axes or more are required, got {list(shape)}")
    return np.diag_indices(shape[0], len(shape))


@implements(np.place, writes=True)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """arr[mask] = vals, one after the other and again from the first"""
    x, given, chosen = writable(arr, "place"), ravel(tracer(vals)), ravel(tracer(mask) != 0)
    if chosen.size != x.size:
        raise wrong(f"place: a mask of {x.size} elements is required, got {tracer(mask).type}")
    if not given.size:
        raise wrong("place: one value at least is required, got none")
    turn: Any = FUNCTIONS[np.cumsum](chosen) - 1
    new: Any = np.take(given, turn % given.size, mode="wrap")
    x.write(reshape(where(chosen, tracer(new, x.type.dtype), ravel(x)), x.shape))
