"""An order of the units of a tape that keeps little in memory.

Three orders are weighed, and the best is taken, the given one where none is better: as given; at
every moment the unit that leaves the least in memory; and depth first from the last reader, where
of several operands the one comes first whose making needs the most beyond what it leaves, which is
the best there is for trees.

Cost: n log n and the operands, times the units that are ready.
Source: Sethi and Ullman, The generation of optimal code for arithmetic expressions, 1970; Liu, An
application of generalized tree pebbling, 1987.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .rematerialise import Tape

Edges = Sequence[tuple[int, int]]
"""Pairs of a unit and one that must come after it, beside those that read what it writes."""


def low_peak(tape: Tape, edges: Edges = ()) -> list[int]:
    """The units in an order that is no worse than the given one."""
    given = list(range(len(tape.units)))
    orders = (given, least_first(tape, edges), depth_first(tape, edges))
    return min(orders, key=lambda order: peak(tape, order))


def peak(tape: Tape, order: Sequence[int]) -> int:
    """The most bytes that are held in this order."""
    return max(tape.live(order), default=0)


def in_order(tape: Tape, order: Sequence[int]) -> Tape:
    """The tape with its units in another order."""
    return replace(tape, units=tuple(tape.units[u] for u in order))


def sources(tape: Tape, edges: Edges) -> list[set[int]]:
    """The units that each one waits for."""
    found = [{tape.makers[v] for v in unit.reads if v in tape.makers} for unit in tape.units]
    for before, after in edges:
        found[after].add(before)
    return found


def least_first(tape: Tape, edges: Edges) -> list[int]:
    """At every moment the ready unit that leaves the least in memory; of equals the first."""
    waiting = sources(tape, edges)
    users: list[list[int]] = [[] for _ in tape.units]
    for u, before in enumerate(waiting):
        for b in before:
            users[b].append(u)
    readers: dict[int, int] = {}
    for unit in tape.units:
        for v in unit.reads:
            readers[v] = readers.get(v, 0) + 1

    def left(u: int) -> tuple[int, int]:
        unit = tape.units[u]
        more = sum(tape.nbytes[v] for v in unit.writes if readers.get(v) and held(v))
        return more - sum(tape.nbytes[v] for v in unit.reads if readers[v] == 1 and held(v)), u

    def held(v: int) -> bool:
        return v not in tape.elsewhere

    ready = [u for u, before in enumerate(waiting) if not before]
    out: list[int] = []
    while ready:
        u = min(ready, key=left)
        ready.remove(u)
        out.append(u)
        for v in tape.units[u].reads:
            readers[v] -= 1
        for user in users[u]:
            waiting[user].discard(u)
            if not waiting[user]:
                ready.append(user)
    return out


def depth_first(tape: Tape, edges: Edges) -> list[int]:
    """From every last reader back to what it needs, the most needy operand first."""
    before = sources(tape, edges)
    result = [sum(tape.nbytes[v] for v in unit.writes) for unit in tape.units]
    need: list[int] = []
    for u, found in enumerate(before):
        kept, most = 0, 0
        for b in sorted(found, key=lambda b: need[b] - result[b], reverse=True):
            most, kept = max(most, kept + need[b]), kept + result[b]
        need.append(max(most, kept + result[u]))
    read = set().union(*before) if before else set()
    out: list[int] = []
    seen: set[int] = set()
    for end in (u for u in range(len(tape.units)) if u not in read):
        stack = [end]
        while stack:
            u = stack[-1]
            left = [b for b in before[u] if b not in seen]
            if u in seen or not left:
                stack.pop()
                if u not in seen:
                    seen.add(u)
                    out.append(u)
            else:
                stack.append(max(left, key=lambda b: (need[b] - result[b], -b)))
    return out
