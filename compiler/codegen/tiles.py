"""Maps whose operands lie crosswise: a tile of points at a time, its operands turned before it.

Reading such an operand a lane, or a thread, at a time costs many times more: every one of them is
another line of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..kernel.expr import Axis, Expr, Leaf, Load, Map, Result, rebuilt
from ..kernel.normalise import contiguous, merged_axes, normalise
from ..kernel.stages import Kernel, Stage, Store, mapped
from . import decisions
from .slots import Names

Turned = dict[tuple[str, Map], tuple[Load, Result]]
"""Loads by buffer and map, and the results that stand for them once they are turned."""


def crossing(kernel: Kernel) -> Axis | None:
    """The parallel axis along which operands lie that jump along the last one, if any do."""
    statements = [s for stage in kernel.stages for s in stage.body]
    one = len(kernel.stages) == 1 and all(isinstance(s, Store) for s in statements)
    if not one or kernel.stages[0].axes or kernel.ordered or len(kernel.free) < 2:
        return None
    *others, last = kernel.free
    crossed = [
        m for m, _ in decisions.accesses(kernel.stages[0]) if m.stride(last.name) not in (0, 1)
    ]
    found = [(sum(m.stride(a.name) == 1 for m in crossed), a) for a in others]
    most, axis = max(found, key=lambda pair: pair[0])
    return axis if most else None


def opened(kernel: Kernel) -> Kernel:
    """A map with its inner axes among the parallel ones, chunks of a long axis joined again."""
    axes = kernel.stages[0].axes if kernel.stages else ()
    maps = all(isinstance(s, Store) for stage in kernel.stages for s in stage.body)
    same = all(stage.axes == axes for stage in kernel.stages)
    if not axes or not maps or not same or kernel.ordered:
        return kernel
    outer = {a.name: a for a in kernel.outer}
    for a in axes:
        if a.split and a.split[0] not in outer:
            return kernel
    split = [(outer[a.split[0]], a) for a in axes if a.split]
    blocks = [c for c, _ in split]
    whole = [a for a in kernel.outer if a not in blocks]
    order = [*whole, *(x for a in axes for x in (*(c for c, r in split if r is a), a))]
    flat = replace(
        kernel, outer=tuple(order), stages=tuple(Stage((), s.body) for s in kernel.stages)
    )
    for c, r in split:
        if not contiguous(flat, c, r):
            return kernel
        assert r.split
        flat = merged_axes(flat, c, r)
        long = Axis(r.name, r.split[1])
        flat = replace(flat, outer=tuple(long if a.name == r.name else a for a in flat.outer))
    return normalise(flat)


def with_tiles(
    kernel: Kernel, across: Axis, names: Names, fits: Callable[[Turned, Load], bool] | None = None
) -> tuple[Stage, Turned]:
    """The stage with results of tiles in the place of crosswise loads; those, by buffer and map.

    `fits`: whether there is room for one more; a load that has none stays as it is.
    """
    axes = (across.name, kernel.free[-1].name)
    memo: dict[Expr, Expr] = {}
    turned: Turned = {}

    def leaf(e: Leaf) -> Leaf:
        if not isinstance(e, Load) or e.guards or e.at:
            return e
        if e.map.stride(axes[0]) != 1 or e.map.stride(axes[1]) in (0, 1):
            return e
        key = e.buffer.name, e.map
        if key not in turned:
            if fits and not fits(turned, e):
                return e
            turned[key] = e, Result(names.fresh(f"{e.buffer.name}_tile"), axes, e.dtype)
        return turned[key][1]

    body = kernel.stages[0].body
    return Stage((), tuple(mapped(s, lambda e: rebuilt(e, leaf, memo)) for s in body)), turned
