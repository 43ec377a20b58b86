"""The loop that runs while a condition holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Sample, Value, apply_all
from ...ir.source import location
from ...ir.symbolic import present, repeated
from ...ir.types import Type, spelled
from ...transform.batch import batch
from ...transform.interpreter import interpret
from ...transform.jvp import pushforward
from ...transform.split import split
from .. import elementwise
from ..reduce import reduce_any, reduce_sum
from ..source import full
from .bodies import (
    Control,
    Marks,
    Narrowed,
    body_of,
    by_row,
    chosen,
    conditional_body,
    fresh,
    grown,
    inlined_batch,
    moving,
    narrowed_body,
    of_inputs,
    once,
    read_by,
    reordered,
    spread,
    waiting,
    with_zeros,
)


class While(Control, name="while_loop"):
    """carry = body(constants, carry) while condition(constants, carry)

    Operands: `consts` constants, which both graphs take, then the initial carries. Results: the
    last carries.
    """

    condition: Graph
    body: Graph
    consts: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not 0 <= self.consts <= len(args):
            raise ProgramError(
                f"while_loop: {self.consts} constants are required, got {len(args)} operands"
            )
        of_inputs(self, args, self.condition)
        of_inputs(self, args, self.body)
        if self.condition.types[1] != (Type("bool"),):
            got = spelled(self.condition.types[1]) or "nothing"
            raise ProgramError(
                f"while_loop: a condition that gives one bool is required, got {got}"
            )
        carries, found = args[self.consts :], self.body.types[1]
        if found != carries:
            required, got = spelled(carries) or "nothing", spelled(found) or "nothing"
            raise ProgramError(f"while_loop: a body that gives {required} is required, got {got}")
        return carries

    @property
    def carried(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        return (), tuple((self.consts + j, j) for j in range(len(self.body.outputs)))

    def kinds(self, count: int) -> tuple[str, ...]:
        return (*["constant"] * self.consts, *["carry"] * (count - self.consts))

    def of_graphs(self, graphs: tuple[Graph, ...], constants: int) -> Control:
        condition, body = graphs
        return replace(self, condition=condition, body=body, consts=constants)

    def reference(self, *args: np.ndarray) -> Any:
        consts, carries = args[: self.consts], args[self.consts :]
        while interpret(self.condition, *consts, *carries)[0]:
            carries = interpret(self.body, *consts, *carries)
        return carries

    def applied(self, *args: np.ndarray) -> Iterator[tuple[str, Graph, tuple[np.ndarray, ...]]]:
        consts, carries = args[: self.consts], args[self.consts :]
        for turn in itertools.count():
            given = *consts, *carries
            yield f"condition {turn}", self.condition, given
            if not interpret(self.condition, *given)[0]:
                return
            yield f"turn {turn}", self.body, given
            carries = interpret(self.body, *given)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """A loop of the body and its tangent; the condition reads no tangent."""
        marks, n = moving(tangents), self.consts

        def pushed(carries: Marks) -> tuple[tuple[Any, ...], ...]:
            primals = fresh(self.body.inputs)
            marked = (*marks[:n], *carries)
            slopes = spread(fresh(chosen(primals, marked)), marked)
            return primals, slopes, *pushforward(self.body, primals, slopes)

        carries = grown(marks[n:], lambda marked: moving(pushed(marked)[3]))
        if not any(carries):
            return (None,) * len(node.values)
        primals, slopes, outs, out_slopes = pushed(carries)
        last = present(with_zeros(out_slopes, outs, carries))
        inputs = (*primals[:n], *present(slopes[:n]), *primals[n:], *present(slopes[n:]))
        body = Graph.of(f"{self.body.name}_jvp", inputs, (*outs, *last))
        read = dict(zip(primals, self.condition.inputs, strict=True))
        condition = reordered(self.condition, [read.get(v) or Value(v.type) for v in inputs])
        first = present(with_zeros(tangents[n:], node.args[n:], carries))
        found = apply_all(
            replace(self, condition=condition, body=body, consts=n + sum(marks[:n])),
            *node.args[:n], *present(tangents[:n]), *node.args[n:], *first,
        )  # fmt: skip
        count = len(node.values)
        return *found[:count], *spread(found[count:], carries)

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """The loop of the carries that depend on no marked operand, and the whole loop again.

        How often it runs is not known, so nothing is stacked: the late loop does all the work.
        """
        n = self.consts
        late = grown(marked[n:], lambda carries: waiting(self.body, (*marked[:n], *carries)))
        marks = (*marked[:n], *late)
        if any(waiting(self.condition, marks)):
            return node.values, (True,) * len(late)
        if not all(late) and any(late):
            kept = [i for i, yes in enumerate(marks) if not yes]
            condition, _ = split(self.condition, marks, (False,))
            body, _ = split(self.body, marks, late)
            outs = body.outputs[: len(late) - sum(late)]
            first = Graph.of(body.name, body.inputs, outs)
            early = replace(self, condition=condition, body=first, consts=sum(i < n for i in kept))
            found = iter(apply_all(early, *(node.args[i] for i in kept)))
            again = zip(node.values, late, strict=True)
            return tuple(v if yes else next(found) for v, yes in again), late
        return node.values, late

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        raise ProgramError(
            "while_loop: has no derivative in reverse mode, how often it runs is not known",
            location(node.source),
            "checkpoints=10, say, in the call of the loop, lax.fori_loop with Python ints as "
            "bounds, lax.scan, or wl.jvp",
        )

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """The loop of the batched body; where the condition is batched it runs until all are done,
        and who is done keeps his carry."""
        return self.batched(args, batched, size, None)

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        """A loop that all run alike does not run where no row counts."""
        return self.batched(args, batched, size, on)

    def batched(
        self, args: tuple[Value, ...], batched: Marks, size: int, on: Value | None
    ) -> tuple[Value, ...]:
        n, op = self.consts, self
        given, consts = args[:n], tuple(batched[:n])
        if on is not None:
            given, consts = (on, *given), (True, *consts)
            graphs = conditional_body(self.condition, 0), conditional_body(self.body, 0)
            op = replace(self, condition=graphs[0], body=graphs[1], consts=n + 1)

        def turned(carries: Marks) -> tuple[Graph, tuple[bool, ...]]:
            return batch(op.body, (*consts, *carries), size, carries)

        wide = grown(batched[n:], lambda marks: turned(marks)[1])
        condition, (each,) = batch(op.condition, (*consts, *wide), size, (False,))
        wide = (True,) * len(wide) if each else wide
        missing = [b or not w for b, w in zip(batched[n:], wide, strict=True)]
        first = repeated(args[n:], missing, size)
        if each:
            return self.until_all((*args[:n], *first), batched[:n], size, on)
        if on is not None:
            test = elementwise.and_(condition.outputs[0], reduce_any(condition.inputs[0], (0,)))
            condition = Graph.of(condition.name, condition.inputs, (test,))
        op = replace(op, condition=condition, body=turned(wide)[0])
        return apply_all(op, *given, *first)

    def until_all(
        self, args: tuple[Value, ...], consts: Marks, size: int, on: Value | None
    ) -> tuple[Value, ...]:
        """The loop that runs while any row goes on: a carry says which ones do."""
        n, marks = len(consts), (*consts, *[True] * (len(args) - len(consts)))

        def tested(args: Sequence[Value], on: Value | None) -> Value:
            (more,) = inlined_batch(self.condition, args, marks, size, on)
            return more if on is None else elementwise.and_(more, on)

        going = tested(args, on)
        inputs, asked = (fresh((*args[:n], going, *args[n:])) for _ in range(2))
        fixed, on, old = inputs[:n], inputs[n], inputs[n + 1 :]
        found = inlined_batch(self.body, (*fixed, *old), marks, size, on)
        pairs = zip(found, old, strict=True)
        kept = [elementwise.select(by_row(on, new), new, old) for new, old in pairs]
        more = tested((*fixed, *kept), on)
        body = Graph.of(f"{self.body.name}_batch", inputs, (more, *kept))
        some = reduce_any(asked[n], (0,))
        condition = Graph.of(f"{self.condition.name}_batch", asked, (some,))
        op = replace(self, condition=condition, body=body)
        return apply_all(op, *args[:n], going, *args[n:])[1:]

    def narrowed(self, node: Node, wanted: tuple[bool, ...]) -> Narrowed:
        """Without carries that neither the condition nor a wanted result needs.

        A carry that no turn changes is a constant.
        """
        body, n = self.body, self.consts
        unchanged = {j: n + j for j, o in enumerate(body.outputs) if o is body.inputs[n + j]}
        moved = [j for j in range(len(wanted)) if j not in unchanged]
        tested = read_by(self.condition, self.condition.outputs)

        def reads(carries: Iterable[int]) -> tuple[bool, ...]:
            found = read_by(body, [body.outputs[j] for j in carries])
            return tuple(map(any, zip(found, tested, strict=True)))

        def step(marks: Marks) -> tuple[bool, ...]:
            read = reads(chosen(moved, marks))
            return tuple(read[n + j] for j in moved)

        live = chosen(moved, grown([wanted[j] for j in moved], step))
        fixed = once([*range(n), *(n + j for j in unchanged)], node.args, reads(live))
        consts = sorted(set(fixed.values()))
        operands = (*consts, *(n + j for j in live))
        op = self
        if (len(consts), len(live)) != (n, len(wanted)):
            condition = narrowed_body(self.condition, operands, fixed, (0,))
            less = narrowed_body(body, operands, fixed, live)
            op = replace(self, condition=condition, body=less, consts=len(consts))
        at = {j: i for i, j in enumerate(live)}
        return Narrowed(op, operands, tuple(at.get(j) for j in range(len(wanted))), unchanged)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def below(limit: Value, x: Value, i: Value) -> tuple[Value, ...]:
            total = reduce_sum(elementwise.abs(x), (0,))
            return (elementwise.lt(total, limit),)

        def double(limit: Value, x: Value, i: Value) -> tuple[Value, ...]:
            one = full(1, i.type)
            return elementwise.add(x, elementwise.mul(x, x)), elementwise.add(i, one)

        for dtype in ("f32", "f64", "c128"):
            types = Type(dtype).part, Type(dtype, (3,)), Type("i32")
            op = cls(body_of("below", types, below), body_of("double", types, double), 1)
            for limit in (50.0, -1.0):
                yield Sample(op, types, 0.5, 2.0, values=(limit, None, 0))
        f, n = Type("f64", (2,)), Type("i64")
        few = body_of("few", (f, n), lambda x, i: (elementwise.lt(i, full(3, n)),))
        grow = body_of("grow", (f, n), lambda x, i: (x, elementwise.add(i, full(1, n))))
        yield Sample(cls(few, grow, 0), (f, n))
        yield Sample(
            cls(few, grow, 3), (f, n), error="while_loop: 3 constants are required, got 2 operands"
        )
        yield Sample(
            cls(few, grow, 0),
            (n, f),
            error="while_loop: operands of f64[2] and i64 are required by few, got i64 and f64[2]",
        )
        yield Sample(
            cls(grow, grow, 0),
            (f, n),
            error="while_loop: a condition that gives one bool is required, got f64[2] and i64",
        )
        yield Sample(
            cls(few, few, 0),
            (f, n),
            error="while_loop: a body that gives f64[2] and i64 is required, got bool",
        )
