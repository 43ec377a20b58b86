"""A kernel for a GPU, a thread a point: lanes follow the last parallel axis, the rest is loops."""

from __future__ import annotations

import math

from ...kernel.stages import Kernel
from ..cpu.loops import POINT
from ..target import Device
from .grid import Grid, lanes


class Threads(Grid):
    """Lanes follow the last parallel axis, if any."""

    def __init__(self, kernel: Kernel, device: Device) -> None:
        super().__init__(kernel, device)
        self.column = kernel.free[-1]
        blocks = {a.split[0] for a in kernel.axes.values() if a.split and a.split[1] % a.size}
        n = 1 if self.column.name in blocks else lanes(kernel.stages, self.column, device)
        self.values.follow(self.column.name if n > 1 else "", n)

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
