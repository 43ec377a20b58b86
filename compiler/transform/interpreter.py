"""The reference interpreter: a graph's meaning by NumPy, the oracle of every test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.errors import CompilerError, ProcessError, ProgramError
from ..ir.facts import runs_outside
from ..ir.graph import Graph, Node, Value
from ..ir.source import location
from ..ir.types import spelled, type_of


def interpret(graph: Graph, *arrays: Any) -> tuple[np.ndarray, ...]:
    """The outputs of `graph` on `arrays`: C-ordered, of the declared types, sharing no memory.

    A value is freed after its last use. Errors: a ProgramError where the arrays are not of the
    types of the inputs; a CompilerError that names the node whose reference fails or gives another
    type than its rule.
    """
    given = tuple(np.asarray(a) for a in arrays)
    wanted, got = tuple(v.type for v in graph.inputs), tuple(map(type_of, given))
    if wanted != got:
        required, found = spelled(wanted) or "no arrays", spelled(got) or "none"
        raise ProgramError(f"{graph.name}: {required} required, got {found}")
    store = dict(zip(graph.inputs, given, strict=True))
    last = last_readers(graph)
    for node in graph.nodes:
        store.update(zip(node.values, results(node, [store[a] for a in node.args]), strict=True))
        for value in last.get(node, ()):
            store.pop(value, None)
    return tuple(np.array(store[o], order="C") for o in graph.outputs)


def results(node: Node, args: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The results of one node on arrays."""
    try:
        found = node.op.reference(*args)
    except (ProgramError, ProcessError):
        raise  # of a graph of the user's that the node holds; of another process
    except Exception as error:
        if runs_outside(node.op):
            raise  # of a function of the user's
        said = f"the reference failed: {type(error).__name__}: {error}"
        raise CompilerError(f"{node!r}: {said}", location(node.source)) from error
    several = found if isinstance(found, tuple) else (found,)
    arrays = tuple(np.asarray(r) for r in several)
    if tuple(map(type_of, arrays)) != node.types:
        said = f"the reference gave {spelled(map(type_of, arrays))}"
        raise CompilerError(f"{node!r}: {said}", location(node.source))
    return arrays


def last_readers(graph: Graph) -> dict[Node, list[Value]]:
    """The values that nothing needs after each node: read there last, or never read."""
    last: dict[Value, Node] = {}
    for node in graph.nodes:
        last.update(dict.fromkeys((*node.args, *node.values), node))
    kept = set(graph.outputs)
    freed: dict[Node, list[Value]] = {}
    for value, node in last.items():
        if value not in kept:
            freed.setdefault(node, []).append(value)
    return freed
