"""What the last passes make of a graph: works in waves, and a place for every value they touch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..fuse.emission import AnyWork, BodyWork
from ..ir.graph import Graph, Value
from ..ir.printing import value_names
from ..ir.types import ALIGNMENT
from ..ops.nested.while_loop import While
from ..ops.source import Constant


@dataclass(frozen=True)
class Schedule:
    """Works in waves: those of one wave are independent, a barrier stands between waves.

    `again` are values that are made once more, and the values that they are.
    """

    graph: Graph
    waves: tuple[tuple[AnyWork, ...], ...]
    again: Mapping[Value, Value] = field(default_factory=dict)

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
                if v in self.again:
                    names.setdefault(v, f"{names[self.again[v]]}'")
                names.setdefault(v, f"p{len(names)}")
        return names

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


@dataclass(frozen=True)
class Place:
    """Where a value lives.

    `space` is "input", "output", "constant" or "arena"; `index` counts the first three, `offset` is
    in bytes of the arena, or of the output that the value is a piece of.
    """

    space: str
    index: int = 0
    offset: int = 0

    def __str__(self) -> str:
        if self.space == "arena":
            return f"arena+{self.offset}"
        return f"{self.space} {self.index}{f'+{self.offset}' if self.offset else ''}"


@dataclass(frozen=True)
class Plan:
    """A schedule with memory: `places` of all values, and what the arena needs.

    The plan of a body counts its own inputs, outputs and constants; `Loop` says where those are.
    """

    schedule: Schedule
    places: dict[Value, Place]
    arena_bytes: int
    live: tuple[int, ...]  # bytes of the arena that each wave needs
    donated: tuple[tuple[int, int], ...] = ()
    shared: dict[Value, Value] = field(default_factory=dict)  # written over the memory of
    kept: frozenset[int] = frozenset()  # donated outputs of which parts stay as the input has them
    within: dict[Value, Value] = field(default_factory=dict)  # pieces, and what they are written in
    left_out: tuple[tuple[int, AnyWork], ...] = ()  # before which wave: it would copy what is there

    @property
    def graph(self) -> Graph:
        return self.schedule.graph

    @property
    def constants(self) -> tuple[Value, ...]:
        return constants(self.graph)

    @property
    def live_bytes(self) -> int:
        """The most that is live at once: no plan needs less."""
        return max(self.live, default=0)

    def __str__(self) -> str:
        names = self.schedule.names
        memory = f"arena {self.arena_bytes} bytes, at most {self.live_bytes} live"
        lines = [f"buffers {self.graph.name}: {memory}"]
        for k, work in self.schedule.works:
            for v in work.written:
                over = f", over {names[self.shared[v]]}" if v in self.shared else ""
                over += f", in {names[self.within[v]]}" if v in self.within else ""
                lines.append(f"    wave {k}: {names[v]}: {v.type} in {self.places[v]}{over}")
            if isinstance(work, BodyWork):
                lines += [textwrap.indent(str(body), "        ") for body in work.bodies]
        return "\n".join(lines)


@dataclass(frozen=True)
class BodyMemory:
    """What a loop or a branch has beside operands and results, in bytes from the start of it.

    Its bodies share an arena. A carry that cannot be written over the one before has a second
    buffer; the condition of a loop has a place for its bool.
    """

    arena_bytes: int
    seconds: dict[int, int]  # carry: where its second buffer is
    test: int
    nbytes: int

    @staticmethod
    def of(work: BodyWork) -> BodyMemory:
        """Of a work whose bodies are plans."""
        plans, op = work.bodies, work.op
        arena = end = aligned(max(plan.arena_bytes for plan in plans))
        seconds: dict[int, int] = {}
        for plan, carried in zip(plans, op.carried, strict=True):
            for pair in carried:
                if pair not in plan.donated:
                    seconds[pair[1]] = end
                    end += aligned(plan.graph.outputs[pair[1]].type.nbytes)
        return BodyMemory(arena, seconds, end, end + aligned(1) * isinstance(op, While))


def aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def constants(graph: Graph) -> tuple[Value, ...]:
    """The arrays of the graph, in order."""
    return tuple(n.out for n in graph.nodes if isinstance(n.op, Constant))
