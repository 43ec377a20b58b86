"""Gives every value a place in memory.

What: inputs, outputs and constants live with the caller; everything else gets an offset in one
arena, reused when it is dead. A value is written over an operand that dies with its reading, where
the kernel reads every element before it writes it; a copy that is written over its operand is left
out.
Why here: last, when the order of works is fixed.
Before: a schedule. After: values that are live in the same wave share no bytes, except a value and
the operand it is written over (`check_overlap`).
Cost: n^2 in the values of the arena.
Source: greedy by size for offset calculation, Pisarchyk and Lee, Efficient memory management for
deep neural net inference, 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..emission import AnyWork
from ..errors import CompilerError
from ..ir import Value
from ..plan import Place, Plan, Schedule, constants, copies, may_share

ALIGNMENT = 64


@dataclass
class Life:
    """A block of the arena: its values, the first wave that writes, the last that reads."""

    values: list[Value]
    first: int
    last: int
    nbytes: int
    offset: int = 0

    def meets(self, other: Life) -> bool:
        return self.first <= other.last and other.first <= self.last


def buffers(schedule: Schedule, donated: tuple[tuple[int, int], ...] = ()) -> Plan:
    """The plan of `schedule`; `donated` pairs (input, output) share memory where that is safe."""
    graph = schedule.graph
    places = {v: Place("input", i) for i, v in enumerate(graph.inputs)}
    places |= {v: Place("constant", i) for i, v in enumerate(constants(graph))}
    places |= {v: Place("output", i) for i, v in enumerate(graph.outputs)}
    taken = {graph.outputs[k] for _, k in donated}
    lives, shared = blocks(schedule, places, taken)
    arena = assign(lives)
    for life in lives:
        places |= {v: Place("arena", 0, life.offset) for v in life.values}
    for _, work in schedule.works:  # what nobody writes has no elements
        places = {v: Place("arena") for v in work.reads} | places
    waves = range(len(schedule.waves))
    live = max((sum(b.nbytes for b in lives if b.first <= k <= b.last) for k in waves), default=0)
    safe = tuple(pair for pair in donated if may_donate(schedule, *pair))
    schedule = without_moot(schedule, places, safe)
    plan = Plan(schedule, places, arena, live, safe, shared)
    check_overlap(plan)
    return plan


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
            nbytes = -(-v.type.nbytes // ALIGNMENT) * ALIGNMENT
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


def assign(lives: list[Life]) -> int:
    """The bytes of the arena: largest block first, each at the lowest place free all its life."""
    placed: list[Life] = []
    for life in sorted(lives, key=lambda b: (-b.nbytes, b.first)):
        at = 0
        for other in sorted((b for b in placed if b.meets(life)), key=lambda b: b.offset):
            if at + life.nbytes <= other.offset:
                break
            at = max(at, other.offset + other.nbytes)
        life.offset = at
        placed.append(life)
    return max((b.offset + b.nbytes for b in placed), default=0)


def may_donate(schedule: Schedule, source: int, target: int) -> bool:
    """Whether output `target` may be written over input `source`."""
    graph = schedule.graph
    x, y = graph.inputs[source], graph.outputs[target]
    if x.type != y.type:
        return False
    writes = [(k, w) for k, w in schedule.works if y in w.written]
    reads = [(k, w) for k, w in schedule.works if x in w.reads]
    return all(rk < wk or (r is w and may_share(w, x, y)) for wk, w in writes for rk, r in reads)


def without_moot(
    schedule: Schedule, places: dict[Value, Place], donated: tuple[tuple[int, int], ...]
) -> Schedule:
    """The schedule without copies of what is there already."""
    same = {places[schedule.graph.inputs[i]]: Place("output", k) for i, k in donated}

    def place(v: Value) -> Place:
        return same.get(places[v], places[v])

    def moot(work: AnyWork) -> bool:
        return copies(work) and place(work.reads[0]) == place(work.written[0])

    waves = (tuple(w for w in wave if not moot(w)) for wave in schedule.waves)
    return Schedule(schedule.graph, tuple(wave for wave in waves if wave))


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
