"""Which traced arrays would share memory in NumPy, so that no write goes unseen.

Values of a graph never change: writing to a traced array gives its tracer another value. NumPy's
views would show the write, and a value that a view was made of would not, so after a write every
other tracer of that memory is stale, and using it is an error.
"""

from __future__ import annotations

from typing import Any

from ..ir.graph import Value
from ..ops.source import Constant
from ..ops.view import Broadcast, Flip, Permute, Reshape, Slice, copy

VIEWS = (Broadcast, Flip, Permute, Reshape, Slice)
"""What NumPy does without copying."""


class AliasMemory:
    """What an array and its views share. `writes` counts how often it was written to; `views` are
    those that foreign code made while there were only numbers."""

    __slots__ = ("views", "writes")

    def __init__(self) -> None:
        self.writes = 0
        self.views: list[Any] | None = None


class Memories:
    """The memory of every value of a trace that a tracer stands for."""

    def __init__(self) -> None:
        self.known: dict[Value, AliasMemory] = {}

    def __getitem__(self, value: Value) -> AliasMemory:
        if (known := self.known.get(value)) is not None:
            return known
        passed = []
        while value not in self.known and (below := view_base(value)) is not None:
            passed.append(value)
            value = below
        found = self.known.setdefault(value, AliasMemory())
        for view in passed:
            self.known[view] = found
        return found

    def holding(self, value: Value, memory: AliasMemory) -> Value:
        """`value` as what `memory` holds from here on: a copy, if it is another's or a view."""
        if value in self.known or read_only_kind(value):
            value = copy(value)
        self.known[value] = memory
        return value


def view_base(value: Value) -> Value | None:
    """What `value` is a view of."""
    node = value.node
    return node.args[0] if node is not None and isinstance(node.op, VIEWS) else None


def same_view(x: Value, y: Value) -> bool:
    """Whether two values are the same view of the same value."""
    while x is not y:
        one, two = x.node, y.node
        if one is None or two is None or one.op != two.op or not isinstance(one.op, VIEWS):
            return False
        x, y = one.args[0], two.args[0]
    return True


def read_only_kind(value: Value) -> str:
    """What a value is where it is none that may be written to."""
    node = value.node
    if node is None:
        return "an argument"
    if isinstance(node.op, Constant):
        return "a constant"
    return "a view" if isinstance(node.op, VIEWS) else ""
