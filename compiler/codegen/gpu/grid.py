"""What all forms of a kernel for a GPU share: parameters, points told from numbers, lanes."""

from __future__ import annotations

from ...kernel.costs import HEAVY
from ...kernel.expr import Axis, Expr, Index, Load, walk
from ...kernel.scalar import NUMPY
from ...kernel.stages import Accumulate, Kernel, Stage, Store
from .. import lanes as schedule
from ..cpu.loops import LINE, Lowering
from ..printer import function
from ..slots import Named, Parameters
from ..target import Device
from ..words.gpu_words import words

LOCALS = ("thread", "turn")


def lanes(stages: tuple[Stage, ...], axis: Axis, device: Device) -> int:
    """Neighbours along `axis` that one access moves, 1 unless all accesses are aligned there.

    So they are for a buffer that is an element of a larger one, too, if its size is a multiple.
    """
    exprs = [e for s in stages for e in walk(*s.exprs)]
    loads = [e for e in exprs if isinstance(e, Load)]
    stores = [s for st in stages for s in st.body if isinstance(s, Store | Accumulate)]
    wide = [x for x in (*loads, *stores) if x.map.stride(axis.name)]
    widest = max(
        (NUMPY[e.dtype].itemsize for e in exprs if not isinstance(e, Index)), default=device.access
    )
    n = max(1, device.access // max(widest, 4))
    size = axis.split[1] if axis.split else axis.size
    aligned = size % n == 0 and axis.size % n == 0
    for x in wide:
        m, steps = x.map, [s for a, s in x.map.strides if a != axis.name]
        others = [m.offset, *steps, *(s for s, _, _ in x.at), x.buffer.size]
        aligned &= m.stride(axis.name) == 1 and not any(k % n for k in others)
    for e in loads:
        along = any(g.stride(axis.name) for g, _, _ in e.guards)
        aligned &= not along and not (e.guards and e.map.stride(axis.name))
        aligned &= not any(axis.name in uses(i) for _, i, _ in e.at)
    aligned &= axis.name not in schedule.scattered(stages)
    heavy = sum(map(schedule.weight, stages)) >= HEAVY
    return n if aligned and not heavy else 1


def row_bytes(elements: int, dtype: str) -> int:
    """What a row takes of shared memory."""
    return -(-elements * NUMPY[dtype].itemsize // LINE) * LINE


def uses(e: Expr) -> set[str]:
    """The axes along which loads and indices below an expression move."""
    found: set[str] = set()
    for n in walk(e):
        if isinstance(n, Load | Index):
            found |= n.map.axes
    return found


class Grid(Lowering):
    """A kernel as the text of one thread."""

    def __init__(self, kernel: Kernel, device: Device) -> None:
        self.device = device
        self.begin(kernel, Parameters(kernel.buffers, kernel.axes, (*words(), *LOCALS)))

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
