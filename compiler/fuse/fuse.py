"""Groups nodes into kernels.

What: decides which values live in memory (the roots), computes every other value where it is read,
and merges roots over one domain into one kernel: a softmax with its gradient is one, an epilogue is
part of its product.
Order: after all algebra and differentiation, so that whatever they leave is fused alike; before
schedule and buffers, which see kernels and memory only.
Before: a verified graph whose products contract one axis. After: works whose reads are inputs,
constants or written by a work before them.
Cost: a merge is tried by reading it, if no equal one was: (edges between roots) * (size of a group,
at most LARGE).
Source: greedy producer-consumer fusion as in XLA; stages in one kernel as in Halide's compute_at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from operator import or_

from ..ir.errors import CompilerError
from ..ir.facts import has_effect
from ..ir.graph import Graph, Node, Op, Value
from ..ir.source import source, sourced
from ..kernel.elimination import Elimination
from ..ops.contract import DotGeneral
from ..ops.family import Reduce
from ..ops.transferred import Transferred
from ..ops.view import Interleave, Permute, Reshape, inverse
from .edges import Waits, edges
from .emission import AnyWork, Domain, eliminable
from .groups import Group, Groups, common_domain
from .kernels import Kernels, Known, UnreadableRoots
from .roots import Roots
from .saved import Change, Savings
from .straight import straightened
from .updates import updates
from .waves import Pairs, Schedule

Kinds = frozenset[type]
"""Of kernels, those that a target has."""
Unread = tuple[tuple[Node, ...], Value | None]
"""All that a root computes, itself last, and the value that is one too many, if that is known."""


def program_order(value: Value) -> tuple[int, int]:
    """Of a value that a node computes, in the order of the program."""
    assert value.node is not None
    return value.node.serial, value.index


LARGE = 256
"""Nodes of a kernel: more cost more to compile than they save."""
SMALL = 4096
"""Elements that one point may do alone."""


def fuse(
    graph: Graph, donated: Pairs = (), kinds: Kinds | None = None, known: Known | None = None
) -> Schedule:
    """The works that compute `graph`, one a wave, by kernels of some `kinds`, or of all."""
    known = Known() if known is None else known
    graph, waits = edges(graph)
    graph = distinct_outputs(graph)
    small = kinds is None or Elimination in kinds
    if small and not waits:
        graph = straightened(graph)
    for n, read in updates(graph, donated).items():
        waits[n] = waits.get(n, frozenset()) | read
    host = {n for n in graph.nodes if on_the_host(n.op) and not (small and eliminable(n))}
    forced = {v for values in waits.values() for v in values}
    mending = Mending(Roots(graph, forced, host), forced)

    def body(graph: Graph, carried: Pairs) -> Schedule:
        return fuse(graph, carried, kinds, known)

    while True:
        fusion = Fusion(mending.roots, waits, Kernels(mending.roots, known, body))
        try:
            waves = tuple((work,) for work in fusion.works())
        except UnreadableRoots as unread:
            mending.mend(unread.roots, fusion)
        else:
            return Schedule(graph, waves, donated, saved=tuple(fusion.saved))


def on_the_host(op: Op) -> bool:
    """Whether Python runs the op: of a loop or a branch with effects only the effects."""
    return op.outside or op.hosted or (has_effect(op) and not op.controls)


@dataclass
class Mending:
    """What is put into memory beside what `roots` are of themselves, so that they can be read."""

    roots: Roots
    forced: set[Value]
    told: set[Node] = field(default_factory=set)  # roots of which one operand was forced

    def mend(self, unread: Iterable[Node], fusion: Fusion) -> None:
        """Until all roots can be read that could not, and those around them, each for itself."""
        host, waiting = set(self.roots.host), {n.serial: n for n in unread}
        order = sorted(waiting)
        if not any(map(fusion.unread, waiting.values())):
            # with what they were merged with they cannot be
            for n in waiting.values():
                self.roots.force(self.needed(self.roots.computed_by(n), None, host))
        while order:
            root = waiting.pop(heappop(order))
            found = fusion.unread(root)
            if found is None or root in host:
                continue
            for n in (root, *self.roots.force(self.needed(*found, host))):
                if n.serial not in waiting:
                    waiting[n.serial] = n
                    heappush(order, n.serial)
        if host != self.roots.host:
            self.roots = Roots(self.roots.graph, self.forced, host)

    def needed(self, nodes: tuple[Node, ...], value: Value | None, host: set[Node]) -> set[Value]:
        """What the last of `nodes` must find in memory; if that is there, it is the host's."""
        root = nodes[-1]
        read = {a for n in nodes for a in n.args}
        if value is not None and root not in self.told:
            self.told.add(root)
            read = {value}
        needed = {a for a in read if a.node and not a.node.op.constant}
        if needed <= self.forced:
            if root in self.roots.host:
                raise CompilerError(f"fuse: no kernel for {root!r}", str(self.roots.graph))
            host.add(root)
        self.forced |= needed
        return needed


def distinct_outputs(graph: Graph) -> Graph:
    """Outputs that are inputs, constants or repeated become copies: results share no memory."""
    seen: set[Value] = set()
    outputs, copies = [], []
    for v in graph.outputs:
        if v.node is None or v.node.op.constant or v in seen:
            with sourced(v.node.source if v.node else None):
                copy = Node(Reshape(v.shape), (v,), source())
            copies.append(copy)
            v = copy.out
        seen.add(v)
        outputs.append(v)
    return Graph(graph.name, graph.inputs, (*graph.nodes, *copies), tuple(outputs))


def arrived(graph: Graph) -> dict[Node, int]:
    """The transfers between processes that each node needs, as bits; it needs none if it is not
    there."""
    found: dict[Node, int] = {}
    transfers = (n for n in graph.nodes if isinstance(n.op, Transferred))
    bits = {n: 1 << k for k, n in enumerate(transfers)}
    for n in graph.nodes if bits else ():
        needed = (found.get(a.node, 0) | bits.get(a.node, 0) for a in n.args if a.node)
        found[n] = functools.reduce(or_, needed, 0)
    return found


def sent_nodes(graph: Graph) -> Set[Node]:
    """What transfers between processes are made of, and they themselves."""
    found = {n for n in graph.nodes if isinstance(n.op, Transferred)}
    for n in reversed(graph.nodes) if found else ():
        found |= {a.node for a in n.args if a.node} if n in found else set()
    return found


def last_long(turn: Node) -> int:
    """The axis that a permutation puts last, those of one element apart."""
    assert isinstance(turn.op, Permute)
    return next((d for d in reversed(turn.op.axes) if turn.args[0].shape[d] > 1), -1)


def axis_of_rows(product: Node) -> int | None:
    """The axis of a product's result that is its rows, if it has some."""
    assert isinstance(product.op, DotGeneral)
    batch, inside = len(product.op.batching[0]), len(product.op.contracting[0])
    free = product.args[0].type.ndim - batch - inside
    return batch + free - 1 if free else None


class Fusion:
    """The state of one attempt."""

    def __init__(self, roots: Roots, waits: Waits, kernels: Kernels) -> None:
        self.outputs, self.roots, self.waits = frozenset(roots.graph.outputs), roots, waits
        self.kernels = kernels
        self.saved: list[Change] = []
        self.arrived = arrived(roots.graph)
        self.groups = Groups(map(self.single, roots.nodes), sent_nodes(roots.graph))

    def single(self, node: Node) -> Group:
        computed = self.roots.computed_by(node)
        if node.op.controls and node not in self.roots.host:
            reads = frozenset(v for v, _ in self.roots.read_by(node))
        else:
            reads = frozenset(a for n in computed for a in n.args if a in self.roots.stored)
        waits = frozenset[Value]().union(*(self.waits.get(n, ()) for n in computed))
        shape = node.values[0].shape
        if isinstance(node.op, Interleave):
            shape = node.args[0].shape  # a point stores a pair
        if isinstance(node.op, DotGeneral):
            return Group((), Domain(shape), node, reads, len(computed), waits)
        domain = Domain(shape)
        if isinstance(node.op, Reduce):
            domain = Domain(node.args[0].shape, frozenset(node.op.axes))
        return Group((node,), domain, None, reads, len(computed), waits)

    def works(self) -> tuple[AnyWork, ...]:
        """Products are stored as they must lie in memory before what reads them there merges; sums
        over leading axes come last: they join kernels that are there already."""
        for group in [g for g in self.groups.number if g.product]:
            self.turn(group)
        self.merge(lambda g: not g.leading)
        for deepest in (True, False):
            for group in [g for g in self.groups.number if g.product]:
                self.epilogue(group, deepest)
        self.merge(lambda g: g.leading)
        self.save()
        works: list[AnyWork] = []
        unread: list[Node] = []
        for group in self.groups.ordered():
            waits = tuple(sorted(group.waits, key=program_order))
            try:
                emitted = self.kernels.works(group, self.wanted(group, (group,)))
                works += (replace(work, waits=waits) for work in emitted)
            except UnreadableRoots as one:
                unread += one.roots
        if unread:
            raise UnreadableRoots(unread)
        return tuple(works)

    def unread(self, root: Node) -> Unread | None:
        """What cannot be read of a root by itself, if anything."""
        if not self.roots.is_root(root):
            return None
        try:
            self.kernels.works(self.single(root), frozenset(root.values))
        except UnreadableRoots as one:
            return self.roots.computed_by(root), one.missing
        return None

    # ---- merging

    def merge(self, chosen: Callable[[Group], bool]) -> None:
        for group in sorted(filter(chosen, self.groups.number), key=lambda g: g.last):
            if group in self.groups and not self.opaque(group):
                self.grow(group)

    def opaque(self, group: Group) -> bool:
        """Whether the group is a kernel of its own kind, the host's, or what is put together."""
        first = group.roots[0]
        special = group.product is not None or not self.roots.fusible(first)
        return special or first in self.roots.buckets

    def grow(self, group: Group) -> None:
        """Merges `group` with what it reads from, latest first, then with what reads the same."""
        while True:
            for other in (*self.producers(group), *self.siblings(group)):
                if merged := self.merged(other, group):
                    group = merged
                    break
            else:
                return

    def producers(self, group: Group) -> list[Group]:
        found = sorted(self.groups.sources[group], key=lambda g: -g.last)
        return [g for g in found if not self.opaque(g)]

    def siblings(self, group: Group) -> list[Group]:
        """Groups over the same points that read a large value with it: together they do it once.
        None that waits for other transfers between processes."""
        large = [v for v in group.reads if v.type.size == group.domain.points > 1]
        return [
            g
            for g in self.groups.near(group, large)
            if g is not group and not self.opaque(g) and g.domain.shape == group.domain.shape
            if self.waits_for(g) == self.waits_for(group)
        ]

    def waits_for(self, group: Group) -> int:
        """The transfers that a group needs, as bits."""
        return functools.reduce(or_, (self.arrived.get(n, 0) for n in group.roots))

    def merged(self, a: Group, b: Group) -> Group | None:
        """One group of both, if that is a kernel."""
        if any(v in self.roots.running and v in a.reads | b.reads for v in (*a.values, *b.values)):
            return None  # the next summand comes later
        domain = common_domain(a, b)
        if domain is None or a.size + b.size > LARGE:
            return None
        if self.groups.between(a, b) or self.groups.between(b, a):
            return None
        return self.tried(a.merged(b, domain), (a, b))

    def tried(self, group: Group, parts: tuple[Group, Group]) -> Group | None:
        """`group` in place of its parts, if that is a kernel."""
        if group.size > LARGE or self.serial_stores(group, parts):
            return None
        if not group.waits.isdisjoint(group.values):
            return None
        if not self.kernels.fits(group, self.wanted(group, parts)):
            return None
        self.groups.replace(group, parts)
        return group

    def serial_stores(self, group: Group, parts: tuple[Group, ...]) -> bool:
        """Whether a kernel of one point would do large stores alone."""
        points = group.domain.points
        if not group.folds or points <= SMALL or Domain(group.domain.outer_shape).points > 1:
            return False
        return any(v.type.size > 1 for v in self.wanted(group, parts))

    def turn(self, group: Group) -> None:
        """Merges a permutation that must be in memory, alone, into the product that it permutes."""
        assert group.product is not None
        for reader in self.readers(group, group.product.out):
            (root, *others) = reader.nodes
            if isinstance(root.op, Permute) and not others:
                turned = self.permuted(group, reader)
                if turned and self.tried(turned, (group, reader)):
                    return

    def epilogue(self, group: Group, deepest: bool) -> None:
        """Merges elementwise readers of a product into its stores; those alone that need no deeper
        product, of which they had better be part, or all."""
        assert group.product is not None
        out = group.product.out
        while True:
            for reader in self.readers(group, out):
                fits = group.domain.has(reader.domain.shape)
                if deepest and self.reads_deeper(reader, out):
                    continue
                if self.groups.between(group, reader):
                    continue
                both = group.merged(reader, group.domain)
                if fits and self.tried(both, (group, reader)):
                    group = both
                    break
                turned = self.permuted(group, reader)
                if turned and self.tried(turned, (group, reader)):
                    group = turned
                    break
            else:
                return

    def permuted(self, group: Group, reader: Group) -> Group | None:
        """A product in the order in which its only reader stores it: of windows in any, others
        where their rows are neighbours then, as columns are else."""
        product = group.product
        assert product is not None
        assert isinstance(product.op, DotGeneral)
        if group.order:
            return None
        turns = [
            n
            for root in reader.nodes
            for n in self.roots.computed_by(root)
            if isinstance(n.op, Permute)
            and n.args[0] in group.values
            and n.args[0].shape == product.out.shape
        ]
        if len(turns) != 1 or self.wanted(group, (group, reader)):
            return None
        (turn,) = turns
        assert isinstance(turn.op, Permute)
        if len(product.op.contracting[0]) < 2 and last_long(turn) != axis_of_rows(product):
            return None
        both = group.merged(reader, Domain(turn.out.shape))
        return replace(both, order=inverse(turn.op.axes))

    def reads_deeper(self, reader: Group, out: Value) -> bool:
        """Whether a group reads a product of the size of another one that needs more before it."""
        depth = self.roots.depth
        return any(
            depth[v] > depth[out] and v.type.size == out.type.size
            for v in reader.reads
            if v in self.groups.of and self.groups.of[v].product is not None
        )

    def readers(self, group: Group, out: Value) -> list[Group]:
        """The elementwise groups that read the product, then those that read its epilogue."""
        others = [v for v in group.values if v is not out]
        found = (*self.groups.reading([out]), *self.groups.reading(others))
        return [g for g in found if not self.opaque(g) and not g.folds]

    # ---- what is read, and what is computed again

    def save(self) -> None:
        """Each group reads what is cheapest to read; what none reads any more is not written."""
        savings = Savings(self.groups, self.roots, self.waits)
        for group in savings.ordered:
            change = savings.change(self.groups.of[group.roots[-1].values[0]])
            if change and change.size <= LARGE and self.changed(change):
                savings.places |= {v: savings.place(g) for v, g in change.kept.items()}
                self.saved.append(change)
        for group in reversed(savings.ordered):
            group = self.groups.of[group.roots[-1].values[0]]
            if savings.flexible(group) and not self.wanted(group, (group,)):
                self.groups.remove(group)

    def changed(self, change: Change) -> bool:
        """Whether the groups as they are to be are kernels; then they are the program's."""
        new: dict[Group, Group] = {}
        for v, writer in change.kept.items():
            assert v.node is not None
            last = new.get(writer, writer)
            nodes = tuple(sorted((*last.nodes, v.node), key=lambda n: n.serial))
            new[writer] = replace(last, nodes=nodes, size=last.size + 1)
        new[change.group] = replace(change.group, reads=change.reads, size=change.size)
        for old, group in new.items():
            self.groups.replace(group, (old,))
        if all(self.kernels.fits(g, self.wanted(g, (g,))) for g in new.values()):
            return True
        for old, group in new.items():
            self.groups.replace(old, (group,))
        return False

    def wanted(self, group: Group, parts: tuple[Group, ...]) -> set[Value]:
        """The values of `group`, made of `parts`, that must be stored."""
        return self.groups.read_outside(group, parts) | self.outputs.intersection(group.values)
