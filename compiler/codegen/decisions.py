"""What lowering decides before it writes: which axis lanes follow, how many, what a point costs.

Lanes follow the last inner axis, or (columns) the last parallel axis where fewer accesses jump
there. A vector is several registers wide, which gives independent chains; less in heavy stages,
whose values would spill, and on short axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from ..ir.sizes import larger, smaller, truncated
from ..kernel.costs import BYTES_A_CYCLE, CLAIM_CYCLES, HEAVY, LOOP_CYCLES
from ..kernel.expr import Axis, Expr, Index, Load, Map, expr_axes, walk
from ..kernel.scalar import NUMPY, OPS
from ..kernel.stages import Accumulate, Kernel, KernelReduce, Stage, Store
from .target import Target

WIDE = 4  # registers a vector
NARROW = 4  # columns that are met along the rows, one after the other
REGISTERS_OF_ROW = 3  # below which lanes follow rows, not what is in them
FOLD_STEPS, TURN_STEPS = 8, 5  # of a register: what its sum takes, and its part of a square
MANY_STORES = 6  # of a stage, from which on a vector is one register
SERIAL = 64  # elements that lanes do one by one where they follow the axis before


def accesses(stage: Stage) -> list[tuple[Map, bool]]:
    """The distinct maps of loads and stores, and whether a place is computed at inner points."""
    inner = frozenset(a.name for a in stage.axes)
    found: dict[tuple[str, Map], bool] = {}
    for s in stage.body:
        if isinstance(s, Store | Accumulate):
            found[s.buffer.name, s.map] = False
    for e in walk(*stage.exprs):
        if isinstance(e, Load):
            memo: dict[Expr, frozenset[str]] = {}
            computed = any(expr_axes(i, frozenset(), memo) & inner for _, i, _ in e.at)
            found[e.buffer.name, e.map] = found.get((e.buffer.name, e.map), False) or computed
    return [(m, computed) for (_, m), computed in found.items()]


def jumps(stage: Stage, axis: str) -> int:
    """Accesses of a stage that are neither constant along `axis` nor by whole vectors."""
    inner = any(a.name == axis for a in stage.axes)
    return sum(
        m.stride(axis) not in (0, 1, 2) or (inner and computed) for m, computed in accesses(stage)
    )


def column_axis(kernel: Kernel) -> Axis | None:
    """The parallel axis that lanes follow, if they follow no inner one."""
    rows = [s for s in kernel.stages if s.axes]
    if not kernel.free:
        return None
    last = kernel.free[-1]
    if last.name in scattered(kernel.stages):
        return None
    if not rows:
        return last
    along_rows = sum(jumps(s, s.axes[-1].name) for s in rows)
    return last if sum(jumps(s, last.name) for s in kernel.stages) < along_rows else None


def across_rows(kernel: Kernel, target: Target) -> Axis | None:
    """The outer axis that lanes follow where a row has few registers.

    Of ordered rows only if nothing but sums goes from one to the next.
    """
    rows = [s for s in kernel.stages if s.axes]
    if not rows or not kernel.outer or any(a.segment for a in kernel.axes.values()):
        return None
    native = native_lanes(kernel.stages, target)
    longest = max(s.axes[-1].size for s in rows)
    if longest >= native * REGISTERS_OF_ROW:
        return None
    found = [a for a in (*kernel.ordered[::-1], *kernel.free[-1:]) if a.size >= native]
    if not found or found[0].name in scattered(kernel.stages):
        return None
    if longest >= native and not all(turned_whole(s, found[0].name) for s in kernel.stages):
        return None
    if longest % native == 0 and folding_is_cheaper(kernel, found[0].name):
        return None
    alone = all(
        not s.at and (isinstance(s, Store) or s.monoid == "sum") for _, s in kernel.writes()
    )
    return found[0] if alone or found[0] in kernel.free else None


def folding_is_cheaper(kernel: Kernel, rows: str) -> bool:
    """Whether rows of full registers take less to be folded to sums than to be turned."""
    sums = sum(isinstance(b, KernelReduce) for s in kernel.stages for b in s.body)
    return sums * FOLD_STEPS < TURN_STEPS * sum(jumps(s, rows) for s in kernel.stages)


def turned_whole(stage: Stage, rows: str) -> bool:
    """Whether a stage meets rows whole, or what is the same for all or stands side by side."""
    if len(stage.axes) > 1 or any(
        NUMPY[e.dtype].itemsize < 4 for e in walk(*stage.exprs) if isinstance(e, Load)
    ):
        return False
    axis = stage.axes[0] if stage.axes else None
    return not any(e.guards or e.at for e in walk(*stage.exprs) if isinstance(e, Load)) and all(
        m.stride(rows) in (0, 1)
        or (axis and m.stride(rows) == axis.size and m.stride(axis.name) == 1)
        for m, _ in accesses(stage)
    )


def with_serial_axes(kernel: Kernel, target: Target) -> Kernel:
    """Short parallel axes behind a long one in order, if lanes can follow that one then.

    Not where sums are begun at each point of them."""
    sums = any(isinstance(s, Accumulate) for _, s in kernel.writes())
    if len(kernel.free) < 2 or sums or lane_axis(kernel, target):
        return kernel
    count, inner = len(kernel.free), max((points_of(s.axes) for s in kernel.stages), default=1)
    while count > 1 and inner * kernel.free[count - 1].size <= SERIAL:
        inner *= kernel.free[count - 1].size
        count -= 1
        found = replace(kernel, parallel=count)
        if across_rows(found, target) is found.free[-1]:
            return found
    return kernel


def lane_axis(kernel: Kernel, target: Target) -> Axis | None:
    """The outer axis that lanes follow, if they follow no inner one."""
    across = across_rows(kernel, target)
    if across or not (column := column_axis(kernel)):
        return across
    return None if met_along_rows(kernel, column, target) else column


def met_along_rows(kernel: Kernel, column: Axis, target: Target) -> bool:
    """Whether columns are few and close: whole registers of rows hold all that they need."""
    rows = [s for s in kernel.stages if s.axes]
    if not rows or column.size > NARROW:
        return False
    native = native_lanes(kernel.stages, target)
    return all(
        not computed and s.axes[-1].size >= native and 0 <= m.stride(s.axes[-1].name) <= NARROW
        for s in rows
        for m, computed in accesses(s)
    )


def scattered(stages: Iterable[Stage]) -> frozenset[str]:
    """The axes that computed places of writes and segments depend on: lanes can't follow them."""
    memo: dict[Expr, frozenset[str]] = {}
    found: list[frozenset[str]] = []
    for stage in stages:
        found += [e.map.axes for a in stage.axes for e in a.ends]
        for s in stage.body:
            if isinstance(s, Store | Accumulate):
                found += [expr_axes(index, frozenset(), memo) for _, index, _ in s.at]
    return frozenset[str]().union(*found)


def weight(stage: Stage) -> int:
    """Work of one point."""
    return sum(
        OPS[e.op].weight if e.op in OPS else 1 for e in walk(*stage.exprs) if e.op != "const"
    )


def widest_bytes(stages: Iterable[Stage]) -> int:
    """Bytes of the widest values."""
    exprs = [e for s in stages for e in walk(*s.exprs) if not isinstance(e, Index)]
    return max((NUMPY[e.dtype].itemsize for e in exprs if e.op != "const"), default=4)


def native_lanes(stages: Iterable[Stage], target: Target) -> int:
    """Of one register of the widest values."""
    return max(1, target.bits // 8 // max(widest_bytes(stages), 4))


def lanes(stages: Iterable[Stage], axis: Axis, target: Target) -> int:
    """Lanes of a vector along `axis`: a power of two, at least one register of the widest dtype."""
    stages = tuple(stages)
    native = native_lanes(stages, target)
    n = native * WIDE
    accumulators = max(
        sum(len(b.names) for b in s.body if isinstance(b, KernelReduce)) for s in stages
    )
    if max(sum(isinstance(b, Store) for b in s.body) for s in stages) >= MANY_STORES:
        return native
    spills = WIDE * (accumulators + 2) > target.registers
    if spills or sum(map(weight, stages)) >= HEAVY:
        n //= 2
    while n > native and n >= 2 * axis.size:
        n //= 2
    return n


def points_of(axes: Iterable[Axis]) -> int:
    """Points of all axes together; segments share the points of theirs."""
    axes = tuple(axes)
    total = math.prod(min(a.size, a.split[1]) if a.split else a.size for a in axes)
    for a in axes:
        if a.segment:
            total //= max(1, math.prod(o.size for o in axes if o.name in a.segment[1].axes))
    return total


def operations(kernel: Kernel) -> int:
    """Weighted operations of one launch."""
    return sum(weight(s) * points_of((*kernel.outer, *s.axes)) for s in kernel.stages)


def moved_bytes(kernel: Kernel) -> int:
    """Bytes that must move at least once: the distinct elements that each buffer's maps reach."""
    reach: dict[str, int] = {}
    for stage in kernel.stages:
        axes = {a.name: a for a in (*kernel.outer, *stage.axes)}
        touched = [(s.buffer, s.map) for s in stage.body if isinstance(s, Store | Accumulate)]
        touched += [(e.buffer, e.map) for e in walk(*stage.exprs) if isinstance(e, Load)]
        for b, m in touched:
            elements = min(b.size, points_of(axes[a] for a in m.axes))
            reach[b.name] = max(reach.get(b.name, 0), elements * NUMPY[b.dtype].itemsize)
    return sum(reach.values())


def grain(kernel: Kernel, points: int, target: Target) -> int:
    """Points of a chunk that a member of the team takes: some 10 us of work, by sizes alone."""
    native = max(1, target.bits // 32)
    column = lane_axis(kernel, target)
    rows = points_of(a for a in kernel.outer if a is not column) * len(kernel.stages)
    cycles = operations(kernel) / native + moved_bytes(kernel) / BYTES_A_CYCLE + rows * LOOP_CYCLES
    return larger(1, smaller(points, truncated(CLAIM_CYCLES * points / larger(cycles, 1))))
