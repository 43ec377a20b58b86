"""Two programs of one: what can run before the marked inputs are known, and the rest.

What: a node that depends on a marked input is late, the others are early. The late program reads
the early one's values as residuals. What costs nothing to make again is made again instead of kept:
a value without operands, a view of something smaller.
Order: the second half of linearize, and the splitting of bodies of loops, where tangents are what
is marked.
Before: a well-formed graph. An op that holds graphs and can be early in some results has a rule
`split(node, marked)`: its results, made by nodes that are each wholly early or wholly late, and
which of them are late.
After: two well-formed graphs without dead nodes; the early outputs depend on no marked input;
residuals are distinct.
Cost: O(n).
Source: Radul, Paszke, Frostig, Johnson and Maclaurin, You Only Linearize Once, 2023 (unzipping).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.errors import CompilerError
from ..ir.graph import Graph, Node, Value
from ..ir.walk import inline_graph


def split(graph: Graph, marked: Sequence[bool], late: Sequence[bool]) -> tuple[Graph, Graph]:
    """(unmarked inputs -> early outputs, residuals) and (residuals, marked inputs -> late outputs).

    `late` says which outputs the second program gives; only those may depend on a marked input.
    """
    graph = divided(graph, marked)
    waiting = dependents(graph, marked)
    if wrong := [
        i
        for i, (o, yes) in enumerate(zip(graph.outputs, late, strict=True))
        if o in waiting and not yes
    ]:
        raise CompilerError(f"split: early output {wrong[0]} depends on a marked input", str(graph))
    second = LateProgram(waiting)
    for v, yes in zip(graph.inputs, marked, strict=True):
        if yes:
            second.new[v] = Value(v.type)
    for node in graph.nodes:
        if any(v in waiting for v in node.values):
            second.remake(node)
    after = tuple(second.read(o) for o, yes in zip(graph.outputs, late, strict=True) if yes)
    before = tuple(o for o, yes in zip(graph.outputs, late, strict=True) if not yes)
    early_inputs = tuple(v for v, yes in zip(graph.inputs, marked, strict=True) if not yes)
    late_inputs = tuple(second.new[v] for v, yes in zip(graph.inputs, marked, strict=True) if yes)
    return (
        Graph.of(f"{graph.name}_early", early_inputs, (*before, *second.residuals)),
        Graph.of(f"{graph.name}_late", (*second.residuals.values(), *late_inputs), after),
    )


def dependents(graph: Graph, marked: Sequence[bool]) -> set[Value]:
    """The values that depend on a marked input."""
    found = {v for v, yes in zip(graph.inputs, marked, strict=True) if yes}
    for node in graph.nodes:
        if any(a in found for a in node.args):
            found.update(node.values)
    return found


def divided_at(
    node: Node, body: Graph, marked: Sequence[bool]
) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
    """The rule `split` of a node that is to be differentiated as `body` says: its outputs in place
    of the node's, inner ops divided, and which depend on a marked operand."""
    body = divided(body, marked)
    found = dependents(body, marked)
    return inline_graph(body, node.args), tuple(o in found for o in body.outputs)


def divided(graph: Graph, marked: Sequence[bool]) -> Graph:
    """The graph with every op that has a `split` rule and a marked operand divided by it.

    A body is divided for every loop around it: what is known of it stays with it.
    """
    waiting = dependents(graph, marked)
    if not any(v.node.op.splits for v in waiting if v.node):
        return graph
    key = "divided", *marked
    if key not in graph.known:
        graph.known[key] = divided_anew(graph, marked)
    return graph.known[key]


def divided_anew(graph: Graph, marked: Sequence[bool]) -> Graph:
    """`divided`, for the first time."""
    inputs = tuple(Value(v.type) for v in graph.inputs)
    late = {v for v, yes in zip(inputs, marked, strict=True) if yes}

    def step(old: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
        here = old.like(given)
        values, moving = here.values, tuple(a in late for a in given)
        if not any(moving):
            return values
        if old.op.splits:
            values, waiting = old.op.split(here, moving)
            late.update(v for v, yes in zip(values, waiting, strict=True) if yes)
        else:
            late.update(values)
        return values

    return Graph.of(graph.name, inputs, inline_graph(graph, inputs, step))


class LateProgram:
    """The second program as it is made: the new values of the old ones, and what crosses."""

    def __init__(self, waiting: set[Value]) -> None:
        self.waiting = waiting
        self.new: dict[Value, Value] = {}
        self.residuals: dict[Value, Value] = {}

    def read(self, v: Value) -> Value:
        """The value in the second program; an early one that is not free to make crosses."""
        stack = [v]
        while stack:  # as long as a chain of views is
            v = stack[-1]
            node = v.node
            if v in self.new:
                stack.pop()
            elif node is None or not is_free(node):
                self.new[v] = self.residuals[v] = Value(v.type)
            elif before := next((a for a in node.args if a not in self.new), None):
                stack.append(before)
            else:
                self.remake(node)
        return self.new[v]

    def remake(self, node: Node) -> None:
        """Makes a node part of the second program."""
        here = node.like(tuple(map(self.read, node.args)))
        self.new.update(zip(node.values, here.values, strict=True))


def is_free(node: Node) -> bool:
    """Whether making the results again costs less than keeping them."""
    smaller = sum(a.type.nbytes for a in node.args) < sum(t.nbytes for t in node.types)
    if node.op.graphs:
        return False
    return not node.args or (node.op.costless and smaller)
