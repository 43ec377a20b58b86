"""Computes again what a GPU has no room to keep.

What: kernel whose kept rows are more than fits in a block's shared memory → the same with as many
rows as fit; the values of the others are computed where they are read.
Why here: after schedule, when kernels are what they will be; before buffers, which must know what
is read in which stage to write over it.
Before, after: a schedule; itself if all rows fit. Only for a GPU: a processor's rows are in memory.
Cost: n.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ..fuse.emission import AnyWork, BodyWork, Work
from ..ir.types import ALIGNMENT
from ..kernel import NUMPY, Expr, Keep, Kernel, Leaf, Result, Stage, Statement, rebuilt
from ..kernel.stages import mapped
from .plan import Schedule


def fit_rows(schedule: Schedule, most_bytes: int) -> Schedule:
    """The schedule with rows of at most `most_bytes` in every kernel."""
    return fitted(schedule, most_bytes, {})


def fitted(schedule: Schedule, most_bytes: int, known: dict[int, Schedule]) -> Schedule:
    """The same; bodies that were one stay one, by `known`."""

    def work(w: AnyWork) -> AnyWork:
        if isinstance(w, BodyWork):
            bodies = tuple(fitted(body, most_bytes, known) for body in w.bodies)
            same = all(a is b for a, b in zip(bodies, w.bodies, strict=True))
            return w if same else replace(w, bodies=bodies)
        if not isinstance(w, Work) or not isinstance(w.kernel, Kernel):
            return w
        kernel = within(w.kernel, most_bytes)
        return w if kernel is w.kernel else replace(w, kernel=kernel)

    if id(schedule) not in known:
        waves = tuple(tuple(map(work, wave)) for wave in schedule.waves)
        pairs = zip(waves, schedule.waves, strict=True)
        same = all(a is b for new, old in pairs for a, b in zip(new, old, strict=True))
        known[id(schedule)] = schedule if same else replace(schedule, waves=waves)
    return known[id(schedule)]


def within(kernel: Kernel, most_bytes: int) -> Kernel:
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
                nbytes = row_bytes(stage, s)
                if nbytes > left:
                    again[s.name] = s.expr
                    continue
                left -= nbytes
            found.append(s)
        return found

    stages = [Stage(s.axes, tuple(body(s))) for s in kernel.stages]
    return replace(kernel, stages=tuple(s for s in stages if s.body)) if again else kernel


def row_bytes(stage: Stage, s: Keep) -> int:
    nbytes = math.prod(a.size for a in stage.axes) * NUMPY[s.expr.dtype].itemsize
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
