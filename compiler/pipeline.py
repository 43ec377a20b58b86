"""From a graph to a program: the passes in one list, then kernels, texts, places, a table of rows.

graph passes   graph → graph, each named, timed, printable
works          fuse, schedule, for a GPU detach and fit_rows: graph → works in waves
texts          each work lowered and printed
places         buffers, or recompute within a budget: a place for every value
rows           machine code by the content of texts, rows of the runtime's table
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..runtime.cpu.executor import thread_count, wanted_soon
from ..runtime.cpu.record import ProgramRecord
from ..runtime.gpu import cubins
from ..runtime.gpu.cubins import Artifact
from ..runtime.gpu.device import Device
from ..runtime.gpu.device_program import DeviceProgram
from ..runtime.native import making, objects, progress
from ..runtime.program import AnyProgram
from ..runtime.rows import Row, Slot, printed, worth_the_team
from ..runtime.spec import ArraySpec
from .codegen.cpu.elimination import lower_elimination
from .codegen.cpu.lower import lower
from .codegen.cpu.prefix import lower_prefix
from .codegen.cpu.product import lower_product
from .codegen.cpu.sort import lower_search, lower_sort
from .codegen.gpu.library import for_library
from .codegen.gpu.lower import lower_grid
from .codegen.gpu.prefix import lower_prefix_grid
from .codegen.gpu.product import lower_product_grid
from .codegen.gpu.sort import lower_search_grid, lower_sort_grid
from .codegen.lowered import Lowered, LoweredLaunch
from .codegen.proof.bounds import check_bounds
from .codegen.target import GpuTarget, Target, host, of_architecture
from .codegen.words import gpu_words
from .codegen.words.words import KEY, WORDS, outlined_in
from .fuse.fuse import fuse
from .fuse.waves import Schedule
from .fuse.work import AnyWork, BodyWork, Work
from .ir.graph import Graph, Value
from .ir.lazy import lazy
from .ir.types import WIDE
from .ir.verify import verify
from .kernel import Kernel
from .kernel import verify as verify_kernel
from .kernel.costs import HOST_SECONDS
from .kernel.elimination import Elimination
from .kernel.prefix import Prefix
from .kernel.product import Product
from .kernel.product import verify as verify_product
from .kernel.sorting import Searching, Sorting
from .optimise.abut import abut
from .optimise.add_in_place import add_in_place
from .optimise.attention import attention
from .optimise.buckets import buckets
from .optimise.cse import cse
from .optimise.dead import dead
from .optimise.fold import fold
from .optimise.gather_extremes import gather_extremes
from .optimise.hoist import hoist
from .optimise.inline import inline
from .optimise.layout import layout
from .optimise.loops_apart import loops_apart
from .optimise.parts import parts
from .optimise.prepack import prepack
from .optimise.simplify import simplify
from .optimise.sink import sink
from .optimise.split_sums import split_sums
from .optimise.transfers import transfers
from .optimise.unmark import unmark
from .plan.begin_early import begin_early
from .plan.buffers import buffers, slab_bytes
from .plan.detach import detach
from .plan.fit_rows import fit_rows
from .plan.memory import Memory
from .plan.plan import Plan, aligned
from .plan.recompute import recompute
from .plan.rows import Around, Rows, kernel_seconds, turns
from .plan.schedule import schedule
from .plan.verify import verify_plan
from .settings import active

GRAPH_PASSES: tuple[Callable[[Graph], Graph], ...] = (
    inline,
    unmark,
    parts,
    transfers,
    sink,
    fold,
    simplify,
    abut,
    add_in_place,
    fold,
    cse,
    hoist,
    layout,
    simplify,
    cse,
    dead,
    split_sums,
    buckets,
)
"""Every pass keeps the meaning of a graph to the bit, but for laws that are said to be inexact, for
convolutions, whose sums `inline` puts in the order of memory, for `add_in_place`, where elements
meet, and for `parts`: complex arguments and results are arrays of reals from there on, the same
bytes."""

PROCESSOR_PASSES: Mapping[str, Callable[[Target, list[str], Graph], Graph]] = {
    "attention": lambda _, notes, graph: attention(graph, notes),
    "prepack": lambda target, _, graph: prepack(graph, {t: target.lanes(t) for t in WIDE}),
    "loops_apart": lambda _, notes, graph: loops_apart(graph),
}
"""What comes after them where a processor is the target. Products in slabs and of packed matrices
are added up in another order. Notes are what users should know."""


@dataclass(frozen=True)
class PipelineStage:
    """The state after a pass: `text` is made when it is read."""

    name: str
    state: Any  # a Graph, a Schedule, a Plan
    seconds: float
    spell: Callable[[Any], str] = str

    @property
    def text(self) -> str:
        return self.spell(self.state)


@dataclass(frozen=True)
class Compiled:
    """A program, and how it came about."""

    graph: Graph
    stages: tuple[PipelineStage, ...]
    plan: Plan
    lowered: tuple[tuple[Work, Any], ...]  # with Lowered, or LoweredLaunch if the target is a GPU
    target: Target | GpuTarget
    device: Device | None = None  # a GPU that is here
    budget: int = 0

    @property
    def seconds(self) -> float:
        """A cautious estimate of a call on one core."""
        seconds = seconds_by({id(w.kernel): low for w, low in self.lowered})
        return sum(seconds(work) for _, work in self.plan.schedule.works)

    @property
    def memory(self) -> Memory:
        (found,) = (s.state for s in self.stages if isinstance(s.state, Memory))
        return found

    @lazy
    def program(self) -> AnyProgram:
        if self.device is None:
            return self.record.program(machine_code(low for _, low in self.lowered))
        return assemble_on(self.device, self.graph, self.plan, self.lowered, self.artifacts)

    @lazy
    def record(self) -> ProgramRecord:
        """On a processor: the program as data."""
        return assemble(self.graph, self.plan, self.lowered, 0 if self.budget else 1)

    @lazy
    def artifacts(self) -> dict[str, Artifact]:
        """For a GPU: the machine code of each text, made or found when it is first needed."""
        assert isinstance(self.target, GpuTarget)
        texts = [launch.text for _, launch in self.lowered]
        words, key = gpu_words.words(), gpu_words.key()
        if self.device is not None:
            return self.device.code(texts, words, key)
        return cubins.artifacts(texts, words, key, self.target.architecture)


def optimised(graph: Graph, check: bool = False) -> Iterator[PipelineStage]:
    """The graph after each pass; `check` verifies every step."""
    yield PipelineStage("trace", graph, 0.0)
    for step in GRAPH_PASSES:
        stage = passed(step.__name__, step, graph, check)
        graph = stage.state
        yield stage


def for_processor(graph: Graph, target: Target, check: bool) -> Iterator[PipelineStage]:
    """The graph after each of PROCESSOR_PASSES that changes it, or says why it does not."""
    for name, step in PROCESSOR_PASSES.items():
        notes: list[str] = []
        stage = passed(name, partial(step, target, notes), graph, check)
        if stage.state is not graph or notes:
            yield replace(stage, spell=partial(with_notes, notes))
        graph = stage.state


def with_notes(notes: Sequence[str], graph: Graph) -> str:
    """The text of a graph, and a line for each note."""
    return "\n".join([str(graph), *notes])


def passed(name: str, step: Callable[[Graph], Graph], graph: Graph, check: bool) -> PipelineStage:
    """The stage after a pass on graphs, verified if asked."""
    stage = timed(name, step, graph)
    if check:
        verify(stage.state, name, graph)
    return stage


@dataclass(frozen=True, eq=False)
class Lowering:
    """A graph's works in waves, each lowered: what is left to do is to give values their places."""

    graph: Graph
    stages: tuple[PipelineStage, ...]
    kernels: Mapping[int, Any]  # Lowered, or LoweredLaunch on a GPU, by id of the kernel
    target: Target | GpuTarget
    device: Device | None

    @classmethod
    @making.locked
    def of(
        cls,
        graph: Graph,
        target: Target | GpuTarget | None = None,
        donated: tuple[tuple[int, int], ...] = (),
        device: Device | None = None,
    ) -> Lowering:
        """All passes up to the schedule."""
        stages, target = scheduled(graph, target, donated, device)
        ordered = stages[-1].state
        assert isinstance(ordered, Schedule)
        works = [w for w in works_of(ordered) if isinstance(w, Work)]
        progress.say("lower")
        each = {id(w.kernel): w for w in works}  # of those that share a kernel the last
        kernels = {k: lower_work(w, target) for k, w in each.items()}
        if active().verify:
            for w in each.values():
                prove(w, kernels[id(w.kernel)], target)
        return cls(graph, tuple(stages), kernels, target, device)

    @property
    def scratch_bytes(self) -> int:
        """Of all threads."""
        ordered = self.stages[-1].state
        assert isinstance(ordered, Schedule)
        own = scratch_of(self.kernels.values()) + slab_bytes(works_of(ordered))
        return own * thread_count()

    @making.locked
    def compiled(self, budget: int = 0) -> Compiled:
        """The program, of which a call takes at most `budget` bytes; 0 is no limit."""
        scratch = self.scratch_bytes

        def within(ordered: Schedule) -> Plan:
            if budget:
                seconds = seconds_by(self.kernels)
                return recompute(ordered, budget, seconds, scratch)
            return buffers(ordered)

        places = timed("recompute" if budget else "buffers", within, self.stages[-1].state)
        plan = places.state
        assert isinstance(plan, Plan)
        memory = timed("memory", lambda p: Memory(p, scratch), plan)
        works = [w for w in works_of(plan.schedule) if isinstance(w, Work)]
        pairs = tuple((w, self.kernels[id(w.kernel)]) for w in works)
        if active().verify:
            verify_plan(plan, {id(w): low for w, low in pairs})
        stages = (*self.stages, places, memory)
        return Compiled(self.graph, stages, plan, pairs, self.target, self.device, budget)


def scheduled(
    graph: Graph,
    target: Target | GpuTarget | None,
    donated: tuple[tuple[int, int], ...],
    device: Device | None,
) -> tuple[list[PipelineStage], Target | GpuTarget]:
    """All stages up to the schedule, and the target."""
    stages = list(optimised(graph, active().verify))
    target = target or (
        host() if device is None else of_architecture(device.architecture, device.has_library)
    )
    if isinstance(target, Target):
        stages += for_processor(stages[-1].state, target, active().verify)
    else:
        gathered = passed("gather_extremes", gather_extremes, stages[-1].state, active().verify)
        stages += [gathered] if gathered.state is not stages[-1].state else []
    kinds = frozenset(PRINTERS[type(target)])
    fused = timed("fuse", lambda g: fuse(g, donated, kinds), stages[-1].state, kernels_text)
    stages.append(fused)
    parted = timed("begin_early", begin_early, fused.state)
    stages += [parted] if parted.state is not fused.state else []
    stages.append(timed("schedule", schedule, parted.state))
    if target.library:
        known = lambda p: for_library(p) is not None  # noqa: E731
        stages.append(timed("detach", lambda s: detach(s, known), stages[-1].state))
    if isinstance(target, GpuTarget):
        most = target.rows_bytes
        rows = timed("fit_rows", lambda s: fit_rows(s, most), stages[-1].state)
        stages += [rows] if rows.state is not stages[-1].state else []
    return stages, target


def seconds_by(kernels: Mapping[int, Any]) -> Callable[[AnyWork], float]:
    """A cautious estimate of works whose kernels are lowered so, by id."""

    def seconds(work: AnyWork) -> float:
        if isinstance(work, BodyWork):
            return turns(work.op) * sum(map(seconds, work.inside()))
        return kernel_seconds(kernels[id(work.kernel)]) if isinstance(work, Work) else HOST_SECONDS

    return seconds


def timed(
    name: str, step: Callable[[Any], Any], before: Any, spell: Callable[[Any], str] = str
) -> PipelineStage:
    """The stage after a step."""
    progress.say(name)
    start = time.perf_counter()
    state = step(before)
    return PipelineStage(name, state, time.perf_counter() - start, spell)


def kernels_text(fused: Schedule) -> str:
    """What fusing made."""
    return fused.kernels


def compile_graph(
    graph: Graph,
    target: Target | GpuTarget | None = None,
    donated: tuple[tuple[int, int], ...] = (),
    folder: str | None = None,
    device: Device | None = None,
    budget: int = 0,
) -> Compiled:
    """Everything up to machine code, which `program` makes when it is first needed.

    All stages are written to `folder`; None is the setting `dump`. The program runs on `device`. A
    call takes at most `budget` bytes; 0 is no limit.
    """
    return dumped(Lowering.of(graph, target, donated, device).compiled(budget), folder)


def dumped(compiled: Compiled, folder: str | None = None) -> Compiled:
    """The program, of which all stages are written to `folder`; None is the setting `dump`."""
    if folder := active().dump if folder is None else folder:
        write_stages(compiled, Path(folder))
    return compiled


PRINTERS: dict[type, dict[type, Callable[..., Any]]] = {
    Target: {
        Kernel: lower,
        Product: lower_product,
        Prefix: lower_prefix,
        Sorting: lower_sort,
        Searching: lower_search,
        Elimination: lower_elimination,
    },
    GpuTarget: {
        Kernel: lower_grid,
        Product: lower_product_grid,
        Prefix: lower_prefix_grid,
        Sorting: lower_sort_grid,
        Searching: lower_search_grid,
    },
}
"""By the facts of a target: what lowers each kind of kernel."""


def lower_work(work: AnyWork, target: Target | GpuTarget) -> Lowered | LoweredLaunch | None:
    """The text of a work's kernel; none for what the host does, or runs works of its own."""
    if not isinstance(work, Work):
        return None
    return PRINTERS[type(target)][type(work.kernel)](work.kernel, target)


def prove(work: Work, low: Any, target: Target | GpuTarget) -> None:
    """Raises KernelError where a kernel breaks a rule, or its text may leave its buffers."""
    kernel = work.kernel
    if isinstance(kernel, Kernel):
        verify_kernel(kernel)
    if isinstance(kernel, Product):
        verify_product(kernel)
    tables = isinstance(kernel, Product) and kernel.windowed
    if isinstance(kernel, PROVED[type(target)]) and not tables:
        check_bounds(low, kernel.buffers)


PROVED: dict[type, tuple[type, ...]] = {
    Target: (Kernel, Product, Prefix, Searching, Elimination),
    GpuTarget: (Kernel, Prefix, Searching),
}
"""The kernels whose texts compute no place from data alone, nor through tensor cores."""


def scratch_of(lowered: Iterable[Lowered | LoweredLaunch]) -> int:
    """Bytes of scratch that a thread needs."""
    return aligned(max((low.scratch_bytes for low in lowered), default=0))


# ---------------------------------------------------------------- the table


def assemble(
    graph: Graph, plan: Plan, lowered: tuple[tuple[Work, Lowered], ...], spare: int = 1
) -> ProgramRecord:
    """The runtime's program of `graph`: rows in order, a barrier at the end of each wave.

    `spare`: calls whose results' memory is kept for the next, beside that of one.
    """
    code = objects.code_names((low.text for _, low in lowered), KEY)
    scratch = scratch_of(low for _, low in lowered)
    rows, made, (seconds, outside) = program_rows(graph, plan, lowered, code, scratch)
    return ProgramRecord(
        rows,
        specs(graph.inputs),
        specs(graph.outputs),
        made.constants,
        plan.arena_bytes,
        scratch + made.slab_bytes,
        seconds,
        plan.donated,
        together=worth_the_team(outside),
        spare=spare,
    )


def assemble_on(
    device: Device,
    graph: Graph,
    plan: Plan,
    lowered: tuple[tuple[Work, LoweredLaunch], ...],
    code: Mapping[str, Any],
) -> DeviceProgram:
    """The runtime's program of `graph` for a GPU."""
    rows, made, _ = program_rows(graph, plan, lowered, code, beside=True)
    ends = specs(graph.inputs), specs(graph.outputs)
    arrays = tuple(made.constants.values())
    return DeviceProgram(device, rows, *ends, arrays, plan.arena_bytes, plan.donated)


def program_rows(
    graph: Graph,
    plan: Plan,
    lowered: tuple[tuple[Work, Lowered | LoweredLaunch], ...],
    code: Mapping[str, Any],
    scratch: int = 0,
    beside: bool = False,
) -> tuple[tuple[Row, ...], Rows, tuple[float, float]]:
    """The rows of `graph`, what made them, and seconds: of all, and of what is in no loop. Kernels
    need `scratch` bytes of a thread."""
    made = Rows(code, {id(work): low for work, low in lowered}, beside=beside, scratch=scratch)
    inputs = [Slot("input", k) for k in range(len(graph.inputs))]
    outputs = [Slot("output", k) for k in range(len(graph.outputs))]
    rows, *seconds = made.of(plan, Around(inputs, outputs, Slot("arena")))
    return rows, made, (seconds[0], seconds[1])


def works_of(schedule: Schedule) -> tuple[AnyWork, ...]:
    """The works of a program, those of bodies too, each once."""
    found: dict[int, AnyWork] = {}
    stack: list[AnyWork] = [work for _, work in schedule.works]
    while stack:
        work = stack.pop(0)
        if id(work) not in found:
            found[id(work)] = work
            stack += work.inside() if isinstance(work, BodyWork) else ()
    return tuple(found.values())


def machine_code(lowered: Iterable[Lowered]) -> dict[str, int]:
    """The address of each text's function, by the name of its machine code; what is missing is
    compiled together, the executor as well."""
    longest_first = lambda text: (outlined_in(text), -len(text))  # noqa: E731
    texts = sorted(dict.fromkeys(low.text for low in lowered), key=longest_first)
    names = objects.code_names(texts, KEY)
    found = objects.addresses({t: t for t in names}, WORDS, KEY, beside=wanted_soon())
    return {name: found[text] for text, name in names.items()}


def specs(values: tuple[Value, ...]) -> tuple[ArraySpec, ...]:
    return tuple(ArraySpec(v.type.numpy, v.shape) for v in values)


# ---------------------------------------------------------------- texts


def write_stages(compiled: Compiled, folder: Path) -> None:
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
    yield from CODE_TEXTS[type(compiled.target)](compiled)


def table_texts(compiled: Compiled) -> Iterator[tuple[str, str]]:
    yield "table", str(compiled.program)


def launch_texts(compiled: Compiled) -> Iterator[tuple[str, str]]:
    yield "ptx", "\n".join(a.ptx for a in compiled.artifacts.values())
    yield "launches", launches_text(compiled)


CODE_TEXTS = {Target: table_texts, GpuTarget: launch_texts}
"""By the facts of a target: what there is to read of its machine code."""


def launches_text(compiled: Compiled) -> str:
    """What a GPU would launch, in order; then what each kernel uses there."""
    assert isinstance(compiled.target, GpuTarget)
    counts = f"{len(compiled.lowered)} kernels, arena {compiled.plan.arena_bytes} bytes"
    head = f"{compiled.graph.name} on {compiled.target.architecture}: {counts}"
    rows, *_ = program_rows(compiled.graph, compiled.plan, compiled.lowered, compiled.artifacts)
    return "\n".join([head, *printed(rows, 1), *map(str, compiled.artifacts.values())])
