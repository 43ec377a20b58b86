"""Graphs that differ in numbers only: which these are, and the graph with sizes in their places.

    facts, numbers = read_graph(graph)
    sizing = Sizing(graph, tape, known)     # sizing.result, with sizes at sizing.places

Numbers are the ints and floats of inputs' types and of ops' parameters, in order; facts are all
else: ops, wiring, dtypes, arrays. Types of results follow from these.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .graph import Graph, Node, Op, Value
from .parameters import Parameter, bit_key
from .sizes import SizeTape, is_size, number_now
from .source import sourced
from .types import Type


class GraphReader:
    """Facts and numbers, in order."""

    def __init__(self) -> None:
        self.facts: list[Any] = []
        self.numbers: list[Any] = []

    def graph(self, graph: Graph) -> None:
        places: dict[Value, int] = {}
        facts = self.facts
        for v in graph.inputs:
            places[v] = len(places)
            self.parameter(v.type)
        for node in graph.nodes:
            op = node.op
            facts.append(type(op))
            facts.append([places[a] for a in node.args])
            for name in op.parameter_names:
                self.parameter(getattr(op, name))
            for v in node.values:
                places[v] = len(places)
        facts.append([len(graph.inputs), *(places[v] for v in graph.outputs)])

    def parameter(self, x: Any) -> None:
        kind = type(x)
        if kind is int or kind is float:
            self.facts.append(kind)
            self.numbers.append(x)
        elif kind is Type:
            self.facts.append((x.dtype, len(x.shape)))
            self.numbers += x.shape
        elif kind is tuple:
            self.facts.append(len(x))
            for part in x:
                self.parameter(part)
        elif kind is Graph:
            self.graph(x)
        else:
            self.facts.append(x.bits if isinstance(x, Parameter) else bit_key(x))


def read_graph(graph: Graph) -> tuple[list[Any], list[Any]]:
    """Facts and numbers of a graph."""
    reader = GraphReader()
    reader.graph(graph)
    return reader.facts, reader.numbers


def same_number(x: Any, y: Any) -> bool:
    """Whether two numbers are the same bits."""
    if type(x) is float and type(y) is float:
        return struct.pack("<d", x) == struct.pack("<d", y)
    return type(x) is type(y) and x == y


# ---------------------------------------------------------------- another graph


class GraphWriter:
    """Graphs whose numbers are given, in the order of `GraphReader`, or made of each."""

    def __init__(self, number: Callable[[Any], Any]) -> None:
        self.number = number

    def graph(self, graph: Graph) -> Graph:
        inputs = tuple(map(self.input, graph.inputs))
        new = dict(zip(graph.inputs, inputs, strict=True))
        nodes: list[Node] = []
        for old in graph.nodes:
            nodes.append(self.node(old, tuple(new[a] for a in old.args)))
            new.update(zip(old.values, nodes[-1].values, strict=True))
        return Graph(graph.name, inputs, tuple(nodes), tuple(new[v] for v in graph.outputs))

    def input(self, v: Value) -> Value:
        return Value(self.parameter(v.type))

    def node(self, old: Node, args: tuple[Value, ...]) -> Node:
        op = self.op(old.op)
        with sourced(old.source):
            return Node(op, args, old.source)

    def op(self, op: Op) -> Op:
        names = op.parameter_names
        return type(op)(**{name: self.parameter(getattr(op, name)) for name in names})

    def parameter(self, x: Any) -> Any:
        kind = type(x)
        if kind is Type:
            return Type(x.dtype, tuple(map(self.number, x.shape)))
        if kind is tuple:
            return tuple(map(self.parameter, x))
        if kind is Graph:
            return self.graph(x)
        if isinstance(x, int | float) and not isinstance(x, bool | np.generic):
            return self.number(x)
        return x


def without_sizes(graph: Graph) -> Graph:
    """The graph of the numbers that its sizes are now."""
    return GraphWriter(number_now).graph(graph)


# ---------------------------------------------------------------- which numbers may change


class Sizing(GraphWriter):
    """A graph with sizes in place of the numbers that may change when its function is called again.

    A guess, but for the numbers at the places `known`, by which two graphs differed. Where most
    arguments are also results, as parameters and states are, these keep their types. Of the others
    all axes but the last may change, and what ops are told beside their operands where it is such a
    size, or a multiple of one; so may floats that are a size, or one over it.
    """

    def __init__(self, graph: Graph, tape: SizeTape, known: frozenset[int]) -> None:
        super().__init__(self.sized)
        self.tape, self.known = tape, known
        self.places: list[int] = []
        self.met = {n for axes in changing_axes(graph) for n in axes if n > 1}
        self.near: set[Any] = set()  # sizes of the operands at hand
        self.apart = False  # whether the op at hand makes other sizes of them
        self.count = 0
        self.inputs = dict.fromkeys(graph.inputs, ()) | changing_inputs(graph)
        self.result = self.graph(graph)

    def sized(self, number: Any) -> Any:
        place, self.count = self.count, self.count + 1
        if number in (0, 1) or (place not in self.known and not self.may_change(number)):
            return number  # no axis, and an axis of one, are programs of their own
        self.places.append(place)
        return self.tape.size(number)

    def may_change(self, number: Any) -> bool:
        if type(number) is float:
            if number != number or number in (0.0, 1.0, -1.0) or math.isinf(number):
                return False
            size = abs(number if abs(number) > 1 else 1 / number)
            return any(size % n == 0 for n in self.met) or round(size, 3) in self.met
        if number < 2:
            return False
        if number in self.near:
            return True
        return self.apart and (number in self.met or any(number % n == 0 for n in self.near))

    def input(self, v: Value) -> Value:
        axes = self.inputs.get(v)
        if axes is None:  # of a graph that an op holds
            self.near, self.apart = self.met, False
            return super().input(v)
        shape: list[Any] = []
        for axis, n in enumerate(v.shape):
            self.near = {n} if axis in axes else set()
            shape.append(self.number(n))
        return Value(Type(v.dtype, tuple(shape)))

    def node(self, old: Node, args: tuple[Value, ...]) -> Node:
        near = {number_now(n) for a in args for n in a.shape if is_size(n)}
        self.near, self.apart = near or self.met, bool(near)
        made = super().node(old, args)
        self.met.update(number_now(n) for v in made.values for n in v.shape if is_size(n))
        self.met -= {0, 1}
        return made


def changing_inputs(graph: Graph) -> dict[Value, Sequence[int]]:
    """The axes that may change, of all arguments, or those that are no results if these are few."""
    results = Counter(v.type for v in graph.outputs)
    others: list[Value] = []
    for v in graph.inputs:
        results[v.type] -= 1
        if results[v.type] < 0:
            others.append(v)
    few = 0 < len(others) < len(graph.inputs) / 2
    changing = others if few else graph.inputs
    return {v: range(max(len(v.shape) - 1, 1)) for v in changing if v.shape}


def changing_axes(graph: Graph) -> Iterator[list[int]]:
    for v, axes in changing_inputs(graph).items():
        yield [v.shape[a] for a in axes]


def nodes_in(graph: Graph) -> Iterator[Node]:
    """Every node, also of the graphs that ops hold."""
    for node in graph.nodes:
        for body in node.op.graphs:
            yield from nodes_in(body)
        yield node
