"""Lowers a kernel to the text of one function for a target.

`decisions` come first; `loops` writes what a point does, `claim` and `tiles` which there are,
`reductions` and `values` what is computed; `slots` keeps the argument block; `printer` spells.
"""

from __future__ import annotations

from dataclasses import replace

from ...kernel.normalise import normalise
from ...kernel.stages import Kernel
from .. import decisions
from ..fma import with_fma
from ..loops import Loops
from ..lowered import Lowered
from ..slots import Slots
from ..target import Target
from ..tiles import crossing, opened
from .claim import Claim
from .tiles import MOST, Tiles
from .unrolled import unrolled


def lower(kernel: Kernel, target: Target) -> Lowered:
    """The text of a verified kernel for one target, and the numbers of this instance."""
    k = normalise(kernel)
    flat = opened(k)
    across = crossing(flat)
    if across and min(across.size, flat.free[-1].size) >= MOST:
        k = flat
    else:
        across, k = None, unrolled(k, target.lanes("f32"))
        k = decisions.with_serial_axes(k, target)
    k = replace(k, stages=tuple(map(with_fma, k.stages)))
    space = Tiles(k, target, across) if across else Claim(k, target)
    code = Loops(k, Slots(k.buffers, k.axes), space)
    text, points = code.text(), space.points
    return Lowered(text, tuple(code.slots.values), points, decisions.grain(k, points, target),
                   code.rows_bytes, decisions.operations(k), decisions.moved_bytes(k))  # fmt: skip
