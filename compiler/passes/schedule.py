"""Orders works in waves.

What: works in program order, those independent of each other gathered into waves of one barrier.
Why here: after fusion, whose works it moves; before buffers, whose lifetimes count waves.
Before: works of which each reads inputs, constants and what others write. After: every work stands in a later wave than all it
reads from. Cost: n * LOOKAHEAD.
"""

from __future__ import annotations

from ..ir import Value
from ..plan import AnyWork, Schedule
from .fuse import Fused

LOOKAHEAD = 8  # works looked at for a wave: farther ones would lengthen lifetimes


def schedule(fused: Fused) -> Schedule:
    """The works of `fused` in waves."""
    left = list(fused.works)
    pending: dict[Value, int] = {}
    for w in left:
        for v in w.written:
            pending[v] = pending.get(v, 0) + 1
    waves: list[tuple[AnyWork, ...]] = []
    while left:
        wave: list[AnyWork] = []
        blocked: set[Value] = set()
        for w in left[:LOOKAHEAD]:
            touched = (*w.reads, *w.written)
            first = not any(v in blocked for v in touched)
            ready = first and not any(pending.get(v) for v in w.reads if v not in w.written)
            if ready:
                wave.append(w)
            blocked.update(w.written)
        for w in wave:
            left.remove(w)
            for v in w.written:
                pending[v] -= 1
        waves.append(tuple(wave))
    return Schedule(fused.graph, tuple(waves))
