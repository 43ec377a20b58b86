"""Complex values become pairs of real ones, which is all that kernels know.

What: every op on complex values is replaced by its rule on real and imaginary parts. A complex
input is its memory, an array of reals with one more axis, of size 2; a complex output is written
so. In between the parts are arrays of their own, which vectors run over: carries and stacks of
loops too. The parts of constants are taken now.
Order: first, after differentiation and batching: laws, fusion and everything after see a real
program, and simplify what zero imaginary parts leave.
Before: any graph. After: a graph of as many inputs and outputs without a complex value; for
c64[3] they are f32[3, 2], the same bytes.
Cost: O(n) nodes; a product is four.
"""

from __future__ import annotations

import numpy as np

from ..ir.graph import Graph, Pair, Parts, Value
from ..ir.source import sourced
from ..ir.types import Type
from ..ops.view import interleave, reshape, slice_
from ..transform.pairs import has_complex, in_pairs


def parts(graph: Graph) -> Graph:
    """The graph without complex values; `graph` itself where it has none."""
    if not has_complex(graph):
        return graph
    inputs = tuple(Value(type_in_memory(v.type)) for v in graph.inputs)
    with sourced(None):
        given = [
            halved(x, v.type) if v.type.is_complex else x
            for v, x in zip(graph.inputs, inputs, strict=True)
        ]
    outputs = map(value_in_memory, graph.outputs, in_pairs(graph, given))
    return Graph.of(graph.name, inputs, tuple(outputs))


def type_in_memory(of: Type) -> Type:
    """The type of the reals that a value of type `of` is in memory."""
    return Type(of.part.dtype, (*of.shape, 2)) if of.is_complex else of


def in_memory(array: np.ndarray) -> np.ndarray:
    """An array as the reals that it is in memory: what an input of a graph in parts takes."""
    if array.dtype.kind != "c":
        return array
    return np.ascontiguousarray(array).reshape(*array.shape, 1).view(np.real(array).dtype)


def value_in_memory(old: Value, new: Parts) -> Value:
    """A value as it is in memory."""
    if not isinstance(new, Pair):
        return new
    with sourced(old.node.source if old.node else None):
        return interleave(*new)


def halved(x: Value, of: Type) -> Pair:
    """The real and the imaginary part of what has type `of`, and is `x` in memory."""
    start = [0] * of.ndim

    def part(k: int) -> Value:
        taken = slice_(x, (*start, k), (*of.shape, k + 1), (1,) * x.type.ndim)
        return reshape(taken, of.shape)

    return Pair(part(0), part(1))
