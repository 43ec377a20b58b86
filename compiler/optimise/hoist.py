"""Work that is the same in every turn leaves the loop, where that pays.

What: a value of a body that depends on constants of the loop only becomes one more constant, made
once outside. It pays where the loop reads no more than before: the value is no larger than what it
is made of, and either it is small, or it takes a sum or a product to make. Views cost nothing where
they are read; they stay. In the other cases the loop would read a second large array in every turn.
What no kernel computes, a transfer between processes say, always leaves.
Order: after cse; inner loops first, so that work may leave several loops.
Before and after: a well-formed graph of the same meaning and bits. The body of a while loop that
makes no turn is not run; what was hoisted from it is computed all the same.
Cost: O(n).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..ir.facts import has_effect
from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.walk import everywhere, inline_graph, rebuild
from ..ops.elementwise import After
from ..ops.family import Computed, Elementwise
from ..ops.nested.bodies import Control
from ..transform.split import dependents

SMALL_BYTES = 16 << 10
"""What stays in the nearest cache beside everything else."""


@everywhere
def hoist(graph: Graph) -> Graph:
    """The graph with work outside of loops that need not do it every turn."""
    return rebuild(graph, hoisted_node)


def hoisted_node(old: Node, here: Node) -> Sequence[Value] | None:
    op, args = old.op, here.args
    if not isinstance(op, Control) or has_effect(op):
        return None
    kinds = op.kinds(len(args))
    if "carry" not in kinds:
        return None
    count = kinds.count("constant")
    found = [list(invariants(g, count)) for g in op.graphs]
    if not any(found):
        return None
    return outside(op, args, found)


def outside(
    op: Control, args: tuple[Value, ...], found: Sequence[Sequence[Value]]
) -> tuple[Value, ...]:
    """The results of an op whose graphs read the `found` values of each, made of its constants
    before it."""
    count = op.kinds(len(args)).count("constant")
    made: list[Value] = []
    for graph, values in zip(op.graphs, found, strict=True):
        made += inline_graph(Graph.of(graph.name, graph.inputs[:count], values), args[:count])
    graphs = []
    for graph, values in zip(op.graphs, found, strict=True):
        further = {v: Value(v.type) for several in found for v in several}
        graphs.append(reading(graph, count, further, values))
    new = op.of_graphs(tuple(graphs), count + len(made))
    return apply_all(new, *args[:count], *made, *args[count:])


def reading(
    graph: Graph, count: int, further: dict[Value, Value], values: Sequence[Value]
) -> Graph:
    """The graph with inputs behind the first `count` that stand for `values`."""
    inputs = tuple(Value(v.type) for v in graph.inputs)

    def step(old: Node, given: tuple[Value, ...]) -> Sequence[Value]:
        if any(v in values for v in old.values):
            return [further[v] for v in old.values]
        return apply_all(old.op, *given)

    outputs = inline_graph(graph, inputs, step)
    return Graph.of(graph.name, (*inputs[:count], *further.values(), *inputs[count:]), outputs)


def invariants(graph: Graph, count: int) -> Iterator[Value]:
    """Values that depend on the first `count` inputs only, and pay outside."""
    varying = dependents(graph, [i >= count for i in range(len(graph.inputs))])
    read = {a for n in graph.nodes if any(v in varying for v in n.values) for a in n.args}
    read.update(graph.outputs)
    for node in graph.nodes:
        fixed = len(node.values) == 1 and node.out not in varying
        if fixed and (node.out in read or node.op.hosted) and pays(node):
            yield node.out


def pays(node: Node) -> bool:
    """Whether the loop should read the result of a node rather than make it."""
    cone: dict[Node, None] = {}
    sources: set[Value] = set()
    stack = [node]
    while stack:
        here = stack.pop()
        if here in cone:
            continue
        cone[here] = None
        if here.op.constant:
            sources.add(here.out)
        stack += [a.node for a in here.args if a.node]
        sources.update(a for a in here.args if a.node is None)
    if any(has_effect(n.op) for n in cone):
        return False
    if node.op.hosted:
        return True
    work = [n.op for n in cone if n.args and not n.op.costless]
    if not work or node.op.constant or isinstance(node.op, After) or not sources:
        return False
    if any(map(has_effect, work)):
        return False
    heavy = any(not isinstance(op, Elementwise | Computed) for op in work)
    nbytes = node.out.type.nbytes
    return nbytes <= sum(v.type.nbytes for v in sources) and (heavy or nbytes <= SMALL_BYTES)
