"""How long segments are: against every choice there is."""

from __future__ import annotations

import functools

import pytest

from wonderland.compiler.ops.nested.segmented_scan import EVERY, Costs, least_bytes

COSTS = (Costs(1, 1), Costs(1, 8), Costs(8, 1), Costs(64, 1), Costs(1, 64), Costs(64, 2000),
         Costs(0, 5), Costs(5, 0))  # fmt: skip


@functools.cache
def fewest(costs: Costs, turns: int, levels: int) -> int:
    """The fewest bytes of all lengths in all levels."""
    if not levels:
        return turns * costs.turn
    divided = (
        turns // size * costs.carries + turns % size * costs.turn + fewest(costs, size, levels - 1)
        for size in range(1, turns + 1)
    )
    return min(turns * costs.turn, *divided)


@pytest.mark.parametrize("costs", COSTS)
def test_of_up_to_a_thousand_turns_nothing_is_better(costs: Costs) -> None:
    for turns in (*range(1, 90), 97, 123, 128, 255):
        for levels in (1, 2, 3):
            assert least_bytes(costs, turns, levels)[0] == fewest(costs, turns, levels), (
                turns,
                levels,
            )


def test_of_more_turns_a_third_more_is_the_worst_and_most_are_best() -> None:
    ratios = [
        least_bytes(costs, turns, levels)[0] / fewest(costs, turns, levels)
        for costs in (COSTS[4], COSTS[5]) for turns in (EVERY + 1, 1499) for levels in (1, 2)
    ]  # fmt: skip
    assert max(ratios) < 1.35 and sum(r == 1 for r in ratios) >= 0.75 * len(ratios)


def test_a_hundred_turns_in_levels() -> None:
    costs = Costs(1, 4)
    assert [least_bytes(costs, 100, levels) for levels in (0, 1, 2, 3)] == [
        (400, 0), (40, 5), (23, 10), (18, 20),
    ]  # fmt: skip
    assert least_bytes(costs, 10, 1) == (13, 2)
