"""The loop over sequences whose derivative in reverse mode keeps a few carries only.

Forward mode and vmap know nothing of it: of a checkpointed scan they make one. Divided for reverse
mode, it runs once and keeps the carries before some turns (`kept`); the linear half is the whole
loop again, which nobody runs, with what was kept beside its operands. Transposed, that is the loop
over the turns, last first: each has its carries computed again, then its own cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Sample, Value, apply_all
from ...ir.symbolic import accumulate, present, zeros
from ...ir.types import Type
from ...ir.walk import inline_graph
from ...transform.split import divided, split
from ..elementwise import add, cast, eq, mul, sub
from ..gather import take
from ..source import constant
from ..transcendental import sin
from .bodies import (
    Marks,
    body_of,
    chosen,
    fresh,
    grown,
    moving,
    others,
    read_by,
    spread,
    waiting,
    with_zeros,
)
from .equivalent import equivalent
from .late import Checkpointed, DirectedScan, Late
from .revolve import CarryStack, count_value, kept_turns, plus_count, room, row, silent, with_row
from .scan import Halves, Scan, node_of

Values = Sequence[Value]


class CheckpointedScan(Checkpointed, DirectedScan):
    """A scan whose derivative keeps `checkpoints` carries, and computes the others again"""

    checkpoints: int

    def halves(self, node: Node, marked: Marks) -> Halves:
        """The scan of what does not depend on a marked operand, which keeps carries, and the whole
        one, which gives the rest."""
        found = ScanDivision.of(self, marked)
        if not any(found.late):
            return Halves(node.values, found.late)
        args = others(node.args, found.marks)
        early = list(found.swept(args))
        kept = early[len(found.late) - sum(found.late) :]
        whole = apply_all(late_scan(self, len(kept)), *node.args, *kept)
        first = iter(early)
        values = (w if yes else next(first) for w, yes in zip(whole, found.late, strict=True))
        places = (*range(len(node.args)), *(None for _ in kept))
        return Halves(tuple(values), found.late, node_of(whole[0]), places)

    def transposed_rest(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        half = self.halves(node, linear)
        if half.node is None:
            return (None,) * len(linear)
        given = tuple(ct if yes else None for ct, yes in zip(cts, half.late, strict=True))
        marks = tuple(i is not None and linear[i] for i in half.places)
        return half.node.op.transpose(half.node, given, marks)[: len(linear)]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        v = Type("f64", (3,))

        def rnn(w: Value, h: Value, x: Value) -> tuple[Value, ...]:
            h = sin(add(mul(w, h), x))
            return h, mul(h, x)

        body = body_of("step", (v, v, v), rnn)
        for length, checkpoints, reverse in ((5, 2, False), (5, 1, True), (1, 3, False)):
            types = v, v, Type("f64", (length, 3))
            yield Sample(cls(body, 1, 1, length, reverse, checkpoints), types)
        yield Sample(cls(body, 1, 1, 0, False, 2), (v, v, Type("f64", (0, 3))))
        element = body_of("element", (v,), lambda x: (mul(x, x), x))
        yield Sample(cls(element, 0, 0, 3, False, 2), (Type("f64", (3, 3)),))
        yield Sample(
            cls(body, 1, 1, 3, False, 0), (v, v, Type("f64", (3, 3))),
            error="checkpointed_scan: 1 checkpoint or more is required, got 0",
        )  # fmt: skip


class LateScan(Late, CheckpointedScan):
    """A checkpointed scan; the last `kept` operands are carries that another run of it has kept"""

    kept: int

    @property
    def whole(self) -> CheckpointedScan:
        return CheckpointedScan(
            self.body, self.consts, self.carries, self.length, self.reverse, self.checkpoints
        )

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        found = Node(self.whole, tuple(map(Value, self.operands_of(args)))).types
        if any(t.shape[:1] != (self.rows,) for t in self.rest(args)):
            raise ProgramError(
                f"late_scan: {self.rows} of every kept carry are required, got {args[-1]}"
            )
        return found

    @property
    def rows(self) -> int:
        return len(kept_turns(self.length, self.checkpoints))

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """The turns, last first, each after its carries are computed again."""
        args, kept = self.operands_of(node.args), self.rest(node.args)
        half = ScanDivision.of(self.whole, self.operands_of(linear))
        marks, k, op = half.marks, self.carries, half.whole
        cts = tuple(ct if yes else None for ct, yes in zip(cts, half.late, strict=True))
        consts, carries, sequences = self.parts(marks)

        def step(active: Marks) -> tuple[bool, ...]:
            return moving(spread(op.pulled(marks, active, cts)[3][1], carries))

        active = grown(moving(cts[:k]), step)
        fixed, carried, stacks, found = op.pulled(marks, active, cts)
        added = present(found[0])
        totals = fresh(added)
        like = self.parts(self.body.inputs)[1]
        last = with_zeros(spread(found[1], carries), like, active)
        turn = Graph.of(
            f"{self.body.name}_transpose",
            (*half.read(fixed), *totals, *carried, *stacks),
            (*map(accumulate, totals, added), *present(last), *present(found[2])),
        )
        ends = present(with_zeros(cts[:k], node.values[:k], active))
        first = (*map(zeros, totals), *ends)
        made = iter(half.back(turn, others(args, marks), kept, first, present(cts[k:])))
        of_consts = tuple(next(made) if ct else None for ct in found[0])
        of_carries = spread(made, active)
        of_sequences = tuple(next(made) if ct else None for ct in found[2])
        given_carries = self.parts(self.operands_of(linear))[1]
        return (
            *spread(of_consts, consts),
            *(ct if yes else None for ct, yes in zip(of_carries, given_carries, strict=True)),
            *spread(of_sequences, sequences),
            *(None for _ in kept),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for s in CheckpointedScan.samples():
            if not s.error:
                op = s.op
                assert isinstance(op, CheckpointedScan)
                yield Sample(late_scan(op, 0), s.types)
        v, many = Type("f64", (3,)), Type("f64", (4, 3))
        body = body_of("step", (v, v), lambda h, x: (mul(sin(h), x),))
        op = late_scan(CheckpointedScan(body, 0, 1, 4, False, 2), 1)
        yield Sample(op, (v, many, Type("f64", (3, 3))))
        yield Sample(
            op, (v, many, many),
            error="late_scan: 3 of every kept carry are required, got f64[4, 3]",
        )  # fmt: skip


def late_scan(op: CheckpointedScan, kept: int) -> LateScan:
    return LateScan(**op.params, kept=kept)


@dataclass(frozen=True)
class ScanDivision:
    """A checkpointed scan divided at marked operands.

    `whole`: the scan to run again, inner ops divided. `early`: the half that depends on no marked
    operand. `states`: which carries of that the other half needs; `advance` gives them.
    """

    whole: CheckpointedScan
    marks: tuple[bool, ...]  # of operands, with the carries that come to depend on marked ones
    late: tuple[bool, ...]
    early: CheckpointedScan
    states: tuple[int, ...]
    advance: Graph

    @staticmethod
    def of(op: CheckpointedScan, marked: Marks) -> ScanDivision:
        marks, k = op.moved(marked), op.carries
        late = (*op.parts(marks)[1], *waiting(op.body, marks)[k:])
        body = divided(op.body, marks)
        first, _ = split(body, marks, late)
        count = len(late) - sum(late)
        given = [len(others(part, part)) for part in op.parts(marks)]
        outs = Graph.of(first.name, first.inputs, first.outputs[:count])
        early = replace(op, body=outs, consts=given[0], carries=given[1])
        carries, residuals = first.outputs[: given[1]], first.outputs[count:]

        def step(live: Marks) -> tuple[bool, ...]:
            return tuple(early.parts(read_by(first, (*residuals, *chosen(carries, live))))[1])

        live = grown((False,) * given[1], step)
        states = tuple(j for j, yes in enumerate(live) if yes)
        again = replace(op, body=silent(body))
        half = ScanDivision(again, marks, late, early, states, first)
        advance = Graph.of("advance", half.read(first.inputs), [carries[j] for j in states])
        return replace(half, advance=silent(advance))

    @property
    def turns(self) -> list[int]:
        return kept_turns(self.early.length, self.early.checkpoints)

    def read(self, xs: Sequence[Value]) -> tuple[Value, ...]:
        """Of what stands for the unmarked operands, without carries that are no states."""
        consts, carries, sequences = self.early.parts(xs)
        return *consts, *(carries[j] for j in self.states), *sequences

    def element(self, x: Value, turn: Value) -> Value:
        """The element of a sequence that a turn takes."""
        last = count_value(self.early.length - 1)
        return row(x, sub(last, turn) if self.early.reverse else turn)

    # ---- forward

    def swept(self, args: Sequence[Value]) -> tuple[Value, ...]:
        """The results of the early half, then the carries that it keeps."""
        if not self.states or not self.turns:
            carries = self.early.parts(args)[1]
            kept = (room(carries[j], len(self.turns)) for j in self.states)
            return *apply_all(self.early, *args), *kept
        return equivalent(args, self.keeping, self.kept_of_all)

    def keeping(self, *args: Value) -> Sequence[Value]:
        """The early half, with rows for what it keeps among its carries."""
        early, k = self.early, self.early.carries
        consts, carries, sequences = early.parts(args)
        turns = constant(np.array(self.turns, np.int64))

        def step(fixed: Values, carries: Values, elements: Values) -> tuple[Values, Values]:
            own, (turn, place), rows = carries[:k], carries[k : k + 2], carries[k + 2 :]
            found = inline_graph(early.body, (*fixed[:-1], *own, *elements))
            # before a kept turn every carry is written to its row: the last one stays
            written = [with_row(b, place, own[j]) for b, j in zip(rows, self.states, strict=True)]
            onward = add(place, cast(eq(row(fixed[-1], place), turn), "i64"))
            return (*found[:k], plus_count(turn, 1), onward, *written), found[k:]

        rows = (room(carries[j], len(self.turns)) for j in self.states)
        first = (*carries, count_value(0), count_value(0), *rows)
        found = scanned(early, step, (*consts, turns), first, sequences)
        return *found[:k], *found[len(first) :], *found[k + 2 : len(first)]

    def kept_of_all(self, *args: Value) -> Sequence[Value]:
        """The same, of the carries before all turns."""
        early, s = self.early, len(self.states)
        body = early.body
        states = (early.parts(body.inputs)[1][j] for j in self.states)
        body = Graph.of(body.name, body.inputs, (*body.outputs, *states))
        found = apply_all(replace(early, body=body), *args)
        places = constant(np.array([early.order[t] for t in self.turns], np.int64))
        count = len(found) - s
        return *found[:count], *(take(x, places, 0) for x in found[count:])

    # ---- backward

    def back(
        self, turn: Graph, args: Values, kept: Values, first: Values, further: Values
    ) -> tuple[Value, ...]:
        """The results of the loop over `turn`, last turn first, of the unmarked operands, what is
        kept of them, the first carries and the sequences of cotangents.

        turn: (constants, states, elements, carries, cotangents) -> (carries, stacked)
        """
        c, s = self.early.consts, len(self.states)
        args = self.read(args)
        given = args[:c], kept, args[c : c + s], args[c + s :], first, further

        def recomputing(*xs: Value) -> Sequence[Value]:
            return self.recomputed(turn, parts_like(xs, given))

        def meaning(*xs: Value) -> Sequence[Value]:
            return self.remembered(turn, parts_like(xs, given))

        every = [x for part in given for x in part]
        if not self.states or not self.turns:
            return tuple(meaning(*every))
        return equivalent(every, recomputing, meaning)

    def recomputed(self, turn: Graph, given: Sequence[Values]) -> tuple[Value, ...]:
        """By what is kept: the states of each turn are computed again."""
        consts, kept, _, sequences, first, further = given
        early, c, e = self.early, len(consts), len(sequences)
        start = CarryStack.of_schedule(self.turns, kept)
        count = 1 + len(start.values)

        def step(fixed: Values, carries: Values, elements: Values) -> tuple[Values, Values]:
            at, stack, own = carries[0], start.with_values(carries[1:count], None), carries[count:]
            stack = stack.up_to(at, early.checkpoints, fixed, self.advanced)
            read = (*fixed[:c], *stack.carries, *elements[:e], *own, *elements[e:])
            found = inline_graph(turn, read)
            after = plus_count(at, -1), *stack.popped().values, *found[: len(own)]
            return after, found[len(own) :]

        carries = (count_value(early.length - 1), *start.values, *first)
        flipped = replace(early, reverse=not early.reverse)
        found = scanned(flipped, step, (*consts, *sequences), carries, (*sequences, *further))
        return found[count:]

    def remembered(self, turn: Graph, given: Sequence[Values]) -> tuple[Value, ...]:
        """By the states before all turns: a scan that stacks them, and one that reads them."""
        consts, _, states, sequences, first, further = given
        early, c, s = self.early, len(consts), len(states)
        inputs = self.advance.inputs
        body = Graph.of("advance", inputs, (*self.advance.outputs, *inputs[c : c + s]))
        ahead = replace(early, body=body, carries=s)
        stacks = apply_all(ahead, *consts, *states, *sequences)[s:] if s else ()
        fixed, before, elements, own, rest = parts_like(
            turn.inputs, (consts, states, sequences, first, further)
        )
        body = replace(turn, inputs=(*fixed, *own, *before, *elements, *rest))
        flipped = replace(early, body=body, carries=len(first), reverse=not early.reverse)
        return apply_all(flipped, *consts, *first, *stacks, *sequences, *further)

    def advanced(
        self, consts: Sequence[Value], turn: Value, states: Sequence[Value]
    ) -> Sequence[Value]:
        """The states after a turn, of constants and whole sequences."""
        c = self.early.consts
        elements = (self.element(x, turn) for x in consts[c:])
        return inline_graph(self.advance, (*consts[:c], *states, *elements))


def parts_like(xs: Values, like: Sequence[Values]) -> list[Values]:
    """`xs` in parts as long as those of `like`."""
    found = iter(xs)
    return [tuple(islice(found, len(part))) for part in like]


def scanned(
    like: Scan,
    step: Callable[[Values, Values, Values], tuple[Values, Values]],
    consts: Values,
    carries: Values,
    sequences: Values,
) -> tuple[Value, ...]:
    """The scan of carries, stacked = step(constants, carries, elements), as long as `like`."""
    elements = [Value(Type(x.dtype, x.shape[1:])) for x in sequences]
    fixed, own = fresh(consts), fresh(carries)
    after, stacked = step(fixed, own, elements)
    body = Graph.of(like.body.name, (*fixed, *own, *elements), (*after, *stacked))
    op = Scan(body, len(consts), len(carries), like.length, like.reverse)
    return apply_all(op, *consts, *carries, *sequences)
