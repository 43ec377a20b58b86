"""Orders works in waves.

What: works in program order, those independent of each other gathered into waves of one barrier;
a result that may take a donated argument's memory waits for the other readers of the argument, and
a copy of which a part is updated for those of what it copies: then it is no copy. In the body of a
loop a carry is a donated argument. A wave ends with what makes the operand of a transfer between
processes, which begins first in the next one, after those before it; nothing waits for one as long
as there is work.
Order: after fusion, whose works it moves; before buffers, whose lifetimes count waves.
Before: works of which each reads inputs, constants and what others write. After: every work stands
in a later wave than all it reads from or waits for.
Cost: n * LOOKAHEAD.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from ..fuse.waves import Pairs, Schedule, in_bodies
from ..fuse.work import AnyWork, StartWork, WaitWork
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
    pending = Counter(v for w in works for v in w.written)
    donors = {graph.outputs[o]: {graph.inputs[i]} for i, o in donated}
    for w in works:
        for u, at in w.pieces[:1] if len(w.pieces) == 1 else ():
            if not at and pending[u] and pending[w.written[0]] > 1:
                donors.setdefault(w.written[0], set()).add(u)
    sent = {v for w in works if isinstance(w, StartWork) for v in w.reads}
    given = {x for found in donors.values() for x in found}
    readers = Counter(v for w in works for v in given.intersection(w.reads))
    left = iter(works)
    near: list[AnyWork] = []  # the first of those that are left
    waves: list[tuple[AnyWork, ...]] = []
    while True:
        near += itertools.islice(left, lookahead - len(near))
        if not near:
            return tuple(waves)
        wave = next_wave(near, readers, pending, donors, sent)
        hasty = (next_wave(near, readers, pending, donors, sent, w) for w in near)
        wave = wave or next(filter(None, hasty))
        for w in wave:
            pending.subtract(w.written)
            readers.subtract(given.intersection(w.reads))
        done = set(map(id, wave))
        near = [w for w in near if id(w) not in done]
        waves.append(wave)


def next_wave(
    near: Sequence[AnyWork],
    readers: Mapping[Value, int],
    pending: Mapping[Value, int],
    donors: Mapping[Value, Set[Value]],
    sent: Set[Value],
    hasty: AnyWork | None = None,
) -> tuple[AnyWork, ...]:
    """The works of `near` that can run now and at once.

    Of what is not done `pending` counts writers, and `readers` those of what is to be written over.
    None if all wait for these; a `hasty` work does not. What is `sent` comes before what is not.
    """
    wave: list[AnyWork] = []
    begun = True  # all transfers before this work have
    earlier: set[Value] = set()  # written by works before this one that are not done
    for w in near:
        free = earlier.isdisjoint((*w.reads, *w.waits, *w.written))
        ready = free and not any(pending[v] for v in (*w.reads, *w.waits) if v not in w.written)
        overwritten = {x for v in w.written for x in donors.get(v, ())}
        read = w is not hasty and any(readers[x] > (x in w.reads) for x in overwritten)
        if ready and not read and (begun or not isinstance(w, StartWork)):
            wave.append(w)
        elif isinstance(w, StartWork) or not sent.isdisjoint(w.written):
            if wave:
                break
            begun = False
        earlier.update(w.written)
    if any(isinstance(w, StartWork | WaitWork) for w in wave):
        return around_transfers(wave)
    return tuple(wave)


def around_transfers(wave: Sequence[AnyWork]) -> tuple[AnyWork, ...]:
    """The works of a wave, transfers that begin first; none waits while there is something to do.
    Where there is not, it waits for one transfer."""
    begins = [w for w in wave if isinstance(w, StartWork)]
    busy = [w for w in wave if not isinstance(w, StartWork | WaitWork)]
    return (*begins, *busy) or tuple(wave[:1])
