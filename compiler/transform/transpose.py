"""Reverse mode: the transpose of a linear program.

What: the nodes are walked backwards; each hands the cotangents of its results to its linear
operands by its op's transpose rule. A value read several times sums what it gets, last reader
first, so the order is that of the program. What does not depend on a linear input is computed as it
stands.
Order: after linearize.
Before: in every output the graph is linear in the `linear` inputs together.
After: a well-formed graph that reads no linear input, in no body either: a rule that would read
more of one than its type is rejected here.
Cost: O(n) nodes; about the arithmetic of the given graph.
Source: Frostig, Johnson, Maclaurin, Paszke and Radul, Decomposing reverse-mode automatic
differentiation, 2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from ..ir.errors import CompilerError
from ..ir.graph import Graph, Node, Value
from ..ir.source import sourced
from ..ir.symbolic import accumulate, present, zeros
from .split import dependents


def transpose(graph: Graph, linear: Sequence[bool]) -> Graph:
    """(other inputs, cotangents of the outputs) -> cotangents of the `linear` inputs."""
    cts_in = tuple(Value(o.type) for o in graph.outputs)
    fixed = tuple(Value(v.type) for v, yes in zip(graph.inputs, linear, strict=True) if not yes)
    found = pullback(graph, linear, fixed, cts_in)
    moving = [v for v, yes in zip(graph.inputs, linear, strict=True) if yes]
    outputs = tuple(zeros(v) if ct is None else ct for v, ct in zip(moving, found, strict=True))
    return Graph.of(f"{graph.name}_transpose", (*fixed, *cts_in), outputs)


def pullback(
    graph: Graph, linear: Sequence[bool], fixed: Sequence[Value], cts: Sequence[Value | None]
) -> tuple[Value | None, ...]:
    """Cotangents of the linear inputs for `cts` of the outputs, None is zero: what rules use."""
    waiting = dependents(graph, linear)
    others = iter(fixed)
    new = {
        v: Value(v.type) if yes else next(others)
        for v, yes in zip(graph.inputs, linear, strict=True)
    }
    made: dict[Node, Node] = {}
    for node in graph.nodes:
        here = made[node] = node.like(tuple([new[a] for a in node.args]))
        new.update(zip(node.values, here.values, strict=True))
    ends = [(o, ct) for o, ct in zip(graph.outputs, cts, strict=True) if o in waiting]
    gathered = walked_back(graph.nodes, waiting, ends, made, graph)
    moved = [v for v, yes in zip(graph.inputs, linear, strict=True) if yes]
    back = tuple(map(gathered.get, moved))
    refuse_readers({new[v] for v in moved}, present(back), {*fixed, *present(cts)}, graph)
    return back


def walked_back(
    nodes: Sequence[Node],
    waiting: Set[Value],
    ends: Iterable[tuple[Value, Value | None]],
    made: Mapping[Node, Node],
    graph: Graph,
) -> dict[Value, Value]:
    """Cotangents of what no node makes for those of the `ends`; rules read nodes as `made`."""
    gathered: dict[Value, Value] = {}

    def add(v: Value, ct: Value | None) -> None:
        if ct is not None:
            if v.node and not v.type.is_inexact:
                raise reader_error(v.node, graph)
            if ct.type != v.type:
                raise CompilerError(
                    f"transpose: a value of type {v.type} got a cotangent of type {ct.type}",
                    str(graph),
                )
            gathered[v] = accumulate(gathered.get(v), ct) or ct

    for o, ct in ends:
        add(o, ct)
    for node in reversed(nodes):
        given = tuple(gathered.pop(v, None) for v in node.values)
        if any(ct is not None for ct in given):
            with sourced(node.source):
                moving = tuple(a in waiting for a in node.args)
                found = node.op.transpose(made[node], given, moving)
                for a, ct in zip(node.args, found, strict=True):
                    if a in waiting:
                        add(a, ct)
    return gathered


def refuse_readers(
    tangents: Set[Value], cotangents: Sequence[Value], known: Set[Value], graph: Graph
) -> None:
    """Refuses cotangents that are made of a tangent, of which there is only the type."""
    seen: set[Value] = set(known)
    stack = list(cotangents)
    while stack:
        v = stack.pop()
        if v.node is None or v in seen:
            continue
        seen.update(v.node.values)
        if not tangents.isdisjoint(v.node.args):
            raise reader_error(v.node, graph)
        stack += v.node.args


def reader_error(node: Node, graph: Graph) -> CompilerError:
    """The error of a node that needs a tangent itself where only its type is known."""
    what = f"transpose: '{node.op.name}' reads a tangent, in a transpose rule"
    return CompilerError(what, str(graph))
