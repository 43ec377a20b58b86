"""A product as text: register tiles, panels of the right factor in scratch, blocks that fit the caches.

    unit (a block of rows and columns of one matrix of the batch)      what members of the team claim
      block of depth                                                   sums wait where the tile writes
        pack the columns of rhs into panels as wide as the tile        unless they are read in place
        strip of rows, panel, tile                                     the panel stays in L1, the strip of lhs in L2

lhs is never packed: the tile reads it by two strides. The last rows and columns take the longer way over a corner of
scratch. All sizes are arguments; the text knows the registers of the tile, which way rhs is contiguous, and what is
stored. Each element is one chain of fma over depth, so neither blocks nor units show in its bits.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008; here without a packed lhs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from ..kernel.expr import Map
from ..kernel.scalar import KernelError
from ..product import Product, normal, verify
from .blocks import Blocks, Sizes, cut
from .lowered import Lowered
from .simd import DTYPES
from .target import Target

NUMBERS = ("i32", "u32", "i64", "f32", "f64")


def lower_product(product: Product, target: Target) -> Lowered:
    """The text of a product for one target, and the numbers of this instance."""
    p = normal(verify(product))
    if p.dtype not in NUMBERS:
        raise KernelError(f"{p.name}: a product of numbers is required, got {p.dtype}")
    printer = Printer(p, cut(sizes_of(p), target))
    text, b = printer.text(), printer.blocks
    return Lowered(text, tuple(printer.slots.values), b.units, b.grain, b.scratch_bytes, *work(p))


def sizes_of(p: Product) -> Sizes:
    batch = prod(a.size for a in p.batch)
    by_steps, contiguous = p.lhs.map.stride(p.depth.name) != 1, p.rhs.map.stride(p.columns.name) == 1
    size = DTYPES[p.dtype].bytes
    return Sizes(batch, p.rows.size, p.columns.size, p.depth.size, size, by_steps, contiguous, direct(p))


def direct(p: Product) -> bool:
    """Whether the tile may write the output itself."""
    return p.plain and p.stores[0].map.stride(p.columns.name) == 1 and not p.stores[0].at


def work(p: Product) -> tuple[int, int]:
    """Operations, and bytes that must move at least once."""
    s = sizes_of(p)
    elements = s.rows * s.depth + s.depth * s.columns + s.rows * s.columns * len(p.stores)
    return 2 * s.batch * s.rows * s.columns * s.depth, s.batch * elements * s.element_bytes


@dataclass
class Slots:
    """The numbers of the argument block, behind its `first` buffers, under the names the text gives them."""

    first: int
    names: list[str] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def __call__(self, name: str, value: int) -> str:
        if name not in self.names:
            self.names.append(name)
            self.values.append(value)
        return name

    def lines(self) -> list[str]:
        return [f"{name} = integer(args, {self.first + k})" for k, name in enumerate(self.names)]


class Printer:
    """Spells one product; every number it meets becomes a slot."""

    def __init__(self, p: Product, blocks: Blocks) -> None:
        self.p, self.blocks = p, blocks
        self.slots = Slots(len(p.buffers))
        self.shape = f"{blocks.vecs}, {blocks.lanes}"  # of a panel
        rows, columns, depth = p.rows.name, p.columns.name, p.depth.name
        self.contiguous = next((a for a in (columns, depth) if p.rhs.map.stride(a) == 1), None)
        self.lhs_row, self.lhs_step = self.stride("lhs", p.lhs.map, rows), self.stride("lhs", p.lhs.map, depth)
        self.rhs_step, self.rhs_column = (self.stride("rhs", p.rhs.map, a) for a in (depth, columns))
        for name, value in (
            ("rows", p.rows.size), ("columns", p.columns.size), ("depth", p.depth.size), ("down", blocks.down),
            ("across", blocks.across), ("block_rows", blocks.block_rows), ("block_columns", blocks.block_columns),
            ("block_depth", blocks.block_depth), ("strip", blocks.strip), ("packed", blocks.packed),
            ("sums_at", blocks.panel_bytes)):  # fmt: skip
            self.slots(name, value)

    def stride(self, side: str, m: Map, axis: str) -> str:
        """The stride along an axis, by name."""
        return self.slots(f"{side}_{axis}", m.stride(axis))

    # ---- the function

    def text(self) -> str:
        """The whole function. The body is spelled first: it is what asks for slots."""
        body = [*self.unit(), *self.matrices(), *self.depth_loop()]
        lines = [
            f"def {self.p.name}(args, start, stop, scratch):",
            *indented(self.slots.lines(), 1),
            f"    panels = address_pointer(scratch, {self.p.dtype})",
            f"    sums = address_pointer(scratch + sums_at, {self.p.dtype})",
            "    for unit in range(start, stop):",
            *indented(body, 2),
        ]
        return "\n".join(lines) + "\n"

    def unit(self) -> list[str]:
        """Which rows, columns and matrix of the batch this unit is."""
        lines = [
            "i_start = unit % down * block_rows",
            "i_stop = min(i_start + block_rows, rows)",
            "j_start = unit // down % across * block_columns",
            "j_stop = min(j_start + block_columns, columns)",
        ]
        rest = "unit // (down * across)"
        for a in reversed(self.p.batch):
            size = self.slots(f"size_{a.name}", a.size)
            lines += [f"{a.name} = {rest} % {size}"]
            rest = f"{rest} // {size}"
        return lines

    def matrices(self) -> list[str]:
        lines = [self.matrix("lhs", self.p.lhs.buffer.name, self.p.lhs.map), self.matrix("rhs", self.p.rhs.buffer.name, self.p.rhs.map)]
        if direct(self.p):
            lines.append(self.matrix("out", self.p.stores[0].buffer.name, self.p.stores[0].map))
        return lines

    def matrix(self, side: str, buffer: str, m: Map) -> str:
        """The first element of this unit's matrix."""
        slot = [b.name for b in self.p.buffers].index(buffer)
        terms = [f"{a.name} * {self.stride(side, m, a.name)}" for a in self.p.batch if m.stride(a.name)]
        terms += [self.slots(f"{side}_offset", m.offset)] if m.offset else []
        start = f"pointer(args, {slot}, {self.p.dtype})"
        return f"{side} = at({start}, {' + '.join(terms)})" if terms else f"{side} = {start}"

    def depth_loop(self) -> list[str]:
        rows, width = self.blocks.rows, self.blocks.width
        return [
            "for p in range(0, max(depth, 1), block_depth):",
            "    steps = min(block_depth, depth - p)",
            f"    for j in range(max(j_start, packed), j_stop, {width}):",
            f"        {self.pack()}",
            "    for top in range(i_start, i_stop, strip):",
            f"        for j in range(j_start, j_stop, {width}):",
            *indented(self.panel(), 3),
            f"            for i in range(top, min(top + strip, i_stop), {rows}):",
            f"                height = min({rows}, i_stop - i)",
            f"                left = at(lhs, i * {self.lhs_row} + p * {self.lhs_step})",
            *indented(self.direct_tile(), 4),
        ]

    def pack(self) -> str:
        """The call that packs one panel, by how rhs lies in memory."""
        source = f"at(rhs, p * {self.rhs_step} + j * {self.rhs_column})"
        target = "at(panels, (j - j_start) * block_depth)"
        if self.contiguous == self.p.columns.name:
            return f"pack({self.shape}, {target}, {source}, {self.rhs_step}, steps, columns - j)"
        if self.contiguous == self.p.depth.name:
            return f"pack_turned({self.shape}, {target}, {source}, {self.rhs_column}, steps, columns - j)"
        return f"pack_strided({self.shape}, {target}, {source}, {self.rhs_step}, {self.rhs_column}, steps, columns - j)"

    def panel(self) -> list[str]:
        """Where the tile finds rhs: packed, or in place where that is contiguous."""
        lines = ["panel = at(panels, (j - j_start) * block_depth)", f"pitch = {self.blocks.width}"]
        if self.contiguous == self.p.columns.name:
            lines += ["if j < packed:", f"    panel = at(rhs, p * {self.rhs_step} + j)", f"    pitch = {self.rhs_step}"]
        return lines

    def tile(self, target: str, row: str, height: str) -> str:
        factors = f"steps, left, {self.lhs_row}, {self.lhs_step}, panel, pitch"
        return f"tile({self.blocks.rows}, {self.shape}, {factors}, {target}, {row}, {height}, p == 0)"

    def direct_tile(self) -> list[str]:
        """The tile writes the output; at the border of the matrix it writes a corner of scratch that is copied."""
        rows, width = self.blocks.rows, self.blocks.width
        row = self.stride("out", self.p.stores[0].map, self.p.rows.name)
        out = f"at(out, i * {row} + j)"
        return [
            f"if height == {rows} and columns - j >= {width}:",
            f"    {self.tile(out, row, str(rows))}",
            "else:",
            "    if p > 0:",
            f"        pack({self.shape}, sums, {out}, {row}, height, columns - j)",
            f"    {self.tile('sums', str(width), 'height')}",
            f"    unpack({self.shape}, {out}, {row}, sums, height, columns - j)",
        ]


def indented(lines: list[str], by: int) -> list[str]:
    return ["    " * by + line for line in lines]
