"""A program within a budget of memory: which turns of its loops reverse mode computes again.

The recompute pass drops whole values, but what reverse mode keeps of a loop is one stack of all
turns. So the function is traced again with loops of which some turns run again (`SegmentedScan`),
and of what fits the fastest is taken, by the same estimate as in recompute: the program that keeps
all turns; the one that keeps as many sixteenths of them as fit with no more recomputed; those that
keep a half or none, with what recompute adds; and where that is too much, loops of several levels.
Each of these only gets slower as the budget shrinks, and so does the fastest.
Cost: up to ten times the passes, where a program with loops does not fit as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..ir.errors import OverBudget
from ..ir.graph import Graph
from ..ir.lazy import lazy
from ..ops.nested.scan import Scan
from ..trace.trace import Traced
from ..trace.tracer import Recomputed

if TYPE_CHECKING:
    from ..pipeline import Compiled, Lowering

PARTS = 16
LEVELS = 2


@dataclass(frozen=True, eq=False)
class Candidate:
    """A function traced, and its works."""

    traced: Traced
    lowering: Lowering
    recomputed: Recomputed

    @lazy
    def free(self) -> Compiled:
        """The program that computes nothing again but turns of loops."""
        return self.lowering.compiled()


def fitted(lowered: Callable[[Recomputed], Candidate], budget: int) -> tuple[Candidate, Compiled]:
    """The fastest program within a budget; 0 is none. OverBudget names the least of all."""
    plain = lowered(Recomputed())
    if not budget:
        return plain, plain.free
    if not loops_in(plain.traced.graph) or fits_budget(plain, budget):
        return plain, plain.lowering.compiled(budget)
    found: list[tuple[float, int, Candidate, Compiled]] = []
    failed: list[OverBudget] = []
    for k, candidate in enumerate(candidates(plain, lowered, budget)):
        try:
            program = candidate.lowering.compiled(budget)
        except OverBudget as error:
            failed.append(error)
        else:
            found.append((program.seconds, k, candidate, program))
    if not found:
        raise min(failed, key=lambda error: error.least)
    *_, candidate, program = min(found, key=lambda f: f[:2])
    return candidate, program


def candidates(
    plain: Candidate, lowered: Callable[[Recomputed], Candidate], budget: int
) -> Iterator[Candidate]:
    """The programs that may be the fastest, those first that compute the least again."""
    yield plain
    most = lowered(Recomputed(1.0))
    if fits_budget(most, budget):
        yield least_again(plain, most, lowered, budget)
    else:
        yield most
        yield from (lowered(Recomputed(1.0, levels)) for levels in range(2, LEVELS + 1))
    yield lowered(Recomputed(0.5))


def least_again(
    plain: Candidate, most: Candidate, lowered: Callable[[Recomputed], Candidate], budget: int
) -> Candidate:
    """The first that fits of those that compute so many sixteenths again.

    Bytes are about linear in the part, so it is not far from where the line says.
    """
    over, room = plain.free.memory.nbytes - budget, budget - most.free.memory.nbytes
    for part in range(math.ceil(PARTS * over / (over + room)), PARTS):
        candidate = lowered(Recomputed(part / PARTS))
        if fits_budget(candidate, budget):
            return candidate
    return most


def fits_budget(candidate: Candidate, budget: int) -> bool:
    """Whether nothing more has to be computed again."""
    return candidate.free.memory.nbytes <= budget


def loops_in(graph: Graph) -> bool:
    """Whether there is a loop of known length, also inside of other graphs."""
    return any(isinstance(n.op, Scan) or any(map(loops_in, n.op.graphs)) for n in graph.nodes)
