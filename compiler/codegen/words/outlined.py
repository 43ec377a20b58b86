"""Words that become functions of their own: one per module and shape, however often it is called.

    TILE_WORDS = {"tile": outlined("tile", 3, body), ...}     # tile(6, 2, 8, depth, a, ...)

Compile time is what a product costs first, so nothing is emitted twice. Static arguments, the first
`statics`, which the text gives as numbers, shape the registers; all others are run-time values, and
the dtype is that of the first pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from ....runtime.native.language import Emitter, NativeValue, Word
from .memory import Pointer
from .simd import DTYPES, LLVM, lane_numbers, mangled, pattern, undefined

I32, I64, VOID = ir.IntType(32), ir.IntType(64), ir.VoidType()


@dataclass(frozen=True)
class Shape:
    """The dtype and the static arguments: (rows,) vecs, lanes."""

    dtype: str
    static: tuple[int, ...]

    def __str__(self) -> str:
        return "_".join([self.dtype, *map(str, self.static)])

    @property
    def rows(self) -> int:
        return self.static[-3]

    @property
    def vecs(self) -> int:
        return self.static[-2]

    @property
    def lanes(self) -> int:
        return self.static[-1]

    @property
    def width(self) -> int:
        return self.vecs * self.lanes

    @property
    def floating(self) -> bool:
        return DTYPES[self.dtype].family == "float"

    @property
    def element(self) -> LLVM:
        return DTYPES[self.dtype].memory

    @property
    def vector(self) -> ir.VectorType:
        return ir.VectorType(self.element, self.lanes)

    @property
    def zero(self) -> ir.Constant:
        return ir.Constant(self.vector, None)


@dataclass
class Writer:
    """A builder inside one outlined function, and the spellings that bodies need."""

    module: ir.Module
    shape: Shape
    b: LLVM

    # ---- integers and blocks

    def block(self, name: str) -> LLVM:
        return self.b.append_basic_block(name)

    def times(self, x: LLVM, y: LLVM | int) -> LLVM:
        return self.b.mul(x, i64_constant(y))

    def smaller(self, x: LLVM | int, y: LLVM) -> LLVM:
        x = i64_constant(x)
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def joined(self, of: LLVM, *incoming: tuple[LLVM, LLVM]) -> LLVM:
        phi = self.b.phi(of)
        for value, block in incoming:
            phi.add_incoming(value, block)
        return phi

    def loop(
        self, start: LLVM | int, stop: LLVM | int, step: int, body: Callable[[Any], None]
    ) -> None:
        """for i in range(start, stop, step): body(i)."""
        before = self.b.block
        head, inside, after = (self.block(n) for n in ("head", "inside", "after"))
        self.b.branch(head)
        self.b.position_at_end(head)
        i = self.joined(I64, (i64_constant(start), before))
        self.b.cbranch(self.b.icmp_signed("<", i, i64_constant(stop)), inside, after)
        self.b.position_at_end(inside)
        body(i)
        i.add_incoming(self.b.add(i, i64_constant(step)), self.b.block)
        self.b.branch(head)
        self.b.position_at_end(after)

    # ---- memory

    def at(self, p: LLVM, i: LLVM | int) -> LLVM:
        return self.b.gep(p, [i64_constant(i)])

    def load(self, p: LLVM, of: LLVM | None = None) -> LLVM:
        """A vector, or what `of` says."""
        of = of or self.shape.vector
        return self.b.load(self.b.bitcast(p, pointer_to(of)), align=self.bytes)

    def store(self, v: LLVM, p: LLVM) -> None:
        self.b.store(v, self.b.bitcast(p, pointer_to(v.type)), align=self.bytes)

    def load_where(self, p: LLVM, mask: LLVM) -> LLVM:
        """A vector, zero outside the mask."""
        of = self.shape.vector
        args = [self.b.bitcast(p, pointer_to(of)), ir.Constant(I32, self.bytes), mask]
        return self.call("masked.load", [*args, self.shape.zero], ".p0")

    def prefetch(self, p: LLVM) -> None:
        """Brings the cache line at `p` near; a place outside of memory is ignored."""
        name, byte = "llvm.prefetch.p0", pointer_to(ir.IntType(8))
        of = ir.FunctionType(VOID, [byte, I32, I32, I32])
        function = self.module.globals.get(name) or ir.Function(self.module, of, name)
        to_read, near, data = (ir.Constant(I32, n) for n in (0, 3, 1))
        self.b.call(function, [self.b.bitcast(p, byte), to_read, near, data])

    @property
    def bytes(self) -> int:
        return DTYPES[self.shape.dtype].bytes

    # ---- vectors

    def call(self, name: str, args: list[LLVM], suffix: str = "") -> LLVM:
        """An intrinsic that gives a vector."""
        of = self.shape.vector
        name = f"llvm.{name}.{mangled(of)}{suffix}"
        function = self.module.globals.get(name) or ir.Function(
            self.module, ir.FunctionType(of, [a.type for a in args]), name
        )
        return self.b.call(function, args)

    def shuffled(self, x: LLVM, y: LLVM, order: list[int]) -> LLVM:
        return self.b.shuffle_vector(x, y, pattern(tuple(order)))

    def splat(self, x: LLVM) -> LLVM:
        """An element, or a number of lanes, in every lane."""
        blank = undefined(ir.VectorType(x.type, self.shape.lanes))
        one = self.b.insert_element(blank, x, ir.Constant(I32, 0))
        return self.shuffled(one, blank, [0] * self.shape.lanes)

    def first(self, count: LLVM) -> LLVM:
        """The mask of lanes below `count`."""
        limit = self.splat(self.b.trunc(count, I32))
        return self.b.icmp_signed("<", lane_numbers(self.shape.lanes), limit)

    def multiply_add(self, x: LLVM, y: LLVM, z: LLVM) -> LLVM:
        if self.shape.floating:
            return self.call("fma", [x, y, z])
        return self.b.add(self.b.mul(x, y), z)

    def add(self, x: LLVM, y: LLVM) -> LLVM:
        return self.b.fadd(x, y) if self.shape.floating else self.b.add(x, y)

    def total(self, v: LLVM) -> LLVM:
        """The sum of all lanes: halves are added to halves."""
        n = self.shape.lanes
        while n > 1:
            n //= 2
            low, high = (self.shuffled(v, v, [start + x for x in range(n)]) for start in (0, n))
            v = self.add(low, high)
        return self.b.extract_element(v, ir.Constant(I32, 0))


Body = Callable[[Writer, list[LLVM]], None]


def outlined(stem: str, statics: int, body: Body) -> Word:
    """The word that calls the function of `body`; the first call of a shape defines it."""

    def word(e: Emitter, *given: Any) -> None:
        args = given[statics:]
        dtype = next(a.kind.dtype for a in args if is_pointer(a))
        shape = Shape(dtype, given[:statics])
        values = [a.llvm if is_pointer(a) else e.i64(a) for a in args]
        e.builder.call(outlined_function(e.module, stem, shape, values, body), values)

    return word


def outlined_function(
    module: ir.Module, stem: str, shape: Shape, values: list[LLVM], body: Body
) -> ir.Function:
    name = f"{stem}_{shape}"
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(VOID, [v.type for v in values]), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        writer = Writer(module, shape, ir.IRBuilder(function.append_basic_block("entry")))
        body(writer, list(function.args))
        writer.b.ret_void()
    return function


def is_pointer(x: Any) -> bool:
    return isinstance(x, NativeValue) and isinstance(x.kind, Pointer)


def i64_constant(x: LLVM | int) -> LLVM:
    return ir.Constant(I64, x) if isinstance(x, int) else x


def pointer_to(of: LLVM) -> LLVM:
    return ir.PointerType(of)
