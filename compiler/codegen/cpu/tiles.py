"""Maps whose operands lie crosswise: those are turned in registers, tile by tile.

    for every tile of ROWS by COLUMNS points
        turn the crosswise operands into tiles of scratch     by n registers; at edges by elements
        the statements, with lanes along the last axis        operands are read from the tiles

Reading such an operand a lane at a time costs twenty times more: every lane is another cache line
and another page.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ...kernel.expr import Axis, Expr, Leaf, Load, Map, Result, rebuilt
from ...kernel.stages import Kernel, Stage, Store, mapped
from .. import lanes as schedule
from ..printer import Suite
from ..reductions import Reductions
from ..slots import Names
from ..target import Target
from ..values import Row
from .loops import POINT, Lowering

ROWS, COLUMNS = (
    64,
    64,
)  # points of a tile: it stays in the first-level cache, its source lines are whole
MOST = 16  # registers of a transpose


def crossing(kernel: Kernel) -> Axis | None:
    """The parallel axis along which operands lie that jump along the last one, if any do."""
    statements = [s for stage in kernel.stages for s in stage.body]
    one = len(kernel.stages) == 1 and all(isinstance(s, Store) for s in statements)
    if not one or kernel.stages[0].axes or kernel.ordered or len(kernel.free) < 2:
        return None
    *others, last = kernel.free
    crossed = [
        m for m, _ in schedule.accesses(kernel.stages[0]) if m.stride(last.name) not in (0, 1)
    ]
    found = [(sum(m.stride(a.name) == 1 for m in crossed), a) for a in others]
    most, axis = max(found, key=lambda pair: pair[0])
    return axis if most else None


Turned = dict[tuple[str, Map], tuple[Load, Result]]


def with_tiles(
    kernel: Kernel, across: Axis, names: Names, fits: Callable[[Turned, Load], bool] | None = None
) -> tuple[Stage, Turned]:
    """The stage with results of tiles in the place of crosswise loads; those, by buffer and map.

    `fits`: whether there is room for one more; a load that has none stays as it is.
    """
    axes = (across.name, kernel.free[-1].name)
    memo: dict[Expr, Expr] = {}
    turned: Turned = {}

    def leaf(e: Leaf) -> Leaf:
        if not isinstance(e, Load) or e.guards or e.at:
            return e
        if e.map.stride(axes[0]) != 1 or e.map.stride(axes[1]) in (0, 1):
            return e
        key = e.buffer.name, e.map
        if key not in turned:
            if fits and not fits(turned, e):
                return e
            turned[key] = e, Result(names.fresh(f"{e.buffer.name}_tile"), axes, e.dtype)
        return turned[key][1]

    body = kernel.stages[0].body
    return Stage((), tuple(mapped(s, lambda e: rebuilt(e, leaf, memo)) for s in body)), turned


@dataclass(frozen=True)
class Corner:
    """The variables that bound a tile: rows along the crosswise axis, columns along the lanes."""

    top: str
    bottom: str
    left: str
    right: str


class Tiles(Lowering):
    def __init__(self, kernel: Kernel, target: Target, across: Axis) -> None:
        super().__init__(kernel, target)
        self.across, self.along = across, kernel.free[-1]
        self.others = [a for a in kernel.free if a not in (self.across, self.along)]
        self.inner, self.turned = with_tiles(kernel, across, self.names)

    def points(self) -> int:
        unit = {self.across: ROWS, self.along: COLUMNS}
        return math.prod(-(-a.size // unit.get(a, 1)) for a in self.kernel.free)

    # ---- loops

    def parallel(self) -> None:
        axes = {POINT, *(a.name for a in self.others)}
        self.within(f"for {POINT} in range(start, stop)", axes, self.tile)

    def tile(self) -> None:
        """One tile: where it is, its operands turned, its points."""
        corner = self.corner()
        for load, result in self.turned.values():
            self.turn(load, result, corner)

        def row() -> None:
            self.vector_loop(
                self.along,
                lambda: self.statements(self.inner, Reductions(self.values, self.inner, True)),
                corner.left,
                corner.right,
            )

        self.loop(self.across, row, corner.top, corner.bottom)

    def corner(self) -> Corner:
        """Tells the place of a tile from the point."""
        rest, ends = POINT, []
        for a, unit in ((self.along, COLUMNS), (self.across, ROWS)):
            size, name = self.slots.extent(a), self.slots.axis(a.name)
            blocks = self.values.line(
                self.values.levels[0], f"({size} + {unit - 1}) // {unit}", "blocks"
            )
            first, last = self.names.fresh(f"{name}_start"), self.names.fresh(f"{name}_stop")
            self.emit(
                f"{first} = {rest} % {blocks} * {unit}", f"{last} = min({first} + {unit}, {size})"
            )
            rest = f"{rest} // {blocks}"
            ends += [first, last]
        for a in reversed(self.others):
            self.emit(f"{self.slots.axis(a.name)} = {rest} % {self.slots.extent(a)}")
            rest = f"{rest} // {self.slots.extent(a)}"
        left, right, top, bottom = ends
        return Corner(top, bottom, left, right)

    # ---- tiles

    def turn(self, load: Load, result: Result, corner: Corner) -> None:
        """Fills the tile of one operand: whole squares through registers, the rest by elements."""
        values, of = self.values, load.buffer.name
        tile = self.reserve(result.name, load.dtype, ROWS * COLUMNS)
        origin = values.line(values.here, f"{corner.top} * {COLUMNS} + {corner.left}", "origin")
        place = Map(((self.across.name, COLUMNS), (self.along.name, 1)))
        values.results[result.name] = Row(tile, False, place, True, origin)

        n = 8 if load.dtype == "bool" else min(MOST, self.target.lanes(load.dtype))
        p, pitch = self.slots.buffer(of), self.slots.stride(of, load.map, self.along.name)
        base = [
            t
            for _, t in values.terms(
                of, load.map.renamed(lambda a: None if a in result.axes else a)
            )
        ]
        start = values.line(
            values.here, " + ".join([*base, corner.top, f"{corner.left} * {pitch}"]), "at"
        )
        height, width = f"{corner.bottom} - {corner.top}", f"{corner.right} - {corner.left}"
        rows = values.line(values.here, f"({height}) // {n} * {n}", "whole")
        columns = values.line(values.here, f"({width}) // {n} * {n}", "whole")
        i, j = self.names.numbered("a"), self.names.numbered("b")
        source, to = f"{start} + {i} + {j} * {pitch}", f"{i} * {COLUMNS} + {j}"
        square = f"transpose({p}, {source}, {pitch}, {tile}, {to}, {COLUMNS}, {n})"
        element = f"store({tile}, {to}, load({p}, {source}, 1))"
        self.emit(
            Suite(
                f"for {i} in range(0, {rows}, {n})",
                [Suite(f"for {j} in range(0, {columns}, {n})", [square])],
            ),
            Suite(
                f"for {i} in range(0, {height})",
                [Suite(f"for {j} in range({columns} * ({i} < {rows}), {width})", [element])],
            ),
        )
