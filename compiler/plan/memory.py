"""The memory of a plan: how much, when it is most, and which values hold it.

Bytes of one call in flight: the arena, results that are new memory (a donated argument is none),
and the scratch of every thread. Arguments and constants are there anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..ir.graph import Value
from ..ir.types import spelled_bytes
from .plan import Plan

SHOWN = 12  # values of a report


@dataclass(frozen=True)
class Held:
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


@dataclass(frozen=True)
class Memory:
    """`nbytes` in all; `peak` is the wave at which the most is live, `live` the bytes of each."""

    name: str
    arena_bytes: int
    output_bytes: int
    scratch_bytes: int
    live: tuple[int, ...]
    held: tuple[Held, ...]
    works: tuple[str, ...]  # names of what runs in each wave

    @property
    def nbytes(self) -> int:
        return self.arena_bytes + self.output_bytes + self.scratch_bytes

    @property
    def peak(self) -> int:
        return self.live.index(max(self.live)) if self.live else 0

    @classmethod
    def of(cls, plan: Plan, scratch_bytes: int = 0) -> Memory:
        """The memory of a plan whose threads have `scratch_bytes` together."""
        waves, names = plan.schedule.waves, plan.schedule.names
        last = {v: k for k, w in plan.schedule.works for v in (*w.reads, *w.written)}
        first: dict[Value, int] = {}
        for k, work in plan.schedule.works:
            for v in work.written:
                first.setdefault(v, k)
        for v in reversed(plan.within):  # a piece is there as long as what it is in
            last[v] = max(last[v], last.get(plan.within[v], 0))
        given = {o for _, o in plan.donated}
        held: list[Held] = []
        for v, k in first.items():
            place = plan.places[v]
            if place.space == "arena":
                held.append(Held(v, names[v], "arena", k, last[v]))
            elif place.space == "output" and place.index not in given:
                held.append(Held(v, names[v], "output", 0, len(waves) - 1))
        outputs = (o for k, o in enumerate(plan.graph.outputs) if k not in given)
        output_bytes = sum(o.type.nbytes for o in outputs)
        works = tuple(" ".join(w.name for w in wave) for wave in waves)
        live = tuple(output_bytes + scratch_bytes + n for n in plan.live)
        return cls(plan.graph.name, plan.arena_bytes, output_bytes, scratch_bytes, live,
                   tuple(held), works)  # fmt: skip

    def alive(self) -> list[Held]:
        """What is live at the peak, the largest first."""
        found = [h for h in self.held if h.first <= self.peak <= h.last]
        return sorted(found, key=lambda h: -h.value.type.nbytes)

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
