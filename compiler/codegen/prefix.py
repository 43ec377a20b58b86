"""A prefix step by step: what its printers share."""

from __future__ import annotations

from math import prod

from ..kernel.expr import Axis
from ..kernel.prefix import Prefix
from ..kernel.scalar import NUMPY
from ..kernel.stages import Stage, Store
from . import decisions
from .printer import Node, Suite
from .slots import Slots
from .values import Level, Values


class PrefixRows:
    """The rows of a prefix, of which a unit is one, or as many as there are lanes.

    Lanes follow the steps, or the axis `column`; a unit is a place along the axes `others`. Every
    number that the text meets becomes a slot.
    """

    def __init__(self, p: Prefix, slots: Slots, vector: Axis | None = None, lanes: int = 1) -> None:
        self.p, self.slots, self.names = p, slots, slots.names
        self.unit, self.block = self.names.fresh("unit"), self.names.fresh("block")
        self.vector, self.lanes = vector, lanes
        self.column = None if vector is p.steps else vector
        self.others = [a for a in p.outer if a is not self.column]

    @property
    def units(self) -> int:
        rows = prod(a.size for a in self.others)
        return rows * -(-self.column.size // self.lanes) if self.column else rows

    def levels(self) -> list[Level]:
        """The function, and the loop over its units."""
        return [Level([], frozenset()), Level([], frozenset(a.name for a in self.others))]

    def told(self) -> list[str]:
        """Where a unit is along its axes."""
        lines, rest = list[str](), self.unit
        if self.column:
            size = self.slots.extent(self.column)
            blocks = f"(({size} + {self.lanes - 1}) // {self.lanes})"
            lines.append(f"{self.slots.axis(self.column.name)} = {rest} % {blocks} * {self.lanes}")
            rest = f"{rest} // {blocks}"
        return lines + self.slots.unravel(rest, self.others)

    def values(self, levels: list[Level], mask: str | None = None) -> Values:
        vector = self.vector.name if self.vector else ""
        axes = frozenset(self.p.axes)
        return Values(self.slots, dict(self.p.axes), axes, levels, vector, self.lanes, mask)

    def steps(self, outer: list[Level], mask: str | None = None) -> list[Node]:
        """All steps of a unit, one after the other."""
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

    def combined(self, name: str, acc: str, of: list[str]) -> list[Node]:
        """`name` = what came before combined with values."""
        *steps, last = self.p.monoid.combine
        given, lines = [acc, *of], list[Node]()
        made = [self.names.numbered("s") for _ in steps]
        for step, text in zip([*made, name], [*steps, last], strict=True):
            lines.append(f"{step} = {text.format(*given)}")
            given.append(step)
        return lines


def as_stage(p: Prefix) -> Stage:
    """What is computed at every step, its combination aside."""
    return Stage((), tuple(Store(p.out, p.place, e) for e in p.exprs))


def prefix_work(p: Prefix) -> tuple[int, int]:
    """Operations, and bytes that must move at least once."""
    points = prod(a.size for a in p.axes.values())
    read = {e.buffer for e in p.loads()}
    moved = sum(min(b.size, points) * NUMPY[b.dtype].itemsize for b in (*read, p.out))
    return (decisions.weight(as_stage(p)) + p.monoid.weight) * points, moved
