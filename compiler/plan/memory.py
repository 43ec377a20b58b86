"""The memory of a plan: how much, when it is most, and which values hold it.

Bytes of one call in flight: the arena, results that are new memory (a donated argument is none),
and the scratch of every thread. Arguments and constants are there anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..ir.graph import Value
from ..ir.lazy import lazy
from ..ir.types import spelled_bytes
from .plan import Plan

SHOWN = 12  # values of a report


@dataclass(frozen=True)
class LiveValue:
    """A value that is in memory: from which wave to which, and what holds it."""

    value: Value
    name: str
    space: str  # "arena" or "output"
    first: int
    last: int

    @property
    def line(self) -> str:
        source = self.value.node.source if self.value.node else None
        return f"{self.name}: {self.value.type}{f'  # {source}' if source else ''}"


@dataclass(frozen=True, eq=False)
class Memory:
    """A report of a plan whose threads have `scratch_bytes` together."""

    plan: Plan
    scratch_bytes: int = 0

    @property
    def name(self) -> str:
        return self.plan.graph.name

    @property
    def arena_bytes(self) -> int:
        return self.plan.arena_bytes

    @property
    def results(self) -> dict[int, Value]:
        """The outputs that are new memory, by number."""
        donated = {o for _, o in self.plan.donated}
        return {k: o for k, o in enumerate(self.plan.graph.outputs) if k not in donated}

    @property
    def output_bytes(self) -> int:
        return sum(o.type.nbytes for o in self.results.values())

    @property
    def nbytes(self) -> int:
        return self.arena_bytes + self.output_bytes + self.scratch_bytes

    @lazy
    def live(self) -> tuple[int, ...]:
        """The bytes of each wave."""
        always = self.output_bytes + self.scratch_bytes
        return tuple(always + n for n in self.plan.live)

    @property
    def peak(self) -> int:
        """The wave at which the most is live."""
        return self.live.index(max(self.live)) if self.live else 0

    @property
    def works(self) -> tuple[str, ...]:
        """Names of what runs in each wave."""
        return tuple(" ".join(w.name for w in wave) for wave in self.plan.schedule.waves)

    @lazy
    def held(self) -> tuple[LiveValue, ...]:
        """The values in memory that is not there anyway."""
        names, (first, last) = self.plan.schedule.names, self.plan.uses()
        end, results = len(self.plan.schedule.waves) - 1, self.results
        held: list[LiveValue] = []
        for v, k in first.items():
            place = self.plan.places[v]
            if place.space == "arena":
                held.append(LiveValue(v, names[v], "arena", k, last[v]))
            elif place.space == "output" and place.index in results:
                held.append(LiveValue(v, names[v], "output", 0, end))
        return tuple(held)

    def alive(self) -> list[LiveValue]:
        """What is live at the peak, the largest first."""
        peak = self.peak
        alive = [h for h in self.held if h.first <= peak <= h.last]
        return sorted(alive, key=lambda h: -h.value.type.nbytes)

    def lines(self, limit: int = SHOWN) -> Iterator[str]:
        """The values at the peak."""
        alive = self.alive()
        for h in alive[:limit]:
            yield f"{spelled_bytes(h.value.type.nbytes):>10}  {h.space:6}  {h.line}"
        if len(alive) > limit:
            rest = sum(h.value.type.nbytes for h in alive[limit:])
            yield f"{spelled_bytes(rest):>10}  in {len(alive) - limit} more"

    def __str__(self) -> str:
        parts = (
            f"arena {spelled_bytes(self.arena_bytes)}, "
            f"results {spelled_bytes(self.output_bytes)}, "
            f"scratch {spelled_bytes(self.scratch_bytes)}"
        )
        head = [f"memory of {self.name}: {spelled_bytes(self.nbytes)} a call: {parts}"]
        if self.live:
            at = f"wave {self.peak} of {len(self.live)}, {self.works[self.peak]}"
            head.append(f"most is live at {at}: {spelled_bytes(max(self.live))}")
        return "\n".join([*head, *self.lines()])
