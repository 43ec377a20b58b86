"""A kernel for a GPU, a thread a point: lanes follow the last parallel axis, the rest is loops."""

from __future__ import annotations

import math

from ...kernel.scalar import KernelError
from ...kernel.stages import Kernel
from ..loops import POINT, Loops
from ..target import GpuTarget
from .grid import Grid, step_counts
from .lanes import access_lanes


class Threads(Grid):
    """Lanes follow the last parallel axis, if any. A thread keeps no rows."""

    def __init__(self, kernel: Kernel, device: GpuTarget) -> None:
        super().__init__(kernel, device)
        self.column = last = kernel.free[-1]
        self.points_a_block = device.threads
        blocks = {a.split[0] for a in kernel.axes.values() if a.split and a.split[1] % a.size}
        self.lanes = 1 if last.name in blocks else access_lanes(kernel.stages, last, device)

    @property
    def points(self) -> int:
        return math.prod(a.size for a in self.kernel.free) // self.lanes

    def parallel(self, code: Loops) -> None:
        free, n = self.kernel.free, self.lanes
        first = f"block_index() * {self.threads} + thread_index()"
        if len(free) == 1:
            first = f"({first}) * {n}" if n > 1 else f"({first})"
            name, end = code.slots.axis(free[0].name), code.slots.extent(free[0])
            step = f"block_count() * {self.threads * n}"
            head = f"for {name} in range({first}, {end}, {step})"
            code.suite(head, {free[0].name}, code.ordered)
            return
        found = step_counts(code, free, n)

        def body() -> None:
            code.emit(*code.slots.unravel(POINT, free, found, n))
            code.ordered()

        step = f"block_count() * {self.threads}"
        head = f"for {POINT} in range(({first}), {' * '.join(found)}, {step})"
        code.suite(head, {POINT, *(a.name for a in free)}, body)

    def memory(self, code: Loops, name: str, start: int, dtype: str) -> str:
        raise KernelError(f"{self.kernel.name}: rows of a thread are required, there are none")
