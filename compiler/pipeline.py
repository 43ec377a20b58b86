"""From a graph to a program: the passes in one list, then plan, kernels, machine code, table.

graph passes   graph → graph, each named, timed, printable
plan passes    fuse, schedule, buffers: graph → works → waves → places
code           each work lowered and printed, machine code by content, rows of the runtime's table
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime import objects
from ..runtime.program import TOGETHER_SECONDS, ArraySpec, Program, Slot
from .codegen.lower import lower
from .codegen.lowered import Lowered
from .codegen.prefix_source import lower_prefix
from .codegen.product_source import lower_product
from .codegen.target import Target, host
from .codegen.words import KEY, WORDS
from .emission import AnyWork, BodyWork, Work
from .ir import Graph, Value
from .lazy import lazy
from .passes.buffers import buffers
from .passes.cse import cse
from .passes.dead import dead
from .passes.fold import fold
from .passes.fuse import fuse
from .passes.hoist import hoist
from .passes.layout import layout
from .passes.schedule import schedule
from .passes.simplify import simplify
from .passes.sink import sink
from .passes.unmark import unmark
from .plan import Plan, Schedule
from .prefix import Prefix
from .product import Product
from .rows import Around, Rows
from .settings import active
from .verify import verify

GRAPH_PASSES: tuple[Callable[[Graph], Graph], ...] = (
    unmark,
    sink,
    fold,
    simplify,
    fold,
    cse,
    hoist,
    layout,
    simplify,
    cse,
    dead,
)
"""Every pass keeps the meaning of a graph to the bit, but for laws that are said to be inexact."""


@dataclass(frozen=True)
class Stage:
    """The state after a pass: `text` is made when it is read."""

    name: str
    state: Graph | Schedule | Plan | object
    seconds: float

    @property
    def text(self) -> str:
        return str(self.state)


@dataclass(frozen=True)
class Compiled:
    """A program, and how it came about."""

    graph: Graph
    stages: tuple[Stage, ...]
    plan: Plan
    lowered: tuple[tuple[Work, Lowered], ...]

    @lazy
    def program(self) -> Program:
        return assemble(self.plan, self.lowered)


def optimised(graph: Graph, check: bool = False) -> Iterator[Stage]:
    """The graph after each pass; `check` verifies every step."""
    yield Stage("trace", graph, 0.0)
    for step in GRAPH_PASSES:
        start = time.perf_counter()
        after = step(graph)
        if check:
            verify(after, step.__name__, graph)
        graph = after
        yield Stage(step.__name__, graph, time.perf_counter() - start)


def compile_graph(
    graph: Graph,
    target: Target | None = None,
    donated: tuple[tuple[int, int], ...] = (),
    folder: str | None = None,
) -> Compiled:
    """Everything up to machine code, which `program` makes when it is first needed.

    All stages are written to `folder`; None is the setting `dump`.
    """
    stages = list(optimised(graph))

    def stage(name: str, step: Callable[[Any], Any]) -> Any:
        start = time.perf_counter()
        state = step(stages[-1].state)
        stages.append(Stage(name, state, time.perf_counter() - start))
        return state

    stage("fuse", fuse)
    ordered: Schedule = stage("schedule", lambda f: schedule(f, donated))
    plan: Plan = stage("buffers", lambda s: buffers(s, donated))
    lowered = tuple((w, lower_work(w, target or host())) for w in works_of(ordered))
    compiled = Compiled(graph, tuple(stages), plan, lowered)
    if folder := active().dump if folder is None else folder:
        dump(compiled, Path(folder))
    return compiled


def lower_work(work: Work, target: Target) -> Lowered:
    kernel = work.kernel
    match kernel:
        case Product():
            return lower_product(kernel, target)
        case Prefix():
            return lower_prefix(kernel, target)
    return lower(kernel, target)


# ---------------------------------------------------------------- the table


def assemble(plan: Plan, lowered: tuple[tuple[Work, Lowered], ...]) -> Program:
    """The runtime's program: rows in order, a barrier at the end of each wave."""
    addresses = machine_code(low for _, low in lowered)
    made = Rows(addresses, {id(work): low for work, low in lowered})
    graph = plan.graph
    inputs = [Slot("input", k) for k in range(len(graph.inputs))]
    outputs = [Slot("output", k) for k in range(len(graph.outputs))]
    rows, seconds, outside = made.of(plan, Around(inputs, outputs, Slot("arena")))
    return Program(
        rows,
        specs(graph.inputs),
        specs(graph.outputs),
        tuple(made.constants.values()),
        plan.arena_bytes,
        max((low.scratch_bytes for _, low in lowered), default=0),
        seconds,
        plan.donated,
        together=outside >= TOGETHER_SECONDS,
    )


def works_of(schedule: Schedule) -> tuple[Work, ...]:
    """The kernels of a program, those of bodies too, each once."""
    found: dict[int, Work] = {}
    stack: list[AnyWork] = [work for _, work in schedule.works]
    while stack:
        work = stack.pop(0)
        if isinstance(work, Work):
            found[id(work)] = work
        elif isinstance(work, BodyWork):
            stack += work.inside()
    return tuple(found.values())


def machine_code(lowered: Iterable[Lowered]) -> dict[str, int]:
    """The address of each text's function; what is missing is compiled together: cheapest."""
    return objects.addresses({low.text: low.text for low in lowered}, WORDS, KEY)


def specs(values: tuple[Value, ...]) -> tuple[ArraySpec, ...]:
    return tuple(ArraySpec(v.type.numpy, v.shape) for v in values)


# ---------------------------------------------------------------- texts


def dump(compiled: Compiled, folder: Path) -> None:
    """Writes every stage of a program, numbered, under the graph's name and hash."""
    place = folder / compiled.graph.name
    place.mkdir(parents=True, exist_ok=True)
    for k, (name, text) in enumerate(texts_of(compiled)):
        (place / f"{k:02} {name}.txt").write_text(text + "\n")


def texts_of(compiled: Compiled) -> Iterator[tuple[str, str]]:
    """Every stage by name: graphs after each pass, works, sources, the program table."""
    for stage in compiled.stages:
        yield stage.name, stage.text
    yield "sources", "\n\n".join(dict.fromkeys(low.text for _, low in compiled.lowered))
    yield "table", str(compiled.program)
