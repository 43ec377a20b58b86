"""Dead code: nodes that no output needs are dropped.

What: a walk from the outputs. Inputs stay, they are the program's signature.
Order: after any pass that leaves nodes unread; the other passes of this folder end with it.
Before and after: a well-formed graph of the same meaning and bits. An op with an effect gives a
token that is an output, so it stays.
Cost: O(n).
"""

from __future__ import annotations

from ..ir import Graph


def dead(graph: Graph) -> Graph:
    """The graph of what the outputs need."""
    return Graph.of(graph.name, graph.inputs, graph.outputs)
