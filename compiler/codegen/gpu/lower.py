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

from ...kernel.expr import Axis
from ...kernel.normalise import contiguous, merged_axes, normalise
from ...kernel.stages import Keep, Kernel, Stage, Store
from .. import decisions
from ..fma import with_fma
from ..loops import Loops
from ..lowered import LoweredLaunch
from ..slots import Parameters
from ..target import GpuTarget
from ..tiles import crossing
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
