"""What the last passes make of a graph: works in waves, and a place in memory for every value they touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .emission import HostWork, Work
from .ir import Graph, Value
from .kernel import Accumulate, Kernel, Load, Store, walk
from .ops.source import Constant
from .text import value_names

AnyWork = Work | HostWork


@dataclass(frozen=True)
class Schedule:
    """Works in waves: those of one wave are independent, a barrier stands between waves."""

    graph: Graph
    waves: tuple[tuple[AnyWork, ...], ...]

    @property
    def works(self) -> Iterator[tuple[int, AnyWork]]:
        """Every work with the number of its wave, in order."""
        for k, wave in enumerate(self.waves):
            for work in wave:
                yield k, work

    @property
    def names(self) -> dict[Value, str]:
        """Names of all values: the graph's own, and p0, p1... for partial results."""
        names = dict(value_names(self.graph))
        for _, work in self.works:
            for v in (*work.reads, *work.written):
                names.setdefault(v, f"p{len(names)}")
        return names

    def __str__(self) -> str:
        names = self.names
        lines = [
            f"schedule {self.graph.name}: {sum(map(len, self.waves))} works in {len(self.waves)} waves"
        ]
        for k, work in self.works:
            written = ", ".join(f"{names[v]}: {v.type}" for v in work.written)
            reads = ", ".join(names[v] for v in work.reads)
            lines.append(f"    wave {k}: {written} = {work_name(work)}({reads})")
        return "\n".join(lines)


def work_name(work: AnyWork) -> str:
    return f"host {work.node.op.name}" if isinstance(work, HostWork) else work.kernel.name


@dataclass(frozen=True)
class Place:
    """Where a value lives: `index` counts inputs, outputs and constants; `offset` is in bytes of the arena."""

    space: str
    index: int = 0
    offset: int = 0

    def __str__(self) -> str:
        return f"arena+{self.offset}" if self.space == "arena" else f"{self.space} {self.index}"


@dataclass(frozen=True)
class Plan:
    """A schedule with memory: `places` of all values, and what the arena needs."""

    schedule: Schedule
    places: dict[Value, Place]
    arena_bytes: int
    live_bytes: int  # the most that is live at once: no plan needs less
    donated: tuple[tuple[int, int], ...] = ()
    shared: dict[Value, Value] = field(default_factory=dict)  # written over the memory of

    @property
    def graph(self) -> Graph:
        return self.schedule.graph

    @property
    def constants(self) -> tuple[Value, ...]:
        return constants(self.graph)

    def __str__(self) -> str:
        names = self.schedule.names
        lines = [
            f"buffers {self.graph.name}: arena {self.arena_bytes} bytes, at most {self.live_bytes} live"
        ]
        for k, work in self.schedule.works:
            for v in work.written:
                over = f", over {names[self.shared[v]]}" if v in self.shared else ""
                lines.append(f"    wave {k}: {names[v]}: {v.type} in {self.places[v]}{over}")
        return "\n".join(lines)


def constants(graph: Graph) -> tuple[Value, ...]:
    """The arrays of the graph, in order."""
    return tuple(n.out for n in graph.nodes if isinstance(n.op, Constant))


def may_share(work: AnyWork, read: Value, written: Value) -> bool:
    """Whether `written` may be written over `read`: every element is read, at its own point, before it is written."""
    if (
        not isinstance(work, Work)
        or not isinstance(work.kernel, Kernel)
        or read.type.nbytes != written.type.nbytes
    ):
        return False
    buffer = {v: b for v, b in zip(work.values, work.kernel.buffers, strict=True)}
    x, y = buffer[read], buffer[written]
    stored = None
    for stage in work.kernel.stages:
        loads = [e for e in walk(*stage.exprs) if isinstance(e, Load) and e.buffer == x]
        if stored is not None and loads:
            return False
        stores = [s for s in stage.body if isinstance(s, (Store, Accumulate)) and s.buffer == y]
        if any(isinstance(s, Accumulate) or s.at for s in stores):
            return False
        for s in stores:
            stored = s.map
        if stored is not None and any(e.guards or e.at or e.map != stored for e in loads):
            return False
        if (
            stored is None
            and loads
            and not stage.axes
            and any(st.axes for st in work.kernel.stages)
        ):
            return False
    maps = {
        e.map
        for st in work.kernel.stages
        for e in walk(*st.exprs)
        if isinstance(e, Load) and e.buffer == x
    }
    plain = not any(
        e.guards or e.at
        for st in work.kernel.stages
        for e in walk(*st.exprs)
        if isinstance(e, Load) and e.buffer == x
    )
    return x.dtype == y.dtype and plain and maps <= {stored}
