"""Models within parts of their memory: what is told of them, and the same bits."""

from __future__ import annotations

import pytest

from bench.deep_models import MODELS
from bench.recomputation import STATUS, Budgeted, budgets, of_chain, told

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")


@pytest.mark.parametrize("name", ["MLP", "LSTM"])
def test_budgets_are_kept_with_the_same_numbers_and_the_least_is_told(name: str):
    found = budgets(name, MODELS[name](1 / 16), (1.0, 0.6, 0.01))
    assert [b.predicted > 0 for b in found[:1]] == [True] and found[-1].predicted == 0
    for b in found:
        assert b.predicted <= b.budget
        assert b.apart == 0 or (name == "LSTM" and b.apart < 1e-6)
        assert b.work >= 1 or not b.predicted
    least = min(b.predicted for b in found if b.predicted)
    assert any(b.budget == least for b in found)


def test_a_chain_has_time_and_memory_of_both_kinds():
    found = of_chain("wonderland", 64)
    assert set(found) == {"all is kept", "recomputation"}
    assert all(seconds > 0 for seconds, _ in found.values())


def test_the_table_says_what_cannot_be():
    text = told(
        [
            Budgeted("m", 1.0, 1 << 20, 1 << 20, 1 << 20, 1.0, 1.0),
            Budgeted("m", 0.5, 1 << 19, 1 << 19, 1 << 19, 1.3, 1.2, 2e-7),
            Budgeted("m", 0.1, 9),
        ]
    )
    last = [line.split("|")[-2].strip() for line in text.splitlines()[2:]]
    assert last == ["none", "2e-07", "cannot be"]
