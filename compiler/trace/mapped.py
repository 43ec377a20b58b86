"""The named axes around a line: of vmap, which notes its of the trace of its function, and of
processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...runtime.rows import MeshAxes
from ..ir.graph import Value
from ..ops.transferred import process_place
from ..settings import active
from .operands import new
from .tracer import Tracer, current, enclosing_traces


@dataclass(frozen=True)
class Mapped:
    """A note of a trace: `size` applications, which differ in some of its inputs.

    `place` is the place of one on the axis `name`, if that has a name; `mesh` is the one around it.
    """

    size: int
    differs: frozenset[Value]
    name: str | None
    place: Tracer
    mesh: MeshAxes


class KnownAxis(NamedTuple):
    """A named axis: the place of an application on it, its size, and the mesh of processes that it
    is of, if it is."""

    place: Tracer
    size: int
    mesh: MeshAxes = ()


def named_axes() -> dict[str, KnownAxis]:
    """The named axes around this line, the nearest of a name."""
    found: dict[str, KnownAxis] = {}
    mesh = active().mesh if current() is not None else ()
    known = dict(mesh)
    for trace in enclosing_traces():
        mapped = trace.noted(Mapped)
        inside = mapped is not None and mapped.mesh != mesh  # the mesh is in it
        if mapped and mapped.name is not None and not (inside and mapped.name in known):
            found.setdefault(mapped.name, KnownAxis(mapped.place, mapped.size))
    for name, size in mesh:
        if name not in found:
            found[name] = KnownAxis(new(process_place(name, size, mesh)), size, mesh)
    return found
