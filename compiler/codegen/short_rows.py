"""Rows shorter than a register: lanes follow the rows, and memory is turned around them.

sums over the rows     a vector of sums for each element of a row, folded after the last one
whole rows of memory   read before the stages as columns of scratch, written as such after one
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        self.written: dict[tuple[str, Map], Columns] = {}  # in the stage at hand
        self.rows: list[tuple[str, Map, int, Columns, str]] = []  # that are written after it

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

    def whole(self, maps: Iterable[Map], stage: Stage) -> dict[Map, tuple[Map, int]]:
        """Of maps of a buffer those of rows one behind the other, all of which a stage meets: the
        first element of each row, and how many it has."""
        found: dict[Map, tuple[Map, int]] = {}
        if self.values.mask or self.values.lanes == 1 or len(stage.axes) > 1:
            return found
        elements: dict[tuple[tuple[str, int], ...], set[int]] = {}
        maps = tuple(maps)
        for m in maps:
            n = m.stride(self.values.vector)
            if n <= 2 or (n > self.values.close and not stage.axes):
                continue
            if not stage.axes:
                elements.setdefault(m.strides, set()).add(m.offset)
            elif stage.axes[0].size == n and m.stride(stage.axes[0].name) == 1:
                axis = stage.axes[0].name
                found[m] = m.renamed(lambda a, axis=axis: None if a == axis else a), n
        for m in maps:
            n, offsets = m.stride(self.values.vector), elements.get(m.strides, set())
            first = min(offsets, default=0)
            if offsets == set(range(first, first + n)) and m.offset in offsets:
                found[m] = Map(m.strides, first), n
        return found

    def turn(
        self, word: str, buffer: str, first: Map, n: int, columns: Columns, dtype: str
    ) -> None:
        """Between rows of memory and columns, a register of lanes a time."""
        values = self.values
        lanes = min(values.lanes, REGISTER // NUMPY[dtype].itemsize)
        place, k = values.place(buffer, first), self.names.numbered("first")
        p = self.slots.buffer(buffer)
        if n > self.values.close:
            self.turn_squares(word == "load_rows", p, place, columns, lanes)
            return
        places = f"{p}, {place} + {k} * {n}, {columns.name}, {k}, {values.lanes}"
        call = f"{word}({places}, {n}, {lanes})"
        self.emit(Suite(f"for {k} in range(0, {values.lanes}, {lanes})", [call]))

    def turn_squares(self, load: bool, p: str, place: str, columns: Columns, lanes: int) -> None:
        """The same of longer rows by squares of registers, of which the last may overlap."""
        n, k, j = (
            self.slots.extent(columns.axes[0]),
            self.names.numbered("first"),
            self.names.numbered("at"),
        )
        here, there = (
            f"{p}, {place} + {k} * {n} + {{0}}, {n}",
            f"{columns.name}, {{0}} * {self.values.lanes} + {k}, {self.values.lanes}",
        )
        call = f"transpose({here if load else there}, {there if load else here}, {lanes})"
        last = self.values.line(self.values.here, f"{n} - {lanes}", "last")
        self.emit(
            Suite(
                f"for {k} in range(0, {self.values.lanes}, {lanes})",
                [
                    Suite(f"for {j} in range(0, {last}, {lanes})", [call.format(j)]),
                    call.format(last),
                ],
            )
        )

    def room(self, stem: str, stage: Stage, n: int, dtype: str) -> Columns:
        """Columns for the elements of a row of `n`."""
        if stage.axes:
            return self.columns(stem, stage.axes, dtype)
        return Columns(self.reserve(stem, dtype, n * self.values.lanes), (), Map())

    def column(self, columns: Columns, m: Map, first: Map) -> Map:
        """Where the vector of an element is."""
        return (
            columns.map
            if columns.map.strides
            else Map((), (m.offset - first.offset) * self.values.lanes)
        )

    def read(self, stages: Sequence[Stage]) -> None:
        """Whole rows that the stages read, as columns."""
        values = self.values
        values.turned = {}
        for stage in stages:
            loads: dict[str, list[Load]] = {}
            for e in walk(*stage.exprs):
                if isinstance(e, Load) and not e.guards and not e.at:
                    loads.setdefault(e.buffer.name, []).append(e)
            for of, found in loads.items():
                rows: dict[Map, Columns] = {}
                dtype = found[0].dtype
                for m, (first, n) in self.whole((e.map for e in found), stage).items():
                    if (of, m) in values.turned:
                        continue
                    if first not in rows:
                        rows[first] = self.room(f"{of}_columns", stage, n, dtype)
                        self.turn("load_rows", of, first, n, rows[first], dtype)
                    place = self.column(rows[first], m, first)
                    values.turned[of, m] = Home(rows[first].name, True, place, True)

    def begin(self, stage: Stage) -> None:
        """Room for the whole rows that a stage writes."""
        self.written, self.rows = {}, []
        stores = [s for s in stage.body if isinstance(s, Store) and not s.at]
        for buffer in {s.buffer.name: s.buffer for s in stores}.values():
            made: dict[Map, Columns] = {}
            maps = [s.map for s in stores if s.buffer.name == buffer.name]
            for m, (first, n) in self.whole(maps, stage).items():
                if first not in made:
                    made[first] = self.room(f"{buffer.name}_columns", stage, n, buffer.dtype)
                    self.rows.append((buffer.name, first, n, made[first], buffer.dtype))
                place = self.column(made[first], m, first)
                self.written[buffer.name, m] = Columns(made[first].name, (), place)

    def store(self, s: Store, value: str) -> None:
        """An element of a row, until the row is whole."""
        columns = self.written[s.buffer.name, s.map]
        vector = self.values.spread(s.expr, value, True)
        self.emit(f"store({columns.name}, {self.place(columns)}, {vector})")

    def finish(self) -> None:
        """Writes the rows."""
        for row in self.rows:
            self.turn("store_rows", *row)
        self.written, self.rows = {}, []
