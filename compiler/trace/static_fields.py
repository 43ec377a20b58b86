"""Fields of dataclasses that were traced where Python's number was meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..ir.graph import Value
from ..ir.types import INTEGERS
from .containers import GetAttrKey
from .tree import Structure, entries, key_paths


@dataclass(frozen=True)
class Inputs:
    """A note of a trace: the values of its arguments' leaves."""

    values: tuple[Value, ...]
    structure: Structure


def static_field(x: Any) -> str:
    """How the field that a traced int or bool was read from becomes static; empty for others."""
    noted = x.owner.noted(Inputs)
    if noted is None or x.type.shape or x.type.dtype not in (*INTEGERS, "bool"):
        return ""
    at = next((i for i, v in enumerate(noted.values) if v is x._value), None)
    if at is None:
        return ""
    *path, last = [*key_paths(noted.structure)][at]
    holder = noted.structure
    for key in path:
        holder = holder.children[entries(holder).index(key)]
    if not isinstance(last, GetAttrKey) or holder.container is None:
        return ""
    field = f"{last.name}: wl.tree.Static[{'bool' if x.type.dtype == 'bool' else 'int'}]"
    name = holder.container.__name__
    if issubclass(holder.container, tuple):  # a named tuple has no static fields
        return f"a dataclass with {field} for {name}"
    return f"{field} in class {name}"
