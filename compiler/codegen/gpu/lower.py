"""Lowers a kernel of stages for a GPU: the same statements, spread over a grid of threads.

    threads   a thread a point: maps, column sums, points with little inside
    teams     a team a point: a warp, or all threads of a block; every stage is a loop whose turns
              the threads of the team take, what it reduces is combined by all of them
    tiles     a block a tile of a map whose operands lie crosswise, turned in shared memory

`loops` and `values` write what a thread does, as for a processor of one lane. A thread meets four
neighbours at once where all accesses along the axis are aligned to 16 bytes: the text then relies
on sizes that are multiples of four, and no loop needs a tail. Rows that later stages read live in
shared memory. Sums run in an order that sizes alone decide: no atomics, the same bits on every run.

Why the printed language and not Python for numba.cuda: the language, the words of arithmetic and
the lowering are the processor's own, so one printer serves both and bits agree; nothing but LLVM
and nvJitLink is needed, and LLVM says which version of PTX it writes.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ...kernel.normalise import normalise
from ...kernel.stages import Keep, Kernel
from .. import decisions
from ..fma import with_fma
from ..loops import Loops
from ..lowered import LoweredLaunch
from ..slots import Parameters
from ..target import GpuTarget
from ..tiles import crossing, opened
from ..words.gpu_words import words
from .teams import Teams
from .threads import Threads
from .tiles import TILE, TurnedTiles

LOCALS = ("thread", "turn")
SHORT = 16  # inner points that one thread does alone
FEW = 1024  # points that leave most of a GPU idle if each is one thread


def lower_grid(kernel: Kernel, device: GpuTarget) -> LoweredLaunch:
    """The text of a verified kernel for a GPU, and the numbers of this instance."""
    k = normalise(kernel)
    k = replace(k, stages=tuple(map(with_fma, k.stages)))
    k = opened(k)
    across = crossing(k)
    if across and across.size >= TILE and k.free[-1].size >= TILE:
        space = TurnedTiles(k, device, across)
    else:
        space = (Threads if by_threads(k) else Teams)(k, device)
    code = Loops(k, Parameters(k.buffers, k.axes, (*words(), *LOCALS)), space)
    text = code.text()
    return LoweredLaunch(
        text,
        tuple(code.slots.values),
        space.blocks,
        space.threads,
        space.shared_bytes(code.rows_bytes),
        decisions.operations(k),
        decisions.moved_bytes(k),
    )


def by_threads(kernel: Kernel) -> bool:
    """Whether a thread a point serves better than a team a point."""
    if any(a.segment for a in kernel.axes.values()):
        return True
    inner = max((math.prod(a.size for a in s.axes) for s in kernel.stages), default=1)
    inner *= math.prod(a.size for a in kernel.ordered)
    keeps = any(isinstance(s, Keep) and stage.axes for stage in kernel.stages for s in stage.body)
    if not kernel.free or keeps:
        return False
    points = math.prod(a.size for a in kernel.free)
    if inner <= SHORT:
        return True
    return decisions.column_axis(kernel) is not None and (points >= FEW or inner <= FEW)
