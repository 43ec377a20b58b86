"""A product as text: register tiles, panels of the right factor in scratch, blocks for the caches.

    unit: a block of rows and columns of one matrix       what members of the team claim
      block of depth                                      sums wait where the tile writes
        pack columns of rhs into panels of tile width     unless they are read in place
        strip of rows, panel, tile                        panel in L1, strip of lhs in L2
          the last block of depth: the stores             on the tile that was just written

lhs is never packed: the tile reads it by two strides. A product that is stored as it is goes from
the tile to the output, its last rows and columns over a corner of scratch; any other waits in
scratch until its stores are computed. All sizes are arguments; the text knows the registers of the
tile, which way the factors are contiguous, and what is stored.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008; here without
a packed lhs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ...ir.sizes import truncated
from ...kernel.costs import HEAVY
from ...kernel.expr import Axis, Load
from ...kernel.product import FEW_COLUMNS, Product, as_kernel, joined_axes
from ...kernel.stages import Stage
from ..decisions import weight
from ..fma import with_fma
from ..lowered import Lowered
from ..printer import Node, Suite
from ..product import matrix, printable, product_work
from ..slots import Slots
from ..target import Target
from ..values import Home, Level, Values
from ..words.simd import DTYPES
from .blocks import PAGE, Cut, Sizes, blocking_of

LOCALS = {"unit", "first_row", "end_row", "first_column", "end_column", "lhs", "rhs", "out",
          "panels", "sums", "from_step", "steps", "panel", "pitch", "top", "row", "column",
          "height", "left", "place", "tail", "turned", "lines", "lhs_steps",
          "segment", "begin", "end"}  # fmt: skip


def lower_product(product: Product, target: Target) -> Lowered:
    """The text of a product for one target, and the numbers of this instance."""
    p = printable(product)
    p = replace(p, stores=with_fma(Stage((), p.stores)).body)
    p = with_lanes_of_depth(p, target)
    b, slots = blocking_of(product_sizes(p), target), product_slots(p)
    text = printer_of(p, b)(p, b, slots).text()
    return Lowered(text, tuple(slots.values), b.units, b.grain, b.scratch_bytes, *product_work(p))


def with_lanes_of_depth(p: Product, target: Target) -> Product:
    """Few columns leave lanes idle: if rows are contiguous along a long depth, as one of windows,
    whose lanes follow that."""
    if p.windowed or not 1 < p.columns.size <= FEW_COLUMNS or p.lhs.map.stride(p.depth.name) != 1:
        return p
    windows = replace(p, row_axes=(p.rows,), depth_axes=(p.depth,))
    return windows if blocking_of(product_sizes(windows), target).dots else p


def printer_of(p: Product, b: Cut) -> type[ProductPrinter]:
    if p.windowed:
        return WindowDots if b.dots else WindowPrinter
    return StreamPrinter if b.streams else ProductPrinter


def product_sizes(p: Product) -> Sizes:
    depth, columns = (p.depth_axes or (p.depth,))[-1].name, p.columns.name
    by_steps = p.lhs.map.stride(depth) != 1
    contiguous = p.rhs.map.stride(columns) == 1
    runs = p.windowed and not by_steps and not p.channels
    return Sizes(
        batch=prod(a.size for a in p.batch),
        rows=p.rows.size,
        columns=p.columns.size,
        depth=p.depth.size,
        element_bytes=DTYPES[p.dtype].bytes,
        by_steps=by_steps,
        contiguous=contiguous,
        dots=not p.windowed and not by_steps and not contiguous and p.rhs.map.stride(depth) == 1,
        direct=direct(p),
        even=len(rhs_axes(p)) == 1,
        crowded=crowded(p),
        windowed=p.windowed,
        turned=follows_rows(p),
        group=p.column_axes[1].size if p.column_axes else int(p.channels),
        run=p.depth_axes[-1].size if runs else 0,
        panel=not p.windowed and p.rhs.map.stride(depth) == p.columns.size,
    )


def direct(p: Product) -> bool:
    """Whether the tile may write the output itself."""
    return p.plain and p.stores[0].map.stride(p.columns.name) == 1 and not p.stores[0].at


def crowded(p: Product) -> bool:
    """Whether rows of lhs or of the output are whole pages apart: one set of L1 takes them all."""
    apart = [p.lhs.map.stride(p.rows.name)]
    apart += [p.stores[0].map.stride(p.rows.name)] if direct(p) else []
    return not p.windowed and any(n and n * DTYPES[p.dtype].bytes % PAGE == 0 for n in apart)


def rhs_axes(p: Product) -> tuple[Axis, ...]:
    """The axes along which rhs is read for depth, of windows as few as there can be."""
    return joined_axes(p.depth_axes, (p.rhs.map,)) if p.windowed else (p.depth,)


def follows_rows(p: Product) -> bool:
    """Whether the stores of windows follow rows in memory, not columns."""
    rows, columns = (p.stores[0].map.stride(a.name) for a in (p.rows, p.columns))
    return p.windowed and rows == 1 and columns != 1 and p.columns.size > 1 < p.rows.size


def product_slots(p: Product) -> Slots:
    """Slots in which buffers and axes hide no name of the text."""
    slots = Slots(())
    slots.names.taken.update(LOCALS)
    axes = (*p.outer, *p.row_axes, *(p.depth_axes or (p.depth,)), *p.column_axes)
    slots.axes = {a.name: slots.names.fresh(a.name) for a in axes}
    slots.buffers = {b.name: (slots.names.fresh(b.name), b.dtype) for b in p.buffers}
    return slots


class ProductPrinter:
    """Spells one product; every number it meets becomes a slot."""

    def __init__(self, p: Product, blocks: Cut, slots: Slots) -> None:
        self.p, self.blocks, self.slots = p, blocks, slots
        self.direct = direct(p) and not blocks.streams
        self.rows, self.columns, self.depth = map(slots.extent, (p.rows, p.columns, p.depth))
        self.left_strides()
        steps = rhs_axes(p)[-1].name
        self.rhs_step, self.rhs_column = self.strides(p.rhs, steps, p.columns.name)
        self.factor, self.height, self.run_offset = f"from_step * {self.rhs_step}", "steps", ""
        self.contiguous = blocks.sizes.contiguous  # rhs along columns
        self.width = blocks.width
        self.panel_shape = f"{blocks.vecs}, {blocks.lanes}"
        self.tile_shape = f"{blocks.rows}, {self.panel_shape}"

    def left_strides(self) -> None:
        """How lhs is read."""
        self.lhs_row, self.lhs_step = self.strides(self.p.lhs, self.p.rows.name, self.p.depth.name)

    def strides(self, x: Load, *axes: str) -> list[str]:
        return [self.slots.stride(x.buffer.name, x.map, a) for a in axes]

    def block(self, name: str) -> str:
        """The argument for a number of the cut."""
        return self.slots.number(("cut", name), name, truncated(getattr(self.blocks, name)))

    # ---- the function

    def text(self) -> str:
        root = Level([], frozenset())
        unit = Level(self.unit(), frozenset(a.name for a in self.p.batch))
        unit.body += self.blocks_of_depth([root, unit])
        dtype, sums = self.p.dtype, f"scratch + {self.block('panel_bytes')}"
        body = [
            f"panels = address_pointer(scratch, {dtype})",
            f"sums = address_pointer({sums}, {dtype})",
            *self.tables(),
            *root.body,
            Suite("for unit in range(start, stop)", unit.body),
        ]
        return self.slots.function(as_kernel(self.p), body)

    def tables(self) -> list[Node]:
        """More that is in scratch."""
        return []

    def blocks_of_depth(self, outer: list[Level]) -> list[Node]:
        return [self.depth_loop(outer)]

    def unit(self) -> list[Node]:
        """Which rows, columns and matrix of the batch a unit is."""
        numbers = ("down", "across", "block_rows", "block_columns")
        down, across, rows, columns = map(self.block, numbers)
        lines: list[Node] = [
            f"first_row = unit % {down} * {rows}",
            f"end_row = min(first_row + {rows}, {self.rows})",
            f"first_column = unit // {down} % {across} * {columns}",
            f"end_column = min(first_column + {columns}, {self.columns})",
        ]
        p, slots = self.p, self.slots
        lines += slots.unravel(f"unit // ({down} * {across})", p.batch)
        matrices = {"lhs": p.lhs, "rhs": p.rhs} | ({"out": p.stores[0]} if self.direct else {})
        return [*lines, *(matrix(p, slots, name, x) for name, x in matrices.items())]

    def depth_loop(self, outer: list[Level]) -> Suite:
        """Blocks of depth, strips of rows, panels, tiles."""
        rows, block, strip = self.blocks.rows, self.block("block_depth"), self.block("strip")
        results = self.to_output() if self.direct else self.through_scratch(outer)
        tile = [f"height = min({rows}, end_row - row)", f"left = {self.left()}", *results]
        tiles = Suite(f"for row in range(top, min(top + {strip}, end_row), {rows})", tile)
        panel = [*self.panel(), tiles]
        panels = Suite(f"for column in range(first_column, end_column, {self.width})", panel)
        body = [
            f"steps = min({block}, {self.depth} - from_step)",
            *self.packing(),
            Suite(f"for top in range(first_row, end_row, {strip})", [panels]),
        ]
        return Suite(f"for from_step in range(0, max({self.depth}, 1), {block})", body)

    # ---- factors

    def left(self) -> str:
        """Where the rows of a tile begin."""
        return f"at(lhs, row * {self.lhs_row} + from_step * {self.lhs_step})"

    def packing(self) -> list[Node]:
        """Packs the panels of this block, by how rhs lies in memory."""
        if self.blocks.dots:
            return []
        start = f"max(first_column, {self.block('packed')})"
        into = self.packed_panel(self.run_offset)
        factor = f"at(rhs, {self.factor} + column * {self.rhs_column})"
        if self.contiguous:
            into += f", {self.width} * {self.block('block_depth')}"
            sizes = f"{self.rhs_step}, {self.height}, end_column - column"
            call = f"pack({self.panel_shape}, {into}, {factor}, {sizes})"
            return [f"column = {start}", Suite("if column < end_column", [call])]
        word, strides = "pack_strided", f"{self.rhs_step}, {self.rhs_column}"
        if self.p.rhs.map.stride(rhs_axes(self.p)[-1].name) == 1:
            word, strides = "pack_turned", self.rhs_column
        sizes = f"{strides}, {self.height}, {self.columns} - column"
        call = f"{word}({self.panel_shape}, {into}, {factor}, {sizes})"
        return [Suite(f"for column in range({start}, end_column, {self.width})", [call])]

    def packed_panel(self, offset: str = "") -> str:
        return f"at(panels, (column - first_column) * {self.block('block_depth')}{offset})"

    def panel(self) -> list[Node]:
        """Where the tile finds rhs: packed, or in place where that is contiguous."""
        if self.blocks.dots:
            return [f"panel = at(rhs, column * {self.rhs_column})"]
        lines: list[Node] = [f"panel = {self.packed_panel()}", f"pitch = {self.width}"]
        if self.contiguous:
            place = f"panel = at(rhs, from_step * {self.rhs_step} + column)"
            in_place: list[Node] = [place, f"pitch = {self.rhs_step}"]
            lines.append(Suite(f"if column < {self.block('packed')}", in_place))
        return lines

    def tile(self, target: str, pitch: str, height: str) -> str:
        """The call of the tile; `target` and `pitch` say where it writes."""
        if self.blocks.dots:
            factors = f"steps, left, {self.lhs_row}, panel, {self.rhs_column}"
            sizes = f"{height}, min({self.width}, {self.columns} - column)"
            return f"tile_of_dots({self.tile_shape}, {factors}, {target}, {pitch}, {sizes})"
        left = f"left, {self.lhs_row}, {self.lhs_step}"
        more = f", {self.block('below')}, {self.block('ahead')}"
        return self.tile_of("tile", self.tile_shape, left, target, pitch, height, more)

    def tile_of(
        self, word: str, shape: str, left: str, target: str, pitch: str, height: str, more: str = ""
    ) -> str:
        factors = f"steps, {left}, panel, pitch"
        return f"{word}({shape}, {factors}, {target}, {pitch}, {height}, from_step == 0{more})"

    # ---- results

    def to_output(self) -> list[Node]:
        """The tile writes the output; at the border of the matrix, a corner that is copied."""
        rows, store, left = self.blocks.rows, self.p.stores[0], f"{self.columns} - column"
        pitch = self.slots.stride(store.buffer.name, store.map, self.p.rows.name)
        out = f"at(out, row * {pitch} + column)"
        border = f"height, min({self.width}, {left})"
        before = f"pack({self.panel_shape}, sums, 0, {out}, {pitch}, {border})"
        corner: list[Node] = [
            *([] if self.blocks.dots else [Suite("if from_step > 0", [before])]),
            self.tile("sums", str(self.width), "height"),
            f"unpack({self.panel_shape}, {out}, {pitch}, sums, {border})",
        ]
        inside = f"if height == {rows} and {left} >= {self.width}"
        return [Suite(inside, [self.tile(out, pitch, str(rows))]), Suite("else", corner)]

    def through_scratch(self, outer: list[Level]) -> list[Node]:
        """The tile writes scratch; after the last block of depth the stores read it there."""
        pitch, kept = self.block("sums_pitch"), self.block("sums_in_scratch")
        vectors = self.vectors(outer, f"min(column + {self.width}, {self.columns})")
        return [
            f"place = ((row - first_row) * {pitch} + column - first_column) * {kept}",
            self.tile("at(sums, place)", pitch, "height"),
            Suite(f"if from_step + steps >= {self.depth}", [vectors]),
        ]

    def vectors(self, outer: list[Level], end: str) -> Suite:
        """The stores of what is in scratch from `column` on."""
        j, lanes = self.slots.axis(self.p.columns.name), self.store_lanes()
        left = f"{self.columns} - {j}"
        mask = f"tail = first({left}, {lanes})"
        stores: list[Node] = [
            Suite(f"if {left} >= {lanes}", self.stores(outer, lanes)),
            Suite("else", [mask, *self.stores(outer, lanes, "tail")]),
        ]
        return Suite(f"for {j} in range(column, {end}, {lanes})", stores)

    def store_lanes(self) -> int:
        """Lanes of a stored vector: registers for independent chains, not so many that they spill.

        Powers of two, because LLVM rounds other vectors up to them.
        """
        most = 2 if weight(Stage((), self.p.stores)) >= HEAVY else 4
        vecs = max(n for n in (1, 2, 4) if n <= most and self.blocks.vecs % n == 0)
        return vecs * self.blocks.lanes

    def stores(self, outer: list[Level], lanes: int, mask: str | None = None) -> list[Node]:
        """The stores of some columns of a tile: what varies along columns only, then its rows."""
        p, slots = self.p, self.slots
        i, j = (slots.axis(a.name) for a in (p.rows, p.columns))
        along, row = (Level([], frozenset((a.name,))) for a in (p.columns, p.rows))
        sums = f"sums, place + ({i} - row) * {self.block('sums_pitch')} + {j} - column"
        self.stores_of(sums, [*outer, along, row], p.columns, lanes, mask)
        return [*along.body, Suite(f"for {i} in range(row, row + height)", row.body)]

    def stores_of(
        self, sums: str, levels: list[Level], vector: Axis, lanes: int, mask: str | None
    ) -> None:
        """Writes the stores of some `sums`, in memory, whose lanes follow `vector`."""
        axes = {a.name: a for a in self.p.outer}
        values = Values(self.slots, axes, frozenset(axes), levels, vector.name, lanes, mask)
        acc = self.slots.names.fresh("acc")
        values.here.body.append(f"{acc} = load({sums}, {lanes})")
        values.results["acc"] = Home(acc, wide=True)
        values.stores(self.p.stores)


class StreamPrinter(ProductPrinter):
    """Few rows of a large rhs: it passes by once while the sums of a unit stay near."""

    def blocks_of_depth(self, outer: list[Level]) -> list[Node]:
        left = f"at(lhs, first_row * {self.lhs_row}), {self.lhs_row}, {self.lhs_step}"
        right = f"at(rhs, first_column), {self.rhs_step}"
        to = f"sums, {self.block('sums_pitch')}, height, end_column - first_column"
        return [
            "height = end_row - first_row",
            f"tile_of_streams({self.tile_shape}, {self.depth}, {left}, {right}, {to})",
            "row = first_row",
            "column = first_column",
            "place = 0",
            self.vectors(outer, "end_column"),
        ]


class WindowPrinter(ProductPrinter):
    """A product of windows: the places of rows of a unit, and of steps of a block, are tables."""

    def left_strides(self) -> None:
        p = self.p
        self.row_box, self.step_box = (self.box(axes, p.lhs) for axes in (p.row_axes, p.depth_axes))

    def box(self, axes: Sequence[Axis], x: Load) -> str:
        """Sizes and strides of axes, as `places` takes them."""
        names = [*map(self.slots.extent, axes), *self.strides(x, *(a.name for a in axes))]
        return ", ".join(names)

    # ---- the function

    def tables(self) -> list[Node]:
        turned, tables = self.block("turned_place"), self.block("tables_place")
        rows = self.block("block_rows")
        lines: list[Node] = [
            f"lines = address_pointer(scratch + {tables}, i64)",
            f"lhs_steps = at(lines, {rows})",
        ]
        if self.blocks.sizes.turned:
            lines.append(f"turned = address_pointer(scratch + {turned}, {self.p.dtype})")
        return lines

    def blocks_of_depth(self, outer: list[Level]) -> list[Node]:
        rows = f"{len(self.p.row_axes)}, lines, first_row, end_row - first_row, {self.row_box}"
        after = self.turned_stores(outer) if self.blocks.sizes.turned else []
        return [f"places({rows})", self.depth_loop(outer), *after]

    # ---- factors

    def packing(self) -> list[Node]:
        """Packs as other products do, run after run of depth where rhs has several."""
        steps = f"{len(self.p.depth_axes)}, lhs_steps, from_step, steps, {self.step_box}"
        if self.blocks.sizes.even:
            return [f"places({steps})", *super().packing()]
        size, lines, place = self.runs()
        self.factor = f"{place} + (begin - segment * {size}) * {self.rhs_step}"
        self.height, self.run_offset = "end - begin", f" + (begin - from_step) * {self.width}"
        body = [
            *lines,
            f"begin = max(segment * {size}, from_step)",
            f"end = min(segment * {size} + {size}, from_step + steps)",
            *super().packing(),
        ]
        runs = f"range(from_step // {size}, (from_step + steps - 1) // {size} + 1)"
        return [f"places({steps})", Suite(f"for segment in {runs}", body)]

    def runs(self) -> tuple[str, list[str], str]:
        """How long the runs of rhs are, and where that of a segment is: lines, then the place."""
        (*outer, run), slots = rhs_axes(self.p), self.slots
        size, *counts = (slots.number(("run", a.name), "run", a.size) for a in (run, *outer))
        strides = self.strides(self.p.rhs, *(a.name for a in outer))
        terms = [f"{slots.axis(a.name)} * {n}" for a, n in zip(outer, strides, strict=True)]
        return size, slots.unravel("segment", outer, counts), " + ".join(terms) or "0"

    def left(self) -> str:
        return "at(lines, row - first_row)"

    def tile(self, target: str, pitch: str, height: str) -> str:
        group, width = self.blocks.sizes.group, f"{self.columns} - column"
        if not group:
            left = "lhs, left, lhs_steps"
            return self.tile_of("tile_of_windows", self.tile_shape, left, target, pitch, height)
        step = self.p.lhs.map.stride(self.p.column_axes[0].name) if group > 1 else 1
        place = f"column // {group} * {step}" if group > 1 else "column"
        left, shape = f"at(lhs, {place}), left, lhs_steps, {width}", f"{group}, {step}, "
        shape += self.tile_shape
        return self.tile_of("tile_of_channels", shape, left, target, pitch, height)

    # ---- results

    def through_scratch(self, outer: list[Level]) -> list[Node]:
        if not self.blocks.sizes.turned:
            return super().through_scratch(outer)
        place = f"(row - first_row) * {self.block('sums_pitch')} + column - first_column"
        return [self.tile(f"at(sums, {place})", self.block("sums_pitch"), "height")]

    def turned_stores(self, outer: list[Level]) -> list[Node]:
        """The stores of a unit along its rows: some columns at a time are turned in scratch."""
        n, pitch, to = self.blocks.lanes, self.block("sums_pitch"), self.block("turned_rows")
        source = f"(row - first_row) * {pitch} + column - first_column"
        square = f"transpose(sums, {source}, {pitch}, turned, row - first_row, {to}, {n})"
        squares = Suite(f"for row in range(first_row, end_row, {n})", [square])
        columns = self.along_rows(outer, f"min(column + {n}, end_column)")
        return [Suite(f"for column in range(first_column, end_column, {n})", [squares, columns])]

    def along_rows(self, outer: list[Level], end: str) -> Suite:
        """The stores of columns from `column` on, whose sums are turned, with lanes along rows."""
        p, slots, to = self.p, self.slots, self.block("turned_rows")
        i, j = (slots.axis(a.name) for a in (p.rows, p.columns))
        lanes, left = self.store_lanes(), f"end_row - {i}"
        column = Level([], frozenset((p.columns.name,)))
        vectors = []
        for mask in (None, "tail"):
            row = Level([], frozenset((p.rows.name,)))
            sums = f"turned, ({j} - column) * {to} + {i} - first_row"
            self.stores_of(sums, [*outer, column, row], p.rows, lanes, mask)
            vectors.append(row.body)
        whole, tail = vectors
        body: list[Node] = [
            Suite(f"if {left} >= {lanes}", whole),
            Suite("else", [f"tail = first({left}, {lanes})", *tail]),
        ]
        column.body.append(Suite(f"for {i} in range(first_row, end_row, {lanes})", body))
        return Suite(f"for {j} in range(column, {end})", column.body)


class WindowDots(WindowPrinter):
    """Few columns of windows: lanes follow depth, where lhs has runs of neighbours."""

    def tables(self) -> list[Node]:
        lines = super().tables()
        if not self.blocks.sizes.turned:
            turned = f"scratch + {self.block('turned_place')}"
            lines.append(f"turned = address_pointer({turned}, {self.p.dtype})")
        return lines

    def blocks_of_depth(self, outer: list[Level]) -> list[Node]:
        p, (*axes, run) = self.p, self.p.depth_axes
        rows = f"{len(p.row_axes)}, lines, first_row, end_row - first_row, {self.row_box}"
        length = self.slots.extent(run)
        runs = f"{self.depth} // {length}"
        box = self.box(axes, p.lhs) if axes else "1, 0"
        size, lines, place = self.runs()
        element = f"load(rhs, {place} + steps * {self.rhs_step} + column * {self.rhs_column}, 1)"
        to = f"column * {self.depth} + segment * {size} + steps"
        columns = Suite("for column in range(end_column)", [f"store(panels, {to}, {element})"])
        packed = Suite(
            f"for segment in range({self.depth} // {size})",
            [*lines, Suite(f"for steps in range({size})", [columns])],
        )
        left = "lhs, at(lines, row - first_row), lhs_steps"
        to = f"at(turned, row - first_row), {self.block('turned_rows')}"
        factors = f"{runs}, {length}, {left}, panels, {self.depth}, {to}, height, end_column"
        sums: list[Node] = [f"height = min({self.blocks.rows}, end_row - row)",
                            f"dots_of_windows({self.tile_shape}, {factors})"]  # fmt: skip
        return [
            f"places({rows})",
            f"places({max(len(axes), 1)}, lhs_steps, 0, {runs}, {box})",
            packed,
            Suite(f"for row in range(first_row, end_row, {self.blocks.rows})", sums),
            "column = 0",
            self.along_rows(outer, "end_column"),
        ]
