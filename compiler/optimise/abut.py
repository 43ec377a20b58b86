"""A sum of values padded with zeros that do not overlap is what they are side by side.

What: the gradient of an array that is read element by element is such a sum, as long as there are
readings; each element of it is one of the summands, or zero. Zero is added to it once, so the sign
of a zero is that of the sum. Summands of the same place are summed in their order.
Order: after simplify, which leaves plain sums, before cse. A few summands are left alone: their
reader adds them where it stands.
Before and after: a well-formed graph of the same meaning and bits.
Cost: O(n log n): places are sorted along an axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..ir.graph import Graph, Node, Value
from ..ir.parameters import bit_key
from ..ir.types import Type
from ..ir.walk import everywhere, rebuild
from ..ops.elementwise import Add, add
from ..ops.source import full
from ..ops.view import Pad, concatenate, reshape

FEW = 8
"""Padded summands that one kernel adds where it stands."""


@dataclass(frozen=True)
class Box:
    """A value, and the elements of the sum that it is: from `low` to before `high`."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    value: Value

    def flat(self, shape: tuple[int, ...]) -> Box | None:
        """The same of the sum as one row, if it is one run there."""
        sizes = [b - a for a, b in zip(self.low, self.high, strict=True)]
        first = next((k for k, n in enumerate(sizes) if n > 1), len(sizes))
        if sizes[first + 1 :] != list(shape[first + 1 :]):
            return None
        pitches = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
        start, size = sum(a * p for a, p in zip(self.low, pitches, strict=True)), math.prod(sizes)
        return Box((start,), (start + size,), reshape(self.value, (size,)))


@everywhere
def abut(graph: Graph) -> Graph:
    """`graph` with values side by side in place of long sums of padded ones."""
    sums = padded_sums(graph)
    if not sums:
        return graph
    new: dict[Value, Value] = {}

    def change(old: Node, node: Node) -> Sequence[Value] | None:
        new.update(zip(old.args, node.args, strict=True))
        found = side_by_side(old.out, sums[old], new) if old in sums else None
        return None if found is None else (found,)

    return rebuild(graph, change)


def padded_sums(graph: Graph) -> dict[Node, list[Value]]:
    """The last node of each sum with many padded summands, and the summands in order."""
    users, outputs = graph.users(), frozenset(graph.outputs)

    def inside(v: Value) -> bool:
        """Whether a sum is read by another one alone."""
        return v not in outputs and len(users[v]) == 1 and isinstance(users[v][0].op, Add)

    found: dict[Node, list[Value]] = {}
    for node in graph.nodes:
        if not isinstance(node.op, Add) or inside(node.out):
            continue
        terms, stack = list[Value](), list(reversed(node.args))
        while stack:
            v = stack.pop()
            if v.node is not None and isinstance(v.node.op, Add) and inside(v):
                stack += reversed(v.node.args)
            else:
                terms.append(v)
        if sum(pad_of(v) is not None for v in terms) > FEW:
            found[node] = terms
    return found


def pad_of(v: Value) -> Pad | None:
    """The op of a value that is padded with zeros."""
    op = v.node.op if v.node else None
    zero = bit_key(0.0 if v.type.is_inexact else 0)
    return op if isinstance(op, Pad) and bit_key(op.value) == zero else None


def side_by_side(out: Value, terms: Sequence[Value], new: Mapping[Value, Value]) -> Value | None:
    """The sum of `terms`, if padded ones do not overlap.

    One that is not padded is added to what stands where it is, unless that is a sum itself.
    """
    boxes: dict[tuple[int, ...], Box] = {}
    rest: list[Value] = []
    summed = False
    for v in terms:
        op = pad_of(v)
        if op is None:
            rest.append(new[v])
            continue
        assert v.node is not None
        (x,) = v.node.args
        high = tuple(a + n for a, n in zip(op.low, x.shape, strict=True))
        place, value = (*op.low, *high), new[x]
        if place in boxes:
            value, summed = add(boxes[place].value, value), True
        boxes[place] = Box(op.low, high, value)
    if len(rest) > 1 or (rest and summed):
        return None
    shape = out.shape
    flat = [b.flat(shape) for b in boxes.values()]
    if all(flat):
        size = math.prod(shape)
        row = put_together([b for b in flat if b], Box((0,), (size,), out))
        whole = None if row is None else reshape(row, shape)
    else:
        whole = put_together(list(boxes.values()), Box((0,) * len(shape), shape, out))
    if whole is None:
        return None
    whole = add(whole, blank(whole.type))
    return add(rest[0], whole) if rest else whole


def blank(of: Type) -> Value:
    return full(0.0 if of.is_inexact else 0, of)


def put_together(boxes: list[Box], within: Box) -> Value | None:
    """The value of a box with `boxes` in it and zeros elsewhere, cut along one axis after another;
    None where they overlap, or no axis cuts them apart."""
    shape = tuple(b - a for a, b in zip(within.low, within.high, strict=True))
    if not boxes:
        return blank(within.value.type[shape])
    if len(boxes) == 1 and (boxes[0].low, boxes[0].high) == (within.low, within.high):
        return boxes[0].value
    for axis in range(len(shape)):
        parts = cut(boxes, within, axis)
        if len(parts) > 1:
            values = [put_together(inside, part) for inside, part in parts]
            if any(v is None for v in values):
                return None
            return concatenate(*(v for v in values if v is not None), axis=axis)
    return None


def cut(boxes: list[Box], within: Box, axis: int) -> list[tuple[list[Box], Box]]:
    """The parts of a box along an axis at the ends of what is in it, with what is in each."""
    runs: list[tuple[int, int, list[Box]]] = []
    end = within.low[axis]
    for b in sorted(boxes, key=lambda b: b.low[axis]):
        if b.low[axis] < end and runs:
            first, _, inside = runs[-1]
            end = max(end, b.high[axis])
            inside.append(b)
            runs[-1] = first, end, inside
            continue
        if b.low[axis] > end:
            runs.append((end, b.low[axis], []))
        end = b.high[axis]
        runs.append((b.low[axis], end, [b]))
    if end < within.high[axis]:
        runs.append((end, within.high[axis], []))

    def part(first: int, last: int) -> Box:
        low, high = list(within.low), list(within.high)
        low[axis], high[axis] = first, last
        return Box(tuple(low), tuple(high), within.value)

    return [(inside, part(first, last)) for first, last, inside in runs]
