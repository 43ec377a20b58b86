"""Many short rows as text: a row a lane, put in order by Batcher's network of exchanges.

Every lane meets the same exchanges, least and greatest of two vectors, so nothing is predicted.
Elements carry their places, which makes all of them different and the network stable; a row that is
sorted alone carries none.

Source: Batcher, Sorting networks and their applications, 1968; the merges of odd and even.
"""

from __future__ import annotations

from collections.abc import Callable

from ...ir.types import FLOATS
from ...kernel.costs import CLAIM_CYCLES
from ...kernel.scalar import NUMPY
from ...kernel.sorting import Sorting
from ..lowered import Lowered
from ..ordinals import Bits, bit_slots, repairs
from ..printer import Node, Suite
from ..target import Target

SHORT = 64  # elements of a row up to which a network is faster than digits


def across(s: Sorting, target: Target) -> int:
    """The lanes for rows, or 0 where rows are sorted one by one."""
    width = 8 * NUMPY[s.inputs[0].dtype].itemsize
    lanes = max(1, target.bits // (32 if word(s) == "u32" else 64))
    fits = s.keys == 1 and (s.plain or width <= 32) and 1 < s.length.size <= SHORT
    return lanes if fits and lanes > 1 and s.rows.size >= lanes else 0


def word(s: Sorting) -> str:
    """The dtype of an element: its key, and the place unless the operand is sorted alone."""
    width = 8 * NUMPY[s.inputs[0].dtype].itemsize
    return "u32" if width + (0 if s.plain else 8) <= 32 else "u64"


def lower_across(s: Sorting, lanes: int) -> Lowered:
    """The text of a sort of many short rows, and the numbers of this instance."""
    printer = NetworkPrinter(s, lanes)
    text = printer.text()
    n, units = s.length.size, -(-s.rows.size // lanes)
    exchanges = n * n.bit_length() ** 2 // 4
    cycles = 6 * exchanges + n * lanes * (2 + len(s.outputs))
    moved = sum(b.size * NUMPY[b.dtype].itemsize for b in s.buffers)
    scratch = -(-n * lanes * NUMPY[printer.word].itemsize // 64) * 64
    grain = max(1, min(units, CLAIM_CYCLES // max(cycles, 1)))
    return Lowered(text, tuple(printer.slots.values), units, grain, scratch, units * cycles, moved)


class NetworkPrinter:
    """Spells one sort of short rows; `lanes` rows are a unit."""

    def __init__(self, s: Sorting, lanes: int) -> None:
        self.s, self.lanes, self.slots = s, lanes, bit_slots(s)
        self.bits = Bits(s.inputs[0].dtype, s.descending)
        self.word = word(s)
        self.low = 0 if s.plain else 8  # bits of the place below the key
        self.n, self.rows = self.slots.extent(s.length), self.slots.extent(s.rows)
        self.most = self.slots.extent(s.most)
        self.watched = s.plain and self.bits.dtype in FLOATS

    def text(self) -> str:
        odd: list[Node] = [f"odd = full(False, bool, {self.lanes})"] if self.watched else []
        unit: list[Node] = [
            f"row = unit * {self.lanes} * {self.n}",
            f"left = {self.rows} - unit * {self.lanes}",
            f"tail = first(left, {self.lanes})",
            *odd,
            *self.either(self.read, self.n),
            "step = 1",
            Suite(f"while step < {self.n}", self.merges()),
            *self.either(self.written, self.most),
            *([self.repaired()] if self.watched else []),
        ]
        body: list[Node] = [
            f"keys = address_pointer(scratch, {self.word})",
            Suite("for unit in range(start, stop)", unit),
        ]
        return self.slots.function(self.s, body)

    def either(self, body: Callable[[str], list[Node]], count: str) -> list[Node]:
        """All lanes, or those of the last rows, for `count` elements of rows."""
        return [
            Suite(f"if left >= {self.lanes}", [Suite(f"for j in range({count})", body(""))]),
            Suite("else", [Suite(f"for j in range({count})", body(", tail"))]),
        ]

    # ---- keys and results

    def read(self, mask: str) -> list[Node]:
        x, b = self.slots.buffer(self.s.inputs[0].name), self.slots.names.numbered("b")
        word = f"load_strided_where({x}, row + j, {self.n}{mask}, 0)"
        plain = f"load_strided({x}, row + j, {self.n}, {self.lanes})"
        key = f"cast({self.bits.ordinal(b)}, {self.word})"
        if self.low:
            key = f"({key} << {self.low}) | full(j, {self.word}, 1)"
        lines: list[Node] = [f"{b} = {word if mask else plain}"]
        if self.watched:
            lines.append(f"odd = odd | ({b} == {self.bits.top}) | ({self.bits.is_nan(b)})")
        return [*lines, f"store(keys, j * {self.lanes}, {key})"]

    def written(self, mask: str) -> list[Node]:
        e = self.slots.names.numbered("e")
        lines: list[Node] = [f"{e} = load(keys, j * {self.lanes}, {self.lanes})"]
        if self.s.plain:
            (y,), o = self.s.outputs, self.slots.names.numbered("o")
            assert y is not None
            lines.append(f"{o} = cast({e}, {self.bits.unsigned})")
            return [*lines, self.write(self.slots.buffer(y.name), self.bits.element(o), mask)]
        p, at = self.slots.names.numbered("p"), self.slots.names.numbered("at")
        lines.append(f"{p} = {e} & {(1 << self.low) - 1}")
        lines.append(f"{at} = cast({p}, i64) + (iota(0, i64, {self.lanes}) * {self.n} + row)")
        for x, y in zip(self.s.inputs, self.s.outputs, strict=True):
            if y:
                source = self.slots.buffer(x.name)
                found = (
                    f"gather_where({source}, {at}{mask}, 0)" if mask else f"gather({source}, {at})"
                )
                lines.append(self.write(self.slots.buffer(y.name), found, mask))
        if self.s.order:
            lines.append(self.write(self.slots.buffer(self.s.order.name), f"cast({p}, u64)", mask))
        return lines

    def write(self, y: str, value: str, mask: str) -> str:
        word = "store_strided_where" if mask else "store_strided"
        at = "row" if self.s.whole else f"unit * {self.lanes} * {self.most}"
        return f"{word}({y}, {at} + j, {self.most}, {value}{mask})"

    def repaired(self) -> Suite:
        x, y = self.s.inputs[0], self.s.outputs[0]
        assert y is not None
        b = self.slots.names.numbered("b")
        lines = repairs(self.bits, b, self.slots.buffer(x.name), self.slots.buffer(y.name), self.n)
        each = Suite(
            f"for r in range(unit * {self.lanes}, unit * {self.lanes} + min(left, {self.lanes}))",
            [f"row = r * {self.n}", *lines],
        )
        return Suite("if scalar(any_(odd))", [each])

    # ---- order

    def merges(self) -> list[Node]:
        """Pairs of runs of `step` elements become one: ends first, then ever closer elements."""
        closer: list[Node] = [
            Suite(
                "for j in range(s + k, s + 2 * step - k, 2 * k)",
                [Suite(f"for i in range(j, min(j + k, {self.n} - k))", self.exchange("k"))],
            ),
            "k = k // 2",
        ]
        ends = Suite(f"for i in range(s, min(s + step, {self.n} - step))", self.exchange("step"))
        pair: list[Node] = [ends, "k = step // 2", Suite("while k > 0", closer)]
        return [Suite(f"for s in range(0, {self.n}, 2 * step)", pair), "step = step * 2"]

    def exchange(self, distance: str) -> list[Node]:
        a, b = (self.slots.names.numbered("e") for _ in range(2))
        near, far = f"i * {self.lanes}", f"(i + {distance}) * {self.lanes}"
        return [
            f"{a} = load(keys, {near}, {self.lanes})",
            f"{b} = load(keys, {far}, {self.lanes})",
            f"store(keys, {near}, minimum({a}, {b}))",
            f"store(keys, {far}, maximum({a}, {b}))",
        ]
