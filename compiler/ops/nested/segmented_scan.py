"""The loop over sequences of whose turns reverse mode computes the first ones again, in segments.

Nothing knows of it but reverse mode: forward mode and vmap make one of one. Divided, it becomes a
loop over segments, each a region that keeps nothing (`Checkpoint`), and a loop over the turns that
are left, which keeps everything. So the carries before each segment are kept, and what is read of
the turns of one segment while that is worked on; each of its turns runs once more. With two levels
a segment is such a loop again, and so on: less is kept, and every level runs all turns once more.
Loops inside of it have a level less, and are plain where there is none left.

Of m turns, c bytes of carries and r that are read of each turn, segments of about sqrt(m c / r)
turns need the least, 2 sqrt(m c r) instead of m r. In general L levels that each divide in k parts
keep L k c bytes, and r of each of the m / k^L turns that are left: the least is at
k^(L + 1) = m r / c, where a segment of the first level has m / k turns.
Source: Chen, Xu, Zhang and Guestrin, Training deep nets with sublinear memory cost, 2016.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Sample, Value, apply_all
from ...ir.types import Type
from ...ir.walk import everywhere, rebuild
from ...transform.split import divided_at
from ..elementwise import add, mul
from ..transcendental import sin
from ..view import concatenate, reshape, slice_
from .bodies import Marks, body_of, fresh
from .checkpoint import Checkpoint
from .late import DirectedScan
from .scan import Scan

EVERY = 1024  # turns of which every number of segments is weighed
WEIGHED = 32  # lengths of segments that are weighed of more turns, and as many numbers of them


class SegmentedScan(DirectedScan):
    """A scan of which reverse mode computes the first `rerun` turns in segments, again"""

    rerun: int
    levels: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not 0 <= self.rerun <= self.length or self.levels < 1:
            raise ProgramError(
                f"segmented_scan: at most {self.length} turns again in 1 level or more are "
                f"required, got {self.rerun} in {self.levels}"
            )
        return super().type(*args)

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """That of the loop over segments."""
        op = replace(self.plain, body=with_levels(self.body, self.levels - 1))
        inputs = fresh(node.args)
        found = looped(op, inputs, self.rerun, self.levels, costs_of(op, node.args, marked))
        return divided_at(node, Graph.of(self.body.name, inputs, found), marked)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        v = Type("f64", (3,))

        def rnn(w: Value, h: Value, x: Value) -> tuple[Value, ...]:
            y = sin(add(mul(w, h), x))
            return mul(y, h), mul(sin(y), sin(mul(x, x)))

        body = body_of("step", (v, v, v), rnn)
        for length, again, levels, reverse in (
            (7, 7, 1, False), (7, 5, 1, True), (9, 9, 2, False), (1, 1, 1, False), (0, 0, 1, False),
        ):  # fmt: skip
            types = v, v, Type("f64", (length, 3))
            yield Sample(cls(body, 1, 1, length, reverse, again, levels), types)
        element = body_of("element", (v,), lambda x: (mul(x, sin(x)),))
        yield Sample(cls(element, 0, 0, 4, False, 4, 1), (Type("f64", (4, 3)),))
        yield Sample(
            cls(element, 0, 0, 4, False, 5, 1), (Type("f64", (4, 3)),),
            error="segmented_scan: at most 4 turns again in 1 level or more are required, got 5",
        )  # fmt: skip


@everywhere
def with_levels(graph: Graph, levels: int) -> Graph:
    """The graph whose loops have no more levels than that; with none they are plain."""

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        op = node.op
        if not isinstance(op, SegmentedScan):
            return None
        op = replace(op, levels=min(op.levels, levels)) if levels else op.plain
        return apply_all(op, *here.args)

    return rebuild(graph, change)


def looped(
    op: Scan, args: Sequence[Value], turns: int, levels: int, costs: Costs
) -> tuple[Value, ...]:
    """The results of `op`: the first `turns` in segments, whose regions keep nothing."""
    size = costs.segment(turns, levels)
    if not size:
        return apply_all(op, *args)
    count = turns // size
    consts, carries, sequences = op.parts(args)
    first, rest = sequence_parts(op, sequences, count * size)
    stacks = [reshape(x, (count, size, *x.shape[1:])) for x in first]
    given = *consts, *carries, *stacks
    inputs = tuple(map(Value, op.inside([x.type for x in given])))
    own, inner = fresh(inputs), replace(op, length=size)
    segment = Graph.of(op.body.name, own, looped(inner, own, size, levels - 1, costs))
    region = apply_all(Checkpoint(segment, ("nothing_saveable",), 0, False), *inputs)
    outer = replace(op, body=Graph.of(op.body.name, inputs, region), length=count)
    found = apply_all(outer, *given)
    last = found[: op.carries]
    ys = [reshape(y, (count * size, *y.shape[2:])) for y in found[op.carries :]]
    if not (left := op.length - count * size):
        return *last, *ys
    found = apply_all(replace(op, length=left), *consts, *last, *rest)
    pairs = zip(ys, found[op.carries :], strict=True)
    joined = (concatenate(*pair[:: -1 if op.reverse else 1], axis=0) for pair in pairs)
    return *found[: op.carries], *joined


def sequence_parts(
    op: Scan, sequences: Sequence[Value], turns: int
) -> tuple[list[Value], list[Value]]:
    """The elements of the first `turns`, and those of the others."""
    border = op.length - turns if op.reverse else turns

    def between(x: Value, start: int, stop: int) -> Value:
        within = x.shape[1:]
        return slice_(x, (start, *(0 for _ in within)), (stop, *within))

    before = [between(x, 0, border) for x in sequences]
    after = [between(x, border, op.length) for x in sequences]
    return (after, before) if op.reverse else (before, after)


# ---------------------------------------------------------------- how long segments are


class Costs(NamedTuple):
    """Bytes of the carries, and of what reverse mode reads of each turn."""

    carries: int
    turn: int

    def segment(self, turns: int, levels: int) -> int:
        """How many turns a segment has; 0 where it takes the least to keep everything."""
        return least_bytes(self, turns, levels)[1]


@functools.lru_cache(4096)
def least_bytes(costs: Costs, turns: int, levels: int) -> tuple[int, int]:
    """The fewest bytes for `turns`, and the length of the segments that need them.

    100 turns that carry 1 byte, and of which 4 are read each, keep 400 bytes. In one level they are
    20 segments of 5 turns, 20 * 1 + 5 * 4 = 40 bytes; in two levels 10 segments of 10 turns, each
    of them 5 of 2, 10 * 1 + 5 * 1 + 2 * 4 = 23 bytes; in three 18.
    """
    everything = turns * costs.turn, 0
    if not levels or not everything[0]:
        return everything
    weighed: list[tuple[int, int]] = [everything]
    for size in sorted(lengths(costs, turns, levels)):
        kept = turns // size * costs.carries + turns % size * costs.turn
        weighed.append((kept + least_bytes(costs, size, levels - 1)[0], size))
    return min(weighed)


def lengths(costs: Costs, turns: int, levels: int) -> set[int]:
    """The lengths of segments that are weighed: of every number of them the greatest.

    A longer one costs no more, a turn more in every segment and less beside them. Of many turns
    those are weighed that are near the best there was if lengths need not be whole.
    """
    if turns <= EVERY:
        return {turns // count for count in range(1, turns + 1)}
    ratio = costs.carries / costs.turn
    near = max(1.0, turns ** (levels / (levels + 1)) * ratio ** (1 / (levels + 1)))
    counts = *sizes_near(turns / near, turns), *(turns // size for size in sizes_near(near, turns))
    return {turns // count for count in counts}


def sizes_near(near: float, most: int) -> range:
    """Numbers from half to twice of one."""
    low, high = max(1, min(most, int(near / 2))), min(most, int(2 * near) + 1)
    return range(low, high + 1, max(1, (high - low) // WEIGHED))


def costs_of(op: Scan, args: Sequence[Value], marked: Marks) -> Costs:
    """What a scan would keep, divided at marked operands."""
    carries = sum(v.type.nbytes for v in op.parts(args)[1])
    node = op.halves(Node(op, tuple(args)), marked).node
    if node is None or not isinstance(node.op, Scan):
        return Costs(carries, 0)
    read = (x for x in node.op.parts(node.args)[2] if x not in args)
    return Costs(carries, sum(x.type.nbytes for x in read) // max(op.length, 1))
