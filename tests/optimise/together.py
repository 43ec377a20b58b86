"""What a graph with transfers means in several processes: all of them, node by node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.distributed.meaning import received
from wonderland.compiler.ir.graph import Graph, Node
from wonderland.compiler.ops.nested.scan import Scan
from wonderland.compiler.ops.transferred import Transferred

Arrays = tuple[np.ndarray, ...]


def results(node: Node, given: Sequence[Arrays]) -> list[Arrays]:
    op = node.op
    if isinstance(op, Transferred):
        found = received(op.kind, [np.ravel(a) for (a,) in given], op.pairs)
        return [(y.reshape(node.out.shape),) for y in found]
    if isinstance(op, Scan):
        return scanned(op, given)
    found = (op.reference(*x) for x in given)
    return [tuple(map(np.asarray, y)) if isinstance(y, tuple) else (np.asarray(y),) for y in found]


def scanned(op: Scan, given: Sequence[Arrays]) -> list[Arrays]:
    carries = [tuple(op.parts(x)[1]) for x in given]
    stacks: dict[int, list[Arrays]] = {}
    for i in op.order:
        turn = zip(given, carries, strict=True)
        found = together(op.body, [op.turn_inputs(x, c, i) for x, c in turn])
        carries = [y[: op.carries] for y in found]
        stacks[i] = [y[op.carries :] for y in found]
    order = range(op.length)
    return [
        (*c, *(np.stack(ys) for ys in zip(*(stacks[i][k] for i in order), strict=True)))
        for k, c in enumerate(carries)
    ]


def together(graph: Graph, given: Sequence[Arrays]) -> list[Arrays]:
    """The results of each place of its arguments."""
    known = [dict(zip(graph.inputs, x, strict=True)) for x in given]
    for node in graph.nodes:
        found = results(node, [tuple(k[a] for a in node.args) for k in known])
        for k, ys in zip(known, found, strict=True):
            k.update(zip(node.values, ys, strict=True))
    return [tuple(k[o] for o in graph.outputs) for k in known]
