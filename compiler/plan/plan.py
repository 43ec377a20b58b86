"""What the last passes make of a graph: works in waves, and a place for every value they touch."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..fuse.emission import AnyWork, BodyWork, Work
from ..ir.graph import Graph, Value
from ..ir.printing import value_names
from ..ir.types import ALIGNMENT
from ..kernel import Accumulate, Buffer, Kernel, Load, Store, walk
from ..kernel.prefix import Prefix
from ..kernel.product import Product, as_kernel
from ..kernel.sorting import Searching, Sorting
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


def may_share(work: AnyWork, read: Value, written: Value) -> bool:
    """Whether `written` may be written over `read`.

    Every element is read at its own point, before it is written.
    """
    if isinstance(work, BodyWork):
        return carry_may_share(work, read, written)
    if not isinstance(work, Work) or read.type.nbytes != written.type.nbytes:
        return False
    x, y = (work.buffer(v) for v in (read, written))
    kernel = work.kernel
    if isinstance(kernel, Prefix):
        loads = [e for e in kernel.loads() if e.buffer == x]
        return x.dtype == y.dtype and all(
            e.map == kernel.place and not e.guards and not e.at for e in loads
        )
    if isinstance(kernel, (Sorting, Searching)):
        return False
    if isinstance(kernel, Product):
        if x in (kernel.lhs.buffer, kernel.rhs.buffer):
            return False
        kernel = as_kernel(kernel)
    loads = [(k, e) for k, e in reads(kernel) if e.buffer == x]
    stores = [(k, s) for k, s in writes(kernel) if s.buffer == y]
    stages, maps = {k for k, _ in stores}, {s.map for _, s in stores}  # of pairs there are two
    if len(stages) != 1 or x.dtype != y.dtype:
        return False
    (last,) = stages
    own = all(isinstance(s, Store) and not s.at for _, s in stores)
    return own and all(k <= last and e.map in maps and not e.guards and not e.at for k, e in loads)


def carry_may_share(work: BodyWork, read: Value, written: Value) -> bool:
    """Whether a carry is written over the one before, and nothing else reads its initial value."""
    places = [i for i, a in enumerate(work.reads) if a is read]
    return any(
        places == [i] and written is work.written[o] and (i, o) in plan.donated
        for plan, carried in zip(work.bodies, work.op.carried, strict=True)
        for i, o in carried
    )


def copies(work: AnyWork) -> bool:
    """Whether a work puts every element of one value in the same place of another, no more."""
    if not isinstance(work, Work) or not isinstance(work.kernel, Kernel):
        return False
    stages = work.kernel.stages
    body = stages[0].body if len(stages) == 1 else ()
    match body:
        case (Store(map=m, at=(), expr=Load(map=place, at=(), guards=())),) if m == place:
            return len(work.values) == 2 and work.values[0].type == work.values[1].type
    return False


def pieces(work: AnyWork) -> tuple[tuple[Value, int], ...]:
    """The values that a work does no more than put one after the other, each with the byte of the
    result at which it begins; none if it does anything else.

    That is a concatenation along the first axis whose operands are in memory: guarded loads, each
    the fill of the one before, over ranges of an axis that is the slowest.
    """
    if not isinstance(work, Work) or not isinstance(work.kernel, Kernel) or work.writes != 1:
        return ()
    kernel = work.kernel
    axes = kernel.axes
    body = kernel.stages[0].body if len(kernel.stages) == 1 else ()
    if len(body) != 1 or not isinstance(body[0], Store) or body[0].at:
        return ()
    if any(axis.split or axis.segment for axis in axes.values()):
        return ()
    store, points = body[0], math.prod(axis.size for axis in axes.values())
    found: list[tuple[Buffer, int]] = []
    e = store.expr
    while isinstance(e, Load):
        if e.at or len(e.guards) != 1 or set(e.map.strides) != set(store.map.strides):
            return ()
        ((m, low, high),) = e.guards
        if len(m.strides) != 1 or m.strides[0][1] != 1:
            return ()
        axis = axes[m.strides[0][0]]
        row = points // max(axis.size, 1)
        first, after = max(low - m.offset, 0), min(high - m.offset, axis.size)
        begins = store.map.offset + first * row
        if store.map.stride(axis.name) != row or begins + e.map.offset - store.map.offset:
            return ()
        if (after - first) * row != e.buffer.size:
            return ()
        found.append((e.buffer, begins))
        e = e.fill
    found.sort(key=lambda piece: piece[1])
    ends = [0, *itertools.accumulate(x.size for x, _ in found)]
    values = [work.values[kernel.buffers.index(x)] for x, _ in found]
    if ends[:-1] != [at for _, at in found] or ends[-1] != store.buffer.size or not found:
        return ()
    if len(set(values)) < len(values) or set(values) != set(work.reads):
        return ()
    itemsize = work.written[0].type.nbytes // store.buffer.size
    return tuple((v, at * itemsize) for v, (_, at) in zip(values, found, strict=True))


def reads(kernel: Kernel) -> Iterator[tuple[int, Load]]:
    """Every load with the number of its stage."""
    for k, stage in enumerate(kernel.stages):
        for e in (*walk(*stage.exprs), *(e for a in stage.axes for e in a.ends)):
            if isinstance(e, Load):
                yield k, e


def writes(kernel: Kernel) -> Iterator[tuple[int, Store | Accumulate]]:
    """Every statement that writes memory, with the number of its stage."""
    for k, stage in enumerate(kernel.stages):
        for s in stage.body:
            if isinstance(s, (Store, Accumulate)):
                yield k, s
