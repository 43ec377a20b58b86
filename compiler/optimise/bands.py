"""Which columns rows look at: bands of rows, and blocks of columns that a mask takes from them.

A value is an interval at each cell of rows and columns: of numbers of positions, of truth values,
of what a mask fills. Of integers these hold for all that their dtype has, and so do truth values.
Any other number that exp meets is taken to be of ordinary size, up to 1e8. A cell is dead
where all that sums over it would add 0: where exp has met -inf, or less than -1e9 in a row in which
another column has an ordinary number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..ir.graph import Node, Value
from ..ir.types import HALVES, INTEGERS, NUMPY
from ..ops.contract import DotGeneral
from ..ops.elementwise import Cast, Elementwise
from ..ops.family import Reduce
from ..ops.reduce import Max, Sum
from ..ops.source import Constant, Full, Iota
from ..ops.transcendental import Exp
from ..ops.view import Broadcast, Copy, Flip, Permute, Reshape, Slice
from .axes import NONE
from .regions import SlabRegion

MOST = 8
"""Bands of a region."""
COLUMNS, POINTS = 64, 16
"""Columns of a cell; and of which one is looked at to find that a row has any."""
ORDINARY, LOW = 1e8, -5e8
"""The largest number that is no fill, and what is below all others."""
EXACT_HALF = 256
"""So far every float has all integers."""
ROUNDING = 1e-6
"""Of a number that is not whole, relative to it."""

Interval = tuple[np.ndarray, np.ndarray]
ANY: Interval = np.array(-ORDINARY), np.array(ORDINARY)
TRUTH: Interval = np.array(0.0), np.array(1.0)
MOVES = Broadcast | Copy | Flip | Permute | Reshape | Slice
"""What gives elements of its operand and no others."""


@dataclass(frozen=True)
class Band:
    """`count` blocks of `block` rows from `start` on, which see columns from `begin` to `stop`.

    `cuts`: whether these are not all.
    """

    start: int
    block: int
    count: int
    begin: int
    stop: int
    cuts: bool


def row_bands(region: SlabRegion, rows: int, block: int, least: int) -> tuple[Band, ...]:
    """The rows in bands of blocks, `least` if there are so many blocks, and more where they see
    other columns; the last rows in a block of their own where it is shorter."""
    columns = max((region.scores.sizes[n] for n in region.scores.column), default=1)
    count, left = divmod(rows, block)
    starts = [*range(0, rows, block)]
    ranges = seen_columns(region, starts, rows, columns)
    most = -(-count // (MOST if ranges else least))
    found = list[Band]()
    for first in range(0, count, max(most, 1)):
        n = min(most, count - first)
        own = ranges[first : first + n] if ranges else [(0, columns)]
        found.append(one_band(starts[first], block, n, own, columns))
    if left:
        found.append(one_band(rows - left, left, 1, ranges[-1:] or [(0, columns)], columns))
    return tuple(found)


def one_band(start: int, block: int, n: int, own: list[tuple[int, int]], columns: int) -> Band:
    begin, stop = min(a for a, _ in own), max(b for _, b in own)
    return Band(start, block, n, begin, stop, (begin, stop) != (0, columns))


def seen_columns(
    region: SlabRegion, starts: list[int], rows: int, columns: int
) -> list[tuple[int, int]]:
    """The columns that each block of rows looks at, from the first to behind the last; none where
    all blocks look at all."""
    scores = region.scores
    if len(scores.column) != 1 or scores.row is None or not columns_apart(region):
        return []
    edges = [*range(0, columns, COLUMNS)]
    ends = [*starts[1:], rows], [*edges[1:], columns]
    cells = Cells(region, block_ends(starts, ends[0]), block_ends(edges, ends[1]))
    dead = cells.dead()
    if not dead.any():
        return []
    if not cells.bottomless(dead):
        points = block_ends([*range(rows)]), block_ends([*range(0, columns, POINTS)])
        if not Cells(region, *points).everywhere_ordinary():
            return []
    found = list[tuple[int, int]]()
    for line in np.broadcast_to(dead, (len(starts), len(edges))):
        live = np.flatnonzero(~line)
        if not len(live):
            return []
        found.append((edges[live[0]], ends[1][live[-1]]))
    return found


def columns_apart(region: SlabRegion) -> bool:
    """Whether columns are an axis of their own wherever memory has them."""
    scores, (name,) = region.scores, region.scores.column
    whole = ((name, scores.sizes[name]),)
    ends = (*region.entries, *region.values)
    inside = (v for n in region.nodes for v in (*n.args, n.out))
    return all(
        axis == whole or all(n != name for n, _ in axis)
        for v in (*ends, *inside)
        for axis in scores.names.axes(v)
    ) and all(name not in scores.names.names(v) or v in region.summed for v in region.values)


def block_ends(starts: list[int], ends: list[int] | None = None) -> Interval:
    """The first and the last position of each block; without ends blocks are single positions."""
    first = np.array(starts, np.float64)
    return first, first if ends is None else np.array(ends, np.float64) - 1


class Cells:
    """Intervals of the values of a region at cells of some rows and columns."""

    def __init__(self, region: SlabRegion, rows: Interval, columns: Interval) -> None:
        self.region, self.names = region, region.scores.names
        self.row, (self.column,) = region.scores.row, region.scores.column
        self.at = {
            self.row: (rows[0][:, None], rows[1][:, None]),
            self.column: (columns[0][None], columns[1][None]),
        }
        self.of: dict[Value, Interval] = {}
        with np.errstate(all="ignore"):
            for e in region.entries:
                self.of[e] = self.entry(e)
            for n in region.nodes:
                self.of[n.out] = self.computed(n)

    def entry(self, v: Value) -> Interval:
        """Of what is in memory: what positions and fixed arrays it is made of."""
        node = v.node
        if node is None or len(node.values) > 1:
            return any_of(v.dtype)
        if isinstance(node.op, Constant):
            return self.constant(v, node.op.array.data)
        if isinstance(node.op, Elementwise | MOVES):
            self.names.step(node)
            if self.names.holds(node):
                for a in node.args:
                    if a not in self.of:
                        self.of[a] = self.entry(a)
        return self.computed(node)

    def position(self, v: Value, along: int) -> Interval:
        """Of an iota: what it counts, where that is an axis with a name."""
        axis = self.names.axes(v)[along]
        (name, _) = axis[0] if len(axis) == 1 else (NONE, 0)
        ends = np.array(0.0), np.array(float(max(v.shape[along] - 1, 0)))
        return interval_held(self.at.get(name, ends), v.dtype)

    def constant(self, v: Value, data: np.ndarray) -> Interval:
        """The least and the greatest of an array's numbers at each cell."""
        axes = self.names.axes(v)
        if np.isnan(data).any():
            return any_of(v.dtype)
        if any(len(axis) > 1 or (axis and axis[0][0] not in self.at) for axis in axes):
            ends = data.astype(np.float64)
            return (ends.min(), ends.max()) if data.size else any_of(v.dtype)
        order = sorted((axis[0][0] == self.column, d) for d, axis in enumerate(axes) if axis)
        x = np.squeeze(data).astype(np.float64)
        x = np.transpose(x, np.argsort([d for _, d in order]).argsort()) if order else x
        low = high = x
        for d, (is_column, _) in enumerate(order):
            first, last = (np.ravel(e).astype(np.int64)
                           for e in self.at[self.column if is_column else self.row])  # fmt: skip
            if (first == last).all():
                low, high = low.take(first, d), high.take(first, d)
            else:
                low = np.minimum.reduceat(low, first, d)
                high = np.maximum.reduceat(high, first, d)
        if len(order) == 1 and not order[0][0]:
            low, high = low[:, None], high[:, None]
        return low, high

    def computed(self, node: Node) -> Interval:
        args = [self.of.get(a, any_of(a.dtype)) for a in node.args]
        op = node.op
        if isinstance(op, Iota):
            return self.position(node.out, op.axis)
        if isinstance(op, Full) and not isinstance(op.value, complex):
            return np.array(float(op.value)), np.array(float(op.value))
        if isinstance(op, MOVES):
            return args[0]
        if isinstance(op, DotGeneral | Reduce) and any(map(is_zero, args)):
            return np.array(0.0), np.array(0.0)
        return followed(node, args)

    # ---- what is dead

    def dead(self) -> np.ndarray:
        """Where no sum of the region would miss anything."""
        found = np.array(True)
        for conditions in self.conditions():
            found = found & np.logical_or.reduce(np.broadcast_arrays(*conditions))
        return found

    def conditions(self) -> Iterator[list[np.ndarray]]:
        """Of each sum of large values: where they add nothing, any of which is enough."""
        large = self.region.scores.large
        for n in self.region.nodes:
            own = [self.of[a] for a in n.args if large(a)]
            if not own or large(n.out):
                continue
            if isinstance(n.op, Max):
                yield [own[0][1] < LOW]
            elif isinstance(n.op, Sum | DotGeneral):
                yield [(low == 0) & (high == 0) for low, high in own]
            else:
                yield [np.array(False)]

    def exponents(self) -> list[Interval]:
        return [self.of[n.args[0]] for n in self.region.nodes if isinstance(n.op, Exp)]

    def bottomless(self, dead: np.ndarray) -> bool:
        """Whether every exponent is -inf where it is dead."""
        return all((~dead | (high == -np.inf)).all() for _, high in self.exponents())

    def everywhere_ordinary(self) -> bool:
        """Whether each row has a column of which no exponent is low."""
        return all(
            (np.broadcast_to(low, np.broadcast_shapes(low.shape, (1, 1))) > LOW).any(1).all()
            for low, _ in self.exponents()
        )


# ---------------------------------------------------------------- rules


def any_of(dtype: str) -> Interval:
    """A float is of ordinary size, an integer whatever its dtype holds."""
    if dtype == "bool":
        return TRUTH
    if dtype not in INTEGERS:
        return ANY
    limits = np.iinfo(NUMPY[dtype])
    return np.array(float(limits.min)), np.array(float(limits.max))


def interval_held(x: Interval, dtype: str) -> Interval:
    """What a dtype holds of an interval: integers that it has no room for, or truth values that
    are numbers, are any."""
    low, high = any_of(dtype)
    bad = np.isnan(x[0]) | np.isnan(x[1])
    if dtype == "bool" or dtype in INTEGERS:
        bad = bad | (x[0] < low) | (x[1] > high)
    return np.where(bad, low, x[0]), np.where(bad, high, x[1])


def is_zero(x: Interval) -> bool:
    return bool((x[0] == 0).all() and (x[1] == 0).all())


def is_open(x: Interval, most: float = ORDINARY) -> np.ndarray:
    """Where numbers are not known, but for their size."""
    return (x[0] < x[1]) & ((np.abs(x[0]) >= most) | (np.abs(x[1]) >= most))


def kept_ordinary(low: np.ndarray, high: np.ndarray, open_: np.ndarray) -> Interval:
    """Of numbers that are not known what is not low is ordinary, and nothing more is known."""
    return (np.where(open_ & (low > LOW), -ORDINARY, low),
            np.where(open_ & (high > LOW), ORDINARY, high))  # fmt: skip


def interval_sum(x: Interval, y: Interval, dtype: str) -> Interval:
    low, high = x[0] + y[0], x[1] + y[1]
    whole = dtype in INTEGERS
    return (low, high) if whole else kept_ordinary(low, high, is_open(x) | is_open(y))


def interval_negated(x: Interval, dtype: str) -> Interval:
    return (-x[1], -x[0]) if dtype in INTEGERS else kept_ordinary(-x[1], -x[0], is_open(x))


def rounded_ends(low: np.ndarray, high: np.ndarray) -> Interval:
    """What floats may make of numbers that are not whole."""
    return low - np.abs(low) * ROUNDING, high + np.abs(high) * ROUNDING


def interval_product(x: Interval, y: Interval, dtype: str) -> Interval:
    """0 where one is; an ordinary number stays one."""
    nothing = ((x[0] == 0) & (x[1] == 0)) | ((y[0] == 0) & (y[1] == 0))
    ends = [np.where(nothing, 0.0, a * b) for a in x for b in y]
    low, high = reduce(np.minimum, ends), reduce(np.maximum, ends)
    if dtype in INTEGERS:
        return low, high
    if any((e != np.rint(e)).any() for e in (*x, *y)):
        low, high = rounded_ends(low, high)
    open_ = is_open(x) | is_open(y)
    scaled = [(a[0] == a[1]) & (a[0] > 0) for a in (x, y)]
    fill = (scaled[0] & (y[0] <= LOW)) | (scaled[1] & (x[0] <= LOW))
    low = np.where(open_ & ~nothing & ~fill, -ORDINARY, low)
    high = np.where(open_ & ~nothing & ~(scaled[0] | scaled[1]), ORDINARY, high)
    return kept_ordinary(low, high, ~nothing & open_)


def interval_quotient(x: Interval, y: Interval, dtype: str) -> Interval:
    """The same; of a divisor that is not known nothing is."""
    known = (y[0] == y[1]) & (y[0] > 0)
    low, high = rounded_ends(x[0] / y[0], x[1] / y[0])
    low, high = kept_ordinary(np.where(x[0] > LOW, np.maximum(low, -ORDINARY), low), high,
                              is_open(x))  # fmt: skip
    nothing = (x[0] == 0) & (x[1] == 0)
    low = np.where(nothing, 0.0, np.where(known, low, -ORDINARY))
    return low, np.where(nothing, 0.0, np.where(known, high, ORDINARY))


def interval_exp(x: Interval, dtype: str) -> Interval:
    return np.zeros_like(x[0]), np.where(x[1] < LOW / 2, 0.0, ORDINARY)


def interval_choice(mask: Interval, x: Interval, y: Interval, dtype: str) -> Interval:
    yes, no = mask[0] > 0, mask[1] <= 0
    low = np.where(yes, x[0], np.where(no, y[0], np.minimum(x[0], y[0])))
    return low, np.where(yes, x[1], np.where(no, y[1], np.maximum(x[1], y[1])))


def interval_most(x: Interval, y: Interval, dtype: str) -> Interval:
    low, high = np.maximum(x[0], y[0]), np.maximum(x[1], y[1])
    whole = dtype in INTEGERS
    return (low, high) if whole else kept_ordinary(low, high, is_open(x) | is_open(y))


def interval_least(x: Interval, y: Interval, dtype: str) -> Interval:
    low, high = np.minimum(x[0], y[0]), np.minimum(x[1], y[1])
    whole = dtype in INTEGERS
    return (low, high) if whole else kept_ordinary(low, high, is_open(x) | is_open(y))


def interval_cast(x: Interval, source: str, dtype: str) -> Interval:
    """Integers wrap, floats are cut and saturate, truth is not to be 0."""
    if source == "bool":
        return x
    if dtype == "bool":
        no = (x[0] == 0) & (x[1] == 0)
        yes = ((x[0] > 0) | (x[1] < 0)) & ~is_open(x)
        return yes * 1.0, 1.0 - no
    if source in INTEGERS:
        if dtype in INTEGERS:
            return x
        if dtype in HALVES:
            return interval_cast(interval_cast(x, source, "f64"), "f64", dtype)
        low, high = any_of(source)
        lost = (x[0] <= low) & (x[1] >= high) & (high > ORDINARY)
        return np.where(lost, -ORDINARY, x[0]), np.where(lost, ORDINARY, x[1])
    if dtype in INTEGERS:
        low, high = any_of(dtype)
        whole = is_open(x) | ~np.isfinite(x[0]) | ~np.isfinite(x[1])
        return np.where(whole, low, np.trunc(x[0])), np.where(whole, high, np.trunc(x[1]))
    if dtype in HALVES:
        near = [(a, np.where(np.abs(a) < ORDINARY, a, 0.0).astype(NUMPY[dtype])) for a in x]
        low, high = (np.where(np.abs(a) < ORDINARY, b.astype(np.float64), a) for a, b in near)
        return np.minimum(x[0], low), np.maximum(x[1], high)
    return x


def compared(x: Interval, y: Interval, dtype: str, same: bool) -> tuple[Interval, Interval]:
    """Operands of a comparison: floats that are not known, or that their dtype may round, are
    any, also the largest. Only fills are the `same` as a fill: of them none is a row's maximum."""
    if dtype == "bool" or dtype in INTEGERS:
        return x, y
    half = dtype in HALVES
    most = EXACT_HALF if half else ORDINARY

    def spread(a: Interval) -> Interval:
        fill = (a[1] < LOW) & same
        any_ = is_open(a, most) | (np.isfinite(a[0]) & (np.abs(a[0]) > most) & half)
        low = np.where((a[0] > LOW) & same, np.minimum(a[0], -ORDINARY), -np.inf)
        return np.where(any_ & ~fill, low, a[0]), np.where(any_ & ~fill, np.inf, a[1])

    return spread(x), spread(y)


def interval_below(x: Interval, y: Interval) -> Interval:
    """x < y"""
    return (x[1] < y[0]) * 1.0, (x[0] < y[1]) * 1.0


def interval_not(x: Interval) -> Interval:
    return 1.0 - x[1], 1.0 - x[0]


def interval_equal(x: Interval, y: Interval) -> Interval:
    same = (x[0] == x[1]) & (y[0] == y[1]) & (x[0] == y[0])
    return same * 1.0, ((x[0] <= y[1]) & (y[0] <= x[1])) * 1.0


NUMBERS: dict[str, Callable[..., Interval]] = {
    "add": interval_sum,
    "sub": lambda x, y, dtype: interval_sum(x, (-y[1], -y[0]), dtype),
    "mul": interval_product,
    "div": interval_quotient,
    "neg": interval_negated,
    "exp": interval_exp,
    "select": interval_choice,
    "maximum": interval_most,
    "minimum": interval_least,
}
"""What follows of intervals of numbers, by the name of an op, and the dtype of its result."""
COMPARISONS: dict[str, Callable[..., Interval]] = {
    "lt": interval_below,
    "gt": lambda x, y: interval_below(y, x),
    "ge": lambda x, y: interval_not(interval_below(x, y)),
    "le": lambda x, y: interval_not(interval_below(y, x)),
    "eq": interval_equal,
    "ne": lambda x, y: interval_not(interval_equal(x, y)),
}
"""The same of comparisons."""
TRUTHS: dict[str, Callable[..., Interval]] = {
    "and_": lambda x, y: (np.minimum(x[0], y[0]), np.minimum(x[1], y[1])),
    "or_": lambda x, y: (np.maximum(x[0], y[0]), np.maximum(x[1], y[1])),
    "not_": interval_not,
    "select": lambda mask, x, y: interval_choice(mask, x, y, "bool"),
}
"""The same of truth values; bits of numbers are any."""


def followed(node: Node, args: list[Interval]) -> Interval:
    """What follows of operands; of an op without a rule, any."""
    name, dtype = node.op.name, node.out.dtype
    if isinstance(node.op, Cast):
        found = interval_cast(args[0], node.args[0].dtype, dtype)
    elif name in COMPARISONS:
        same = name in ("eq", "ne")
        found = COMPARISONS[name](*compared(args[0], args[1], node.args[0].dtype, same))
    elif dtype == "bool":
        found = TRUTHS[name](*args) if name in TRUTHS else TRUTH
    elif name in NUMBERS:
        found = NUMBERS[name](*args, dtype)
    else:
        return any_of(dtype)
    return interval_held(found, dtype)
