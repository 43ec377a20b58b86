"""How a product is cut: tile by a model of its cost, blocks by the caches, units by the work.

Everything follows from sizes and target facts, never from the number of threads. The measured
surface is flat: depths of 256 to 512 and strips of 32 to 128 rows are within a few per cent of each
other. Cliffs are avoided. A factor read by long steps falls out of L1, so its depth is shorter.
Rows whole pages apart fall on one set of L1, so a tile has no more of them than that has ways. Few
rows leave nothing to reuse, so a large rhs is streamed: some rows at a time, in long runs. Some
rows leave so little that packing costs more than it saves: rhs is read in place, which the
processor does not foresee, so a tile asks for what another one will read.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from ...ir.sizes import derived, is_size, larger, smaller
from ...ir.types import ALIGNMENT
from ...kernel.costs import CLAIM_FLOPS, UNIT_FLOPS
from ..target import Target
from ..words.tile import ASKING_ROWS, DOTS_SUMS

DEPTH, DEPTH_BY_STEPS = 512, 256  # of a block, in elements of 4 bytes
FEW_ROWS, FEW_COLUMNS = 4, 2048  # rows that are few; columns of a unit then
STREAMED_ROWS = 8  # for which what is multiplied comes as fast as it is used
FLOWING = ((8, 16), (32, 64))  # up to so many rows: depth of a block where rhs comes from far
SOME_ROWS = 128  # rows for which it costs less to read rhs in place than to pack it
STREAM_VECS = 4  # that columns of a unit are counted in where they stream
TILES_BELOW, PANELS_AHEAD = 2, 2  # that what is read by steps and in place is asked for ahead
MOST_ROWS = 1024  # of a unit: what packing its columns is shared by
DOTS_ROWS, DOTS_DEPTH = 16, 12  # most rows of dots; least depth for each of them: lanes are folded
FOLD_CYCLES = 10  # of the lanes of a sum
WINDOW_ROWS = 9  # of a tile that keeps the address of each in a register
UNITS = 16  # enough to share evenly
PAGE = 4 << 10  # bytes from which on addresses fall on the sets of L1 again


@dataclass(frozen=True)
class Sizes:
    """What the cut depends on."""

    batch: int
    rows: int
    columns: int
    depth: int
    element_bytes: int
    by_steps: bool  # lhs along depth
    contiguous: bool  # rhs along columns
    dots: bool  # both factors along depth
    direct: bool  # sums may stay in the output
    even: bool = True  # rhs has one step along all of depth
    crowded: bool = False  # rows lie whole pages apart
    windowed: bool = False  # places of rows and steps are tables
    turned: bool = False  # the stores follow rows: sums of a unit are turned in scratch
    group: int = 0  # columns that share windows, where not all do
    run: int = 0  # steps of depth that are neighbours in lhs, of windows
    panel: bool = False  # rhs is nothing but its columns: one behind the other for each step

    @property
    def few(self) -> bool:
        """Whether rhs is streamed: it is read once, in runs."""
        return self.rows <= FEW_ROWS and self.contiguous and self.even

    def streamed(self, lanes: int, target: Target) -> bool:
        """Whether rhs is so large that it comes from far, in rows of more than registers hold."""
        return self.few and self.large(target) and self.columns >= target.registers * lanes

    def from_far(self, target: Target) -> bool:
        """Whether rhs is read in place and comes from far, while a few tiles' rows are computed."""
        return FEW_ROWS < self.rows <= FLOWING[-1][0] and self.some and self.large(target)

    def large(self, target: Target) -> bool:
        """Whether rhs does not stay in the second cache."""
        far = self.depth * self.columns * self.element_bytes > target.l2_bytes // 2
        return far and not self.windowed

    @property
    def some(self) -> bool:
        """Whether rhs is read in place: so seldom that packing it would not pay."""
        return self.rows <= SOME_ROWS and self.contiguous and self.even


@dataclass(frozen=True)
class Cut:
    """Tile of `rows` by `vecs * lanes`; blocks in elements; columns from `packed` on are packed."""

    sizes: Sizes
    rows: int
    vecs: int
    lanes: int
    block_rows: int
    block_columns: int
    block_depth: int
    strip: int
    packed: int
    dots: bool  # lanes follow depth
    streams: bool = False  # rhs passes by once, all of a unit's columns together
    below: int = 0  # elements of lhs from what a tile reads to what it asks for meanwhile
    ahead: int = 0  # the same of rhs

    @property
    def width(self) -> int:
        return self.vecs * self.lanes

    @property
    def down(self) -> int:
        """Blocks of rows of one matrix."""
        return blocks_of(self.sizes.rows, self.block_rows)

    @property
    def across(self) -> int:
        return blocks_of(self.sizes.columns, self.block_columns)

    @property
    def units(self) -> int:
        return self.sizes.batch * self.down * self.across

    @property
    def grain(self) -> int:
        s = self.sizes
        rows, columns = smaller(self.block_rows, s.rows), smaller(self.block_columns, s.columns)
        each = larger(2 * larger(rows, STREAMED_ROWS) * columns * s.depth, 1)
        return larger(1, smaller(self.units, CLAIM_FLOPS // each))

    @property
    def panel_bytes(self) -> int:
        """Scratch of the packed panels; columns read in place have a place there too, untouched."""
        if self.streams or (self.dots and not self.sizes.windowed):
            return 0
        return aligned_size(self.block_columns * self.block_depth * self.sizes.element_bytes)

    @property
    def sums_in_scratch(self) -> bool:
        """Whether sums of a whole unit wait there: for the next block of depth, or to be turned."""
        several = self.sizes.depth > self.block_depth
        return self.streams or self.sizes.turned or (not self.sizes.direct and several)

    @property
    def sums_pitch(self) -> int:
        """Elements from row to row of the sums in scratch."""
        return self.block_columns if self.sums_in_scratch else self.width

    @property
    def turned_rows(self) -> int:
        """Rows of a unit as whole vectors."""
        return blocks_of(self.block_rows, self.lanes) * self.lanes

    @property
    def sums_bytes(self) -> int:
        if self.sizes.windowed and self.dots:
            return 0
        rows = self.block_rows if self.sums_in_scratch else self.rows
        rows = max(rows, self.turned_rows) if self.sizes.turned else rows
        beyond = self.lanes if self.streams else 0  # that whole vectors of a unit may take
        return aligned_size((rows * self.sums_pitch + beyond) * self.sizes.element_bytes)

    @property
    def turned_place(self) -> int:
        """The byte of scratch where sums are turned, a vector of columns at a time."""
        return self.panel_bytes + self.sums_bytes

    @property
    def tables_place(self) -> int:
        """The byte of scratch where the tables of a windowed product begin."""
        columns = self.block_columns if self.dots else self.lanes if self.sizes.turned else 0
        return self.turned_place + aligned_size(
            columns * self.turned_rows * self.sizes.element_bytes
        )

    @property
    def scratch_bytes(self) -> int:
        tables = 8 * (self.block_rows + self.block_depth) if self.sizes.windowed else 0
        return self.tables_place + aligned_size(tables)


def blocking_of(s: Sizes, target: Target) -> Cut:
    """The blocks for these sizes."""
    numbers = tuple(getattr(s, f.name) for f in fields(s))
    if not any(map(is_size, numbers)):
        return cut_of(s, target)
    found = (derived(cut_number, f.name, target, *numbers) for f in fields(Cut)[1:])
    return Cut(s, *found)


@lru_cache(1 << 10)
def cut_number(name: str, target: Target, *numbers: Any) -> Any:
    """A number of the cut for these sizes."""
    return getattr(cut_of(Sizes(*numbers), target), name)


def cut_of(s: Sizes, target: Target) -> Cut:
    """The blocks for sizes that are numbers."""
    lanes = target.bits // 8 // s.element_bytes
    if s.dots and s.rows <= DOTS_ROWS and s.depth >= DOTS_DEPTH * s.rows:
        return cut_dots(s, lanes)
    if s.run and few_columns(s, lanes, target):
        return cut_window_dots(s, lanes)
    if s.streamed(lanes, target):
        return cut_streams(s, lanes)
    rows, vecs = tile_shape(s, lanes, target)
    width = vecs * lanes
    near = s.depth * s.columns * s.element_bytes <= target.l1_bytes
    panel = s.panel and s.columns == width
    in_place = s.some or (s.contiguous and s.even and (near or panel))
    depth = block_depth(s, target)
    strip = even_block(s.rows, max(rows, target.l2_bytes // 8 // (depth * s.element_bytes)), rows)
    block_rows, block_columns = unit_shape(s, rows, width, depth, target)
    packed = s.columns // width * width if in_place else 0
    ahead = 0 if panel or not packed else PANELS_AHEAD * width
    shape = rows, vecs, lanes, block_rows, block_columns
    below = TILES_BELOW * rows if s.by_steps else 0
    return Cut(s, *shape, depth, strip, packed, dots=False, below=below, ahead=ahead)


def cut_streams(s: Sizes, lanes: int) -> Cut:
    """All of depth and long runs of columns at once."""
    rows = 1 if s.rows <= 1 else 2 if s.rows == 2 else 4
    block_columns = even_block(s.columns, run_length(s), STREAM_VECS * lanes)
    shape = rows, STREAM_VECS, lanes, rows, block_columns
    return Cut(s, *shape, s.depth, rows, s.columns, dots=False, streams=True)


def run_length(s: Sizes) -> int:
    """Columns of a unit that come from far: memory gives long runs fastest."""
    return max(min(s.columns // 2, FEW_COLUMNS), FEW_COLUMNS // 16)


def cut_dots(s: Sizes, lanes: int) -> Cut:
    """Few rows of dots: all of depth at once, nothing packed, units of columns."""
    rows = 1 if s.rows <= 1 else 2 if s.rows == 2 else 4
    vecs, depth = DOTS_SUMS // rows, max(s.depth, 1)
    block_rows = even_block(s.rows, s.rows, rows)
    most_columns = max(1, UNIT_FLOPS // 2 // (max(block_rows, STREAMED_ROWS) * depth))
    block_columns = even_block(s.columns, most_columns, vecs * lanes)
    shape = rows, vecs, lanes, block_rows, block_columns
    return Cut(s, *shape, depth, block_rows, s.columns, dots=True)


def few_columns(s: Sizes, lanes: int, target: Target) -> bool:
    """Whether lanes that follow depth cost less than lanes of columns of which most are idle."""
    runs = s.depth // s.run * blocks_of(s.run, lanes)
    fits = s.columns * s.depth * s.element_bytes <= target.l1_bytes
    return fits and s.columns < lanes and s.columns * (runs / 2 + FOLD_CYCLES) < s.depth / 2


def cut_window_dots(s: Sizes, lanes: int) -> Cut:
    """All columns and all of depth at once; units of rows."""
    most = UNIT_FLOPS // 2 // (s.columns * s.depth)
    rows = even_block(s.rows, min(max(most, lanes), MOST_ROWS), DOTS_SUMS)
    return Cut(s, DOTS_SUMS, 1, lanes, rows, s.columns, s.depth, rows, s.columns, dots=True)


def block_depth(s: Sizes, target: Target) -> int:
    if s.from_far(target):
        return even_block(s.depth, next(d for rows, d in FLOWING if s.rows <= rows), 8)
    most = (DEPTH_BY_STEPS if s.by_steps or s.some else DEPTH) * 4 // s.element_bytes
    return even_block(s.depth, most, 8) if s.depth > most * 3 // 2 else max(s.depth, 1)


def unit_shape(s: Sizes, rows: int, width: int, depth: int, target: Target) -> tuple[int, int]:
    """Rows and columns of a unit: panels within half of L2, and units enough for a team."""
    if s.few:
        return even_block(s.rows, s.rows, rows), even_block(s.columns, FEW_COLUMNS, width)
    if s.from_far(target):
        return even_block(s.rows, s.rows, rows), even_block(s.columns, run_length(s), width)
    most_columns = max(width, target.l2_bytes // 2 // (depth * s.element_bytes))
    block_columns = even_block(s.columns, most_columns, width)
    most_rows = MOST_ROWS
    if s.turned or (not s.direct and s.depth > depth):  # their sums wait in scratch
        most_rows = min(most_rows, target.l2_bytes // 2 // (block_columns * s.element_bytes))
    block_rows = even_block(s.rows, max(rows, most_rows), rows)

    def shareable() -> bool:
        units = s.batch * blocks_of(s.rows, block_rows) * blocks_of(s.columns, block_columns)
        return units < UNITS and 2 * block_rows * block_columns * s.depth >= 2 * UNIT_FLOPS

    least = 2 if s.windowed or s.some else 4  # panels: what is packed costs more to read again
    while shareable() and block_columns >= least * width:
        block_columns = even_block(s.columns, block_columns // 2, width)
    while shareable() and block_rows >= 128:
        block_rows = even_block(s.rows, block_rows // 2, rows)
    return block_rows, block_columns


def tile_shape(s: Sizes, lanes: int, target: Target) -> tuple[int, int]:
    """Rows and vectors of the tile that covers the matrix in the fewest cycles.

    It has no more rows than L1 has ways where those fall on one set.
    """
    ways = target.l1_bytes // PAGE

    def cycles(shape: tuple[int, int]) -> tuple[float, int]:
        rows, vecs = shape
        down, across = blocks_of(s.rows, rows), blocks_of(s.columns, vecs * lanes)
        ragged = down * (s.columns % (vecs * lanes) > 0) + across * (s.rows % rows > 0)
        loads = rows * vecs + vecs if s.group else rows + vecs
        step = max(rows * vecs / 2, loads / 2, 4) + 0.5  # fma, loads, latency; the loop
        step += 0.5 * (s.by_steps and rows % 4 > 0)  # rows side by side straddle cache lines
        writing = 2 * rows * vecs + 20
        return down * across * (step * max(s.depth, 1) + writing) + ragged * writing, -rows * vecs

    every = window_shapes if s.windowed else tile_shapes
    shapes = [x for x in every(target.registers) if not s.crowded or x[0] <= ways]
    if s.panel and not s.some:  # a tile of its width and of whole rows reads it in place
        panels = [x for x in shapes if x[1] * lanes == s.columns and x[0] >= ASKING_ROWS]
        shapes = panels or shapes
    return min((x for x in shapes if not s.group or x[1] * lanes % s.group == 0), key=cycles)


def tile_shapes(registers: int) -> list[tuple[int, int]]:
    """Shapes whose sums, vectors of rhs and one broadcast fit the registers."""
    if registers >= 32:
        return [(8, 3), (12, 2), (6, 4), (8, 2), (4, 4), (8, 1), (4, 2), (2, 8), (1, 16)]
    return [(6, 2), (4, 3), (4, 2), (8, 1), (2, 4), (1, 8)]


def window_shapes(registers: int) -> list[tuple[int, int]]:
    """All shapes of windows, whose rows are as many as those of images happen to be."""
    every = itertools.product(range(WINDOW_ROWS, 0, -1), (1, 2, 3, 4, 8))
    return [(rows, vecs) for rows, vecs in every if rows * vecs + vecs + 1 <= registers]


def blocks_of(total: int, block: int) -> int:
    return -(-total // block)


def even_block(total: int, most: int, step: int) -> int:
    """The block of about `most`, a multiple of `step`, that divides `total` most evenly."""
    return max(step, blocks_of(blocks_of(total, blocks_of(total, most) or 1), step) * step)


def aligned_size(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
