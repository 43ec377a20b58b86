"""A product for a GPU: tiles of the result, one a block; factors pass through shared memory.

    unit: a tile of ROWS * rows by COLUMNS of one matrix       what a block does
      block of depth: both factors to shared memory            each element read once a block
        a thread adds rows by four columns in registers
      results to the same memory, the stores read them there   so neighbours write neighbours

An element is one chain of fma over depth in order, from zero: the bits of the CPU's tile. Few
results of a long depth are sums of teams instead. Sizes are arguments, edges are masked.

Where their `precision` asks for it, products of f32 go to the tensor cores: the factors are
rounded to tf32 (11 bits) or bf16 (8 bits) on their way to shared memory, sums stay f32.

Source: NVIDIA, Parallel Thread Execution ISA, Matrix fragments for mma.m16n8k8 and mma.m16n8k16.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...kernel.expr import Axis, Load
from ...kernel.product import Product, as_kernel
from ...kernel.scalar import FLOATS
from ...kernel.stages import Stage
from ..fma import with_fma
from ..lowered import LoweredLaunch
from ..printer import Node, Suite
from ..product import matrix, printable, product_work
from ..slots import Parameters
from ..target import GpuTarget
from ..values import Home, Level, Values
from ..words.gpu_words import words
from ..words.simd import DTYPES
from .lanes import access_lanes
from .library import for_library
from .lower import lower_grid

SIDE = 16  # threads of a block along rows, and along columns
VECTOR = 4  # columns of a thread
COLUMNS = SIDE * VECTOR
WARP_COLUMNS = 4  # products of 16 by 8 side by side that a warp keeps
FEW_RESULTS, LONG = 4096, 512  # results that teams sum, if depth is at least so long
BUSY = 256  # tiles from which on a GPU is full, so that larger ones pay
LOCALS = (
    *("thread", "down", "right", "left", "above", "results", "unit", "top", "first_column"),
    *("lhs", "rhs", "from_step", "steps", "turn", "i", "j", "k", "x", "y", "inside", "place"),
    *("line", "group", "quad", "row_of_sums", "column_of_sums"),
    *(f"{stem}{r}" for stem in ("sum", "part", "other") for r in range(16)),
)


def lower_product_grid(product: Product, device: GpuTarget) -> LoweredLaunch:
    """The text of a product for a GPU, and the numbers of this instance."""
    p = printable(product)
    results = prod(a.size for a in p.outer)
    if p.channels or (results <= FEW_RESULTS and p.depth.size >= LONG):
        return replace(lower_grid(as_kernel(p), device), product=for_library(p))
    p = replace(p, stores=with_fma(Stage((), p.stores)).body)
    tensor = p.dtype == "f32" and p.precision != "f32" and device.tensor_cores
    printer = (TensorProduct if tensor else GridProduct)(p, device)
    text = printer.text()
    sizes = tuple(printer.slots.values)
    blocks = max(1, min(printer.units, device.blocks))
    return LoweredLaunch(
        text, sizes, blocks, device.threads, 0, *product_work(p), product=for_library(p)
    )


def rows_of_a_thread(p: Product) -> int:
    """As many as fill the GPU: sums in registers are what shared memory is read for."""
    if p.rows.size <= 2 * SIDE:
        return 2
    tiles = prod(a.size for a in p.batch) * -(-p.rows.size // (8 * SIDE))
    many = tiles * -(-p.columns.size // COLUMNS) >= BUSY
    return 8 if many and DTYPES[p.dtype].bytes == 4 else 4


class GridProduct:
    """Spells one product; every number that it meets becomes a parameter."""

    depth = 16  # steps in shared memory at a time
    pad = 4  # elements after each step: neighbours in depth fall on different banks

    def __init__(self, p: Product, device: GpuTarget) -> None:
        self.p, self.device, self.rows = p, device, rows_of_a_thread(p)
        axes = [a.name for a in (*p.outer, p.depth, *p.row_axes, *p.depth_axes, *p.column_axes)]
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
        body: list[Node] = [
            "thread = thread_index()",
            *self.places(),
            *tiles,
            *root.body,
            Suite(f"for unit in range(block_index(), {count}, block_count())", unit.body),
        ]
        return self.slots.function(as_kernel(self.p), body)

    def places(self) -> list[Node]:
        """What of a tile is this thread's, and where the block keeps it."""
        factors = self.depth * (self.height + COLUMNS + 2 * self.pad)
        return [
            f"i, j = thread // {SIDE} * {self.rows}, thread % {SIDE} * {VECTOR}",
            f"results = shared_tile(0, {max(factors, self.height * COLUMNS)}, {self.p.dtype})",
            "left = results",
            f"above = at(left, {self.depth * (self.height + self.pad)})",
        ]

    def unit(self) -> list[Node]:
        """Which tile of which matrix of the batch."""
        lines: list[Node] = [
            f"top = unit % down * {self.height}",
            f"first_column = unit // down % right * {COLUMNS}",
        ]
        p, slots = self.p, self.slots
        lines += slots.unravel("unit // (down * right)", p.batch)
        return [*lines, matrix(p, slots, "lhs", p.lhs), matrix(p, slots, "rhs", p.rhs)]

    # ---- sums

    def sums(self) -> list[Node]:
        return [f"sum{r} = full(0, {self.p.dtype}, {VECTOR})" for r in range(self.rows)]

    def depth_loop(self) -> Suite:
        p, threads = self.p, self.device.threads
        rows, columns, depth = self.sizes
        body: list[Node] = [
            f"barrier({threads})",
            self.fetch("left", "lhs", p.lhs, p.rows, ("top", rows), self.height),
            self.fetch("above", "rhs", p.rhs, p.columns, ("first_column", columns), COLUMNS),
            f"barrier({threads})",
            *self.steps(),
        ]
        return Suite(f"for from_step in range(0, {depth}, {self.depth})", body)

    def fetch(
        self, to: str, of: str, x: Load, axis: Axis, start: tuple[str, str], width: int
    ) -> Suite:
        """A block of a factor to shared memory, step by step of depth; zero beyond the edges."""
        first, end = start
        depth = (self.p.depth_axes or (self.p.depth,))[-1].name
        lines: list[Node] = (
            [f"x, y = turn % {width}, turn // {width}"]
            if x.map.stride(depth) != 1
            else [f"x, y = turn // {self.depth}, turn % {self.depth}"]
        )
        place, across = self.place(x, axis, f"({first} + x)")
        steps, along = self.place(x, self.p.depth, "(from_step + y)")
        lines += [
            f"inside = first(({first} + x < {end} and from_step + y < {self.sizes[2]}) * 1, 1)",
            *across,
            *along,
            f"place = {place} + {steps}",
            self.kept(to, width, f"load_where({of}, place, inside, 0)"),
        ]
        turns = width * self.depth
        return Suite(f"for turn in range(thread, {turns}, {self.device.threads})", lines)

    def place(self, x: Load, axis: Axis, point: str) -> tuple[str, list[str]]:
        """How far a point of rows, columns or depth is in a factor, and lines to say it first."""
        p, slots = self.p, self.slots
        axes = {p.rows: p.row_axes, p.depth: p.depth_axes}.get(axis, ()) if p.windowed else ()
        strides = [slots.stride(x.buffer.name, x.map, a.name) for a in axes or (axis,)]
        if len(axes) < 2:
            return f"{point} * {strides[0]}", []
        at = [slots.axis(a.name) for a in axes]
        terms = (f"{i} * {stride}" for i, stride in zip(at, strides, strict=True))
        return " + ".join(terms), slots.unravel(point, axes)

    def kept(self, to: str, width: int, value: str) -> str:
        """An element of a factor to shared memory, `width` of them a step."""
        return f"store({to}, y * {width + self.pad} + x, {value})"

    def steps(self) -> list[Node]:
        """A block of depth, of which the last may be short."""
        whole = Suite(f"for k in range({self.depth})", self.step())
        return [
            f"steps = min({self.depth}, {self.sizes[2]} - from_step)",
            Suite(f"if steps == {self.depth}", [whole]),
            Suite("else", [Suite("for k in range(steps)", self.step())]),
        ]

    def step(self) -> list[Node]:
        """One step of depth: a column of the left tile times a row of the other."""
        lines: list[Node] = [f"line = load(above, k * {COLUMNS + self.pad} + j, {VECTOR})"]
        each = min(self.rows, VECTOR)
        for r in range(0, self.rows, each):
            place = f"k * {self.height + self.pad} + i" + (f" + {r}" if r else "")
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
        n = access_lanes((Stage((), p.stores),), p.columns, self.device)
        row, column = (slots.axis(a.name) for a in (p.rows, p.columns))
        here = Level([], frozenset((p.rows.name, p.columns.name)))
        axes = {a.name: a for a in p.outer}
        vector = p.columns.name if n > 1 else ""
        values = Values(slots, axes, frozenset(axes), [*outer, here], vector, n)
        acc = slots.names.fresh("acc")
        here.body.append(f"{acc} = load(results, turn, {n})")
        values.results["acc"] = Home(acc, wide=n > 1)
        values.stores(p.stores)
        rows, columns, _ = self.sizes
        lines: list[Node] = [
            f"{row}, {column} = top + turn // {COLUMNS}, first_column + turn % {COLUMNS}",
            Suite(f"if {row} < {rows} and {column} < {columns}", here.body),
        ]
        times = f" * {n}" if n > 1 else ""
        return [
            f"barrier({threads})",
            *self.written(),
            f"barrier({threads})",
            Suite(
                f"for turn in range(thread{times}, {self.height * COLUMNS}, {threads * n})", lines
            ),
        ]

    def written(self) -> list[Node]:
        """What this thread has summed, to its place in the tile."""
        return [f"store(results, (i + {r}) * {COLUMNS} + j, sum{r})" for r in range(self.rows)]


# ------------------------------------------------------------------ tensor cores


class TensorProduct(GridProduct):
    """A warp keeps `rows` by four products of 16 by 8; eight warps stand four by two."""

    pad = 8

    def __init__(self, p: Product, device: GpuTarget) -> None:
        super().__init__(p, device)
        self.halves = p.precision == "bf16"
        self.depth = 32 if self.halves else 16
        self.rows = 2 if self.rows == 8 else 1
        self.height = 64 * self.rows

    def places(self) -> list[Node]:
        dtype = "bf16" if self.halves else "f32"
        rows = self.depth * (self.height + self.pad)
        left = self.height * self.depth_pitch if self.halves else rows
        # factors of bf16 take half the room, so results always suffice for them
        factors = self.depth * (self.height + COLUMNS + 2 * self.pad)
        return [
            "group, quad = thread % 32 // 4, thread % 4",
            f"row_of_sums = thread // 64 * {16 * self.rows} + group",
            f"column_of_sums = thread // 32 % 2 * {8 * WARP_COLUMNS}",
            "i, j = row_of_sums, column_of_sums + group",
            f"results = shared_tile(0, {max(factors, self.height * COLUMNS)}, f32)",
            f"left = viewed(results, {dtype})",
            f"above = at(left, {left})",
        ]

    @property
    def depth_pitch(self) -> int:
        """Elements from row to row where neighbours are steps of depth."""
        return self.depth + self.pad

    def sums(self) -> list[Node]:
        return [f"sum{n} = full(0, f32, 4)" for n in range(self.rows * WARP_COLUMNS)]

    def kept(self, to: str, width: int, value: str) -> str:
        if self.halves:
            return f"store({to}, x * {self.depth_pitch} + y, cast({value}, bf16))"
        return f"store({to}, y * {width + self.pad} + x, tf32({value}))"

    def steps(self) -> list[Node]:
        """Whole blocks: what does not exist is zero."""
        return [Suite(f"for k in range(0, {self.depth}, {16 if self.halves else 8})", self.step())]

    def step(self) -> list[Node]:
        lines: list[Node] = []
        for r in range(self.rows):
            places = [(16 * r + down, deep) for deep in (0, 1) for down in (0, 8)]
            lines += [
                f"part{4 * r + n} = {self.fragment('left', 'i', self.height, *place)}"
                for n, place in enumerate(places)
            ]
        for c in range(WARP_COLUMNS):
            lines += [
                f"other{2 * c + deep} = {self.fragment('above', 'j', COLUMNS, 8 * c, deep)}"
                for deep in (0, 1)
            ]
        word = "mma_bf16" if self.halves else "mma_tf32"
        for r in range(self.rows):
            for c in range(WARP_COLUMNS):
                total = f"sum{r * WARP_COLUMNS + c}"
                parts = [f"part{4 * r + n}" for n in range(4)]
                factors = ", ".join([*parts, f"other{2 * c}", f"other{2 * c + 1}"])
                lines.append(f"{total} = {word}({total}, {factors})")
        return lines

    def fragment(self, of: str, axis: str, width: int, down: int, deep: int) -> str:
        """What a thread holds of a factor: an element, or two neighbours in depth."""
        if self.halves:
            place = f"({axis} + {down}) * {self.depth_pitch} + k + 2 * quad + {8 * deep}"
            return f"packed(load({of}, {place}, 2))"
        return f"load({of}, (k + quad + {4 * deep}) * {width + self.pad} + {axis} + {down}, 1)"

    def written(self) -> list[Node]:
        lines: list[Node] = []
        for r in range(self.rows):
            for c in range(WARP_COLUMNS):
                for n in range(4):
                    row = f"(row_of_sums + {16 * r + 8 * (n // 2)}) * {COLUMNS}"
                    place = f"{row} + column_of_sums + 2 * quad + {8 * c + n % 2}"
                    total = f"lane(sum{r * WARP_COLUMNS + c}, {n})"
                    lines.append(f"store(results, {place}, {total})")
        return lines
