"""Random orders and choices without JAX: what they keep, known draws, errors, compiled."""

from __future__ import annotations

import numpy as np
import pytest

from wonderland.compiler.front import random
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.jit.jit import jit

KEY = np.array([123, 456], np.uint32)
GRID = np.arange(18, dtype=np.float32).reshape(6, 3)
DRAWN = [3, 0, 6, 7, 2, 1, 4, 5]


def test_a_permutation_keeps_the_elements_and_the_rows() -> None:
    order = random.permutation(KEY, 1000)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    rows = random.permutation(KEY, GRID)
    np.testing.assert_array_equal(rows, GRID[random.permutation(KEY, 6)])
    each = random.permutation(KEY, GRID, axis=1, independent=True)
    np.testing.assert_array_equal(np.sort(each, 1), GRID)
    compiled = jit(lambda k: random.permutation(k, 1000))(KEY)
    np.testing.assert_array_equal(compiled, order)


def test_draws_are_known() -> None:
    np.testing.assert_array_equal(random.permutation(KEY, 8), DRAWN)
    drawn = random.choice(KEY, 8, (3,), replace=False)
    np.testing.assert_array_equal(drawn, DRAWN[:3])


def test_nothing_is_chosen_twice_without_replacement() -> None:
    p = np.array([0.0, 0.2, 0.5, 0.3], np.float32)
    assert set(random.choice(KEY, 4, (3,), False, p).tolist()) == {1, 2, 3}
    found = random.categorical(KEY, np.log(p + 1e-9), shape=(4,), replace=False)
    assert sorted(found.tolist()) == [0, 1, 2, 3]


def test_every_order_of_three_comes_as_often() -> None:
    rows = random.permutation(KEY, np.tile(np.arange(3), (6000, 1)), 1, independent=True)
    _, counts = np.unique(rows @ [9, 3, 1], return_counts=True)
    assert len(counts) == 6
    assert np.all(np.abs(counts - 1000) < 4 * np.sqrt(1000))


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ProgramError, match="choice: at least 3 entries are required, got 2"):
        random.choice(KEY, 2, (3,), replace=False)
    with pytest.raises(ProgramError, match="choice: at least 1 entries are required, got 0"):
        random.choice(KEY, 0, (3,))
    with pytest.raises(ProgramError, match="permutation: a number of 0 or more is required"):
        random.permutation(KEY, -3)
    with pytest.raises(ProgramError, match="permutation: an axis within 2 dimensions is required"):
        random.permutation(KEY, GRID, axis=5)
    with pytest.raises(ProgramError, match="choice: sizes of 0 or more are required"):
        random.choice(KEY, 5, (-1,))
    with pytest.raises(ProgramError, match="permutation: an array or a Python int is required"):
        random.permutation(KEY, 2.5)
    with pytest.raises(ProgramError, match="categorical: at least 4 categories are required"):
        random.categorical(KEY, np.zeros(3), shape=(4,), replace=False)
    with pytest.raises(ProgramError, match="choice: an axis within 2 dimensions is required"):
        random.choice(KEY, GRID, (2,), axis=2)
