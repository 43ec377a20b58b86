"""Which carries of a loop to keep, and how to find the others again: binomial checkpointing.

Reverse mode takes the turns of a loop last first, and needs the carry before each. With room for
`c` carries the one before turn i is computed from the nearest kept one before it; on the way the
room that is free is filled, so that the turns before i need less. Let beta(s, r) = C(s + r, s):
with s carries as many turns are reversed so that none of them runs more than r times. Where n turns
remain and s carries may be kept, the first of them at their start, the next is kept
`stride(n, s)` turns further on. Then all turns together run

    t(l, c) = r l - C(c + r, r - 1) times,   r = min{r : C(c + r, c) >= l}

before the ones that are differentiated, which is the least possible. One carry more is at hand:
that of the last turn before the loop ended.

While it is not known how often a loop runs, every carry is kept at first. When all room is taken,
the first kept carry is dropped without which no turn runs more than r times (`Online`). Up to
beta(c, 2) turns the loop is then reversed in t(l, c), and at any length in at most r l.

Source: Griewank and Walther, Algorithm 799: revolve, 2000. Stumm and Walther, New algorithms for
optimal online checkpointing, 2010. Wang, Moin and Iaccarino, Minimal repetition dynamic
checkpointing algorithm for unsteady adjoint calculation, 2009.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from ...ir.graph import Graph, Node, Value, apply_all
from ...ir.types import Type
from ...ir.walk import everywhere, rebuild
from .. import elementwise
from ..effects import Tie
from ..elementwise import add, floordiv, lt, maximum, minimum, mul, select, sub
from ..gather import dynamic_update_slice, take
from ..reduce import reduce_min
from ..source import constant, full, iota, zero_of
from ..view import broadcast, concatenate, reshape, slice_
from .bodies import fresh
from .while_loop import While

COUNT = Type("i64")

Turn = Callable[[Sequence[Value], Value, Sequence[Value]], Sequence[Value]]
"""From constants, the number of a turn and carries to the carries after it."""


# ---------------------------------------------------------------- schedules


def repetitions(length: int, checkpoints: int) -> int:
    """min{r : C(c + r, c) >= l}: how often a turn runs at most."""
    r = 0
    while comb(checkpoints + r, checkpoints) < length:
        r += 1
    return r


def least_turns(length: int, checkpoints: int) -> int:
    """t(l, c): the turns that it takes to reverse `length` of them, beside those reversed."""
    r = repetitions(length, checkpoints)
    return r * length - comb(checkpoints + r, r - 1) if r else 0


def stride(length: int, checkpoints: int) -> int:
    """How far behind the kept carry at the start of `length` turns the next one is kept."""
    if checkpoints <= 1:
        return length - 1
    r, s = repetitions(length, checkpoints), checkpoints
    return min(comb(s + r - 1, s), length - comb(s + r - 2, s - 1)) if r else 0


def kept_turns(length: int, checkpoints: int) -> list[int]:
    """The turns before which the carry is kept while the loop runs, the last turn among them."""
    found = [0] if length else []
    while found and found[-1] < length - 1:
        room = checkpoints - len(found) + 1
        found.append(found[-1] + stride(length - found[-1], room))
    return found


# ---------------------------------------------------------------- values of programs


def count_value(value: int) -> Value:
    return full(value, COUNT)


def plus_count(x: Value, value: int) -> Value:
    return add(x, count_value(value))


def row(x: Value, index: Value) -> Value:
    """x[index]"""
    return take(x, index, 0)


def with_row(x: Value, index: Value, y: Value) -> Value:
    """x with x[index] = y"""
    starts = (index, *(count_value(0) for _ in y.shape))
    return dynamic_update_slice(x, reshape(y, (1, *y.shape)), starts)


def room(of: Value, rows: int) -> Value:
    """An array for `rows` values."""
    return full(zero_of(of.type), Type(of.dtype, (rows, *of.shape)))


def loop(
    name: str,
    consts: Sequence[Value],
    carries: Sequence[Value],
    test: Callable[[Sequence[Value], Sequence[Value]], Value],
    step: Callable[[Sequence[Value], Sequence[Value]], Sequence[Value]],
) -> tuple[Value, ...]:
    """carries = step(consts, carries) while test(consts, carries)"""
    n = len(consts)
    asked, given = fresh((*consts, *carries)), fresh((*consts, *carries))
    condition = Graph.of(f"{name}_test", asked, (test(asked[:n], asked[n:]),))
    body = Graph.of(name, given, step(given[:n], given[n:]))
    return apply_all(While(condition, body, n), *consts, *carries)


def strided(length: Value, checkpoints: Value) -> Value:
    """`stride` of numbers that are known when the program runs."""

    def test(consts: Sequence[Value], carries: Sequence[Value]) -> Value:
        return lt(carries[3], consts[0])

    def step(consts: Sequence[Value], carries: Sequence[Value]) -> Sequence[Value]:
        r, _, before, last = carries
        r = plus_count(r, 1)
        return r, before, last, floordiv(mul(last, add(consts[1], r)), r)

    # with one checkpoint there is no question: as if nothing was to be found
    sought = select(lt(count_value(1), checkpoints), length, count_value(0))
    first = count_value(0), count_value(0), count_value(0), count_value(1)
    _, two, one, _ = loop("binomial", (sought, checkpoints), first, test, step)
    found = minimum(one, sub(length, sub(one, two)))
    return select(lt(count_value(1), checkpoints), found, plus_count(length, -1))


@everywhere
def silent(graph: Graph) -> Graph:
    """The graph for one more time: it asks for no effects that no result needs."""

    def change(node: Node, here: Node) -> Sequence[Value] | None:
        return here.args[:1] if isinstance(node.op, Tie) else None

    return rebuild(graph, change)


# ---------------------------------------------------------------- kept carries


@dataclass(frozen=True)
class CarryStack:
    """Carries that are kept, a stack: `depth` of them, those before the turns at `turns`.

    The k-th is a row of each of `buffers`: the k-th, or the one that `rows` says.
    """

    depth: Value
    turns: Value
    rows: Value | None
    buffers: tuple[Value, ...]

    @staticmethod
    def of_schedule(turns: Sequence[int], buffers: Sequence[Value]) -> CarryStack:
        """What a loop of known length keeps."""
        return CarryStack(
            count_value(len(turns)), constant(np.array(turns, np.int64)), None, tuple(buffers)
        )

    @property
    def values(self) -> tuple[Value, ...]:
        return (self.depth, self.turns, *self.buffers)

    def with_values(self, values: Sequence[Value], rows: Value | None) -> CarryStack:
        return CarryStack(values[0], values[1], rows, tuple(values[2:]))

    def place(self, index: Value) -> Value:
        return index if self.rows is None else row(self.rows, index)

    @property
    def turn(self) -> Value:
        """The turn that the last kept carries belong before."""
        return row(self.turns, plus_count(self.depth, -1))

    @property
    def carries(self) -> tuple[Value, ...]:
        """The last kept carries."""
        place = self.place(plus_count(self.depth, -1))
        return tuple(row(b, place) for b in self.buffers)

    def pushed(self, turn: Value, carries: Sequence[Value]) -> CarryStack:
        place = self.place(self.depth)
        pairs = zip(self.buffers, carries, strict=True)
        buffers = tuple(with_row(b, place, x) for b, x in pairs)
        turns = with_row(self.turns, self.depth, turn)
        return CarryStack(plus_count(self.depth, 1), turns, self.rows, buffers)

    def popped(self) -> CarryStack:
        return CarryStack(plus_count(self.depth, -1), self.turns, self.rows, self.buffers)

    def up_to(
        self, turn: Value, checkpoints: int, consts: Sequence[Value], advance: Turn
    ) -> CarryStack:
        """With the carries before `turn` as the last ones, and free room filled on the way."""
        n = len(consts)
        rows = () if self.rows is None else (self.rows,)

        def ends(consts: Sequence[Value], carries: Sequence[Value]) -> Value:
            return lt(self.with_values(carries, None).turn, consts[n])

        def fill(consts: Sequence[Value], carries: Sequence[Value]) -> Sequence[Value]:
            kept = self.with_values(carries, consts[n + 1] if rows else None)
            start = kept.turn
            left = sub(plus_count(consts[n], 1), start)
            free = sub(count_value(checkpoints + 1), kept.depth)
            end = add(start, strided(left, free))
            found = carries_after("advance", consts[:n], start, end, kept.carries, advance)
            return kept.pushed(end, found).values

        found = loop("restore", (*consts, turn, *rows), self.values, ends, fill)
        return self.with_values(found, self.rows)


def carries_after(
    name: str,
    consts: Sequence[Value],
    start: Value,
    end: Value,
    carries: Sequence[Value],
    advance: Turn,
) -> tuple[Value, ...]:
    """The carries after turns `start` to `end`."""
    n = len(consts)

    def test(consts: Sequence[Value], carries: Sequence[Value]) -> Value:
        return lt(carries[0], consts[n])

    def step(consts: Sequence[Value], carries: Sequence[Value]) -> Sequence[Value]:
        return plus_count(carries[0], 1), *advance(consts[:n], carries[0], carries[1:])

    return loop(name, (*consts, end), (start, *carries), test, step)[1:]


@dataclass(frozen=True)
class Online:
    """What a loop keeps while it is not known how often it runs.

    `most`: behind each kept carry but the last, how many turns further the one after the next may
    be so that none of them runs more than `repeated` times; beta(s, r - 1) of them.
    """

    kept: CarryStack
    repeated: Value
    most: Value

    @staticmethod
    def start(carries: Sequence[Value], checkpoints: int) -> Online:
        rows = checkpoints + 1
        turns = full(0, Type("i64", (rows,)))
        buffers = tuple(room(x, rows) for x in carries)
        kept = CarryStack(count_value(0), turns, iota(turns.type, 0), buffers)
        return Online(kept, count_value(1), full(1, Type("i64", (checkpoints,))))

    @property
    def values(self) -> tuple[Value, ...]:
        rows = self.kept.rows
        assert rows is not None
        return (self.repeated, self.most, rows, *self.kept.values)

    def with_values(self, values: Sequence[Value]) -> Online:
        return Online(self.kept.with_values(values[3:], values[2]), values[0], values[1])

    def with_turn(self, turn: Value, carries: Sequence[Value]) -> Online:
        """With the carries before `turn`; where there is no room for them others are dropped."""
        kept, (c,) = self.kept, self.most.shape
        assert kept.rows is not None
        behind = concatenate(slice_(kept.turns, (2,), (c + 1,)), reshape(turn, (1,)), axis=0)
        fits = elementwise.le(sub(behind, slice_(kept.turns, (0,), (c,))), self.most)
        places = iota(self.most.type, 0)
        first = reduce_min(select(fits, places, full(c, places.type)), (0,))
        full_now = lt(count_value(c), kept.depth)
        again = elementwise.and_(full_now, elementwise.eq(first, count_value(c)))
        dropped = plus_count(select(lt(first, count_value(c)), first, count_value(0)), 1)
        dropped = select(full_now, dropped, count_value(c))
        # those behind the dropped one move up, and its row is the last
        at = iota(kept.turns.type, 0)
        later = elementwise.le(broadcast(dropped, at.shape, (0,)), at)
        moved = minimum(add(at, elementwise.cast(later, "i64")), full(c, at.type))
        order = select(
            elementwise.eq(at, full(c, at.type)), broadcast(dropped, at.shape, (0,)), moved
        )
        s = sub(full(c, places.type), places)
        r = broadcast(self.repeated, s.shape, (0,))
        more = floordiv(mul(self.most, add(s, r)), maximum(r, full(1, r.type)))
        most = select(broadcast(again, more.shape, (0,)), more, self.most)
        repeated = add(self.repeated, elementwise.cast(again, "i64"))
        rows = take(kept.rows, order, 0)
        turns = take(kept.turns, order, 0)
        depth = minimum(kept.depth, count_value(c))
        return Online(
            CarryStack(depth, turns, rows, kept.buffers).pushed(turn, carries), repeated, most
        )
