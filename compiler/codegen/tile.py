"""The register tile of products, and the copies that bring operands into its reach.

    tile            C[rows, width] (+)= A[rows, depth] @ B[depth, width] in registers, width = vecs * lanes
    tile_of_dots    the same where both factors are contiguous along depth and nothing is worth packing: lanes follow depth
    pack            rows of a matrix into a panel of that width; columns that do not exist become anything
    pack_turned     the same from a matrix whose columns are contiguous
    pack_strided    the same from a matrix whose columns are `column` elements apart
    unpack          a panel back to rows of a matrix, the columns that exist only

Each is a word of the native language and becomes one internal function per module, however often it is called, because
compile time is what a product costs first. Sizes are run-time values; only the shape of the registers is in the code.
Every element is one chain of fma over depth in order, so bits depend on no blocking and on no lane count; but for dots,
which are as many chains as there are lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from ...runtime.native import Emitter, Value

I32, I64, VOID = ir.IntType(32), ir.IntType(64), ir.VoidType()
LLVM = {"f32": ir.FloatType(), "f64": ir.DoubleType(), "i32": I32, "u32": I32, "i64": I64}
SUFFIX = {"f32": "f32", "f64": "f64", "i32": "i32", "u32": "i32", "i64": "i64"}


# ---- words


def tile(e: Emitter, rows: int, vecs: int, lanes: int, depth: Any, a: Value, a_row: Any, a_step: Any,
         b: Value, b_step: Any, c: Value, c_row: Any, height: Any, fresh: Any) -> None:  # fmt: skip
    """C[i, j] = (0 if fresh else C[i, j]) + sum of A[i, k] B[k, j] over k < depth, for all `rows` and `vecs * lanes`.

    A[i, k] at a[i*a_row + k*a_step], B[k, j] at b[k*b_step + j], C[i, j] at c[i*c_row + j]. Only the first `height` rows
    of A exist; rows beyond them repeat the last one, and what they give is written too.
    """
    shape = Shape(str(a.kind.dtype), rows, vecs, lanes)  # pyright: ignore[reportAttributeAccessIssue]
    args = [depth, a, a_row, a_step, b, b_step, c, c_row, height, fresh]
    outlined(e, "tile", shape, args, tile_body)


def tile_of_dots(e: Emitter, rows: int, vecs: int, lanes: int, depth: Any, a: Value, a_row: Any, b: Value, b_column: Any,
                 c: Value, c_row: Any, height: Any, width: Any) -> None:  # fmt: skip
    """C[i, j] = sum of a[i*a_row + k] b[j*b_column + k] over k < depth, for i < rows and j < width, as `tile` writes C."""
    shape = Shape(str(a.kind.dtype), rows, vecs, lanes)  # pyright: ignore[reportAttributeAccessIssue]
    outlined(e, "tile_of_dots", shape, [depth, a, a_row, b, b_column, c, c_row, height, width], tile_of_dots_body)


def pack(e: Emitter, vecs: int, lanes: int, to: Value, apart: Any, source: Value, row: Any, height: Any, width: Any) -> None:
    """Panel by panel, `apart` elements from one to the next: to[k * vecs * lanes + j] = source[k * row + j] for k < height,
    j < width. Rows are the outer loop: long runs are what memory gives fastest."""
    outlined(e, "pack", Shape.of(to, vecs, lanes), [to, apart, source, row, height, width], pack_body)


def pack_turned(e: Emitter, vecs: int, lanes: int, to: Value, source: Value, column: Any, height: Any, width: Any) -> None:
    """to[k * vecs * lanes + j] = source[j * column + k]: blocks of lanes by lanes are transposed in registers."""
    outlined(e, "pack_turned", Shape.of(to, vecs, lanes), [to, source, column, height, width], pack_turned_body)


def pack_strided(e: Emitter, vecs: int, lanes: int, to: Value, source: Value, row: Any, column: Any, height: Any,
                 width: Any) -> None:  # fmt: skip
    """to[k * vecs * lanes + j] = source[k * row + j * column]."""
    outlined(e, "pack_strided", Shape.of(to, vecs, lanes), [to, source, row, column, height, width], pack_strided_body)


def unpack(e: Emitter, vecs: int, lanes: int, to: Value, row: Any, source: Value, height: Any, width: Any) -> None:
    """to[k * row + j] = source[k * vecs * lanes + j] for k < height and j < width, which is at most one panel."""
    outlined(e, "unpack", Shape.of(to, vecs, lanes), [to, row, source, height, width], unpack_body)


TILE_WORDS: dict[str, Any] = {
    "tile": tile, "tile_of_dots": tile_of_dots, "pack": pack, "pack_turned": pack_turned, "pack_strided": pack_strided, "unpack": unpack}  # fmt: skip


# ---- functions of their own


@dataclass(frozen=True)
class Shape:
    """What a function is made for: `rows` by `vecs` vectors of `lanes` elements."""

    dtype: str
    rows: int
    vecs: int
    lanes: int

    @staticmethod
    def of(p: Value, vecs: int, lanes: int) -> Shape:
        return Shape(str(p.kind.dtype), 1, vecs, lanes)  # pyright: ignore[reportAttributeAccessIssue]

    def __str__(self) -> str:
        return f"{self.dtype}_{self.rows}x{self.vecs}x{self.lanes}"

    @property
    def element(self) -> ir.Type:
        return LLVM[self.dtype]

    @property
    def bytes(self) -> int:
        return 8 if self.dtype in ("f64", "i64") else 4

    @property
    def vector(self) -> ir.VectorType:
        return ir.VectorType(self.element, self.lanes)

    @property
    def zero(self) -> ir.Constant:
        return ir.Constant(self.vector, None)

    @property
    def width(self) -> int:
        return self.vecs * self.lanes


@dataclass
class Writer:
    """A builder inside one outlined function, and the few spellings its body needs."""

    module: ir.Module
    shape: Shape
    b: ir.IRBuilder

    def block(self, name: str) -> ir.Block:
        return self.b.append_basic_block(name)

    def at(self, p: ir.Value, i: ir.Value | int) -> ir.Value:
        return self.b.gep(p, [constant(i)])

    def load(self, p: ir.Value, of: ir.Type | None = None) -> ir.Value:
        of = of or self.shape.vector
        return self.b.load(self.b.bitcast(p, of.as_pointer()), align=self.shape.bytes)

    def store(self, v: ir.Value, p: ir.Value) -> None:
        self.b.store(v, self.b.bitcast(p, v.type.as_pointer()), align=self.shape.bytes)

    def call(self, name: str, result: ir.Type, args: list[ir.Value], suffix: str = "") -> ir.Value:
        s = self.shape
        name = f"llvm.{name}.v{s.lanes}{SUFFIX[s.dtype]}{suffix}"
        function = self.module.globals.get(name) or ir.Function(
            self.module, ir.FunctionType(result, [a.type for a in args]), name
        )
        return self.b.call(function, args)

    def load_where(self, p: ir.Value, mask: ir.Value) -> ir.Value:
        p = self.b.bitcast(p, self.shape.vector.as_pointer())
        return self.call("masked.load", self.shape.vector, [p, ir.Constant(I32, self.shape.bytes), mask, self.shape.zero], ".p0")

    def splat(self, x: ir.Value, of: ir.VectorType) -> ir.Value:
        one = self.b.insert_element(ir.Constant(of, ir.Undefined), x, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, of.count), None)
        return self.b.shuffle_vector(one, ir.Constant(of, ir.Undefined), zeros)

    def first(self, count: ir.Value) -> ir.Value:
        """The mask of lanes below `count`, which may be negative."""
        of = ir.VectorType(I32, self.shape.lanes)
        index = ir.Constant(of, list(range(self.shape.lanes)))
        return self.b.icmp_signed("<", index, self.splat(self.b.trunc(count, I32), of))

    def multiply_add(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        if self.shape.dtype in ("f32", "f64"):
            return self.call("fma", self.shape.vector, [x, y, z])
        return self.b.add(self.b.mul(x, y), z)

    def total(self, v: ir.Value) -> ir.Value:
        """The sum of all lanes: halves are added to halves."""
        add = self.b.fadd if self.shape.dtype in ("f32", "f64") else self.b.add
        n = self.shape.lanes
        while n > 1:
            n //= 2
            low, high = (ir.Constant(ir.VectorType(I32, n), [start + x for x in range(n)]) for start in (0, n))
            blank = ir.Constant(v.type, ir.Undefined)
            v = add(self.b.shuffle_vector(v, blank, low), self.b.shuffle_vector(v, blank, high))
        return self.b.extract_element(v, ir.Constant(I32, 0))

    def loop(self, stop: ir.Value, step: int, body: Callable[[ir.Value], None], start: ir.Value | int = 0) -> None:
        """for i in range(start, stop, step): body(i)."""
        before = self.b.block
        head, inside, after = self.block("head"), self.block("inside"), self.block("after")
        self.b.branch(head)
        self.b.position_at_end(head)
        i = self.b.phi(I64)
        i.add_incoming(constant(start), before)
        self.b.cbranch(self.b.icmp_signed("<", i, stop), inside, after)
        self.b.position_at_end(inside)
        body(i)
        i.add_incoming(self.b.add(i, constant(step), flags=("nsw",)), self.b.block)
        self.b.branch(head)
        self.b.position_at_end(after)


def constant(x: ir.Value | int) -> ir.Value:
    return ir.Constant(I64, x) if isinstance(x, int) else x


def outlined(e: Emitter, stem: str, shape: Shape, args: list[Any], body: Callable[[Writer, list[ir.Value]], None]) -> None:
    """Calls the module's function of this stem and shape, defining it the first time."""
    pointer = shape.element.as_pointer()
    values = [e.builder.bitcast(a.llvm, pointer) if is_pointer(a) else e.i64(a) for a in args]
    name = f"{stem}_{shape}"
    function = e.module.globals.get(name)
    if function is None:
        function = ir.Function(e.module, ir.FunctionType(VOID, [v.type for v in values]), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        writer = Writer(e.module, shape, ir.IRBuilder(function.append_basic_block("entry")))
        body(writer, list(function.args))
        writer.b.ret_void()
    e.builder.call(function, values)


def is_pointer(x: Any) -> bool:
    return isinstance(x, Value) and isinstance(x.llvm.type, ir.PointerType)


# ---- bodies


def tile_body(w: Writer, args: list[ir.Value]) -> None:
    depth, a, a_row, a_step, b, b_step, c, c_row, height, fresh = args
    build, shape = w.b, w.shape
    places = [(i, j) for i in range(shape.rows) for j in range(shape.vecs)]
    last = build.sub(height, constant(1))
    lines = [w.at(a, build.mul(a_row, smaller(build, constant(i), last))) for i in range(shape.rows)]
    target = [w.at(w.at(c, build.mul(c_row, constant(i))), j * shape.lanes) for i, j in places]
    entry, resume, start, loop, done = build.block, *(w.block(n) for n in ("resume", "start", "loop", "done"))
    build.cbranch(build.icmp_signed("!=", fresh, constant(0)), start, resume)

    build.position_at_end(resume)
    earlier = [w.load(p) for p in target]
    build.branch(start)

    build.position_at_end(start)
    first = [joined(build, shape.vector, (shape.zero, entry), (v, resume)) for v in earlier]
    build.cbranch(build.icmp_signed(">", depth, constant(0)), loop, done)

    build.position_at_end(loop)
    k, at_a, at_b = (joined(build, I64, (constant(0), start)) for _ in range(3))
    sums = [joined(build, shape.vector, (v, start)) for v in first]
    row = w.at(b, at_b)
    bs = [w.load(w.at(row, j * shape.lanes)) for j in range(shape.vecs)]
    xs = [w.splat(w.load(w.at(line, at_a), shape.element), shape.vector) for line in lines]
    new = [w.multiply_add(xs[i], bs[j], s) for (i, j), s in zip(places, sums, strict=True)]
    following = build.add(k, constant(1))
    steps = [(k, following), (at_a, build.add(at_a, a_step)), (at_b, build.add(at_b, b_step))]
    for phi, value in [*steps, *zip(sums, new, strict=True)]:
        phi.add_incoming(value, loop)
    build.cbranch(build.icmp_signed("<", following, depth), loop, done)

    build.position_at_end(done)
    final = [joined(build, shape.vector, (v, start), (n, loop)) for v, n in zip(first, new, strict=True)]
    for v, p in zip(final, target, strict=True):
        w.store(v, p)


def smaller(build: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    return build.select(build.icmp_signed("<", x, y), x, y)


def joined(build: ir.IRBuilder, of: ir.Type, *incoming: tuple[ir.Value, ir.Block]) -> ir.PhiInstr:
    phi = build.phi(of)
    for value, block in incoming:
        phi.add_incoming(value, block)
    return phi


def tile_of_dots_body(w: Writer, args: list[ir.Value]) -> None:
    """Groups of columns at a time, as many as give eight sums; a last masked step takes the rest of depth."""
    depth, a, a_row, b, b_column, c, c_row, height, width = args
    build, shape = w.b, w.shape
    group = max(1, 8 // shape.rows)
    last_row, last_column = (build.sub(n, constant(1)) for n in (height, width))
    left = [w.at(a, build.mul(a_row, smaller(build, constant(i), last_row))) for i in range(shape.rows)]
    places = [(i, g) for i in range(shape.rows) for g in range(group)]
    sums = [build.alloca(shape.vector) for _ in places]
    whole_steps = build.sub(depth, build.srem(depth, constant(shape.lanes)))

    def columns(j: ir.Value) -> None:
        at = [smaller(build, build.add(j, constant(g)), last_column) for g in range(group)]
        right = [w.at(b, build.mul(b_column, x)) for x in at]
        for s in sums:
            build.store(shape.zero, s)

        def step(k: ir.Value, mask: ir.Value | None = None) -> None:
            xs, ys = ([w.load_where(w.at(p, k), mask) if mask else w.load(w.at(p, k)) for p in side] for side in (left, right))
            for (i, g), s in zip(places, sums, strict=True):
                build.store(w.multiply_add(xs[i], ys[g], build.load(s)), s)

        w.loop(whole_steps, shape.lanes, step)
        step(whole_steps, w.first(build.sub(depth, whole_steps)))
        for (i, g), s in zip(places, sums, strict=True):
            w.store(w.total(build.load(s)), w.at(c, build.add(build.mul(c_row, constant(i)), at[g])))

    w.loop(width, group, columns)


def pack_body(w: Writer, args: list[ir.Value]) -> None:
    to, apart, source, row, height, width = args
    count = w.b.sdiv(width, constant(w.shape.width))
    whole = w.b.mul(count, constant(w.shape.width))

    def line(k: ir.Value) -> None:
        p, q = w.at(source, w.b.mul(k, row)), w.at(to, w.b.mul(k, constant(w.shape.width)))

        def panel(n: ir.Value) -> None:
            start, end = w.at(p, w.b.mul(n, constant(w.shape.width))), w.at(q, w.b.mul(n, apart))
            for j in range(0, w.shape.width, w.shape.lanes):
                w.store(w.load(w.at(start, j)), w.at(end, j))

        w.loop(count, 1, panel)
        copy_run(w, w.at(q, w.b.mul(count, apart)), w.at(p, whole), w.b.sub(width, whole))

    w.loop(height, 1, line)


def unpack_body(w: Writer, args: list[ir.Value]) -> None:
    to, row, source, height, width = args

    def line(k: ir.Value) -> None:
        copy_run(w, w.at(to, w.b.mul(k, row)), w.at(source, w.b.mul(k, constant(w.shape.width))), width)

    w.loop(height, 1, line)


def copy_run(w: Writer, to: ir.Value, source: ir.Value, count: ir.Value) -> None:
    """`count` neighbours. The last vector overlaps the one before, which is faster than masks, on some processors by far."""
    lanes = constant(w.shape.lanes)

    def copy(i: ir.Value, of: ir.Type | None = None) -> None:
        w.store(w.load(w.at(source, i), of), w.at(to, i))

    with w.b.if_else(w.b.icmp_signed(">=", count, lanes)) as (vectors, elements):
        with vectors:
            last = w.b.sub(count, lanes)
            w.loop(last, w.shape.lanes, copy)
            copy(last)
        with elements:
            w.loop(count, 1, lambda i: copy(i, w.shape.element))


def pack_turned_body(w: Writer, args: list[ir.Value]) -> None:
    """Whole blocks in registers, the rest of depth element by element; missing columns repeat the last one."""
    to, source, column, height, width = args
    lanes, pitch = w.shape.lanes, constant(w.shape.width)
    last = w.b.sub(width, constant(1))
    end = w.b.sub(height, w.b.srem(height, constant(lanes)))

    def block(k: ir.Value) -> None:
        def one(j: ir.Value) -> None:
            columns = [smaller(w.b, w.b.add(j, constant(r)), last) for r in range(lanes)]
            rows = [w.load(w.at(source, w.b.add(w.b.mul(c, column), k))) for c in columns]
            q = w.at(to, w.b.add(w.b.mul(k, pitch), j))
            for r, v in enumerate(turned(w, rows)):
                w.store(v, w.at(q, r * w.shape.width))

        w.loop(pitch, lanes, one)

    w.loop(end, lanes, block)
    copy_elements(w, to, source, constant(1), column, (end, height), last)


def pack_strided_body(w: Writer, args: list[ir.Value]) -> None:
    to, source, row, column, height, width = args
    copy_elements(w, to, source, row, column, (constant(0), height), w.b.sub(width, constant(1)))


def copy_elements(w: Writer, to: ir.Value, source: ir.Value, row: ir.Value, column: ir.Value,
                  rows: tuple[ir.Value, ir.Value], last: ir.Value) -> None:  # fmt: skip
    """One element at a time; columns beyond the last one repeat it."""

    def line(k: ir.Value) -> None:
        p, q = w.at(source, w.b.mul(k, row)), w.at(to, w.b.mul(k, constant(w.shape.width)))

        def one(j: ir.Value) -> None:
            w.store(w.load(w.at(p, w.b.mul(smaller(w.b, j, last), column)), w.shape.element), w.at(q, j))

        w.loop(constant(w.shape.width), 1, one)

    w.loop(rows[1], 1, line, rows[0])


def turned(w: Writer, rows: list[ir.Value]) -> list[ir.Value]:
    """The transpose of `lanes` vectors: off-diagonal blocks are exchanged in log2(lanes) rounds."""
    n, rows, step = len(rows), list(rows), 1
    while step < n:
        low = [c + n - step if c & step else c for c in range(n)]
        high = [c + n if c & step else c + step for c in range(n)]
        for r in range(n):
            if not r & step:
                x, y = rows[r], rows[r + step]
                rows[r], rows[r + step] = (shuffled(w, x, y, order) for order in (low, high))
        step *= 2
    return rows


def shuffled(w: Writer, x: ir.Value, y: ir.Value, order: list[int]) -> ir.Value:
    return w.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(order)), order))
