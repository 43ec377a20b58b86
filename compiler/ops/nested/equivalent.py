"""A program, and its meaning: what runs, and what reverse mode differentiates in its place.

Some programs are better than what they compute says, but hard to turn around: a schedule that
computes again what it did not keep. Their meaning, as a graph of its own, is simple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Op, Sample, Value, apply_all
from ...ir.symbolic import present
from ...ir.types import Type, spelled
from ...ir.walk import inline_graph
from ...transform.batch import batch
from ...transform.interpreter import interpret
from ...transform.split import divided_at
from ...transform.transpose import pullback
from ..elementwise import add, mul
from ..transcendental import sin
from .bodies import (
    batched_with,
    conditional_body,
    fresh,
    moving,
    others,
    pushed_together,
    spread,
)
from .custom import alone


class Equivalent(Op):
    """The outputs of `meaning`, which are those of `program`.

    The program runs, in forward mode and under vmap too; reverse mode differentiates the meaning.
    """

    program: Graph
    meaning: Graph

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        inputs, outputs = self.program.types
        if args != inputs:
            raise ProgramError(
                f"equivalent: operands {spelled(inputs) or 'none'} are required, "
                f"got {spelled(args) or 'none'}"
            )
        if self.meaning.types != self.program.types:
            wanted, found = (
                f"({', '.join(map(str, i))}) -> ({', '.join(map(str, o))})"
                for i, o in (self.program.types, self.meaning.types)
            )
            raise ProgramError(f"equivalent: a meaning {wanted} is required, got {found}")
        return outputs

    def reference(self, *args: np.ndarray) -> Any:
        return alone(interpret(self.meaning, *args))

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The results, where no derivative will be taken any more."""
        return inline_graph(self.program, node.args)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """Of both; what moves in one moves in both."""
        graphs, moved = pushed_together(self.graphs, moving(tangents))
        if not any(moved):
            return (None,) * len(node.values)
        made = apply_all(Equivalent(*graphs), *node.args, *present(tangents))
        count = len(node.values)
        return *made[:count], *spread(made[count:], moved)

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """The meaning, divided."""
        return divided_at(node, self.meaning, marked)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        return spread(pullback(self.meaning, linear, others(node.args, linear), cts), linear)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        none = (False,) * len(node.values)
        found = [batch(graph, batched, size, none)[1] for graph in self.graphs]
        wide = tuple(map(any, zip(*found, strict=True)))
        graphs = (batch(graph, batched, size, wide)[0] for graph in self.graphs)
        return apply_all(Equivalent(*graphs), *args)

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        op = Equivalent(*(conditional_body(graph, 0) for graph in self.graphs))
        return batched_with(op, 0, node, args, batched, size, on)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, y = (Value(Type("f64", (3,))) for _ in range(2))
        program = Graph.of("program", (x, y), (mul(sin(x), add(y, y)), x))
        meaning = Graph.of("meaning", (x, y), (add(mul(sin(x), y), mul(sin(x), y)), x))
        types = (x.type, y.type)
        yield Sample(cls(program, meaning), types)
        yield Sample(
            cls(program, meaning), types[:1], error="equivalent: operands f64[3] and f64[3] are"
        )
        yield Sample(
            cls(program, Graph.of("less", (x, y), (x,))), types,
            error="equivalent: a meaning (f64[3], f64[3]) -> (f64[3], f64[3]) is required, got",
        )  # fmt: skip


def equivalent(
    args: Sequence[Value],
    program: Callable[..., Sequence[Value]],
    meaning: Callable[..., Sequence[Value]],
) -> tuple[Value, ...]:
    """The results of `program` on values, whose derivative in reverse mode is that of `meaning`."""

    def graph(function: Callable[..., Sequence[Value]]) -> Graph:
        inputs = fresh(args)
        return Graph.of(function.__name__, inputs, function(*inputs))

    return apply_all(Equivalent(graph(program), graph(meaning)), *args)
