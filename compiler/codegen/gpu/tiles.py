"""A map for a GPU whose operands lie crosswise: a block a tile, turned in shared memory."""

from __future__ import annotations

import math

from ...kernel.expr import Axis, Load, Map, Result
from ...kernel.stages import Kernel
from ..loops import POINT, Body, Loops
from ..reductions import Reductions
from ..target import GpuTarget, row_bytes
from ..tiles import Turned, with_tiles
from ..values import Home
from .grid import Grid

TILE = 32  # points of a tile along both axes: a warp reads and writes whole lines
ELEMENTS = TILE * (TILE + 1)  # of a tile in shared memory


class TurnedTiles(Grid):
    """Rows of a tile along the axis `across`, columns along the last parallel one.

    What lies crosswise is read along its own lines into shared memory, whose rows are one element
    longer than a tile's, so that a column falls on all banks. The operands that this has no room
    for are read where they lie.
    """

    def __init__(self, kernel: Kernel, device: GpuTarget, across: Axis) -> None:
        super().__init__(kernel, device)
        self.across, self.last = across, kernel.free[-1]
        self.others = [a for a in kernel.free if a not in (across, self.last)]

    def fits(self, turned: Turned, load: Load) -> bool:
        others = sum(row_bytes(ELEMENTS, x.dtype) for x, _ in turned.values())
        return others + row_bytes(ELEMENTS, load.dtype) <= self.device.shared_bytes

    @property
    def points(self) -> int:
        tiles = -(-self.across.size // TILE) * -(-self.last.size // TILE)
        return tiles * math.prod(a.size for a in self.others)

    def parallel(self, code: Loops) -> None:
        stage, turned = with_tiles(self.kernel, self.across, code.names, self.fits)
        slots, barrier = code.slots, f"barrier({self.threads})"
        code.emit("thread = thread_index()")
        down, right = (
            f"(({slots.extent(a)} + {TILE - 1}) // {TILE})" for a in (self.across, self.last)
        )
        total = " * ".join([down, right, *map(slots.extent, self.others)])
        top, left = code.names.fresh("top"), code.names.fresh("first_column")

        def tile() -> None:
            code.emit(
                f"{left} = {POINT} % {right} * {TILE}",
                f"{top} = {POINT} // {right} % {down} * {TILE}",
                *slots.unravel(f"{POINT} // ({right} * {down})", self.others),
            )
            for load, result in turned.values():
                self.turn(code, load, result, top, left)
            code.emit(barrier)
            place = f"{top} + turn // {TILE}, {left} + turn % {TILE}"
            reductions = Reductions(code.values, stage, True)
            self.each_point(code, place, lambda: code.statements(stage, reductions))
            code.emit(barrier)

        head = f"for {POINT} in range(block_index(), {total}, block_count())"
        code.suite(head, {POINT, *(a.name for a in self.others)}, tile)

    def each_point(self, code: Loops, place: str, body: Body) -> None:
        """`body` at the points of a tile that exist, of which `place` is row and column."""
        both = (self.across, self.last)
        (row, column), (rows, columns) = self.names(code), map(code.slots.extent, both)

        def turn() -> None:
            code.emit(f"{row}, {column} = {place}")
            inside = f"if {row} < {rows} and {column} < {columns}"
            code.suite(inside, {a.name for a in both}, body)

        head = f"for turn in range(thread, {TILE * TILE}, {self.threads})"
        code.suite(head, set(), turn)

    def names(self, code: Loops) -> list[str]:
        """Those of row and column."""
        return [code.slots.axis(a.name) for a in (self.across, self.last)]

    def turn(self, code: Loops, load: Load, result: Result, top: str, left: str) -> None:
        """Fills the tile of one operand."""
        name, values = code.reserve(result.name, load.dtype, ELEMENTS), code.values
        place = Map(((self.across.name, TILE + 1), (self.last.name, 1)))
        origin = values.line(values.here, f"{top} * {TILE + 1} + {left}", "origin")
        values.results[result.name] = Home(name, False, place, True, origin)
        row, column = self.names(code)

        def element() -> None:
            source = values.value(load)
            at = f"({row} - {top}) * {TILE + 1} + {column} - {left}"
            code.emit(f"store({name}, {at}, {source})")

        self.each_point(code, f"{top} + turn % {TILE}, {left} + turn // {TILE}", element)
