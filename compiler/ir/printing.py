"""Graphs as text, which `text` reads back: typed Python functions, one line a node."""

from __future__ import annotations

import itertools
import keyword
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Protocol

from .parameters import spell, tuple_text
from .types import NUMPY

Node = Any
Value = Any

INDENT = "    "
RESERVED = {*NUMPY, "nan", "inf"}


class Printed(Protocol):
    """What is read of a graph, which stands above this: it prints itself by it."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[Value, ...]: ...
    @property
    def nodes(self) -> tuple[Node, ...]: ...
    @property
    def outputs(self) -> tuple[Value, ...]: ...


def print_graph(graph: Printed) -> str:
    """The text of `graph`. A value that is not its own, which `verify` rejects, prints as `?`."""
    return "\n".join(text for text, _ in lines(graph))


def lines(graph: Printed, name: str = "") -> Iterator[tuple[str, Node]]:
    """The lines of the text, each with the node it spells."""
    names = value_names(graph)
    functions: dict[int, str] = {}
    inputs = ", ".join(f"{names[v]}: {v.type}" for v in graph.inputs)
    yield f"def {name or identifier(graph.name)}({inputs}):", None
    for node in graph.nodes:
        for body in node.op.graphs:
            if id(body) not in functions:
                taken, ops = functions.values(), node.op.registry
                functions[id(body)] = free_name(body.name, taken, ops)
                for text, inner in lines(body, functions[id(body)]):
                    yield INDENT + text, inner
        yield INDENT + node_line(node, names, functions), node
    yield INDENT + f"return {', '.join(names.get(o, '?') for o in graph.outputs) or '()'}", None


def node_line(node: Node, names: Mapping[Value, str], functions: Mapping[int, str]) -> str:
    given = [names.get(a, "?") for a in node.args]
    given += [f"{k}={spell(v, functions)}" for k, v in node.op.spoken.items()]
    comment = f"  # {node.source}" if node.source else ""
    result = tuple_text(map(str, node.types)) if len(node.values) != 1 else str(node.types[0])
    target = names[node.values[0]].split("[")[0] if node.values else "_"
    return f"{target}: {result} = {call_name(node.op.name)}({', '.join(given)}){comment}"


def value_names(graph: Printed) -> dict[Value, str]:
    """a, b, ..., z, a1, b1, ... in order; the results of a node of several are t[0], t[1]."""
    free = (
        n
        for k in itertools.count()
        for c in "abcdefghijklmnopqrstuvwxyz"
        if (n := f"{c}{k or ''}") not in RESERVED
    )
    names = {v: next(free) for v in graph.inputs}
    for node in graph.nodes:
        if len(node.values) == 1:
            names[node.out] = next(free)
        elif node.values:
            shared = next(free)
            names.update({v: f"{shared}[{v.index}]" for v in node.values})
    return names


def identifier(name: str) -> str:
    found = re.sub(r"\W", "_", name)
    return found if found.isidentifier() and not keyword.iskeyword(found) else f"_{found}"


def free_name(name: str, taken: Iterable[str], ops: Container[str]) -> str:
    """A name for a nested function that is no value's, op's or type's and is not `taken`."""
    found = identifier(name)
    if re.fullmatch(r"[a-z]\d*", found) or found in RESERVED or found in ops:
        found += "_"
    used = set(taken)
    return next(n for k in itertools.count() if (n := f"{found}_{k}" if k else found) not in used)


def call_name(op_name: str) -> str:
    """The name of an op as Python can spell it: `and_` for `and`."""
    return f"{op_name}_" if keyword.iskeyword(op_name) else op_name
