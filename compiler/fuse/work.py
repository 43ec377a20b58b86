"""What a program does: kernels, nodes that run on the host, nodes that run graphs of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ..ir.graph import Node, Value
from ..ir.types import Type
from ..kernel import Buffer, Kernel
from ..kernel.elimination import Elimination
from ..kernel.prefix import Prefix
from ..kernel.product import Product
from ..kernel.sorting import Searching, Sorting
from ..ops.nested.bodies import Control


@dataclass(frozen=True)
class Work:
    """A kernel and the value behind each of its buffers; the last `writes` of them are written.

    It runs after `waits` are written, of which it need not read any. Where it does no more than put
    what it reads one after the other, `offsets` are the bytes of the result at which each begins.
    """

    kernel: Kernel | Product | Prefix | Sorting | Searching | Elimination
    values: tuple[Value, ...]
    writes: int
    waits: tuple[Value, ...] = ()
    offsets: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.kernel.name

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.values[: len(self.values) - self.writes]

    @property
    def written(self) -> tuple[Value, ...]:
        return self.values[len(self.values) - self.writes :]

    @property
    def pieces(self) -> tuple[tuple[Value, int], ...]:
        """The values that it puts together, and where; of a copy one, at 0."""
        return tuple(zip(self.reads, self.offsets, strict=True)) if self.offsets else ()

    def buffer(self, value: Value) -> Buffer:
        """The buffer behind which the value stands."""
        return self.kernel.buffers[self.values.index(value)]

    def may_overwrite(self, read: Value, written: Value) -> bool:
        """Whether `written` may be written over `read`."""
        same = read.type.nbytes == written.type.nbytes
        return same and self.kernel.may_overwrite(self.buffer(read), self.buffer(written))

    def __str__(self) -> str:
        return str(self.kernel)


@dataclass(frozen=True)
class CalledWork:
    """What runs on the calling thread, or waits there; `values` and `waits` as of a work."""

    node: Node
    values: tuple[Value, ...]
    waits: tuple[Value, ...] = ()

    verb: ClassVar[str]

    @property
    def name(self) -> str:
        return f"{self.verb} {self.node.op.name}"

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.values[: len(self.node.args)]

    @property
    def written(self) -> tuple[Value, ...]:
        return self.values[len(self.node.args) :]

    @property
    def pieces(self) -> tuple[tuple[Value, int], ...]:
        """None: the host may do anything, and what is transferred is not there yet."""
        return ()

    def may_overwrite(self, read: Value, written: Value) -> bool:
        """Never: the node, or another process, reads arrays as long as it runs."""
        return False

    def __str__(self) -> str:
        return f"{self.verb} {self.node!r}"


class HostWork(CalledWork):
    """A node that NumPy does."""

    verb = "host"

    @classmethod
    def of(cls, node: Node) -> HostWork:
        return cls(node, (*node.args, *node.values))


class StartWork(CalledWork):
    """A transfer that begins: reads its operand and writes its result, neither of which is done
    with before its WaitWork."""

    verb = "start"


class WaitWork(CalledWork):
    """The end of a transfer: keeps its operand and result, and writes `done`, which is empty: who
    reads the result waits for that."""

    verb = "wait"

    @classmethod
    def of(cls, node: Node) -> WaitWork:
        return cls(node, (*node.args, *node.values, Value(Type("bool", (0,)))))

    @property
    def done(self) -> Value:
        return self.values[-1]

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.values[:-1]

    @property
    def written(self) -> tuple[Value, ...]:
        return self.values[-1:]


class ScheduledBody(Protocol):
    """The works of a graph that a work runs: in waves (`Schedule`), later with places (`Plan`)."""

    @property
    def works(self) -> Iterator[tuple[int, AnyWork]]: ...

    @property
    def kernels(self) -> str: ...

    @property
    def donated(self) -> tuple[tuple[int, int], ...]: ...


B = TypeVar("B", bound=ScheduledBody)


@dataclass(frozen=True, eq=False)
class BodyWork(Generic[B]):
    """A node that runs its graphs: a loop or a branch; `values` and `waits` as of a work.

    An operand begins so many bytes into the value that is read for it as `starts` says.
    `memory`: what the bodies need beside operands and results; known when they are planned.
    `in_place`: operands of which elements are updated in a result, which is read in their place.
    """

    node: Node
    bodies: tuple[B, ...]
    values: tuple[Value, ...]
    starts: tuple[int, ...]
    waits: tuple[Value, ...] = ()
    memory: Value | None = None
    in_place: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(
        cls, node: Node, bodies: tuple[B, ...], read: Sequence[tuple[Value, int]]
    ) -> BodyWork[B]:
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

    @property
    def pieces(self) -> tuple[tuple[Value, int], ...]:
        """None: it runs."""
        return ()

    def may_overwrite(self, read: Value, written: Value) -> bool:
        """Whether a carry is written over the one before, and nothing else reads its first value.

        Known when the bodies are planned.
        """
        places = [i for i, a in enumerate(self.reads) if a is read]
        return any(
            places == [i] and written is self.written[o] and (i, o) in body.donated
            for body, carried in zip(self.bodies, self.op.carried, strict=True)
            for i, o in carried
        )

    def inside(self) -> Iterator[AnyWork]:
        """The works of the bodies."""
        for body in self.bodies:
            yield from (work for _, work in body.works)

    def __str__(self) -> str:
        bodies = "\n\n".join(body.kernels for body in self.bodies)
        return f"{self.name}:\n{textwrap.indent(bodies, '    ')}"


AnyWork = Work | HostWork | StartWork | WaitWork | BodyWork[Any]
