"""A graph as a networkx graph, and as text that Graphviz draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx


def to_networkx(graph: Any) -> networkx.MultiDiGraph:
    """What `Graph.to_networkx` gives of a graph, which imports this."""
    import networkx  # 20 MB, and a tenth of a second

    made = networkx.MultiDiGraph(name=graph.name)
    number: dict[Any, int] = {}

    def add(key: Any, op: str, values: tuple[Any, ...], source: str, **parameters: Any) -> None:
        number[key] = len(number)
        places = [k for k, o in enumerate(graph.outputs) if o in values]
        types = tuple(str(v.type) for v in values)
        label = "\n".join([op, *types, *(f"output {k}" for k in places)])
        made.add_node(
            number[key], op=op, types=types, source=source, parameters=parameters, outputs=places,
            label=label,
        )  # fmt: skip

    for v in graph.inputs:
        add(v, "input", (v,), "")
    for node in graph.nodes:
        spoken = {k: str(x) for k, x in node.op.spoken.items()}
        add(node, node.op.name, node.values, str(node.source or ""), **spoken)
        for place, a in enumerate(node.args):
            made.add_edge(number[a.node or a], number[node], operand=place, result=a.index)
    return made


def to_dot(graph: Any) -> str:
    """What `Graph.to_dot` gives."""
    made = to_networkx(graph)
    import json  # only drawings need it

    lines = [f"digraph {json.dumps(graph.name)} {{", "    node [shape=box]"]
    lines += [f"    {k} [{dot_attributes(of)}]" for k, of in made.nodes(data=True)]
    lines += [f"    {a} -> {b}" for a, b in made.edges()]
    return "\n".join([*lines, "}"])


def dot_attributes(node: dict[str, Any]) -> str:
    """Of a node in the language of Graphviz: what is pointed at shows parameters and source."""
    more = [f"{k}={v}" for k, v in node["parameters"].items()]
    texts = {"label": node["label"], "tooltip": "\n".join([*more, node["source"]])}
    import json  # only drawings need it

    return ", ".join(f"{k}={json.dumps(text, ensure_ascii=False)}" for k, text in texts.items())
