"""f(x), and f'(x) dx as a program of its own, linear in dx, which reads what it needs of f.

What: jvp, then split at the tangents.
Order: on the traced graph, before transpose; eager `linearize` and `vjp` keep the residuals between
calls.
Before and after: well-formed graphs. The forward program is the given one with residuals as further
outputs.
Cost: O(n). Memory: the residuals.
Source: Radul, Paszke, Frostig, Johnson and Maclaurin, You Only Linearize Once, 2023.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..ir.graph import Graph
from .jvp import jvp
from .split import split


def linearize(
    graph: Graph, wrt: Sequence[bool], of: Sequence[bool] | None = None
) -> tuple[Graph, Graph]:
    """(inputs -> outputs, residuals), (residuals, tangents of `wrt` -> those of float outputs).

    `of` says which outputs are asked for their tangents; all by default.
    """
    both = jvp(graph, wrt, of)
    tangents, outputs = len(both.inputs) - len(graph.inputs), len(graph.outputs)
    marked = [False] * len(graph.inputs) + [True] * tangents
    late = [False] * outputs + [True] * (len(both.outputs) - outputs)
    forward, linear = split(both, marked, late)
    return dataclasses.replace(forward, name=f"{graph.name}_forward"), dataclasses.replace(
        linear, name=f"{graph.name}_linear"
    )
