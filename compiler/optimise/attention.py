"""Products whose large results are summed away again run in slabs: attention in linear memory.

What: scores of rows and columns, of which exponentials are summed along columns, are cut along
rows and batch, with all that is computed until they are sums: softmax(q k') v forward, and its
gradients. A slab has whole rows in the cache of one core, so the sums are those of the plain form.
Where rows themselves are summed, as for gradients of keys, a slab is a point of the batch, and a
loop in it adds block to block. What a mask fills with what exp makes 0 is not computed, as far as
whole blocks of columns for a band of rows go: where the fill is -inf or at most -1e9, and every row
has something else.
Order: after all other passes on graphs: whatever they leave is cut. For processors alone.
Before: any graph. After: the same results but for the order of sums in products, and but for
columns that are masked, where scores that are no numbers are not seen.
Cost: linear in nodes for each such product.
Source: Dao and others, FlashAttention, 2022; here without its running maximum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from heapq import heapify, heappop, heappush

from ..ir.graph import Graph, Node, Value, apply, apply_all
from ..ir.lazy import lazy
from ..ir.sizes import number_now
from ..ir.source import sourced
from ..ir.types import Type
from ..ir.walk import everywhere, rebuild
from ..ops.contract import DotGeneral
from ..ops.elementwise import Add, Comparison, Elementwise, Sub, add, mul
from ..ops.nested.scan import Scan
from ..ops.nested.slabs import Slabs, slabs
from ..ops.random import RandomBits, bits_at
from ..ops.reduce import Sum, reduce_sum
from ..ops.source import Full, Iota, full, iota
from ..ops.transcendental import Exp
from ..ops.view import (
    Broadcast,
    Concatenate,
    Permute,
    Reshape,
    broadcast,
    inverse,
    pad,
    permute,
    reshape,
    slice_,
)
from .axes import Shorter
from .bands import MOST, Band, row_bands
from .cse import cse
from .dead import dead
from .regions import Scores, SlabRegion
from .simplify import simplify

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
MOST_POSITIONS = 1 << 30
"""Below it positions are compared in i32: as many lanes as scores have."""
CONE = 64
"""Nodes between a product and the exponential of its scores."""


def attention(graph: Graph, notes: list[str] | None = None) -> Graph:
    """The graph with what makes and sums scores in slabs; `notes` has a line for each product of
    scores: what became of it."""
    notes = [] if notes is None else notes
    found = cut_scores(graph, notes, set(run_by_slabs(graph)))
    return graph if found is graph else dead(cse(simplify(found)))


@everywhere
def cut_scores(graph: Graph, notes: list[str], inside: set[Graph]) -> Graph:
    """The same; graphs that slabs run, `inside`, have none of their own."""
    if graph in inside or not any(score_products(graph)):
        return graph
    apart = each_use(graph)
    users = apart.users()
    done: set[Node] = set()
    found: list[SlabCut] = []
    for product, columns in score_products(apart):
        if product not in done:
            scores = Scores.of(apart, users, product, columns)
            done |= scores.members
            cuts = [SlabCut(region) for region in scores.levels]
            reason = next(filter(None, (c.reason for c in cuts)), "")
            notes.append(said_of(product, reason or "; ".join(map(str, cuts)), not reason))
            found += [] if reason else cuts
    return with_slabs(apart, found) if found else graph


def run_by_slabs(graph: Graph, inside: bool = False) -> Iterator[Graph]:
    """The graphs that slabs of a graph run, and those that these hold."""
    for node in graph.nodes:
        for body in node.op.graphs:
            within = inside or isinstance(node.op, Slabs)
            yield from [body] if within else []
            yield from run_by_slabs(body, within)


def said_of(product: Node, what: str, taken: bool) -> str:
    source = product.source
    where = f"{source.file}:{source.line} " if source else ""
    of, became = text_now(product.out.type), "taken" if taken else "not taken"
    return f"{where}attention of {of} is {became}: {what}"


def text_now(of: Type) -> str:
    """A type as it is now: what is said of a program holds for no other size."""
    return str(Type(of.dtype, tuple(map(number_now, of.shape))))


def each_use(graph: Graph) -> Graph:
    """The graph in which rows and columns are never axes of one value: where products and
    broadcasts read it there is a value for each use, which has the same elements."""

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        if isinstance(node.op, Comparison) and here.args[0].dtype == "i64":
            x, y = map(small_positions, here.args)
            return (apply(node.op, x[0], y[0]),) if x and y else None
        if (
            isinstance(node.op, RandomBits)
            and node.out.type.ndim > 1
            and here.args[0].type.ndim == 1
        ):
            return (bits_at(here.args[0], element_places(node.out.shape)),)
        read = isinstance(node.op, DotGeneral | Broadcast)
        if not read and not any(map(is_iota, here.args)):
            return None
        return here.like(tuple(another(a) if read or is_iota(a) else a for a in here.args)).values

    return rebuild(graph, change)


def element_places(shape: tuple[int, ...]) -> Value:
    """The place of each element among all, as a sum along axes."""
    steps = zip(range(len(shape)), shape, strides_in_order(shape), strict=True)
    parts = []
    for d, n, step in steps:
        x = iota(Type("i64", (n,)), 0)
        others = [k for k in range(len(shape)) if k != d]
        parts.append(broadcast(mul(x, full(step, x.type)) if step > 1 else x, shape, others))
    return reduce(add, parts)


def small_positions(x: Value) -> tuple[Value, int, int] | None:
    """Of i64 that are positions and fixed numbers: the same in i32, the least and the greatest."""
    if x.node is None:
        return None
    op, args = x.node.op, x.node.args
    found: tuple[Value, int, int] | None = None
    if isinstance(op, Full) and isinstance(op.value, int):
        if abs(op.value) < MOST_POSITIONS:
            found = full(op.value, Type("i32", x.shape)), op.value, op.value
    elif isinstance(op, Iota):
        found = another(apply(Iota(Type("i32", op.of.shape), op.axis))), 0, op.of.shape[op.axis] - 1
    elif isinstance(op, Broadcast | Reshape):
        if inner := small_positions(args[0]):
            found = apply(op, inner[0]), *inner[1:]
    elif isinstance(op, Add | Sub):
        sides = [small_positions(a) for a in args]
        if sides[0] and sides[1]:
            (a, least, most), (b, *ends) = sides[0], sides[1]
            low, high = ends if isinstance(op, Add) else (-ends[1], -ends[0])
            found = apply(op, a, b), least + low, most + high
    if found and -MOST_POSITIONS < found[1] <= found[2] < MOST_POSITIONS:
        return found
    return None


def is_iota(x: Value) -> bool:
    return x.node is not None and isinstance(x.node.op, Iota)


def another(x: Value) -> Value:
    if x.node is None or not isinstance(x.node.op, Iota):
        return apply(Reshape(x.shape), x)
    of, axis = x.node.op.of, x.node.op.axis
    others = [d for d in range(of.ndim) if d != axis]
    return broadcast(iota(Type(of.dtype, (of.shape[axis],)), 0), of.shape, others)


# ---------------------------------------------------------------- which


def score_products(graph: Graph) -> Iterator[tuple[Node, int]]:
    """The products of whose results exponentials are summed along an axis of one side alone, and
    that side: columns are its free axes."""
    for n in graph.nodes:
        if isinstance(n.op, Sum) and (product := scored_by(n.args[0])) is not None:
            op, (lhs, rhs) = product.op, product.args
            assert isinstance(op, DotGeneral)
            sides = [math.prod(x.shape[d] for d in op.free(k, x.type.ndim))
                     for k, x in enumerate((lhs, rhs))]  # fmt: skip
            summed = math.prod(n.args[0].shape[a] for a in n.op.axes)
            for side in (1, 0):
                if summed == sides[side] > 1:
                    yield product, side
                    break


def scored_by(v: Value) -> Node | None:
    """The product whose exponentials, or what is made of them, `v` is."""
    stack, seen = [(v, False)], set[tuple[Value, bool]]()
    while stack and len(seen) < CONE:
        v, past = stack.pop()
        if (v, past) in seen or v.node is None or len(v.node.values) > 1:
            continue
        seen.add((v, past))
        if isinstance(v.node.op, DotGeneral):
            if past:
                return v.node
        elif isinstance(v.node.op, Elementwise | Reshape | Permute):
            past |= isinstance(v.node.op, Exp)
            stack += [(a, past) for a in v.node.args]
    return None


# ---------------------------------------------------------------- how


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


# ---------------------------------------------------------------- the graph


def with_slabs(graph: Graph, cuts: Sequence[SlabCut]) -> Graph:
    """The graph in which slabs give the values of regions; each runs when it can."""
    source = {v: c for c in cuts for v in c.region.values}
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    steps: dict[object, tuple[int, list[Value]]] = {
        c: (min(v.node.serial for v in c.region.values if v.node), c.region.entries) for c in cuts
    }
    wanted = [*graph.outputs]
    needed: dict[object, None] = {}
    while wanted:
        v = wanted.pop()
        step = source.get(v, v.node)
        if step is None or step in needed:
            continue
        needed[step] = None
        if isinstance(step, Node):
            steps[step] = step.serial, list(step.args)
        wanted += steps[step][1]
    waiting: dict[object, int] = {}
    readers: dict[object, list[object]] = {}
    for step in needed:
        before = {source.get(a, a.node) for a in steps[step][1]} - {None}
        waiting[step] = len(before)
        for b in before:
            readers.setdefault(b, []).append(step)
    order = {step: k for k, step in enumerate(sorted(needed, key=lambda s: steps[s][0]))}
    by_order = {k: step for step, k in order.items()}
    ready = [order[s] for s, n in waiting.items() if not n]
    heapify(ready)
    with sourced(None) as sources:
        while ready:
            step = by_order[heappop(ready)]
            if isinstance(step, SlabCut):
                sources[-1] = step.scores.product.source
                new |= zip(step.region.values, step.slabs_of(new.__getitem__), strict=True)
            else:
                assert isinstance(step, Node)
                sources[-1] = step.source
                new |= zip(
                    step.values, step.like(tuple(new[a] for a in step.args)).values, strict=True
                )
            for reader in readers.get(step, ()):
                waiting[reader] -= 1
                if not waiting[reader]:
                    heappush(ready, order[reader])
    return Graph.of(graph.name, graph.inputs, [new[o] for o in graph.outputs])
