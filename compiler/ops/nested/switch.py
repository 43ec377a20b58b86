"""The choice between graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Sample, Value, apply_all
from ...ir.symbolic import present
from ...ir.types import Type, spelled
from ...transform.batch import batch
from ...transform.interpreter import interpret
from ...transform.split import split
from ...transform.transpose import pullback
from .. import elementwise, transcendental
from ..source import full
from .bodies import (
    Control,
    Narrowed,
    body_of,
    by_row,
    chosen,
    fresh,
    inlined_batch,
    moving,
    narrowed_body,
    of_inputs,
    once,
    others,
    pushed_together,
    read_by,
    reordered,
    spread,
    waiting,
    with_zeros,
)

INDEX = Type("i32")


class Switch(Control):
    """branches[index](operands...); an index out of range is clamped

    Operands: the index, an i32, then the operands, which every branch takes.
    """

    branches: tuple[Graph, ...]

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not self.branches:
            raise ProgramError("switch: one branch or more is required, got none")
        if args[:1] != (INDEX,):
            got = spelled(args[:1]) or "nothing"
            raise ProgramError(f"switch: an index of i32 is required, got {got}")
        for branch in self.branches:
            of_inputs(self, args[1:], branch)
        results = self.branches[0].types[1]
        for branch in self.branches[1:]:
            if branch.types[1] != results:
                required, got = (spelled(t) or "nothing" for t in (results, branch.types[1]))
                raise ProgramError(
                    f"switch: branches that give the same types are required, "
                    f"got {required}, then {got}"
                )
        return results

    def kinds(self, count: int) -> tuple[str, ...]:
        return ("index", *["constant"] * (count - 1))

    def of_graphs(self, graphs: tuple[Graph, ...], constants: int) -> Control:
        return Switch(graphs)

    def reference(self, *args: np.ndarray) -> Any:
        return interpret(self.branches[self.taken(args[0])], *args[1:])

    def taken(self, index: Any) -> int:
        """The number of the branch."""
        return min(max(int(index), 0), len(self.branches) - 1)

    def applied(self, *args: np.ndarray) -> Iterator[tuple[str, Graph, tuple[np.ndarray, ...]]]:
        index = self.taken(args[0])
        yield f"branch {index}", self.branches[index], args[1:]

    # ---- derivatives

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """The choice between the branches with their tangents: what moves in one moves in all."""
        branches, moved = pushed_together(self.branches, moving(tangents[1:]))
        if not any(moved):
            return (None,) * len(node.values)
        made = apply_all(Switch(branches), *node.args, *present(tangents))
        count = len(node.values)
        return *made[:count], *spread(made[count:], moved)

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """The early halves of the branches and the late ones.

        What crosses is that of all branches: places of one type are shared between them, and hold
        zeros where the branch taken has nothing for them. Operands cross as they are.
        """
        if marked[0]:
            return node.values, (True,) * len(node.values)
        marks = marked[1:]
        late = tuple(map(any, zip(*(waiting(b, marks) for b in self.branches), strict=True)))
        if not any(late):
            return node.values, late
        halves = [split(b, marks, late) for b in self.branches]
        count = len(late) - sum(late)
        crossing = [first.outputs[count:] for first, _ in halves]
        computed = [
            [r for r in some if r not in first.inputs]
            for some, (first, _) in zip(crossing, halves, strict=True)
        ]
        places = shared_places(computed)
        firsts, seconds = [], []
        for (first, second), some, own in zip(halves, crossing, computed, strict=True):
            at = values_by_type(own, places)
            outs = tuple(full_zero(t) if v is None else v for t, v in zip(places, at, strict=True))
            firsts.append(Graph.of(first.name, first.inputs, (*first.outputs[:count], *outs)))
            inner = dict(zip(some, second.inputs, strict=False))
            inputs = [inner.get(v) or Value(v.type) for v in first.inputs]
            inputs += [Value(t) if v is None else inner[v] for t, v in zip(places, at, strict=True)]
            seconds.append(reordered(second, (*inputs, *second.inputs[len(some) :])))
        unmarked = others(node.args[1:], marks)
        early = apply_all(Switch(tuple(firsts)), node.args[0], *unmarked)
        results = apply_all(
            Switch(tuple(seconds)),
            node.args[0], *unmarked, *early[count:], *chosen(node.args[1:], marks),
        )  # fmt: skip
        found = iter(early), iter(results)
        return tuple(next(found[yes]) for yes in late), late

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """The choice between the transposed branches."""
        marks, given = linear[1:], moving(cts)
        found = []
        for branch in self.branches:
            fixed = fresh(others(branch.inputs, marks))
            own = spread(fresh(chosen(branch.outputs, given)), given)
            found.append((fixed, present(own), pullback(branch, marks, fixed, own)))
        moved = [any(some) for some in zip(*(moving(back) for *_, back in found), strict=True)]
        if not any(moved):
            return (None,) * len(linear)
        branches = tuple(
            Graph.of(
                f"{branch.name}_transpose",
                (*fixed, *own),
                present(with_zeros(back, chosen(branch.inputs, marks), moved)),
            )
            for branch, (fixed, own, back) in zip(self.branches, found, strict=True)
        )
        args = others(node.args[1:], marks)
        made = apply_all(Switch(branches), node.args[0], *args, *present(cts))
        return None, *spread(spread(made, moved), marks)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """One index for all runs one branch; an index each computes all branches and selects."""
        if batched[0]:
            return self.selected(args, batched, size, None)
        none = (False,) * len(node.values)
        found = [batch(b, batched[1:], size, none)[1] for b in self.branches]
        wide = tuple(map(any, zip(*found, strict=True)))
        branches = tuple(batch(b, batched[1:], size, wide)[0] for b in self.branches)
        return apply_all(Switch(branches), *args)

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        if batched[0]:
            return self.selected(args, batched, size, on)
        return super().batch_where(node, args, batched, size, on)

    def selected(
        self, args: tuple[Value, ...], batched: tuple[bool, ...], size: int, on: Value | None
    ) -> tuple[Value, ...]:
        """The results of all branches, each for the rows that take it, of those of `on`."""
        first, *rest = self.branches
        if not rest:
            return inlined_batch(first, args[1:], batched[1:], size, on)
        results: tuple[Value, ...] = ()
        for k, branch in enumerate(self.branches):
            test = elementwise.le if not k else elementwise.eq if k < len(rest) else elementwise.ge
            taken = test(args[0], full(k, args[0].type))
            rows = taken if on is None else elementwise.and_(taken, on)
            found = inlined_batch(branch, args[1:], batched[1:], size, rows)
            pairs = zip(found, results or found, strict=True)
            results = tuple(
                elementwise.select(by_row(taken, new), new, old) if k else new for new, old in pairs
            )
        return results

    def narrowed(self, node: Node, wanted: tuple[bool, ...]) -> Narrowed:
        """Without operands and results that are not needed; a result may be an operand for all."""
        unchanged = {
            k: i + 1
            for k in range(len(wanted))
            for i in range(len(node.args) - 1)
            if all(b.outputs[k] is b.inputs[i] for b in self.branches)
        }
        outs = [k for k, yes in enumerate(wanted) if yes and k not in unchanged]
        reads = [read_by(b, [b.outputs[k] for k in outs]) for b in self.branches]
        read = tuple(map(any, zip(*reads, strict=True)))
        alike = once(range(len(read)), node.args[1:], read)
        inputs = sorted(set(alike.values()))
        op = self
        if (len(inputs), len(outs)) != (len(read), len(wanted)):
            op = Switch(tuple(narrowed_body(b, inputs, alike, outs) for b in self.branches))
        at = {k: n for n, k in enumerate(outs)}
        results = tuple(at.get(k) for k in range(len(wanted)))
        return Narrowed(op, (0, *(i + 1 for i in inputs)), results, unchanged)

    # ---- samples

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def one(x: Value, y: Value) -> tuple[Value, ...]:
            return transcendental.sin(elementwise.mul(x, y)), y

        def other(x: Value, y: Value) -> tuple[Value, ...]:
            return elementwise.add(x, x), elementwise.mul(transcendental.exp(x), y)

        for dtype in ("f32", "f64", "c128"):
            v = Type(dtype, (3,))
            op = cls((body_of("one", (v, v), one), body_of("other", (v, v), other)))
            for index in (0, 1, -5, 7):
                yield Sample(op, (INDEX, v, v), values=(index, None, None))
        n = Type("i64")
        add = body_of("add", (n,), lambda i: (elementwise.add(i, i), i))
        three = body_of("three", (n,), lambda i: (full(3, n), i))
        yield Sample(cls((add, three, add)), (INDEX, n), values=(1, None))
        yield Sample(cls((three,)), (INDEX, n))
        f = Type("f32")
        same = body_of("same", (f,), lambda x: (x,))
        yield Sample(cls(()), (INDEX,), error="switch: one branch or more is required, got none")
        yield Sample(cls((add,)), (n, n), error="switch: an index of i32 is required, got i64")
        yield Sample(
            cls((add, same)),
            (INDEX, n),
            error="switch: operands of f32 are required by same, got i64",
        )
        wide = body_of("wide", (f,), lambda x: (elementwise.cast(x, "f64"),))
        yield Sample(
            cls((same, wide)),
            (INDEX, f),
            error="switch: branches that give the same types are required, got f32, then f64",
        )


def shared_places(computed: Sequence[Sequence[Value]]) -> list[Type]:
    """Types of places that hold what any one of the branches computes."""
    most: Counter[Type] = Counter()
    for some in computed:
        most |= Counter(v.type for v in some)
    return list(most.elements())


def values_by_type(values: Sequence[Value], places: Sequence[Type]) -> list[Value | None]:
    """The values at places of their types, each once."""
    left = list(values)
    found: list[Value | None] = []
    for t in places:
        value = next((v for v in left if v.type == t), None)
        if value is not None:
            left.remove(value)
        found.append(value)
    return found


def full_zero(of: Type) -> Value:
    return full(False if of.dtype == "bool" else 0, of)
