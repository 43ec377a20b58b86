"""From a graph to a program: the passes in one list, then plan, kernels, machine code, table.

graph passes   graph → graph, each named, timed, printable
plan passes    fuse, schedule, buffers: graph → works → waves → places
code           each work lowered and printed, machine code by content, rows of the runtime's table
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime import cubins, objects
from ..runtime.cubins import Artifact
from ..runtime.device import Device as RuntimeDevice
from ..runtime.device_program import DeviceProgram, DeviceRow
from ..runtime.program import ArraySpec, HostRow, KernelRow, Program, Slot
from .codegen import gpu_words
from .codegen.lower import lower
from .codegen.lower_grid import lower_grid
from .codegen.lowered import Launch, Lowered
from .codegen.prefix_grid import lower_prefix_grid
from .codegen.prefix_source import lower_prefix
from .codegen.product_grid import lower_product_grid
from .codegen.product_source import lower_product
from .codegen.sort_grid import lower_search_grid, lower_sort_grid
from .codegen.sort_source import lower_search, lower_sort
from .codegen.target import Device, Target, host, of_architecture
from .codegen.words import KEY, WORDS
from .emission import AnyWork, HostWork, Work
from .errors import ProgramError
from .interpreter import interpret
from .ir import Graph, Value, apply_all
from .kernel import Kernel
from .lazy import lazy
from .passes.buffers import buffers
from .passes.cse import cse
from .passes.dead import dead
from .passes.fold import fold
from .passes.fuse import fuse
from .passes.inline import inline
from .passes.layout import layout
from .passes.parts import parts
from .passes.schedule import schedule
from .passes.simplify import simplify
from .passes.unmark import unmark
from .plan import Place, Plan, Schedule
from .prefix import Prefix
from .product import Product
from .settings import active
from .sorting import Searching, Sorting
from .verify import verify

GRAPH_PASSES: tuple[Callable[[Graph], Graph], ...] = (
    inline,
    unmark,
    parts,
    fold,
    simplify,
    fold,
    cse,
    layout,
    simplify,
    cse,
    dead,
)
"""Every pass keeps the meaning of a graph to the bit, but for laws that are said to be inexact, and
for `parts`: complex arguments and results are arrays of reals from there on, the same bytes."""

FLOPS, BYTES, ROW = 20e9, 15e9, 3e-7
"""Cautious rates of one core, and seconds of a row: they only decide whether to wake the team."""


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
    lowered: tuple[tuple[Work, Any], ...]  # with Lowered, or Launch if the target is a GPU
    target: Target | Device
    device: RuntimeDevice | None = None  # a GPU that is here

    @lazy
    def program(self) -> Any:  # a Program, or a DeviceProgram
        if self.device is None:
            return assemble(self.graph, self.plan, self.lowered)
        return assemble_on(self.device, self.graph, self.plan, self.lowered, self.artifacts)

    @lazy
    def artifacts(self) -> dict[str, Artifact]:
        """For a GPU: the machine code of each text, made or found when it is first needed."""
        assert isinstance(self.target, Device)
        texts = [launch.text for _, launch in self.lowered]
        words, key = gpu_words.words(), gpu_words.key()
        if self.device is not None:
            return self.device.code(texts, words, key)
        return cubins.artifacts(texts, words, key, self.target.architecture)


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
    target: Target | Device | None = None,
    donated: tuple[tuple[int, int], ...] = (),
    folder: str | None = None,
    device: RuntimeDevice | None = None,
) -> Compiled:
    """Everything up to machine code, which `program` makes when it is first needed.

    All stages are written to `folder`; None is the setting `dump`. The program runs on `device`.
    """
    stages = list(optimised(graph))

    def stage(name: str, step: Callable[[Any], Any]) -> Any:
        start = time.perf_counter()
        state = step(stages[-1].state)
        stages.append(Stage(name, state, time.perf_counter() - start))
        return state

    stage("fuse", fuse)
    stage("schedule", lambda f: schedule(f, donated))
    plan: Plan = stage("buffers", lambda s: buffers(s, donated))
    target = target or (host() if device is None else of_architecture(device.architecture))
    found = ((w, lower_work(w, target)) for _, w in plan.schedule.works)
    lowered = tuple((w, low) for w, low in found if isinstance(w, Work))
    compiled = Compiled(graph, tuple(stages), plan, lowered, target, device)
    if folder := active().dump if folder is None else folder:
        dump(compiled, Path(folder))
    return compiled


PRINTERS: dict[type, dict[type, Callable[..., Any]]] = {
    Target: {
        Kernel: lower,
        Product: lower_product,
        Prefix: lower_prefix,
        Sorting: lower_sort,
        Searching: lower_search,
    },
    Device: {
        Kernel: lower_grid,
        Product: lower_product_grid,
        Prefix: lower_prefix_grid,
        Sorting: lower_sort_grid,
        Searching: lower_search_grid,
    },
}
"""By the facts of a target: what lowers each kind of kernel. What is missing is not there yet."""


def lower_work(work: AnyWork, target: Target | Device) -> Lowered | Launch | None:
    """The text of a work's kernel; none for a node that the host does."""
    if isinstance(work, HostWork):
        return None
    printer = PRINTERS[type(target)].get(type(work.kernel))
    if printer is None:
        raise ProgramError(f"{work.name} is not on cuda yet", repair='device="cpu"')
    return printer(work.kernel, target)


# ---------------------------------------------------------------- the table


def assemble(graph: Graph, plan: Plan, lowered: tuple[tuple[Work, Lowered], ...]) -> Program:
    """The runtime's program of `graph`: rows in order, a barrier at the end of each wave."""
    of = {id(work): low for work, low in lowered}
    addresses = machine_code(low for _, low in lowered)
    rows: list[KernelRow | HostRow] = []
    seconds = 0.0
    for wave in plan.schedule.waves:
        for k, work in enumerate(wave):
            if isinstance(work, HostWork):
                rows.append(host_row(work, plan))
                continue
            low = of[id(work)]
            slots = tuple(slot(plan.places[v]) for v in work.values)
            last = k == len(wave) - 1
            rows.append(
                KernelRow(
                    addresses[low.text],
                    slots,
                    low.sizes,
                    low.points,
                    low.grain,
                    last,
                    work.kernel.name,
                )
            )
            seconds += max(low.flops / FLOPS, low.bytes / BYTES) + ROW
    arrays = constants(plan)
    scratch = max((low.scratch_bytes for _, low in lowered), default=0)
    return Program(
        tuple(rows),
        specs(graph.inputs),
        specs(graph.outputs),
        arrays,
        plan.arena_bytes,
        scratch,
        seconds,
        plan.donated,
    )


def assemble_on(
    device: RuntimeDevice,
    graph: Graph,
    plan: Plan,
    lowered: tuple[tuple[Work, Launch], ...],
    code: Mapping[str, Any],
) -> DeviceProgram:
    """The runtime's program of `graph` for a GPU: launches in order, host calls between them."""
    of = {id(work): low for work, low in lowered}
    rows: list[DeviceRow | HostRow] = []
    for wave in plan.schedule.waves:
        for k, work in enumerate(wave):
            if isinstance(work, HostWork):
                rows.append(host_row(work, plan))
                continue
            low = of[id(work)]
            slots = tuple(slot(plan.places[v]) for v in work.values)
            rows.append(
                DeviceRow(
                    code[low.text],
                    slots,
                    low.sizes,
                    low.blocks,
                    low.threads,
                    low.shared_bytes,
                    k == len(wave) - 1,
                    work.kernel.name,
                )
            )
    return DeviceProgram(
        device,
        tuple(rows),
        specs(graph.inputs),
        specs(graph.outputs),
        constants(plan),
        plan.arena_bytes,
        plan.donated,
    )


def constants(plan: Plan) -> tuple[np.ndarray, ...]:
    return tuple(v.node.op.params["array"].data for v in plan.constants if v.node)


def machine_code(lowered: Iterable[Lowered]) -> dict[str, int]:
    """The address of each text's function; what is missing is compiled together: cheapest."""
    return objects.addresses({low.text: low.text for low in lowered}, WORDS, KEY)


def slot(place: Place) -> Slot:
    return Slot(place.space, place.index, place.offset)  # pyright: ignore[reportArgumentType]


def specs(values: tuple[Value, ...]) -> tuple[ArraySpec, ...]:
    return tuple(ArraySpec(v.type.numpy, v.shape) for v in values)


def host_row(work: HostWork, plan: Plan) -> HostRow:
    """A node by its NumPy reference."""
    node = work.node
    inputs = tuple(Value(a.type) for a in node.args)
    graph = Graph.of(node.op.name, inputs, apply_all(node.op, *inputs))
    operands = [
        tuple((slot(plan.places[v]), v.type.numpy, v.shape) for v in vs)
        for vs in (work.reads, work.written)
    ]

    def run(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return interpret(graph, *arrays)

    return HostRow(run, operands[0], operands[1], node.op.name)


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
    if isinstance(compiled.target, Device):
        yield "ptx", "\n".join(a.ptx for a in compiled.artifacts.values())
        yield "launches", launches_text(compiled)
    else:
        yield "table", str(compiled.program)


def launches_text(compiled: Compiled) -> str:
    """What a GPU would launch, in order, and what each kernel uses there."""
    counts = f"{len(compiled.lowered)} launches, arena {compiled.plan.arena_bytes} bytes"
    lines = [f"{compiled.graph.name} on {compiled.target.architecture}: {counts}"]
    for work, launch in compiled.lowered:
        found = compiled.artifacts[launch.text]
        places = [str(compiled.plan.places[v]) for v in work.values]
        words = " ".join(map(str, (*places, *launch.sizes)))
        shared = f" {launch.shared_bytes} bytes" if launch.shared_bytes else ""
        lines.append(f"    {found.entry}({words})  {launch.blocks} by {launch.threads}{shared}")
        lines.append(f"        {str(found).partition(': ')[2]}")
    return "\n".join(lines)
