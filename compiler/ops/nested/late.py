"""What loops share that say what their derivative keeps, whether their length is known or not.

The linear half of one is the loop once more, with what its first run kept. Only the transpose reads
what was kept. Every other rule is that of the loop itself: a derivative taken anew runs it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...ir.errors import CompilerError, ProgramError
from ...ir.graph import Graph, Node, Parts, Value, apply_all
from ...ir.types import Type
from .bodies import Control, Narrowed
from .scan import Scan


class Directed(Control, abstract=True):
    """A loop that says what its derivative keeps; in all else it is the plain one."""

    @property
    def plain(self) -> Control:
        """The loop that says nothing of that."""
        raise CompilerError(f"op '{self.name}' has no plain loop")

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The results, where no derivative will be taken any more."""
        return apply_all(self.plain, *node.args)


class DirectedScan(Directed, Scan, abstract=True):
    """The same of a scan."""

    @property
    def plain(self) -> Scan:
        return Scan(self.body, self.consts, self.carries, self.length, self.reverse)


class Checkpointed(Directed, abstract=True):
    """A loop whose derivative keeps `checkpoints` carries, and computes the others again."""

    checkpoints: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if self.checkpoints < 1:
            raise ProgramError(
                f"{self.name}: 1 checkpoint or more is required, got {self.checkpoints}"
            )
        return super().type(*args)


class Late(Control, abstract=True):
    """A loop; the last `kept` operands are what another run of it has kept."""

    kept: int

    @property
    def whole(self) -> Any:
        """The loop itself."""
        raise CompilerError(f"op '{self.name}' has no loop")

    def operands_of(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """What belongs to the loop itself."""
        return tuple(xs[: len(xs) - self.kept])

    def rest(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """What belongs to what was kept."""
        return tuple(xs[len(xs) - self.kept :])

    def whole_node(self, node: Node) -> Node:
        """The loop without what was kept."""
        return Node(self.whole, self.operands_of(node.args), node.source)

    def reference(self, *args: np.ndarray) -> Any:
        return self.whole.reference(*self.operands_of(args))

    def applied(self, *args: np.ndarray) -> Iterator[tuple[str, Graph, tuple[np.ndarray, ...]]]:
        return self.whole.applied(*self.operands_of(args))

    def narrowed(self, node: Node, wanted: tuple[bool, ...]) -> Narrowed:
        return self.whole.narrowed(self.whole_node(node), wanted)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The results, where no derivative will be taken any more."""
        return self.whole.inlined(self.whole_node(node))

    def in_pairs(self, node: Node, args: tuple[Parts, ...]) -> tuple[Parts, ...]:
        return self.whole.in_pairs(self.whole_node(node), self.operands_of(args))

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        return self.whole.jvp(self.whole_node(node), self.operands_of(tangents))

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        return self.whole.split(self.whole_node(node), self.operands_of(marked))

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return self.whole.batch(
            self.whole_node(node), self.operands_of(args), self.operands_of(batched), size
        )

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        own = self.operands_of(args), self.operands_of(batched)
        return self.whole.batch_where(self.whole_node(node), *own, size, on)
