"""What a program does, one after the other: kernels, and nodes that run on the host."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Node, Value
from ..kernel import Buffer, Kernel
from ..prefix import Prefix
from ..product import Product
from ..sorting import Searching, Sorting


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
    """A node that NumPy does on the calling thread, after `waits` are written."""

    node: Node
    waits: tuple[Value, ...] = ()

    @property
    def name(self) -> str:
        return f"host {self.node.op.name}"

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.node.args

    @property
    def written(self) -> tuple[Value, ...]:
        return self.node.values

    def __str__(self) -> str:
        return f"host {self.node!r}"


AnyWork = Work | HostWork
