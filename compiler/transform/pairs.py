"""Complex values by pairs of real ones: every node is replaced by its op's rule on both parts.

Cost: O(n) nodes; a product is four.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.graph import Graph, Node, Pair, Parts, Value
from ..ir.source import sourced
from ..ir.symbolic import flat


def paired(body: Graph) -> Graph:
    """A body whose complex inputs and outputs are two each: the real parts, the imaginary ones."""
    args = [
        Pair(Value(v.type.part), Value(v.type.part)) if v.type.is_complex else Value(v.type)
        for v in body.inputs
    ]
    return Graph.of(body.name, flat(args), flat(in_pairs(body, args)))


def in_pairs(graph: Graph, args: Sequence[Parts]) -> tuple[Parts, ...]:
    """The outputs of `graph` by real values: what rules of bodies use."""
    new: dict[Value, Parts] = dict(zip(graph.inputs, args, strict=True))
    for node in graph.nodes:
        with sourced(node.source):
            given = tuple(new[a] for a in node.args)
            new.update(zip(node.values, paired_node(node, given), strict=True))
    return tuple(new[o] for o in graph.outputs)


def paired_node(node: Node, args: tuple[Parts, ...]) -> Sequence[Parts]:
    plain = tuple(a for a in args if isinstance(a, Value))
    types = (*(a.type for a in node.args), *node.types)
    if any(t.is_complex for t in types) or any(map(has_complex, node.op.graphs)):
        return node.op.in_pairs(node, args)
    return node.like(plain).values


def has_complex(graph: Graph) -> bool:
    return any(v.type.is_complex for v in graph.values) or any(
        has_complex(body) for n in graph.nodes for body in n.op.graphs
    )
