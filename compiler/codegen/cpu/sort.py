"""Sorts and searches as text: a row is a unit of a sort, a vector of elements one of a search.

    keys      elements become unsigned integers in the same order, with their places in the low half
    order     short rows by insertion, others by least significant digits of 8 bits: counts of all
              digits in one pass, then a pass for each digit in which the elements differ; many
              short rows by a network, in `network`
    first     where few are wanted: what is later than enough others is dropped, then by the
              highest digit those that come later, by the next, and what is left is put in order
    results   the operands by their places; a row alone is decoded from its keys instead

Elements are read as bits, so what has no order of its own (-0.0 and 0.0, NaN) keeps its bits and,
among its equals, its order. Keys of 64 bits have their places in an array of their own. More keys
than one: by the last first, each stable.

Cost: a row of n elements needs 8 to 24 n bytes of scratch; a row runs on one thread.

Source: Knuth, The Art of Computer Programming 3, 5.2.1, 5.2.5 and 6.2.1.
"""

from __future__ import annotations

from collections.abc import Callable

from ...ir.types import FLOATS
from ...kernel.costs import CLAIM_CYCLES
from ...kernel.expr import Buffer
from ...kernel.scalar import NUMPY
from ...kernel.sorting import Searching, Sorting
from ..lowered import Lowered
from ..ordinals import Bits, bit_slots, repairs
from ..printer import Node, Suite
from ..target import Target
from .network import across, lower_across

SHORT = 64  # elements up to which insertion is faster
DIGITS = 256
COLUMNS = 2 * SHORT  # of a row, of which the least elements are a bound for the first SHORT
LONG = 4 * COLUMNS  # elements from which on a bound is faster
# ---------------------------------------------------------------- sorts


def lower_sort(s: Sorting, target: Target) -> Lowered:
    """The text of a sort for one target, and the numbers of this instance."""
    if lanes := across(s, target):
        return lower_across(s, lanes)
    printer = SortPrinter(s, target)
    text = printer.text()
    n, rows = s.length.size, s.rows.size
    passes = sum(k.width // 8 for k in printer.bits)
    steps = n * (4 + 2 * passes + len(s.outputs)) if n > SHORT else n * (4 + n // 4)
    grain = max(1, min(rows, CLAIM_CYCLES // max(2 * steps, 1)))
    moved = sum(b.size * NUMPY[b.dtype].itemsize for b in s.buffers)
    sizes = tuple(printer.slots.values)
    return Lowered(text, sizes, rows, grain, printer.scratch_bytes(n), rows * steps, moved)


class SortPrinter:
    """Spells one sort. `word`: the dtype of an element of the arrays that are put in order."""

    def __init__(self, s: Sorting, target: Target) -> None:
        self.s, self.slots = s, bit_slots(s)
        self.bits = [Bits(b.dtype, s.descending) for b in s.inputs[: s.keys]]
        widest = max(k.width for k in self.bits)
        self.paired = widest > 32 and not s.plain
        self.word = "u32" if widest <= 32 and s.plain else "u64"
        self.low = 0 if s.plain or self.paired else 32  # bits of the place below the key
        self.counts_bytes = 4 * DIGITS * widest // 8
        self.lanes = max(1, target.bits // NUMPY[self.word].itemsize // 8)
        self.n, self.most = self.slots.extent(s.length), self.slots.extent(s.most)
        self.selects = not s.whole and s.keys == 1
        self.size = "left" if self.selects else self.n  # elements that are put in order

    def scratch_bytes(self, n: int) -> int:
        each = NUMPY[self.word].itemsize + (4 if self.paired else 0)
        return -(-(self.counts_bytes + 2 * n * each) // 64) * 64

    def text(self) -> str:
        s = self.s
        body: list[Node] = [f"row = unit * {self.n}", "now = 0", f"then = {self.n}"]
        *others, (key, bits) = zip(s.inputs[: s.keys], self.bits, strict=True)
        body += self.first_keys(key, bits)
        body += self.selected(bits) if self.selects else []
        body += self.ordered(bits)
        for key, bits in reversed(others):
            body += [*self.next_keys(key, bits), *self.ordered(bits)]
        body += self.decoded() if s.plain else self.by_places()
        memory = f"scratch + {self.counts_bytes}"
        head: list[Node] = [
            "counts = address_pointer(scratch, u32)",
            f"keys = address_pointer({memory}, {self.word})",
        ]
        if self.paired:
            head.append(f"places = address_pointer({memory} + 16 * {self.n}, u32)")
        head.append(Suite("for unit in range(start, stop)", body))
        return self.slots.function(s, head)

    def buffer(self, b: Buffer) -> str:
        return self.slots.buffer(b.name)

    def vectors(self, body: Callable[[str], list[Node]]) -> list[Node]:
        """The row by vectors, `body(mask)`, the last one masked."""
        whole = f"{self.n} // {self.lanes} * {self.lanes}"
        tail: list[Node] = [f"i = {whole}", f"tail = first({self.n} - i, {self.lanes})"]
        return [
            Suite(f"for i in range(0, {whole}, {self.lanes})", body("")),
            Suite(f"if {whole} < {self.n}", [*tail, *body("tail")]),
        ]

    def read(self, p: str, at: str, mask: str) -> str:
        return f"load_where({p}, {at}, {mask}, 0)" if mask else f"load({p}, {at}, {self.lanes})"

    def write(self, p: str, at: str, value: str, mask: str) -> str:
        return f"store_where({p}, {at}, {value}, {mask})" if mask else f"store({p}, {at}, {value})"

    # ---- keys

    def first_keys(self, key: Buffer, bits: Bits) -> list[Node]:
        """The elements of the row as they stand."""
        watched = self.s.plain and bits.dtype in FLOATS

        def body(mask: str) -> list[Node]:
            b = self.slots.names.numbered("b")
            element = self.element(bits.ordinal(b), f"iota(i, u64, {self.lanes})")
            lines: list[Node] = [f"{b} = {self.read(self.buffer(key), 'row + i', mask)}"]
            if watched:
                lines.append(f"odd = odd | ({b} == {bits.top}) | ({bits.is_nan(b)})")
            lines.append(self.write("keys", "i", element, mask))
            if self.paired:
                lines.append(self.write("places", "i", f"iota(i, u32, {self.lanes})", mask))
            return lines

        begin: list[Node] = [f"odd = full(False, bool, {self.lanes})"] if watched else []
        return [*begin, *self.vectors(body)]

    def element(self, ordinal: str, place: str) -> str:
        """An ordinal, with its place where they share a word."""
        wide = f"cast({ordinal}, {self.word})"
        return f"({wide} << {self.low}) | {place}" if self.low else wide

    def place(self, at: str) -> str:
        """Where the element `at` stood in the row."""
        if self.paired:
            return f"scalar(load(places, {at}, 1))"
        return f"scalar(load(keys, {at}, 1) & {(1 << 32) - 1})"

    def next_keys(self, key: Buffer, bits: Bits) -> list[Node]:
        """Another operand's elements in the order so far."""
        b = self.slots.names.numbered("b")
        element = self.element(bits.ordinal(b), "full(p, u64, 1)")
        lines: list[Node] = [
            f"p = {self.place('now + i')}",
            f"{b} = load({self.buffer(key)}, row + p, 1)",
            f"store(keys, then + i, {element})",
        ]
        if self.paired:
            lines.append("store(places, then + i, full(p, u32, 1))")
        return [Suite(f"for i in range({self.n})", lines), *swapped()]

    # ---- order

    def ordered(self, bits: Bits) -> list[Node]:
        by_digits = [*self.counted(bits), self.passes(bits)]
        return [Suite(f"if {self.size} <= {SHORT}", self.inserted()), Suite("else", by_digits)]

    def inserted(self) -> list[Node]:
        """Insertion sort, in place; of several keys by the key alone, as equals stay in order."""
        above = "before <= e"
        if self.low and self.s.keys > 1:
            above = f"(before >> {self.low}) <= (e >> {self.low})"
        move: list[Node] = [
            "before = load(keys, now + k - 1, 1)",
            Suite(f"if scalar({above})", ["break"]),
            "store(keys, now + k, before)",
        ]
        one: list[Node] = ["e = load(keys, now + i, 1)"]
        last: list[Node] = ["store(keys, now + k, e)"]
        if self.paired:
            one.append("q = load(places, now + i, 1)")
            move.append("store(places, now + k, load(places, now + k - 1, 1))")
            last.append("store(places, now + k, q)")
        loop = Suite("while k > 0", [*move, "k = k - 1"])
        return [Suite(f"for i in range(1, {self.size})", [*one, "k = i", loop, *last])]

    def selected(self, bits: Bits) -> list[Node]:
        """Drops what comes later, digit by digit, until few more are left than are wanted.

        `high` is what the elements on the border begin with, `less` how many come before these. Of
        64 bits the last digit is not looked at: what it would be part of is no integer of the text.
        """
        digits = bits.width // 8
        last = 1 if self.paired else 0
        count: list[Node] = [
            "e = load(keys, i, 1)",
            "d = scalar(e >> shift)",
            Suite(
                "if d // 256 == high", ["k = d % 256", "store(counts, k, load(counts, k, 1) + 1)"]
            ),
        ]
        find: list[Node] = ["less = less + scalar(load(counts, d, 1))", "d = d + 1"]
        keep: list[Node] = ["store(keys, k, e)", "k = k + 1"]
        if self.paired:
            keep.insert(0, "store(places, k, load(places, i, 1))")
        drop: list[Node] = ["e = load(keys, i, 1)", Suite("if scalar(e >> shift) <= high", keep)]
        digit: list[Node] = [
            f"shift = full(({digits - 1} - digit) * 8 + {self.low}, {self.word}, 1)",
            Suite(f"for d in range(0, {DIGITS}, 16)", ["store(counts, d, full(0, u32, 16))"]),
            Suite("for i in range(left)", count),
            "d = 0",
            Suite(f"while less + scalar(load(counts, d, 1)) < {self.most}", find),
            "high = high * 256 + d",
            "k = 0",
            Suite("for i in range(left)", drop),
            "left = k",
        ]
        few = f"left > max(2 * {self.most}, {SHORT})"
        loop = Suite(f"for digit in range({digits - last})", [Suite(f"if {few}", digit)])
        some = Suite(
            f"if {self.n} >= {LONG}", [Suite(f"if {self.most} <= {SHORT}", self.bounded())]
        )
        return [f"left = {self.n}", some, "less = 0", "high = 0", loop]

    def bounded(self) -> list[Node]:
        """Drops what is later than as many elements as are wanted: of columns of the row, which is
        read as a matrix, the least are elements, so the last of so many of them is a bound."""
        lanes, columns = self.lanes, f"for c in range(0, {COLUMNS}, {self.lanes})"
        least = f"minimum(load(keys, then + c, {lanes}), load(keys, i + c, {lanes}))"
        move: list[Node] = [
            "before = load(keys, then + k - 1, 1)",
            Suite("if scalar(before <= e)", ["break"]),
            "store(keys, then + k, before)",
            "k = k - 1",
        ]
        one: list[Node] = ["e = load(keys, then + i, 1)", "k = i"]
        put: list[Node] = [Suite("while k > 0", move), "store(keys, then + k, e)"]
        keep: list[Node] = ["store(keys, k, e)", "k = k + 1"]
        if self.paired:
            keep.insert(0, "store(places, k, load(places, j, 1))")
        drop: list[Node] = ["e = load(keys, j, 1)", Suite("if scalar(e <= bound)", keep)]
        whole = f"{self.n} // {lanes} * {lanes}"
        near = f"if scalar(any_(load(keys, i, {lanes}) <= bound))"
        kept = Suite(near, [Suite(f"for j in range(i, i + {lanes})", drop)])
        return [
            Suite(columns, [f"store(keys, then + c, load(keys, c, {lanes}))"]),
            Suite(
                f"for i in range({COLUMNS}, {self.n} // {COLUMNS} * {COLUMNS}, {COLUMNS})",
                [Suite(columns, [f"store(keys, then + c, {least})"])],
            ),
            Suite(f"for i in range(1, {COLUMNS})", [*one, *put]),
            f"bound = load(keys, then + max({self.most}, 1) - 1, 1)",
            "k = 0",
            Suite(f"for i in range(0, {whole}, {lanes})", [kept]),
            Suite(f"for j in range({whole}, {self.n})", drop),
            "left = k",
        ]

    def counted(self, bits: Bits) -> list[Node]:
        """How often every digit occurs."""
        passes = bits.width // 8
        count: list[Node] = ["e = load(keys, now + i, 1)"]
        for digit in range(passes):
            at = f"scalar((e >> {self.low + 8 * digit}) & 255) + {DIGITS * digit}"
            count += [f"d = {at}", "store(counts, d, load(counts, d, 1) + 1)"]
        clear = f"for d in range(0, {DIGITS * passes}, 16)"
        return [
            Suite(clear, ["store(counts, d, full(0, u32, 16))"]),
            Suite(f"for i in range({self.size})", count),
        ]

    def passes(self, bits: Bits) -> Suite:
        """Moves the elements by each digit that is not the same in all, lowest first."""
        sums: list[Node] = [
            "count = load(counts, base + d, 1)",
            "store(counts, base + d, sum_)",
            "sum_ = sum_ + count",
        ]
        move: list[Node] = [
            "e = load(keys, now + i, 1)",
            "d = base + scalar((e >> shift) & 255)",
            "here = load(counts, d, 1)",
            "p = then + scalar(here)",
            "store(keys, p, e)",
            *(["store(places, p, load(places, now + i, 1))"] if self.paired else []),
            "store(counts, d, here + 1)",
        ]
        differ: list[Node] = [
            "sum_ = full(0, u32, 1)",
            Suite(f"for d in range({DIGITS})", sums),
            Suite(f"for i in range({self.size})", move),
            *swapped(),
        ]
        body: list[Node] = [
            f"base = digit * {DIGITS}",
            f"shift = full(digit * 8 + {self.low}, {self.word}, 1)",
            "d = base + scalar((load(keys, now, 1) >> shift) & 255)",
            Suite(f"if scalar(load(counts, d, 1)) < {self.size}", differ),
        ]
        return Suite(f"for digit in range({bits.width // 8})", body)

    # ---- results

    def by_places(self) -> list[Node]:
        """The wanted operands and the places."""
        lines: list[Node] = [f"p = {self.place('now + i')}"]
        at = "row + i" if self.s.whole else f"unit * {self.most} + i"
        for x, y in zip(self.s.inputs, self.s.outputs, strict=True):
            if y:
                found = f"load({self.buffer(x)}, row + p, 1)"
                lines.append(f"store({self.buffer(y)}, {at}, {found})")
        if self.s.order:
            lines.append(f"store({self.buffer(self.s.order)}, {at}, full(p, u64, 1))")
        return [Suite(f"for i in range({self.most})", lines)]

    def decoded(self) -> list[Node]:
        """The only operand from its ordinals."""
        (bits,), (x,), (y,) = self.bits, self.s.inputs, self.s.outputs
        assert y is not None

        def body(mask: str) -> list[Node]:
            o = self.slots.names.numbered("o")
            return [
                f"{o} = cast({self.read('keys', 'now + i', mask)}, {bits.unsigned})",
                self.write(self.buffer(y), "row + i", bits.element(o), mask),
            ]

        lines = self.vectors(body)
        return [*lines, self.repaired(bits, x, y)] if bits.dtype in FLOATS else lines

    def repaired(self, bits: Bits, x: Buffer, y: Buffer) -> Suite:
        """Zeros and NaN once more, with the bits and in the order that they had."""
        b, size = self.slots.names.numbered("b"), self.n
        lines = repairs(bits, b, self.buffer(x), self.buffer(y), size)
        return Suite("if scalar(any_(odd))", lines)


def swapped() -> list[Node]:
    return ["other = now", "now = then", "then = other"]


# ---------------------------------------------------------------- searches


def lower_search(s: Searching, target: Target) -> Lowered:
    """Bisection for a vector of elements at once."""
    slots, bits = bit_slots(s), Bits(s.x.dtype)
    lanes = max(1, target.bits // 64) * 2
    blocks = -(-s.wanted.size // lanes)
    n, m = slots.extent(s.length), slots.extent(s.wanted)
    steps = slots.number("steps", "steps", s.length.size.bit_length())
    x, v, y = (slots.buffer(b.name) for b in (s.x, s.v, s.out))
    b, c = slots.names.numbered("b"), slots.names.numbered("b")
    bisect: list[Node] = [
        "middle = (low + high) >> 1",
        f"{c} = gather({x}, minimum(middle, {n} - 1) + row * {n})",
        f"less = ({bits.ordinal(c)} {'<=' if s.right else '<'} wanted) & (low < high)",
        "low = select(less, middle + 1, low)",
        "high = select(less, high, middle)",
    ]
    every = f"(({m} + {lanes - 1}) // {lanes})"
    unit: list[Node] = [
        f"row = unit // {every}",
        f"i = unit % {every} * {lanes}",
        f"tail = first({m} - i, {lanes})",
        f"{b} = load_where({v}, row * {m} + i, tail, 0)",
        f"wanted = {bits.ordinal(b)}",
        f"low = full(0, i64, {lanes})",
        f"high = full({n}, i64, {lanes})",
        Suite(f"for step in range({steps})", bisect),
        f"store_where({y}, row * {m} + i, cast(low, u64), tail)",
    ]
    text = slots.function(s, [Suite("for unit in range(start, stop)", unit)])
    points = s.rows.size * blocks
    cost = lanes * s.length.size.bit_length() * 6
    grain = max(1, min(points, CLAIM_CYCLES // max(cost, 1)))
    moved = sum(k.size * NUMPY[k.dtype].itemsize for k in s.buffers)
    return Lowered(text, tuple(slots.values), points, grain, 0, points * cost, moved)
