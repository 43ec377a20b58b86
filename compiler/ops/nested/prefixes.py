"""Prefixes by an associative body, of ops that are there: of one size for any length.

A part of the state that is a first-order recurrence of itself, given the parts before it, is one
pass of a kernel along the axis (`recurrences`). Others are combined one after the other, all of a
state at once; where a state has few elements and there are many of them, in chunks side by side:
first the end of each chunk, then the ends of all before it, then every state of it from there on.
Where chunks begin follows from sizes alone.
Source: Blelloch, Prefix sums and their applications, 1990 (chunks).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.graph import Graph, Value, apply_all
from ...transform.batch import batch
from ..elementwise import cast
from ..source import zero_of
from ..view import broadcast, concatenate, flip, pad, reshape, slice_
from .bodies import inlined_batch
from .recurrences import Step, step_of, unviewed
from .scan import Scan, swapped_axes

LONG = 256  # elements from which on chunks pay
LANES = 512  # elements of a state, of all chunks together, that make a turn worth its while
WIDE = 128  # elements of a part from which on a turn of all parts is as good as a pass for each

Values = Sequence[Value]


@dataclass(frozen=True)
class Line:
    """A sequence of `length` along the leading axis, in the order in which it is combined."""

    length: int
    reverse: bool

    def first(self, x: Value) -> Value:
        start = self.length - 1 if self.reverse else 0
        return reshape(between(x, start, start + 1), x.shape[1:])

    def rest(self, x: Value) -> Value:
        return between(x, 0, self.length - 1) if self.reverse else between(x, 1, self.length)

    def before(self, y: Value) -> Value:
        """What stands before each of the rest."""
        return between(y, 1, self.length) if self.reverse else between(y, 0, self.length - 1)

    def joined(self, first: Value, rest: Value) -> Value:
        one = reshape(first, (1, *first.shape))
        return concatenate(*((rest, one) if self.reverse else (one, rest)), axis=0)


def between(x: Value, start: int, stop: int) -> Value:
    """Some of the elements of a sequence."""
    zeros = (0,) * (x.type.ndim - 1)
    return slice_(x, (start, *zeros), (stop, *x.shape[1:]))


def prefixes(body: Graph, consts: Values, xs: Values, reverse: bool) -> tuple[Value, ...]:
    """y[0] = x[0], y[i] = body(constants, y[i - 1], x[i]) of several sequences at once."""
    length, k = xs[0].shape[0], len(xs)
    if length < 2:
        return tuple(xs)
    line, states = Line(length, reverse), body.inputs[len(consts) : len(consts) + k]
    wide = max(v.type.size for v in states) >= WIDE
    steps = [
        None if wide else step_of(body, *pair) for pair in zip(states, body.outputs, strict=True)
    ]
    together, order = ordered(body, len(consts), steps)
    known: dict[int, Value] = {}
    if together:
        part = of_parts(body, len(consts), together)
        found = every_state(part, consts, [xs[j] for j in together], line)
        known.update(zip(together, found, strict=True))
    for j in order:
        step = steps[j]
        assert step is not None
        known[j] = Passes(body, consts, xs, line, known).of(j, step)
    return tuple(known[j] for j in range(k))


def ordered(body: Graph, consts: int, steps: Sequence[Step | None]) -> tuple[list[int], list[int]]:
    """Which parts of a state are combined together, and the others, each after those it reads."""
    k = len(steps)
    reads = [read_parts(body, consts, j) for j in range(k)]
    together = {j for j in range(k) if steps[j] is None}
    while True:
        stack = list(together)
        while stack:
            left, right = reads[stack.pop()]
            new = (left | right) - together
            together |= new
            stack += sorted(new)
        done, order = set(together), list[int]()
        while ready := [j for j in range(k) if j not in done and reads[j][0] <= done | {j}]:
            order += ready[:1]
            done.add(ready[0])
        if len(done) == k:
            return sorted(together), order
        together |= {j for j in range(k) if j not in done}  # they read each other


def read_parts(body: Graph, consts: int, j: int) -> tuple[set[int], set[int]]:
    """Which parts of the left and of the right operand output `j` reads."""
    part, k = Graph.of("", body.inputs, body.outputs[j : j + 1]), len(body.outputs)
    used = {a for n in part.nodes for a in n.args} | set(part.outputs)
    left, right = body.inputs[consts : consts + k], body.inputs[consts + k :]
    return {i for i in range(k) if left[i] in used}, {i for i in range(k) if right[i] in used}


def of_parts(body: Graph, consts: int, parts: Sequence[int]) -> Graph:
    """The body of some parts of the state, which read no others."""
    k = len(body.outputs)
    inputs = (
        *body.inputs[:consts],
        *(body.inputs[consts + side + j] for side in (0, k) for j in parts),
    )
    return Graph.of(body.name, inputs, [body.outputs[j] for j in parts])


# ---------------------------------------------------------------- a pass for a part


@dataclass(frozen=True)
class Passes:
    """The parts of a state as recurrences, each by one pass."""

    body: Graph
    consts: Values
    xs: Values
    line: Line
    known: dict[int, Value]

    def of(self, j: int, step: Step) -> Value:
        """All states of part `j`, those of the parts that it reads being known."""
        x, both = self.xs[j], step.term is not None and step.coefficient is not None
        alone = step.coefficient if step.term is None else step.term
        if alone is None:  # the state never changes
            first = self.line.first(x)
            return broadcast(first, x.shape, (0,))
        coefficient = self.sequence(step.coefficient, None) if step.coefficient and both else None
        found = step.prefixes(coefficient, self.sequence(alone, x), self.line.reverse)
        return cast(found, x.dtype)

    def sequence(self, x: Value, first: Value | None) -> Value:
        """What a value of the body is for every element; for the first what is first in `first`,
        and where that is None, which plays no part, zeros or anything."""
        right, itself = self.body.inputs[len(self.consts) + len(self.xs) :], unviewed(x)
        if itself in right and (first is None or self.xs[right.index(itself)] is first):
            return cast(self.xs[right.index(itself)], x.dtype)
        rest = self.rest(x)
        if first is not None:
            return self.line.joined(cast(self.line.first(first), rest.dtype), rest)
        none = (0,) * rest.type.ndim
        one = (1, *none[1:])
        return pad(rest, *((none, one) if self.line.reverse else (one, none)), zero_of(rest.type))

    def rest(self, x: Value) -> Value:
        """What a value of the body is for every element but the first."""
        c, k = len(self.consts), len(self.xs)
        part = Graph.of("", (), (x,))
        read = {a for n in part.nodes for a in n.args} | {x}
        given = [
            (v, self.operand(i - c, k) if i >= c else self.consts[i], i >= c)
            for i, v in enumerate(self.body.inputs)
            if v in read
        ]
        graph = Graph.of(self.body.name, [v for v, *_ in given], (x,))
        args, marks = [a for _, a, _ in given], [yes for *_, yes in given]
        return inlined_batch(graph, args, marks, self.line.length - 1)[0]

    def operand(self, i: int, k: int) -> Value:
        """The sequence of an operand of the body, of the left one first."""
        return self.line.before(self.known[i]) if i < k else self.line.rest(self.xs[i - k])


# ---------------------------------------------------------------- all parts together


def every_state(body: Graph, consts: Values, xs: Values, line: Line) -> list[Value]:
    """All states, one after the other or in chunks."""
    widest = max(x.type.size for x in xs) // line.length
    count = chunks(line.length, widest)
    firsts = [line.first(x) for x in xs]
    if count == 1:
        rests = in_turn(body, consts, firsts, list(map(line.rest, xs)), line.reverse)
        return list(map(line.joined, firsts, rests))
    if line.reverse:
        xs = [flip(x, (0,)) for x in xs]
    found = in_chunks(body, consts, xs, count)
    return [flip(y, (0,)) for y in found] if line.reverse else found


def chunks(length: int, width: int) -> int:
    """How many chunks there are: as many as make the fewest turns, of states that are not wide."""
    most = min(math.isqrt(length), LANES // max(width, 1))
    if length < LONG or most < 4:
        return 1
    return min(range(2, most + 1), key=lambda n: length // n + n + length % n)


def in_turn(
    body: Graph, consts: Values, firsts: Values, rests: Values, reverse: bool
) -> tuple[Value, ...]:
    """The states behind the first ones, one after the other."""
    turn = Graph.of(body.name, body.inputs, (*body.outputs, *body.outputs))
    op = Scan(turn, len(consts), len(firsts), rests[0].shape[0], reverse)
    return apply_all(op, *consts, *firsts, *rests)[len(firsts) :]


def in_chunks(body: Graph, consts: Values, xs: Values, count: int) -> list[Value]:
    """The states, the first first, by chunks of one size, and what is left in turn."""
    length, k = xs[0].shape[0], len(xs)
    size = length // count
    fixed, every = (False,) * len(consts), (True,) * k
    side = Line(size, False)
    rows = [reshape(between(x, 0, count * size), (count, size, *x.shape[1:])) for x in xs]
    columns = list(map(swapped_axes, rows))  # the chunks side by side
    firsts, rests = list(map(side.first, columns)), list(map(side.rest, columns))
    wide, _ = batch(body, (*fixed, *every, *every), count, every)
    ends = apply_all(Scan(wide, len(consts), k, size - 1, False), *consts, *firsts, *rests)
    ends = [between(x, 0, count - 1) for x in ends]
    before = every_state(body, consts, ends, Line(count - 1, False)) if count > 2 else ends
    after = (between(x, 1, count) for x in firsts)
    marks = (*fixed, *every, *every)
    starts = inlined_batch(body, (*consts, *before, *after), marks, count - 1)
    starts = [concatenate(between(x, 0, 1), y, axis=0) for x, y in zip(firsts, starts, strict=True)]
    states = map(side.joined, starts, in_turn(wide, consts, starts, rests, False))
    found = [reshape(swapped_axes(y), (count * size, *y.shape[2:])) for y in states]
    if count * size == length:
        return found
    last = [reshape(between(y, count * size - 1, count * size), y.shape[1:]) for y in found]
    left = in_turn(body, consts, last, [between(x, count * size, length) for x in xs], False)
    return [concatenate(y, more, axis=0) for y, more in zip(found, left, strict=True)]
