"""A map for a GPU whose operands lie crosswise: a block a tile, turned in shared memory."""

from __future__ import annotations

import math

from ...kernel.expr import Axis, Load, Map, Result
from ...kernel.stages import Kernel
from ..cpu.loops import POINT, Body
from ..cpu.tiles import Turned, with_tiles
from ..reductions import Reductions
from ..target import Device
from ..values import Row
from .grid import Grid, row_bytes

TILE = 32  # points of a tile along both axes: a warp reads and writes whole lines
ELEMENTS = TILE * (TILE + 1)  # of a tile in shared memory


class TurnedTiles(Grid):
    """Rows of a tile along the axis `across`, columns along the last parallel one.

    What lies crosswise is read along its own lines into shared memory, whose rows are one element
    longer than a tile's, so that a column falls on all banks. The operands that this has no room
    for are read where they lie.
    """

    def __init__(self, kernel: Kernel, device: Device, across: Axis) -> None:
        super().__init__(kernel, device)
        self.across, self.along = across, kernel.free[-1]
        self.others = [a for a in kernel.free if a not in (across, self.along)]
        self.inner, self.turned = with_tiles(kernel, across, self.names, self.fits)
        self.values.follow("", 1)

    def fits(self, turned: Turned, load: Load) -> bool:
        others = sum(row_bytes(ELEMENTS, x.dtype) for x, _ in turned.values())
        return others + row_bytes(ELEMENTS, load.dtype) <= self.device.shared_bytes

    def points(self) -> int:
        tiles = -(-self.across.size // TILE) * -(-self.along.size // TILE)
        return tiles * math.prod(a.size for a in self.others)

    def blocks(self) -> int:
        return max(1, min(self.points(), self.device.blocks))

    def parallel(self) -> None:
        self.emit("thread = thread_index()")
        down, right = (f"(({self.slots.extent(a)} + {TILE - 1}) // {TILE})"
                       for a in (self.across, self.along))  # fmt: skip
        total = " * ".join([down, right, *(self.slots.extent(a) for a in self.others)])
        top, left = self.names.fresh("top"), self.names.fresh("first_column")

        def tile() -> None:
            self.emit(
                f"{left} = {POINT} % {right} * {TILE}",
                f"{top} = {POINT} // {right} % {down} * {TILE}",
            )
            rest = f"{POINT} // ({right} * {down})"
            self.place_of(rest, [(a, self.slots.extent(a), 1) for a in self.others])
            for load, result in self.turned.values():
                self.turn(load, result, top, left)
            self.emit(f"barrier({self.device.threads})")
            row, column = (self.slots.axis(a.name) for a in (self.across, self.along))
            self.each_point(f"{row}, {column} = {top} + turn // {TILE}, {left} + turn % {TILE}",
                       lambda: self.statements(self.inner, Reductions(self.values, self.inner,
                                                                      True)))  # fmt: skip
            self.emit(f"barrier({self.device.threads})")

        head = f"for {POINT} in range(block_index(), {total}, block_count())"
        self.within(head, {POINT, *(a.name for a in self.others)}, tile)

    def each_point(self, told: str, body: Body) -> None:
        """`body` at the points of a tile that exist."""
        axes = {self.across.name, self.along.name}
        row, column = (self.slots.axis(a.name) for a in (self.across, self.along))
        inside = f"if {row} < {self.slots.extent(self.across)} and "
        inside += f"{column} < {self.slots.extent(self.along)}"

        def turn() -> None:
            self.emit(told)
            self.within(inside, axes, body)

        head = f"for turn in range(thread, {TILE * TILE}, {self.device.threads})"
        self.within(head, set(), turn)

    def turn(self, load: Load, result: Result, top: str, left: str) -> None:
        """Fills the tile of one operand."""
        row, column = (self.slots.axis(a.name) for a in (self.across, self.along))
        name = self.names.fresh(result.name)
        root = self.values.levels[0].body
        root.append(f"{name} = shared({self.scratch_bytes}, {load.dtype})")
        self.scratch_bytes += row_bytes(ELEMENTS, load.dtype)
        place = Map(((self.across.name, TILE + 1), (self.along.name, 1)))
        origin = self.values.line(self.values.here, f"{top} * {TILE + 1} + {left}", "origin")
        self.values.results[result.name] = Row(name, False, place, True, origin)

        def element() -> None:
            source = self.values.value(load)
            at = f"({row} - {top}) * {TILE + 1} + {column} - {left}"
            self.emit(f"store({name}, {at}, {source})")

        self.each_point(
            f"{row}, {column} = {top} + turn % {TILE}, {left} + turn // {TILE}", element
        )
