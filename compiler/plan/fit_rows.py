"""Computes again what a GPU has no room to keep.

What: kernel whose kept rows are more than fits in a block's shared memory → the same with as many
rows as fit; the values of the others are computed where they are read.
Order: after schedule, when kernels are what they will be; before buffers, which must know what
is read in which stage to write over it.
Before, after: a schedule; itself if all rows fit. Only for a GPU: a processor's rows are in memory.
Cost: n.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from ..fuse.waves import Schedule, in_bodies
from ..fuse.work import AnyWork, Work
from ..ir.types import ALIGNMENT
from ..kernel import NUMPY, Expr, Keep, Kernel, Leaf, Result, Stage, Statement, rebuilt
from ..kernel.stages import mapped


@in_bodies
def fit_rows(schedule: Schedule, most_bytes: int) -> Schedule:
    """The schedule with rows of at most `most_bytes` in every kernel."""

    def fitted(work: AnyWork) -> AnyWork:
        if not isinstance(work, Work) or not isinstance(work.kernel, Kernel):
            return work
        kernel = with_rows(work.kernel, most_bytes)
        return work if kernel is work.kernel else replace(work, kernel=kernel)

    waves = tuple(tuple(map(fitted, wave)) for wave in schedule.waves)
    pairs = zip(schedule.works, itertools.chain(*waves), strict=True)
    changed = any(new is not old for (_, old), new in pairs)
    return replace(schedule, waves=waves) if changed else schedule


def with_rows(kernel: Kernel, most_bytes: int) -> Kernel:
    """The kernel with the first rows that fit."""
    left, again = most_bytes, dict[str, Expr]()
    memo: dict[Expr, Expr] = {}

    def leaf(e: Leaf) -> Expr:
        return again.get(e.name, e) if isinstance(e, Result) else e

    def body(stage: Stage) -> list[Statement]:
        nonlocal left
        found: list[Statement] = []
        for s in stage.body:
            s = mapped(s, lambda e: rebuilt(e, leaf, memo))
            if isinstance(s, Keep) and stage.axes:
                nbytes = kept_row_bytes(stage, s)
                if nbytes > left:
                    again[s.name] = s.expr
                    continue
                left -= nbytes
            found.append(s)
        return found

    stages = [Stage(s.axes, tuple(body(s))) for s in kernel.stages]
    return replace(kernel, stages=tuple(s for s in stages if s.body)) if again else kernel


def kept_row_bytes(stage: Stage, s: Keep) -> int:
    nbytes = math.prod(a.size for a in stage.axes) * NUMPY[s.expr.dtype].itemsize
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
