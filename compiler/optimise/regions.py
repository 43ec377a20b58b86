"""What lies between products that make scores of rows and columns, and those that sum them away.

A score has an axis of rows and one of columns, and axes of a batch. What computes values of all
these axes, sums them to less, and computes with those sums until it meets large values again, is
cut along rows and batch. It falls into levels: what is read outside, and of which something comes
back, as a gradient does, ends one. A region is a level and what it needs of large values: those of
lower levels are computed again, so that none waits in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..ir.graph import Graph, Node, Value
from ..ir.lazy import lazy
from ..ir.types import is_inexact
from ..ops.contract import DotGeneral
from ..ops.elementwise import Elementwise
from ..ops.family import Reduce
from ..ops.reduce import Sum
from ..ops.source import Full, Iota
from ..ops.view import Broadcast, Copy, Permute, Reshape
from .axes import NONE, Axis, AxisNames, SplitName

SPREAD = (Broadcast, Copy, Full, Permute, Reshape)
"""Moves of what is in memory: a region reads what is behind them."""


Users = Mapping[Value, Sequence[Node]]


@dataclass(eq=False)
class Scores:
    """The names of what a product of rows and columns is made into.

    `columns` says which side's free axes are columns. `row` is the largest of the other side's
    axes, if any has more than an element; all others are `units`.
    """

    graph: Graph
    users: Users
    product: Node
    columns: int
    parts: Mapping[int, tuple[int, ...]]
    names: AxisNames = field(init=False)
    sizes: dict[int, int] = field(init=False)
    units: tuple[int, ...] = field(init=False)
    row: int | None = field(init=False)
    column: frozenset[int] = field(init=False)

    @classmethod
    def of(cls, graph: Graph, users: Users, product: Node, columns: int) -> Scores:
        """Where a reshape divides an axis, each of its parts has a name."""
        parts = {d: (n,) for d, n in enumerate(product.out.shape) if n != 1}
        while True:
            try:
                found = cls(graph, users, product, columns, parts)
                _ = found.levels  # with the names of all that regions read through views
            except SplitName as split:
                places = [(d, k) for d, sizes in parts.items() for k in range(len(sizes))]
                d, k = places[split.name]
                parts = parts | {d: (*parts[d][:k], *split.sizes, *parts[d][k + 1 :])}
            else:
                return found

    def __post_init__(self) -> None:
        out, op = self.product.out, self.product.op
        assert isinstance(op, DotGeneral)
        self.names = AxisNames(self.users)
        self.sizes, axes = {}, list[Axis]()
        for d in range(out.type.ndim):
            own = {len(self.sizes) + k: n for k, n in enumerate(self.parts.get(d, ()))}
            self.sizes |= own
            axes.append(tuple(own.items()))
        self.names.give(out, axes)
        batch = len(op.batching[0])
        middle = batch + len(op.free(0, self.product.args[0].type.ndim))
        sides = axes[batch:middle], axes[middle:]
        of = [[name for axis in side for name, _ in axis] for side in sides]
        rows = sorted(of[1 - self.columns], key=lambda name: (-self.sizes[name], name))
        self.row = rows[0] if rows else None
        self.column = frozenset(of[self.columns])
        self.units = tuple(n for n in self.sizes if n not in self.column and n != self.row)
        self.names.spread([out], lambda v: self.large(v) or self.small(v))

    @property
    def needed(self) -> frozenset[int]:
        return self.column if self.row is None else self.column | {self.row}

    def large(self, v: Value) -> bool:
        return self.names.whole(v) and self.needed <= self.names.names(v)

    def small(self, v: Value) -> bool:
        """Whether a value has a number for each row, of some or all of the batch."""
        if not self.names.whole(v) or not self.column.isdisjoint(self.names.names(v)):
            return False
        return self.names.names(v) >= ({*self.units} if self.row is None else {self.row})

    def gone(self, node: Node) -> set[int]:
        """The names of rows and units that large operands of a node have, and its result not."""
        had = {n for a in node.args if self.large(a) for n in self.names.names(a)}
        return had - self.names.names(node.out) - self.column

    # ---- nodes

    @lazy
    def large_nodes(self) -> set[Node]:
        return {n for n in self.graph.nodes
                if len(n.values) == 1 and self.large(n.out) and self.names.holds(n)}  # fmt: skip

    @lazy
    def exits(self) -> set[Node]:
        """What sums large values to less."""
        found = {u for n in self.large_nodes for u in self.users[n.out]} - self.large_nodes
        return {
            n
            for n in found
            if isinstance(n.op, Reduce | DotGeneral) and self.names.holds(n)
            if isinstance(n.op, Sum | DotGeneral) or not self.gone(n)
        }

    @lazy
    def terminal(self) -> set[Node]:
        """Exits that sum over rows or units: their result is whole after the last of them."""
        return {n for n in self.exits if self.gone(n)}

    @lazy
    def between(self) -> set[Node]:
        """What makes of small results of exits what large values are made of."""
        forward: set[Node] = set()
        for n in self.graph.nodes:
            if n in self.exits or n in self.large_nodes or len(n.values) != 1:
                continue
            reads = {a.node for a in n.args} & (forward | (self.exits - self.terminal))
            fits = isinstance(n.op, Elementwise | Copy | Permute | Reshape | Broadcast)
            if reads and fits and self.small(n.out) and self.names.holds(n):
                forward.add(n)
        found: set[Node] = set()
        for n in sorted(forward, key=lambda n: -n.serial):
            if any(u in found or u in self.large_nodes or u in self.exits
                   for u in self.users[n.out]):  # fmt: skip
                found.add(n)
        return found

    @lazy
    def members(self) -> set[Node]:
        return self.large_nodes | self.exits | self.between

    @lazy
    def level(self) -> dict[Node, int]:
        """How often a value on the way to a node leaves what is cut."""
        found: dict[Node, int] = {}
        for n in self.graph.nodes:
            inside = n in self.members
            reads = ((a.node, found[a.node]) for a in n.args if a.node)
            found[n] = max(
                (k + (a in self.members and (not inside or a in self.terminal)) for a, k in reads),
                default=0,
            )
        return found

    @lazy
    def levels(self) -> list[SlabRegion]:
        """The regions of all levels, with what others read of each."""
        outputs, wanted = set(self.graph.outputs), dict[int, dict[Value, None]]()
        for n in self.graph.nodes:
            if n in self.members:
                level, large = self.level[n], n in self.large_nodes
                read = (u not in self.members or (not large and self.level[u] != level)
                        for u in self.users[n.out])  # fmt: skip
                if n.out in outputs or any(read):
                    wanted.setdefault(level, {})[n.out] = None
        found = list[SlabRegion]()
        for level in range(max(wanted, default=-1), -1, -1):
            if level in wanted:
                region = SlabRegion(self, level, list(wanted[level]))
                found.append(region)
                for v in region.entries:
                    if v.node in self.members and v.node not in self.large_nodes:
                        wanted.setdefault(self.level[v.node], {})[v] = None
        return found[::-1]


@dataclass(eq=False)
class SlabRegion:
    """What slabs compute: `nodes` in order make `values` of `entries`, which are in memory."""

    scores: Scores
    level: int
    values: list[Value]
    nodes: list[Node] = field(init=False)
    entries: list[Value] = field(init=False)

    def __post_init__(self) -> None:
        nodes, entries = set[Node](), dict[Value, None]()
        stack, seen = list(reversed(self.values)), set[Value]()
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            if v.node is not None and self.computes(v.node):
                nodes.add(v.node)
                stack += reversed(v.node.args)
            else:
                entries[v] = None
        self.nodes = sorted(nodes, key=lambda n: n.serial)
        self.entries = list(entries)

    @property
    def kept(self) -> list[Value]:
        """Large values that are read outside."""
        return [v for v in self.values if v.node in self.scores.large_nodes]

    @property
    def summed(self) -> list[Value]:
        """Values that rows are summed to."""
        row = self.scores.row
        return [v for v in self.values
                if v.node in self.scores.terminal and row in self.scores.gone(v.node)]  # fmt: skip

    def computes(self, node: Node) -> bool:
        """Whether a node that the region needs is one of its own."""
        s = self.scores
        if node in s.large_nodes:
            return True
        if node in s.members:
            return s.level[node] == self.level
        if isinstance(node.op, Iota):
            return s.names.names(node.out) <= s.column
        positions = isinstance(node.op, Elementwise) and not is_inexact(node.out.dtype)
        if not isinstance(node.op, SPREAD) and not positions:
            return False
        s.names.step(node)
        return s.names.holds(node) and (not positions or s.names.names(node.out) <= s.column)

    def named(self) -> Iterator[int]:
        """The names that values of the region have."""
        seen = {n for node in self.nodes for n in self.scores.names.names(node.out)}
        yield from (n for n in self.scores.sizes if n in seen and n != NONE)
