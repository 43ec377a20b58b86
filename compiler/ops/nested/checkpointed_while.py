"""The loop of unknown length whose derivative in reverse mode keeps a few carries.

As a checkpointed scan, it runs once for reverse mode, and keeps carries on the way (`Online`), with
the turns that they belong before and how many turns there were. Transposed, the turns run last
first, each after its carries are computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Sample, Value, apply_all
from ...ir.source import location
from ...ir.symbolic import accumulate, present, zeros
from ...ir.types import Type
from ...ir.walk import inline_graph
from ...transform.split import divided, split
from ...transform.transpose import pullback
from ..elementwise import add, ge, lt, mul
from ..source import full
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
from .late import Checkpointed, Late
from .revolve import CarryStack, Online, count_value, plus_count, silent
from .while_loop import While


class CheckpointedWhile(Checkpointed, While):
    """A while loop whose derivative keeps `checkpoints` carries, and computes the others again"""

    checkpoints: int

    @property
    def plain(self) -> While:
        return While(self.condition, self.body, self.consts)

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """The loop of what depends on no marked operand, which keeps carries, and the whole one,
        which gives the rest."""
        half = WhileDivision.of(self, marked)
        if half is None:
            return node.values, (True,) * len(node.values)
        if not any(half.late):
            return node.values, half.late
        early, kept = half.swept(others(node.args, half.marks))
        whole = apply_all(late_while(self, len(kept)), *node.args, *kept)
        first = iter(early)
        pairs = zip(whole, half.late, strict=True)
        return tuple(w if yes else next(first) for w, yes in pairs), half.late

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """Where a carry is not linear, what depends on it alone runs first."""
        values, late = self.split(node, linear)
        whole = next((v.node for v, yes in zip(values, late, strict=True) if yes), None)
        if whole is None:
            return (None,) * len(linear)
        if not isinstance(whole.op, LateWhile):
            raise ProgramError(
                "while_loop: a condition that depends on no tangent is required in reverse mode",
                location(node.source),
            )
        rest = (False,) * whole.op.kept
        return whole.op.transpose(whole, cts, (*linear, *rest))[: len(linear)]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        v, n = Type("f64", (3,)), Type("i64")
        types = v, v, n

        def turn(w: Value, x: Value, i: Value) -> tuple[Value, ...]:
            return sin(add(mul(w, x), w)), add(i, full(1, n))

        for count, checkpoints in ((0, 2), (1, 1), (5, 2), (4, 9)):
            test = body_of("few", types, lambda w, x, i, m=count: (lt(i, full(m, n)),))
            op = cls(test, body_of("turn", types, turn), 1, checkpoints)
            yield Sample(op, types, values=(None, None, 0))
        yield Sample(
            replace(op, checkpoints=0), types,
            error="checkpointed_while: 1 checkpoint or more is required, got 0",
        )  # fmt: skip


class LateWhile(Late, CheckpointedWhile):
    """A checkpointed while loop; the last `kept` operands are what another run of it has kept:
    how often it ran, how many carries there are, before which turns, in which rows, and they"""

    kept: int

    @property
    def whole(self) -> CheckpointedWhile:
        return CheckpointedWhile(self.condition, self.body, self.consts, self.checkpoints)

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        found = Node(self.whole, tuple(map(Value, self.operands_of(args)))).types
        if self.kept < 1 or args[len(found) + self.consts] != Type("i64"):
            raise ProgramError("late_while: how often the loop ran is required, an i64")
        return found

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """The turns, last first, each after its carries are computed again."""
        args, kept = self.operands_of(node.args), self.rest(node.args)
        half = WhileDivision.of(self.whole, self.operands_of(linear))
        assert half is not None
        marks, n = half.marks, self.consts
        cts = tuple(ct if yes else None for ct, yes in zip(cts, half.late, strict=True))

        def step(active: Marks) -> tuple[bool, ...]:
            return moving(half.pulled(active)[3])

        active = grown(moving(cts), step)
        fixed, carried, of_consts, of_carries = half.pulled(active)
        added = present(of_consts)
        totals = fresh(added)
        last = present(with_zeros(of_carries, self.body.outputs, active))
        turn = Graph.of(
            f"{self.body.name}_transpose",
            (*half.read(fixed), *totals, *carried),
            (*map(accumulate, totals, added), *last),
        )
        first = (*map(zeros, totals), *present(with_zeros(cts, node.values, active)))
        made = iter(half.back(turn, others(args, marks), kept, first))
        sums = tuple(next(made) if ct else None for ct in of_consts)
        ends = zip(spread(made, active), self.operands_of(linear)[n:], strict=True)
        return *sums, *(ct if yes else None for ct, yes in ends), *(None for _ in kept)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        count = Type("i64")
        for s in CheckpointedWhile.samples():
            if not s.error:
                assert isinstance(s.op, CheckpointedWhile)
                late = late_while(s.op, 1)
                yield Sample(late, (*s.types, count), values=(*s.values, 5))
                wrong = "late_while: how often the loop ran is required"
                yield Sample(late, (*s.types, Type("f64")), error=wrong)


class ReversedWhile(While):
    """carry = body(constants, carry) while condition(constants, carry), which reverse mode made"""

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The results, where no derivative will be taken any more."""
        return apply_all(While(self.condition, self.body, self.consts), *node.args)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        raise ProgramError(
            "while_loop: its gradient has no derivative in reverse mode, only in forward mode",
            location(node.source),
            "wl.jvp or wl.jacfwd of the gradient, or lax.fori_loop with Python ints as bounds",
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for s in CheckpointedWhile.samples():
            if not s.error:
                op = s.op
                assert isinstance(op, CheckpointedWhile)
                yield replace(s, op=cls(op.condition, op.body, op.consts))


def late_while(op: CheckpointedWhile, kept: int) -> LateWhile:
    return LateWhile(**op.params, kept=kept)


@dataclass(frozen=True)
class WhileDivision:
    """A checkpointed while loop divided at marked operands.

    `whole`: the loop to run again, inner ops divided. `early`: the half that depends on no marked
    operand. `states`: which carries of that the other half needs; `advance` gives them.
    """

    whole: CheckpointedWhile
    marks: tuple[bool, ...]  # of operands, with the carries that come to depend on marked ones
    early: While
    states: tuple[int, ...]
    advance: Graph

    @property
    def late(self) -> tuple[bool, ...]:
        return self.marks[self.whole.consts :]

    @staticmethod
    def of(op: CheckpointedWhile, marked: Marks) -> WhileDivision | None:
        """None where the condition depends on a marked operand."""
        n = op.consts
        late = grown(marked[n:], lambda carries: waiting(op.body, (*marked[:n], *carries)))
        marks = (*marked[:n], *late)
        if any(waiting(op.condition, marks)):
            return None
        condition, _ = split(op.condition, marks, (False,))
        body = divided(op.body, marks)
        first, _ = split(body, marks, late)
        count, consts = len(late) - sum(late), n - sum(marks[:n])
        outs = Graph.of(first.name, first.inputs, first.outputs[:count])
        carries, residuals = first.outputs[:count], first.outputs[count:]

        def step(live: Marks) -> tuple[bool, ...]:
            return read_by(first, (*residuals, *chosen(carries, live)))[consts:]

        live = grown((False,) * count, step)
        states = tuple(j for j, yes in enumerate(live) if yes)
        early = ReversedWhile(condition, outs, consts)
        again = replace(op, body=silent(body))
        half = WhileDivision(again, marks, early, states, first)
        advance = Graph.of("advance", half.read(first.inputs), [carries[j] for j in states])
        return replace(half, advance=silent(advance))

    def read(self, xs: Sequence[Value]) -> tuple[Value, ...]:
        """Of what stands for the unmarked operands, without carries that are no states."""
        consts = self.early.consts
        return *xs[:consts], *(xs[consts + j] for j in self.states)

    def pulled(self, active: Marks) -> tuple[tuple[Any, ...], ...]:
        """Fixed inputs, cotangents of active carries, and those of constants and of carries."""
        body, n = self.whole.body, self.whole.consts
        fixed = fresh(others(body.inputs, self.marks))
        carried = fresh(chosen(body.outputs, active))
        found = pullback(body, self.marks, fixed, spread(carried, active))
        every = spread(found, self.marks)
        return fixed, carried, every[:n], every[n:]

    def swept(self, args: Sequence[Value]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """The results of the early half, and what it keeps."""
        early, c = self.early, self.early.consts
        carries = args[c:]
        k = len(carries)
        start = Online.start([carries[j] for j in self.states], self.whole.checkpoints)
        values = start.values if self.states else ()
        given = (*carries, count_value(0), *values)

        def step(consts: Sequence[Value], carries: Sequence[Value]) -> tuple[Value, ...]:
            own, turn = carries[:k], carries[k]
            found = inline_graph(early.body, (*consts, *own))
            if not self.states:
                return *found, plus_count(turn, 1)
            kept = start.with_values(carries[k + 1 :])
            kept = kept.with_turn(turn, [own[j] for j in self.states])
            return *found, plus_count(turn, 1), *kept.values

        inputs, asked = fresh((*args[:c], *given)), fresh((*args[:c], *given))
        test = Graph.of(early.condition.name, asked, inline_graph(early.condition, asked[: c + k]))
        body = Graph.of(early.body.name, inputs, step(inputs[:c], inputs[c:]))
        found = apply_all(ReversedWhile(test, body, c), *args[:c], *given)
        turns, values = found[k], found[k + 1 :]
        if not self.states:
            return found[:k], (turns,)
        kept = start.with_values(values).kept
        assert kept.rows is not None
        return found[:k], (turns, kept.depth, kept.turns, kept.rows, *kept.buffers)

    def back(
        self, turn: Graph, args: Sequence[Value], kept: Sequence[Value], first: Sequence[Value]
    ) -> tuple[Value, ...]:
        """The carries, `first` at first, after all turns, last turn first.

        turn: (constants, states, carries) -> carries.
        """
        consts, ran = args[: self.early.consts], kept[0]
        c, states = len(consts), bool(self.states)
        stack = CarryStack(kept[1], kept[2], kept[3], tuple(kept[4:])) if states else None
        fixed = (*consts, *((kept[3],) if states else ()))
        given = (plus_count(ran, -1), *(stack.values if stack else ()), *first)
        n = len(given) - len(first)

        def step(fixed: Sequence[Value], carries: Sequence[Value]) -> tuple[Value, ...]:
            at, own = carries[0], carries[n:]
            if stack is None:
                return plus_count(at, -1), *inline_graph(turn, (*fixed, *own))
            here = stack.with_values(carries[1:n], fixed[c])
            here = here.up_to(at, self.whole.checkpoints, fixed[:c], self.advanced)
            found = inline_graph(turn, (*fixed[:c], *here.carries, *own))
            return plus_count(at, -1), *here.popped().values, *found

        inputs, asked = fresh((*fixed, *given)), fresh((*fixed, *given))
        test = Graph.of(f"{turn.name}_test", asked, (ge(asked[len(fixed)], count_value(0)),))
        body = Graph.of(turn.name, inputs, step(inputs[: len(fixed)], inputs[len(fixed) :]))
        return apply_all(ReversedWhile(test, body, len(fixed)), *fixed, *given)[n:]

    def advanced(
        self, consts: Sequence[Value], turn: Value, states: Sequence[Value]
    ) -> Sequence[Value]:
        """The states after a turn."""
        return inline_graph(self.advance, (*consts, *states))
