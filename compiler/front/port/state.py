"""What foreign code keeps from call to call, which a trace of one call would lose in silence.

A second run, from what the first one left, has to compute the same; else a program of one call is
not the function.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Op
from ...ops.nested.bodies import Control
from ...trace.arguments import exact
from ...trace.tracer import Tracer
from .copies import SCALARS, Contents, Copier, is_container
from .doors import MISSING, Space, put
from .draft import Draft, Mixed
from .picked import same_value


class Same:
    """A thing that equals itself alone."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def constant_key(x: Any) -> Any:
    """What tells a constant from others."""
    if isinstance(x, np.generic):
        return x.dtype, x.tobytes()
    return exact(x) if isinstance(x, SCALARS) else Same(x)


def is_numeric(x: Any) -> bool:
    """Whether it is a number that could be traced."""
    return isinstance(x, (int, float, complex, np.number)) and not isinstance(x, bool)


def key_of(x: Any) -> Any:
    """What tells the content of a place from others: of a traced value which it is."""
    if isinstance(x, Tracer):
        return x._value
    x = x._value if isinstance(x, Draft) else x
    return (x.dtype.str, x.shape, x.tobytes()) if isinstance(x, np.ndarray) else constant_key(x)


def standing(x: Any) -> dict[str, Any]:
    """What is at the places of a thing now."""
    return {path: key_of(leaf) for path, leaf in Contents(x).leaves()}


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The places whose content is not what it was."""
    return [p for p in {**before, **after} if before.get(p, MISSING) != after.get(p, MISSING)]


def same_results(one: Any, two: Any) -> bool:
    """Whether two runs compute the same in the same way."""
    first, second = dict(Contents([one]).leaves()), dict(Contents([two]).leaves())
    return first.keys() == second.keys() and all(same_leaf(x, second[p]) for p, x in first.items())


def same_leaf(x: Any, y: Any) -> bool:
    if isinstance(x, Tracer) and isinstance(y, Tracer):
        return same_value(x._value, y._value, same_op)
    return key_of(x) == key_of(y)


def same_op(a: Op, b: Op) -> bool:
    """Whether two ops are one; of loops it is not looked at what they do."""
    return a == b or (isinstance(a, Control) and type(a) is type(b))


def left_by(made: Any, lifted: Callable[[str, Any], Any], names: dict[str, Any] | None) -> Any:
    """A copy of a copy that has run, where `lifted` gives the arrays; None if it has none."""

    def kept(path: str, x: Any) -> Any:
        with contextlib.suppress(ProgramError):  # a view of what was written to since
            return lifted(path, x)
        return x

    with contextlib.suppress(ProgramError):
        return Copier(Contents(made), kept, None if names is None else dict(names)).root()
    return None


class Watch:
    """The names of modules and classes as they are when a trace begins."""

    def __init__(self, spaces: Sequence[Space], tables: Copier) -> None:
        self.spaces = [(space, dict(names_in(space))) for space in spaces]
        self.tables = tables

    def rebound(self) -> Iterator[tuple[Space, str, Any, Any]]:
        """Names that are bound anew: what was there and what is."""
        for space, before in self.spaces:
            now = dict(names_in(space))
            for name in {**before, **now}:
                old, new = before.get(name, MISSING), now.get(name, MISSING)
                if old is not new:
                    yield space, name, old, new

    def changed(self) -> list[str]:
        """Names that are bound anew, and tables that have grown."""
        found = [f"{label(space)}.{name}" for space, name, _, _ in self.rebound()]
        grown = [
            new for old, new in self.tables.memo.values()
            if is_container(old) and len(old) != len(new)
        ]  # fmt: skip
        for table in grown:
            found += [
                f"{label(space)}.{name}"
                for space, _ in self.spaces for name, x in names_in(space).items() if x is table
            ] or ["a table of a module"]  # fmt: skip
        return found

    def undo(self, every: bool = False) -> None:
        """Binds names again to what was there, where they hold what is traced, or all."""
        for space, name, old, new in list(self.rebound()):
            if every or holds_traced(new):
                if old is not MISSING:
                    put(space, name, old)
                elif isinstance(space, dict):
                    space.pop(name, None)
                else:
                    delattr(space, name)


def names_in(space: Space) -> Any:
    return space if isinstance(space, dict) else vars(space)


def label(space: Space) -> str:
    return space.get("__name__", "") if isinstance(space, dict) else space.__qualname__


def holds_traced(x: Any) -> bool:
    """Whether a value of a trace is anywhere in it."""
    held = Contents([x]).leaves()
    return any(isinstance(leaf, (Tracer, Draft, Mixed)) for _, leaf in held)
