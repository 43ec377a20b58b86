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
Change = Callable[[Node, Node], Sequence[Value] | None]
Pass = Callable[Concatenate["Graph", P], "Graph"]


def inline_graph(
    graph: Graph, args: Sequence[Value], step: Step | None = None
) -> tuple[Value, ...]:
    """The outputs of `graph` on `args`.

    Each node is remade, or replaced by `step(node, new args)`; its source stays.
    """
    new: dict[Value, Value] = dict(zip(graph.inputs, args, strict=True))
    with sourced(None) as sources:
        for node in graph.nodes:
            given = tuple([new[a] for a in node.args])
            sources[-1] = node.source
            results = step(node, given) if step else node.like(given).values
            for old, made in zip(node.values, results, strict=True):
                new[old] = made
    return tuple([new[o] for o in graph.outputs])


def rebuild(graph: Graph, change: Change, name: str = "") -> Graph:
    """The graph with every node replaced by what `change(node, node on its new operands)` gives;
    None is the latter.

    What stands before the first change is not made again: the graph itself is given where nothing
    changes and no node is dead. Behind it every node is, so that nodes are numbered in order.
    """
    new: dict[Value, Value] = {}  # where it is another
    made = False
    with sourced(None) as sources:
        for node in graph.nodes:
            here = node
            if made or (new and not new.keys().isdisjoint(node.args)):
                here, made = node.like(tuple([new.get(a, a) for a in node.args])), True
            sources[-1] = node.source
            found = change(node, here)
            if found is None:
                if here is not node:
                    for old, v in zip(node.values, here.values, strict=True):
                        new[old] = v
                continue
            for old, v in zip(node.values, found, strict=True):
                new[old] = v
                made = made or (v.node is not None and v.node.serial > node.serial)
    graph = graph if not name else Graph(name, graph.inputs, graph.nodes, graph.outputs)
    if not new:
        return graph.needed()
    return Graph.of(graph.name, graph.inputs, [new.get(o, o) for o in graph.outputs])


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

        def remade(node: Node, here: Node) -> tuple[Value, ...] | None:
            op = with_graphs(node.op, inside) if node.op.graphs else node.op
            return None if op is node.op else apply_all(op, *here.args)

        def run(graph: Graph) -> Graph:
            if any(n.op.graphs for n in graph.nodes):
                graph = rebuild(graph, remade)
            return step(graph, *args, **options)

        return run(graph)

    return whole
