"""Gives every value a place in memory.

What: inputs, outputs and constants live with the caller; everything else gets an offset in one
arena, reused when it is dead. A value is written over an operand that dies with its reading, where
the kernel reads every element before it writes it; a copy that is written over its operand is left
out. The operands of a concatenation along the first axis are written in their places of its result,
which is then there without a kernel, where that takes no more memory. Bodies of loops and branches
are planned first: what they need is one block, live while the loop runs; the carry of a loop is a
donated input.
Why here: last, when the order of works is fixed.
Before: a schedule. After: values that are live in the same wave share no bytes, except a value and
the operand it is written over; a piece is live as long as what it is in (`check_overlap`).
Cost: n^2 in the values of the arena.
Source: greedy by size for offset calculation, Pisarchyk and Lee, Efficient memory management for
deep neural net inference, 2020; here the best of several orders.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from ..fuse.emission import AnyWork, BodyWork
from ..ir.errors import CompilerError
from ..ir.graph import Value
from ..ir.types import ALIGNMENT, Type
from .plan import BodyMemory, Place, Plan, Schedule, aligned, constants


@dataclass
class Life:
    """A block of the arena: its values, the first wave that writes, the last that reads.

    `parts`: where values begin that are pieces of another. A `closed` block is written over by no
    other value: its pieces are read as long as the whole.
    """

    values: list[Value]
    first: int
    last: int
    nbytes: int
    offset: int = 0
    parts: dict[Value, int] = field(default_factory=dict)
    closed: bool = False

    def place(self, value: Value) -> Place:
        return Place("arena", 0, self.offset + self.parts.get(value, 0))


@dataclass
class Blocks:
    """Blocks of the arena, and the places of what is in outputs; `shared` are values that are
    written over others, `within` pieces and what they are written in."""

    lives: list[Life]
    places: dict[Value, Place]
    shared: dict[Value, Value]
    within: dict[Value, Value]
    live: tuple[int, ...]
    arena_bytes: int


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
    found = blocks(schedule, places, donated, joining=False)
    if any(len(w.pieces) > 1 for _, w in schedule.works):
        joined = blocks(schedule, places, donated, joining=True)
        found = joined if joined.arena_bytes <= found.arena_bytes else found
    places, live, shared = found.places, found.live, found.shared
    for life in found.lives:
        places |= {v: life.place(v) for v in life.values}
    for _, work in schedule.works:
        for v in work.reads:
            if v not in places and v.type.size:
                what = f"buffers: {work.name} reads {v}, which nobody writes"
                raise CompilerError(what, str(schedule))
            places.setdefault(v, Place("arena"))
    safe = tuple(pair for pair in donated if may_donate(schedule, *pair))
    idle, kept = moot(schedule, places, safe)
    waves = [tuple(w for w in wave if id(w) not in idle) for wave in schedule.waves]
    before = list(itertools.accumulate(map(bool, waves), initial=0))
    left_out = tuple((before[k], w) for k, w in schedule.works if id(w) in idle)
    schedule = replace(schedule, waves=tuple(wave for wave in waves if wave))
    live = tuple(n for n, wave in zip(live, waves, strict=True) if wave)
    arena, pieces_of = found.arena_bytes, found.within
    plan = Plan(schedule, places, arena, live, safe, shared, kept, pieces_of, left_out)
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
    schedule: Schedule,
    places: dict[Value, Place],
    donated: Sequence[tuple[int, int]],
    joining: bool,
) -> Blocks:
    """Blocks of the arena, with values written over dying operands in the operand's block.

    A block that is copied to an output where it dies is that output's memory from the start, and
    gets its place; an output that is `donated` an argument may hold that till then. With `joining`
    so are the blocks that make up a value, wherever that is.
    """
    first, last = uses(schedule)
    outputs, places = set(schedule.graph.outputs), dict(places)
    donors = {schedule.graph.outputs[o]: schedule.graph.inputs[i] for i, o in donated}
    found: dict[Value, Life] = {}
    shared: dict[Value, Value] = {}
    within: dict[Value, Value] = {}
    writers = Counter(v for _, w in schedule.works for v in w.written)
    for k, work in schedule.works:
        readers = [w for w in schedule.waves[k] if w is not work]
        parts = joinable(work, found, last, donors) if joining else ()
        if parts and writers[work.written[0]] == 1:
            join(work.written[0], parts, found, places, last)
            within |= {u: work.written[0] for u, _ in parts}
            continue
        for v in work.written:
            if v in places or v in found:
                u = work.reads[0] if len(work.pieces) == 1 else v
                if (
                    v in outputs - donors.keys()
                    and first[v] == k
                    and dying(u, found, last, k, readers)
                ):
                    join(v, ((u, 0),), found, places, last)
                    within |= {u: v} if writers[v] == 1 else {}  # else it ends as that begins
                continue
            nbytes = aligned(v.type.nbytes)
            for u in work.reads:
                dies = dying(u, found, last, k, readers)
                if dies and first[v] == k and work.may_overwrite(u, v):
                    found[u].values.append(v)
                    found[u].parts[v] = found[u].parts.get(u, 0)
                    found[u].last = last[v]
                    found[v], shared[v] = found[u], u
                    break
            else:
                found[v] = Life([v], first[v], last[v], nbytes)
    lives = list({id(b): b for b in found.values()}.values())
    live = live_bytes(lives, len(schedule.waves))
    return Blocks(lives, places, shared, within, live, assign(lives, max(live, default=0)))


def joinable(
    work: AnyWork,
    found: Mapping[Value, Life],
    last: Mapping[Value, int],
    donors: Mapping[Value, Value],
) -> tuple[tuple[Value, int], ...]:
    """The pieces of what the work puts together, if each can be written there.

    Each has a block to itself and begins at a cache line; an argument that is donated to the result
    is read no more when the first is written.
    """
    parts = work.pieces
    if len(parts) < 2 or not all(u in found and at % ALIGNMENT == 0 for u, at in parts):
        return ()
    lives = [found[u] for u, _ in parts]
    alone = len(set(map(id, lives))) == len(lives)
    own = all(b.values[-1] is u for b, (u, _) in zip(lives, parts, strict=True))
    given = donors.get(work.written[0])
    free = given is None or last.get(given, -1) < min(b.first for b in lives)
    return parts if alone and own and free else ()


def join(
    whole: Value,
    parts: Sequence[tuple[Value, int]],
    found: dict[Value, Life],
    places: dict[Value, Place],
    last: Mapping[Value, int],
) -> None:
    """Makes one block of those of the pieces, or gives them the places in an output."""
    if whole in places:
        for u, at in parts:
            life = found[u]
            for w in life.values:
                offset = places[whole].offset + at + life.parts.get(w, 0)
                places[w] = replace(places[whole], offset=offset)
                found.pop(w, None)
        return
    lives = [(found[u], at) for u, at in parts]
    offsets = {w: at + b.parts.get(w, 0) for b, at in lives for w in b.values}
    begin, end = min(b.first for b, _ in lives), max(b.last for b, _ in lives)
    life = Life([*offsets, whole], begin, max(end, last[whole]), aligned(whole.type.nbytes))
    life.parts, life.closed = offsets, end >= last[whole] or any(b.closed for b, _ in lives)
    found |= dict.fromkeys(life.values, life)


def dying(
    u: Value, found: dict[Value, Life], last: dict[Value, int], k: int, readers: list[AnyWork]
) -> bool:
    """Whether the work of wave `k` beside `readers` is the last that needs `u`, the value that its
    block holds."""
    block = found.get(u)
    ends = block and block.last == k == last[u] and block.values[-1] is u and not block.closed
    return bool(ends) and not any(u in w.reads for w in readers)


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
    return all(rk < wk or (r is w and w.may_overwrite(x, y)) for wk, w in writes for rk, r in reads)


def moot(
    schedule: Schedule, places: dict[Value, Place], donated: tuple[tuple[int, int], ...]
) -> tuple[set[int], frozenset[int]]:
    """The works, by identity, that would copy what is there already, and the outputs that count
    on it."""
    same = {places[schedule.graph.inputs[i]]: Place("output", k) for i, k in donated}
    kept: set[int] = set()

    def place(v: Value) -> Place:
        return same.get(places[v], places[v])

    left_out: set[int] = set()
    for _, work in schedule.works:
        whole = place(work.written[0]) if work.written else None
        if (
            whole
            and work.pieces
            and all(place(u) == replace(whole, offset=whole.offset + at) for u, at in work.pieces)
        ):
            left_out.add(id(work))
            if places[work.reads[0]] in same:
                kept.add(place(work.reads[0]).index)
    return left_out, frozenset(kept)


def check_overlap(plan: Plan) -> None:
    """Raises CompilerError if two values that are live in one wave share memory without leave."""
    first, last = uses(plan.schedule)
    last |= dict.fromkeys(plan.graph.outputs, len(plan.schedule.waves))
    for v in reversed(plan.within):  # what it is in may be a piece itself, and comes later
        last[v] = max(last[v], last.get(plan.within[v], 0))
    held = [v for v in first if plan.places[v].space in ("arena", "output") and v.type.nbytes]
    held.sort(key=lambda v: astuple(plan.places[v]))

    def over(u: Value, v: Value) -> bool:
        """Whether `u` is written over `v`, or over what that is a piece of."""
        whole, owner = plan.shared.get(u), v
        while whole is not None and owner is not whole and owner in plan.within:
            owner = plan.within[owner]
        return owner is whole and last[v] == first[u]

    for n, v in enumerate(held):
        place = plan.places[v]
        for u in held[n + 1 :]:
            other = plan.places[u]
            apart = other.offset >= place.offset + v.type.nbytes
            if apart or (other.space, other.index) != (place.space, place.index):
                break
            meet = first[v] <= last[u] and first[u] <= last[v]
            if meet and not over(u, v) and not over(v, u):
                raise CompilerError(
                    f"buffers: {v} and {u} share memory while both are live", str(plan)
                )
