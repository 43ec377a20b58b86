"""A kernel for a GPU, a team a point: threads take turns at the inner points of every stage.

A team is a warp where rows are short, else a block. Its threads wait for each other wherever one
may read what another wrote: a row of shared memory, an output over an operand.
"""

from __future__ import annotations

import math

from ...kernel.expr import Axis
from ...kernel.scalar import KernelError
from ...kernel.stages import Keep, Kernel, KernelReduce, Stage
from ..cascade import PLAIN, cascade
from ..loops import POINT, Body, Loops
from ..reductions import Reductions
from ..target import GpuTarget, row_bytes
from .grid import Grid, step_counts
from .lanes import access_lanes


class Teams(Grid):
    """Threads of a team follow the inner axes of each stage."""

    def __init__(self, kernel: Kernel, device: GpuTarget) -> None:
        super().__init__(kernel, device)
        longest = max((math.prod(a.size for a in s.axes) for s in kernel.stages), default=1)
        short = longest <= (device.threads if self.points > 1 else device.warp)
        fits = self.kept_bytes() * (device.threads // device.warp) <= device.plain_shared_bytes
        self.team = device.warp if short and fits else device.threads
        self.fold = f"team_{{}}({{}}, {self.team})"
        self.points_a_block = device.threads // self.team if self.points > 1 else 1
        self.threads = self.team * self.points_a_block
        inner = [access_lanes((s,), s.axes[-1], device) for s in kernel.stages if s.axes]
        self.together = min(inner, default=1)  # neighbours that a thread meets at once
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

    def shared_bytes(self, rows_bytes: int) -> int:
        return rows_bytes * self.points_a_block

    @property
    def points(self) -> int:
        return math.prod(a.size for a in self.kernel.free)

    # ---- points

    def parallel(self, code: Loops) -> None:
        code.emit(f"thread = thread_index() % {self.team}")
        free, found = self.kernel.free, step_counts(code, self.kernel.free, 1)
        first, step = "block_index()", "block_count()"
        if self.points_a_block > 1:
            first += f" * {self.points_a_block} + thread_index() // {self.team}"
            step += f" * {self.points_a_block}"

        def body() -> None:
            code.emit(*code.slots.unravel(POINT, free, found))
            code.ordered()

        head = f"for {POINT} in range({first}, {' * '.join(found) or 1}, {step})"
        code.suite(head, {POINT, *(a.name for a in free)}, body)

    # ---- stages

    def along(self, stage: Stage) -> tuple[str, int]:
        """One number of lanes in all stages, so that a thread meets the same elements in each."""
        if not stage.axes:
            return "", 1
        return stage.axes[-1].name if self.together > 1 else "", self.together

    def nest(self, code: Loops, axes: tuple[Axis, ...], body: Body, reductions: Reductions) -> None:
        """The threads of the team take turns at the points of a stage; sums are in levels."""
        if not axes:
            body()
            return
        n, threads = self.together, self.team
        steps = -(-math.prod(a.size for a in axes) // (threads * n))
        (levels,) = cascade([steps]) if reductions.sums else [PLAIN]
        sums = levels, reductions.apart
        found = step_counts(code, axes, n)
        if len(axes) == 1:
            first = f"thread * {n}" if n > 1 else "thread"
            code.turns(axes[0], body, first, code.extent(axes[0]), threads * n, sums)
            return
        turn = code.names.numbered("turn")

        def inside() -> None:
            code.emit(*code.slots.unravel(turn, axes, found, n))
            body()

        names = {a.name for a in axes}
        code.steps(turn, names, inside, "thread", " * ".join(found), threads, sums)

    def write(self, code: Loops, stage: Stage, body: Body) -> None:
        """A stage without axes: all threads know its values, one writes them."""
        if stage.axes:
            body()
            return
        code.emit(f"barrier({self.team})")
        code.suite("if thread == 0", set(), body)

    def after(self, code: Loops, stage: Stage) -> None:
        if any(not isinstance(s, KernelReduce) for s in stage.body):
            code.emit(f"barrier({self.team})")

    def memory(self, code: Loops, name: str, start: int, dtype: str) -> str:
        """A row in shared memory, of this team."""
        terms = [code.slots.number(("start", name), f"{name}_start", start)] if start else []
        if self.points_a_block > 1:
            each = code.slots.number("team bytes", "team_bytes", self.kept_bytes())
            terms.insert(0, f"thread_index() // {self.team} * {each}")
        return f"shared({' + '.join(terms) or 0}, {dtype})"
