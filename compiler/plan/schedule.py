"""Orders works in waves.

What: works in program order, those independent of each other gathered into waves of one barrier;
a result that may take a donated argument's memory waits for the other readers of the argument. In
the body of a loop a carry is a donated argument.
Order: after fusion, whose works it moves; before buffers, whose lifetimes count waves.
Before: works of which each reads inputs, constants and what others write. After: every work stands
in a later wave than all it reads from or waits for.
Cost: n * LOOKAHEAD, and n for each donated argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..fuse.waves import Pairs, Schedule, in_bodies
from ..fuse.work import AnyWork
from ..ir.graph import Graph, Value

LOOKAHEAD = 8  # works looked at for a wave: farther ones would lengthen lifetimes


@in_bodies
def schedule(fused: Schedule) -> Schedule:
    """The works of `fused` in waves."""
    return together(fused)


def together(works: Schedule, lookahead: int = LOOKAHEAD) -> Schedule:
    """The same works in waves, of `lookahead` works at most; those of bodies stay as they are."""
    graph, every = works.graph, [w for _, w in works.works]
    return replace(works, waves=waves_of(graph, every, works.donated, lookahead))


def waves_of(
    graph: Graph,
    works: Sequence[AnyWork],
    donated: Pairs,
    lookahead: int,
) -> tuple[tuple[AnyWork, ...], ...]:
    donors = {graph.outputs[o]: graph.inputs[i] for i, o in donated}
    left = list(works)
    pending = Counter(v for w in left for v in w.written)
    waves: list[tuple[AnyWork, ...]] = []
    while left:
        wave = next_wave(left[:lookahead], left, pending, donors) or (
            next_wave(left[:lookahead], left, pending, {})
        )
        for w in wave:
            left.remove(w)
            pending.subtract(w.written)
        waves.append(wave)
    return tuple(waves)


def next_wave(
    near: Sequence[AnyWork],
    left: Sequence[AnyWork],
    pending: Mapping[Value, int],
    donors: Mapping[Value, Value],
) -> tuple[AnyWork, ...]:
    """The works of `near`, which are the first `left`, that can run now and at once.

    None if all wait for readers of donated arguments.
    """
    wave: list[AnyWork] = []
    earlier: set[Value] = set()  # written by works before this one that are not done
    for w in near:
        free = earlier.isdisjoint((*w.reads, *w.waits, *w.written))
        ready = free and not any(pending[v] for v in (*w.reads, *w.waits) if v not in w.written)
        overwritten = {donors[v] for v in w.written if v in donors}
        read = any(x in other.reads for x in overwritten for other in left if other is not w)
        if ready and not read:
            wave.append(w)
        earlier.update(w.written)
    return tuple(wave)
