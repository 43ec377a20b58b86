"""Training by several processes equals training by one."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from tests.distributed.launch import results
from tests.models.parallel.programs import CASES, alone

RUNS = [("zero", 2), ("tensor", 2), ("layers_pipeline", 4), ("perceptron_mesh", 4)]


@pytest.mark.parametrize(("name", "processes"), RUNS)
def test_steps_of_several_processes_are_those_of_one(name: str, processes: int) -> None:
    with wl.disable_jit():
        losses, weights = alone(CASES[name][0]())
    first, *others = results("recipes", processes, f"case_{name}")
    assert all(other == first for other in others)  # to the bit
    np.testing.assert_allclose(first[0], losses, 1e-12)
    for x, y in zip(first[1], wl.tree.leaves(weights), strict=True):
        # what f64 rounds of sums of some hundred numbers near 1 in three steps
        np.testing.assert_allclose(x, y.ravel(), 1e-9, 1e-11)


def test_a_sharded_optimizer_has_the_bits_of_the_whole_one() -> None:
    assert results("recipes", 2, "case_bits") == [True] * 2
