"""The value of a node at a point, as an expression over the axes of a kernel.

    elementwise   the operation on its operands at the same point
    view          its operand at the point that the view's index map gives, within its guards
    computed      the expression that the op gives, which reads memory at computed places
    stored        a load

The expressions of one reader are a DAG: what is read again at the same point is the same node.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...ir.graph import Node, Value
from ...ir.parameters import bit_key
from ...kernel import NUMPY, Buffer, Const, Expr, Guard, Load, Map, apply
from ...kernel import Index as IndexExpr
from ...kernel.expr import At
from ...kernel.index import CannotFuse, Flat, Index, Piece, Shifted, linear, plus, unravel
from ...ops.family import Computed, Elementwise, View
from ...ops.view import Reshape

TIMES = 4
"""How often a kernel computes one of its values: an image and its mirror, but no windows."""
LONG = 2048
"""Values of a kernel, at all points: views of views of views may ask for any number."""

Request = tuple[Value, Index, tuple[Guard, ...]]
Reading = Generator[Request, Any, Expr]
"""Asks for the elements that it needs, and returns its own."""


@dataclass
class Reader:
    """Expressions of values: `stored` ones are loaded, everything else is computed here.

    `sizes` are those of the axes, `computed` the values that the kernel computes itself, `outer`
    the axes that its stages are in, `buffers` what was loaded, in order, `results` the values
    known at one index. Raises CannotFuse where a value must be in memory, or had better be.
    """

    stored: Container[Value]
    sizes: dict[str, int]
    computed: Container[Value]
    outer: frozenset[str] = frozenset()
    buffers: dict[Value, Buffer] = field(default_factory=dict)
    results: dict[Value, tuple[Index, Expr]] = field(default_factory=dict)
    memo: dict[Request, Expr] = field(default_factory=dict)
    times: Counter[Value] = field(default_factory=Counter)

    def read(self, value: Value, at: Index, guards: tuple[Guard, ...] = ()) -> Expr:
        """The element `at` of `value`; loads happen only where `guards` hold.

        Readings wait for each other on a list, so that no chain of nodes is too long.
        """
        waiting: list[Reading] = [self.reading(value, at, guards)]
        answer = None
        while waiting:
            try:
                request = waiting[-1].send(answer)
            except StopIteration as done:
                waiting.pop()
                answer = done.value
            else:
                waiting.append(self.reading(*request))
                answer = None
        assert answer is not None
        return answer

    def reading(self, value: Value, at: Index, guards: tuple[Guard, ...]) -> Reading:
        if self.loaded(value):
            return Load(self.buffer(value), linear(at, value.shape), guards)
        at = self.spread(value, at)
        key = value, at, guards
        if key not in self.memo:
            if value in self.computed:
                self.times[value] += self.points_of(value, at)
            if self.times[value] > TIMES or len(self.memo) > LONG:
                raise CannotFuse
            if value in self.computed and self.repeated(at):
                raise CannotFuse
            self.memo[key] = yield from self.computing(value, at, guards)
        return self.memo[key]

    def points_of(self, value: Value, at: Index) -> int:
        """How often an element of `value` is computed on average: windows over it overlap."""
        axes = at.map.axes if isinstance(at, Flat) else axes_of_index(at)
        return max(1, math.prod(self.sizes[a] for a in axes) // max(1, value.type.size))

    def offsets(self, value: Value) -> tuple[int, ...]:
        """Where what is loaded begins in `value`, in bytes of it, if that is all of it one after
        the other; else none."""
        begins: dict[Value, int] = {}
        waiting = [(value, 0)]
        while waiting:
            v, start = waiting.pop()
            if self.loaded(v):
                if v in begins:
                    return ()
                begins[v] = start
                continue
            starts = ()
            if v.node is not None and isinstance(v.node.op, View):
                starts = v.node.op.starts(tuple(a.type for a in v.node.args))
            if v.node is None or not starts:
                return ()
            waiting += [(a, start + n) for a, n in zip(v.node.args, starts, strict=True)]
        itemsize = NUMPY[value.dtype].itemsize
        return tuple(begins[v] * itemsize for v in self.buffers if v in begins)

    def repeated(self, at: Index) -> bool:
        """Whether the stages around would compute what is at `at` again at every outer point."""
        axes = at.map.axes if isinstance(at, Flat) else axes_of_index(at)
        return not axes <= self.outer and not self.outer <= axes

    def loaded(self, value: Value) -> bool:
        return value in self.stored and value not in self.computed

    def buffer(self, value: Value) -> Buffer:
        if value not in self.buffers:
            self.buffers[value] = Buffer(f"x{len(self.buffers)}", value.dtype, value.type.size)
        return self.buffers[value]

    def spread(self, value: Value, at: Index) -> Index:
        """A flat index as one per dimension, where that is affine.

        Where it is not, elementwise values and reshapes are read flat.
        """
        if not isinstance(at, Flat):
            return at
        try:
            return unravel(at.map, value.shape, self.sizes)
        except CannotFuse as failed:
            if value.node is not None and isinstance(value.node.op, (Elementwise, Reshape)):
                return at
            failed.value = value
            raise

    def computing(self, value: Value, at: Index, guards: tuple[Guard, ...]) -> Reading:
        if value in self.results:
            index, known = self.results[value]
            if index != at:
                raise CannotFuse
            return known
        node = value.node
        if node is None:
            raise CannotFuse
        op = node.op
        if isinstance(op, Elementwise):
            args = []
            for a in node.args:
                args.append((yield a, at, guards))
            return op.emitted(*args)
        if isinstance(op, View):
            return (yield from self.view(op, node, at, guards))
        if isinstance(op, Computed):

            def read(i: int, index: Sequence[Map | Shifted]) -> Expr:
                return self.element(node.args[i], index, guards)

            return op.element(at, tuple(a.type for a in node.args), value.type, read)
        raise CannotFuse

    def view(self, op: View, node: Node, at: Index, guards: tuple[Guard, ...]) -> Reading:
        pieces = known_pieces(op.pieces(at, tuple(a.type for a in node.args), node.out.type))
        if len(pieces) == 1 and not pieces[0].guards:
            return (yield node.args[pieces[0].operand], pieces[0].index, guards)
        out: Expr = Const(op.fill, node.out.dtype)
        for piece in pieces:
            inside = yield node.args[piece.operand], piece.index, guards + piece.guards
            out = guarded(piece, inside, guards, out)
        return out

    def element(
        self, value: Value, index: Sequence[Map | Shifted], guards: tuple[Guard, ...]
    ) -> Expr:
        """An element whose index may be computed; such a value is in memory."""
        if all(isinstance(m, Map) for m in index):
            return self.read(value, tuple(m for m in index if isinstance(m, Map)), guards)
        if not self.loaded(value):
            raise CannotFuse
        plain, parts = element_place(index, value.shape)
        return Load(self.buffer(value), plain, guards, None, parts)


def axes_of_index(at: Sequence[Map]) -> frozenset[str]:
    """The axes along which an index moves."""
    return frozenset[str]().union(*(m.axes for m in at))


def known_pieces(pieces: Sequence[Piece]) -> list[Piece]:
    """Those whose guards at known places hold, without these."""
    found = []
    for p in pieces:
        known = [low <= m.offset < high for m, low, high in p.guards if not m.strides]
        if all(known):
            rest = tuple(g for g in p.guards if g[0].strides) if known else p.guards
            found.append(Piece(p.operand, p.index, rest))
    return found


def guarded(piece: Piece, inside: Expr, guards: tuple[Guard, ...], other: Expr) -> Expr:
    """`inside` where the guards of its piece hold, `other` elsewhere."""
    if not guards and isinstance(inside, Load) and not inside.at and inside.guards == piece.guards:
        return Load(inside.buffer, inside.map, inside.guards, other)
    if isinstance(other, Const) and is_there(inside, piece.guards, other):
        return inside
    return apply("select", guards_hold(piece.guards), inside, other)


def is_there(e: Expr, guards: tuple[Guard, ...], other: Const) -> bool:
    """Whether `e` is `other` already where guards do not hold: its loads have them too."""
    match e:
        case Const():
            return bit_key(e.value) == bit_key(other.value)
        case Load(at=()):
            fill = Const(0, e.dtype) if e.fill is None else e.fill
            return set(guards) <= set(e.guards) and is_there(fill, (), other)
        case Expr(op="select", args=(_, x, y)):
            return is_there(x, guards, other) and is_there(y, guards, other)
    return False


def guards_hold(guards: tuple[Guard, ...]) -> Expr:
    """Whether all guards hold, as an expression."""
    tests = []
    for m, low, high in guards:
        at = IndexExpr(m)
        tests += [apply("ge", at, low), apply("lt", at, high)]
    out = tests[0]
    for t in tests[1:]:
        out = apply("and_", out, t)
    return out


def element_place(index: Sequence[Map | Shifted], shape: tuple[int, ...]) -> tuple[Map, At]:
    """Where an element stands in C order: an affine part, and computed ones."""
    plain, parts, stride = Map(), [], 1
    for m, n in zip(reversed(index), reversed(shape), strict=True):
        plain = plus(plain, m if isinstance(m, Map) else m.map, stride)
        if isinstance(m, Shifted):
            parts.append((stride, m.by, m.size))
        stride *= n
    return plain, tuple(reversed(parts))
