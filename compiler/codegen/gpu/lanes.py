"""How many neighbours a thread of a GPU meets at once."""

from __future__ import annotations

from ...kernel.costs import HEAVY
from ...kernel.expr import Axis, Expr, Index, Load, walk
from ...kernel.scalar import NUMPY
from ...kernel.stages import Accumulate, Stage, Store
from .. import decisions
from ..target import GpuTarget


def access_lanes(stages: tuple[Stage, ...], axis: Axis, device: GpuTarget) -> int:
    """Neighbours along `axis` that one access moves, 1 unless all accesses are aligned there.

    So they are for a buffer that is an element of a larger one, too, if its size is a multiple.
    """
    exprs = [e for s in stages for e in walk(*s.exprs)]
    loads = [e for e in exprs if isinstance(e, Load)]
    stores = [s for st in stages for s in st.body if isinstance(s, Store | Accumulate)]
    wide = [x for x in (*loads, *stores) if x.map.stride(axis.name)]
    widest = max(
        (NUMPY[e.dtype].itemsize for e in exprs if not isinstance(e, Index)), default=device.access
    )
    n = max(1, device.access // max(widest, 4))
    size = axis.split[1] if axis.split else axis.size
    aligned = size % n == 0 and axis.size % n == 0
    for x in wide:
        m, steps = x.map, [s for a, s in x.map.strides if a != axis.name]
        others = [m.offset, *steps, *(s for s, _, _ in x.at), x.buffer.size]
        aligned &= m.stride(axis.name) == 1 and not any(k % n for k in others)
    for e in loads:
        along = any(g.stride(axis.name) for g, _, _ in e.guards)
        aligned &= not along and not (e.guards and e.map.stride(axis.name))
        aligned &= not any(axis.name in uses(i) for _, i, _ in e.at)
    aligned &= axis.name not in decisions.scattered(stages)
    heavy = sum(map(decisions.weight, stages)) >= HEAVY
    return n if aligned and not heavy else 1


def uses(e: Expr) -> set[str]:
    """The axes along which loads and indices below an expression move."""
    found: set[str] = set()
    for n in walk(e):
        if isinstance(n, Load | Index):
            found |= n.map.axes
    return found
