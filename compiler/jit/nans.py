"""Where a NaN was born: the node of a graph that made it of numbers that were none.

A graph runs in the interpreter with every value kept; then the way back from a result that has a
NaN, by operands that have one, ends at the node. Where processes exchange values, all run it if one
has a NaN, and no loop or branch that does so is run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...runtime.processes.world import world
from ..ir.graph import Graph, Node, Value
from ..ir.sizing import nodes_in
from ..ir.source import location
from ..ir.types import INEXACT, NAMES, spelled
from ..ops.collective import Collective
from ..ops.family import Elementwise
from ..ops.nested.bodies import Control
from ..transform.interpreter import results


def has_nan(array: np.ndarray) -> bool:
    return NAMES[array.dtype] in INEXACT and bool(np.isnan(array).any())


@dataclass(frozen=True)
class Birth:
    """The node, and what of its operands explains it."""

    node: Node
    infinite: Node | None  # where an infinity among its operands came from
    places: tuple[str, ...] = ()  # the turns and branches that it is in, the outermost first

    def __str__(self) -> str:
        operands = spelled(a.type for a in self.node.args) or "nothing"
        lines = [f"{self.node.op.name} of {operands} makes a NaN of operands without one"]
        lines += [location(self.node.source)] if self.node.source else []
        if self.infinite is not None:
            lines.append(f"an operand is infinite, since {self.infinite.op.name}")
            lines += [location(self.infinite.source)] if self.infinite.source else []
        lines += [f"in {place}" for place in reversed(self.places)]
        return "\n".join(lines)


def find(graph: Graph, arrays: Sequence[np.ndarray]) -> Birth | None:
    """The birth of a NaN in the results on `arrays`; None where the results have none."""
    store: dict[Value, np.ndarray] = dict(zip(graph.inputs, arrays, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            made = results(node, [store[a] for a in node.args])
            store.update(zip(node.values, made, strict=True))
    value = next((o for o in graph.outputs if has_nan(store[o])), None)
    node = None
    while value is not None and value.node is not None:
        node = value.node
        value = guilty(value, store)
    if node is None or value is not None:
        return None
    if isinstance(node.op, Control) and not is_exchange(node):
        return nested_birth(node, [store[a] for a in node.args]) or Birth(
            node, infinity(node, store)
        )
    return Birth(node, infinity(node, store))


def nested_birth(node: Node, arrays: Sequence[np.ndarray]) -> Birth | None:
    """The birth in what a loop or a branch runs."""
    assert isinstance(node.op, Control)
    for what, body, given in node.op.applied(*arrays):
        if birth := find(body, given):
            place = f"{what} of {node.op.name} {body.name}"
            return replace(birth, places=(place, *birth.places))
    return None


def guilty(value: Value, store: dict[Value, np.ndarray]) -> Value | None:
    """An operand of the node of `value` that has a NaN; of elementwise ones at the same place."""
    node = value.node
    assert node is not None
    bad = [a for a in node.args if has_nan(store[a])]
    if isinstance(node.op, Elementwise):
        at = np.isnan(store[value])
        bad = [a for a in bad if (np.isnan(store[a]) & at).any()]
    return bad[0] if bad else None


def infinity(node: Node, store: dict[Value, np.ndarray]) -> Node | None:
    """The node that made an infinity which `node` reads, of finite numbers."""

    def infinite(v: Value) -> bool:
        return v.type.is_inexact and bool(np.isinf(store[v]).any())

    found: Node | None = None
    value = next((a for a in node.args if infinite(a)), None)
    while value is not None and value.node is not None:
        found = value.node
        value = next((a for a in found.args if infinite(a)), None)
    return found


def is_exchange(node: Node) -> bool:
    """Whether processes give each other values in it, or in what it runs."""
    ops = (node.op, *(n.op for g in node.op.graphs for n in nodes_in(g)))
    return any(isinstance(op, Collective) and op.mesh and op.wire for op in ops)


def refuse_nans(graph: Graph, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
    """Raises a FloatingPointError where a result has a NaN and no argument has one; of processes
    that exchange values, in all where one has such a result."""
    bad = [k for k, array in enumerate(outputs) if has_nan(array)]
    everyone = np.array([[bool(bad), any(map(has_nan, arrays))]])
    if any(map(is_exchange, graph.nodes)):
        everyone = world().gathered(everyone).reshape(-1, 2)
    made, given = everyone.T
    if given.any() or not made.any():
        return
    birth = find(graph, arrays)
    if not bad:
        raise FloatingPointError(
            f"check_nans: a result of {graph.name} has a NaN in process {np.argmax(made)}, "
            "which says where it was born"
        )
    what = f"check_nans: result {bad[0]} of {graph.name} has a NaN"
    if birth is None:
        said = "the compiled program has it, the interpreter does not: an overflow or cancellation"
        raise FloatingPointError(f"{what}\n{said} that another order of sums avoids")
    raise FloatingPointError(f"{what}\n{birth}")
