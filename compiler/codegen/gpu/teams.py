"""A kernel for a GPU, a team a point: threads take turns at the inner points of every stage.

A team is a warp where rows are short, else a block. Its threads wait for each other wherever one
may read what another wrote: a row of shared memory, an output over an operand.
"""

from __future__ import annotations

import math

from ...kernel.expr import Axis
from ...kernel.scalar import KernelError
from ...kernel.stages import Accumulate, Keep, Kernel, Reduce, Stage, Statement, Store
from ..cascade import PLAIN, cascade
from ..cpu.loops import POINT, Body
from ..reductions import Reductions
from ..target import Device
from .grid import Grid, lanes, row_bytes


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
        if self.kept_bytes() > device.rows_bytes:
            raise KernelError(
                f"{kernel.name}: rows of at most {device.rows_bytes} bytes are required on "
                f"{device.architecture}, got {self.kept_bytes()}"
            )

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

    def nest(self, axes: tuple[Axis, ...], body: Body, reductions: Reductions) -> None:
        """The threads of the team take turns at the points of a stage; sums are in levels."""
        if not axes:
            body()
            return
        n, threads = self.lanes, self.size
        steps = -(-math.prod(a.size for a in axes) // (threads * n))
        (levels,) = cascade([steps]) if reductions.sums else [PLAIN]
        sums = levels, reductions.apart
        sizes = [(a, self.counted(a, n if a is axes[-1] else 1), n if a is axes[-1] else 1)
                 for a in axes]  # fmt: skip
        if len(axes) == 1:
            first = f"thread * {n}" if n > 1 else "thread"
            self.turns(axes[0], body, first, self.extent(axes[0]), threads * n, sums)
            return
        total = " * ".join(count for _, count, _ in sizes)
        turn = self.names.numbered("turn")

        def inside() -> None:
            self.place_of(turn, sizes)
            body()

        self.steps(turn, {a.name for a in axes}, inside, "thread", total, threads, sums)

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

    def statement(self, stage: Stage, s: Statement, of: list[str], reductions: Reductions) -> None:
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
