"""Axes with names: which axis of one value is which of another, and graphs where they are shorter.

    names = AxisNames(graph.users())
    names.give(scores, ((0,), (1,), (2,)))     # axis 0 is the one of name 0, ...
    names.spread([scores], travels)            # through what reads and makes such values

An axis is made of factors in C order: merging batch and heads makes one of two names, and is still
known by both. What no name reaches has none. A node whose axes would have two names is foreign: no
name goes through it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from ..ir.graph import Node, Op, Value, apply
from ..ir.types import Type
from ..ops.contract import DotGeneral
from ..ops.elementwise import Elementwise
from ..ops.family import Reduce
from ..ops.random import BitsAt
from ..ops.source import Full, Iota
from ..ops.view import Broadcast, Concatenate, Copy, Flip, Pad, Permute, Reshape, Slice

Factor = tuple[int, int]
"""A name, or NONE, and a size."""
NONE = -1
Axis = tuple[Factor, ...]
Place = tuple[Value, int]
"""An axis of a value."""


class SplitName(Exception):
    """A reshape divides an axis of a name into several."""

    def __init__(self, name: int, sizes: tuple[int, ...]) -> None:
        super().__init__(name, sizes)
        self.name, self.sizes = name, sizes


class ForeignNode(Exception):
    """The axes of a node cannot have the names that they would have."""


KNOWN = (Elementwise, BitsAt, Copy, Broadcast, Permute, Reshape, Reduce, DotGeneral, Slice, Pad,
         Flip, Concatenate, Full, Iota)  # fmt: skip
"""The ops that there is a rule for."""


def nameless_axis(size: int) -> Axis:
    """An axis without a name."""
    return ((NONE, size),) if size != 1 else ()


def joined_factors(factors: Sequence[Factor]) -> Axis:
    """The same axis, factors without a name as one, those of one element left out."""
    found: list[Factor] = []
    for name, size in factors:
        if size == 1:
            continue
        if name == NONE and found and found[-1][0] == NONE:
            found[-1] = (NONE, found[-1][1] * size)
        else:
            found.append((name, size))
    return tuple(found)


@dataclass(eq=False)
class AxisNames:
    """The names of axes by value; None is an axis of which nothing is known."""

    users: Mapping[Value, Sequence[Node]]
    of: dict[Value, list[Axis | None]] = field(default_factory=dict)
    foreign: set[Node] = field(default_factory=set)

    def known(self, at: Place) -> Axis | None:
        v, d = at
        return () if v.shape[d] == 1 else self.of[v][d] if v in self.of else None

    def axes(self, value: Value) -> list[Axis]:
        """Of a value; what is not known has no name."""
        known = (self.known((value, d)) for d in range(value.type.ndim))
        return [
            nameless_axis(n) if x is None else x for x, n in zip(known, value.shape, strict=True)
        ]

    def names(self, value: Value) -> set[int]:
        return {name for axis in self.axes(value) for name, _ in axis if name != NONE}

    def whole(self, value: Value) -> bool:
        """Whether all axes of a value have names."""
        return value in self.of and NONE not in {n for x in self.axes(value) for n, _ in x}

    def give(self, value: Value, axes: Sequence[Axis | None]) -> None:
        self.of[value] = list(axes)

    def spread(self, start: Sequence[Value], travels: Callable[[Value], bool]) -> None:
        """Gives names to all that reads or makes a value that `travels`, from `start` on."""
        waiting = list(start)
        while waiting:
            v = waiting.pop()
            if travels(v):
                for node in (*([v.node] if v.node else ()), *self.users.get(v, ())):
                    waiting += self.step(node)

    def step(self, node: Node) -> list[Value]:
        """Gives names to the axes of one node; the values that know more now."""
        if node in self.foreign or not isinstance(node.op, KNOWN):
            return []
        try:
            new = self.learned(node)
        except ForeignNode:
            self.foreign.add(node)
            return []
        for (v, d), axis in new.items():
            self.of.setdefault(v, [None] * v.type.ndim)[d] = axis
        return list(dict.fromkeys(v for v, _ in new))

    def learned(self, node: Node) -> dict[Place, Axis]:
        """The axes of a node that are known by others of it."""
        new: dict[Place, Axis] = {}

        def note(at: Place, axis: Axis) -> None:
            known = new.get(at, self.known(at))
            if known is None:
                new[at] = axis
            elif known != axis:
                raise ForeignNode

        for group in same_axes(node):
            known = [x for at in group if (x := self.known(at)) is not None]
            for at in group if known else ():
                note(at, known[0])
        for v, d in nameless_axes(node):
            note((v, d), nameless_axis(v.shape[d]))
        if isinstance(node.op, Reshape):
            for at, axis in self.regrouped(node):
                note(at, axis)
        return new

    def regrouped(self, node: Node) -> Iterator[tuple[Place, Axis]]:
        """The axes of a reshape's one side by those of the other."""
        for here, there in axis_groups(node.args[0], node.out):
            for known, wanted in ((here, there), (there, here)):
                axes = [self.known(at) for at in known]
                if known and wanted and None not in axes:
                    factors = [f for axis in axes if axis for f in axis]
                    yield from zip(wanted, parted_factors(factors, wanted), strict=True)

    def holds(self, node: Node) -> bool:
        """Whether the names around a node fit together; what is not known has none."""
        if node in self.foreign or not isinstance(node.op, KNOWN) or node.op.hosted:
            return False
        axis = lambda at: self.axes(at[0])[at[1]]  # noqa: E731
        if any(len(set(map(axis, group))) > 1 for group in same_axes(node)):
            return False
        if any(axis(at) != nameless_axis(at[0].shape[at[1]]) for at in nameless_axes(node)):
            return False
        if not isinstance(node.op, Reshape):
            return True
        return all(
            joined_factors([f for at in here for f in axis(at)])
            == joined_factors([f for at in there for f in axis(at)])
            for here, there in axis_groups(node.args[0], node.out)
        )


def same_axes(node: Node) -> Iterator[tuple[Place, ...]]:
    """The axes of operands and result of a node that are one."""
    op, args, out = node.op, node.args, node.values[0]
    if isinstance(op, Elementwise | Copy):
        for d in range(out.type.ndim):
            yield ((out, d), *((a, d) for a in args))
    elif isinstance(op, BitsAt):
        yield from (((out, d), (args[1], d)) for d in range(args[1].type.ndim))
        yield from (((out, d), (args[0], d)) for d in range(args[0].type.ndim - 1))
    elif isinstance(op, Broadcast | Reduce):
        large, small = (out, args[0]) if isinstance(op, Broadcast) else (args[0], out)
        kept = (d for d in range(large.type.ndim) if d not in op.axes)
        yield from (((large, d), (small, k)) for k, d in enumerate(kept))
    elif isinstance(op, Permute):
        yield from (((out, d), (args[0], a)) for d, a in enumerate(op.axes))
    elif isinstance(op, DotGeneral):
        at = count()
        for lhs, rhs in zip(*op.batching, strict=True):
            yield (out, next(at)), (args[0], lhs), (args[1], rhs)
        for side, x in enumerate(args):
            yield from (((out, next(at)), (x, d)) for d in op.free(side, x.type.ndim))
        for lhs, rhs in zip(*op.contracting, strict=True):
            yield (args[0], lhs), (args[1], rhs)
    else:
        untouched = set(range(out.type.ndim)) - set(touched_axes(node))
        yield from (((out, d), *((a, d) for a in args)) for d in untouched if args)


def touched_axes(node: Node) -> Iterator[int]:
    """Axes along which a view does more than to repeat, order or group."""
    op = node.op
    for d in range(node.values[0].type.ndim):
        if isinstance(op, Slice):
            cut = (op.start[d], op.stop[d], op.step[d]) != (0, node.args[0].shape[d], 1)
        elif isinstance(op, Pad):
            cut = bool(op.low[d] or op.high[d])
        elif isinstance(op, Flip):
            cut = d in op.axes
        else:
            cut = isinstance(op, Reshape) or (isinstance(op, Concatenate) and d == op.axis)
        if cut:
            yield d


def nameless_axes(node: Node) -> Iterator[Place]:
    """The axes of a node that can have no name."""
    if isinstance(node.op, Slice | Pad | Flip | Concatenate):
        yield from ((v, d) for d in touched_axes(node) for v in (*node.args, node.out))


def axis_groups(x: Value, y: Value) -> Iterator[tuple[list[Place], list[Place]]]:
    """The axes of `x` and of `y` in the fewest groups of as many elements each."""
    sides: tuple[list[Place], list[Place]] = [], []
    sizes, at = [1, 1], [0, 0]
    shapes = x.shape, y.shape
    if 0 in x.shape:
        return
    while at[0] < len(x.shape) or at[1] < len(y.shape):
        k = 0 if at[1] == len(y.shape) or (at[0] < len(x.shape) and sizes[0] <= sizes[1]) else 1
        sides[k].append(((x, y)[k], at[k]))
        sizes[k] *= shapes[k][at[k]]
        at[k] += 1
        if sizes[0] == sizes[1] and all(sides):
            yield sides
            sides, sizes = ([], []), [1, 1]
    if any(sides):
        yield sides


def parted_factors(factors: Sequence[Factor], wanted: Sequence[Place]) -> Iterator[Axis]:
    """The factors divided among axes, in order."""
    rest = list(factors)
    for v, d in wanted:
        size, own = v.shape[d], list[Factor]()
        while size != 1:
            name, n = rest.pop(0)
            if size % n == 0:
                own.append((name, n))
                size //= n
            elif n % size == 0:
                if name != NONE:
                    raise SplitName(name, (size, n // size))
                own.append((name, size))
                rest.insert(0, (name, n // size))
                size = 1
            else:
                raise ForeignNode
        yield joined_factors(own)


# ---------------------------------------------------------------- shorter axes


@dataclass(frozen=True)
class Shorter:
    """Nodes as they are where the axes of some names have other sizes."""

    names: AxisNames
    sizes: Mapping[int, int]

    def axis(self, axis: Axis) -> int:
        return math.prod(self.sizes.get(name, n) for name, n in axis)

    def shape(self, value: Value) -> tuple[int, ...]:
        return tuple(map(self.axis, self.names.axes(value)))

    def shortened(self, node: Node, args: Sequence[Value]) -> Value:
        """The result of a node on shorter operands."""
        return apply(self.op(node), *args)

    def op(self, node: Node) -> Op:
        op, shape = node.op, self.shape(node.out)
        if isinstance(op, Broadcast | Reshape):
            return replace(op, shape=shape)
        if isinstance(op, Full | Iota):
            return replace(op, of=Type(op.of.dtype, shape))
        if isinstance(op, Slice):
            cut = set(touched_axes(node))
            stop = (
                s if d in cut else n for d, (s, n) in enumerate(zip(op.stop, shape, strict=True))
            )
            return replace(op, stop=tuple(stop))
        return op
