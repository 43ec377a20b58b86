"""A graph as a networkx graph, for its algorithms and for drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .graph import Graph, Value

if TYPE_CHECKING:
    import networkx


def network(graph: Graph) -> networkx.MultiDiGraph:
    """Nodes are numbered in program order, inputs first; an edge is an operand.

    A node has `op` ("input" for an input), `types` of its results, `source` (the user's line, or
    ""), `parameters` (those that are not their default) and `outputs` (the places that it has among
    the graph's). An edge has `operand`, its place, and `result`, which of those of its node it is.
    """
    import networkx  # 20 MB, and a tenth of a second

    made = networkx.MultiDiGraph(name=graph.name)
    number: dict[Any, int] = {}

    def add(key: Any, op: str, values: tuple[Value, ...], source: str, **parameters: Any) -> None:
        number[key] = len(number)
        places = [k for k, o in enumerate(graph.outputs) if o in values]
        made.add_node(
            number[key], op=op, types=tuple(str(v.type) for v in values), source=source,
            parameters=parameters, outputs=places,
        )  # fmt: skip

    for v in graph.inputs:
        add(v, "input", (v,), "")
    for node in graph.nodes:
        spoken = {k: str(x) for k, x in node.op.spoken.items()}
        add(node, node.op.name, node.values, str(node.source or ""), **spoken)
        for place, a in enumerate(node.args):
            made.add_edge(number[a.node or a], number[node], operand=place, result=a.index)
    return made
