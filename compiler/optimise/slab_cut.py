"""How a region becomes slabs: blocks of rows, how values lie in memory, and the graphs of blocks.

A slab has whole rows in the cache of one core. Where rows themselves are summed a slab is a point
of the batch, and a loop in it adds block to block. Rows are in bands, each of which sees some
columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..ir.graph import Graph, Value, apply, apply_all
from ..ir.lazy import lazy
from ..ir.sizes import number_now
from ..ir.source import sourced
from ..ir.types import Type
from ..ops.elementwise import add
from ..ops.nested.scan import Scan
from ..ops.nested.slabs import slabs
from ..ops.reduce import reduce_sum
from ..ops.source import Iota, full
from ..ops.view import (
    Concatenate,
    inverse,
    pad,
    permute,
    reshape,
    slice_,
)
from .axes import Shorter
from .bands import MOST, Band, row_bands
from .regions import SlabRegion

CACHE_BYTES = 1 << 20
"""Of large values of a slab: half of what a core has for itself."""
LEAST_BYTES = 1 << 17
"""Of scores: smaller ones stay in cache as they are."""
LEAST_ROWS, ROWS = 64, 16
"""Of a block: the least, and what it is a multiple of."""
FEW_ROWS = 16
"""So few do not pay for another order of keys and values in memory."""
FEW_UNITS = 4
"""So many slabs of whole points of the batch keep all threads busy."""


def text_now(of: Type) -> str:
    """A type as it is now: what is said of a program holds for no other size."""
    return str(Type(of.dtype, tuple(map(number_now, of.shape))))


@dataclass(frozen=True)
class Layout:
    """How a value lies in memory: factors of units before the row's, and both before all others."""

    cut: SlabCut
    value: Value

    @lazy
    def factors(self) -> list[tuple[int, int]]:
        return [f for axis in self.cut.names.axes(self.value) for f in axis]

    @lazy
    def order(self) -> list[int]:
        kind = lambda k: self.cut.kind(self.factors[k][0])  # noqa: E731
        return sorted(range(len(self.factors)), key=kind)

    @property
    def moved(self) -> bool:
        return self.order != list(range(len(self.factors)))

    @property
    def ordered(self) -> list[tuple[int, int]]:
        return [self.factors[k] for k in self.order]

    @property
    def rest(self) -> list[tuple[int, int]]:
        """The factors that are neither units nor the row."""
        return [f for f in self.ordered if self.cut.kind(f[0]) == 2]

    def has(self, name: int | None) -> bool:
        return name is not None and any(n == name for n, _ in self.factors)

    def restored(self, x: Value, sizes: Mapping[int, int]) -> Value:
        """What has the factors in order, some with these sizes, as the value has its axes."""
        of = [(name, sizes.get(name, n)) for name, n in self.ordered]
        if self.moved:
            x = permute(reshape(x, [n for _, n in of]), inverse(tuple(self.order)))
        return reshape(x, Shorter(self.cut.names, sizes).shape(self.value))

    def arranged(self, x: Value, sizes: Mapping[int, int]) -> Value:
        """What has the axes of the value, some shorter, with its factors in order."""
        x = reshape(x, [sizes.get(name, n) for name, n in self.factors])
        return permute(x, self.order) if self.moved else x

    def stride(self, name: int) -> int:
        """Elements from one to the next along a factor, 0 where the value has it not."""
        step = 1
        for n, size in reversed(self.ordered):
            if n == name:
                return step
            step *= size
        return 0


@dataclass(eq=False)
class SlabCut:
    """A region, and the blocks of rows that it is cut into."""

    region: SlabRegion

    def __post_init__(self) -> None:
        self.scores, self.names = self.region.scores, self.region.scores.names
        self.sizes, self.row = self.scores.sizes, self.scores.row
        self.units = [n for n in self.scores.units if n in set(self.region.named())]
        self.layouts = {v: Layout(self, v) for v in (*self.region.entries, *self.region.values)}

    def kind(self, name: int) -> int:
        """0 of a unit, 1 of the row, 2 of what a slab has whole."""
        return 0 if name in self.units else 1 if name == self.row else 2

    @property
    def rows(self) -> int:
        return 1 if self.row is None else self.sizes[self.row]

    @property
    def columns(self) -> int:
        return math.prod(self.sizes[n] for n in self.scores.column)

    @property
    def boxes(self) -> int:
        return math.prod(self.sizes[n] for n in self.units)

    @property
    def reason(self) -> str:
        """Why slabs would not do, or not pay; nothing where they do."""
        if large := self.region.kept:
            v = large[0]
            assert v.node is not None
            own, users = self.scores.members, self.scores.users[v]
            readers = sorted({u.op.name for u in users if u not in own}) or ["the caller"]
            of = text_now(v.type)
            return f"all of {of}, which {v.node.op.name} gives, is read by {', '.join(readers)}"
        if self.rows < FEW_ROWS and any(self.layouts[e].moved for e in self.region.entries):
            rows = number_now(self.rows)
            return f"slabs of {rows} rows would copy what products read where it is"
        if self.boxes * self.rows * self.columns * self.item < LEAST_BYTES:
            return f"so few scores stay in the cache, below {LEAST_BYTES >> 10} KiB"
        return ""

    def __str__(self) -> str:
        bands = f" in {len(self.bands)} bands" if any(b.cuts for b in self.bands) else ""
        again = "gradients, " if self.region.summed else ""
        boxes, rows, block = map(number_now, (self.boxes, self.rows, self.block))
        return f"{again}{boxes} times {rows} rows by {block}{bands}"

    @property
    def item(self) -> int:
        return self.scores.product.out.type.numpy.itemsize

    @lazy
    def block(self) -> int:
        """Rows of a block, of which the large values stay in cache."""
        live = 3 if self.region.level else 2
        most = max(CACHE_BYTES // (self.columns * self.item * live), LEAST_ROWS)
        fine = max(LEAST_ROWS, -(-self.rows // (MOST * ROWS)) * ROWS)
        if fine < min(most, self.rows):  # as many bands as there may be, where they leave out any
            tried = row_bands(self.region, self.rows, fine, 1)
            most = fine if any(b.cuts for b in tried) else most
        if self.rows <= most:
            return self.rows
        most -= most % ROWS
        whole = (b for b in range(most, most // 2, -ROWS) if self.rows % b == 0)
        return next(whole, most)

    @lazy
    def bands(self) -> tuple[Band, ...]:
        if self.row is None:
            return (Band(0, 1, 1, 0, self.columns, False),)
        few = self.region.summed and self.boxes < FEW_UNITS
        return row_bands(self.region, self.rows, self.block, FEW_UNITS if few else 1)

    def slabs_of(self, new: Callable[[Value], Value]) -> list[Value]:
        """The values of the region, of entries that are `new` now."""
        return Maker(self, new).values()


class Maker:
    """Makes the slabs of one region."""

    def __init__(self, cut: SlabCut, new: Callable[[Value], Value]) -> None:
        self.cut, self.region, self.new = cut, cut.region, new
        self.layouts = cut.layouts
        self.summed = set(self.region.summed)

    def values(self) -> list[Value]:
        cut = self.cut
        operands = [self.outside(e) for e in self.region.entries]
        if not self.summed:
            parts = [self.blocks(band, operands) for band in cut.bands]
        elif cut.boxes >= FEW_UNITS or len(cut.bands) == 1:
            parts = [self.loops(cut.bands, operands)]
        else:
            parts = [self.loops((band,), operands) for band in cut.bands]
        return [
            self.whole(v, [part[k] for part in parts]) for k, v in enumerate(self.region.values)
        ]

    def outside(self, entry: Value) -> Value:
        at = self.layouts[entry]
        x = self.new(entry)
        if at.moved:
            x = permute(reshape(x, [n for _, n in at.factors]), at.order)
        return x

    def whole(self, v: Value, parts: list[Value]) -> Value:
        """A value of the region from what slabs of some rows each give: units first."""
        cut, at = self.cut, self.layouts[v]
        first = len(cut.units)
        if v in self.summed:
            x = parts[0]
            for part in parts[1:]:
                x = add(x, part)
        else:
            x = parts[0] if len(parts) == 1 else apply(Concatenate(first), *parts)
        missing = [k for k, n in enumerate(cut.units) if not at.has(n)]
        if missing:
            if v.node in cut.scores.terminal:
                x = reduce_sum(x, missing)
            else:  # every unit has found the same
                stop = [1 if k in missing else n for k, n in enumerate(x.shape)]
                x = slice_(x, [0] * len(stop), stop, [1] * len(stop))
                x = reshape(x, [n for k, n in enumerate(stop) if k not in missing])
        here = [n for n in cut.units if at.has(n)]
        here += [cut.row] if at.has(cut.row) else []
        order = [n for n, _ in at.ordered][: len(here)]
        if order != here:
            x = permute(x, [*(here.index(n) for n in order), *range(len(here), len(x.shape))])
        return at.restored(x, {})

    # ---- places

    def piece_places(
        self, band: Sequence[Band], blocks: bool
    ) -> tuple[list[int], list[tuple[int, ...]]]:
        """Where the pieces of each entry begin, and their strides along units and blocks."""
        starts, strides = [], []
        for e in self.region.entries:
            at = self.layouts[e]
            row = 0 if self.cut.row is None else at.stride(self.cut.row)
            starts.append(row * band[0].start)
            steps = [at.stride(n) for n in self.cut.units]
            strides.append((*steps, *([row * band[0].block] if blocks else ())))
        return starts, strides

    def piece(self, e: Value, rows: int) -> Value:
        """What a slab sees of an entry: so many of its rows, its factors in order."""
        at = self.layouts[e]
        sizes = dict.fromkeys(self.cut.units, 1)
        shape = [rows if n == self.cut.row else sizes.get(n, size) for n, size in at.ordered]
        return Value(Type(e.dtype, tuple(shape)))

    def result(self, v: Value, rows: int) -> tuple[Type, tuple[int, ...]]:
        """The type of what all slabs of so many rows give of a value; its factors beside units."""
        cut, at = self.cut, self.layouts[v]
        own = [rows] if at.has(cut.row) else []
        shape = *(cut.sizes[n] for n in cut.units), *own, *(n for _, n in at.rest)
        return Type(v.dtype, shape), shape

    # ---- slabs of blocks

    def blocks(self, band: Band, operands: list[Value]) -> Sequence[Value]:
        """A slab for each block of rows and each unit."""
        cut = self.cut
        inputs = [self.piece(e, band.block) for e in self.region.entries]
        found = self.computed(inputs, band)
        outputs = [self.piled(v, x, band) for v, x in zip(self.region.values, found, strict=True)]
        body = Graph.of("attention", inputs, outputs)
        starts, strides = self.piece_places([band], blocks=True)
        types, steps = [], []
        for v in self.region.values:
            at = self.layouts[v]
            t, shape = self.result(v, band.block * band.count)
            strided = strides_in_order(shape)
            row = strided[len(cut.units)] * band.block if at.has(cut.row) else 0
            types.append(t)
            steps.append((*strided[: len(cut.units)], row))
        units = *(cut.sizes[n] for n in cut.units), band.count
        return slabs(body, operands, units, strides, types, steps, starts)

    def piled(self, v: Value, x: Value, band: Band) -> Value:
        """A value of one block as it lies in memory, without units."""
        cut, at = self.cut, self.layouts[v]
        sizes = self.short(band)
        x = at.arranged(x, sizes)
        own = [band.block] if at.has(cut.row) else []
        rest = [sizes.get(n, size) for n, size in at.rest]
        return reshape(x, [*own, *rest])

    def short(self, band: Band) -> dict[int, int]:
        """The sizes of names in a block."""
        cut = self.cut
        sizes = dict.fromkeys(cut.units, 1)
        if cut.row is not None:
            sizes[cut.row] = band.block
        if band.cuts:
            (name,) = cut.scores.column
            sizes[name] = band.stop - band.begin
        return sizes

    def computed(self, inputs: Sequence[Value], band: Band) -> list[Value]:
        """The values of the region in one block, of pieces of its entries."""
        cut = self.cut
        sizes = self.short(band)
        whole = {n: k for n, k in sizes.items() if n not in cut.scores.column}
        new: dict[Value, Value] = {}
        with sourced(None) as sources:
            for e, x in zip(self.region.entries, inputs, strict=True):
                x = self.layouts[e].restored(x, whole)
                new[e] = self.seen(e, x, band)
            shorter = Shorter(cut.names, sizes)
            for node in self.region.nodes:
                sources[-1] = node.source
                x = shorter.shortened(node, [new[a] for a in node.args])
                if isinstance(node.op, Iota) and band.cuts and band.begin:
                    x = add(x, full(band.begin, x.type))
                new[node.out] = x
        return [new[v] for v in self.region.values]

    def seen(self, e: Value, x: Value, band: Band) -> Value:
        """Those columns of an entry that the rows of a band look at."""
        if not band.cuts:
            return x
        (name,) = self.cut.scores.column
        start, stop = [0] * len(x.shape), list(x.shape)
        for d, axis in enumerate(self.cut.names.axes(e)):
            if any(n == name for n, _ in axis):
                start[d], stop[d] = band.begin, band.stop
        return slice_(x, start, stop, [1] * len(stop))

    # ---- slabs of whole units

    def loops(self, several: Sequence[Band], operands: list[Value]) -> Sequence[Value]:
        """A slab for each unit, which adds the sums of blocks of rows one after the other."""
        cut = self.cut
        first, last = several[0], several[-1]
        rows = last.start + last.block * last.count - first.start
        inputs = [self.piece(e, rows) for e in self.region.entries]
        parts = [self.loop(band, first.start, inputs) for band in several]
        outputs, types, steps = [], [], []
        for k, v in enumerate(self.region.values):
            own = [part[k] for part in parts]
            if v in self.summed:
                y = own[0]
                for x in own[1:]:
                    y = add(y, x)
            else:
                y = own[0] if len(own) == 1 else apply(Concatenate(0), *own)
            outputs.append(y)
            t, shape = self.result(v, rows)
            types.append(t)
            steps.append(strides_in_order(shape)[: len(cut.units)])
        body = Graph.of("attention", inputs, outputs)
        starts, strides = self.piece_places(several, blocks=False)
        units = [cut.sizes[n] for n in cut.units]
        return slabs(body, operands, units, strides, types, steps, starts)

    def loop(self, band: Band, origin: int, inputs: Sequence[Value]) -> list[Value]:
        """The values of the region from all blocks of a band, sums over its rows of all columns."""
        cut, entries = self.cut, self.region.entries
        by_row = [self.layouts[e].has(cut.row) for e in entries]
        n, rows = band.count, band.count * band.block
        given = []
        for e, x, yes in zip(entries, inputs, by_row, strict=True):
            if yes:
                d = [name for name, _ in self.layouts[e].ordered].index(cut.row or 0)
                start, stop = [0] * len(x.shape), list(x.shape)
                start[d], stop[d] = band.start - origin, band.start - origin + rows
                x = slice_(x, start, stop, [1] * len(stop))
                x = reshape(
                    x, [n, *x.shape[:d], band.block, *x.shape[d + 1 :]] if n > 1 else x.shape
                )
            given.append(x)
        if n == 1:
            found = self.computed(given, band)
            found = [self.piled(v, x, band) for v, x in zip(self.region.values, found, strict=True)]
        else:
            found = self.scanned(band, given, by_row)
        return [self.padded(v, x, band) for v, x in zip(self.region.values, found, strict=True)]

    def scanned(self, band: Band, given: list[Value], by_row: list[bool]) -> list[Value]:
        """The sums and the rows of all blocks of a band, by a loop over them."""
        values, summed = self.region.values, [v in self.summed for v in self.region.values]
        inner = [Value(Type(x.dtype, x.shape[1:])) if yes else Value(x.type)
                 for x, yes in zip(given, by_row, strict=True)]  # fmt: skip
        found = self.computed(inner, band)
        piled = [self.piled(v, x, band) for v, x in zip(values, found, strict=True)]
        sums = [x for x, yes in zip(piled, summed, strict=True) if yes]
        rows = [x for x, yes in zip(piled, summed, strict=True) if not yes]
        carries = [Value(x.type) for x in sums]
        consts = [x for x, yes in zip(inner, by_row, strict=True) if not yes]
        sequences = [x for x, yes in zip(inner, by_row, strict=True) if yes]
        body = Graph.of(
            "block",
            (*consts, *carries, *sequences),
            (*(add(c, x) for c, x in zip(carries, sums, strict=True)), *rows),
        )
        op = Scan(body, len(consts), len(carries), band.count, False)
        made = apply_all(
            op,
            *(x for x, yes in zip(given, by_row, strict=True) if not yes),
            *(full(0.0, c.type) for c in carries),
            *(x for x, yes in zip(given, by_row, strict=True) if yes),
        )
        total, stacked = iter(made[: len(carries)]), iter(made[len(carries) :])
        return [next(total) if yes else first_axes_joined(next(stacked)) for yes in summed]

    def padded(self, v: Value, x: Value, band: Band) -> Value:
        """Sums over rows of a band with zeros for the columns that none of them sees."""
        at = self.layouts[v]
        if v not in self.summed or not band.cuts:
            return x
        (name,) = self.cut.scores.column
        low, high = [0] * len(x.shape), [0] * len(x.shape)
        for d, (n, size) in enumerate(at.rest):
            if n == name:
                low[d], high[d] = band.begin, size - band.stop
        return pad(x, low, high, 0.0) if any(low) or any(high) else x


def first_axes_joined(x: Value) -> Value:
    """The first two axes as one."""
    return reshape(x, [x.shape[0] * x.shape[1], *x.shape[2:]])


def strides_in_order(shape: Sequence[int]) -> tuple[int, ...]:
    found, step = list[int](), 1
    for n in reversed(shape):
        found.append(step)
        step *= n
    return tuple(reversed(found))
