"""Maps whose operands lie crosswise: those are turned in registers, tile by tile.

    for every tile of ROWS by COLUMNS points
        turn the crosswise operands into tiles of scratch     by n registers; at edges by elements
        the statements, with lanes along the last axis        operands are read from the tiles

Reading such an operand a lane at a time costs twenty times more: every lane is another cache line
and another page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...kernel.expr import Axis, Load, Map, Result
from ...kernel.stages import Kernel
from ..loops import POINT, Loops
from ..printer import Suite
from ..reductions import Reductions
from ..target import Target
from ..tiles import with_tiles
from ..values import Home
from .claim import Claim

ROWS = COLUMNS = 64  # points of a tile: it stays in the nearest cache, its source lines are whole
MOST = 16  # registers of a transpose


@dataclass(frozen=True)
class Corner:
    """The variables that bound a tile: rows along the crosswise axis, columns along the lanes."""

    top: str
    bottom: str
    left: str
    right: str


class Tiles(Claim):
    """Tiles of the last parallel axis and of the one that operands lie along."""

    def __init__(self, kernel: Kernel, target: Target, across: Axis) -> None:
        super().__init__(kernel, target)
        self.across, self.last = across, kernel.free[-1]
        self.others = [a for a in kernel.free if a not in (self.across, self.last)]

    @property
    def points(self) -> int:
        unit = {self.across: ROWS, self.last: COLUMNS}
        return math.prod(-(-a.size // unit.get(a, 1)) for a in self.kernel.free)

    def parallel(self, code: Loops) -> None:
        stage, turned = with_tiles(self.kernel, self.across, code.names)

        def tile() -> None:
            corner = self.corner(code)
            for load, result in turned.values():
                self.turn(code, load, result, corner)
            code.loop(self.across, lambda: row(corner), corner.top, corner.bottom)

        def row(corner: Corner) -> None:
            points = lambda: code.statements(stage, Reductions(code.values, stage, True))  # noqa: E731
            code.vector_loop(self.last, points, corner.left, corner.right)

        axes = {POINT, *(a.name for a in self.others)}
        code.suite(f"for {POINT} in range(start, stop)", axes, tile)

    def corner(self, code: Loops) -> Corner:
        """Tells the place of a tile from the point."""
        slots, names = code.slots, code.names
        rest, ends = POINT, []
        for a, unit in ((self.last, COLUMNS), (self.across, ROWS)):
            size, name = slots.extent(a), slots.axis(a.name)
            above = f"({size} + {unit - 1}) // {unit}"
            blocks = code.values.line(code.values.levels[0], above, "blocks")
            first, last = names.fresh(f"{name}_start"), names.fresh(f"{name}_stop")
            code.emit(
                f"{first} = {rest} % {blocks} * {unit}", f"{last} = min({first} + {unit}, {size})"
            )
            rest = f"{rest} // {blocks}"
            ends += [first, last]
        code.emit(*slots.unravel(rest, self.others))
        left, right, top, bottom = ends
        return Corner(top, bottom, left, right)

    def turn(self, code: Loops, load: Load, result: Result, corner: Corner) -> None:
        """Fills the tile of one operand: whole squares through registers, the rest by elements."""
        values, of = code.values, load.buffer.name
        tile = code.reserve(result.name, load.dtype, ROWS * COLUMNS)
        origin = values.line(values.here, f"{corner.top} * {COLUMNS} + {corner.left}", "origin")
        place = Map(((self.across.name, COLUMNS), (self.last.name, 1)))
        values.results[result.name] = Home(tile, False, place, origin=origin)

        n = 8 if load.dtype == "bool" else min(MOST, self.target.lanes(load.dtype))
        p, pitch = code.slots.buffer(of), code.slots.stride(of, load.map, self.last.name)
        outside = load.map.renamed(lambda a: None if a in result.axes else a)
        base = [t for _, t in values.terms(of, outside)]
        start = values.line(
            values.here, " + ".join([*base, corner.top, f"{corner.left} * {pitch}"]), "at"
        )
        height, width = f"{corner.bottom} - {corner.top}", f"{corner.right} - {corner.left}"
        rows = values.line(values.here, f"({height}) // {n} * {n}", "whole")
        columns = values.line(values.here, f"({width}) // {n} * {n}", "whole")
        i, j = code.names.numbered("a"), code.names.numbered("b")
        source, to = f"{start} + {i} + {j} * {pitch}", f"{i} * {COLUMNS} + {j}"
        square = f"transpose({p}, {source}, {pitch}, {tile}, {to}, {COLUMNS}, {n})"
        element = f"store({tile}, {to}, load({p}, {source}, 1))"
        code.emit(
            Suite(
                f"for {i} in range(0, {rows}, {n})",
                [Suite(f"for {j} in range(0, {columns}, {n})", [square])],
            ),
            Suite(
                f"for {i} in range(0, {height})",
                [Suite(f"for {j} in range({columns} * ({i} < {rows}), {width})", [element])],
            ),
        )
