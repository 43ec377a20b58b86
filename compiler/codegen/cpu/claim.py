"""The points of a kernel that a thread of a processor has claimed: loops over vectors of them.

    rows       for every parallel point, each stage is a loop of vectors along its last inner axis
    columns    lanes follow the last parallel axis, all stages run within one vector of it
    both       the same of the last ordered axis, where rows are shorter than a register

The last parallel axis is a loop, the others are told from the point once per row of it.
"""

from __future__ import annotations

from ...kernel.expr import Axis, Load, walk
from ...kernel.scalar import NUMPY
from ...kernel.stages import Kernel, Stage
from .. import decisions
from ..loops import POINT, Loops, Space
from ..target import LINE, Target
from ..words.memory import CLOSE

AHEAD = 16  # rows


class Claim(Space):
    """The points start..stop; rows of a point are in scratch."""

    close = CLOSE

    def __init__(self, kernel: Kernel, target: Target) -> None:
        self.kernel, self.target = kernel, target
        self.column = decisions.lane_axis(kernel, target)
        if self.column:
            self.lanes = decisions.lanes(kernel.stages, self.column, target)
            rows = [s.axes[-1].size for s in kernel.stages if s.axes]
            if rows and self.column is not decisions.column_axis(kernel):  # rows are turned
                native = decisions.native_lanes(kernel.stages, target)
                self.lanes = native if max(rows) >= native else self.lanes
        self.step = self.lanes if self.column in kernel.free else 1  # of the last parallel axis

    @property
    def points(self) -> int:
        total = 1
        for a in self.kernel.free:
            total *= -(-a.size // self.step) if a is self.column else a.size
        return total

    # ---- points

    def parallel(self, code: Loops) -> None:
        free = self.kernel.free
        if not free:
            code.suite(f"for {POINT} in range(start, stop)", {POINT}, code.ordered)
        elif len(free) == 1:
            times = f" * {self.step}" if self.step > 1 else ""
            self.last_axis(code, free[0], f"start{times}", f"stop{times}")
        else:
            code.emit(f"{POINT} = start")
            axes = {a.name for a in free[:-1]}
            code.suite(f"while {POINT} < stop", axes, lambda: self.one_row(code))

    def one_row(self, code: Loops) -> None:
        """The points of one row of the last parallel axis; the other indices are told once."""
        *others, last = self.kernel.free
        blocks, times = code.slots.extent(last), ""
        if self.step > 1:
            above = f"({blocks} + {self.step - 1}) // {self.step}"
            blocks = code.values.line(code.values.levels[0], above, "blocks")
            times = f" * {self.step}"
        code.emit(*code.slots.unravel(f"{POINT} // {blocks}", others))
        first, count = code.names.fresh("first_point"), code.names.fresh("count")
        code.emit(
            f"{first} = {POINT} % {blocks}", f"{count} = min({blocks} - {first}, stop - {POINT})"
        )
        stop = f"({first} + {count}){times}" if times else f"{first} + {count}"
        self.last_axis(code, last, first + times, stop)
        code.emit(f"{POINT} = {POINT} + {count}")

    def last_axis(self, code: Loops, axis: Axis, first: str, last: str) -> None:
        """The loop over the last parallel axis, along which lanes may run."""
        if axis is self.column:
            code.vector_loop(axis, code.ordered, first, f"min({last}, {code.slots.extent(axis)})")
        else:
            code.loop(axis, code.ordered, first, last)

    # ---- stages

    def along(self, stage: Stage) -> tuple[str, int]:
        """Lanes follow the last inner axis."""
        if not stage.axes:
            return "", 1
        axis = stage.axes[-1]
        return axis.name, decisions.lanes((stage,), axis, self.target)

    def row_elements(self, elements: int, padded: bool) -> int:
        widest = self.target.bits // 32 * decisions.WIDE if padded else 1
        return -(-elements // widest) * widest

    def memory(self, code: Loops, name: str, start: int, dtype: str) -> str:
        place = "scratch"
        if start:
            place += f" + {code.slots.number(('start', name), f'{name}_start', start)}"
        return f"address_pointer({place}, {dtype})"

    # ---- memory ahead

    def ahead(self, code: Loops, stage: Stage) -> None:
        """Asks for memory that is read soon where the processor would not see it coming.

        Rows: passes over one row leave the memory idle while they compute, so the heaviest of
        several asks for the row that the next point reads first (1.3 to 1.6 times faster on rows
        from memory). Columns: a strip jumps from row to row, so the first stage that reads it asks
        for a row `AHEAD` (2 to 2.5 times faster).
        """
        values, kernel = code.values, self.kernel
        if not stage.axes or not kernel.outer or values.mask:
            return
        passes = [
            s for s in code.stages if s.axes and (self.column or s.axes[-1].name == values.vector)
        ]
        if self.column and stage is passes[0]:
            ask(code, stage, stage.axes[-1].name, f"{AHEAD} * ")
        elif not self.column and len(passes) > 1 and stage is max(passes, key=decisions.weight):
            ask(code, passes[0], kernel.outer[-1].name, "")


def ask(code: Loops, stage: Stage, axis: str, times: str) -> None:
    """Prefetches what the loads of `stage` read some points of `axis` later."""
    values, slots = code.values, code.slots
    for e in walk(*stage.exprs):
        if (
            isinstance(e, Load)
            and not e.at
            and e.map.stride(axis) not in (0, 1)
            and e.map.stride(values.vector) == 1
        ):
            of, p = e.buffer.name, slots.buffer(e.buffer.name)
            ahead = f"{values.place(of, e.map)} + {times}{slots.stride(of, e.map, axis)}"
            each = LINE // NUMPY[e.dtype].itemsize
            for k in range(0, values.lanes, each):
                code.emit(f"prefetch({p}, {ahead}{f' + {k}' if k else ''})")
