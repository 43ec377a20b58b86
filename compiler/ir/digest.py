"""A graph's content as a hash that means the same in every process."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Mapping
from functools import cache
from typing import Any

from .graph import Graph, Op, Value
from .parameters import Array, Parameter, bit_key
from .types import Type

OWN = f"{__name__.removesuffix('.ir.digest')}."
"""Before the names of all modules whose ops are of this package."""


EXACT = frozenset((bool, int, float, complex, str, type(None)))
"""Types of what marshal spells with all its bits."""
PLAIN = 2
"""The version of marshal that knows no references, whose bytes depend on values alone."""


class Nameless(Exception):
    """A graph holds what has no name outside of this process."""


def graph_hash(graph: Graph) -> str | None:
    """The hash of its inputs, nodes and outputs, of the content of its arrays and of the graphs in
    it with their names, which tables of rows show. Names of values and sources take no part.

    None where it calls Python, or an op that is the user's: these have no content to be known by.
    Cost: linear.
    """
    found: dict[int, str] = {}
    stack = [graph]
    try:
        while stack:
            holders = [n.op for n in stack[-1].nodes if n.op.holds]
            inside = [b for op in holders for b in op.graphs if id(b) not in found]
            if inside:
                stack += inside
            else:
                of = stack.pop()
                found[id(of)] = found.get(id(of)) or one_hash(of, found)
    except Nameless:
        return None
    return found[id(graph)]


def one_hash(graph: Graph, inside: Mapping[int, str]) -> str:
    """The hash of a graph; `inside` are those of the graphs in it, by id."""
    number: dict[Value, int] = {v: k for k, v in enumerate(graph.values)}
    words: list[Any] = [str(v.type) for v in graph.inputs]
    places: list[int] = [len(words)]
    for node in graph.nodes:
        words += op_words(node.op, inside)
        places.append(len(node.args))
        places += [number[a] for a in node.args]
    places += [number[o] for o in graph.outputs]
    return hashlib.sha256(marshal.dumps((words, places), PLAIN)).hexdigest()


def op_words(op: Op, inside: Mapping[int, str]) -> list[Any]:
    """The name and the parameters: as they are, or as bytes of what only the same bits have."""
    kind = type(op)
    own = vars(op)
    found: list[Any] = [kind.name]
    if not is_ours(kind):
        raise Nameless
    for name in kind.parameter_names:
        x = own[name]
        if is_exact(x):
            found.append(x)
        elif type(x) is Type:
            found.append([x.dtype, x.shape])
        else:
            found.append(parameter_words(x, inside).encode())
    return found


def is_exact(x: Any) -> bool:
    """Whether marshal spells a parameter with all its bits, and nothing else so."""
    kind = type(x)
    if kind is not tuple:
        return kind in EXACT
    return EXACT.issuperset(map(type, x)) or all(map(is_exact, x))


@cache
def is_ours(kind: type[Op]) -> bool:
    return kind.__module__.startswith(OWN)


def parameter_words(x: Any, inside: Mapping[int, str]) -> str:
    """What only a parameter of the same bits has."""
    kind = type(x)
    if kind is tuple:
        return f"({','.join([parameter_words(y, inside) for y in x])})"
    if kind is Type:
        return str(x)
    if kind is Graph:
        return f"{x.name!r}{inside[id(x)]}"
    if kind is Array:
        return f"array {x.whole_digest}"
    if isinstance(x, Parameter):
        raise Nameless
    return repr(bit_key(x))
