"""A prefix as text: lanes across the axis, or along it.

    columns   lanes are points of another axis, steps a loop: element by element in order
    along     lanes are steps: the prefixes of one vector by doubling distances, then the vectors
              in order; for what does not mind the order of its combinations

A product that leaves the range on the way, or an infinite factor of a recurrence, would meet other
numbers in another order, so these run in columns, of one lane where there is no other axis; sums of
exponentials do where there are enough rows.
Results are the same bits for any split of the points; of `vector_steps` they depend on the lanes.

Source: Hillis and Steele, Data parallel algorithms, 1986.
"""

from __future__ import annotations

from ...kernel.costs import BYTES_A_CYCLE, CLAIM_CYCLES, LOOP_CYCLES
from ...kernel.expr import Axis
from ...kernel.prefix import Prefix
from ...kernel.scalar import NUMPY
from ...kernel.stages import Store
from .. import decisions
from ..lowered import Lowered
from ..prefix import PrefixRows, as_stage, prefix_work
from ..printer import Node, Suite
from ..slots import Slots
from ..target import Target
from ..values import Level

COSTLY = 16  # multiply-adds of a combination, from which on one a point is better than five
ROWS = 16  # from which on what combines so runs in columns


def lower_prefix(p: Prefix, target: Target) -> Lowered:
    """The text of a prefix for one target, and the numbers of this instance."""
    rows = PrefixRows(p, Slots(p.buffers, p.axes), *vector_of(p, target))
    levels = root, unit = rows.levels()
    inner = vector_steps(rows, levels) if rows.vector is p.steps else column_steps(rows, levels)
    loop = Suite(f"for {rows.unit} in range(start, stop)", [*rows.told(), *unit.body, *inner])
    text, (flops, moved) = rows.slots.function(p, [*root.body, loop]), prefix_work(p)
    native = max(1, target.bits // 32)
    cycles = flops / native + moved / BYTES_A_CYCLE + rows.units * LOOP_CYCLES
    grain = max(1, min(rows.units, int(CLAIM_CYCLES * rows.units / max(cycles, 1))))
    return Lowered(text, tuple(rows.slots.values), rows.units, grain, 0, flops, moved)


def vector_of(p: Prefix, target: Target) -> tuple[Axis | None, int]:
    """The axis that lanes follow, if there is any, and how many."""
    contiguous = [a for a in p.outer if p.place.stride(a.name) == 1]
    column = (contiguous or p.outer or (None,))[-1]
    many = p.monoid.weight >= COSTLY and column and column.size >= ROWS
    if p.place.stride(p.steps.name) == 1 and p.monoid.any_order and not many:
        return p.steps, max(1, target.bits // 8 // max(4, NUMPY[p.dtype].itemsize))
    return column, decisions.lanes((as_stage(p),), column, target) if column else 1


# ---------------------------------------------------------------- lanes across


def column_steps(rows: PrefixRows, outer: list[Level]) -> list[Node]:
    """The steps of whole vectors of columns, or of the last one under a mask."""
    if rows.column is None or rows.lanes == 1:
        return rows.steps(outer)
    left = f"{rows.slots.extent(rows.column)} - {rows.slots.axis(rows.column.name)}"
    tail = rows.names.fresh("tail")
    mask = f"{tail} = first({left}, {rows.lanes})"
    return [
        Suite(f"if {left} >= {rows.lanes}", rows.steps(outer)),
        Suite("else", [mask, *rows.steps(outer, tail)]),
    ]


# ---------------------------------------------------------------- lanes along


def vector_steps(rows: PrefixRows, outer: list[Level]) -> list[Node]:
    """Whole vectors, then the rest under a mask; backward the rest has the lowest steps."""
    p, n = rows.p, rows.lanes
    k, size = rows.slots.axis(p.steps.name), rows.slots.extent(p.steps)
    carry, whole, tail = map(rows.names.fresh, ("carry", "whole", "tail"))
    none = f"{p.identity!r}, {p.dtype}"
    at = f"{k} = {size} - {n} - {rows.block}" if p.reverse else f"{k} = {rows.block}"
    rest = "0" if p.reverse else whole
    return [
        f"{whole} = {size} // {n} * {n}",
        f"{carry} = full({none}, 1)",
        Suite(f"for {rows.block} in range(0, {whole}, {n})", [at, *vectors(rows, outer, carry)]),
        Suite(
            f"if {whole} < {size}",
            [
                f"{k} = {rest}",
                f"{tail} = first({size} - {whole}, {n})",
                *vectors(rows, outer, carry, tail),
            ],
        ),
    ]


def vectors(
    rows: PrefixRows, outer: list[Level], carry: str, mask: str | None = None
) -> list[Node]:
    """The prefixes of one vector, and what the next one begins with."""
    p, n = rows.p, rows.lanes
    step = Level([], frozenset((p.steps.name,)))
    values = rows.values([*outer, step], mask)
    (expr,) = p.exprs
    none = repr(p.identity)
    name = values.line(step, values.spread(expr, values.value(expr), True), "s")
    if mask:
        before, name = name, rows.names.numbered("s")
        step.body.append(f"{name} = select({mask}, {before}, {none})")
    distance = 1
    while distance < n:
        moved, before, name = rows.names.numbered("s"), name, rows.names.numbered("s")
        by = -distance if p.reverse else distance
        step.body.append(f"{moved} = shifted({before}, {by}, {none})")
        step.body += rows.combined(name, moved, [before])
        distance *= 2
    out, end = rows.names.numbered("s"), 0 if p.reverse else n - 1
    step.body += rows.combined(out, carry, [name])
    step.body.append(f"{carry} = lane({out}, {end})")
    values.written(Store(p.out, p.place, expr), out)
    return step.body
