"""Groups of nodes that become one kernel each, and which of them read from which."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from ..ir.graph import Node, Value
from ..ir.lazy import lazy
from ..ops.family import Reduce
from ..ops.view import Interleave
from .emission import Domain, squeezed

NEAR = 32
"""Groups before one, and after it, that are looked at of those that read the same."""
FAR = 1024
"""Groups among which a way between two others is looked for: where there are more, there is one."""


@dataclass(eq=False)
class Group:
    """Roots of one kernel over `domain`.

    `product` is the product whose epilogue they are, `order` the dimension of the domain that each
    axis of the product is, where it is another one; `reads` are the stored values that the kernel
    reads, `size` a bound of the nodes that it computes, `waits` the values that must have been
    written before it runs, beside what it reads.
    """

    nodes: tuple[Node, ...]
    domain: Domain
    product: Node | None
    reads: frozenset[Value]
    size: int
    waits: frozenset[Value] = frozenset()
    order: tuple[int, ...] = ()

    @lazy
    def roots(self) -> tuple[Node, ...]:
        """The nodes, and the product last."""
        return (*self.nodes, *([self.product] if self.product else []))

    @lazy
    def values(self) -> tuple[Value, ...]:
        return tuple(v for n in self.roots for v in n.values)

    @lazy
    def first(self) -> int:
        """The serial number of its first root."""
        return min(n.serial for n in self.roots)

    @lazy
    def last(self) -> int:
        return max(n.serial for n in self.roots)

    @lazy
    def needs(self) -> frozenset[Value]:
        """What must be in memory before it runs."""
        return self.reads | self.waits

    @property
    def folds(self) -> bool:
        return any(isinstance(n.op, Reduce) for n in self.nodes)

    @property
    def leading(self) -> bool:
        """Whether the group reduces over leading axes only."""
        inner = self.domain.inner
        return bool(inner) and len(self.domain.shape) - 1 not in inner

    @property
    def title(self) -> str:
        """A name by what the kernel is and its last ops: what a reader looks for."""
        folds = [n.op.name for n in self.nodes if isinstance(n.op, Reduce)]
        computed = (n for n in self.nodes if not (n.op.costless or isinstance(n.op, Reduce)))
        pairs = (n for n in self.nodes if isinstance(n.op, Interleave))
        ops = [n.op.name.rstrip("_") for n in (*pairs, *computed)]
        kind = "product" if self.product else "fold" if folds else "map" if ops else "copy"
        return "_".join([kind, *folds[-1:], *ops[-1:]])

    def merged(self, other: Group, domain: Domain) -> Group:
        """One group of both."""
        nodes = tuple(sorted((*self.nodes, *other.nodes), key=lambda n: n.serial))
        reads = (self.reads | other.reads).difference(self.values, other.values)
        product = self.product or other.product
        size, waits = self.size + other.size, self.waits | other.waits
        return Group(nodes, domain, product, reads, size, waits, self.order or other.order)


class Groups:
    """All groups of a program, in the order in which they were made."""

    def __init__(self, groups: Iterable[Group], sent: Set[Node] = frozenset()) -> None:
        self.sent = sent
        self.number: dict[Group, int] = {}
        self.of: dict[Value, Group] = {}
        self.readers: dict[Value, set[Group]] = {}
        self.in_order: dict[Value, list[tuple[int, int, Group]]] = {}  # readers by their last root
        self.sources: dict[Group, set[Group]] = {}
        self.users: dict[Group, set[Group]] = {}
        self.latest: dict[Group, int] = {}  # the last root of a group and of all it needs
        self.count = 0
        for g in groups:
            self.add(g)
        for g in self.number:
            self.link(g)
        for g in self.number:
            self.latest[g] = max([g.last, *(self.latest[s] for s in self.sources[g])])

    def __contains__(self, group: Group) -> bool:
        return group in self.number

    def add(self, group: Group) -> None:
        self.number[group] = self.count
        self.count += 1
        self.of |= dict.fromkeys(group.values, group)
        for v in group.needs:
            self.readers.setdefault(v, set()).add(group)
            insort(self.in_order.setdefault(v, []), self.place(group))

    def place(self, group: Group) -> tuple[int, int, Group]:
        return group.last, self.number[group], group

    def link(self, group: Group) -> None:
        """Notes the groups that `group` reads from, and those that read from it."""
        self.sources[group] = {self.of[v] for v in group.needs if v in self.of} - {group}
        self.users[group] = {g for v in group.values for g in self.readers.get(v, ())} - {group}

    def note(self, group: Group) -> None:
        """Brings `latest` up to date, of `group` and of what needs it."""
        latest = max([group.last, *(self.latest[s] for s in self.sources[group])])
        self.latest[group] = latest
        stack = [*self.users[group]]
        while stack:
            g = stack.pop()
            if self.latest[g] < latest:
                self.latest[g] = latest
                stack += self.users[g]

    def replace(self, group: Group, old: Collection[Group]) -> None:
        """`group` in place of the `old` ones, of which it was made."""
        for g in old:
            self.remove(g)
        self.add(group)
        self.link(group)
        for g in self.users[group]:
            self.sources[g].add(group)
        for g in self.sources[group]:
            self.users[g].add(group)
        self.note(group)

    def remove(self, group: Group) -> None:
        """Without `group`; what reads from it is another's, or not there."""
        for g in self.sources[group]:
            self.users[g].discard(group)
        for g in self.users[group]:
            self.sources[g].discard(group)
        for v in group.needs:
            self.readers[v].discard(group)
            del self.in_order[v][bisect_left(self.in_order[v], self.place(group))]
        for v in group.values:
            del self.of[v]
        del self.number[group], self.sources[group], self.users[group], self.latest[group]

    def between(self, a: Group, b: Group) -> bool:
        """Whether b needs a through a third group: merged they would wait for each other.

        It is looked for from both ends, as one may need little, or be needed by little.
        """
        earliest, latest = self.latest[a], self.latest[b]
        if latest < earliest:
            return False
        back, ahead = self.sources[b] - {a}, self.users[a] - {b}
        needed, needing = {*back, b}, {*ahead, a}
        while back and ahead:
            if len(back) <= len(ahead):
                found = {s for g in back for s in self.sources[g] if self.latest[s] >= earliest}
                met, back = not found.isdisjoint(needing), found - needed
                needed |= back
            else:
                found = {u for g in ahead for u in self.users[g] if self.latest[u] <= latest}
                met, ahead = not found.isdisjoint(needed), found - needing
                needing |= ahead
            if met or len(needed) + len(needing) > FAR:
                return True
        return False

    def reading(self, values: Iterable[Value]) -> list[Group]:
        """The groups that read any of `values`, in the order in which they were made."""
        found = {g for v in values for g in self.readers.get(v, ())}
        return sorted(found, key=self.number.__getitem__)

    def near(self, group: Group, values: Iterable[Value]) -> list[Group]:
        """Those of them that stand next to `group`."""
        found: set[Group] = set()
        for v in values:
            placed = self.in_order[v]
            k = bisect_left(placed, self.place(group))
            found |= {g for *_, g in placed[max(k - NEAR, 0) : k + NEAR + 1]}
        return sorted(found, key=self.number.__getitem__)

    def read_outside(self, group: Group, inside: Collection[Group]) -> set[Value]:
        """The values of `group` that others than those `inside` it read."""
        readers = {v: self.readers.get(v, set()) for v in group.values}
        return {v for v, found in readers.items() if not found.issubset(inside)}

    def ordered(self) -> list[Group]:
        """Groups after the groups they read from, in program order where that leaves a choice: that
        of the last root, or of the first if all are sent to other processes."""
        sorter = TopologicalSorter(self.sources)
        sorter.prepare()
        ready: list[tuple[int, Group]] = []
        out: list[Group] = []
        while sorter:
            for g in sorter.get_ready():
                heappush(ready, (g.first if self.sent >= set(g.roots) else g.last, g))
            out.append(heappop(ready)[1])
            sorter.done(out[-1])
        return out


def common_domain(a: Group, b: Group) -> Domain | None:
    """The domain of both, if there is one."""
    one, two = a.domain, b.domain
    if one.inner and two.inner:
        if one.shape == two.shape and one.inner == two.inner:
            return one
        return one if reducible_over(two, one) else two if reducible_over(one, two) else None
    if two.inner:
        one, two = two, one
    if one.inner:
        return one if one.has(two.shape) else None
    return a.domain if squeezed(a.domain.shape) == squeezed(b.domain.shape) else None


def reducible_over(part: Domain, rows: Domain) -> bool:
    """Whether a kernel over `rows` can reduce over `part` too.

    Either `part` is the same points, reduced over the outer dimensions of `rows`, or it is one
    value a row, all of which are reduced.
    """
    if squeezed(part.shape) == squeezed(rows.outer_shape) and len(part.inner) == len(part.shape):
        return True
    return bool(rows.outer) and part.shape == rows.shape and part.inner >= set(rows.outer)
