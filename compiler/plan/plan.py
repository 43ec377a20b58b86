"""What the last passes make of a graph: a place for every value that works touch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..fuse.waves import Pairs, Schedule
from ..fuse.work import AnyWork, BodyWork
from ..ir.graph import Graph, Value
from ..ir.types import ALIGNMENT


@dataclass(frozen=True)
class ValuePlace:
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

    The plan of a body counts its own inputs, outputs and constants; `LoopRow` says where those are.
    Its arena is the first part of the block that the loop or branch has; `beside` it are, by their
    bytes in that block, outputs that are no results: a carry that cannot be written over the one
    before, in every other turn; the bool of a condition.
    """

    schedule: Schedule
    places: dict[Value, ValuePlace]
    arena_bytes: int
    live: tuple[int, ...]  # bytes of the arena that each wave needs
    donated: Pairs = ()  # of those of the schedule the ones that are safe
    shared: dict[Value, Value] = field(default_factory=dict)  # written over the memory of
    kept: frozenset[int] = frozenset()  # donated outputs of which parts stay as the input has them
    whole: dict[Value, Value] = field(default_factory=dict)  # of pieces: what they are written in
    left_out: tuple[tuple[int, AnyWork], ...] = ()  # before which wave: it would copy what is there
    beside: dict[int, int] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        return self.schedule.graph

    @property
    def works(self) -> Iterator[tuple[int, AnyWork]]:
        """Every work with the number of its wave, in order."""
        return self.schedule.works

    @property
    def kernels(self) -> str:
        return self.schedule.kernels

    @property
    def constants(self) -> tuple[Value, ...]:
        return constants(self.graph)

    @property
    def live_bytes(self) -> int:
        """The most that is live at once: no plan needs less."""
        return max(self.live, default=0)

    def uses(self) -> tuple[dict[Value, int], dict[Value, int]]:
        """Those of the schedule; outputs stay, and a piece is there as long as what it is in."""
        first, last = self.schedule.uses()
        last |= dict.fromkeys(self.graph.outputs, len(self.schedule.waves))
        # what it is in comes later, may be a piece itself, may be touched by no work: what would
        # write it, and what would read it, is left out
        for v in reversed(self.whole):
            last[v] = max(last.get(v, 0), last.get(self.whole[v], 0))
        return first, last

    def __str__(self) -> str:
        names = self.schedule.names
        memory = f"arena {self.arena_bytes} bytes, at most {self.live_bytes} live"
        lines = [f"buffers {self.graph.name}: {memory}"]
        for k, work in self.works:
            for v in work.written:
                over = f", over {names[self.shared[v]]}" if v in self.shared else ""
                over += f", in {names[self.whole[v]]}" if v in self.whole else ""
                lines.append(f"    wave {k}: {names[v]}: {v.type} in {self.places[v]}{over}")
            if isinstance(work, BodyWork):
                lines += [textwrap.indent(str(body), "        ") for body in work.bodies]
        return "\n".join(lines)


def aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def constants(graph: Graph) -> tuple[Value, ...]:
    """The arrays of the graph, in order."""
    return tuple(n.out for n in graph.nodes if n.op.constant)
