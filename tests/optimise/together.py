"""What a graph with transfers means in several processes: all of them, node by node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np
import pytest

from tests.plan.test_begin_early import AlikeWorld
from wonderland.compiler.ir.graph import Graph, Node
from wonderland.compiler.ops.nested.scan import Scan
from wonderland.compiler.ops.transferred import Transferred
from wonderland.runtime.processes import world

Arrays = tuple[np.ndarray, ...]
SUMS: dict[str, Any] = {"sum": np.add, "max": np.maximum, "min": np.minimum}


@contextmanager
def alike_world() -> Iterator[None]:
    """Compiled programs run in one of two processes that have the same."""
    with pytest.MonkeyPatch.context() as m:
        m.setattr(world._process, "world", AlikeWorld())
        yield


def exchanged(op: Transferred, xs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What each place gets of what all have."""
    match op.kind:
        case "gather":
            return [np.stack(xs)] * len(xs)
        case "exchange":
            return [np.stack([x[k] for x in xs]) for k in range(len(xs))]
        case "permute":
            moved = {b: xs[a] for a, b in op.pairs}
            return [moved.get(k, np.zeros_like(xs[k])) for k in range(len(xs))]
        case "scatter":
            return list(reduce(np.add, xs))
    return [reduce(SUMS[op.kind], xs)] * len(xs)


def results(node: Node, given: Sequence[Arrays]) -> list[Arrays]:
    op = node.op
    if isinstance(op, Transferred):
        return [(y,) for y in exchanged(op, [x for (x,) in given])]
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
