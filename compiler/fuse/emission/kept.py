"""Rows of scratch: a heavy value that later stages read again is kept by the first that has it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...kernel import NUMPY, OPS, SCRATCH_BYTES, Axis, Expr, Result, expr_axes, rebuilt, walk

WEIGHT = 8
"""Multiply-adds from which on a value is kept rather than computed again."""
POINTS = 8192
"""The longest row that is kept: it stays in the second-level cache."""


class KeptRows:
    """The rows kept so far, over the `inner` axes of a kernel."""

    def __init__(self, inner: tuple[Axis, ...]) -> None:
        self.names = tuple(a.name for a in inner)
        self.points = math.prod(a.size for a in inner)
        self.nbytes = 0
        self.results: dict[Expr, Result] = {}
        self.memo: dict[Expr, Expr] = {}
        self.axes: dict[Expr, frozenset[str]] = {}

    def later(self, e: Expr) -> Expr:
        """`e` with kept values read from scratch."""
        if not self.results:
            return e
        for kept, result in self.results.items():
            self.memo.setdefault(kept, result)
        return rebuilt(e, lambda leaf: leaf, self.memo)

    def keep(self, here: Sequence[Expr], later: Sequence[Expr]) -> list[tuple[Result, Expr]]:
        """What a stage that computes `here` keeps for those that compute `later`: users first.

        What is read only inside of kept values is not kept.
        """
        again = set(walk(*later))
        hidden = set[Expr]().union(*(hidden_by(k, later) for k in self.results))
        found: list[tuple[Result, Expr]] = []
        for e in reversed(list(walk(*here))):
            if e in again and e not in self.results and e not in hidden and self.worth(e):
                result = Result(f"k{len(self.results)}", self.names, e.dtype)
                found.append((result, self.later(e)))
                self.results[e] = result
                self.nbytes += self.row_bytes(e)
                hidden |= hidden_by(e, later)
        if found:
            self.memo = {}
        return found

    def row_bytes(self, e: Expr) -> int:
        return self.points * NUMPY[e.dtype].itemsize

    def worth(self, e: Expr) -> bool:
        """Whether `e` varies along the row, costs more than a load, and fits."""
        if self.points > POINTS or self.nbytes + self.row_bytes(e) > SCRATCH_BYTES:
            return False
        if e.op in ("load", "const", "index", "result"):
            return False
        return self.heavy(e) and not expr_axes(e, frozenset(), self.axes).isdisjoint(self.names)

    def heavy(self, e: Expr) -> bool:
        weight = 0
        for n in walk(e):
            if n.op in OPS and n not in self.results:
                weight += OPS[n.op].weight
                if weight >= WEIGHT:
                    return True
        return False


def hidden_by(kept: Expr, roots: Sequence[Expr]) -> set[Expr]:
    """What `roots` read inside of `kept` only."""
    seen: set[Expr] = set()
    stack = list(roots)
    while stack:
        n = stack.pop()
        if n is not kept and n not in seen:
            seen.add(n)
            stack += n.args
    return set(walk(*kept.args)) - seen
