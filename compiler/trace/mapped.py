"""What vmap notes of the trace of its function: its size, what differs, the name of its axis."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.graph import Value
from .tracer import Tracer, enclosing_traces


@dataclass(frozen=True)
class Mapped:
    """A note of a trace: `size` applications, which differ in some of its inputs.

    `place` is the place of one on the axis `name`, if that has a name.
    """

    size: int
    differs: frozenset[Value]
    name: str | None
    place: Tracer


def named_axes() -> dict[str, tuple[Tracer, int]]:
    """The named axes of vmap around this line: the place of an application on each, its size."""
    found: dict[str, tuple[Tracer, int]] = {}
    for trace in enclosing_traces():
        mapped = trace.noted(Mapped)
        if mapped and mapped.name is not None:
            found.setdefault(mapped.name, (mapped.place, mapped.size))
    return found
