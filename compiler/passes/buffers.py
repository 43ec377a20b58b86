"""Gives every value a place in memory.

What: inputs, outputs and constants live with the caller; everything else gets an offset in one
arena, reused when it is dead. A value is written over an operand that dies with its reading, where
the kernel reads every element before it writes it; a copy that is written over its operand is left
out. Bodies of loops and branches are planned first: what they need is one block, live while the
loop runs; the carry of a loop is a donated input.
Why here: last, when the order of works is fixed.
Before: a schedule. After: values that are live in the same wave share no bytes, except a value and
the operand it is written over (`check_overlap`).
Cost: n^2 in the values of the arena.
Source: greedy by size for offset calculation, Pisarchyk and Lee, Efficient memory management for
deep neural net inference, 2020; here the best of several orders.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..emission import AnyWork, BodyWork
from ..errors import CompilerError
from ..ir import Value
from ..plan import BodyMemory, Place, Plan, Schedule, aligned, constants, copies, may_share
from ..types import Type


@dataclass
class Life:
    """A block of the arena: its values, the first wave that writes, the last that reads."""

    values: list[Value]
    first: int
    last: int
    nbytes: int
    offset: int = 0


def buffers(schedule: Schedule, donated: tuple[tuple[int, int], ...] = ()) -> Plan:
    """The plan of `schedule`; `donated` pairs (input, output) share memory where that is safe."""
    return planned(schedule, donated, {})


def planned(
    schedule: Schedule, donated: tuple[tuple[int, int], ...], known: dict[Any, Plan]
) -> Plan:
    """The same, with what is `known` of the plans of bodies."""
    schedule = replace(
        schedule,
        waves=tuple(
            tuple(within(w, known) if isinstance(w, BodyWork) else w for w in wave)
            for wave in schedule.waves
        ),
    )
    graph = schedule.graph
    places = {v: Place("input", i) for i, v in enumerate(graph.inputs)}
    places |= {v: Place("constant", i) for i, v in enumerate(constants(graph))}
    places |= {v: Place("output", i) for i, v in enumerate(graph.outputs)}
    taken = {graph.outputs[k] for _, k in donated}
    lives, shared = blocks(schedule, places, taken)
    live = live_bytes(lives, len(schedule.waves))
    arena = assign(lives, max(live, default=0))
    for life in lives:
        places |= {v: Place("arena", 0, life.offset) for v in life.values}
    for _, work in schedule.works:  # what nobody writes has no elements
        places = {v: Place("arena") for v in work.reads} | places
    safe = tuple(pair for pair in donated if may_donate(schedule, *pair))
    left_out = moot(schedule, places, safe)
    waves = [tuple(w for w in wave if id(w) not in left_out) for wave in schedule.waves]
    schedule = replace(schedule, waves=tuple(wave for wave in waves if wave))
    live = tuple(n for n, wave in zip(live, waves, strict=True) if wave)
    plan = Plan(schedule, places, arena, live, safe, shared)
    check_overlap(plan)
    return plan


def within(work: BodyWork, known: dict[Any, Plan]) -> BodyWork:
    """The work with plans of its bodies, and the memory that they need."""
    bodies: list[Plan] = []
    schedules = (b.schedule if isinstance(b, Plan) else b for b in work.bodies)
    for body, carried in zip(schedules, work.op.carried, strict=True):
        if id(body) not in known:
            known[id(body)] = planned(body, carried, known)
        bodies.append(known[id(body)])
    work = replace(work, bodies=tuple(bodies))
    nbytes = BodyMemory.of(work).nbytes
    return replace(work, memory=Value(Type("u8", (nbytes,))) if nbytes else None)


def uses(schedule: Schedule) -> tuple[dict[Value, int], dict[Value, int]]:
    """The first wave that writes a value, and the last that touches it."""
    first: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for k, work in schedule.works:
        for v in work.written:
            first.setdefault(v, k)
        for v in (*work.reads, *work.written):
            last[v] = k
    return first, last


def blocks(
    schedule: Schedule, places: dict[Value, Place], taken: set[Value]
) -> tuple[list[Life], dict[Value, Value]]:
    """Blocks of the arena, with values written over dying operands in the operand's block.

    A block that is copied to an output where it dies is that output's memory from the start, and
    gets its place; outputs that are `taken` may hold an argument till then.
    """
    first, last = uses(schedule)
    outputs = set(schedule.graph.outputs)
    found: dict[Value, Life] = {}
    shared: dict[Value, Value] = {}
    for k, work in schedule.works:
        readers = [w for w in schedule.waves[k] if w is not work]
        for v in work.written:
            if v in places or v in found:
                u = work.reads[0] if copies(work) else v
                if v in outputs - taken and first[v] == k and dying(u, found, last, k, readers):
                    places |= dict.fromkeys(found[u].values, places[v])
                    for w in found.pop(u).values:
                        found.pop(w, None)
                continue
            nbytes = aligned(v.type.nbytes)
            for u in work.reads:
                dies = dying(u, found, last, k, readers)
                if dies and first[v] == k and may_share(work, u, v):
                    found[u].values.append(v)
                    found[u].last = last[v]
                    found[v], shared[v] = found[u], u
                    break
            else:
                found[v] = Life([v], first[v], last[v], nbytes)
    return list({id(b): b for b in found.values()}.values()), shared


def dying(
    u: Value, found: dict[Value, Life], last: dict[Value, int], k: int, readers: list[AnyWork]
) -> bool:
    """Whether the work of wave `k` beside `readers` is the last that needs `u`, the value that its
    block holds."""
    ends = u in found and found[u].last == k == last[u] and found[u].values[-1] is u
    return ends and not any(u in w.reads for w in readers)


def live_bytes(lives: Sequence[Life], waves: int) -> tuple[int, ...]:
    """Bytes of the blocks that each wave needs."""
    change = [0] * (waves + 1)
    for b in lives:
        change[b.first] += b.nbytes
        change[b.last + 1] -= b.nbytes
    return tuple(itertools.accumulate(change[:-1]))


ORDERS: tuple[Callable[[Life], Any], ...] = (
    lambda b: (-b.nbytes, b.first),
    lambda b: (b.first - b.last, -b.nbytes),
    lambda b: (b.first, -b.nbytes),
    lambda b: (b.nbytes * (b.first - b.last - 1), b.first),
)
"""Which blocks are placed first: large ones, long-lived ones, early ones, large times long."""


def assign(lives: Sequence[Life], least: int) -> int:
    """The bytes of the arena, at least `least`: the best of the orders."""
    best, offsets = -1, []
    for order in ORDERS:
        ordered = sorted(lives, key=order)
        found = placed(ordered)
        if best < 0 or found < best:
            best, offsets = found, [(b, b.offset) for b in ordered]
        if best <= least:
            break
    for life, offset in offsets:
        life.offset = offset
    return best


def placed(lives: Sequence[Life]) -> int:
    """The bytes that they take, each at the lowest place that is free all its life."""
    there: list[Life] = []  # by offset
    for life in lives:
        at = 0
        for other in there:
            if at + life.nbytes <= other.offset:
                break
            if other.first <= life.last and life.first <= other.last:
                at = max(at, other.offset + other.nbytes)
        life.offset = at
        bisect.insort(there, life, key=lambda b: b.offset)
    return max((b.offset + b.nbytes for b in there), default=0)


def may_donate(schedule: Schedule, source: int, target: int) -> bool:
    """Whether output `target` may be written over input `source`."""
    graph = schedule.graph
    x, y = graph.inputs[source], graph.outputs[target]
    if x.type != y.type:
        return False
    writes = [(k, w) for k, w in schedule.works if y in w.written]
    reads = [(k, w) for k, w in schedule.works if x in w.reads]
    return all(rk < wk or (r is w and may_share(w, x, y)) for wk, w in writes for rk, r in reads)


def moot(
    schedule: Schedule, places: dict[Value, Place], donated: tuple[tuple[int, int], ...]
) -> set[int]:
    """The works, by identity, that would copy what is there already."""
    same = {places[schedule.graph.inputs[i]]: Place("output", k) for i, k in donated}

    def place(v: Value) -> Place:
        return same.get(places[v], places[v])

    return {
        id(work)
        for _, work in schedule.works
        if copies(work) and place(work.reads[0]) == place(work.written[0])
    }


def check_overlap(plan: Plan) -> None:
    """Raises CompilerError if two values that are live in one wave share memory without leave."""
    first, last = uses(plan.schedule)
    held = [v for v in first if plan.places[v].space == "arena" and v.type.nbytes]
    held.sort(key=lambda v: plan.places[v].offset)
    for n, v in enumerate(held):
        end = plan.places[v].offset + v.type.nbytes
        for u in held[n + 1 :]:
            if plan.places[u].offset >= end:
                break
            meet = first[v] <= last[u] and first[u] <= last[v]
            leave = (plan.shared.get(u) is v and last[v] == first[u]) or (
                plan.shared.get(v) is u and last[u] == first[v]
            )
            if meet and not leave:
                raise CompilerError(
                    f"buffers: {v} and {u} share memory while both are live", str(plan)
                )
