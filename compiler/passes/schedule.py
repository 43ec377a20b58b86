"""Orders works in waves.

What: works in program order, those independent of each other gathered into waves of one barrier;
a result that may take a donated argument's memory waits for the other readers of the argument.
Why here: after fusion, whose works it moves; before buffers, whose lifetimes count waves.
Before: works of which each reads inputs, constants and what others write. After: every work stands
in a later wave than all it reads from or waits for.
Cost: n * LOOKAHEAD, and n for each donated argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..emission import AnyWork
from ..ir import Value
from ..plan import Schedule
from .fuse import Fused

LOOKAHEAD = 8  # works looked at for a wave: farther ones would lengthen lifetimes


def schedule(fused: Fused, donated: Sequence[tuple[int, int]] = ()) -> Schedule:
    """The works of `fused` in waves.

    `donated` are pairs of an input and the output that may take its memory.
    """
    graph = fused.graph
    donors = {graph.outputs[o]: graph.inputs[i] for i, o in donated}
    left = list(fused.works)
    pending = Counter(v for w in left for v in w.written)
    waves: list[tuple[AnyWork, ...]] = []
    while left:
        wave = next_wave(left, pending, donors) or next_wave(left, pending, {})
        for w in wave:
            left.remove(w)
            pending.subtract(w.written)
        waves.append(wave)
    return Schedule(graph, tuple(waves))


def next_wave(
    left: Sequence[AnyWork], pending: Mapping[Value, int], donors: Mapping[Value, Value]
) -> tuple[AnyWork, ...]:
    """The works that can run now and at once; none if all wait for readers of donated arguments."""
    wave: list[AnyWork] = []
    earlier: set[Value] = set()  # written by works before this one that are not done
    for w in left[:LOOKAHEAD]:
        free = earlier.isdisjoint((*w.reads, *w.waits, *w.written))
        ready = free and not any(pending[v] for v in (*w.reads, *w.waits) if v not in w.written)
        given = {donors[v] for v in w.written if v in donors}
        read = any(x in other.reads for x in given for other in left if other is not w)
        if ready and not read:
            wave.append(w)
        earlier.update(w.written)
    return tuple(wave)
