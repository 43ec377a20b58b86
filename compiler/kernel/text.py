"""Expressions and maps as text. Shared nodes are named once, so the text grows with the DAG.

    x[1024*i + j]                                    a load
    x[64*clip(label[i], 1000) + j]                   with a computed index part, clamped to 0..999
    y[64*within(label[i], 1000) + j]                 written where the part is within 0..999
    (x[j - 1] if 0 <= j - 1 < 10 else 0.0)           with a guard
    index(4*i + j)   index(j, i32)                   the value of an affine map
    t0 = exp(x[j] - m)                               a shared value, named
    a * b + 1.0    fma(a, b, c)    cast(a, f64)      operations
    f32(1.0)                                         a number whose dtype no operand tells

`Numbers` decides how strides, offsets and extents are spelled: as they are here, by argument names
in lowered code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .expr import At, Axis, Buffer, Const, Expr, Guard, Index, Leaf, Load, Map, Result, walk
from .scalar import OPS


class Numbers:
    """Spells every number as it is. `of` tells whose map it is: a buffer's, guard's or index's."""

    def buffer(self, b: Buffer) -> str:
        return str(b)

    def extent(self, a: Axis) -> str:
        return str(a.size)

    def total(self, a: Axis, total: int) -> str:
        return str(total)

    def stride(self, of: str, m: Map, axis: str) -> str:
        return str(m.stride(axis))

    def offset(self, of: str, m: Map) -> str:
        return str(m.offset)

    def part(self, part: tuple[int, Expr, int]) -> tuple[str, str]:
        """Stride and size of a computed part of an index."""
        return str(part[0]), str(part[2])

    def bounds(self, g: Guard) -> tuple[str, str]:
        return str(g[1]), str(g[2])

    def constant(self, c: Const) -> str:
        return repr(c.value)


PLAIN = Numbers()


def spell_map(m: Map, of: str = "", numbers: Numbers = PLAIN, extra: Iterable[str] = ()) -> str:
    """`1024*i + j`."""
    terms = [a if s == 1 else f"{numbers.stride(of, m, a)}*{a}" for a, s in m.strides]
    terms += [*extra, *([numbers.offset(of, m)] if m.offset else [])]
    return " + ".join(terms).replace("+ -", "- ") or "0"


def spell_extent(a: Axis, numbers: Numbers = PLAIN) -> str:
    size = numbers.extent(a)
    if a.segment:
        ends = (spell_map(e.map, e.buffer.name, numbers) for e in a.ends)
        first, last = (f"{a.segment[0].name}[{m}]" for m in ends)
        return f"{first}, {last}, {size}"
    return f"min({size}, {numbers.total(a, a.split[1])} - {size}*{a.split[0]})" if a.split else size


class Texts:
    """Texts of expressions, and the lines that name shared ones."""

    def __init__(self, roots: Iterable[Expr], taken: set[str], numbers: Numbers = PLAIN) -> None:
        roots = list(roots)
        self.users = Counter(a for e in walk(*roots) for a in e.args)
        self.users.update(roots)
        self.taken, self.numbers = taken, numbers
        self.texts: dict[Expr, str] = {}
        self.sums: set[Expr] = set()  # texts that need parentheses beside an operator
        self.lines: list[str] = []

    def __call__(self, root: Expr) -> str:
        """The text of `root`; what it shares with others gets a line first."""
        for e in walk(root):
            if e in self.texts:
                continue
            text = self.leaf(e) if isinstance(e, Leaf) else self.operation(e)
            if self.users[e] > 1 and not isinstance(e, Const | Result):
                name = next(
                    f"t{k}" for k in range(len(self.taken) + 1) if f"t{k}" not in self.taken
                )
                self.taken.add(name)
                self.lines.append(f"{name} = {text}")
                text = name
            elif not isinstance(e, Leaf) and OPS[e.op].infix:
                self.sums.add(e)
            self.texts[e] = text
        return self.texts[root]

    def operation(self, e: Expr) -> str:
        op = OPS[e.op]
        args = [self.operand(e, k) for k in range(len(e.args))]
        if op.infix:
            return f"{args[0]} {op.infix} {args[1]}"
        return f"{e.op}({', '.join([*args, *([str(e.param)] if e.param is not None else [])])})"

    def operand(self, e: Expr, k: int) -> str:
        """A number stands bare beside an operand of its dtype."""
        a = e.args[k]
        siblings = e.args[1:] if e.op == "select" and k else e.args
        told = e.op != "cast" and any(
            not isinstance(s, Const) and s.dtype == a.dtype for s in siblings
        )
        if isinstance(a, Const) and told:
            return self.numbers.constant(a)
        return f"({self.texts[a]})" if OPS[e.op].infix and a in self.sums else self.texts[a]

    def leaf(self, e: Leaf) -> str:
        match e:
            case Const():
                return f"{e.dtype}({self.numbers.constant(e)})"
            case Index():
                of = "" if e.dtype == "i64" else f", {e.dtype}"
                return f"index({spell_map(e.map, 'index', self.numbers)}{of})"
            case Result():
                return f"{e.name}[{', '.join(e.axes)}]" if e.axes else e.name
            case Load():
                place = self.place(e.buffer, e.map, e.at)
                return self.guarded(e, place) if e.guards else place
        raise AssertionError(e)

    def place(self, b: Buffer, m: Map, at: At, beyond: str = "clip") -> str:
        """`x[64*clip(label[i], 1000) + j]`."""
        parts = []
        for part in at:
            stride, size = self.numbers.part(part)
            parts.append(f"{stride}*{beyond}({self.texts[part[1]]}, {size})")
        return f"{b.name}[{spell_map(m, b.name, self.numbers, parts)}]"

    def guarded(self, e: Load, place: str) -> str:
        tests = []
        for g in e.guards:
            low, high = self.numbers.bounds(g)
            tests.append(f"{low} <= {spell_map(g[0], 'guard', self.numbers)} < {high}")
        assert e.fill is not None
        fill = self.numbers.constant(e.fill) if isinstance(e.fill, Const) else self.texts[e.fill]
        return f"({place} if {' and '.join(tests)} else {fill})"
