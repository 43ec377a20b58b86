"""An order for little memory: never worse than the given one, near the best there is."""

from __future__ import annotations

import random
from functools import cache

import pytest

from wonderland.compiler.plan.low_peak import in_order, low_peak, peak, sources
from wonderland.compiler.plan.rematerialise import Tape, Unit


def random_tape(seed: int, units: int = 9) -> Tape:
    rng = random.Random(seed)
    found = [
        Unit(tuple(sorted(rng.sample(range(u), min(u, rng.choice((0, 1, 1, 2)))))), (u,), 1.0)
        for u in range(units)
    ]
    nbytes = {u: 64 * rng.choice((1, 1, 2, 4, 8)) for u in range(units)}
    return Tape(tuple(found), nbytes, frozenset([units - 1]))


def least(tape: Tape) -> int:
    """The least peak of all orders, by sets of units that have run."""
    before = [sum(1 << b for b in found) for found in sources(tape, ())]
    readers = [0] * len(tape.units)
    for u, unit in enumerate(tape.units):
        for v in unit.reads:
            readers[v] |= 1 << u

    def held(done: int) -> int:
        waiting = (v for v in range(len(before)) if done >> v & 1 and readers[v] & ~done)
        return sum(tape.nbytes[v] for v in waiting if v not in tape.elsewhere)

    @cache
    def best(done: int) -> int:
        if done + 1 == 1 << len(before):
            return 0
        ready = [u for u, b in enumerate(before) if not done >> u & 1 and b & ~done == 0]
        return min(max(held(done) + own(u), best(done | 1 << u)) for u in ready)

    def own(u: int) -> int:
        return 0 if u in tape.elsewhere else tape.nbytes[u]

    return best(0)


@pytest.mark.parametrize("start", range(0, 200, 100))
def test_an_order_is_near_the_best_and_never_worse_than_the_given_one(start: int) -> None:
    got = exact = 0
    for seed in range(start, start + 100):
        tape = random_tape(seed)
        order = low_peak(tape)
        assert sorted(order) == list(range(len(tape.units)))
        assert all(
            order.index(b) < order.index(u) for u, s in enumerate(sources(tape, ())) for b in s
        )
        found, best = peak(tape, order), least(tape)
        assert best <= found <= peak(tape, range(len(tape.units)))
        assert peak(in_order(tape, order), range(len(order))) == found
        got, exact = got + found, exact + best
    assert got <= 1.05 * exact, (got, exact)


def test_pairs_stay_in_their_order() -> None:
    for seed in range(50):
        tape = random_tape(seed)
        order = low_peak(tape, [(2, 6), (3, 5)])
        assert order.index(2) < order.index(6) and order.index(3) < order.index(5)
