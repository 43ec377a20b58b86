"""The rules of a well-formed graph, checked after every pass in tests.

Inputs are inputs and distinct; a node reads inputs and earlier nodes of its own graph only; no node
stands twice; each result has the type that the op infers; outputs are values of the graph; nested
graphs obey the same rules, so they are closed.
Cost: one walk, one type inference a node.
"""

from __future__ import annotations

from collections.abc import Iterator

from .errors import CompilerError, ProgramError
from .graph import Graph, Node, Op, Value
from .parameters import bit_key
from .printing import lines, print_graph
from .types import spelled


def verify(graph: Graph, step: str = "", before: Graph | None = None) -> Graph:
    """`graph`, or a CompilerError with ten lines around the fault, and what `step` changed."""
    for what, at in faults(graph):
        text = excerpt(graph, at)
        if before is not None:
            text += "\n\nwhat changed:\n" + text_difference(before, graph)
        raise CompilerError(f"{step or 'verify'}: {what}", text)
    return graph


def faults(graph: Graph) -> Iterator[tuple[str, Node | None]]:
    """What is wrong, and at which node."""
    known: set[Value] = set()
    for i, v in enumerate(graph.inputs):
        if v.node is not None:
            yield f"input {i} is a result of '{v.node.op.name}'", None
        if v in known:
            yield f"input {i} stands twice", None
        known.add(v)
    for node in graph.nodes:
        yield from node_faults(node, known)
        known.update(node.values)
    for i, v in enumerate(graph.outputs):
        if v not in known:
            yield f"output {i} is not a value of the graph", None


def node_faults(node: Node, known: set[Value]) -> Iterator[tuple[str, Node | None]]:
    op = node.op
    for body in op.graphs:
        for what, at in faults(body):
            yield f"{what}, in {body.name} of '{op.name}'", at or node
    if Op.registry.get(op.name) is not type(op):
        yield f"'{op.name}' is not a registered op", node
    for i, a in enumerate(node.args):
        if a not in known:
            yield f"operand {i} of '{op.name}' is not defined above it in its own graph", node
    if any(v in known for v in node.values):
        yield f"'{op.name}' defines a value twice", node
    if any(v.node is not node or v.index != i for i, v in enumerate(node.values)):
        yield f"a result of '{op.name}' belongs to another node", node
    try:
        inferred = op.type(*(a.type for a in node.args))
        types = inferred if isinstance(inferred, tuple) else (inferred,)
        if types != node.types:
            yield f"'{op.name}' gives {spelled(types)}, the graph says {spelled(node.types)}", node
        for parameter in op.params.values():
            bit_key(parameter)
    except (ProgramError, CompilerError) as error:
        yield f"'{op.name}' is rejected: {error}", node


def excerpt(graph: Graph, at: Node | None, around: int = 5) -> str:
    """Ten lines of the text around node `at`, which is marked, or the whole text."""
    text = list(lines(graph))
    if at is None:
        return "\n".join(line for line, _ in text)
    place = next((i for i, (_, node) in enumerate(text) if node is at), 0)
    shown = range(max(0, place - around), min(len(text), place + around + 1))
    return "\n".join(f"{'>' if i == place else ' '} {i + 1:4d}  {text[i][0]}" for i in shown)


def text_difference(before: Graph, after: Graph) -> str:
    import difflib  # only errors need it

    old, new = print_graph(before).splitlines(), print_graph(after).splitlines()
    return "\n".join(difflib.unified_diff(old, new, "before", "after", lineterm="", n=3))
