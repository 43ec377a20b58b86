"""Whether a group is a kernel, without making its expressions.

A value at an index of some points asks for its operands at others, whoever reads it: these places
are found once for all groups over a domain, and a trial walks from place to place. It fails where a
`Reader` would, in the same order.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from ...ir.graph import Node, Value
from ...kernel import Const, Expr, Guard
from ...kernel.index import CannotFuse, Index
from ...ops.family import Computed, Elementwise, View
from .cluster import clustered, outer_names
from .domain import Domain
from .reader import LONG, TIMES, Reader, Request, known_pieces

MOST = 1 << 16
"""Places that are remembered."""


class NotForeseen(Exception):
    """What is read depends on the expressions."""


class Reached:
    """A value at an index, within guards: what it asks for, and how often it is computed there."""

    __slots__ = ("at", "failed", "guards", "needs", "spread", "times", "value")

    def __init__(self, value: Value, at: Index, guards: tuple[Guard, ...]) -> None:
        self.value, self.at, self.guards = value, at, guards
        self.spread: Reached | None = None  # the same, by an index per dimension
        self.failed: CannotFuse | None = None
        self.needs: list[Reached] | None = None
        self.times = 0  # none where the stages around would compute it at every point


@dataclass
class Places:
    """The places of values, by domain."""

    over: dict[Domain, dict[Request, Reached]] = field(default_factory=dict)

    def reader(self, domain: Domain, stored: Container[Value], own: frozenset[Value]) -> Reader:
        if sum(map(len, self.over.values())) > MOST:
            self.over.clear()
        places = self.over.setdefault(domain, {})
        return Trial(stored, domain.sizes, own, outer_names(domain), places=places)


@dataclass
class Trial(Reader):
    """A reader of which all expressions are numbers."""

    places: dict[Request, Reached] = field(default_factory=dict)
    seen: set[Reached] = field(default_factory=set)

    def read(self, value: Value, at: Index, guards: tuple[Guard, ...] = ()) -> Expr:
        waiting = [(self.place(value, at, guards), 0)]
        while waiting:
            place, depth = waiting.pop()
            if not self.loaded(place.value):
                needs = self.visit(self.spread_out(place), depth)
                waiting += [(p, depth + 1) for p in reversed(needs)]
        return Const(0, value.dtype)

    def place(self, value: Value, at: Index, guards: tuple[Guard, ...]) -> Reached:
        key = value, at, guards
        if key not in self.places:
            self.places[key] = Reached(*key)
        return self.places[key]

    def spread_out(self, place: Reached) -> Reached:
        if place.failed:
            raise place.failed.with_traceback(None)
        if place.spread is None:
            try:
                at = self.spread(place.value, place.at)
            except CannotFuse as failed:
                place.failed = failed
                raise
            place.spread = self.place(place.value, at, place.guards)
            place.spread.spread = place.spread
            place.spread.times = 0 if self.repeated(at) else self.points_of(place.value, at)
        return place.spread

    def visit(self, place: Reached, depth: int) -> Sequence[Reached]:
        """What a place that is met for the first time asks for."""
        if place in self.seen:
            return ()
        value, own = place.value, place.value in self.computed
        if own:
            self.times[value] += place.times
        read = len(self.seen) - depth  # what stands around is not read yet
        if self.times[value] > TIMES or read > LONG or (own and not place.times):
            raise CannotFuse
        self.seen.add(place)
        if value in self.results:
            if self.results[value][0] != place.at:
                raise CannotFuse
            return ()
        if place.needs is None:
            place.needs = self.needs(place, value.node)
        return place.needs

    def needs(self, place: Reached, node: Node | None) -> list[Reached]:
        if node is None:
            raise CannotFuse
        at, guards = place.at, place.guards
        if isinstance(node.op, Elementwise):
            return [self.place(a, at, guards) for a in node.args]
        if isinstance(node.op, View):
            types = tuple(a.type for a in node.args)
            pieces = known_pieces(node.op.pieces(at, types, node.out.type))
            return [self.place(node.args[p.operand], p.index, guards + p.guards) for p in pieces]
        if not isinstance(node.op, Computed):
            raise CannotFuse
        if node.args:
            raise NotForeseen
        return []


def attempt(
    nodes: Sequence[Node],
    domain: Domain,
    stored: Container[Value],
    wanted: Container[Value],
    places: Places,
) -> None:
    """Raises CannotFuse where `emit` would."""
    try:
        clustered("", nodes, domain, stored, wanted, places.reader)
    except NotForeseen:
        clustered("", nodes, domain, stored, wanted)
