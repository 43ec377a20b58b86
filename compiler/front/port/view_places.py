"""Where elements of a view are in the array that it is a view of, so that it can be written to."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.graph import Value
from ...ops.view import Broadcast
from ...trace.aliases import VIEWS
from ...trace.operands import wrong
from ...trace.tracer import SYNTAX


def among(view: np.ndarray, of: np.ndarray) -> Any:
    """The places of the elements of a view in an array; ... if they are all, in order."""
    if view.dtype != of.dtype:
        return None
    there, here = addresses_in(of).ravel(), addresses_in(view)
    order = np.argsort(there)
    at = order[np.searchsorted(there[order], here) % max(len(order), 1)]
    if not np.array_equal(there[at], here) or len(np.unique(here)) < here.size:
        return None  # other memory, or an element twice
    return places_of(at, of.shape)


def places_of(at: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Places in a flat array as an index of one of a shape; ... if they are all, in order."""
    if at.size == np.prod(shape) and np.array_equal(at.ravel(), np.arange(at.size)):
        return ...
    return np.unravel_index(at, shape)


def addresses_in(x: np.ndarray) -> np.ndarray:
    """Where the elements of an array are in memory."""
    found = np.full(x.shape, x.__array_interface__["data"][0], np.int64)
    for axis, step in enumerate(x.strides):
        found += (np.arange(x.shape[axis]) * step).reshape(-1, *(1,) * (x.ndim - axis - 1))
    return found


def places_in(view: Value, of: Value) -> Any:
    """The places of the elements of a traced view in what it is a view of."""
    ops: list[Any] = []
    while view is not of:
        node = view.node
        if node is None or not isinstance(node.op, VIEWS) or isinstance(node.op, Broadcast):
            of_parts = of.type.dtype in ("c64", "c128")
            raise wrong(
                f"x[i] = v: an array or a view of one is required, got {view.type}, "
                + ("a part of complex numbers" if of_parts else "repeated"),
                "x[i] = v + 1j * x.imag[i]" if of_parts else "x = x.copy() before",
            )
        ops.append(node.op)
        view = node.args[0]
    at = np.arange(of.type.size).reshape(of.shape)
    for op in reversed(ops):
        at = op.reference(at)
    return places_of(at, of.shape)


SYNTAX.places = places_in
