"""A product as text: register tiles, panels of the right factor in scratch, blocks that fit the caches.

    unit: a block of rows and columns of one matrix of the batch       what members of the team claim
      block of depth                                                   sums wait where the tile writes
        pack the columns of rhs into panels as wide as the tile        unless they are read in place
        strip of rows, panel, tile                                     the panel stays in L1, the strip of lhs in L2
          the last block of depth: the stores                          on the tile that was just written

lhs is never packed: the tile reads it by two strides. A product that is stored as it is goes from the tile to the output,
its last rows and columns over a corner of scratch; any other waits in scratch until its stores are computed. All sizes are
arguments; the text knows the registers of the tile, which way the factors are contiguous, and what is stored.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008; here without a packed lhs.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ..kernel.expr import Map
from ..kernel.scalar import KernelError
from ..kernel.stages import Stage
from ..product import Product, as_kernel, normal, verify
from .blocks import Blocks, Sizes, cut
from .lowered import Lowered
from .printer import Node, Suite, function
from .schedule import weight
from .simd import DTYPES
from .slots import Named, Slots
from .target import Target
from .values import Level, Row, Values, with_fma

NUMBERS = ("i32", "u32", "i64", "f32", "f64")
LOCALS = ("unit", "first_row", "end_row", "first_column", "end_column", "lhs", "rhs", "out", "panels", "sums", "from_step", "steps",
          "panel", "pitch", "top", "row", "column", "height", "left", "place", "tail")  # fmt: skip
HEAVY = 60  # weight of stores from which on their vectors are narrower


def lower_product(product: Product, target: Target) -> Lowered:
    """The text of a product for one target, and the numbers of this instance."""
    p = normal(verify(product))
    if p.dtype not in NUMBERS:
        raise KernelError(f"{p.name}: a product of numbers is required, got {p.dtype}")
    p = replace(p, stores=with_fma(Stage((), p.stores)).body)
    b = cut(sizes_of(p), target)
    slots = slots_of(p)
    text = ProductPrinter(p, b, slots).text()
    return Lowered(text, tuple(slots.values), b.units, b.grain, b.scratch_bytes, *work(p))


def sizes_of(p: Product) -> Sizes:
    batch = prod(a.size for a in p.batch)
    by_steps, contiguous = p.lhs.map.stride(p.depth.name) != 1, p.rhs.map.stride(p.columns.name) == 1
    dots = not by_steps and not contiguous and p.rhs.map.stride(p.depth.name) == 1
    size = DTYPES[p.dtype].bytes
    return Sizes(batch, p.rows.size, p.columns.size, p.depth.size, size, by_steps, contiguous, dots, direct(p))


def direct(p: Product) -> bool:
    """Whether the tile may write the output itself."""
    return p.plain and p.stores[0].map.stride(p.columns.name) == 1 and not p.stores[0].at


def work(p: Product) -> tuple[int, int]:
    """Operations, and bytes that must move at least once."""
    s = sizes_of(p)
    elements = s.rows * s.depth + s.depth * s.columns + s.rows * s.columns * len(p.stores)
    return 2 * s.batch * s.rows * s.columns * s.depth, s.batch * elements * s.element_bytes


def slots_of(p: Product) -> Slots:
    """Slots in which buffers and axes hide no name of the text."""
    slots = Slots(())
    slots.names.taken.update(LOCALS)
    slots.axes = {a.name: slots.names.fresh(a.name) for a in (*p.outer, p.depth)}
    slots.buffers = {b.name: (slots.names.fresh(b.name), b.dtype) for b in p.buffers}
    return slots


class ProductPrinter:
    """Spells one product; every number it meets becomes a slot."""

    def __init__(self, p: Product, blocks: Blocks, slots: Slots) -> None:
        self.p, self.blocks, self.slots = p, blocks, slots
        self.rows, self.columns, self.depth = (slots.extent(a) for a in (p.rows, p.columns, p.depth))
        self.lhs_row, self.lhs_step = (self.stride(p.lhs.map, p.lhs.buffer.name, a.name) for a in (p.rows, p.depth))
        self.rhs_step, self.rhs_column = (self.stride(p.rhs.map, p.rhs.buffer.name, a.name) for a in (p.depth, p.columns))
        self.shape = f"{blocks.vecs}, {blocks.lanes}"  # of a panel

    def stride(self, m: Map, of: str, axis: str) -> str:
        return self.slots.stride(of, m, axis)

    def block(self, name: str) -> str:
        """A number of the cut."""
        return self.slots.number(("cut", name), name, int(getattr(self.blocks, name)))

    # ---- the function

    def text(self) -> str:
        root, unit = Level([], frozenset()), Level(self.unit(), frozenset(a.name for a in self.p.batch))
        unit.body += self.depth_loop([root, unit])
        scratch = [
            f"panels = address_pointer(scratch, {self.p.dtype})",
            f"sums = address_pointer(scratch + {self.block('panel_bytes')}, {self.p.dtype})",
        ]
        body = [*self.slots.lines(), *scratch, *root.body, Suite("for unit in range(start, stop)", unit.body)]
        return function(self.p.name, as_kernel(self.p).spelled(Named(self.slots)), body)

    def unit(self) -> list[Node]:
        """Which rows, columns and matrix of the batch a unit is."""
        down, across, rows, columns = map(self.block, ("down", "across", "block_rows", "block_columns"))
        lines = [
            f"first_row = unit % {down} * {rows}",
            f"end_row = min(first_row + {rows}, {self.rows})",
            f"first_column = unit // {down} % {across} * {columns}",
            f"end_column = min(first_column + {columns}, {self.columns})",
        ]
        rest = f"unit // ({down} * {across})"
        for a in reversed(self.p.batch):
            lines.append(f"{self.slots.axis(a.name)} = {rest} % {self.slots.extent(a)}")
            rest = f"{rest} // {self.slots.extent(a)}"
        lines += [self.matrix("lhs", self.p.lhs.buffer.name, self.p.lhs.map), self.matrix("rhs", self.p.rhs.buffer.name, self.p.rhs.map)]
        if direct(self.p):
            lines.append(self.matrix("out", self.p.stores[0].buffer.name, self.p.stores[0].map))
        return list(lines)

    def matrix(self, name: str, buffer: str, m: Map) -> str:
        """The first element of this unit's matrix."""
        batch = [a.name for a in self.p.batch if m.stride(a.name)]
        terms = [f"{self.slots.axis(a)} * {self.stride(m, buffer, a)}" for a in batch]
        terms += [self.slots.offset(buffer, m)] if m.offset else []
        return f"{name} = at({self.slots.buffer(buffer)}, {' + '.join(terms) or 0})"

    def depth_loop(self, outer: list[Level]) -> list[Node]:
        rows, width = self.blocks.rows, self.blocks.width
        block, strip = self.block("block_depth"), self.block("strip")
        stores = self.through_scratch(outer) if not direct(self.p) else self.to_output()
        tiles = Suite(f"for row in range(top, min(top + {strip}, end_row), {rows})", [
            f"height = min({rows}, end_row - row)",
            f"left = at(lhs, row * {self.lhs_row} + from_step * {self.lhs_step})",
            *stores,
        ])  # fmt: skip
        panels = Suite(f"for column in range(first_column, end_column, {width})", [*self.panel(), tiles])
        body = [
            f"steps = min({block}, {self.depth} - from_step)",
            *self.packing(),
            Suite(f"for top in range(first_row, end_row, {strip})", [panels]),
        ]
        return [Suite(f"for from_step in range(0, max({self.depth}, 1), {block})", body)]

    # ---- factors

    def packing(self) -> list[Node]:
        """Packs the panels of this block, by how rhs lies in memory."""
        if self.blocks.dots:
            return []
        start, width = f"max(first_column, {self.block('packed')})", self.blocks.width
        if self.p.rhs.map.stride(self.p.columns.name) == 1:
            factor = f"at(rhs, from_step * {self.rhs_step} + column)"
            apart = f"{width} * {self.block('block_depth')}"
            call = f"pack({self.shape}, {self.packed_panel()}, {apart}, {factor}, {self.rhs_step}, steps, end_column - column)"
            return [f"column = {start}", Suite(f"if column < end_column", [call])]
        factor = f"at(rhs, from_step * {self.rhs_step} + column * {self.rhs_column})"
        turned = self.p.rhs.map.stride(self.p.depth.name) == 1
        word, strides = ("pack_turned", self.rhs_column) if turned else ("pack_strided", f"{self.rhs_step}, {self.rhs_column}")
        call = f"{word}({self.shape}, {self.packed_panel()}, {factor}, {strides}, steps, {self.columns} - column)"
        return [Suite(f"for column in range({start}, end_column, {width})", [call])]

    def packed_panel(self) -> str:
        return f"at(panels, (column - first_column) * {self.block('block_depth')})"

    def panel(self) -> list[Node]:
        """Where the tile finds rhs: packed, or in place where that is contiguous."""
        if self.blocks.dots:
            return [f"panel = at(rhs, column * {self.rhs_column})"]
        lines: list[Node] = [f"panel = {self.packed_panel()}", f"pitch = {self.blocks.width}"]
        if self.p.rhs.map.stride(self.p.columns.name) == 1:
            in_place = [f"panel = at(rhs, from_step * {self.rhs_step} + column)", f"pitch = {self.rhs_step}"]
            lines.append(Suite(f"if column < {self.block('packed')}", list(in_place)))
        return lines

    def tile(self, target: str, pitch: str, height: str) -> str:
        rows, width = self.blocks.rows, self.blocks.width
        if self.blocks.dots:
            factors = f"steps, left, {self.lhs_row}, panel, {self.rhs_column}"
            return f"tile_of_dots({rows}, {self.shape}, {factors}, {target}, {pitch}, {height}, min({width}, {self.columns} - column))"
        factors = f"steps, left, {self.lhs_row}, {self.lhs_step}, panel, pitch"
        return f"tile({rows}, {self.shape}, {factors}, {target}, {pitch}, {height}, from_step == 0)"

    # ---- results

    def to_output(self) -> list[Node]:
        """The tile writes the output; at the border of the matrix it writes a corner of scratch that is copied."""
        rows, width, store = self.blocks.rows, self.blocks.width, self.p.stores[0]
        pitch = self.stride(store.map, store.buffer.name, self.p.rows.name)
        left = f"{self.columns} - column"
        out = f"at(out, row * {pitch} + column)"
        border = f"height, min({width}, {left})"
        earlier = Suite("if from_step > 0", [f"pack({self.shape}, sums, 0, {out}, {pitch}, {border})"])
        return [
            Suite(f"if height == {rows} and {left} >= {width}", [self.tile(out, pitch, str(rows))]),
            Suite("else", [
                *([] if self.blocks.dots else [earlier]),
                self.tile("sums", str(width), "height"),
                f"unpack({self.shape}, {out}, {pitch}, sums, {border})",
            ]),
        ]  # fmt: skip

    def through_scratch(self, outer: list[Level]) -> list[Node]:
        """The tile writes scratch; after the last block of depth the stores are computed from there."""
        pitch, kept, j = self.block("sums_pitch"), self.block("sums_in_scratch"), self.slots.axis(self.p.columns.name)
        lanes, end = self.store_lanes(), f"min(column + {self.blocks.width}, {self.columns})"
        whole = Suite(f"if {self.columns} - {j} >= {lanes}", self.stores(outer, lanes, ""))
        rest = Suite("else", [f"tail = first({self.columns} - {j}, {lanes})", *self.stores(outer, lanes, "tail")])
        return [
            f"place = ((row - first_row) * {pitch} + column - first_column) * {kept}",
            self.tile("at(sums, place)", pitch, "height"),
            Suite(f"if from_step + steps >= {self.depth}", [Suite(f"for {j} in range(column, {end}, {lanes})", [whole, rest])]),
        ]

    def store_lanes(self) -> int:
        """Lanes of the vectors in which a tile is stored: registers enough for independent chains, few enough not to spill."""
        most = 2 if weight(Stage((), self.p.stores)) >= HEAVY else 4
        return self.blocks.lanes * max(n for n in (1, 2, 4) if n <= most and self.blocks.vecs % n == 0)

    def stores(self, outer: list[Level], lanes: int, mask: str) -> list[Node]:
        """The stores of some columns of a tile: what varies along columns alone, then a loop over the rows."""
        p, i, j = self.p, self.slots.axis(self.p.rows.name), self.slots.axis(self.p.columns.name)
        along, row = Level([], frozenset((p.columns.name,))), Level([], frozenset((p.rows.name,)))
        axes, names = {a.name: a for a in p.outer}, frozenset(a.name for a in p.outer)
        values = Values(self.slots, axes, names, [*outer, along, row], p.columns.name, lanes, mask or None)
        acc = self.slots.names.fresh("acc")
        place = f"place + ({i} - row) * {self.block('sums_pitch')} + {j} - column"
        row.body.append(f"{acc} = load(sums, {place}, {lanes})")
        values.results["acc"] = Row(acc, wide=True)
        values.stores(p.stores)
        return [*along.body, Suite(f"for {i} in range(row, row + height)", row.body)]
