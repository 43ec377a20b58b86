"""Rows shorter than a register: lanes follow the rows, and memory is turned around them.

sums over the rows     a vector of sums for each element of a row, folded after the last one
whole rows of memory   read before the stages as columns of scratch, written as such after one
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..kernel.expr import Axis, Load, Map, walk
from ..kernel.monoid import MONOIDS
from ..kernel.scalar import NUMPY
from ..kernel.stages import Accumulate, Stage, Store
from .printer import Node, Suite
from .reductions import combined
from .values import Home, Values
from .words.memory import REGISTER

Loop = Callable[[Axis, Callable[[], None]], None]
"""Writes a loop over an axis."""


@dataclass(frozen=True)
class Columns:
    """Vectors in scratch, one for each point of the inner `axes`."""

    name: str
    axes: tuple[Axis, ...]
    map: Map


class ShortRows:
    """What the code of a kernel does for rows that lanes follow."""

    def __init__(
        self, values: Values, fold: str, loop: Loop, reserve: Callable[[str, str, int], str]
    ) -> None:
        self.values, self.slots, self.names = values, values.slots, values.slots.names
        self.fold, self.loop, self.reserve = fold, loop, reserve
        self.sums: dict[str, Columns] = {}  # by the buffer that gets them
        self.written: dict[str, Columns] = {}  # by the buffer, in the stage at hand

    def emit(self, *nodes: Node) -> None:
        self.values.here.body.extend(nodes)

    def columns(self, stem: str, axes: tuple[Axis, ...], dtype: str) -> Columns:
        """Room for a vector at each point of `axes`."""
        pitch, strides = self.values.lanes, list[tuple[str, int]]()
        for a in reversed(axes):
            strides.append((a.name, pitch))
            pitch *= a.size
        return Columns(self.reserve(stem, dtype, pitch), axes, Map(tuple(reversed(strides))))

    def place(self, columns: Columns) -> str:
        return self.values.place(columns.name, columns.map)

    # ---- sums over ordered rows

    def begin_sum(self, axes: tuple[Axis, ...], s: Accumulate) -> None:
        """Vectors to which nothing is added yet."""
        inner = tuple(a for a in axes if a.name in s.map.axes)
        dtype, lanes = s.expr.dtype, self.values.lanes
        sums = self.sums[s.buffer.name] = self.columns(f"{s.buffer.name}_sums", inner, dtype)
        zero = f"full(0, {dtype}, {lanes})"
        self.each(inner, lambda: self.emit(f"store({sums.name}, {self.place(sums)}, {zero})"))

    def each(self, axes: tuple[Axis, ...], body: Callable[[], None]) -> None:
        """Loops over axes, one point after the other."""
        if axes:
            self.loop(axes[0], lambda: self.each(axes[1:], body))
        else:
            body()

    def add(self, s: Accumulate, of: list[str]) -> None:
        """Adds to a vector of sums; lanes outside of the mask keep what they have."""
        sums, mask, names = self.sums[s.buffer.name], self.values.mask, self.names
        place, old, new = self.place(sums), names.numbered("v"), names.numbered("t")
        text = combined(s.monoid, old, of)
        self.emit(
            f"{old} = load({sums.name}, {place}, {self.values.lanes})",
            f"{new} = {f'select({mask}, {text}, {old})' if mask else text}",
            f"store({sums.name}, {place}, {new})",
        )

    def finish_sum(self, s: Accumulate) -> None:
        """Stores what the lanes have together."""
        sums = self.sums.pop(s.buffer.name)

        def one() -> None:
            lanes = f"load({sums.name}, {self.place(sums)}, {self.values.lanes})"
            whole = self.fold.format(MONOIDS[s.monoid].fold, lanes)
            place = self.values.place(s.buffer.name, s.map)
            self.emit(f"store({self.slots.buffer(s.buffer.name)}, {place}, {whole})")

        self.each(sums.axes, one)

    # ---- whole rows of memory

    def whole(self, m: Map, stage: Stage) -> bool:
        """Whether a map is that of rows one behind the other, of which a stage meets all."""
        if len(stage.axes) != 1 or self.values.mask or self.values.lanes == 1:
            return False
        (axis,) = stage.axes
        pitch = m.stride(self.values.vector)
        return 2 < pitch == axis.size <= self.values.close and m.stride(axis.name) == 1

    def turn(
        self, word: str, buffer: str, m: Map, stage: Stage, columns: Columns, dtype: str
    ) -> None:
        """Between rows of memory and columns, a register of lanes a time."""
        values, (axis,) = self.values, stage.axes
        n, lanes = axis.size, min(values.lanes, REGISTER // NUMPY[dtype].itemsize)
        first = values.place(buffer, m.renamed(lambda a: None if a == axis.name else a))
        p, k = self.slots.buffer(buffer), self.names.numbered("first")
        places = f"{p}, {first} + {k} * {n}, {columns.name}, {k}, {values.lanes}"
        call = f"{word}({places}, {n}, {lanes})"
        self.emit(Suite(f"for {k} in range(0, {values.lanes}, {lanes})", [call]))

    def read(self, stages: Sequence[Stage]) -> None:
        """Whole rows that the stages read, as columns."""
        values = self.values
        values.turned = {}
        for stage in stages:
            for e in walk(*stage.exprs):
                key = (e.buffer.name, e.map) if isinstance(e, Load) else None
                if not isinstance(e, Load) or key in values.turned or e.guards or e.at:
                    continue
                if self.whole(e.map, stage):
                    of = e.buffer.name
                    columns = self.columns(f"{of}_columns", stage.axes, e.dtype)
                    values.turned[of, e.map] = Home(columns.name, True, columns.map, True)
                    self.turn("load_rows", of, e.map, stage, columns, e.dtype)

    def begin(self, stage: Stage) -> None:
        """Room for the whole rows that a stage writes."""
        self.written = {
            s.buffer.name: self.columns(f"{s.buffer.name}_columns", stage.axes, s.expr.dtype)
            for s in stage.body
            if isinstance(s, Store) and not s.at and self.whole(s.map, stage)
        }

    def store(self, s: Store, value: str) -> None:
        """An element of a row, until the row is whole."""
        columns = self.written[s.buffer.name]
        vector = self.values.spread(s.expr, value, True)
        self.emit(f"store({columns.name}, {self.place(columns)}, {vector})")

    def finish(self, stage: Stage) -> None:
        """Writes the rows."""
        for s in stage.body:
            if isinstance(s, Store) and s.buffer.name in self.written:
                of, columns = s.buffer.name, self.written.pop(s.buffer.name)
                self.turn("store_rows", of, s.map, stage, columns, s.expr.dtype)
