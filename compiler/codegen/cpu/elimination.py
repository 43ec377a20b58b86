"""Small matrices as text: a matrix a lane, its elements apart in scratch, each a vector.

    read      the elements of as many matrices as there are lanes, and of their right sides
    method    the loops of the textbook; rows change places lane by lane, by selects
    written   the results, or NaN in lanes whose matrix has none

The last unit begins early enough to be whole: what another one wrote it writes again, the same.
Pivots are the largest of their column, found on the way: each row that is larger takes the place of
the row so far. Every element meets the same operations in the same order, whatever the batch is.

Cost: n ** 3 / 3 products and as many selects, 8 bytes of scratch for each element and lane.
Source: Golub and Van Loan, Matrix computations, 2013, algorithms 3.4.1 and 4.2.1.
"""

from __future__ import annotations

from ...kernel.costs import CLAIM_CYCLES
from ...kernel.elimination import Elimination
from ...kernel.scalar import NUMPY
from ..lowered import Lowered
from ..printer import Node, Suite
from ..slots import Slots
from ..target import Target

FEW = 8  # rows up to which two vectors at a time hide what one waits for
LOCALS = (
    "s", "unit", "first_", "bad", "turn", "i", "j", "k", "q", "c", "d", "v", "w", "up", "found",
)  # fmt: skip


def lower_elimination(e: Elimination, target: Target) -> Lowered:
    """The text for one target, and the numbers of this instance."""
    lanes = target.lanes(e.dtype) * (2 if e.n <= FEW else 1)
    while lanes > max(e.batch.size, 1):
        lanes //= 2
    printer = EliminationPrinter(e, lanes)
    text = printer.text()
    units = -(-e.batch.size // lanes)
    steps = e.n**3 // 3 + e.n * e.n * max(e.columns, 1)
    elements = sum(b.size for b in e.buffers)
    cycles = 2 * steps + elements * lanes // max(e.batch.size, 1)
    grain = max(1, min(units, CLAIM_CYCLES // max(cycles, 1)))
    nbytes = NUMPY[e.dtype].itemsize
    scratch = e.n * printer.width * lanes * nbytes
    flops = 2 * steps * e.batch.size
    return Lowered(
        text, tuple(printer.slots.values), units, grain, scratch, flops, elements * nbytes
    )


class EliminationPrinter:
    """Spells one method; `width` elements of a row stand in scratch: a matrix, its right sides."""

    def __init__(self, e: Elimination, lanes: int) -> None:
        self.e, self.lanes = e, lanes
        self.slots = Slots(e.buffers, (e.batch.name,), LOCALS)
        self.n, self.width = e.n, e.n + e.columns
        self.zero, self.nan = (f"full({v}, {e.dtype}, {lanes})" for v in ("0.0", "nan"))

    def text(self) -> str:
        rows = self.slots.extent(self.e.batch)
        body: list[Node] = [
            f"first_ = min(unit * {self.lanes}, {rows} - {self.lanes})",
            f"bad = {self.zero}",
            *getattr(self, self.e.method)(),
        ]
        head: list[Node] = [f"s = address_pointer(scratch, {self.e.dtype})"]
        return self.slots.function(self.e, [*head, Suite("for unit in range(start, stop)", body)])

    # ---- elements

    def place(self, i: str, j: str) -> str:
        return f"({i} * {self.width} + {j}) * {self.lanes}"

    def element(self, i: str, j: str) -> str:
        """An element in scratch."""
        return f"load(s, {self.place(i, j)}, {self.lanes})"

    def keep(self, i: str, j: str, value: str) -> str:
        return f"store(s, {self.place(i, j)}, {value})"

    def each(self, columns: str, body: list[Node]) -> Node:
        """`body` for every row i and column j."""
        return Suite(f"for i in range({self.n})", [Suite(f"for j in range({columns})", body)])

    def brought(self, operand: int, size: int, at: str, to: str, columns: str) -> Node:
        """Element `at` of every lane's matrix of `size` elements, to column `to` of row i.

        Large matrices one after the other: elements that lie powers of 2 apart share a cache line.
        """
        name = self.slots.buffer(self.e.operands[operand].name)
        if self.n <= FEW:
            value = f"load_strided({name}, first_ * {size} + {at}, {size}, {self.lanes})"
            return self.each(columns, [self.keep("i", to, value)])
        value = f"load({name}, (first_ + q) * {size} + {at}, 1)"
        line = f"store(s, {self.place('i', to)} + q, {value})"
        return Suite(f"for q in range({self.lanes})", [self.each(columns, [line])])

    def written(self, columns: int, of: str) -> list[Node]:
        """Column `of` of row i becomes element j of the result's row, NaN where there is none."""
        size, at = self.n * columns, f"i * {columns} + j"
        name = self.slots.buffer(self.e.outs[0].name)
        value = f"{self.element('i', of)} + bad"
        if self.n <= FEW:
            line = f"store_strided({name}, first_ * {size} + {at}, {size}, {value})"
            return [self.each(f"{columns}", [line])]
        one = f"store({name}, (first_ + q) * {size} + {at}, load(s, {self.place('i', of)} + q, 1))"
        return [
            self.each(f"{columns}", [self.keep("i", of, value)]),
            Suite(f"for q in range({self.lanes})", [self.each(f"{columns}", [one])]),
        ]

    def matrix(self, turned: bool = False, columns: str = "") -> list[Node]:
        """Reads the matrix, of each row the `columns`; what is not finite leaves NaN in `bad`."""
        columns = columns or f"{self.n}"
        at = f"j * {self.n} + i" if turned else f"i * {self.n} + j"
        tested = f"bad = bad + {self.element('i', 'j')} * 0.0"
        brought = self.brought(0, self.n * self.n, at, "j", columns)
        return [brought, self.each(columns, [tested])]

    def right_sides(self) -> Node:
        m = self.e.columns
        return self.brought(1, self.n * m, f"i * {m} + j", f"({self.n} + j)", f"{m}")

    def solved(self) -> list[Node]:
        """Writes what the right sides have become."""
        return self.written(self.e.columns, f"({self.n} + j)")

    # ---- methods

    def cholesky(self) -> list[Node]:
        n = self.n
        update = self.keep("i", "j", f"{self.element('i', 'j')} - {self.element('i', 'k')} * w")
        column: list[Node] = [
            f"w = {self.element('j', 'k')}",
            Suite(f"for i in range(j, {n})", [update]),
        ]
        step: list[Node] = [
            f"d = {self.element('k', 'k')}",
            f"bad = select(d > 0.0, bad, {self.nan})",
            "d = sqrt(d)",
            self.keep("k", "k", "d"),
            Suite(
                f"for i in range(k + 1, {n})",
                [self.keep("i", "k", f"{self.element('i', 'k')} / d")],
            ),
            Suite(f"for j in range(k + 1, {n})", column),
        ]
        above = self.keep("i", "j", self.zero)
        return [
            *self.matrix(columns="i + 1"),
            Suite(f"for k in range({n})", step),
            Suite(f"for i in range({n})", [Suite(f"for j in range(i + 1, {n})", [above])]),
            *self.written(n, "j"),
        ]

    def eliminated(self, signed: bool = False) -> list[Node]:
        """An upper triangle of the matrix, and the right sides that belong to it."""
        sign: list[Node] = ["turn = select(up, -turn, turn)"] if signed else []
        exchange: list[Node] = [
            f"v = {self.element('k', 'j')}",
            f"w = {self.element('i', 'j')}",
            self.keep("k", "j", "select(up, w, v)"),
            self.keep("i", "j", "select(up, v, w)"),
        ]
        pivot: list[Node] = [
            f"up = abs_({self.element('i', 'k')}) > abs_({self.element('k', 'k')})",
            *sign,
            Suite(f"for j in range(k, {self.width})", exchange),
        ]
        update = self.keep("i", "j", f"{self.element('i', 'j')} - v * {self.element('k', 'j')}")
        below: list[Node] = [
            f"v = {self.element('i', 'k')} / d",
            Suite(f"for j in range(k + 1, {self.width})", [update]),
        ]
        step: list[Node] = [
            Suite(f"for i in range(k + 1, {self.n})", pivot),
            f"d = {self.element('k', 'k')}",
            f"bad = select(d == 0.0, {self.zero if signed else self.nan}, bad)",
            *(
                [f"d = select(d == 0.0, full(1.0, {self.e.dtype}, {self.lanes}), d)"]
                if signed
                else []
            ),
            Suite(f"for i in range(k + 1, {self.n})", below),
        ]
        return [Suite(f"for k in range({self.n})", step)]

    def solve(self) -> list[Node]:
        backward = self.substituted(lower=False, unit=False)
        sides = self.right_sides()
        return [
            *self.matrix(self.e.transposed), sides, *self.eliminated(), *backward, *self.solved(),
        ]  # fmt: skip

    def inv(self) -> list[Node]:
        at = f"({self.n} + c)"
        identity: list[Node] = [
            Suite(f"for c in range({self.n})", [self.keep("i", at, self.zero)]),
            self.keep("i", f"({self.n} + i)", f"full(1.0, {self.e.dtype}, {self.lanes})"),
        ]
        backward = self.substituted(lower=False, unit=False)
        begin = Suite(f"for i in range({self.n})", identity)
        return [*self.matrix(), begin, *self.eliminated(), *backward, *self.solved()]

    def det(self) -> list[Node]:
        return [
            *self.matrix(),
            f"turn = full(1.0, {self.e.dtype}, {self.lanes})",
            *self.eliminated(signed=True),
            Suite(f"for k in range({self.n})", [f"turn = turn * {self.element('k', 'k')}"]),
            f"store({self.slots.buffer(self.e.outs[0].name)}, first_, turn + bad)",
        ]

    def slogdet(self) -> list[Node]:
        sign, size = (self.slots.buffer(b.name) for b in self.e.outs)
        factor: list[Node] = [
            f"d = {self.element('k', 'k')}",
            "turn = select(d < 0.0, -turn, turn)",
            f"turn = select(d == 0.0, {self.zero}, turn)",
            "w = w + log(abs_(d))",
        ]
        return [
            *self.matrix(),
            f"turn = full(1.0, {self.e.dtype}, {self.lanes})",
            *self.eliminated(signed=True),
            f"w = {self.zero}",
            Suite(f"for k in range({self.n})", factor),
            f"store({sign}, first_, turn + bad)",
            f"store({size}, first_, w + bad)",
        ]

    def triangular_solve(self) -> list[Node]:
        lower = self.e.lower != self.e.transposed
        checked: list[Node] = []
        if not self.e.unit:
            test = f"bad = select({self.element('k', 'k')} == 0.0, {self.nan}, bad)"
            checked = [Suite(f"for k in range({self.n})", [test])]
        return [
            *self.matrix(self.e.transposed),
            *checked,
            self.right_sides(),
            *self.substituted(lower, self.e.unit),
            *self.solved(),
        ]

    def substituted(self, lower: bool, unit: bool) -> list[Node]:
        """The right sides become what a triangle makes them of."""
        n, at = self.n, f"({self.n} + c)"
        known = "j" if lower else f"({n - 1} - j)"
        term = f"v = v - {self.element('k', known)} * {self.element(known, at)}"
        divided = "v" if unit else f"v / {self.element('k', 'k')}"
        one: list[Node] = [
            f"v = {self.element('k', at)}",
            Suite("for j in range(q)", [term]),
            self.keep("k", at, divided),
        ]
        row = "k = q" if lower else f"k = {n - 1} - q"
        return [
            Suite(f"for q in range({n})", [row, Suite(f"for c in range({self.e.columns})", one)])
        ]
