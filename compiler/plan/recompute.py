"""Runs works again instead of keeping their results, so that a plan fits a budget of bytes.

What: a result that waits long for its next reader gives its memory back; before that reader the
same kernel runs again on the same operands. So no result changes by a bit, and no further kernel is
compiled. Which results wait is chosen by `rematerialise`; every candidate is planned, and
its real bytes count: arena, results that are new memory, scratch of every thread.
Order: after schedule, when works and what they keep are known; buffers follows.
Before: a schedule. After: a schedule of the same works, some of them repeated, whose plan is within
the budget; of all candidates that are, the fastest, so that time only grows as the budget shrinks.
Errors: OverBudget, which names the least possible budget, and what is held then.
Cost: seconds for 10^4 nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..fuse.waves import Schedule
from ..fuse.work import AnyWork, BodyWork, CalledWork, StartWork, Work
from ..ir.errors import OverBudget
from ..ir.graph import Node, Value
from ..ir.types import spelled_bytes
from .buffers import buffers
from .low_peak import in_order, low_peak
from .memory import Memory
from .plan import Plan, aligned
from .rematerialise import Tape, Unit, front
from .schedule import LOOKAHEAD, together

LOOKAHEADS = (LOOKAHEAD, 2, 1)
"""Works looked at for a wave: with fewer less is in memory, and less runs at the same time."""
LAST = 4  # choices of the least memory that are planned though their estimate is over the budget


def recompute(
    schedule: Schedule,
    budget: int,
    seconds: Callable[[AnyWork], float],
    scratch_bytes: int,
) -> Plan:
    """The plan of `schedule` that holds at most `budget` bytes.

    `seconds` estimates a work; `scratch_bytes` is that of all threads.
    """

    def planned(candidate: Schedule) -> tuple[Plan, Memory]:
        plan = buffers(candidate, frugal=True)
        return plan, Memory(plan, scratch_bytes)

    plan, memory = planned(schedule)
    if memory.nbytes <= budget:
        return plan
    inside = {
        w.node: w.memory.type.nbytes
        for _, w in plan.schedule.works
        if isinstance(w, BodyWork) and w.memory
    }
    steps = schedule_steps(schedule)
    tape = tape_of(schedule, steps, seconds, inside)
    order = low_peak(tape, waits_of(schedule, steps))
    steps, tape = [steps[u] for u in order], in_order(tape, order)
    choices = front(tape)
    enough = budget - memory.output_bytes - memory.scratch_bytes
    likely = [c for c in choices if c.nbytes <= enough]
    least: Memory | None = None
    for choice in (*likely, *(c for c in choices[-LAST:] if c.nbytes > enough)):
        alone = repeated_schedule(schedule, steps, tape.sequence(choice.dropped, choice.scopes))
        for ahead in LOOKAHEADS:
            plan, memory = planned(together(alone, ahead))
            if memory.nbytes <= budget:
                return plan
            if least is None or memory.nbytes < least.nbytes:
                least = memory
    assert least is not None  # there is always a choice
    raise OverBudget(
        least.nbytes,
        f"memory_budget: at least {least.nbytes} bytes are required, got {budget}; "
        f"of {spelled_bytes(max(least.live))} at the peak",
        "\n".join(least.lines(limit=6)),
    )


def repeated_schedule(
    schedule: Schedule, steps: Sequence[Step], sequence: Sequence[int]
) -> Schedule:
    """The steps one after the other; what a step makes again are new values."""
    newest: dict[Value, Value] = {}
    repeats = dict(schedule.repeats)
    waves: list[tuple[AnyWork, ...]] = []
    done: set[int] = set()
    for number in sequence:
        step = steps[number]
        if number in done:
            for v in {v: None for w in step for v in w.written}:
                copy = Value(v.type, v.node, v.index)
                repeats[copy], newest[v] = v, copy
        done.add(number)
        for work in step:
            values = tuple(newest.get(v, v) for v in work.values)
            waves.append((replace(work, values=values) if values != work.values else work,))
    return replace(schedule, waves=tuple(waves), repeats=repeats)


Step = tuple[AnyWork, ...]
"""Works that write the same values: they run together."""


def schedule_steps(schedule: Schedule) -> list[Step]:
    """The works in order, those that write a value together as one step at the last of them."""
    order = [w for _, w in schedule.works]
    writers: dict[Value, list[AnyWork]] = {}
    for w in order:
        for v in w.written:
            writers.setdefault(v, []).append(w)
    place = {id(w): k for k, w in enumerate(order)}
    head = {id(w): id(w) for w in order}

    def root(k: int) -> int:
        while head[k] != k:
            k = head[k]
        return k

    for several in writers.values():
        for w in several[1:]:
            head[root(id(w))] = root(id(several[0]))
    found: dict[int, list[AnyWork]] = {}
    for w in order:
        found.setdefault(root(id(w)), []).append(w)
    return sorted((tuple(ws) for ws in found.values()), key=lambda ws: place[id(ws[-1])])


def waits_of(schedule: Schedule, steps: Sequence[Step]) -> list[tuple[int, int]]:
    """Pairs of steps of which one waits for the other beside what it reads.

    For values that it is ordered after, for a reader of the argument that it writes over, or, of
    transfers, for the one that begins before it.
    """
    graph = schedule.graph
    writers = {v: u for u, step in enumerate(steps) for w in step for v in w.written}
    given = {graph.inputs[i]: writers.get(graph.outputs[o], -1) for i, o in schedule.donated}
    pairs: list[tuple[int, int]] = []
    for u, step in enumerate(steps):
        for w in step:
            pairs += [(writers[v], u) for v in w.waits if v in writers]
            pairs += [(u, given[v]) for v in w.reads if v in given]
    begins = [u for u, step in enumerate(steps) if any(isinstance(w, StartWork) for w in step)]
    return [(a, b) for a, b in (*pairs, *itertools.pairwise(begins)) if a < b]


def tape_of(
    schedule: Schedule,
    steps: Sequence[Step],
    seconds: Callable[[AnyWork], float],
    inside: Mapping[Node, int],
) -> Tape:
    """The steps as numbers; `inside` are the bytes that a loop or branch needs while it runs."""
    number: dict[Value, int] = {}
    for step in steps:
        for w in step:
            for v in w.written:
                number.setdefault(v, len(number))
    nbytes = {k: aligned(v.type.nbytes) for v, k in number.items()}
    outputs = set(schedule.graph.outputs)

    def working(w: AnyWork) -> list[int]:
        """A value that stands for what a loop or branch needs."""
        if not isinstance(w, BodyWork) or w.node not in inside:
            return []
        nbytes[len(nbytes)] = inside[w.node]
        return [len(nbytes) - 1]

    def unit(step: Step) -> Unit:
        writes = {v: None for w in step for v in w.written}
        reads = {v: None for w in step for v in w.reads if v in number and v not in writes}
        over = tuple(
            (number[x], number[y])
            for w in step
            if isinstance(w, Work) and len(step) == 1
            for y in w.written
            if y not in outputs
            for x in w.reads
            if x in reads and x not in outputs and w.may_overwrite(x, y)
        )
        repeatable = all(map(pure, step))
        spent = sum(map(seconds, step))
        made = (*map(number.__getitem__, writes), *(k for w in step for k in working(w)))
        return Unit(tuple(map(number.__getitem__, reads)), made, spent, over, repeatable)

    elsewhere = frozenset(number[v] for v in outputs if v in number)
    return Tape(tuple(map(unit, steps)), nbytes, elsewhere)


def pure(work: AnyWork) -> bool:
    """Whether the work may run again; what the host does may have effects, and
    what processes give each other all of them do."""
    if isinstance(work, BodyWork):
        return all(map(pure, work.inside()))
    return not isinstance(work, CalledWork)
