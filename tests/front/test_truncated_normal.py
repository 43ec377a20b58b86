"""Normal numbers between bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from wonderland import random


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "bounds", [(0.0, np.inf), (-np.inf, 0.0), (-np.inf, np.inf), (-2.0, np.inf), (9.0, 9.5)]
)
def test_truncated_normal_numbers_lie_within_bounds_of_any_size(bounds, dtype):
    low, high = map(dtype, bounds)
    drawn = random.truncated_normal(random.key(3), low, high, (4000,), dtype)
    assert drawn.dtype == dtype and np.all((low < drawn) & (drawn < high))
    if high - low > 1:
        inside = scipy.stats.truncnorm(*bounds)
        assert abs(np.mean(drawn) - inside.mean()) < 5 * inside.std() / math.sqrt(len(drawn))
