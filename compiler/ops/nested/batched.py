"""Functions with batch rules of the user's: their nodes hold the function and its rules as graphs.

A rule is a graph for one size and one choice of batched operands, so a node holds one for every
vmap around the call. Each is traced for the operands that may be batched there; those that turn out
not to be are repeated for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Op, Sample, Value, apply_all
from ...ir.source import location
from ...ir.symbolic import repeated
from ...ir.types import Type, spelled
from ...ir.walk import inline_graph
from ...transform.batch import batched_outputs, lifted
from ...transform.interpreter import interpret
from ...transform.jvp import jvp
from ...transform.split import divided_at
from ...transform.transpose import pullback
from ..elementwise import add, mul
from ..transcendental import sin
from .bodies import chosen
from .custom import alone

Marks = tuple[bool, ...]
BatchRule = tuple[int, Marks, Marks, Graph]
"""The size; which operands are batched, which results; operands -> results."""


class CustomVmap(Op):
    """The outputs of `body`, batched by `rules`.

    The first `args` operands are the function's arguments, of which a rule is told whether they are
    batched. The others are what the function and its rules close over; every graph takes all.
    """

    body: Graph
    args: int
    rules: tuple[BatchRule, ...]

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        inputs, outputs = self.body.types
        if args != inputs:
            raise ProgramError(
                f"custom_vmap: operands {spelled(inputs) or 'none'} are required, "
                f"got {spelled(args) or 'none'}"
            )
        for size, marks, wide, graph in self.rules:
            told = (*marks, *(False for _ in inputs[self.args :]))
            wanted = batch_types(inputs, told, size), batch_types(outputs, wide, size)
            if graph.types != wanted:
                required, got = (
                    f"({', '.join(map(str, i))}) -> ({', '.join(map(str, o))})"
                    for i, o in (wanted, graph.types)
                )
                raise ProgramError(f"custom_vmap: a rule {required} is required, got {got}")
        return outputs

    def reference(self, *args: np.ndarray) -> Any:
        return alone(interpret(self.body, *args))

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The results, where no batch will be made any more."""
        return inline_graph(self.body, node.args)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """By a rule that was traced for this; by the body where the call was traced before vmap."""
        return self.by_rule(node, args, batched, size, None)

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        """A rule is of all rows, as it stands."""
        return self.by_rule(node, args, batched, size, on)

    def by_rule(
        self, node: Node, args: tuple[Value, ...], batched: Marks, size: int, on: Value | None
    ) -> tuple[Value, ...]:
        told = batched[: self.args]
        for known, marks, _, graph in self.rules if any(told) else ():
            if known == size and all(m or not b for m, b in zip(marks, told, strict=True)):
                if any(batched[self.args :]):
                    raise ProgramError(
                        f"custom_vmap: {self.body.name} closes over a mapped value, which its rule "
                        "is not told of",
                        location(node.source),
                        f"pass the value to {self.body.name} as an argument",
                    )
                kept = [b or not m for m, b in zip(marks, told, strict=True)]
                given = repeated(args[: self.args], kept, size)
                return inline_graph(graph, (*given, *args[self.args :]))
        return batched_outputs(self.body, args, batched, size, on)[0]

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """In forward mode the rules hold of the tangents too."""
        moving = tuple(t is not None for t in tangents)
        if not any(moving):
            return (None,) * len(node.values)
        first, slopes = moving[: self.args], tuple(t.is_inexact for t in node.types)
        rules = tuple(
            (
                size,
                (*marks, *chosen(marks, first)),
                (*wide, *chosen(wide, slopes)),
                made,
            )
            for size, marks, wide, graph in self.rules
            for made in [self.beside(jvp(graph, moving), first)]
        )
        body = self.beside(jvp(self.body, moving), first)
        op = CustomVmap(body, self.args + sum(first), rules)
        given = (
            *node.args[: self.args], *(t for t in tangents[: self.args] if t),
            *node.args[self.args :], *(t for t in tangents[self.args :] if t),
        )  # fmt: skip
        found = apply_all(op, *given)
        moved = iter(found[len(node.values) :])
        return *found[: len(node.values)], *(next(moved) if yes else None for yes in slopes)

    def beside(self, graph: Graph, moving: Marks) -> Graph:
        """A derivative with the tangents of arguments next to the arguments."""
        inputs, count = graph.inputs, len(self.body.inputs)
        split = count + sum(moving)
        told = (*inputs[: self.args], *inputs[count:split])
        return dataclasses.replace(
            graph, inputs=(*told, *inputs[self.args : count], *inputs[split:])
        )

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """Reverse mode differentiates the body."""
        return divided_at(node, self.body, marked)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        fixed = [a for a, yes in zip(node.args, linear, strict=True) if not yes]
        found = iter(pullback(self.body, linear, fixed, cts))
        return tuple(next(found) if yes else None for yes in linear)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, y, wide = (Value(Type("f64", s)) for s in ((3,), (3,), (5, 3)))
        body = Graph.of("f", (x, y), (mul(sin(x), y),))
        (many,) = repeated((y,), (False,), 5)
        rule = Graph.of("rule", (wide, y), (mul(many, sin(wide)),))
        types = (x.type, y.type)
        yield Sample(cls(body, 2, ((5, (True, False), (True,), rule),)), types)
        yield Sample(cls(body, 1, ((5, (True,), (True,), rule),)), types)  # closes over y
        three = Value(Type("f64", (3, 3)))
        twice = Graph.of("f", (x, y), (add(y, y),))
        alike = Graph.of("rule", (three, y), (add(y, y),))
        yield Sample(cls(twice, 2, ((3, (True, False), (False,), alike),)), types)
        yield Sample(
            cls(body, 2, ((5, (True, True), (True,), rule),)), types,
            error="custom_vmap: a rule (f64[5, 3], f64[5, 3]) -> (f64[5, 3]) is required, got",
        )  # fmt: skip
        yield Sample(
            cls(body, 2, ()),
            (x.type,),
            error="custom_vmap: operands f64[3] and f64[3] are required",
        )


def batch_types(types: Sequence[Type], marks: Sequence[bool], size: int) -> tuple[Type, ...]:
    """The types, those of the marks batched."""
    return tuple(lifted(t, size) if yes else t for t, yes in zip(types, marks, strict=True))
