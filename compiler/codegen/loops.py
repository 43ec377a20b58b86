"""The code of a kernel of stages: the loops of its axes, around what `values` computes.

A `Space` says which points of the kernel are met where, and what that makes of a stage: points of a
processor's thread, of a thread of a GPU, of a team of them. `Loops` writes the rest, the same for
all: what one point does.

Vector loops are full vectors, then one masked copy of the body. Every element meets the same
instructions in both, and in any split of the points, so bits depend on neither.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from ..kernel.expr import Axis, Const, Index, Map
from ..kernel.stages import (
    Accumulate,
    Keep,
    Kernel,
    KernelReduce,
    Stage,
    Statement,
    Store,
    defined_results,
)
from .cascade import PLAIN, Turns, cascade
from .printer import Node, Suite
from .reductions import Reductions, combined, factors, single_products
from .short_rows import ShortRows
from .slots import Slots
from .target import row_bytes
from .values import Home, Level, Values

Body = Callable[[], None]
Sums = tuple[tuple[Turns, ...], Callable[[bool], AbstractContextManager[None]]]
"""The loops of an axis, and what puts accumulators of their own around some of them."""
ALONE: Sums = (PLAIN, lambda own: nullcontext())
POINT = "point"  # the name of a parallel space without axes


class Space(Protocol):
    """Who meets which points of a kernel. `column`: the parallel axis that lanes follow, if any.

    `lanes`: how many along the column. `fold` spells the word that makes one value of all lanes.
    `close`: how far apart elements may be that lanes read as whole vectors.
    """

    column: Axis | None = None
    lanes: int = 1
    fold: str = "{}({})"
    close: int = 2

    @property
    def points(self) -> int:
        """The number of what is met one by one."""
        ...

    def parallel(self, code: Loops) -> None:
        """Writes the loop over the points, around `code.ordered`."""
        ...

    def memory(self, code: Loops, name: str, start: int, dtype: str) -> str:
        """The pointer to the row `name` of a point, `start` bytes behind the first row."""
        ...

    def row_elements(self, elements: int, padded: bool) -> int:
        """Those of a row; `padded`: with what the last vector of it may touch."""
        return elements

    def along(self, stage: Stage) -> tuple[str, int]:
        """The axis that lanes follow in a stage, if not the column, and how many."""
        return "", 1

    def nest(self, code: Loops, axes: tuple[Axis, ...], body: Body, reductions: Reductions) -> None:
        """The loops over the inner axes of a stage."""
        code.nest(axes, body, reductions)

    def ahead(self, code: Loops, stage: Stage) -> None:
        """Asks for memory that is read soon."""

    def write(self, code: Loops, stage: Stage, body: Body) -> None:
        """What writes the results of a stage at one point."""
        body()

    def after(self, code: Loops, stage: Stage) -> None:
        """What stands behind the loops of a stage."""


class Loops:
    """The code of one kernel."""

    def __init__(self, kernel: Kernel, slots: Slots, space: Space) -> None:
        self.kernel, self.slots, self.space = kernel, slots, space
        self.names = slots.names
        outer = frozenset((POINT, *(a.name for a in kernel.outer)))
        self.values = Values(slots, kernel.axes, outer, [Level([], frozenset())], close=space.close)
        if space.column and space.lanes > 1:
            self.values.follow(space.column.name, space.lanes)
        self.rows: dict[str, str] = {}  # pointers of kept rows
        self.rows_bytes = 0
        self.short_rows = ShortRows(self.values, space.fold, self.loop, self.reserve)
        self.stages = tuple(
            Stage(s.axes, tuple(map(self.with_short_place, s.body))) for s in kernel.stages
        )

    def with_short_place(self, s: Statement) -> Statement:
        """argmax and argmin with an index of 32 bits where that suffices."""
        match s:
            case KernelReduce(exprs=(value, Index(dtype="i64") as place)) if self.values.short(
                place.map
            ):
                return KernelReduce(s.names, s.monoid, (value, Index(place.map, "i32")))
        return s

    # ---- the function

    def text(self) -> str:
        self.space.parallel(self)
        return self.slots.function(self.kernel, self.values.here.body)

    def emit(self, *nodes: Node) -> None:
        self.values.here.body.extend(nodes)

    def suite(self, head: str, axes: set[str], body: Body) -> None:
        """`head:` around what `body` emits; what that needs from outside is emitted before it."""
        suite = Suite(head)
        self.values.levels.append(Level(suite.body, frozenset(axes)))
        body()
        self.values.levels.pop()
        self.emit(suite)

    def ordered(self) -> None:
        """One parallel point: clears what is accumulated, then runs the stages in order."""
        column, rows = self.space.column, self.short_rows
        across = column is not None and column in self.kernel.ordered
        for s in self.stages:
            added = [b for b in s.body if isinstance(b, Accumulate) and not b.at]
            for b in added if across else ():
                rows.begin_sum(s.axes, b)
            if added and not across:
                zeros = (Store(b.buffer, b.map, Const(0, b.expr.dtype)) for b in added)
                self.stage(Stage(s.axes, tuple(zeros)))

        def nest(axes: tuple[Axis, ...]) -> None:
            if axes:
                loop = self.vector_loop if axes[0] is column else self.loop
                loop(axes[0], lambda: nest(axes[1:]))
            else:
                rows.read(self.stages)
                for s in self.stages:
                    self.stage(s)

        nest(self.kernel.ordered)
        for s in self.stages if across else ():
            for b in s.body:
                if isinstance(b, Accumulate):
                    rows.finish_sum(b)

    # ---- loops

    def extent(self, axis: Axis) -> str:
        """The number of points of an axis here; short in the last block of a split one.

        Where lanes are blocks it is that of whole ones: see `ragged_loop`.
        """
        size = self.slots.extent(axis)
        if not axis.split or self.values.by_lanes(axis):
            return size
        outer, total = axis.split
        level = self.values.level_of((outer,))
        short = f"min({size}, {self.slots.total(axis, total)} - {size} * {self.slots.axis(outer)})"
        return self.values.line(level, short, "n")

    def ends(self, axis: Axis) -> tuple[str, str]:
        """The first point of a segment, and the one after its last, as far as there are points."""
        values = self.values
        first, last = (f"scalar({values.value(e)})" for e in axis.ends)
        level = values.level_of(axis.ends[0].map.axes)
        start = values.line(level, f"max({first}, 0)", "first_row")
        return start, values.line(level, f"max(min({last}, {self.extent(axis)}), {start})", "end")

    def loop(
        self, axis: Axis, body: Body, first: str = "0", last: str = "", sums: Sums = ALONE
    ) -> None:
        if self.values.ragged(axis) and self.values.mask:
            self.ragged_loop(axis, body, sums)
            return
        if axis.segment:
            first, last = self.ends(axis)
        self.turns(axis, body, first, last or self.extent(axis), 1, sums)

    def turns(
        self, axis: Axis, body: Body, first: str, last: str, step: int, sums: Sums = ALONE
    ) -> None:
        """Loops over an axis, every so many points."""
        self.steps(self.slots.axis(axis.name), {axis.name}, body, first, last, step, sums)

    def steps(
        self, name: str, axes: set[str], body: Body, first: str, last: str, step: int, sums: Sums
    ) -> None:
        """Loops over blocks of `first` to `last`, and that of the variable `name` within."""
        (here, *inner), apart = sums
        if not inner:
            bounds = [last] if first == "0" and step == 1 else [first, last]
            bounds += [str(step)] if step > 1 else []
            self.suite(f"for {name} in range({', '.join(bounds)})", axes, body)
            return
        block, size = self.names.numbered("block"), step * here.block

        def within() -> None:
            end = self.values.line(self.values.here, f"min({block} + {size}, {last})", "end")
            with apart(inner[0].apart):
                self.steps(name, axes, body, block, end, step, (tuple(inner), apart))

        self.suite(f"for {block} in range({first}, {last}, {size})", set(), within)

    def ragged_loop(self, axis: Axis, body: Body, sums: Sums) -> None:
        """The points that all lanes have, then those that the last block has not."""
        assert axis.split
        values = self.values
        outer, total = axis.split
        size, last = self.slots.extent(axis), f"{self.slots.extent(self.kernel.axes[outer])} - 1"
        short = f"{self.slots.total(axis, total)} - {size} * ({last})"
        short = values.line(values.levels[0], short, "short")
        self.turns(axis, body, "0", short, 1, sums)
        before = values.mask, values.ended
        without = f"first({last} - {self.slots.axis(outer)}, {values.lanes})"
        level = values.level_of((outer,))
        values.mask, values.ended = values.line(level, f"{without} & {values.mask}", "mask"), True
        self.turns(axis, body, short, size, 1, sums)
        values.mask, values.ended = before

    def vector_loop(
        self, axis: Axis, body: Body, first: str = "0", last: str = "", sums: Sums = ALONE
    ) -> None:
        """Full vectors, then one masked vector for the rest, which a short last block is in."""
        values, lanes, j = self.values, self.values.lanes, self.slots.axis(axis.name)
        if axis.segment:
            first, last = self.ends(axis)
        last = last or self.extent(axis)
        if first == "0":
            level, text = values.level_of(axis.split[:1] if axis.split else ()), last
        else:
            level = values.here
            first, last = (
                t if t.isidentifier() else values.line(level, t, "end") for t in (first, last)
            )
            count = f"({last} - {first})"
            if any(map(self.values.ragged, self.kernel.axes.values())):
                count = f"max(min({last}, {self.slots.extent(axis)} - 1) - {first}, 0)"
            text = f"{first} + {count}"
        whole = values.line(level, f"{text} // {lanes} * {lanes}", "whole")
        self.turns(axis, body, first, whole, lanes, sums)

        def tail() -> None:
            self.emit(f"{j} = {whole}")
            self.values.mask = self.names.numbered("tail")
            self.emit(f"{self.values.mask} = first({last} - {whole}, {lanes})")
            body()
            self.values.mask = None

        self.suite(f"if {whole} < {last}", {axis.name}, tail)

    def nest(self, axes: tuple[Axis, ...], body: Body, reductions: Reductions) -> None:
        """Loops over the inner axes; sums are taken in levels."""
        lanes = self.values.lanes
        steps = [-(-a.size // (lanes if a.name == self.values.vector else 1)) for a in axes]
        levels = cascade(steps) if reductions.sums else [PLAIN] * len(axes)

        def inside(k: int) -> None:
            if k == len(axes):
                body()
                return
            loop = self.vector_loop if axes[k].name == self.values.vector else self.loop
            with reductions.apart(levels[k][0].apart):
                loop(axes[k], lambda: inside(k + 1), sums=(levels[k], reductions.apart))

        inside(0)

    # ---- stages

    def stage(self, stage: Stage) -> None:
        if not self.space.column:
            self.values.follow(*self.space.along(stage))
        reductions = Reductions(self.values, stage, self.space.column is not None, self.space.fold)
        for s in stage.body:
            if isinstance(s, Keep) and stage.axes:
                self.row(stage, s)
        reductions.begin()
        self.short_rows.begin(stage)
        self.space.nest(self, stage.axes, lambda: self.statements(stage, reductions), reductions)
        self.short_rows.finish()
        reductions.finish()
        self.space.after(self, stage)

    def statements(self, stage: Stage, reductions: Reductions) -> None:
        """Every value first: within a point all reads precede the writes."""
        self.space.ahead(self, stage)
        products = single_products(stage)
        found = [[self.values.value(e) for e in factors(s, products)] for s in stage.body]
        if not stage.axes:
            for s, of in zip(stage.body, found, strict=True):
                self.named(s, of)
        if stage.axes or any(isinstance(s, Store | Accumulate) for s in stage.body):
            self.space.write(self, stage, lambda: self.writes(stage, found, reductions))

    def named(self, s: Statement, of: list[str]) -> None:
        """The results of a stage without axes are its values."""
        if isinstance(s, KernelReduce | Keep):
            for name, e, v in zip(defined_results(s), s.exprs, of, strict=True):
                home = Home(self.values.spread(e, v, False), self.values.wide(e))
                self.values.results[name] = home

    def writes(self, stage: Stage, found: list[list[str]], reductions: Reductions) -> None:
        """The statements, whose values have names."""
        partners = self.values.partners(stage.body)
        for k, s in enumerate(stage.body):
            if k in partners:
                first, second = (stage.body[n] for n in (k, partners[k]))
                assert isinstance(first, Store) and isinstance(second, Store)
                self.values.stored_pair(first, found[k][0], second, found[partners[k]][0])
            elif k not in partners.values() and (stage.axes or isinstance(s, Store | Accumulate)):
                self.statement(s, found[k], reductions)

    def statement(self, s: Statement, of: list[str], reductions: Reductions) -> None:
        match s:
            case KernelReduce():
                reductions.combine(s, of)
            case Keep():
                self.keep(s, of[0])
            case Store() if (s.buffer.name, s.map) in self.short_rows.written:
                self.short_rows.store(s, of[0])
            case Store():
                self.values.stored(s, of[0])
            case Accumulate():
                self.add(s, of)

    def keep(self, s: Keep, value: str) -> None:
        """Writes an element of a row."""
        values, row = self.values, self.values.results[s.name]
        assert row.map is not None
        vector = values.spread(s.expr, value, row.wide or not self.space.column)
        step = 1 if self.space.column else row.map.stride(values.vector)
        values.write(
            row.name,
            values.place(s.name, row.map),
            values.step(s.name, row.map, step),
            vector,
            None if row.padded or not (row.wide or values.vector in s.axes) else values.mask,
        )

    def add(self, s: Accumulate, of: list[str]) -> None:
        """buffer += value, which may stand as two factors; or another monoid than the sum."""
        with self.values.guarded(s.at):
            self.combine(s, of)

    def combine(self, s: Accumulate, of: list[str]) -> None:
        values, buffer = self.values, s.buffer.name
        if buffer in self.short_rows.sums:
            self.short_rows.add(s, of)
            return
        lanes = values.lanes if values.inside else 1
        step = values.step(buffer, s.map, s.map.stride(values.vector)) if lanes > 1 else "1"
        place = values.place(buffer, s.map, s.at)
        old, new = self.names.numbered("v"), self.names.numbered("t")
        mask = values.mask if lanes > 1 else None
        self.emit(f"{old} = {values.read(self.slots.buffer(buffer), place, step, lanes, mask)}")
        self.emit(f"{new} = {combined(s.monoid, old, of)}")
        values.written(s, new)

    # ---- rows

    def row(self, stage: Stage, s: Keep) -> None:
        """A C-ordered row of scratch; its elements are vectors where lanes are columns."""
        wide = self.space.column is not None and self.values.wide(s.expr)
        padded = not self.space.column and len(s.axes) == 1
        sizes = {a.name: a.size for a in stage.axes}
        pitch = self.values.lanes if wide else 1
        strides: list[tuple[str, int]] = []
        for a in reversed(s.axes):
            strides.append((a, pitch))
            pitch *= sizes[a]
        if s.name not in self.rows:
            self.rows[s.name] = self.reserve(
                s.name, s.expr.dtype, self.space.row_elements(pitch, padded)
            )
        self.values.results[s.name] = Home(
            self.rows[s.name], wide, Map(tuple(reversed(strides))), padded
        )

    def reserve(self, stem: str, dtype: str, elements: int) -> str:
        """The pointer to another row, known before any loop."""
        start, name = self.rows_bytes, self.names.fresh(stem)
        self.rows_bytes += row_bytes(elements, dtype)
        pointer = self.space.memory(self, name, start, dtype)
        self.values.levels[0].body.append(f"{name} = {pointer}")
        return name
