"""A product for a GPU: tiles of the result, one a block; factors pass through shared memory.

    unit: a tile of ROWS * rows by COLUMNS of one matrix       what a block does
      block of depth: both factors to shared memory            each element read once a block
        a thread adds rows by four columns in registers
      results to shared memory, the stores read them there     so neighbours write neighbours

An element is one chain of fma over depth in order, from zero: the bits of the CPU's tile. Few
results of a long depth are sums of teams instead. Sizes are arguments, edges are masked.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ..kernel.expr import Load
from ..kernel.scalar import FLOATS, KernelError
from ..kernel.stages import Stage
from ..product import Product, as_kernel, normal, verify
from .fma import with_fma
from .gpu_words import words
from .grid import lanes, lower_grid
from .lowered import Launch
from .printer import Node, Suite, function
from .product_source import NUMBERS, work
from .simd import DTYPES
from .slots import Named, Parameters
from .target import Device
from .values import Level, Row, Values

SIDE = 16  # threads of a block along rows, and along columns
VECTOR = 4  # columns of a thread
COLUMNS = SIDE * VECTOR
DEPTH = 16  # steps of depth in shared memory at a time
PAD = 4  # elements after each step: neighbours in depth fall on different banks
FEW_RESULTS, LONG = 4096, 512  # results that teams sum, if depth is at least so long
BUSY = 256  # tiles from which on a GPU is full, so that larger ones pay
LOCALS = (
    *("thread", "down", "right", "left", "above", "results", "unit", "top", "first_column"),
    *("lhs", "rhs", "from_step", "steps", "turn", "i", "j", "k", "x", "y", "inside", "place"),
    *("line", *(f"{stem}{r}" for stem in ("sum", "part") for r in range(8))),
)


def lower_product_grid(product: Product, device: Device) -> Launch:
    """The text of a product for a GPU, and the numbers of this instance."""
    p = normal(verify(product))
    if p.dtype not in NUMBERS:
        raise KernelError(f"{p.name}: a product of numbers is required, got {p.dtype}")
    results = prod(a.size for a in p.outer)
    if results <= FEW_RESULTS and p.depth.size >= LONG:
        return lower_grid(as_kernel(p), device)
    p = replace(p, stores=with_fma(Stage((), p.stores)).body)
    printer = GridProduct(p, device)
    text = printer.text()
    sizes = tuple(printer.slots.values)
    blocks = max(1, min(printer.units, device.blocks))
    return Launch(text, sizes, blocks, device.threads, 0, *work(p))


def rows_of_a_thread(p: Product) -> int:
    """As many as fill the GPU: sums in registers are what shared memory is read for."""
    if p.rows.size <= 2 * SIDE:
        return 2
    tiles = prod(a.size for a in p.batch) * -(-p.rows.size // (8 * SIDE))
    many = tiles * -(-p.columns.size // COLUMNS) >= BUSY
    return 8 if many and DTYPES[p.dtype].bytes == 4 else 4


class GridProduct:
    """Spells one product; every number that it meets becomes a parameter."""

    def __init__(self, p: Product, device: Device) -> None:
        self.p, self.device, self.rows = p, device, rows_of_a_thread(p)
        axes = [a.name for a in (*p.outer, p.depth)]
        self.slots = Parameters(p.buffers, axes, (*words(), *LOCALS))
        self.height = SIDE * self.rows
        self.sizes = [self.slots.extent(a) for a in (p.rows, p.columns, p.depth)]

    @property
    def units(self) -> int:
        p = self.p
        tiles = -(-p.rows.size // self.height) * -(-p.columns.size // COLUMNS)
        return tiles * prod(a.size for a in p.batch)

    # ---- the function

    def text(self) -> str:
        root = Level([], frozenset())
        unit = Level(self.unit(), frozenset(a.name for a in self.p.batch))
        unit.body += [*self.sums(), self.depth_loop(), *self.results([root, unit])]
        rows, columns, _ = self.sizes
        tiles = [f"down = ({rows} + {self.height - 1}) // {self.height}",
                 f"right = ({columns} + {COLUMNS - 1}) // {COLUMNS}"]  # fmt: skip
        count = " * ".join(["down", "right", *map(self.slots.extent, self.p.batch)])
        dtype = self.p.dtype
        body: list[Node] = [
            "thread = thread_index()",
            f"i, j = thread // {SIDE} * {self.rows}, thread % {SIDE} * {VECTOR}",
            f"left = shared_tile(0, {DEPTH * (self.height + PAD)}, {dtype})",
            f"above = shared_tile(1, {DEPTH * (COLUMNS + PAD)}, {dtype})",
            f"results = shared_tile(2, {self.height * COLUMNS}, {dtype})",
            *tiles,
            *root.body,
            Suite(f"for unit in range(block_index(), {count}, block_count())", unit.body),
        ]
        doc = as_kernel(self.p).spelled(Named(self.slots))
        return function(self.slots.names.fresh(self.p.name), doc, body, self.slots.lines())

    def unit(self) -> list[Node]:
        """Which tile of which matrix of the batch."""
        lines: list[Node] = [
            f"top = unit % down * {self.height}",
            f"first_column = unit // down % right * {COLUMNS}",
        ]
        rest = "unit // (down * right)"
        for a in reversed(self.p.batch):
            lines.append(f"{self.slots.axis(a.name)} = {rest} % {self.slots.extent(a)}")
            rest = f"{rest} // {self.slots.extent(a)}"
        return [*lines, self.matrix("lhs", self.p.lhs), self.matrix("rhs", self.p.rhs)]

    def matrix(self, name: str, x: Load) -> str:
        """The first element of this unit's matrix."""
        slots, buffer, m = self.slots, x.buffer.name, x.map
        batch = [a.name for a in self.p.batch if m.stride(a.name)]
        terms = [f"{slots.axis(a)} * {slots.stride(buffer, m, a)}" for a in batch]
        terms += [slots.offset(buffer, m)] if m.offset else []
        return f"{name} = at({slots.buffer(buffer)}, {' + '.join(terms) or 0})"

    # ---- sums

    def sums(self) -> list[Node]:
        return [f"sum{r} = full(0, {self.p.dtype}, {VECTOR})" for r in range(self.rows)]

    def depth_loop(self) -> Suite:
        p, threads = self.p, self.device.threads
        rows, columns, depth = self.sizes
        body: list[Node] = [
            f"barrier({threads})",
            self.fetch("left", "lhs", p.lhs, p.rows.name, ("top", rows), self.height),
            self.fetch("above", "rhs", p.rhs, p.columns.name, ("first_column", columns), COLUMNS),
            f"barrier({threads})",
            f"steps = min({DEPTH}, {depth} - from_step)",
            Suite(f"if steps == {DEPTH}", [Suite(f"for k in range({DEPTH})", self.step())]),
            Suite("else", [Suite("for k in range(steps)", self.step())]),
        ]
        return Suite(f"for from_step in range(0, {depth}, {DEPTH})", body)

    def fetch(
        self, to: str, of: str, x: Load, axis: str, start: tuple[str, str], width: int
    ) -> Suite:
        """A block of a factor to shared memory, step by step of depth; zero beyond the edges."""
        first, end = start
        depth, slots = self.p.depth.name, self.slots
        across, along = (slots.stride(x.buffer.name, x.map, a) for a in (axis, depth))
        lines: list[Node] = (
            [f"x, y = turn % {width}, turn // {width}"]
            if x.map.stride(depth) != 1
            else [f"x, y = turn // {DEPTH}, turn % {DEPTH}"]
        )
        lines += [
            f"inside = first(({first} + x < {end} and from_step + y < {self.sizes[2]}) * 1, 1)",
            f"place = ({first} + x) * {across} + (from_step + y) * {along}",
            f"store({to}, y * {width + PAD} + x, load_where({of}, place, inside, 0))",
        ]
        return Suite(f"for turn in range(thread, {width * DEPTH}, {self.device.threads})", lines)

    def step(self) -> list[Node]:
        """One step of depth: a column of the left tile times a row of the other."""
        lines: list[Node] = [f"line = load(above, k * {COLUMNS + PAD} + j, {VECTOR})"]
        each = min(self.rows, VECTOR)
        for r in range(0, self.rows, each):
            place = f"k * {self.height + PAD} + i" + (f" + {r}" if r else "")
            lines.append(f"part{r} = load(left, {place}, {each})")
        for r in range(self.rows):
            x = f"lane(part{r - r % each}, {r % each})"
            product = (
                f"fma({x}, line, sum{r})" if self.p.dtype in FLOATS else f"sum{r} + {x} * line"
            )
            lines.append(f"sum{r} = {product}")
        return lines

    # ---- results

    def results(self, outer: list[Level]) -> list[Node]:
        """The sums to shared memory; then the stores, element by element of the tile."""
        p, slots, threads = self.p, self.slots, self.device.threads
        n = lanes((Stage((), p.stores),), p.columns, self.device)
        row, column = (slots.axis(a.name) for a in (p.rows, p.columns))
        here = Level([], frozenset((p.rows.name, p.columns.name)))
        axes = {a.name: a for a in p.outer}
        vector = p.columns.name if n > 1 else ""
        values = Values(slots, axes, frozenset(axes), [*outer, here], vector, n)
        acc = slots.names.fresh("acc")
        here.body.append(f"{acc} = load(results, turn, {n})")
        values.results["acc"] = Row(acc, wide=n > 1)
        values.stores(p.stores)
        rows, columns, _ = self.sizes
        lines: list[Node] = [
            f"{row}, {column} = top + turn // {COLUMNS}, first_column + turn % {COLUMNS}",
            Suite(f"if {row} < {rows} and {column} < {columns}", here.body),
        ]
        written: list[Node] = [
            f"store(results, (i + {r}) * {COLUMNS} + j, sum{r})" for r in range(self.rows)
        ]
        times = f" * {n}" if n > 1 else ""
        return [
            f"barrier({threads})",
            *written,
            f"barrier({threads})",
            Suite(
                f"for turn in range(thread{times}, {self.height * COLUMNS}, {threads * n})", lines
            ),
        ]
