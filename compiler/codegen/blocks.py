"""How a product is cut: the tile from a model of its cost, blocks from the caches, units from the size of the work.

Everything follows from sizes and target facts, never from the number of threads. The measured surface is flat: a block of
depth of 128 to 512 and panels of a quarter to all of L1 are within a few per cent of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from .target import Target

ALIGNMENT = 64
MOST_DEPTH = 256  # of a block, in elements of 4 bytes
UNIT_FLOPS = 4 << 20  # what is worth a unit of its own: some 40 us
UNITS = 16  # enough to share evenly
GRAIN_FLOPS = 1 << 20  # a claim below this costs more than a per cent


@dataclass(frozen=True)
class Sizes:
    """What the cut depends on."""

    batch: int
    rows: int
    columns: int
    depth: int
    element_bytes: int
    contiguous: bool  # rhs along columns
    plain: bool  # sums may stay in the output


@dataclass(frozen=True)
class Blocks:
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
        flops = 2 * min(self.block_rows, s.rows) * min(self.block_columns, s.columns) * max(s.depth, 1)
        return max(1, min(self.units // UNITS, GRAIN_FLOPS // max(flops, 1)))

    @property
    def panel_bytes(self) -> int:
        """Scratch of the packed panels; unpacked columns have a place too, which nothing touches."""
        return aligned(self.block_columns * self.block_depth * self.sizes.element_bytes)

    @property
    def sums_in_scratch(self) -> bool:
        """Whether sums of a whole unit wait there for the next block of depth."""
        return not self.sizes.plain and self.sizes.depth > self.block_depth

    @property
    def scratch_bytes(self) -> int:
        rows, columns = (self.block_rows, self.block_columns) if self.sums_in_scratch else (self.rows, self.width)
        return self.panel_bytes + aligned(rows * columns * self.sizes.element_bytes)


def cut(s: Sizes, target: Target) -> Blocks:
    """The blocks for these sizes."""
    lanes = target.bits // 8 // s.element_bytes
    rows, vecs = tile_shape(s, lanes, target.registers)
    width = vecs * lanes
    few = s.rows <= 2 * rows
    packed = not s.contiguous or not (few or s.depth * s.columns * s.element_bytes <= target.l1_bytes)
    first_packed = 0 if packed else s.columns // width * width
    most = MOST_DEPTH * 4 // s.element_bytes
    if few and not packed and s.plain:  # memory bound: runs along rows of rhs, few at a time
        most = 16 if rows == 1 else 64
    depth = divided(s.depth, most, 8) if s.depth > most * 3 // 2 else max(s.depth, 1)
    strip = divided(s.rows, max(rows, target.l2_bytes // 4 // (depth * s.element_bytes)), rows)
    block_rows, block_columns = unit_shape(s, rows, width, depth, target)
    return Blocks(s, rows, vecs, lanes, block_rows, block_columns, depth, strip, first_packed)


def unit_shape(s: Sizes, rows: int, width: int, depth: int, target: Target) -> tuple[int, int]:
    """Rows and columns of a unit: panels within half of L2, and units enough to share while they are worth it."""
    most_columns = max(width, target.l2_bytes // 2 // (depth * s.element_bytes))
    block_rows, block_columns = divided(s.rows, 512, rows), divided(s.columns, most_columns, width)

    def shareable() -> bool:
        units = s.batch * blocks_of(s.rows, block_rows) * blocks_of(s.columns, block_columns)
        return units < UNITS and 2 * block_rows * block_columns * s.depth >= 2 * UNIT_FLOPS

    while shareable() and block_columns >= 4 * width and block_columns >= 128:
        block_columns = divided(s.columns, block_columns // 2, width)
    while shareable() and block_rows >= 16 * rows:
        block_rows = divided(s.rows, block_rows // 2, rows)
    return block_rows, block_columns


def tile_shape(s: Sizes, lanes: int, registers: int) -> tuple[int, int]:
    """Rows and vectors of the tile that covers the matrix in the fewest cycles."""

    def cycles(shape: tuple[int, int]) -> tuple[float, int]:
        rows, vecs = shape
        tiles = blocks_of(s.rows, rows) * blocks_of(s.columns, vecs * lanes)
        step = max(rows * vecs / 2, (rows + vecs) / 2, 4)  # fma ports, load ports, latency of fma
        return tiles * (step * max(s.depth, 1) + 2 * rows * vecs + 20), -rows * vecs

    return min(tile_shapes(registers), key=cycles)


def tile_shapes(registers: int) -> list[tuple[int, int]]:
    """Shapes whose sums, vectors of rhs and one broadcast fit the registers."""
    if registers >= 32:
        return [(8, 3), (12, 2), (8, 2), (4, 4), (8, 1), (4, 2), (2, 8), (1, 16)]
    return [(6, 2), (4, 3), (4, 2), (8, 1), (2, 4), (1, 8)]


def blocks_of(total: int, block: int) -> int:
    return -(-total // block)


def divided(total: int, most: int, step: int) -> int:
    """The block of about `most`, a multiple of `step`, that divides `total` most evenly."""
    return max(step, blocks_of(blocks_of(total, blocks_of(total, most) or 1), step) * step)


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
