"""Groups nodes into kernels.

What: decides which values live in memory (the roots), computes every other value where it is read, and merges roots over one domain
into one kernel: a softmax with its gradient is one, an epilogue is part of its product.
Why here: after all algebra and differentiation, so that whatever they leave is fused alike; before schedule and buffers, which see
kernels and memory only.
Before: a verified graph of ops with a lowering or a reference. After: works whose reads are inputs, constants or written by a work.
Cost: a merge is tried by emitting it, so about (edges between roots) * (size of a group).
Source: greedy producer-consumer fusion as in XLA; stages in one kernel as in Halide's compute_at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from ..chunks import chunked
from ..emission import (
    Domain,
    HostWork,
    Work,
    emit,
    emit_product,
    emit_scatter,
    plain_operand,
    squeezed,
)
from ..errors import CompilerError
from ..index import CannotFuse
from ..ir import Graph, Node, Value, apply, sourced
from ..kernel import OPS
from ..ops.contract import DotGeneral
from ..ops.elementwise import After
from ..ops.family import Computed, Elementwise, Reduce, Scatter, View
from ..ops.source import Constant
from ..ops.view import Reshape

CHEAP = 4  # multiply-adds below which a value is computed again by each of its readers
DEPTH = 48  # nodes in a chain before it is cut
SMALL = 4096  # elements that one point may do alone


@dataclass(frozen=True)
class Fused:
    """The works of a graph in a valid order, and the value behind each output."""

    graph: Graph
    works: tuple[Work | HostWork, ...]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.works))


def fuse(graph: Graph) -> Fused:
    """The works that compute `graph`."""
    graph = distinct_outputs(graph)
    forced: set[Value] = set()
    host: set[Node] = set()
    while True:
        try:
            return Fused(graph, Fusion(graph, forced, host).works())
        except Unreadable as failed:
            wanted = {
                a
                for n in failed.nodes
                for a in n.args
                if a.node and not isinstance(a.node.op, Constant)
            }
            if wanted <= forced:
                if failed.nodes[-1] in host:
                    raise CompilerError(
                        f"fuse: no kernel for {failed.nodes[-1]!r}", str(graph)
                    ) from None
                host.add(failed.nodes[-1])
            forced |= wanted


class Unreadable(Exception):
    """A root can't be emitted: what it reads must be in memory. `nodes`: all that it computes, the root last."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        super().__init__(repr(nodes[-1]))
        self.nodes = nodes


def distinct_outputs(graph: Graph) -> Graph:
    """Outputs that are inputs, constants or repeated become copies: results share no memory."""
    seen: set[Value] = set()
    outputs = []
    for v in graph.outputs:
        if v.node is None or isinstance(v.node.op, Constant) or v in seen:
            with sourced(v.node.source if v.node else None):
                v = apply(Reshape(v.shape), v)
        seen.add(v)
        outputs.append(v)
    return Graph.of(graph.name, graph.inputs, outputs)


@dataclass(eq=False)
class Group:
    """Roots of one kernel. `product`: the product whose epilogue they are."""

    nodes: list[Node]
    domain: Domain
    product: Node | None = None
    reads: set[Value] = field(default_factory=set)

    @property
    def values(self) -> Iterator[Value]:
        for n in (*([self.product] if self.product else []), *self.nodes):
            yield from n.values

    @property
    def serial(self) -> int:
        return max(v.node.serial for v in self.values if v.node)

    @property
    def folds(self) -> bool:
        return any(isinstance(n.op, Reduce) for n in self.nodes)


class Fusion:
    """The state of one `fuse`."""

    def __init__(self, graph: Graph, forced: set[Value], host: set[Node]) -> None:
        self.graph, self.forced, self.host = graph, forced, host
        self.users = graph.users()
        self.outputs = set(graph.outputs)
        self.memory = {v for v in graph.inputs} | {
            v for n in graph.nodes if isinstance(n.op, Constant) for v in n.values
        }
        self.required = self.outputs | forced | self.operands()
        self.roots = self.find_roots()
        self.stored = self.memory | {v for n in self.roots for v in n.values}
        self.groups = [self.single(n) for n in self.roots]
        self.of = {v: g for g in self.groups for v in g.values}

    # ---- roots

    def operands(self) -> set[Value]:
        """Values that their readers can read from memory only."""
        found: set[Value] = set()
        for n in self.graph.nodes:
            if isinstance(n.op, DotGeneral):
                found |= {base(a) for a in n.args}
            elif isinstance(n.op, Computed):
                found |= {a for a in n.args if a.type.size > 1}
            elif isinstance(n.op, Scatter) and n not in self.host:
                found |= set(n.args[1:])
            elif not fusible(n, self.host):
                found |= set(n.args)
        return {v for v in found if v not in self.memory}

    def find_roots(self) -> list[Node]:
        roots: list[Node] = []
        weight: dict[Value, int] = dict.fromkeys(self.memory, 0)
        depth: dict[Value, int] = dict(weight)
        for n in self.graph.nodes:
            if isinstance(n.op, Constant):
                continue
            own = OPS[n.op.scalar or n.op.name].weight if isinstance(n.op, Elementwise) else 0
            w, d = (
                own + sum(weight[a] for a in n.args),
                1 + max((depth[a] for a in n.args), default=0),
            )
            shared = (
                len(set(self.users[n.values[0]])) > 1
                and isinstance(n.op, Elementwise)
                and w > CHEAP
            )
            folds = not fusible(n, self.host) or isinstance(n.op, Reduce)
            root = folds or shared or d > DEPTH or any(v in self.required for v in n.values)
            if root:
                roots.append(n)
            for v in n.values:
                weight[v], depth[v] = (0, 0) if root else (w, d)
        return roots

    def single(self, node: Node) -> Group:
        shape = node.values[0].shape
        reads = self.read_by(node)
        if isinstance(node.op, DotGeneral):
            return Group([], Domain(shape), node, reads)
        if isinstance(node.op, Reduce):
            return Group([node], Domain(node.args[0].shape, frozenset(node.op.axes)), None, reads)
        return Group([node], Domain(shape), None, reads)

    def read_by(self, node: Node) -> set[Value]:
        """The stored values that the kernel of `node` reads."""
        return {a for n in self.computed_by(node) for a in n.args if a in self.stored}

    def computed_by(self, node: Node) -> tuple[Node, ...]:
        """The nodes that a kernel computes for root `node`, itself last."""
        seen: dict[Node, None] = {}
        stack = [node]
        while stack:
            n = stack.pop()
            if n not in seen:
                seen[n] = None
                stack += [a.node for a in n.args if a.node and a not in self.stored]
        return tuple(reversed(seen))

    # ---- merging

    def works(self) -> tuple[Work | HostWork, ...]:
        self.merge([g for g in self.groups if not leading(g)])
        for group in [g for g in self.groups if g.product]:
            self.epilogue(group)
        self.merge([g for g in self.groups if leading(g)])
        out: list[Work | HostWork] = []
        for group in self.ordered():
            out += self.emitted(group)
        return tuple(out)

    def merge(self, groups: list[Group]) -> None:
        for group in sorted(groups, key=lambda g: g.serial):
            if group in self.groups and not self.opaque(group):
                self.grow(group)

    def opaque(self, group: Group) -> bool:
        """Whether the group is a product or runs on the host."""
        return group.product is not None or not fusible(group.nodes[0], self.host)

    def grow(self, group: Group) -> None:
        """Merges `group` with the groups it reads from, latest first, then with those that read the same."""
        while True:
            for other in (*self.producers(group), *self.siblings(group)):
                if merged := self.merged(other, group):
                    group = merged
                    break
            else:
                return

    def producers(self, group: Group) -> list[Group]:
        return [g for g in reversed(self.sources(group)) if not self.opaque(g)]

    def siblings(self, group: Group) -> list[Group]:
        """Groups over the same points that read one large value with it: together they read it once."""
        large = {v for v in group.reads if v.type.size == math.prod(group.domain.shape) > 1}
        return [
            g
            for g in self.groups
            if g is not group
            and g.domain.shape == group.domain.shape
            and not self.opaque(g)
            and not large.isdisjoint(g.reads)
        ]

    def merged(self, a: Group, b: Group) -> Group | None:
        """One group of both, if that is a kernel."""
        domain = joined(a, b)
        if domain is None or self.between(a, b) or self.between(b, a):
            return None
        nodes = sorted((*a.nodes, *b.nodes), key=lambda n: n.serial)
        group = Group(nodes, domain, None, (a.reads | b.reads) - set(a.values) - set(b.values))
        if self.serial_stores(group, a, b):
            return None
        try:
            self.emit(group, (a, b))
        except CannotFuse:
            return None
        self.replace(group, (a, b))
        return group

    def replace(self, group: Group, old: tuple[Group, ...]) -> None:
        self.groups = [g for g in self.groups if g not in old] + [group]
        self.of |= dict.fromkeys(group.values, group)

    def between(self, a: Group, b: Group) -> bool:
        """Whether b needs a through a third group: merged they would wait for each other."""
        first = min(v.node.serial for v in a.values if v.node)
        seen: set[Group] = set()
        stack = [g for g in self.sources(b) if g is not a]
        while stack:
            g = stack.pop()
            if g is a:
                return True
            if g not in seen and g.serial > first:
                seen.add(g)
                stack += self.sources(g)
        return False

    def sources(self, group: Group) -> list[Group]:
        """The groups it reads from, in the order of the program."""
        found = {self.of[v] for v in group.reads if v in self.of} - {group}
        return sorted(found, key=lambda g: g.serial)

    def serial_stores(self, group: Group, a: Group, b: Group) -> bool:
        """Whether a kernel of one point would do large stores alone."""
        d = group.domain
        if not group.folds or math.prod(d.outer_shape) > 1 or math.prod(d.shape) <= SMALL:
            return False
        wanted = self.wanted(group, (a, b))
        return any(v in wanted and math.prod(v.shape) > 1 for v in group.values)

    def wanted(self, group: Group, inside: Iterable[Group]) -> set[Value]:
        """The values of `group` that somebody else reads."""
        mine = set(group.values)
        others = [g for g in self.groups if g is not group and g not in tuple(inside)]
        read = set().union(*(g.reads for g in others)) if others else set()
        return {v for v in mine if v in self.outputs or v in read}

    def epilogue(self, group: Group) -> None:
        """Merges elementwise readers of a product into its stores."""
        assert group.product is not None
        out = group.product.out
        while True:
            readers = [
                g for g in self.groups if out in g.reads and not self.opaque(g) and not g.folds
            ]
            readers += [g for g in self.groups if group.nodes and not self.opaque(g) and not g.folds
                        and any(v in g.reads for n in group.nodes for v in n.values)]  # fmt: skip
            for reader in readers:
                fits = squeezed(reader.domain.shape) == squeezed(out.shape) and not self.between(
                    group, reader
                )
                if not fits:
                    continue
                nodes = sorted((*group.nodes, *reader.nodes), key=lambda n: n.serial)
                reads = (group.reads | reader.reads) - set(group.values) - set(reader.values)
                both = Group(nodes, group.domain, group.product, reads)
                try:
                    self.emit(both, (group, reader))
                except CannotFuse:
                    continue
                self.replace(both, (group, reader))
                group = both
                break
            else:
                return

    # ---- results

    def ordered(self) -> list[Group]:
        """Groups after the groups they read from, in program order where that leaves a choice."""
        sorter = TopologicalSorter({g: self.sources(g) for g in self.groups})
        sorter.prepare()
        ready: list[Group] = []
        out: list[Group] = []
        while sorter:
            ready = sorted((*ready, *sorter.get_ready()), key=lambda g: g.serial)
            out.append(ready.pop(0))
            sorter.done(out[-1])
        return out

    def emitted(self, group: Group) -> tuple[Work | HostWork, ...]:
        first = group.nodes[0] if group.nodes else group.product
        assert first is not None
        if all(v.type.size == 0 for v in group.values):
            return ()
        if first in self.host:
            return (HostWork(first),)
        try:
            if isinstance(first.op, Scatter):
                return emit_scatter(first.op.name, first, self.stored - set(first.values))
            work = self.emit(group, (group,))
        except CannotFuse:
            found = [
                m
                for n in (*group.nodes, *([group.product] if group.product else []))
                for m in self.computed_by(n)
            ]
            raise Unreadable(tuple(found)) from None
        return chunked(work)

    def emit(self, group: Group, inside: tuple[Group, ...]) -> Work:
        wanted = self.wanted(group, inside)
        stored = self.stored - set(group.values)
        if group.product is not None:
            return emit_product(
                title(group), group.product, group.nodes, group.domain, stored, wanted
            )
        return emit(title(group), group.nodes, group.domain, stored, wanted)


def base(value: Value) -> Value:
    """The value under plain views, or the first view that is none: what a product must find in memory."""
    v = value
    while v.node is not None and isinstance(v.node.op, View) and len(v.node.args) == 1:
        v = v.node.args[0]
    return v if plain_operand(value, v) else value


def fusible(node: Node, host: set[Node]) -> bool:
    return isinstance(node.op, (Elementwise, View, Computed, Reduce, After)) and node not in host


def leading(group: Group) -> bool:
    """Whether the group reduces over leading axes only: such sums join kernels that are there already."""
    d = group.domain
    return bool(d.inner) and len(d.shape) - 1 not in d.inner


def joined(a: Group, b: Group) -> Domain | None:
    """The domain of both, if there is one."""
    if a.domain.inner and b.domain.inner:
        if a.domain.shape == b.domain.shape and a.domain.inner == b.domain.inner:
            return a.domain
        for one, two in ((a, b), (b, a)):
            rest = frozenset(range(len(one.domain.shape))) - one.domain.inner
            over_rows = two.domain.shape == one.domain.shape and two.domain.inner >= rest and rest
            of_rows = squeezed(two.domain.shape) == squeezed(one.domain.outer_shape) and len(
                two.domain.inner
            ) == len(two.domain.shape)
            if over_rows or of_rows:
                return one.domain
        return None
    one, two = (a, b) if a.domain.inner else (b, a)
    if one.domain.inner:
        return one.domain if one.domain.has(two.domain.shape) else None
    same = squeezed(a.domain.shape) == squeezed(b.domain.shape)
    return (a.domain if math.prod(a.domain.shape) >= 1 else b.domain) if same else None


def title(group: Group) -> str:
    """A name by what the kernel is and its last ops: what a reader looks for."""
    folds = [n.op.name for n in group.nodes if isinstance(n.op, Reduce)]
    ops = [n.op.name.rstrip("_") for n in group.nodes if not isinstance(n.op, (View, Reduce))]
    kind = "product" if group.product is not None else "fold" if folds else "map" if ops else "copy"
    return "_".join([kind, *folds[-1:], *ops[-1:]])
