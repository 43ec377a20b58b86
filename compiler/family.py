"""Programs that differ in sizes only: passes run once, on sizes that remember what became of them.

    family = SizeFamily(graph, donated)
    made = family.program()             # the program of `graph`
    made = family.replayed(another)     # that of `another`, or a Refusal

The graph is made again with sizes (`ir/sizes.py`) in place of the numbers that may change, and goes
through all passes, as any graph does. For another graph that differs in these numbers alone the
steps that the tape holds are computed anew, a few milliseconds; while all guards hold, the passes
would do the same again. Each kernel is lowered in a part of its own: where it is cut or held in
another way for other sizes, it alone is lowered once more. The places of values depend on which of
them is larger, so they are found anew. Anything that does not fit is refused, and compiled anew.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ..runtime.cpu.program import Program
from ..runtime.cpu.record import ProgramRecord
from ..runtime.native import making
from .codegen.lowered import Lowered
from .codegen.target import Target, host
from .fuse.waves import Schedule
from .fuse.work import BodyWork, Work
from .ir.graph import Graph, Node
from .ir.lazy import lazy
from .ir.parameters import Foreign
from .ir.sizes import Size, SizeTape, TapePart, derived
from .ir.sizing import (
    Sizing,
    changing_inputs,
    nodes_in,
    read_graph,
    same_number,
    without_sizes,
)
from .ir.types import Type
from .kernel import Kernel
from .pipeline import assemble, lower_work, machine_code, scheduled, works_of
from .plan.buffers import buffers
from .transform.node_reference import NodeReference

Donated = tuple[tuple[int, int], ...]
VARIANTS = 4  # ways of lowering a kernel that are kept
MOST_FAMILIES, VAIN = 4, 8  # of a function; of those that were never of use, before it has no more
MOST_NODES = 10_000


@dataclass(frozen=True)
class Refusal:
    """Why a graph is none of a family; `places` are numbers that differ and were thought fixed."""

    why: str
    places: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class SizedProgram:
    """A program, and what its kernels are lowered to."""

    record: ProgramRecord
    lowered: tuple[Lowered, ...]

    @lazy
    def program(self) -> Program:
        """Makes what is missing of its machine code."""
        return self.record.program(machine_code(self.lowered))


@dataclass
class Variants:
    """A kernel, and the ways in which it was lowered for some sizes."""

    work: Work
    ways: list[tuple[TapePart, Lowered]] = field(default_factory=list)

    def lowered(self, tape: SizeTape, target: Target) -> Lowered:
        """The text and the numbers for the sizes of now."""
        for part, low in self.ways:
            if not part.replay():
                return low
        with tape.part() as part:
            low = lower_work(self.work, target)
        assert isinstance(low, Lowered)
        self.ways = [(part, low), *self.ways[: VARIANTS - 1]]
        return low


class SizeFamily:
    """The programs of one graph for various sizes; one at a time is what the sizes are now."""

    @making.locked
    def __init__(
        self, graph: Graph, donated: Donated = (), known: frozenset[int] = frozenset()
    ) -> None:
        """The numbers at the places `known` may change, whatever else may."""
        self.facts, self.numbers = read_graph(graph)
        self.donated, self.target = donated, host()
        self.tape = SizeTape()
        with self.tape.part() as self.first:
            sizing = Sizing(graph, self.tape, known)
            self.graph, self.places = sizing.result, sizing.places
            stages, _ = scheduled(self.graph, self.target, donated, None)
            for stage in stages:
                if isinstance(stage.state, Graph):
                    told_apart(stage.state)
            ordered = stages[-1].state
            assert isinstance(ordered, Schedule)
            self.schedule = ordered
            measured(self.schedule)
        works = [w for w in works_of(self.schedule) if isinstance(w, Work)]
        self.kernels = {id(w.kernel): Variants(w) for w in works}

    @making.locked
    def program(self) -> SizedProgram:
        """The program for the sizes of now."""
        lows = {k: v.lowered(self.tape, self.target) for k, v in self.kernels.items()}
        plan = buffers(self.schedule)
        self.tape.forget()
        works = [w for w in works_of(plan.schedule) if isinstance(w, Work)]
        pairs = tuple((w, lows[id(w.kernel)]) for w in works)
        record = assemble(self.graph, plan, pairs)
        return SizedProgram(unsized(record), tuple(low for _, low in pairs))

    @making.locked
    def replayed(self, graph: Graph, donated: Donated = ()) -> SizedProgram | Refusal:
        """The program of a graph of this family."""
        facts, numbers = read_graph(graph)
        if facts != self.facts or donated != self.donated:
            return Refusal("the traced program is another one")
        fixed = set(range(len(numbers))).difference(self.places)
        if other := [k for k in fixed if not same_number(numbers[k], self.numbers[k])]:
            old, new = self.numbers[min(other)], numbers[min(other)]
            return Refusal(f"{new} was {old}, which was thought to stay", frozenset(other))
        self.tape.read([numbers[k] for k in self.places])
        why = self.first.replay()
        return Refusal(why) if why else self.program()


class SizeFamilies:
    """Those of one function, the one that was of use last first."""

    def __init__(self) -> None:
        self.families: list[SizeFamily] = []
        self.vain = 0  # families made since one was of use
        self.fault: Exception | None = None  # of the last graph that could not be one

    @making.locked
    def program(self, graph: Graph, donated: Donated = ()) -> tuple[SizedProgram | None, str]:
        """The program of a graph; none where it is to be made as if there were no other. And why
        the passes ran, if they did."""
        why, known = "", frozenset[int]()
        for family in tuple(self.families):
            self.families.remove(family)
            try:
                made = family.replayed(graph, donated)
            except Exception as error:  # of ours: it is of no more use
                self.fault = error
                why = why or f"{type(error).__name__} in what runs for every size"
                continue
            if isinstance(made, SizedProgram):
                self.families.insert(0, family)
                self.vain = 0
                return made, ""
            self.families.append(family)
            why, known = why or made.why, known | made.places
        if self.vain > VAIN or not may_vary(graph):
            return None, why
        try:
            family = SizeFamily(graph, donated, known)
            made = family.program()
        except Exception as error:  # what is wrong with the graph is said where it has no sizes
            self.fault = error
            return None, why
        self.vain += 1
        self.families = [family, *self.families[: MOST_FAMILIES - 1]]
        return made, why


def may_vary(graph: Graph) -> bool:
    """Whether the program of a graph is worth to be one of a family."""
    if len(graph.nodes) > MOST_NODES or not any(changing_inputs(graph).values()):
        return False
    return not any(isinstance(x, Foreign) for n in nodes_in(graph) for x in n.op.params.values())


# ---------------------------------------------------------------- guards that no comparison makes


def told_apart(graph: Graph) -> None:
    """Notes that nodes of the same operands, which differ in sizes, stay different ones."""
    same: dict[Any, list[Node]] = {}
    for node in nodes_in(graph):
        same.setdefault((type(node.op), node.args), []).append(node)
    for nodes in same.values():
        stay_different([n.op.key for n in nodes])


def stay_different(keys: list[tuple[Any, ...]]) -> None:
    """Notes how many of the keys differ."""
    rows = [[*key_pieces(key)] for key in keys]
    if len(rows) > 1 and any(type(x) is Size for row in rows for x in row):
        ends = tuple(itertools.accumulate(map(len, rows)))
        _ = int(derived(count_different, ends, *itertools.chain(*rows)))


def count_different(ends: tuple[int, ...], *row: Any) -> int:
    """How many pieces of a row differ, of which each ends at one of `ends`."""
    return len({row[start:end] for start, end in zip((0, *ends), ends, strict=False)})


def key_pieces(key: Any) -> Iterator[Any]:
    """What a key is made of, and how many parts each of its tuples has."""
    if type(key) is Type:
        key = key.dtype, key.shape
    if type(key) is not tuple:
        yield key
        return
    yield len(key)
    for part in key:
        yield from key_pieces(part)


def measured(schedule: Schedule) -> None:
    """Finds what is found when it is first read, so that it is found of sizes."""
    for values in every_value(schedule):
        for v in values:
            _ = v.type.size
    for work in works_of(schedule):
        if isinstance(work, Work) and isinstance(work.kernel, Kernel):
            maps: dict[str, dict[Any, None]] = {}
            for _, load in work.kernel.loads():
                maps.setdefault(load.buffer.name, {})[load.map] = None
            for found in maps.values():
                stay_different([(m.strides, m.offset) for m in found])


def every_value(schedule: Schedule) -> Iterator[Any]:
    """The values of a program and of the bodies in it, once for each that holds them."""
    yield tuple(schedule.graph.values)
    for work in works_of(schedule):
        yield (*work.reads, *work.written)
        if isinstance(work, BodyWork):
            for body in work.bodies:
                yield tuple(body.graph.values)  # its own bodies are among the works


# ---------------------------------------------------------------- without sizes


def unsized(x: Any) -> Any:
    """Rows, slots and records with numbers in place of sizes."""
    kind = type(x)
    if kind is Size:
        return x.number
    if kind is tuple:
        return tuple(map(unsized, x))
    if kind is NodeReference:
        return NodeReference(without_sizes(x.graph))
    if kind in UNSIZED:
        return x
    if names := row_fields(kind):
        return kind(*(unsized(getattr(x, name)) for name in names))
    return x


UNSIZED = frozenset((int, str, bool, float, type(None), dict))


@functools.cache
def row_fields(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()
