"""What a program does beside computing: effects, and code of the user's outside of kernels."""

from __future__ import annotations

from .graph import Graph, Op


def has_effect(op: Op) -> bool:
    """Whether the op, or a node of a graph that it holds, has an effect."""
    return op.effect or any(map(effects_in, op.graphs))


def effects_in(graph: Graph) -> bool:
    """Whether a node of the graph has an effect."""
    return any(has_effect(n.op) for n in graph.nodes)


def runs_outside(op: Op) -> bool:
    """Whether the op, or a node of a graph that it holds, runs code of the user's, or prints."""
    return op.outside or any(runs_outside(n.op) for graph in op.graphs for n in graph.nodes)
