"""Walks over graphs and over the graphs that ops hold: each makes another graph."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec

from .graph import Graph, Node, Op, Value, apply_all
from .source import sourced

P = ParamSpec("P")

Step = Callable[[Node, tuple[Value, ...]], Sequence[Value]]
Pass = Callable[Concatenate["Graph", P], "Graph"]


def inline_graph(
    graph: Graph, args: Sequence[Value], step: Step | None = None
) -> tuple[Value, ...]:
    """The outputs of `graph` on `args`.

    Each node is remade, or replaced by `step(node, new args)`; its source stays.
    """
    new: dict[Value, Value] = dict(zip(graph.inputs, args, strict=True))
    for node in graph.nodes:
        given = tuple(new[a] for a in node.args)
        with sourced(node.source):
            results = step(node, given) if step else apply_all(node.op, *given)
        new.update(zip(node.values, results, strict=True))
    return tuple(new[o] for o in graph.outputs)


def rebuild(graph: Graph, step: Step | None = None, name: str = "") -> Graph:
    """The graph on fresh inputs with every node replaced by `step(node, new args)`."""
    inputs = tuple(Value(v.type) for v in graph.inputs)
    return Graph.of(name or graph.name, inputs, inline_graph(graph, inputs, step))


def with_graphs(op: Op, change: Callable[[Graph], Graph]) -> Op:
    """The op with `change` of every graph among its parameters; the op itself if none changes."""

    def changed(x: Any) -> Any:
        if isinstance(x, Graph):
            return change(x)
        return tuple(map(changed, x)) if isinstance(x, tuple) else x

    params = {k: (x, changed(x)) for k, x in op.params.items() if isinstance(x, (Graph, tuple))}
    new = {k: y for k, (x, y) in params.items() if not same_graphs(x, y)}
    return dataclasses.replace(op, **new) if new else op  # pyright: ignore[reportArgumentType]


def same_graphs(x: Any, y: Any) -> bool:
    """Whether a parameter holds the very same graphs."""
    if isinstance(x, tuple):
        return all(map(same_graphs, x, y))
    return x is y or not isinstance(x, Graph)


def everywhere(
    step: Callable[Concatenate[Graph, P], Graph],
) -> Callable[Concatenate[Graph, P], Graph]:
    """The pass `step` of a graph, after the same of every graph that its ops hold.

    Equal bodies become one, whose kernels are compiled once.
    """

    @functools.wraps(step)
    def whole(graph: Graph, *args: P.args, **options: P.kwargs) -> Graph:
        known: dict[Graph, Graph] = {}

        def inside(body: Graph) -> Graph:
            if body not in known:
                known[body] = run(body)
            return known[body]

        def remade(node: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
            return apply_all(with_graphs(node.op, inside), *given)

        def run(graph: Graph) -> Graph:
            if any(with_graphs(n.op, inside) is not n.op for n in graph.nodes):
                graph = rebuild(graph, remade)
            return step(graph, *args, **options)

        return run(graph)

    return whole
