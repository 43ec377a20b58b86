"""Which elements of its operands each element of a graph's results reads."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from ...compiler.ir.graph import Graph, Node, Value
from ...compiler.ops.collective import AllGather, CollectiveExtreme, Psum
from ...compiler.ops.elementwise import Mark
from ...compiler.ops.family import Elementwise
from ...compiler.ops.nested import Checkpoint, CustomJvp, CustomVjp
from ...compiler.ops.nested.switch import Switch
from ...compiler.ops.source import Full
from ...compiler.ops.view import Broadcast, Copy


class Reads(IntEnum):
    """What an array is made of; operands that are parts are OWN."""

    NUMBER = 0  # one number at all places
    TABLE = 1  # numbers by place that all processes have
    OWN = 2  # at each place what operands have there
    OTHERS = 3  # what operands have elsewhere


class Origin(NamedTuple):
    reads: Reads
    node: Node | None = None  # the first that reads elsewhere


def origins(graph: Graph, inputs: Sequence[Origin], names: Sequence[str]) -> list[Origin]:
    """Of each output; the operands are parts along the named axes, over which sums are for all."""
    known: dict[Value, Origin] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        args = [known[a] for a in node.args]
        known.update(zip(node.values, _made(node, args, names), strict=True))
    return [known[v] for v in graph.outputs]


def _made(node: Node, args: list[Origin], names: Sequence[str]) -> list[Origin]:
    op, shape = node.op, node.values[0].shape
    if isinstance(op, Full):
        return [Origin(Reads.NUMBER)]
    if isinstance(op, Psum | CollectiveExtreme | AllGather):
        return [_of_all(shape) if op.axis_name in names else args[0]]
    if isinstance(op, Elementwise | Mark | Copy):
        return [_together(node, args)]
    if isinstance(op, Broadcast) and (args[0].reads == Reads.NUMBER or shape == node.args[0].shape):
        return args
    if isinstance(op, CustomJvp | CustomVjp | Checkpoint) and _takes(op.graphs[0], node.args):
        return origins(op.graphs[0], args, names)
    if isinstance(op, Switch) and args[0].reads == Reads.NUMBER:
        branches = [origins(g, args[1:], names) for g in op.graphs]
        return [_together(node, list(found)) for found in zip(*branches, strict=True)]
    crossed = next((a for a in args if a.reads == Reads.OTHERS), None)
    if crossed is None and any(a.reads == Reads.OWN for a in args):
        crossed = Origin(Reads.OTHERS, node)
    return [crossed or _of_all(v.shape) for v in node.values]


def _of_all(shape: tuple[int, ...]) -> Origin:
    return Origin(Reads.TABLE if shape else Reads.NUMBER)


def _takes(graph: Graph, args: Sequence[Value]) -> bool:
    return [v.type for v in graph.inputs] == [a.type for a in args]


def _together(node: Node, args: list[Origin]) -> Origin:
    """Of what is read at one place of all."""
    found = max(args, key=lambda a: a.reads)
    mixed = {Reads.TABLE, Reads.OWN} <= {a.reads for a in args}
    return Origin(Reads.OTHERS, node) if mixed and found.reads == Reads.OWN else found
