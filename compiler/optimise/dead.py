"""Dead code: nodes that no output needs are dropped, and so is what of a node nobody reads.

What: a walk from the outputs. Inputs stay, they are the program's signature. An op that holds
graphs, without effects, gives way to one that has less in it: carries, sequences and results that
no wanted result needs are gone, and a carry that no turn changes is a constant; then its graphs are
walked.
Order: last, after any pass that leaves nodes unread; `sink` begins with it.
Before and after: a well-formed graph of the same meaning and bits. An op with an effect gives a
token that is an output, so it stays.
Cost: O(n), and for a loop one walk of its body a carry at most.
"""

from __future__ import annotations

from ..ir.facts import has_effect
from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.walk import rebuild, with_graphs
from ..ops.nested.bodies import Control, Narrowed


def dead(graph: Graph) -> Graph:
    """The graph of what the outputs need."""
    graph = graph.needed()
    if not any(n.op.controls for n in graph.nodes):
        return graph
    narrowed = needed(graph)

    def change(old: Node, here: Node) -> tuple[Value, ...] | None:
        less = narrowed.get(old)
        if less is None:
            return None
        given = here.args
        operands = (given[i] for i in less.operands)
        found = apply_all(with_graphs(less.op, dead), *operands) if any_left(less) else ()
        unread = (Value(v.type) for v in old.values)
        return tuple(
            found[at] if at is not None else given[less.unchanged[k]] if k in less.unchanged else v
            for k, (at, v) in enumerate(zip(less.results, unread, strict=True))
        )

    return rebuild(graph, change)


def any_left(less: Narrowed) -> bool:
    """Whether the op gives a result that is wanted."""
    return any(at is not None for at in less.results)


def needed(graph: Graph) -> dict[Node, Narrowed]:
    """What the nodes that hold graphs become, by what is read of them."""
    wanted = set(graph.outputs)
    found: dict[Node, Narrowed] = {}
    for node in reversed(graph.nodes):
        marks = tuple(v in wanted for v in node.values)
        if not any(marks):
            continue
        if not isinstance(node.op, Control) or has_effect(node.op):
            wanted.update(node.args)
            continue
        less = found[node] = node.op.narrowed(node, marks)
        if any_left(less):
            wanted.update(node.args[i] for i in less.operands)
        wanted.update(node.args[i] for k, i in less.unchanged.items() if marks[k])
    return found
