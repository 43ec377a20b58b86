"""Prefixes by a function of the user's that is associative."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Op, Sample, Value, apply_all
from ...ir.symbolic import present, repeated
from ...ir.types import Type, spelled, type_of
from ...transform.batch import batch
from ...transform.interpreter import interpret
from ...transform.jvp import pushforward
from ...transform.split import divided_at
from ...transform.transpose import pullback
from .. import elementwise, transcendental
from ..contract import DotGeneral
from .bodies import (
    Marks,
    batched_with,
    body_of,
    chosen,
    conditional_body,
    fresh,
    grown,
    moving,
    of_inputs,
    others,
    spread,
    with_zeros,
)
from .prefixes import prefixes
from .scan import swapped_axes


class AssociativeScan(Op):
    """y[0] = x[0], y[i] = body(constants, y[i - 1], x[i]), the last first if `reverse`

    Operands: `consts` constants, then sequences of one leading axis, whose elements the body
    combines two by two. The body is associative, so they may be combined in any order that keeps
    them next to each other: `prefixes` says in which. Its tangent is the scan of the body and its
    tangent, which is associative too; reverse mode divides what `prefixes` makes of that.
    """

    body: Graph
    consts: int
    reverse: bool

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        sequences = args[self.consts :]
        if self.consts < 0 or not sequences:
            raise ProgramError(
                f"associative_scan: {self.consts} constants and a sequence or more are required, "
                f"got {len(args)} operands"
            )
        sizes = {t.shape[:1] for t in sequences}
        if len(sizes) > 1 or () in sizes:
            raise ProgramError(
                f"associative_scan: sequences of one length are required, got {spelled(sequences)}"
            )
        elements = tuple(Type(t.dtype, t.shape[1:]) for t in sequences)
        of_inputs(self, (*args[: self.consts], *elements, *elements), self.body)
        if self.body.types[1] != elements:
            raise ProgramError(
                f"associative_scan: a body that gives {spelled(elements)} is required, "
                f"got {spelled(self.body.types[1]) or 'none'}"
            )
        return sequences

    def reference(self, *args: np.ndarray) -> Any:
        """By the same prefixes: one turn for each element would take Python seconds."""
        return interpret(self.meaning([Value(type_of(x)) for x in args]), *args)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The prefixes, where no derivative will be taken and no batch be made any more."""
        return self.expanded(node.args)

    def expanded(self, args: Sequence[Value]) -> tuple[Value, ...]:
        return prefixes(self.body, args[: self.consts], args[self.consts :], self.reverse)

    def meaning(self, args: Sequence[Value]) -> Graph:
        """What stands for it in reverse mode."""
        inputs = fresh(args)
        return Graph.of(self.body.name, inputs, self.expanded(inputs))

    # ---- derivatives

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """The scan of results and tangents: sequences move that do, by fixed point."""
        consts, given = self.parts(moving(tangents))

        def step(marks: Marks) -> tuple[bool, ...]:
            return moving(self.pushed(consts, marks)[3])

        marks = grown(given, step)
        if not any(marks):
            return (None,) * len(node.values)
        primals, slopes, outs, out_slopes = self.pushed(consts, marks)
        last = present(with_zeros(out_slopes, outs, marks))
        body = Graph.of(f"{self.body.name}_jvp", self.beside(primals, slopes), (*outs, *last))
        own, sequences = self.parts(tangents)
        first = with_zeros(sequences, node.args[self.consts :], marks)
        op = replace(self, body=body, consts=self.consts + sum(consts))
        found = apply_all(op, *self.beside(node.args, (*own, *first)))
        return *found[: len(outs)], *spread(found[len(outs) :], marks)

    def parts(self, xs: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """What stands for constants, and what for sequences."""
        return tuple(xs[: self.consts]), tuple(xs[self.consts :])

    def pushed(self, consts: Marks, marks: Marks) -> tuple[tuple[Any, ...], ...]:
        """Inputs, tangents of the marked ones, outputs, and their tangents."""
        primals = fresh(self.body.inputs)
        every = (*consts, *marks, *marks)
        slopes = spread(fresh(chosen(primals, every)), every)
        return primals, slopes, *pushforward(self.body, primals, slopes)

    def beside(self, xs: Sequence[Value], slopes: Sequence[Value | None]) -> tuple[Value, ...]:
        """Constants, then the elements of either side, each followed by their tangents."""
        found, start, k = [], 0, len(self.body.outputs)
        for stop in (self.consts, *range(self.consts + k, len(xs) + 1, k)):
            found += [*xs[start:stop], *present(slopes[start:stop])]
            start = stop
        return tuple(found)

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        return divided_at(node, self.meaning(node.args), marked)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        meaning = self.meaning(node.args)
        return spread(pullback(meaning, linear, others(node.args, linear), cts), linear)

    # ---- batches

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """A scan of the batched body; the axis of the batch comes behind that of a sequence."""
        consts, given = self.parts(batched)

        def turned(marks: Marks) -> tuple[Graph, tuple[bool, ...]]:
            return batch(self.body, (*consts, *marks, *marks), size, marks)

        wide = grown(given, lambda marks: turned(marks)[1])
        own, sequences = self.parts(args)
        pairs = zip(sequences, given, wide, strict=True)
        whole = [(repeated((x,), (yes or not need,), size)[0], need) for x, yes, need in pairs]
        found = apply_all(
            replace(self, body=turned(wide)[0]),
            *own, *(swapped_axes(x) if need else x for x, need in whole),
        )  # fmt: skip
        return tuple(swapped_axes(y) if yes else y for y, yes in zip(found, wide, strict=True))

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        op = replace(self, body=conditional_body(self.body, 0), consts=self.consts + 1)
        return batched_with(op, 0, node, args, batched, size, on)

    # ---- samples

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def affine(a: Value, b: Value, c: Value, d: Value) -> tuple[Value, ...]:
            mul, add = elementwise.mul, elementwise.add
            return mul(a, c), add(mul(c, b), d)

        for dtype, reverse in (("f32", False), ("f64", True), ("c128", False)):
            v = Type(dtype, (3,))
            many = Type(dtype, (6, 3))
            body = body_of("affine", (v, v, v, v), affine)
            yield Sample(cls(body, 0, reverse), (many, many), low=-1.0, high=1.0)

        def hypot(scale: Value, x: Value, y: Value) -> tuple[Value, ...]:
            x, y = elementwise.mul(scale, x), elementwise.mul(scale, y)
            squares = elementwise.add(elementwise.mul(x, x), elementwise.mul(y, y))
            return (elementwise.div(transcendental.sqrt(squares), scale),)

        s = Type("f64", ())
        scaled = body_of("hypot", (s, s, s), hypot)
        for length, reverse in ((5, False), (600, True), (1, False), (0, False)):
            types = s, Type("f64", (length,))
            yield Sample(cls(scaled, 1, reverse), types, low=0.5, high=1.0)
        m = Type("f64", (2, 2))
        dot = DotGeneral(((1,), (0,)), ((), ()))
        product = body_of("product", (m, m), lambda x, y: apply_all(dot, x, y))
        yield Sample(cls(product, 0, False), (Type("f64", (5, 2, 2)),), low=-0.5, high=0.5)
        n = Type("i64", (2,))
        both = body_of(
            "both", (n, n, n, n),
            lambda a, b, c, d: (elementwise.maximum(a, c), elementwise.add(b, d)),
        )  # fmt: skip
        yield Sample(cls(both, 0, True), (Type("i64", (4, 2)),) * 2)
        yield Sample(cls(both, 0, False), (), error="0 constants and a sequence or more are")
        yield Sample(
            cls(both, 0, False), (Type("i64", (4, 2)), Type("i64", (3, 2))),
            error="sequences of one length are required, got i64[4, 2] and i64[3, 2]",
        )  # fmt: skip
        yield Sample(
            cls(body_of("less", (n, n), lambda a, b: (elementwise.cast(a, "i32"),)), 0, False),
            (Type("i64", (4, 2)),),
            error="associative_scan: a body that gives i64[2] is required, got i32[2]",
        )
