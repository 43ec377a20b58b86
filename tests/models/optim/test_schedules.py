"""Schedules by their definitions, on numbers and traced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.trace import call, trace
from wonderland.models import optim
from wonderland.models.optim.schedules import Schedule

CASES: dict[str, tuple[Schedule, dict[int, float]]] = {
    "constant": (optim.constant_schedule(0.3), {0: 0.3, 100: 0.3}),
    "linear": (optim.linear_schedule(1.0, 3.0, 4, 2), {0: 1.0, 2: 1.0, 3: 1.5, 6: 3.0, 99: 3.0}),
    "exponential": (
        optim.exponential_decay(8.0, 10, 0.5, transition_begin=5),
        {0: 8.0, 5: 8.0, 10: 8 * 0.5**0.5, 25: 2.0},
    ),
    "staircase": (
        optim.exponential_decay(8.0, 10, 0.5, staircase=True, end_value=3.0),
        {9: 8.0, 10: 4.0, 19: 4.0, 20: 3.0},
    ),
    "growing": (optim.exponential_decay(1.0, 1, 2.0, end_value=5.0), {2: 4.0, 3: 5.0}),
    "cosine": (
        optim.cosine_decay_schedule(2.0, 10, alpha=0.1),
        {0: 2.0, 5: 2 * 0.55, 10: 0.2, 50: 0.2},
    ),
    "cosine of a power": (optim.cosine_decay_schedule(1.0, 10, exponent=2.0), {5: 0.25}),
    "warmup": (
        optim.warmup_cosine_decay_schedule(0.0, 1.0, 4, 12, end_value=0.5),
        {0: 0.0, 1: 0.25, 4: 1.0, 8: 0.75, 12: 0.5, 13: 0.5},
    ),
    "piecewise": (
        optim.piecewise_constant_schedule(1.0, {3: 0.1, 6: 0.5}),
        {0: 1.0, 2: 1.0, 3: 0.1, 5: 0.1, 6: 0.05},
    ),
    "joined": (
        optim.join_schedules([optim.constant_schedule(1.0), lambda count: count * 2.0], [3]),
        {2: 1.0, 3: 0.0, 5: 4.0},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_schedule_has_its_values(name: str):
    schedule, values = CASES[name]
    for count, value in values.items():
        step = np.array(count, np.int32)
        for found in (schedule(count), schedule(step), call(trace(schedule, step), step)):
            assert math.isclose(float(found), value, rel_tol=1e-6, abs_tol=1e-9), (count, found)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.cosine_decay_schedule(1.0, 0),
        lambda: optim.exponential_decay(1.0, 0, 0.5),
        lambda: optim.warmup_cosine_decay_schedule(0.0, 1.0, 10, 10),
    ],
)
def test_a_decay_over_no_steps_is_refused_when_it_is_made(make: Any):
    with pytest.raises(ProgramError, match=r"of 1 or more is required, got 0\n  test_schedules"):
        make()
