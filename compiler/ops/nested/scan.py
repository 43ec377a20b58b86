"""The loop over sequences of a known length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Sample, Value, apply_all
from ...ir.symbolic import accumulate, node_of, present, repeated, zeros
from ...ir.types import Type, spelled
from ...ir.walk import inline_graph
from ...transform.batch import batch
from ...transform.interpreter import interpret
from ...transform.jvp import pushforward
from ...transform.split import dependents, split
from ...transform.transpose import pullback
from .. import elementwise, transcendental
from ..view import permute
from .bodies import (
    Control,
    Marks,
    Narrowed,
    body_of,
    chosen,
    fresh,
    grown,
    moving,
    narrowed_body,
    of_inputs,
    once,
    others,
    read_by,
    reordered,
    spread,
    waiting,
    with_zeros,
)
from .postponed import Postponed, Total

T = TypeVar("T")


@dataclass(frozen=True)
class Halves:
    """A scan divided: the results, which of them are late, and the node that gives the late ones.

    `places`: which operand of the whole each operand of that node is; None for what crosses.
    """

    values: tuple[Value, ...]
    late: tuple[bool, ...]
    node: Node | None = None
    places: tuple[int | None, ...] = ()


class Scan(Control):
    """carry, y[i] = body(constants, carry, x[i]) for every i, the first first or the last first

    Operands: `consts` constants, `carries` initial carries, sequences with a leading axis of
    `length`. Results: the last carries, then what the body gives beside its carries, stacked.
    """

    body: Graph
    consts: int
    carries: int
    length: int
    reverse: bool

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if any(
            n < 0
            for n in (
                self.consts,
                self.carries,
                self.length,
                len(args) - self.consts - self.carries,
            )
        ):
            raise ProgramError(
                f"scan: {self.consts} constants, {self.carries} carries and a length of 0 or more "
                f"are required, got {len(args)} operands and a length of {self.length}"
            )
        for t in self.parts(args)[2]:
            if t.shape[:1] != (self.length,):
                raise ProgramError(f"scan: a sequence of length {self.length} is required, got {t}")
        of_inputs(self, self.inside(args), self.body)
        results = self.body.types[1]
        wanted = tuple(self.parts(args)[1])
        if results[: self.carries] != wanted:
            got = spelled(results[: self.carries]) or "none"
            raise ProgramError(
                f"scan: a body that gives carries of {spelled(wanted)} is required, got {got}"
            )
        return *wanted, *(self.stacked(t) for t in results[self.carries :])

    def parts(self, xs: Sequence[T]) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
        """What stands for constants, carries and sequences."""
        end = self.consts + self.carries
        return xs[: self.consts], xs[self.consts : end], xs[end:]

    def inside(self, types: Sequence[Type]) -> tuple[Type, ...]:
        """The types of operands as the body sees them."""
        consts, carries, sequences = self.parts(types)
        return *consts, *carries, *(Type(t.dtype, t.shape[1:]) for t in sequences)

    def stacked(self, of: Type) -> Type:
        return Type(of.dtype, (self.length, *of.shape))

    @property
    def carried(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        return (tuple((self.consts + j, j) for j in range(self.carries)),)

    def kinds(self, count: int) -> tuple[str, ...]:
        sequences = count - self.consts - self.carries
        return (*["constant"] * self.consts, *["carry"] * self.carries, *["sequence"] * sequences)

    def of_graphs(self, graphs: tuple[Graph, ...], constants: int) -> Control:
        return replace(self, body=graphs[0], consts=constants)

    def of_pairs(self, graphs: tuple[Graph, ...], constants: int, carries: int) -> Control:
        return replace(self, body=graphs[0], consts=constants, carries=carries)

    @property
    def order(self) -> Sequence[int]:
        """The elements as the turns take them."""
        return range(self.length)[:: -1 if self.reverse else 1]

    def reference(self, *args: np.ndarray) -> Any:
        carries = self.parts(args)[1]
        types = [self.stacked(t) for t in self.body.types[1][self.carries :]]
        stacks = tuple(np.empty(t.shape, t.numpy) for t in types)
        for i in self.order:
            found = interpret(self.body, *self.turn_inputs(args, carries, i))
            carries = found[: self.carries]
            for stack, y in zip(stacks, found[self.carries :], strict=True):
                stack[i] = y
        return *carries, *stacks

    def turn_inputs(
        self, args: Sequence[np.ndarray], carries: Sequence[np.ndarray], i: int
    ) -> tuple[np.ndarray, ...]:
        """What the body takes for element i."""
        consts, _, sequences = self.parts(args)
        return *consts, *carries, *(x[i] for x in sequences)

    def applied(self, *args: np.ndarray) -> Iterator[tuple[str, Graph, tuple[np.ndarray, ...]]]:
        carries = self.parts(args)[1]
        for turn, i in enumerate(self.order):
            given = self.turn_inputs(args, carries, i)
            yield f"turn {turn}", self.body, given
            carries = interpret(self.body, *given)[: self.carries]

    # ---- forward mode

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """A scan of the body and its tangent: carries move that do, by fixed point."""
        if not any(moving(tangents)):
            return (None,) * len(node.values)
        k, (consts, carries, sequences) = self.carries, self.parts(moving(tangents))

        def step(carries: Marks) -> tuple[bool, ...]:
            return moving(self.pushed((*consts, *carries, *sequences))[3][:k])

        carries = grown(carries, step)
        primals, slopes, outs, out_slopes = self.pushed((*consts, *carries, *sequences))
        still = self.length or not any(carries)  # else the first is last
        if still and not any(moving(out_slopes)):
            return (None,) * len(node.values)
        last = present(with_zeros(out_slopes[:k], outs[:k], carries))
        ys, y_slopes = outs[k:], out_slopes[k:]
        inputs = self.beside(primals, slopes)
        body = Graph.of(
            f"{self.body.name}_jvp", inputs, (*outs[:k], *last, *ys, *present(y_slopes))
        )
        first = with_zeros(self.parts(tangents)[1], self.parts(node.args)[1], carries)
        given = [*self.parts(tangents)]
        given[1] = first
        both = replace(self, body=body, consts=self.consts + sum(consts), carries=k + sum(carries))
        found = apply_all(both, *self.beside(node.args, [x for part in given for x in part]))
        end, start = k + len(last), k + len(last) + len(ys)
        return (
            *found[:k], *found[end:start],
            *spread(found[k:end], carries), *spread(found[start:], moving(y_slopes)),
        )  # fmt: skip

    def pushed(self, marks: Marks) -> tuple[tuple[Any, ...], ...]:
        """Inputs, tangents of the marked ones, outputs, and their tangents."""
        primals = fresh(self.body.inputs)
        slopes = spread(fresh(chosen(primals, marks)), marks)
        return primals, slopes, *pushforward(self.body, primals, slopes)

    def beside(self, xs: Sequence[Value], slopes: Sequence[Value | None]) -> tuple[Value, ...]:
        """Constants, carries and sequences, each followed by its tangents."""
        pairs = zip(self.parts(xs), self.parts(slopes), strict=True)
        return tuple(v for some, dsome in pairs for v in (*some, *present(dsome)))

    # ---- two halves

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """A scan that stacks what crosses, and a scan that reads it."""
        found = self.halves(node, marked)
        return found.values, found.late

    def moved(self, marked: Marks) -> tuple[bool, ...]:
        """Marks of operands, with the carries that come to depend on a marked one."""
        consts, carries, sequences = self.parts(tuple(marked))

        def step(carries: Marks) -> tuple[bool, ...]:
            return waiting(self.body, (*consts, *carries, *sequences))[: self.carries]

        return *consts, *grown(carries, step), *sequences

    def halves(self, node: Node, marked: Marks) -> Halves:
        """The scan of what does not depend on a marked operand, and the scan of the rest.

        What crosses is stacked by the first for the second. What depends on constants only crosses
        as one more constant, made outside; elements cross as their sequence.
        """
        marks, k = self.moved(marked), self.carries
        late = (*self.parts(marks)[1], *waiting(self.body, marks)[k:])
        if not any(late):
            return Halves(node.values, late)
        first, second = split(self.body, marks, late)
        count = len(late) - sum(late)
        outs, residuals = first.outputs[:count], first.outputs[count:]
        places = self.parts(range(len(marks)))
        given = [tuple(node.args[i] for i in part if not marks[i]) for part in places]
        own = replace(self, body=first, consts=len(given[0]), carries=len(given[1]))
        consts, _, elements = own.parts(first.inputs)
        varying = dependents(first, [v not in consts for v in first.inputs])
        fixed = [r for r in residuals if r not in varying]
        stacked = [r for r in residuals if r in varying and r not in elements]
        body = Graph.of(first.name, first.inputs, (*outs, *stacked))
        early = apply_all(replace(own, body=body), *given[0], *given[1], *given[2])
        operand = dict(zip(stacked, early[count:], strict=True))
        operand |= zip(elements, given[2], strict=True)
        operand |= zip(fixed, inline_graph(Graph.of("", consts, fixed), given[0]), strict=True)
        read = [r for r in residuals if r not in fixed]

        inner = dict(zip(residuals, second.inputs, strict=False))
        inputs = spread(second.inputs[len(residuals) :], marks)
        own_places = [[i for i in part if marks[i]] for part in places]
        order = [*own_places[0], *fixed, *own_places[1], *own_places[2], *read]
        body = reordered(second, [inner[x] if isinstance(x, Value) else inputs[x] for x in order])
        late_op = Scan(
            body, len(own_places[0]) + len(fixed), len(own_places[1]), self.length, self.reverse
        )
        results = apply_all(
            late_op, *(operand[x] if isinstance(x, Value) else node.args[x] for x in order)
        )
        found = iter(early), iter(results)
        values = tuple(next(found[yes]) for yes in late)
        return Halves(
            values, late, node_of(results[0]),
            tuple(None if isinstance(x, Value) else x for x in order),
        )  # fmt: skip

    # ---- reverse mode

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """The scan the other way round: cotangents of carries and, summed, of constants carried."""
        marks, k = self.moved(linear), self.carries
        if not all(self.parts(marks)[1]):
            return self.transposed_rest(node, cts, linear)
        consts, _, sequences = self.parts(marks)

        def step(active: Marks) -> tuple[bool, ...]:
            return moving(self.pulled(marks, active, cts)[3][1])

        active = grown(moving(cts[:k]), step)
        fixed, carried, stacks, found = self.pulled(marks, active, cts)
        count, args = len(consts) - sum(consts), self.parts(node.args)
        elements = (*fixed[count:], *stacks)
        waiting, later = self.later(found[0], elements, carried)
        added = [ct for ct, wait in zip(found[0], waiting, strict=True) if ct and not wait]
        totals, carried_like = fresh(added), self.parts(self.body.inputs)[1]
        sums = [accumulate(t, ct) for t, ct in zip(totals, added, strict=True)]
        body = Graph.of(
            f"{self.body.name}_transpose",
            (*fixed[:count], *totals, *carried, *elements),
            (*present((*sums, *with_zeros(found[1], carried_like, active), *found[2])), *later),
        )
        op = Scan(body, count, len(totals) + len(carried), self.length, not self.reverse)
        ends = present(with_zeros(cts[:k], node.values[:k], active))
        sequences_given = (*others(args[2], sequences), *present(cts[k:]))
        made = apply_all(op, *others(args[0], consts), *map(zeros, totals), *ends, *sequences_given)
        n, m = len(totals), len(made) - len(later)
        of = dict(zip(elements, sequences_given, strict=True))
        of |= zip(later, made[m:], strict=True)
        summed = iter(made[:n])
        of_consts = iter([
            wait(of) if wait else next(summed) if ct else None
            for ct, wait in zip(found[0], waiting, strict=True)
        ])  # fmt: skip
        given = self.parts(linear)[1]
        of_carries = spread(made[n : n + len(carried)], active)
        of_sequences = iter(spread(made[n + len(carried) : m], moving(found[2])))
        return (
            *(next(of_consts) if yes else None for yes in consts),
            *(ct if yes else None for ct, yes in zip(of_carries, given, strict=True)),
            *(next(of_sequences) if yes else None for yes in sequences),
        )

    def later(
        self, cts: Sequence[Value | None], elements: Sequence[Value], carried: Sequence[Value]
    ) -> tuple[list[Total | None], tuple[Value, ...]]:
        """Of the cotangents of constants the sums that are taken after the loop, and what of each
        turn is stacked for them."""
        inputs = (*elements, *carried)
        turn = Graph.of("", inputs, present(cts))
        plan = Postponed(elements, dependents(turn, [True] * len(inputs)))
        found: list[Total | None] = [None] * len(cts)
        for _ in range(2 if self.length else 0):  # what the first time stacks is known then
            found = [sums or (ct and plan.sum(ct)) for sums, ct in zip(found, cts, strict=True)]
        return found, tuple(plan.stacked)

    def pulled(
        self, marks: Marks, active: Marks, cts: Sequence[Value | None]
    ) -> tuple[tuple[Any, ...], ...]:
        """Fixed inputs, cotangents of active carries, of stacks, and those of (consts, carries,
        sequences) that are linear."""
        inputs, outputs, k = self.body.inputs, self.body.outputs, self.carries
        fixed = fresh(others(inputs, marks))
        carried = fresh(chosen(outputs[:k], active))
        stacks = fresh(chosen(outputs[k:], moving(cts[k:])))
        given = (*spread(carried, active), *spread(stacks, moving(cts[k:])))
        found = spread(pullback(self.body, marks, fixed, given), marks)
        parts = zip(self.parts(found), self.parts(marks), strict=True)
        return fixed, carried, stacks, tuple(chosen(*pair) for pair in parts)

    def transposed_rest(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """Where a carry is not linear, what depends on it alone runs first."""
        half = self.halves(node, linear)
        result: list[Value | None] = [None] * len(linear)
        if half.node is not None:
            moved = tuple(i is not None and linear[i] for i in half.places)
            found = half.node.op.transpose(half.node, chosen(cts, half.late), moved)
            for i, ct in zip(half.places, found, strict=True):
                if i is not None:
                    result[i] = ct
        return tuple(result)

    # ---- batches

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """A scan of the batched body; the axis of the batch comes behind that of a sequence."""
        k, (consts, carries, sequences) = self.carries, self.parts(batched)

        def turned(carries: Marks) -> tuple[Graph, tuple[bool, ...]]:
            outs = (*carries, *[False] * (len(node.values) - k))
            return batch(self.body, (*consts, *carries, *sequences), size, outs)

        wide = grown(carries, lambda marks: turned(marks)[1][:k])
        body, outs = turned(wide)
        given = self.parts(args)
        pairs = zip(given[1], carries, wide, strict=True)
        first = (repeated((x,), (yes or not need,), size)[0] for x, yes, need in pairs)
        stacks = (swapped_axes(x) if yes else x for x, yes in zip(given[2], sequences, strict=True))
        found = apply_all(replace(self, body=body), *given[0], *first, *stacks)
        ys = zip(found[k:], outs[k:], strict=True)
        return *found[:k], *(swapped_axes(y) if yes else y for y, yes in ys)

    # ---- less

    def narrowed(self, node: Node, wanted: tuple[bool, ...]) -> Narrowed:
        """Without carries, sequences and stacks that are not needed, and each of them once.

        A carry that no turn changes is a constant; a stack of the elements is their sequence.
        """
        body, c, k = self.body, self.consts, self.carries
        unchanged = {
            j: i
            for j, o in enumerate(body.outputs)
            for i, v in enumerate(body.inputs)
            if o is v and (i == c + j if j < k else i >= c + k)
        }
        moved = [j for j in range(k) if j not in unchanged]
        stacks = [j for j in range(k, len(wanted)) if wanted[j] and j not in unchanged]
        first = {body.outputs[j]: j for j in reversed(stacks)}  # of equal stacks one is made
        stacks = sorted(first.values())

        def reads(carries: Iterable[int]) -> tuple[bool, ...]:
            return read_by(body, [body.outputs[j] for j in (*carries, *stacks)])

        def step(marks: Marks) -> tuple[bool, ...]:
            read = reads(chosen(moved, marks))
            return tuple(read[c + j] for j in moved)

        live = chosen(moved, grown([wanted[j] for j in moved], step))
        read = reads(live)
        fixed = once([*range(c), *(c + j for j in unchanged if j < k)], node.args, read)
        sequences = once(range(c + k, len(node.args)), node.args, read)
        consts, elements = sorted(set(fixed.values())), sorted(set(sequences.values()))
        operands, outs = (*consts, *(c + j for j in live), *elements), (*live, *stacks)
        op = self
        if (len(operands), len(outs)) != (len(node.args), len(wanted)):
            body = narrowed_body(body, operands, fixed | sequences, outs)
            op = replace(self, body=body, consts=len(consts), carries=len(live))
        at = {j: n for n, j in enumerate(outs)}
        results = tuple(
            at.get(j if j < k else first.get(o, -1)) if yes and j not in unchanged else None
            for j, (o, yes) in enumerate(zip(self.body.outputs, wanted, strict=True))
        )
        return Narrowed(op, operands, results, unchanged)

    # ---- samples

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def rnn(w: Value, h: Value, x: Value) -> tuple[Value, ...]:
            h = transcendental.sin(elementwise.add(elementwise.mul(w, h), x))
            return h, elementwise.mul(h, x)

        for dtype in ("f32", "f64"):
            v = Type(dtype, (3,))
            body = body_of("step", (v, v, v), rnn)
            for reverse in (False, True):
                yield Sample(cls(body, 1, 1, 4, reverse), (v, v, Type(dtype, (4, 3))))
            yield Sample(cls(body, 1, 1, 1, False), (v, v, Type(dtype, (1, 3))))
            yield Sample(cls(body, 1, 1, 0, False), (v, v, Type(dtype, (0, 3))))
        z = Type("c128", (3,))
        turning = body_of("turn", (z, z, z), rnn)
        yield Sample(cls(turning, 1, 1, 4, False), (z, z, Type("c128", (4, 3))), high=0.5, low=-0.5)
        f, n = Type("f64", (2,)), Type("i64")
        swap = body_of("swap", (f, f, n), lambda a, b, i: (b, a, elementwise.add(i, i)))
        yield Sample(cls(swap, 0, 3, 3, False), (f, f, n))
        element = body_of("element", (f,), lambda x: (elementwise.mul(x, x), x))
        yield Sample(cls(element, 0, 0, 3, False), (Type("f64", (3, 2)),))
        yield Sample(
            cls(element, 0, 0, 4, False),
            (Type("f64", (3, 2)),),
            error="scan: a sequence of length 4 is required, got f64[3, 2]",
        )
        yield Sample(
            cls(element, 0, 0, 3, False),
            (Type("f32", (3, 2)),),
            error="scan: operands of f64[2] are required by element, got f32[2]",
        )
        yield Sample(
            cls(element, 2, 1, 3, False),
            (Type("f64", (3, 2)),),
            error="scan: 2 constants, 1 carries and a length of 0 or more are required, got 1",
        )
        yield Sample(
            cls(body_of("half", (f,), lambda x: (elementwise.cast(x, "f32"),)), 0, 1, 3, False),
            (f,),
            error="scan: a body that gives carries of f64[2] is required, got f32[2]",
        )


def swapped_axes(x: Value) -> Value:
    """The first two axes in the other order."""
    return permute(x, (1, 0, *range(2, x.type.ndim)))
