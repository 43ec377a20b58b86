"""What ops that hold graphs do with their bodies: run them, and put them together anew.

A body is closed: it reads its own inputs only. Rules of these ops apply transformations to it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, TypeVar

import numpy as np

from ...ir.errors import CompilerError, ProgramError
from ...ir.graph import Graph, Node, Op, Pair, Parts, Value, apply, apply_all
from ...ir.source import sourced
from ...ir.symbolic import flat, present, repeated, zeros
from ...ir.types import Type, spelled
from ...ir.walk import inline_graph
from ...transform.batch import batched_outputs
from ...transform.jvp import pushforward
from ...transform.pairs import paired
from ...transform.split import dependents, divided
from ..view import broadcast

T = TypeVar("T")
Marks = Sequence[bool]


@dataclasses.dataclass(frozen=True)
class Narrowed:
    """An op with less in it, which gives what is wanted of a node.

    `operands`: which of the node's operands it takes. `results`: which of its results each of the
    node's is; None where that is not wanted, or is the operand that `unchanged` says.
    """

    op: Op
    operands: tuple[int, ...]
    results: tuple[int | None, ...]
    unchanged: dict[int, int]


class Control(Op, abstract=True):
    """An op that runs its graphs: in turns, or one of them."""

    controls = True

    @property
    def carried(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Of each body the pairs of an input and the output that is this input in the next turn."""
        return ((),) * len(self.graphs)

    def kinds(self, count: int) -> tuple[str, ...]:
        """What each of `count` operands is: "constant", "carry", "sequence", "index" or "slab".

        The graphs take them in order, all but an index.
        """
        raise CompilerError(f"op '{self.name}' has no kinds of operands")

    def of_graphs(self, graphs: tuple[Graph, ...], constants: int) -> Control:
        """The op of other graphs, the first `constants` inputs of which are constants."""
        raise CompilerError(f"op '{self.name}' is of its own graphs")

    def of_pairs(self, graphs: tuple[Graph, ...], constants: int, carries: int) -> Control:
        """The op of graphs by real values, of so many constants and carries."""
        return self.of_graphs(graphs, constants)

    def in_pairs(self, node: Node, args: tuple[Parts, ...]) -> tuple[Parts, ...]:
        """The same of bodies whose complex inputs and outputs are two each."""
        counts = Counter[str]()
        for kind, a in zip(self.kinds(len(args)), args, strict=True):
            counts[kind] += len(flat([a]))
        op = self.of_pairs(tuple(map(paired, self.graphs)), counts["constant"], counts["carry"])
        found = iter(apply_all(op, *flat(args)))
        return tuple(
            Pair(next(found), next(found)) if v.type.is_complex else next(found)
            for v in node.values
        )

    def applied(self, *args: np.ndarray) -> Iterator[tuple[str, Graph, tuple[np.ndarray, ...]]]:
        """What runs on these operands, in order: "turn 3", the graph, and its inputs."""
        raise CompilerError(f"op '{self.name}' runs no graphs")

    def narrowed(self, node: Node, wanted: tuple[bool, ...]) -> Narrowed:
        """What gives the wanted results of a node of this op."""
        raise CompilerError(f"op '{self.name}' has no rule to be narrowed")

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        """Its results on a batch of which the rows `on` count: in the bodies these alone do."""
        kinds = self.kinds(len(args))
        at = kinds.count("index")
        graphs = tuple(conditional_body(graph, 0) for graph in self.graphs)
        op = self.of_graphs(graphs, kinds.count("constant") + 1)
        return batched_with(op, at, node, args, batched, size, on)


class Region(Op, abstract=True):
    """The outputs of `body`, which count where the first operand, a bool, holds.

    It stands in bodies while they are batched, and is gone after that.
    """

    body: Graph

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return self.body.types[1]

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value | None,
    ) -> tuple[Value, ...]:
        (own,) = repeated(args[:1], batched[:1], size)
        own = own if on is None else apply(Op.registry["and_"](), own, on)
        return batched_outputs(self.body, args[1:], batched[1:], size, own)[0]

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return self.batch_where(node, args, batched, size, None)


def conditional_body(graph: Graph, at: int) -> Graph:
    """The graph with one more input at place `at`: a bool, whether its outputs count."""
    on, inputs = Value(Type("bool")), fresh(graph.inputs)
    outputs = apply_all(Region(graph), on, *inputs)
    return Graph.of(graph.name, (*inputs[:at], on, *inputs[at:]), outputs)


def batched_with(
    op: Op,
    at: int,
    node: Node,
    args: tuple[Value, ...],
    batched: tuple[bool, ...],
    size: int,
    on: Value,
) -> tuple[Value, ...]:
    """The results of `op` on a batch: the node's, but that it takes `on` too, at place `at`."""
    one = Node(op, (*node.args[:at], Value(Type("bool")), *node.args[at:]), node.source)
    marks = (*batched[:at], True, *batched[at:])
    return op.batch(one, (*args[:at], on, *args[at:]), marks, size)


def pushed_together(
    graphs: Iterable[Graph], marks: Marks
) -> tuple[tuple[Graph, ...], tuple[bool, ...]]:
    """Of graphs of one type (inputs, tangents of the marked) -> (outputs, tangents), and which
    outputs have one: what moves in one moves in all."""
    found = [(graph, *pushed(graph, marks)) for graph in graphs]
    moved = tuple(map(any, zip(*(moving(slopes) for *_, slopes in found), strict=True)))
    return tuple(
        Graph.of(
            f"{graph.name}_jvp",
            (*primals, *present(given)),
            (*outs, *present(with_zeros(slopes, outs, moved))),
        )
        for graph, primals, given, outs, slopes in found
    ), moved


def pushed(graph: Graph, marks: Marks) -> tuple[tuple[Any, ...], ...]:
    """Inputs, tangents of the marked ones, outputs, and their tangents."""
    primals = fresh(graph.inputs)
    slopes = spread(fresh(chosen(primals, marks)), marks)
    return primals, slopes, *pushforward(graph, primals, slopes)


def waiting(body: Graph, marked: Marks) -> tuple[bool, ...]:
    """Which outputs depend on a marked input, where inner ops are divided too."""
    body = divided(body, marked)
    found = dependents(body, marked)
    return tuple(o in found for o in body.outputs)


def inlined_batch(
    body: Graph, args: Sequence[Value], marked: Marks, size: int, on: Value | None = None
) -> tuple[Value, ...]:
    """The outputs of a body on a batch of which the rows `on` count, all of them batched."""
    return repeated(*batched_outputs(body, args, marked, size, on), size)


def by_row(rows: Value, like: Value) -> Value:
    """A value a row of a batch, repeated along the axes of each row of `like`."""
    new = tuple(range(1, like.type.ndim))
    return broadcast(rows, like.shape, new) if new else rows


# ---------------------------------------------------------------- making


def fresh(values: Iterable[Value]) -> tuple[Value, ...]:
    """Inputs of the types of `values`."""
    return tuple(Value(v.type) for v in values)


def spread(values: Iterable[T], marks: Iterable[bool]) -> tuple[T | None, ...]:
    """`values` at the marked places, None elsewhere."""
    found = iter(values)
    return tuple(next(found) if yes else None for yes in marks)


def chosen(values: Iterable[T], marks: Iterable[bool]) -> tuple[T, ...]:
    """What stands at the marked places."""
    return tuple(compress(values, marks))


def others(values: Iterable[T], marks: Iterable[bool]) -> tuple[T, ...]:
    """What stands at the places that are not marked."""
    return tuple(v for v, yes in zip(values, marks, strict=True) if not yes)


def moving(values: Iterable[Any]) -> tuple[bool, ...]:
    """What is not None."""
    return tuple(v is not None for v in values)


def with_zeros(
    values: Iterable[Value | None], like: Iterable[Value], marks: Iterable[bool]
) -> tuple[Value | None, ...]:
    """At the marked places zeros for None, elsewhere None."""
    triples = zip(values, like, marks, strict=True)
    return tuple((zeros(v) if x is None else x) if yes else None for x, v, yes in triples)


def reordered(graph: Graph, inputs: Sequence[Value]) -> Graph:
    """The graph with its inputs in another order."""
    return dataclasses.replace(graph, inputs=tuple(inputs))


def read_by(body: Graph, outputs: Iterable[Value]) -> tuple[bool, ...]:
    """Which inputs the outputs need."""
    part = Graph.of(body.name, body.inputs, tuple(outputs))
    read = {a for n in part.nodes for a in n.args} | set(part.outputs)
    return tuple(v in read for v in body.inputs)


def once(indices: Iterable[int], args: Sequence[Value], read: Marks) -> dict[int, int]:
    """Of the inputs that are read, the first one that is the same operand."""
    first: dict[Value, int] = {}
    return {i: first.setdefault(args[i], i) for i in indices if read[i]}


def narrowed_body(
    body: Graph, inputs: Sequence[int], alike: dict[int, int], outs: Sequence[int]
) -> Graph:
    """The body of some of its inputs and outputs; for other inputs stand those they are `alike`."""
    new = {i: Value(body.inputs[i].type) for i in inputs}
    found = (new.get(alike.get(i, i)) for i in range(len(body.inputs)))
    given = [n or Value(v.type) for n, v in zip(found, body.inputs, strict=True)]
    outputs = tuple(body.outputs[k] for k in outs)
    part = Graph(body.name, body.inputs, body.nodes, outputs)
    return Graph.of(body.name, [new[i] for i in inputs], inline_graph(part, given))


def grown(start: Marks, step: Callable[[tuple[bool, ...]], Iterable[bool]]) -> tuple[bool, ...]:
    """The least marks from `start` on that `step` adds nothing to."""
    marks = tuple(start)
    while True:
        more = tuple(a or b for a, b in zip(marks, step(marks), strict=True))
        if more == marks:
            return marks
        marks = more


# ---------------------------------------------------------------- types


def of_inputs(op: Op, types: Sequence[Type], body: Graph) -> None:
    """Requires operands of the types of the body's inputs."""
    wanted = body.types[0]
    if tuple(types) != wanted:
        required, got = spelled(wanted) or "no type", spelled(types) or "none"
        raise ProgramError(
            f"{op.name}: operands of {required} are required by {body.name}, got {got}"
        )


def body_of(name: str, types: Iterable[Type], function: Callable[..., Sequence[Value]]) -> Graph:
    """The graph of a function of values."""
    inputs = tuple(map(Value, types))
    with sourced(None):
        return Graph.of(name, inputs, function(*inputs))
