"""Elements as unsigned integers in their order, as expressions of printed text.

Buffers are read and written as bits: a float is what its bits say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir.types import FLOATS, SIGNED
from ..kernel.scalar import NUMPY
from ..kernel.sorting import Searching, Sorting
from .printer import Node, Suite
from .slots import Slots

LOCALS = {"unit", "row", "now", "then", "other", "i", "k", "e", "p", "q", "d", "before", "tail",
          "keys", "places", "counts", "digit", "base", "shift", "count", "sum_", "odd", "zero_at",
          "nan_at", "nans", "r", "s", "j", "left", "low", "high", "middle", "step", "here", "less",
          "wanted", "c", "bound"}  # fmt: skip
INFINITY = {"f16": 0x7C00, "bf16": 0x7F80, "f32": 0x7F800000, "f64": 0x7FF0000000000000}


@dataclass(frozen=True)
class Bits:
    """Elements of `dtype` as unsigned integers, and how their order is told."""

    dtype: str
    descending: bool = False

    @property
    def width(self) -> int:
        return 8 * NUMPY[self.dtype].itemsize

    @property
    def unsigned(self) -> str:
        return f"u{self.width}"

    @property
    def top(self) -> int:
        return 1 << (self.width - 1)

    def is_nan(self, b: str) -> str:
        return f"({b} & {self.top - 1}) > {INFINITY[self.dtype]}"

    def ordinal(self, b: str) -> str:
        """Of the element with bits `b`: as sorting.ordinals."""
        found = b
        if self.dtype in FLOATS:
            negative = f"select({b} == {self.top}, {self.top}, invert({b}))"
            number = f"select({b} >= {self.top}, {negative}, {b} ^ {self.top})"
            found = f"select({self.is_nan(b)}, {2 * self.top - 1}, {number})"
        elif self.dtype in SIGNED:
            found = f"{b} ^ {self.top}"
        return f"invert({found})" if self.descending else found

    def element(self, o: str) -> str:
        """The bits of the element with ordinal `o`: of equals that differ in bits, one."""
        o = f"invert({o})" if self.descending else o
        if self.dtype in FLOATS:
            return f"select({o} >= {self.top}, {o} ^ {self.top}, invert({o}))"
        return f"{o} ^ {self.top}" if self.dtype in SIGNED else o


def bit_slots(k: Sorting | Searching) -> Slots:
    """Slots of buffers that are read and written as bits; none hides a name of the text."""
    slots = Slots(())
    slots.names.taken.update(LOCALS)
    as_bits = [replace(b, dtype=Bits(b.dtype).unsigned) for b in k.buffers]
    slots.buffers = {b.name: (slots.names.fresh(b.name), b.dtype) for b in as_bits}
    return slots


def repairs(bits: Bits, b: str, x: str, y: str, n: str) -> list[Node]:
    """Zeros and NaN of the row at `row` of floats, with the bits and in the order that they had.

    `y` is in order but for that; `b` is a name of this text's own.
    """
    read = f"{b} = load({x}, row + i, 1)"
    nan = f"scalar({bits.is_nan(b)})"
    positive = f"scalar(({b} < {bits.top}) & ({b} > 0))"
    negative = f"scalar({b} > {bits.top}) * (1 - {nan})"
    ahead = f"max({nan}, {positive})" if bits.descending else negative

    def put(at: str) -> list[Node]:
        return [f"store({y}, row + {at}, {b})", f"{at} = {at} + 1"]

    moves: list[Node] = [
        read,
        Suite(f"if {nan}", put("nan_at")),
        Suite(f"if scalar(({b} & {bits.top - 1}) == 0)", put("zero_at")),
    ]
    counts: list[Node] = [read, f"nans = nans + {nan}", f"zero_at = zero_at + {ahead}"]
    return [
        "zero_at = 0",
        "nans = 0",
        Suite(f"for i in range({n})", counts),
        "nan_at = 0" if bits.descending else f"nan_at = {n} - nans",
        Suite(f"for i in range({n})", moves),
    ]
