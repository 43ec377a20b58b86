"""Lowers a kernel to the text of one function for a target.

`lanes` decides; `loops` and `tiles` write loops, `reductions` and `values` what is computed in
them; `slots` keeps the argument block; `printer` spells.
"""

from __future__ import annotations

from dataclasses import replace

from ...kernel.normalise import normalise
from ...kernel.stages import Kernel
from .. import lanes as schedule
from ..fma import with_fma
from ..lowered import Lowered
from ..target import Target
from .loops import Lowering
from .tiles import Tiles, crossing


def lower(kernel: Kernel, target: Target) -> Lowered:
    """The text of a verified kernel for one target, and the numbers of this instance."""
    k = normalise(kernel)
    k = replace(k, stages=tuple(map(with_fma, k.stages)))
    across = crossing(k)
    lowering = Tiles(k, target, across) if across else Lowering(k, target)
    text, points = lowering.text(), lowering.points()
    return Lowered(text, tuple(lowering.slots.values), points, schedule.grain(k, points, target),
                   lowering.scratch_bytes, schedule.operations(k), schedule.moved(k))  # fmt: skip
