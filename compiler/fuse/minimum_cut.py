"""The cheapest way to have values of which each can be loaded, or computed from others.

A value that several need is paid for once. That is a minimum cut: v is two nodes, *had* and
*computed*; had - computed costs a load, computed - sink the computing, and who computes v must have
its operands. Most values need no cut: these are decided before, the flow is of what is left.
Cost: O(n) where nothing is left; O(n * m^2) of the n values and m operands that are.
Source: Edmonds and Karp, Theoretical improvements in algorithmic efficiency for network flow
problems, 1972; Picard, Maximal closure of a graph, 1976.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

SINK, SOURCE = -1, -2


@dataclass(frozen=True)
class ValueCost:
    """What a value costs; infinite is what cannot be done. `args` are places of others before."""

    load: float
    compute: float
    args: tuple[int, ...] = ()


def cheapest(choices: Sequence[ValueCost], wanted: Collection[int]) -> frozenset[int]:
    """The values to load, for the least that the wanted ones can cost; of equal ones the first."""
    had, loaded, left = decided(choices, wanted)
    if not left:
        return frozenset(v for v in had if loaded[v])
    kept = source_side(cut_network(choices, had, loaded, left))
    for v in left:
        if 2 * v in kept and loaded[v] is None:
            loaded[v] = 2 * v + 1 not in kept
    return frozenset(v for v in needed_values(choices, wanted, loaded) if loaded[v])


def decided(
    choices: Sequence[ValueCost], wanted: Collection[int]
) -> tuple[set[int], list[bool | None], set[int]]:
    """What is had for certain; for each value whether it is loaded if it is had, or None; and what
    may be had and is not decided by that."""
    loaded: list[bool | None] = [True if c.compute >= c.load else None for c in choices]
    had: set[int] = set()
    grown = True
    while grown:
        size = len(had)
        for v, c in enumerate(choices):
            if loaded[v] is None and (c.load == math.inf or all(a in had for a in c.args)):
                # either it must be computed, or that takes nothing that is not there
                loaded[v] = False
        stack = list(wanted)
        seen: set[int] = set()
        while stack:
            v = stack.pop()
            if v not in seen:
                seen.add(v)
                stack += () if loaded[v] is not False else choices[v].args
        had |= seen
        grown = len(had) > size
    left = set(open_below(choices, had, loaded))
    return had, loaded, left


def open_below(
    choices: Sequence[ValueCost], had: set[int], loaded: Sequence[bool | None]
) -> list[int]:
    """The undecided values that are had, and all that they may need beside what is had."""
    stack = [v for v in had if loaded[v] is None]
    found: dict[int, None] = {}
    while stack:
        v = stack.pop()
        if v not in found:
            found[v] = None
            if loaded[v] is not True:
                stack += [a for a in choices[v].args if a not in had]
    return list(found)


def needed_values(
    choices: Sequence[ValueCost], wanted: Collection[int], loaded: Sequence[bool | None]
) -> list[int]:
    """What is had where `loaded` decides."""
    stack, seen = list(wanted), dict[int, None]()
    while stack:
        v = stack.pop()
        if v not in seen:
            seen[v] = None
            stack += () if loaded[v] else choices[v].args
    return list(seen)


Network = dict[int, dict[int, float]]
"""Capacities: v is had at 2v, computed at 2v + 1."""


def cut_network(
    choices: Sequence[ValueCost], had: set[int], loaded: Sequence[bool | None], left: set[int]
) -> Network:
    """The network of what is left; what is had for certain costs nothing more."""
    edges: Network = {SOURCE: {}, SINK: {}}
    for v in left:
        edges |= {2 * v: {}, 2 * v + 1: {}}
    for v in sorted(left):
        c = choices[v]
        if v in had:
            edges[SOURCE][2 * v] = math.inf
        edges[2 * v][2 * v + 1] = c.load
        edges[2 * v + 1][SINK] = math.inf if loaded[v] else c.compute
        for a in c.args:
            if a in left and loaded[v] is not True:
                edges[2 * v + 1][2 * a] = math.inf
    return edges


def source_side(edges: Network) -> set[int]:
    """The nodes that the source still reaches when the flow is greatest."""
    rest = {n: dict(to) for n, to in edges.items()}
    for n, to in edges.items():
        for m in to:
            rest[m].setdefault(n, 0.0)
    while True:
        came: dict[int, int] = {SOURCE: SOURCE}
        queue = deque([SOURCE])
        while queue and SINK not in came:
            n = queue.popleft()
            for m, capacity in rest[n].items():
                if capacity > 0 and m not in came:
                    came[m] = n
                    queue.append(m)
        if SINK not in came:
            return set(came)
        path = [SINK]
        while path[-1] != SOURCE:
            path.append(came[path[-1]])
        pairs = [(n, m) for m, n in itertools.pairwise(path)]
        flow = min(rest[n][m] for n, m in pairs)
        for n, m in pairs:
            rest[n][m] -= flow
            rest[m][n] += flow
