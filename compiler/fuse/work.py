"""What a program does: kernels, nodes that run on the host, nodes that run graphs of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.graph import Node, Value
from ..kernel import Buffer, Kernel
from ..kernel.prefix import Prefix
from ..kernel.product import Product
from ..kernel.sorting import Searching, Sorting
from ..ops.nested.bodies import Control


@dataclass(frozen=True)
class Work:
    """A kernel and the value behind each of its buffers; the last `writes` of them are written.

    It runs after `waits` are written, of which it need not read any.
    """

    kernel: Kernel | Product | Prefix | Sorting | Searching
    values: tuple[Value, ...]
    writes: int
    waits: tuple[Value, ...] = ()

    @property
    def name(self) -> str:
        return self.kernel.name

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.values[: len(self.values) - self.writes]

    @property
    def written(self) -> tuple[Value, ...]:
        return self.values[len(self.values) - self.writes :]

    def buffer(self, value: Value) -> Buffer:
        """The buffer behind which the value stands."""
        return self.kernel.buffers[self.values.index(value)]

    def __str__(self) -> str:
        return str(self.kernel)


@dataclass(frozen=True)
class HostWork:
    """A node that NumPy does on the calling thread; `values` and `waits` as of a work."""

    node: Node
    values: tuple[Value, ...]
    waits: tuple[Value, ...] = ()

    @classmethod
    def of(cls, node: Node) -> HostWork:
        return cls(node, (*node.args, *node.values))

    @property
    def name(self) -> str:
        return f"host {self.node.op.name}"

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.values[: len(self.node.args)]

    @property
    def written(self) -> tuple[Value, ...]:
        return self.values[len(self.node.args) :]

    def __str__(self) -> str:
        return f"host {self.node!r}"


@dataclass(frozen=True, eq=False)
class BodyWork:
    """A node that runs its graphs: a loop or a branch; `values` and `waits` as of a work.

    An operand begins so many bytes into the value that is read for it as `starts` says.
    `bodies`: what the last passes have made of each graph so far: works, works in waves, a plan.
    `memory`: what the bodies need beside operands and results; known when they are planned.
    """

    node: Node
    bodies: tuple[Any, ...]
    values: tuple[Value, ...]
    starts: tuple[int, ...]
    waits: tuple[Value, ...] = ()
    memory: Value | None = None

    @classmethod
    def of(cls, node: Node, bodies: tuple[Any, ...], read: Sequence[tuple[Value, int]]) -> BodyWork:
        """`read`: for each operand of the node a value, and the byte of it at which it begins."""
        values, starts = zip(*read, strict=True) if read else ((), ())
        return cls(node, bodies, (*values, *node.values), starts)

    @property
    def op(self) -> Control:
        assert isinstance(self.node.op, Control)
        return self.node.op

    @property
    def name(self) -> str:
        graphs = dict.fromkeys(g.name for g in self.op.graphs)
        return f"{self.node.op.name} {' '.join(graphs)}"

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.values[: len(self.node.args)]

    @property
    def written(self) -> tuple[Value, ...]:
        return (*self.values[len(self.node.args) :], *([self.memory] if self.memory else ()))

    def inside(self) -> Iterator[AnyWork]:
        """The works of the bodies when they are in waves."""
        for body in self.bodies:
            schedule = getattr(body, "schedule", body)
            yield from (work for _, work in schedule.works)

    def __str__(self) -> str:
        bodies = "\n\n".join(map(str, self.bodies))
        return f"{self.name}:\n{textwrap.indent(bodies, '    ')}"


AnyWork = Work | HostWork | BodyWork
