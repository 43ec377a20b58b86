"""Sums in levels, so that their error grows with the logarithm of how much is added.

    for block in 0, 64 * step, ...        an accumulator of its own for every block,
        for j in block, block + step, ...      added to that of the loop around it

A chain of n additions may be wrong by n roundings. Here no accumulator takes more than `CHAIN` of
them in a row: an axis of more turns is a loop over blocks of as many, and where the turns of
loops in each other are more, the inner ones have accumulators of their own.

Source: Higham, The accuracy of floating point summation, 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHAIN = 64
"""Additions in a row: an accumulator of its own then costs 2% of what it takes."""


@dataclass(frozen=True)
class Turns:
    """A loop over `block` steps a turn; `apart`: its sums have accumulators of their own."""

    block: int = 1
    apart: bool = False


PLAIN = (Turns(),)


def cascade(steps: Sequence[int]) -> list[tuple[Turns, ...]]:
    """The loops, outermost first, of each of nested axes that take so many steps."""
    loops: list[tuple[int, int, int]] = []  # axis, steps a turn, turns
    for k, n in enumerate(steps):
        block = 1
        while -(-n // block) > CHAIN:
            block *= CHAIN
        turns = -(-n // block)
        while block:
            loops.append((k, block, turns))
            block, turns = block // CHAIN, CHAIN
    chain, apart = 1, [False] * len(loops)
    for i in reversed(range(len(loops))):
        turns = loops[i][2]
        if chain > 1 and chain * turns > CHAIN:
            apart[i + 1], chain = True, 1
        chain *= max(turns, 1)
    found: list[list[Turns]] = [[] for _ in steps]
    for (k, block, _), own in zip(loops, apart, strict=True):
        found[k].append(Turns(block, own))
    return [tuple(f) for f in found]
