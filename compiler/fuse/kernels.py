"""The works of a group, once that is decided, and whether a group would have any."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace

from ..ir.facts import has_effect
from ..ir.graph import Graph, Node, Value
from ..kernel.index import CannotFuse
from ..ops.cumulative import Cumulative
from ..ops.gather import Scatter
from ..ops.nested.bodies import Control
from ..ops.order import SearchSorted, Sort
from .alike import Alike, Made
from .chunks import chunked
from .emission import (
    AnyWork,
    BodyWork,
    HostWork,
    Places,
    StraightKernels,
    Work,
    attempt,
    emit,
    emit_elimination,
    emit_order,
    emit_prefix,
    emit_product,
    emit_scatter,
)
from .groups import Group
from .roots import Roots
from .straight import Straight
from .updates import copy_of, updated_elements
from .waves import Pairs, Schedule


class UnreadableRoots(Exception):
    """These roots can't be emitted: what they read, or `missing`, must be in memory."""

    def __init__(self, roots: Sequence[Node], missing: Value | None = None) -> None:
        super().__init__(roots, missing)
        self.roots, self.missing = roots, missing


@dataclass(frozen=True)
class Known:
    """What was found before: the works of bodies, by what may share memory there, and of groups."""

    bodies: dict[tuple[Graph, Pairs], Schedule] = field(default_factory=dict)
    groups: Alike = field(default_factory=Alike)
    straight: StraightKernels = field(default_factory=StraightKernels)
    places: Places = field(default_factory=Places)


@dataclass(frozen=True)
class Kernels:
    """Of groups of `roots`; `fused` are the works of a body."""

    roots: Roots
    known: Known
    fused: Callable[[Graph, Pairs], Schedule]

    def works(self, group: Group, wanted: Set[Value]) -> tuple[AnyWork, ...]:
        """What computes a group, and stores `wanted`; raises UnreadableRoots."""
        root, roots = group.roots[-1], self.roots
        if all(v.type.size == 0 for v in group.values) and not has_effect(root.op):
            return ()
        if root in roots.host:
            return (HostWork.of(root),)
        if root.op.hosted:
            return (emit_elimination(root),)
        if isinstance(root.op, Straight):
            return (self.known.straight.work(root, root.op.body, roots.stored),)
        if isinstance(root.op, Control):
            return self.controlled(root, root.op)
        if isinstance(root.op, (Sort, SearchSorted)):
            return (emit_order(root, wanted),)
        missing: Value | None = None
        try:
            if isinstance(root.op, Scatter):
                works = emit_scatter(root, roots.stored)
                return tuple(part for work in works for part in chunked(work))
            if isinstance(root.op, Cumulative):
                return (emit_prefix(root, roots.stored),)
            if works := (made := self.made_of(group, wanted)).works:
                return works
            missing = made.missing
        except CannotFuse as unread:
            missing = unread.value
        raise UnreadableRoots(group.roots[-1:], missing)

    def controlled(self, node: Node, op: Control) -> tuple[AnyWork, ...]:
        """The work of a loop or a branch, after the copies of sequences whose elements it updates
        where they are stacked."""
        read = self.roots.read_by(node)
        updated = {
            i: o
            for i, o in updated_elements(op)
            if read[i][1] == 0 and read[i][0].type.size == node.args[i].type.size > 0
        }
        copies = tuple(
            part
            for i, o in updated.items()
            for part in chunked(copy_of(read[i][0], node.values[o]))
        )
        pairs = tuple(updated.items())
        bodies = tuple(
            self.body(g, (*c, *pairs)) for g, c in zip(op.graphs, op.carried, strict=True)
        )
        of = [(node.values[updated[i]], 0) if i in updated else r for i, r in enumerate(read)]
        return (*copies, replace(BodyWork.of(node, bodies, of), in_place=pairs))

    def body(self, graph: Graph, carried: Pairs) -> Schedule:
        """The works of a body: the same for equal ones."""
        bodies, key = self.known.bodies, (graph, carried)
        if key not in bodies:
            bodies[key] = self.fused(graph, carried)
        return bodies[key]

    def fits(self, group: Group, wanted: Set[Value]) -> bool:
        """Whether a group is a kernel."""
        known = self.known.groups
        content, _ = known.content(group, wanted)
        if content not in known.fits:
            try:
                if group.product is None:
                    attempt(group.nodes, group.domain, group.reads, wanted, self.known.places)
                else:
                    emit_group(group, wanted)
            except CannotFuse:
                known.fits[content] = False
            else:
                known.fits[content] = True
        return known.fits[content]

    def made_of(self, group: Group, wanted: Set[Value]) -> Made:
        """The works of a group of expressions, or of a product."""
        known = self.known.groups
        content, values = known.content(group, wanted)
        if content in known.works:
            return known.works[content].of(values)
        try:
            made = Made(values, chunked(emit_group(group, wanted)))
        except CannotFuse as unread:
            made = Made(values, missing=unread.value)
        known.works[content] = made
        return made


def emit_group(group: Group, wanted: Set[Value]) -> Work:
    """The work of a product with its epilogue, or of other groups; raises CannotFuse."""
    name, nodes, domain = group.title, group.nodes, group.domain
    if group.product is not None:
        return emit_product(name, group.product, nodes, domain, group.reads, wanted, group.order)
    return emit(name, nodes, domain, group.reads, wanted)
