"""What a kernel reads of what others compute, and what it computes again itself.

A kernel has what it needs for the least bytes and operations: a minimum cut through the elementwise
values between what is in memory and what is its own. So a derivative keeps one value of an
activation where its rules name five; a truth value is kept rather than what it was found from; and
what no kernel reads any more is not written. Reductions, products and whatever else one kernel
cannot compute stay in memory. Computing again is the same operations on the same operands; only
where a kernel makes one operation of a product and a sum, which is its own affair, may a bit differ
from the kernel that would have written the value.

Costs are in bytes. A read costs its bytes; who is its only reader, those of writing it too, and who
is its last reader, those that it holds until then. A multiply-add of every point costs what it was
measured to take beside a byte. A kernel changes only where it then takes no more bytes, holds no
more and is faster.
Source: Jain et al., Checkmate, 2020 (what to keep as an optimisation); Picard, Maximal closure of a
graph, 1976.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..ir.graph import Node, Value
from ..ir.sizes import truncated
from ..ir.types import spelled_bytes
from ..kernel import costs
from ..ops.contract import DotGeneral
from ..ops.family import Computed, Elementwise, View
from ..ops.source import Full
from ..ops.view import Broadcast, Permute, Reshape
from .edges import Waits
from .groups import Group, Groups
from .minimum_cut import ValueCost, cheapest
from .roots import CHAIN, Roots

SMALL = 1024
"""Elements up to which there is nothing to gain."""
NEW = 1.01
"""How much dearer what is new has to be taken for, so that of equals the old one stays."""
PLAIN = Broadcast, Permute, Reshape
"""Views that read an element at one place only."""


@dataclass(frozen=True)
class Change:
    """What a group is to read, and what others are to write for that."""

    group: Group
    reads: frozenset[Value]
    size: int
    kept: dict[Value, Group]  # what is to be written, by the groups that compute it
    recomputed: tuple[Value, ...]  # what is computed again instead of read
    unread: tuple[Value, ...]  # what is needed no more
    nbytes: int  # fewer, read and written

    def line(self, names: Mapping[Value, str]) -> str:
        """What changes, for who reads the stage."""
        parts = {
            "keeps": self.kept,
            "computes again": self.recomputed,
            "reads no more": self.unread,
        }
        said = (
            f"{verb} {', '.join(f'{names[v]}: {v.type}' for v in values)}"
            for verb, values in parts.items()
            if values
        )
        return f"{self.group.title} {'; '.join(said)}; {spelled_bytes(self.nbytes)} fewer"


@dataclass(frozen=True)
class Cost:
    """Of a value for one group: bytes if it is read, and computing; infinite what cannot be."""

    nbytes: float
    held: float  # bytes that only this reader holds
    work: float
    args: tuple[Value, ...] = ()


class Savings:
    """The groups of a program that are about to be emitted, and who computes what."""

    def __init__(self, groups: Groups, roots: Roots, waits: Waits) -> None:
        self.groups, self.roots, self.waits = groups, roots, waits
        self.outputs = frozenset(roots.graph.outputs)
        self.ordered = groups.ordered()
        self.places = {v: k for k, g in enumerate(self.ordered) for v in g.values}
        self.homes: dict[Value, Value] = {}  # a root of the group that first computes a value
        for g in self.ordered:
            for n in computed(g, g.reads):
                for v in n.values:
                    self.homes.setdefault(v, g.roots[0].values[0])
        total = sum(v.type.nbytes for g in self.ordered for v in g.values)
        self.rate = costs.NEAR if total < costs.FAR_BYTES else costs.FAR

    def place(self, group: Group) -> int:
        """Of a group in the order of the program."""
        return self.places[group.values[0]]

    def home(self, value: Value) -> Group | None:
        """The group that first computes a value, if it could write it."""
        root = self.homes.get(value)
        group = None if root is None else self.groups.of.get(root)
        return group if group is not None and self.flexible(group) else None

    def flexible(self, group: Group) -> bool:
        """Whether the group is a kernel of expressions, or a product with its epilogue."""
        return group.product is not None or self.roots.fusible(group.nodes[0])

    def change(self, group: Group) -> Change | None:
        """What would be better for a group, if anything."""
        if not group.nodes or not self.flexible(group):
            return None
        large = any(v in self.groups.of and v.type.size >= SMALL for v in group.reads)
        return Reading(self, group).change() if large else None


class Reading:
    """What one group could read, and what that costs."""

    def __init__(self, program: Savings, group: Group) -> None:
        self.program, self.group = program, group
        self.points = group.domain.points
        self.computed = frozenset(group.values)
        self.today = dict.fromkeys(computed(group, group.reads))
        self.pinned = frozenset(a for n in self.today for a in memory_reads(n, group.reads))
        self.moved = moved_values(self.today)
        self.costs: dict[Value, Cost] = {}
        self.walk()

    def walk(self) -> None:
        """The costs of all that the group computes, and would compute if it read less."""
        further = 0
        queue = deque(self.group.values)
        while queue:
            v = queue.popleft()
            if v in self.costs:
                continue
            self.costs[v] = cost = self.cost(v, further < CHAIN)
            further += bool(cost.args) and v.node not in self.today
            queue += cost.args

    def change(self) -> Change | None:
        values = sorted(self.costs, key=place_of)
        number = {v: k for k, v in enumerate(values)}
        choices = [self.choice(v, tuple(number[a] for a in self.costs[v].args)) for v in values]
        found = cheapest(choices, [number[v] for v in self.group.values])
        reads = self.pinned.union(values[k] for k in found)
        before, after = self.spent(self.group.reads), self.spent(reads)
        if after[2] * NEW >= before[2] or after[0] > before[0] or after[1] > before[1]:
            return None
        new = (v for v in values if v in reads and v not in self.program.groups.of)
        kept = {v: g for v in new if (g := self.writer(v))}
        nodes = set(computed(self.group, reads))
        dropped = [v for v in values if v in self.group.reads and v not in reads]
        again = tuple(v for v in dropped if v.node in nodes)
        unread = tuple(v for v in dropped if v.node not in nodes)
        fewer = truncated(before[0] - after[0])
        return Change(self.group, reads, len(nodes), kept, again, unread, fewer)

    def choice(self, v: Value, args: tuple[int, ...]) -> ValueCost:
        cost, new = self.costs[v], v not in self.program.groups.of
        return ValueCost((cost.nbytes + cost.held) * (NEW if new else 1), cost.work, args)

    def spent(self, reads: frozenset[Value]) -> tuple[float, float, float]:
        """Bytes moved, bytes held, and bytes and work, where the group reads these."""
        read = [c for v, c in self.costs.items() if v in reads]
        nbytes = sum(c.nbytes for c in read)
        values = (v for n in computed(self.group, reads) for v in n.values)
        work = sum(self.costs[v].work for v in values if v in self.costs)
        return nbytes, sum(c.held for c in read), nbytes + work

    # ---- costs

    def cost(self, v: Value, further: bool) -> Cost:
        """`further`: whether the group may compute more than it does today."""
        node = v.node
        if v in self.pinned:
            return Cost(0, 0, math.inf)
        if node is None or node.op.constant:
            return Cost(self.read(v), 0, math.inf)
        if v in self.computed:
            return Cost(math.inf, 0, self.work(v), point_operands(node))
        today = node in self.today
        if v in self.moved:
            return Cost(math.inf, 0, self.work(v), node.args) if today else self.load(v)
        load = self.load(v)
        view = node.op.costless and v in self.program.groups.of  # a copy for its readers
        if view or not (today or (further and self.possible(node))):
            return load
        return Cost(load.nbytes, load.held, self.work(v), node.args)

    def possible(self, node: Node) -> bool:
        """Whether the group could compute a node that it does not compute today."""
        if node in self.program.waits or node in self.program.roots.host:
            return False
        return isinstance(node.op, (Elementwise, Full, *PLAIN))

    def load(self, v: Value) -> Cost:
        """The bytes of reading, of writing for this group alone, of holding until it runs."""
        groups = self.program.groups
        writer = groups.of.get(v) or self.writer(v)
        if writer is None:
            return Cost(math.inf, 0, math.inf)
        others = groups.readers.get(v, set()).difference((self.group, writer))
        needed = v in self.program.roots.required
        nbytes = self.read(v) + (0 if others or needed else v.type.nbytes)
        late = v in self.program.outputs or self.late(writer, others)
        return Cost(nbytes, 0 if late else v.type.nbytes, math.inf)

    def late(self, writer: Group, readers: Iterable[Group]) -> bool:
        """Whether readers hold what is written for most of the time until this group runs.

        What runs next to each other may change places, or run at the same time.
        """
        start, end = self.program.place(writer), self.program.place(self.group)
        return any(2 * self.program.place(g) >= start + end for g in readers)

    def writer(self, v: Value) -> Group | None:
        """The earlier group that could write a value which no group writes."""
        if v.node is None or not isinstance(v.node.op, Elementwise) or v.type.size != self.points:
            return None
        home = self.program.home(v)
        if home is self.group:
            homes = {self.program.home(a) for a in v.node.args if not is_number(a)}
            home = homes.pop() if len(homes) == 1 and narrows(v) else None
        if home is None or home.domain.points != self.points:
            return None
        return home if self.program.place(home) < self.program.place(self.group) else None

    def read(self, v: Value) -> int:
        return min(v.type.size, self.points) * v.type.numpy.itemsize

    def work(self, v: Value) -> float:
        """The bytes that computing a value at every point takes as long as."""
        node = v.node
        if node is None or not isinstance(node.op, Elementwise):
            return 0
        widest = max(a.type.numpy.itemsize for a in (v, *node.args))
        return self.program.rate * node.op.weight * self.points * max(widest / 4, 1)


# ---------------------------------------------------------------- nodes of a group


def computed(group: Group, reads: Iterable[Value]) -> list[Node]:
    """The nodes that a group computes where it reads these values."""
    reads, own = frozenset(reads), frozenset(group.values)
    seen: dict[Node, None] = {}
    stack = list(group.roots)
    while stack:
        n = stack.pop()
        if n not in seen:
            seen[n] = None
            stack += [a.node for a in point_operands(n) if a.node and (a in own or a not in reads)]
    return list(seen)


def point_operands(node: Node) -> tuple[Value, ...]:
    """What a group computes or reads for a node at its points; a product has all in memory."""
    return () if isinstance(node.op, DotGeneral) else node.args


def memory_reads(node: Node, reads: frozenset[Value]) -> Iterator[Value]:
    """Those of `reads` that a node finds in memory only; a product under views of its operands."""
    if isinstance(node.op, DotGeneral):
        for v in node.args:
            while v not in reads and v.node is not None and v.node.args:
                v = v.node.args[0]
            yield v
    elif isinstance(node.op, Computed):
        yield from reads.intersection(node.op.in_memory(node.args))


def moved_values(nodes: Iterable[Node]) -> set[Value]:
    """The values that are read through a view at other places than that of a point."""
    found: set[Value] = set()
    for n in sorted(nodes, key=lambda n: -n.serial):
        elsewhere = isinstance(n.op, View | Computed) and not isinstance(n.op, PLAIN)
        passed = isinstance(n.op, Elementwise | View) and not found.isdisjoint(n.values)
        if elsewhere or passed:
            found.update(n.args)
    return found


def is_number(v: Value) -> bool:
    return v.node is not None and isinstance(v.node.op, Full)


def narrows(v: Value) -> bool:
    """Whether a value has fewer bytes than what it is computed from."""
    assert v.node is not None
    return all(v.type.numpy.itemsize < a.type.numpy.itemsize for a in v.node.args)


def place_of(v: Value) -> tuple[int, int]:
    """Inputs first, then in the order of the program."""
    return (-1, v.index) if v.node is None else (v.node.serial, v.index)
