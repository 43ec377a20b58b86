"""A prefix as text: lanes across the axis, or along it.

    columns   lanes are points of another axis, steps a loop: element by element in order
    along     lanes are steps: the prefixes of one vector by doubling distances, then the vectors
              in order; for what does not mind the order of its combinations

A product that leaves the range on the way, or an infinite factor of a recurrence, would meet other
numbers in another order, so these run in columns, of one lane where there is no other axis; sums of
exponentials do where there are enough rows.
Results are the same bits for any split of the points; of `along` they depend on the lanes.

Source: Hillis and Steele, Data parallel algorithms, 1986.
"""

from __future__ import annotations

from math import prod

from ...kernel.costs import BYTES_A_CYCLE, CLAIM_CYCLES, LOOP_CYCLES
from ...kernel.expr import Axis
from ...kernel.prefix import Prefix
from ...kernel.scalar import NUMPY
from ...kernel.stages import Stage, Store
from .. import lanes as schedule
from ..lowered import Lowered
from ..printer import Node, Suite, function
from ..slots import Named, Slots
from ..target import Target
from ..values import Level, Values

COSTLY = 16  # multiply-adds of a combination, from which on one a point is better than five
ROWS = 16  # from which on what combines so runs in columns


def lower_prefix(prefix: Prefix, target: Target) -> Lowered:
    """The text of a prefix for one target, and the numbers of this instance."""
    printer = Printer(prefix, target)
    text, points = printer.text(), printer.points()
    flops, moved = printer.weight * prod(a.size for a in prefix.axes.values()), work_bytes(prefix)
    native = max(1, target.bits // 32)
    cycles = flops / native + moved / BYTES_A_CYCLE + points * LOOP_CYCLES
    grain = max(1, min(points, int(CLAIM_CYCLES * points / max(cycles, 1))))
    return Lowered(text, tuple(printer.slots.values), points, grain, 0, flops, moved)


def work_bytes(p: Prefix) -> int:
    """Bytes that must move at least once."""
    points = prod(a.size for a in p.axes.values())
    read = {e.buffer for e in p.loads()}
    return sum(min(b.size, points) * NUMPY[b.dtype].itemsize for b in (*read, p.out))


class Printer:
    """Spells one prefix; every number it meets becomes a slot."""

    def __init__(self, p: Prefix, target: Target) -> None:
        self.begin(p, Slots(p.buffers, p.axes))
        column = self.widest()
        along = p.place.stride(p.steps.name) == 1 and p.monoid.any_order
        if p.monoid.weight >= COSTLY and column and column.size >= ROWS:
            along = False
        self.column = None if along else column
        self.vector = p.steps if along else self.column
        if along:
            self.lanes = max(1, target.bits // 8 // self.widest_bytes())
        elif self.column:
            self.lanes = schedule.lanes((self.stage,), self.column, target)
        self.others = [a for a in p.outer if a is not self.column]

    def begin(self, p: Prefix, slots: Slots) -> None:
        """One lane, until more are decided for."""
        self.p, self.slots, self.names = p, slots, slots.names
        self.unit, self.block = self.names.fresh("unit"), self.names.fresh("block")
        self.stage = Stage((), tuple(Store(p.out, p.place, e) for e in p.exprs))
        self.weight = schedule.weight(self.stage) + p.monoid.weight
        self.column: Axis | None = None
        self.vector: Axis | None = None
        self.lanes = 1
        self.others = list(p.outer)

    def widest(self) -> Axis | None:
        """The axis that lanes follow: the one that is contiguous, or else the last."""
        found = [a for a in self.p.outer if self.p.place.stride(a.name) == 1]
        return (found or self.p.outer or (None,))[-1]

    def widest_bytes(self) -> int:
        return max(4, NUMPY[self.p.dtype].itemsize)

    def points(self) -> int:
        rows = prod(a.size for a in self.others)
        return rows * -(-self.column.size // self.lanes) if self.column else rows

    # ---- the function

    def text(self) -> str:
        root = Level([], frozenset())
        unit = Level([], frozenset(a.name for a in self.others))
        inner = (
            self.along([root, unit]) if self.vector is self.p.steps else self.columns([root, unit])
        )
        told = self.told()
        body = [*self.slots.lines(), *root.body]
        body.append(Suite(f"for {self.unit} in range(start, stop)", [*told, *unit.body, *inner]))
        return function(self.names.fresh(self.p.name), self.p.spelled(Named(self.slots)), body)

    def told(self) -> list[Node]:
        """The axes of a unit."""
        lines: list[Node] = []
        rest = self.unit
        if self.column:
            size = self.slots.extent(self.column)
            blocks = f"(({size} + {self.lanes - 1}) // {self.lanes})"
            lines.append(f"{self.slots.axis(self.column.name)} = {rest} % {blocks} * {self.lanes}")
            rest = f"{rest} // {blocks}"
        for a in reversed(self.others):
            lines.append(f"{self.slots.axis(a.name)} = {rest} % {self.slots.extent(a)}")
            rest = f"{rest} // {self.slots.extent(a)}"
        return lines

    def values(self, levels: list[Level], mask: str | None) -> Values:
        vector = self.vector.name if self.vector else ""
        axes = frozenset(self.p.axes)
        return Values(self.slots, dict(self.p.axes), axes, levels, vector, self.lanes, mask)

    # ---- lanes across

    def columns(self, outer: list[Level]) -> list[Node]:
        if self.column is None or self.lanes == 1:
            return self.steps(outer, None)
        left = f"{self.slots.extent(self.column)} - {self.slots.axis(self.column.name)}"
        tail = self.names.fresh("tail")
        mask = f"{tail} = first({left}, {self.lanes})"
        return [
            Suite(f"if {left} >= {self.lanes}", self.steps(outer, None)),
            Suite("else", [mask, *self.steps(outer, tail)]),
        ]

    def steps(self, outer: list[Level], mask: str | None) -> list[Node]:
        """All steps of one vector of columns."""
        p, column = self.p, self.column.name if self.column else self.unit
        k, size = self.slots.axis(p.steps.name), self.slots.extent(p.steps)
        across = Level([], frozenset((column,)))
        step = Level([], frozenset((p.steps.name,)))
        values = self.values([*outer, across, step], mask)
        acc = self.names.fresh("acc")
        found = [values.value(e) for e in p.exprs]
        step.body += self.combined(acc, acc, found)
        values.written(Store(p.out, p.place, p.exprs[-1]), acc)
        start = f"{acc} = full({p.identity!r}, {p.dtype}, {self.lanes})"
        if p.reverse:
            step.body.insert(0, f"{k} = {size} - 1 - {self.block}")
        head = f"for {self.block if p.reverse else k} in range({size})"
        return [*across.body, start, Suite(head, step.body)]

    # ---- lanes along

    def along(self, outer: list[Level]) -> list[Node]:
        """Whole vectors, then the rest under a mask; backward the rest has the lowest steps."""
        p, n = self.p, self.lanes
        k, size = self.slots.axis(p.steps.name), self.slots.extent(p.steps)
        carry, whole, tail = map(self.names.fresh, ("carry", "whole", "tail"))
        none = f"{p.identity!r}, {p.dtype}"
        at = f"{k} = {size} - {n} - {self.block}" if p.reverse else f"{k} = {self.block}"
        rest = "0" if p.reverse else whole
        return [
            f"{whole} = {size} // {n} * {n}",
            f"{carry} = full({none}, 1)",
            Suite(f"for {self.block} in range(0, {whole}, {n})", [at, *self.vectors(outer, carry)]),
            Suite(
                f"if {whole} < {size}",
                [
                    f"{k} = {rest}",
                    f"{tail} = first({size} - {whole}, {n})",
                    *self.vectors(outer, carry, tail),
                ],
            ),
        ]

    def vectors(self, outer: list[Level], carry: str, mask: str | None = None) -> list[Node]:
        """The prefixes of one vector, and what the next one begins with."""
        p, n = self.p, self.lanes
        step = Level([], frozenset((p.steps.name,)))
        values = self.values([*outer, step], mask)
        (expr,) = p.exprs
        none = repr(p.identity)
        name = values.line(step, values.spread(expr, values.value(expr), True), "s")
        if mask:
            before, name = name, self.names.numbered("s")
            step.body.append(f"{name} = select({mask}, {before}, {none})")
        distance = 1
        while distance < n:
            moved, before, name = self.names.numbered("s"), name, self.names.numbered("s")
            by = -distance if p.reverse else distance
            step.body.append(f"{moved} = shifted({before}, {by}, {none})")
            step.body += self.combined(name, moved, [before])
            distance *= 2
        out, end = self.names.numbered("s"), 0 if p.reverse else n - 1
        step.body += self.combined(out, carry, [name])
        step.body.append(f"{carry} = lane({out}, {end})")
        values.written(Store(p.out, p.place, expr), out)
        return step.body

    # ---- combinations

    def combined(self, name: str, acc: str, of: list[str]) -> list[Node]:
        """`name` = what came before combined with values."""
        *steps, last = self.p.monoid.combine
        given, lines = [acc, *of], list[Node]()
        made = [self.names.numbered("s") for _ in steps]
        for step, text in zip([*made, name], [*steps, last], strict=True):
            lines.append(f"{step} = {text.format(*given)}")
            given.append(step)
        return lines
