"""Works in waves: what fusing gives, one work a wave, and what the passes of a plan gather."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Concatenate, ParamSpec

from ..ir.graph import Graph, Value
from ..ir.printing import value_names
from .saved import Change
from .work import AnyWork, B, BodyWork

P = ParamSpec("P")
Pairs = tuple[tuple[int, int], ...]
"""Inputs of a graph, each with an output that may take its memory."""


@dataclass(frozen=True)
class Schedule:
    """Works in waves: those of one wave are independent, a barrier stands between waves.

    `donated` may share memory where that is safe: arguments and results, or of the body of a loop
    a carry and the next. `repeats` are values that are made once more, and the values that they
    are. `saved` is what kernels compute again rather than read.
    """

    graph: Graph
    waves: tuple[tuple[AnyWork, ...], ...]
    donated: Pairs = ()
    repeats: Mapping[Value, Value] = field(default_factory=dict)
    saved: tuple[Change, ...] = ()

    @property
    def works(self) -> Iterator[tuple[int, AnyWork]]:
        """Every work with the number of its wave, in order."""
        for k, wave in enumerate(self.waves):
            for work in wave:
                yield k, work

    @property
    def names(self) -> dict[Value, str]:
        """Names of all values: the graph's own, p0, p1... for partial results, a' for a again."""
        names = dict(value_names(self.graph))
        for _, work in self.works:
            for v in (*work.reads, *work.written):
                if v in self.repeats:
                    names.setdefault(v, f"{names[self.repeats[v]]}'")
                names.setdefault(v, f"p{len(names)}")
        return names

    def uses(self) -> tuple[dict[Value, int], dict[Value, int]]:
        """The first wave that writes a value, and the last that touches it."""
        first: dict[Value, int] = {}
        last: dict[Value, int] = {}
        for k, work in self.works:
            for v in work.written:
                first.setdefault(v, k)
            last |= dict.fromkeys((*work.reads, *work.written), k)
        return first, last

    @property
    def kernels(self) -> str:
        """The works in full, and what was saved."""
        parts = [str(work) for _, work in self.works]
        if self.saved:
            names = dict(value_names(self.graph))
            parts.append("\n    ".join(["saved:", *(c.line(names) for c in self.saved)]))
        return "\n\n".join(parts)

    def __str__(self) -> str:
        names = self.names
        count = f"{sum(map(len, self.waves))} works in {len(self.waves)} waves"
        lines = [f"schedule {self.graph.name}: {count}"]
        for k, work in self.works:
            written = ", ".join(f"{names[v]}: {v.type}" for v in work.written)
            reads = ", ".join(names[v] for v in work.reads)
            waits = f" after {', '.join(names[v] for v in work.waits)}" if work.waits else ""
            lines.append(f"    wave {k}: {written} = {work.name}({reads}){waits}")
            if isinstance(work, BodyWork):
                lines += [textwrap.indent(str(body), "        ") for body in work.bodies]
        return "\n".join(lines)


def in_bodies(
    step: Callable[Concatenate[Schedule, P], B],
) -> Callable[Concatenate[Schedule, P], B]:
    """The pass `step` of a schedule, after the same of every body of its works.

    Bodies that were one stay one, and works whose bodies stay are the same works.
    """

    @functools.wraps(step)
    def whole(schedule: Schedule, *args: P.args, **options: P.kwargs) -> B:
        known: dict[int, B] = {}

        def inside(body: Schedule) -> B:
            if id(body) not in known:
                known[id(body)] = run(body)
            return known[id(body)]

        def changed(work: AnyWork) -> AnyWork:
            if not isinstance(work, BodyWork):
                return work
            bodies = tuple(map(inside, work.bodies))
            same = all(new is old for new, old in zip(bodies, work.bodies, strict=True))
            return work if same else replace(work, bodies=bodies)

        def run(schedule: Schedule) -> B:
            if any(isinstance(work, BodyWork) for _, work in schedule.works):
                waves = tuple(tuple(map(changed, wave)) for wave in schedule.waves)
                if any(new is not old for a, b in zip(waves, schedule.waves, strict=True)
                       for new, old in zip(a, b, strict=True)):  # fmt: skip
                    schedule = replace(schedule, waves=waves)
            return step(schedule, *args, **options)

        return run(schedule)

    return whole
