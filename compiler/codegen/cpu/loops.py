"""Lowers a kernel to the text of one function: loops over vectors whose sizes are arguments.

    rows       for every parallel point, each stage is a loop of vectors along its last inner axis
    columns    lanes follow the last parallel axis, all stages run within one vector of it

The last parallel axis is a loop, the others are told from the point once per row of it. Vector
loops are full vectors, then one masked copy of the body. Every element meets the same instructions
in both, and in any split of the points, so bits depend on neither. `values` says where values are
computed, `lanes` what is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from ...kernel.expr import Axis, Const, Index, Load, Map, walk
from ...kernel.scalar import NUMPY
from ...kernel.stages import Accumulate, Keep, Kernel, Reduce, Stage, Statement, Store, names_of
from .. import lanes as schedule
from ..cascade import PLAIN, Turns, cascade
from ..printer import Node, Suite, function
from ..reductions import Reductions, combined, factors, single_products
from ..slots import Named, Slots
from ..target import Target
from ..values import Level, Row, Values

Body = Callable[[], None]
Sums = tuple[tuple[Turns, ...], Callable[[bool], AbstractContextManager[None]]]
"""The loops of an axis, and what puts accumulators of their own around some of them."""
ALONE: Sums = (PLAIN, lambda own: nullcontext())
LINE = 64  # bytes of a cache line, and the alignment of rows
AHEAD = 16  # rows
POINT = "point"  # the name of a parallel space without axes


class Lowering:
    def __init__(self, kernel: Kernel, target: Target) -> None:
        self.target = target
        self.begin(kernel, Slots(kernel.buffers, kernel.axes))
        self.column = schedule.columns(kernel)
        if self.column:
            self.values.follow(self.column.name, schedule.lanes(kernel.stages, self.column, target))

    def begin(self, kernel: Kernel, slots: Slots) -> None:
        self.kernel, self.slots = kernel, slots
        self.names = slots.names
        root = Level([], frozenset())
        outer = frozenset((POINT, *(a.name for a in kernel.outer)))
        self.values = Values(self.slots, kernel.axes, outer, [root])
        self.scratch_bytes = 0
        self.rows: dict[str, str] = {}  # pointers of kept rows
        self.stages = tuple(
            Stage(s.axes, tuple(map(self.with_short_place, s.body))) for s in kernel.stages
        )
        self.column: Axis | None = None  # the parallel axis that lanes follow, if they do

    def with_short_place(self, s: Statement) -> Statement:
        """argmax and argmin with an index of 32 bits where that suffices."""
        match s:
            case Reduce(exprs=(value, Index(dtype="i64") as place)) if self.values.short(place.map):
                return Reduce(s.names, s.monoid, (value, Index(place.map, "i32")))
        return s

    # ---- the function

    def text(self) -> str:
        root = self.values.here
        self.parallel()
        body = [*self.slots.lines(), *root.body]
        return function(
            self.names.fresh(self.kernel.name), self.kernel.spelled(Named(self.slots)), body
        )

    def points(self) -> int:
        total = 1
        for a in self.kernel.free:
            total *= -(-a.size // self.values.lanes) if a is self.column else a.size
        return total

    def emit(self, *nodes: Node) -> None:
        self.values.here.body.extend(nodes)

    def within(self, head: str, axes: set[str], body: Body) -> None:
        """`head:` around what `body` emits; what that needs from outside is emitted before it."""
        suite = Suite(head)
        self.values.levels.append(Level(suite.body, frozenset(axes)))
        body()
        self.values.levels.pop()
        self.emit(suite)

    def parallel(self) -> None:
        """The points start..stop."""
        free = self.kernel.free
        if not free:
            self.within(f"for {POINT} in range(start, stop)", {POINT}, self.ordered)
        elif len(free) == 1:
            lanes = self.values.lanes if self.column else 1
            first, last = (
                ("start", "stop") if lanes == 1 else (f"start * {lanes}", f"stop * {lanes}")
            )
            self.last_axis(free[0], first, last)
        else:
            self.emit(f"{POINT} = start")
            self.within(f"while {POINT} < stop", {a.name for a in free[:-1]}, self.one_row)

    def one_row(self) -> None:
        """The points of one row of the last parallel axis; the other indices are told once."""
        *others, last = self.kernel.free
        size, lanes = self.slots.extent(last), self.values.lanes if self.column else 1
        blocks = size
        if lanes > 1:
            above = f"({size} + {lanes - 1}) // {lanes}"
            blocks = self.values.line(self.values.levels[0], above, "blocks")
        rest = f"{POINT} // {blocks}"
        for a in reversed(others[1:]):
            self.emit(f"{self.slots.axis(a.name)} = {rest} % {self.slots.extent(a)}")
            rest = f"{rest} // {self.slots.extent(a)}"
        self.emit(f"{self.slots.axis(others[0].name)} = {rest}")
        first, count = self.names.fresh("first_point"), self.names.fresh("count")
        self.emit(
            f"{first} = {POINT} % {blocks}", f"{count} = min({blocks} - {first}, stop - {POINT})"
        )
        times = "" if lanes == 1 else f" * {lanes}"
        start = first + times
        stop = f"({first} + {count}){times}" if times else f"{first} + {count}"
        self.last_axis(last, start, stop)
        self.emit(f"{POINT} = {POINT} + {count}")

    def last_axis(self, axis: Axis, first: str, last: str) -> None:
        """The loop over the last parallel axis, along which lanes may run."""
        if self.column:
            self.vector_loop(axis, self.ordered, first, f"min({last}, {self.slots.extent(axis)})")
        else:
            self.loop(axis, self.ordered, first, last)

    def ordered(self) -> None:
        """One parallel point: clears what is accumulated, then runs the stages in order."""
        for s in self.stages:
            added = [b for b in s.body if isinstance(b, Accumulate) and not b.at]
            if added:
                zeros = (Store(b.buffer, b.map, Const(0, b.expr.dtype)) for b in added)
                self.stage(Stage(s.axes, tuple(zeros)))

        def nest(axes: tuple[Axis, ...]) -> None:
            if axes:
                self.loop(axes[0], lambda: nest(axes[1:]))
            else:
                for s in self.stages:
                    self.stage(s)

        nest(self.kernel.ordered)

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
            self.within(f"for {name} in range({', '.join(bounds)})", axes, body)
            return
        block, size = self.names.numbered("block"), step * here.block

        def within() -> None:
            end = self.values.line(self.values.here, f"min({block} + {size}, {last})", "end")
            with apart(inner[0].apart):
                self.steps(name, axes, body, block, end, step, (tuple(inner), apart))

        self.within(f"for {block} in range({first}, {last}, {size})", set(), within)

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

        self.within(f"if {whole} < {last}", {axis.name}, tail)

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
        if not self.column:
            self.along_last(stage)
        reductions = self.reductions(stage)
        for s in stage.body:
            if isinstance(s, Keep) and stage.axes:
                self.row(stage, s)
        reductions.begin()
        self.nest(stage.axes, lambda: self.statements(stage, reductions), reductions)
        reductions.finish()

    def reductions(self, stage: Stage) -> Reductions:
        return Reductions(self.values, stage, self.column is not None)

    def along_last(self, stage: Stage) -> None:
        """Lanes follow the last inner axis."""
        if stage.axes:
            axis = stage.axes[-1]
            self.values.follow(axis.name, schedule.lanes((stage,), axis, self.target))
        else:
            self.values.follow("", 1)

    def statements(self, stage: Stage, reductions: Reductions) -> None:
        """Every value first: within a point all reads precede the writes."""
        self.prefetch(stage)
        products = single_products(stage)
        found = [[self.values.value(e) for e in factors(s, products)] for s in stage.body]
        partners = self.values.partners(stage.body)
        for k, s in enumerate(stage.body):
            if k in partners:
                first, second = (stage.body[n] for n in (k, partners[k]))
                assert isinstance(first, Store) and isinstance(second, Store)
                self.values.stored_pair(first, found[k][0], second, found[partners[k]][0])
            elif k not in partners.values():
                self.statement(stage, s, found[k], reductions)

    def statement(self, stage: Stage, s: Statement, of: list[str], reductions: Reductions) -> None:
        """One statement whose values have names."""
        match s:
            case Reduce() | Keep() if not stage.axes:
                for name, e, v in zip(names_of(s), s.exprs, of, strict=True):
                    self.values.results[name] = Row(
                        self.values.spread(e, v, False), self.values.wide(e)
                    )
            case Reduce():
                reductions.combine(s, of)
            case Keep():
                self.keep(s, of[0])
            case Store():
                self.values.stored(s, of[0])
            case Accumulate():
                self.add(s, of)

    def keep(self, s: Keep, value: str) -> None:
        """Writes an element of a row."""
        values, row = self.values, self.values.results[s.name]
        assert row.map is not None
        vector = values.spread(s.expr, value, row.wide or not self.column)
        step = 1 if self.column else row.map.stride(values.vector)
        values.write(
            row.name,
            values.place(s.name, row.map),
            values.step(s.name, row.map, step),
            vector,
            None if row.padded or not (row.wide or values.vector in s.axes) else values.mask,
        )

    def add(self, s: Accumulate, of: list[str]) -> None:
        """buffer += value, which may stand as two factors; or another monoid than the sum."""
        with self.values.within(s.at):
            self.combine(s, of)

    def combine(self, s: Accumulate, of: list[str]) -> None:
        values, buffer = self.values, s.buffer.name
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
        wide = self.column is not None and self.values.wide(s.expr)
        padded = not self.column and len(s.axes) == 1
        sizes = {a.name: a.size for a in stage.axes}
        pitch = self.values.lanes if wide else 1
        strides: list[tuple[str, int]] = []
        for a in reversed(s.axes):
            strides.append((a, pitch))
            pitch *= sizes[a]
        if s.name not in self.rows:
            self.rows[s.name] = self.reserve(s.name, s.expr.dtype, self.with_tail(pitch, padded))
        self.values.results[s.name] = Row(
            self.rows[s.name], wide, Map(tuple(reversed(strides))), padded
        )

    def with_tail(self, elements: int, padded: bool) -> int:
        """The elements of a row; `padded`: with those that a last vector may touch."""
        widest = self.target.bits // 32 * schedule.WIDE if padded else 1
        return -(-elements // widest) * widest

    def reserve(self, stem: str, dtype: str, elements: int) -> str:
        """The pointer to more scratch, known before any loop."""
        start, name = self.scratch_bytes, self.names.fresh(stem)
        self.scratch_bytes += -(-elements * NUMPY[dtype].itemsize // LINE) * LINE
        place = (
            f"scratch + {self.slots.number(('start', name), f'{name}_start', start)}"
            if start
            else "scratch"
        )
        self.values.levels[0].body.append(f"{name} = address_pointer({place}, {dtype})")
        return name

    # ---- memory ahead

    def prefetch(self, stage: Stage) -> None:
        """Asks for memory that is read soon where the processor would not see it coming.

        Rows: passes over one row leave the memory idle while they compute, so the heaviest of
        several asks for the row that the next point reads first (1.3 to 1.6 times faster on rows
        from memory). Columns: a strip jumps from row to row, so the first stage that reads it asks
        for a row `AHEAD` (2 to 2.5 times faster).
        """
        values, kernel = self.values, self.kernel
        if not stage.axes or not kernel.outer or values.mask:
            return
        passes = [
            s for s in self.stages if s.axes and (self.column or s.axes[-1].name == values.vector)
        ]
        if self.column and stage is passes[0]:
            self.ask(stage, stage.axes[-1].name, f"{AHEAD} * ")
        elif not self.column and len(passes) > 1 and stage is max(passes, key=schedule.weight):
            self.ask(passes[0], kernel.outer[-1].name, "")

    def ask(self, stage: Stage, axis: str, times: str) -> None:
        """Prefetches what the loads of `stage` read some points of `axis` later."""
        values = self.values
        for e in walk(*stage.exprs):
            if (
                isinstance(e, Load)
                and not e.at
                and e.map.stride(axis) not in (0, 1)
                and e.map.stride(values.vector) == 1
            ):
                of, p = e.buffer.name, self.slots.buffer(e.buffer.name)
                ahead = f"{values.place(of, e.map)} + {times}{self.slots.stride(of, e.map, axis)}"
                each = LINE // NUMPY[e.dtype].itemsize
                self.emit(
                    *(
                        f"prefetch({p}, {ahead}{f' + {k}' if k else ''})"
                        for k in range(0, values.lanes, each)
                    )
                )
