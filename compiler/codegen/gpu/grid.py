"""The points of a kernel, numbered, over the blocks of a grid: what all spaces of a GPU share."""

from __future__ import annotations

from collections.abc import Sequence

from ...kernel.expr import Axis
from ...kernel.stages import Kernel
from ..loops import Loops, Space
from ..target import GpuTarget


class Grid(Space):
    """Every block meets `points_a_block` at a time; what it keeps is in its shared memory."""

    points_a_block: int = 1

    def __init__(self, kernel: Kernel, device: GpuTarget) -> None:
        self.kernel, self.device = kernel, device
        self.threads = device.threads  # of a block

    @property
    def blocks(self) -> int:
        return max(1, min(-(-self.points // self.points_a_block), self.device.blocks))

    def shared_bytes(self, rows_bytes: int) -> int:
        """Of a block, where a point keeps so many."""
        return rows_bytes

    def memory(self, code: Loops, name: str, start: int, dtype: str) -> str:
        return f"shared({start}, {dtype})"


def step_counts(code: Loops, axes: Sequence[Axis], lanes: int) -> list[str]:
    """How many steps there are along each axis, along the last one of `lanes` points."""
    found = [code.extent(a) for a in axes]
    if lanes > 1:
        found[-1] = f"({found[-1]} // {lanes})"
    return found
