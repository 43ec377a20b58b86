"""What is known of the operands of loops and branches becomes known inside of them.

What: an operand that is one number is made inside of the bodies, where laws see it; a sequence of
one number or of one array repeated is no sequence; a branch of known index is its body.
Order: before fold and simplify, which use it; after differentiation, which leaves zeros and ones.
It begins with dead code, so that a carry that never changes is a constant here.
Before and after: a well-formed graph of the same meaning and bits.
Cost: O(n).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.graph import Graph, Node, Value, apply, apply_all
from ..ir.types import Type
from ..ir.walk import inline_graph, rebuild, with_graphs
from ..ops.nested.bodies import Control
from ..ops.nested.switch import Switch
from ..ops.source import Full
from ..ops.view import Broadcast
from .dead import dead
from .law import uniform_number


def sink(graph: Graph) -> Graph:
    """The graph with what is known of operands inside of bodies."""
    return sunk_into(dead(graph))


def sunk_into(graph: Graph) -> Graph:
    """The same of a graph without dead code."""
    return rebuild(graph, sunk_node)


def sunk_node(old: Node, here: Node) -> Sequence[Value] | None:
    op, args = old.op, here.args
    if not isinstance(op, Control):
        return None
    if isinstance(op, Switch) and (index := uniform_number(args[0])) is not None:
        return inline_graph(sunk_into(op.branches[op.taken(index)]), args[1:])
    op, args = sunk(op, args)
    return apply_all(with_graphs(op, sunk_into), *args)


def sunk(op: Control, args: tuple[Value, ...]) -> tuple[Control, tuple[Value, ...]]:
    """The op and its operands, less those that are made inside."""
    pairs = list(zip(op.kinds(len(args)), args, strict=True))
    index = [v for kind, v in pairs if kind == "index"]
    pairs = pairs[len(index) :]
    inside: dict[int, Full] = {}
    repeated: dict[int, Value] = {}  # sequences that are constants
    for i, (kind, v) in enumerate(pairs):
        if kind in ("constant", "sequence") and (found := uniform_number(v)) is not None:
            element = v.type if kind == "constant" else Type(v.dtype, v.shape[1:])
            inside[i] = Full(found, element)
        elif kind == "sequence" and (same := element_of(v)) is not None:
            repeated[i] = same
    if not inside and not repeated:
        return op, args
    rest = [i for i in range(len(pairs)) if i not in inside and i not in repeated]
    constants = [i for i in rest if pairs[i][0] == "constant"]
    order = [*constants, *repeated, *rest[len(constants) :]]
    graphs = tuple(with_inputs(g, order, inside) for g in op.graphs)
    operands = (repeated.get(i, pairs[i][1]) for i in order)
    return op.of_graphs(graphs, len(constants) + len(repeated)), (*index, *operands)


def with_inputs(graph: Graph, order: Sequence[int], inside: dict[int, Full]) -> Graph:
    """The graph of its inputs in `order`; the others are made inside."""
    inputs = {i: Value(graph.inputs[i].type) for i in order}
    given = [apply(inside[i]) if i in inside else inputs[i] for i in range(len(graph.inputs))]
    return Graph.of(graph.name, [inputs[i] for i in order], inline_graph(graph, given))


def element_of(v: Value) -> Value | None:
    """What all elements of a sequence are, if they are the same."""
    if v.node is None or not isinstance(v.node.op, Broadcast) or 0 not in v.node.op.axes:
        return None
    (x,) = v.node.args
    axes = tuple(a - 1 for a in v.node.op.axes if a)
    return apply(Broadcast(v.shape[1:], axes), x) if axes else x
