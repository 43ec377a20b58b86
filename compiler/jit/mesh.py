"""Named axes over processes: one program in each, and names for their box."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping
from typing import Any, Self

from ...runtime.processes.world import initialize, world
from ...runtime.rows import MeshAxes
from ..ir.errors import ProgramError
from ..ir.source import location, user_source
from ..settings import changed


class Mesh:
    """Names for the axes of a box of processes, of which each is one; see `mesh`.

    Inside of `with mesh:` the names are known to `wl.lax.psum` and its like, in this thread.
    """

    def __init__(self, axes: MeshAxes) -> None:
        self.axes = axes
        self._entered = threading.local()

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.axes)

    @property
    def shape(self) -> dict[str, int]:
        """How many processes each axis has."""
        return dict(self.axes)

    @property
    def size(self) -> int:
        """How many processes there are."""
        return math.prod(size for _, size in self.axes)

    def place(self, axis_name: str) -> int:
        """The place of this process on an axis."""
        if axis_name not in self.shape:
            known = ", ".join(map(repr, self.axis_names))
            raise ProgramError(
                f"mesh: an axis of {known} is required, got {axis_name!r:.40}",
                location(user_source()),
            )
        return world().place(self.axes, axis_name)

    def __enter__(self) -> Self:
        entered = contextlib.ExitStack()
        entered.enter_context(changed(mesh=self.axes))
        self._stack().append(entered)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack().pop().close()

    def _stack(self) -> list[contextlib.ExitStack]:
        return self._entered.__dict__.setdefault("stack", [])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mesh) and self.axes == other.axes

    def __hash__(self) -> int:
        return hash(self.axes)

    def __repr__(self) -> str:
        return f"mesh({self.shape})"


def mesh(axes: Mapping[str, int]) -> Mesh:
    """Names for axes over all processes: process r is at the place on them that r is in a box of
    these sizes, the last axis the fastest.

    Every process makes the same meshes in the same order.
    Errors: a ProgramError where the sizes are not those of as many processes as there are.
    Example:
    >>> alone = mesh({"data": 1})
    >>> alone.place("data")
    0
    """
    found = _checked(axes)
    made = Mesh(found)
    if made.size != (there := initialize().size):
        required = f"axes of {there} processes in all are required"
        raise ProgramError(
            f"mesh: {required}, got {made.size} in {made.shape}",
            location(user_source()),
            f"mpiexec -n {made.size} python ..., or wl.vmap(f, axis_name=...) in one process",
        )
    world().join(found)
    return made


def _checked(axes: Any) -> MeshAxes:
    if isinstance(axes, Mapping) and axes:
        named = tuple(axes.items())
        if all(isinstance(n, str) and type(k) is int and k > 0 for n, k in named):
            return named
    raise ProgramError(
        f"mesh: a dict of names and sizes of at least 1 is required, got {axes!r:.60}",
        location(user_source()),
        'mesh({"data": wl.distributed.process_count()})',
    )
