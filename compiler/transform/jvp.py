"""Forward mode: the graph of f(x) and of its derivative f'(x) dx.

What: every node is followed by the nodes of its op's tangent rule. Zero tangents (None) cost no
node: integers, bools and what does not depend on a differentiated input have none. A rule that
computes results and tangents together (a loop, a call) returns both, results first, and its results
replace the node's.
Order: on the traced graph, before anything is fused; it may be applied to its own result, to any
order.
Before and after: a well-formed graph; the outputs are those of the given graph, then one tangent of
its type for every float and complex output.
Cost: O(n) nodes; the result does at most about three times the arithmetic.
Source: Griewank and Walther, Evaluating Derivatives, 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.errors import CompilerError
from ..ir.graph import Graph, Node, Value
from ..ir.symbolic import zeros
from ..ir.walk import inline_graph


def jvp(graph: Graph, nonzero: Sequence[bool], of: Sequence[bool] | None = None) -> Graph:
    """(inputs, tangents of the `nonzero` ones) -> (outputs, tangents of float and complex ones).

    `of` says which outputs are asked for their tangents; all by default.
    """
    inputs = tuple(Value(v.type) for v in graph.inputs)
    tangents = tuple(
        Value(v.type) if yes else None for v, yes in zip(graph.inputs, nonzero, strict=True)
    )
    if wrong := [
        v.type for v, t in zip(graph.inputs, tangents, strict=True) if t and not v.type.is_inexact
    ]:
        raise CompilerError(f"jvp: an input of type {wrong[0]} has no tangent", str(graph))
    outputs, slopes = pushforward(graph, inputs, tangents)
    asked = zip(outputs, slopes, of or [True] * len(outputs), strict=True)
    slopes = tuple(s or zeros(o) for o, s, yes in asked if yes and o.type.is_inexact)
    return Graph.of(
        f"{graph.name}_jvp", (*inputs, *(t for t in tangents if t)), (*outputs, *slopes)
    )


def pushforward(
    graph: Graph, args: Sequence[Value], tangents: Sequence[Value | None]
) -> tuple[tuple[Value, ...], tuple[Value | None, ...]]:
    """The outputs of `graph` on `args`, and their tangents or None: what rules of bodies use."""
    slopes = {v: t for v, t in zip(graph.inputs, tangents, strict=True) if t is not None}

    def step(old: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
        here = old.like(given)
        values, moving = here.values, tuple(map(slopes.get, old.args))
        if not values or all(t is None for t in moving):
            return values
        found = old.op.jvp(here, moving)
        if len(found) == 2 * len(values):
            values, found = tuple(v for v in found[: len(values)] if v), found[len(values) :]
        for place, v, t in zip(old.values, values, found, strict=True):
            if t is None:
                continue
            if t.type != v.type or not v.type.is_inexact:
                raise CompilerError(f"jvp: '{old.op.name}' gives {v.type} a tangent of {t.type}")
            slopes[place] = t
        return values

    outputs = inline_graph(graph, args, step)
    return outputs, tuple(map(slopes.get, graph.outputs))
