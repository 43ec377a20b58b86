"""Lowers a kernel of stages for a GPU: the same statements, spread over a grid of threads.

    threads   a thread a point: maps, column sums, points with little inside
    teams     a team a point: a warp, or all threads of a block; every stage is a loop whose turns
              the threads of the team take, what it reduces is combined by all of them

`loops` and `values` write what a thread does, as for a processor of one lane. A thread meets four
neighbours at once where all accesses along the axis are aligned to 16 bytes: the text then relies
on sizes that are multiples of four, and no loop needs a tail. Rows that later stages read live in
shared memory. Sums run in an order that sizes alone decide: no atomics, the same bits on every run.

Why the printed language and not Python for numba.cuda: the language, the words of arithmetic and
the lowering are the processor's own, so one printer serves both and bits agree; nothing but LLVM
and nvJitLink is needed, and LLVM says which version of PTX it writes.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ..kernel.expr import Axis, Index, Load, walk
from ..kernel.normalise import contiguous, joined, normalise
from ..kernel.scalar import NUMPY
from ..kernel.stages import Accumulate, Keep, Kernel, Reduce, Stage, Store
from . import schedule
from .fma import with_fma
from .gpu_words import words
from .loops import LINE, POINT, Lowering
from .lowered import Launch
from .printer import function
from .reductions import Reductions
from .slots import Named, Parameters
from .target import Device

SHORT = 16  # inner points that one thread does alone
FEW = 1024  # points that leave most of a GPU idle if each is one thread
HEAVY = 60  # weight from which on a thread does one element at a time: registers


def lower_grid(kernel: Kernel, device: Device) -> Launch:
    """The text of a verified kernel for a GPU, and the numbers of this instance."""
    k = normalise(kernel)
    k = replace(k, stages=tuple(map(with_fma, k.stages)))
    k = opened(k)
    lowering = (Threads if by_threads(k) else Teams)(k, device)
    text = lowering.text()
    return Launch(
        text,
        tuple(lowering.slots.values),
        lowering.blocks(),
        lowering.threads(),
        lowering.shared_bytes,
        schedule.operations(k),
        schedule.moved(k),
    )


# ------------------------------------------------------------------ decisions


def opened(kernel: Kernel) -> Kernel:
    """A map with its inner axes among the parallel ones, chunks of a long axis joined again."""
    axes = kernel.stages[0].axes if kernel.stages else ()
    maps = all(isinstance(s, Store) for stage in kernel.stages for s in stage.body)
    same = all(stage.axes == axes for stage in kernel.stages)
    if not axes or not maps or not same or kernel.ordered:
        return kernel
    outer = {a.name: a for a in kernel.outer}
    for a in axes:
        if a.split and a.split[0] not in outer:
            return kernel
    split = [(outer[a.split[0]], a) for a in axes if a.split]
    blocks = [c for c, _ in split]
    whole = [a for a in kernel.outer if a not in blocks]
    order = [*whole, *(x for a in axes for x in (*(c for c, r in split if r is a), a))]
    flat = replace(
        kernel, outer=tuple(order), stages=tuple(Stage((), s.body) for s in kernel.stages)
    )
    for c, r in split:
        if not contiguous(flat, c, r):
            return kernel
        assert r.split
        flat = joined(flat, c, r)
        long = Axis(r.name, r.split[1])
        flat = replace(flat, outer=tuple(long if a.name == r.name else a for a in flat.outer))
    return normalise(flat)


def by_threads(kernel: Kernel) -> bool:
    """Whether a thread a point serves better than a team a point."""
    if any(a.segment for a in kernel.axes.values()):
        return True
    inner = max((math.prod(a.size for a in s.axes) for s in kernel.stages), default=1)
    inner *= math.prod(a.size for a in kernel.ordered)
    keeps = any(isinstance(s, Keep) and stage.axes for stage in kernel.stages for s in stage.body)
    if not kernel.free or keeps:
        return False
    points = math.prod(a.size for a in kernel.free)
    if inner <= SHORT:
        return True
    return schedule.columns(kernel) is not None and (points >= FEW or inner <= FEW)


def lanes(stages: tuple[Stage, ...], axis: Axis, device: Device) -> int:
    """Neighbours along `axis` that one access moves, 1 unless all accesses are aligned there."""
    exprs = [e for s in stages for e in walk(*s.exprs)]
    loads = [e for e in exprs if isinstance(e, Load)]
    stores = [s for st in stages for s in st.body if isinstance(s, Store | Accumulate)]
    touched = [(x.map, x.at, x.buffer.dtype) for x in (*loads, *stores)]
    wide = [(m, at, d) for m, at, d in touched if m.stride(axis.name)]
    widest = max(
        (NUMPY[e.dtype].itemsize for e in exprs if not isinstance(e, Index)), default=device.access
    )
    n = max(1, device.access // max(widest, 4))
    size = axis.split[1] if axis.split else axis.size
    aligned = size % n == 0 and axis.size % n == 0
    for m, at, _ in wide:
        others = [m.offset, *(s for a, s in m.strides if a != axis.name), *(s for s, _, _ in at)]
        aligned &= m.stride(axis.name) == 1 and not any(x % n for x in others)
    for e in loads:
        along = any(g.stride(axis.name) for g, _, _ in e.guards)
        aligned &= not along and not (e.guards and e.map.stride(axis.name))
        aligned &= not any(axis.name in uses(i) for _, i, _ in e.at)
    aligned &= axis.name not in schedule.scattered(stages)
    heavy = sum(map(schedule.weight, stages)) >= HEAVY
    return n if aligned and not heavy else 1


def uses(e: object) -> set[str]:
    """The axes along which loads and indices below an expression move."""
    found: set[str] = set()
    for n in walk(e):  # pyright: ignore[reportArgumentType]
        if isinstance(n, Load | Index):
            found |= n.map.axes
    return found


# ------------------------------------------------------------------ what both share


class Grid(Lowering):
    """A kernel as the text of one thread."""

    def __init__(self, kernel: Kernel, device: Device) -> None:
        self.device = device
        self.begin(kernel, Parameters(kernel.buffers, kernel.axes, words()))

    @property
    def shared_bytes(self) -> int:
        return self.scratch_bytes

    def threads(self) -> int:
        return self.device.threads

    def text(self) -> str:
        root = self.values.here
        self.parallel()
        doc = self.kernel.spelled(Named(self.slots))
        return function(self.names.fresh(self.kernel.name), doc, root.body, self.slots.lines())

    def prefetch(self, stage: Stage) -> None:
        """Other warps run while one waits for memory."""

    def place_of(self, point: str, sizes: list[tuple[Axis, str, int]]) -> None:
        """Tells the index of each axis from a point; `sizes` are counts of steps, and steps."""
        rest = point
        for k, (a, count, step) in reversed(list(enumerate(sizes))):
            index = f"{rest} % {count}" if k else rest
            times = f" * {step}" if step > 1 else ""
            self.emit(f"{self.slots.axis(a.name)} = {index}{times}")
            rest = f"{rest} // {count}"

    def counted(self, axis: Axis, step: int) -> str:
        """How many steps an axis has."""
        extent = self.extent(axis)
        return f"({extent} // {step})" if step > 1 else extent


# ------------------------------------------------------------------ a thread a point


class Threads(Grid):
    """Lanes follow the last parallel axis, if any."""

    def __init__(self, kernel: Kernel, device: Device) -> None:
        super().__init__(kernel, device)
        self.column = kernel.free[-1]
        self.values.follow(self.column.name, lanes(kernel.stages, self.column, device))

    def points(self) -> int:
        return math.prod(a.size for a in self.kernel.free) // self.values.lanes

    def blocks(self) -> int:
        return max(1, min(-(-self.points() // self.device.threads), self.device.blocks))

    def parallel(self) -> None:
        free, n, threads = self.kernel.free, self.values.lanes, self.device.threads
        times = f" * {n}" if n > 1 else ""
        first = f"(block_index() * {threads} + thread_index()){times}"
        step = f"block_count() * {threads * n}"
        if len(free) == 1:
            head = f"for {self.slots.axis(free[0].name)} in "
            head += f"range({first}, {self.slots.extent(free[0])}, {step})"
            self.within(head, {free[0].name}, self.ordered)
            return
        sizes = [(a, self.counted(a, n if a is free[-1] else 1), n if a is free[-1] else 1)
                 for a in free]  # fmt: skip
        first, step = first.removesuffix(times), f"block_count() * {threads}"
        total = " * ".join(count for _, count, _ in sizes)

        def body() -> None:
            self.place_of(POINT, sizes)
            self.ordered()

        head = f"for {POINT} in range({first}, {total}, {step})"
        self.within(head, {POINT, *(a.name for a in free)}, body)


# ------------------------------------------------------------------ a team a point


class Teams(Grid):
    """Threads of a team follow the inner axes of each stage."""

    def __init__(self, kernel: Kernel, device: Device) -> None:
        super().__init__(kernel, device)
        longest = max((math.prod(a.size for a in s.axes) for s in kernel.stages), default=1)
        points = math.prod(a.size for a in kernel.free)
        short = longest <= device.threads if points > 1 else longest <= device.warp
        fits = self.kept_bytes() * (device.threads // device.warp) <= device.plain_shared_bytes
        self.size = device.warp if short and fits else device.threads
        self.lanes = min((self.stage_lanes(s) for s in self.stages if s.axes), default=1)
        self.row_start = "0"

    def kept_bytes(self) -> int:
        """Bytes of the rows of one point."""
        rows = {
            s.name: row_bytes(math.prod(a.size for a in stage.axes), s.expr.dtype)
            for stage in self.kernel.stages
            for s in stage.body
            if isinstance(s, Keep) and stage.axes
        }
        return sum(rows.values())

    def stage_lanes(self, stage: Stage) -> int:
        return lanes((stage,), stage.axes[-1], self.device)

    @property
    def teams(self) -> int:
        """Teams in a block."""
        return self.device.threads // self.size if self.points() > 1 else 1

    @property
    def shared_bytes(self) -> int:
        return self.scratch_bytes * self.teams

    def points(self) -> int:
        return math.prod(a.size for a in self.kernel.free)

    def blocks(self) -> int:
        return max(1, min(-(-self.points() // self.teams), self.device.blocks))

    # ---- points

    def threads(self) -> int:
        return self.size * self.teams

    def text(self) -> str:
        self.emit(f"thread = thread_index() % {self.size}")
        self.names.taken.add("thread")
        return super().text()

    def parallel(self) -> None:
        sizes = [(a, self.counted(a, 1), 1) for a in self.kernel.free]
        total = " * ".join(count for _, count, _ in sizes) or "1"
        first = "block_index()"
        step = "block_count()"
        if self.teams > 1:
            first = f"block_index() * {self.teams} + thread_index() // {self.size}"
            step += f" * {self.teams}"

        def body() -> None:
            self.place_of(POINT, sizes)
            self.ordered()

        head = f"for {POINT} in range({first}, {total}, {step})"
        self.within(head, {POINT, *(a.name for a in self.kernel.free)}, body)

    # ---- stages

    def along_last(self, stage: Stage) -> None:
        """One number of lanes in all stages, so that a thread meets the same elements in each."""
        self.values.follow(stage.axes[-1].name if stage.axes and self.lanes > 1 else "", self.lanes
                           if stage.axes else 1)  # fmt: skip

    def stage(self, stage: Stage) -> None:
        super().stage(stage)
        if any(not isinstance(s, Reduce) for s in stage.body):
            self.emit(f"barrier({self.size})")

    def reductions(self, stage: Stage) -> Reductions:
        return Reductions(self.values, stage, False, f"team_{{}}({{}}, {self.size})")

    def nest(self, axes: tuple[Axis, ...], body) -> None:
        """The threads of the team take turns at the points of a stage."""
        if not axes:
            body()
            return
        n, threads = self.lanes, self.size
        sizes = [(a, self.counted(a, n if a is axes[-1] else 1), n if a is axes[-1] else 1)
                 for a in axes]  # fmt: skip
        if len(axes) == 1:
            times = f" * {n}" if n > 1 else ""
            head = f"for {self.slots.axis(axes[0].name)} in "
            head += f"range(thread{times}, {self.extent(axes[0])}, {threads * n})"
            self.within(head, {axes[0].name}, body)
            return
        total = " * ".join(count for _, count, _ in sizes)
        turn = self.names.numbered("turn")

        def inside() -> None:
            self.place_of(turn, sizes)
            body()

        head = f"for {turn} in range(thread, {total}, {threads})"
        self.within(head, {a.name for a in axes}, inside)

    def statements(self, stage: Stage, reductions: Reductions) -> None:
        """A stage without axes: all threads know its values, one writes them."""
        if stage.axes:
            super().statements(stage, reductions)
            return
        writes = [s for s in stage.body if isinstance(s, Store | Accumulate)]
        self.pending: list[tuple[Store | Accumulate, list[str]]] = []
        super().statements(stage, reductions)
        if not writes:
            return
        pending, self.pending = self.pending, []

        def one() -> None:
            for s, of in pending:
                super(Teams, self).statement(stage, s, of, reductions)

        self.emit(f"barrier({self.size})")
        self.within("if thread == 0", set(), one)

    def statement(self, stage, s, of, reductions) -> None:
        if not stage.axes and isinstance(s, Store | Accumulate):
            self.pending.append((s, of))
        else:
            super().statement(stage, s, of, reductions)

    # ---- rows

    def with_tail(self, elements: int, padded: bool) -> int:
        return elements

    def reserve(self, stem: str, dtype: str, elements: int) -> str:
        """The pointer to a row in shared memory, known before any loop."""
        start, name = self.scratch_bytes, self.names.fresh(stem)
        self.scratch_bytes += row_bytes(elements, dtype)
        terms = [self.slots.number(("start", name), f"{name}_start", start)] if start else []
        if self.teams > 1:
            each = self.slots.number("team bytes", "team_bytes", self.kept_bytes())
            terms.insert(0, f"thread_index() // {self.size} * {each}")
        place = " + ".join(terms) or "0"
        self.values.levels[0].body.append(f"{name} = shared({place}, {dtype})")
        return name


def row_bytes(elements: int, dtype: str) -> int:
    return -(-elements * NUMPY[dtype].itemsize // LINE) * LINE
