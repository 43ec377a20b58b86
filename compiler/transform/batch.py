"""vmap: the graph of many independent applications of a graph at once.

What: every node with a batched operand is replaced by its op's batch rule, on operands with one
more axis, the leading one. Other nodes are made once, as they stand: they are the same for all
applications. Which values are batched follows from the graph, so a part that depends on no batched
input costs what it did.
What some rows need alone, as a branch that not all take, is computed for all; but nothing of it
reaches the derivative of another row (`guard`), and loops and effects in it run for those rows
(`batch_where`, a rule of ops that have such).
Order: on the traced graph, before anything is fused, before or after derivatives; it may be applied
to its own result. Rules of ops that hold graphs apply it to their bodies.
Before: a well-formed graph. After: a well-formed graph.
Cost: O(n) nodes.
Source: Bradbury et al., JAX: composable transformations of Python+NumPy programs, 2018; Agarwal and
Ganichev, Auto-vectorizing TensorFlow graphs, 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.errors import CompilerError
from ..ir.graph import Graph, Node, Value
from ..ir.symbolic import repeated
from ..ir.types import Type
from ..ir.walk import inline_graph
from .rows import apart, entered, guard


def batch(
    graph: Graph, batched: Sequence[bool], size: int, forced: Sequence[bool] | None = None
) -> tuple[Graph, tuple[bool, ...]]:
    """The graph on inputs of which the `batched` have a leading axis of `size`, and which outputs
    have one.

    The outputs that `forced` marks have it always, repeated where they are the same for all: the
    carry of a loop is batched as soon as one turn of the body makes it so.
    """
    inputs = tuple(
        Value(lifted(v.type, size) if yes else v.type)
        for v, yes in zip(graph.inputs, batched, strict=True)
    )
    found, wide = batched_outputs(graph, inputs, batched, size)
    if forced is not None:
        needed = [o or yes for o, yes in zip(wide, forced, strict=True)]
        found = tuple(
            repeated((o,), (yes or not need,), size)[0]
            for o, yes, need in zip(found, wide, needed, strict=True)
        )
        wide = tuple(needed)
    return Graph.of(f"{graph.name}_batch", inputs, found), wide


def batched_outputs(
    graph: Graph,
    args: Sequence[Value],
    batched: Sequence[bool],
    size: int,
    on: Value | None = None,
) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
    """The outputs of `graph` on `args`, and which of them are batched.

    With `on`, a bool for each row, they count in those rows alone: in others they may be anything.
    """
    # of the values of `graph`: a new value may stand for a batch and for one array of it all
    wide = {v for v, yes in zip(graph.inputs, batched, strict=True) if yes}
    if on is not None:
        args = entered(args, batched, on)

    def step(old: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
        marks = tuple(a in wide for a in old.args)
        if on is not None:
            return noted(old, in_rows(old, given, marks, size, on))
        if not any(marks):
            return old.like(given).values
        return noted(old, old.op.batch(old, given, marks, size))

    def noted(old: Node, found: tuple[Value, ...]) -> tuple[Value, ...]:
        for v, o in zip(found, old.values, strict=True):
            if v.type == lifted(o.type, size):
                wide.add(o)
            elif v.type != o.type:
                raise CompilerError(
                    f"batch: '{old.op.name}' gives {o.type} as {v.type}, "
                    f"{lifted(o.type, size)} is required",
                    str(graph),
                )
        return found

    outputs = inline_graph(graph, args, step)
    return outputs, tuple(o in wide for o in graph.outputs)


def in_rows(
    node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int, on: Value
) -> tuple[Value, ...]:
    """The results of a node on a batch of which the rows `on` count."""
    found = node.op.batch_where(node, args, batched, size, on)
    if found is None and any(batched):
        args, batched = apart(args, batched, size, on, node.op.shares)
        found = node.op.batch(node, args, batched, size)
        if not node.op.shares:
            return found
    elif found is None:
        return node.like(args).values
    # what it hands back to an operand that all rows share may be a sum over rows
    pairs = zip(found, node.types, strict=True)
    return tuple(guard(on, v) if v.type != t and t.is_inexact else v for v, t in pairs)


def lifted(of: Type, size: int) -> Type:
    """The type of `size` values of a type."""
    return Type(of.dtype, (size, *of.shape))
