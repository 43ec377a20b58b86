"""Learning rates as functions of the number of steps taken, as in optax.

    rate = warmup_cosine_decay_schedule(0.0, 1e-3, warmup_steps=100, decay_steps=1000)
    optimizer = wl.optim.adam(rate)

A schedule is a function of the count, which may be traced: its value is part of the training step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source

__all__ = [
    "Schedule",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]

Schedule = Callable[[Any], Any]


def _at_least_one(name: str, what: str, steps: Any) -> None:
    if not steps > 0:
        raise ProgramError(
            f"{name}: {what} of 1 or more is required, got {steps!r:.40}", location(user_source())
        )


@explained
def constant_schedule(value: float) -> Schedule:
    """value"""
    return lambda count: value


@explained
def linear_schedule(
    init_value: float, end_value: float, transition_steps: float, transition_begin: float = 0
) -> Schedule:
    """From init_value, over transition_steps from transition_begin on, to end_value."""
    return polynomial_schedule(init_value, end_value, 1, transition_steps, transition_begin)


@explained
def polynomial_schedule(
    init_value: float,
    end_value: float,
    power: float,
    transition_steps: float,
    transition_begin: float = 0,
) -> Schedule:
    """end_value + (init_value - end_value) * (1 - done)^power, of the part of transition_steps that
    is done since transition_begin.
    """

    def schedule(count: Any) -> Any:
        done = np.clip((count - transition_begin) / max(transition_steps, 1), 0.0, 1.0)
        if power == 1:
            return init_value + done * (end_value - init_value)
        return end_value + (init_value - end_value) * (1 - done) ** power

    return schedule


@explained
def exponential_decay(
    init_value: float,
    transition_steps: float,
    decay_rate: float,
    transition_begin: float = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """init_value * decay_rate^((count - transition_begin) / transition_steps).

    Before transition_begin it is init_value; a staircase rounds the exponent down; end_value is a
    bound that it does not pass.
    """
    _at_least_one("exponential_decay", "transition_steps", transition_steps)

    def schedule(count: Any) -> Any:
        exponent = np.maximum((count - transition_begin) / transition_steps, 0.0)
        exponent = np.floor(exponent) if staircase else exponent
        found = init_value * np.exp(exponent * math.log(decay_rate))
        if end_value is None:
            return found
        return (np.maximum if decay_rate < 1 else np.minimum)(found, end_value)

    return schedule


@explained
def cosine_decay_schedule(
    init_value: float, decay_steps: float, alpha: float = 0.0, exponent: float = 1.0
) -> Schedule:
    """init_value * ((1 - alpha) * ((1 + cos(pi * count / decay_steps)) / 2)^exponent + alpha).

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """
    _at_least_one("cosine_decay_schedule", "decay_steps", decay_steps)

    def schedule(count: Any) -> Any:
        done = np.minimum(count / decay_steps, 1.0)
        falling = 0.5 * (1 + np.cos(math.pi * done))
        return init_value * ((1 - alpha) * falling**exponent + alpha)

    return schedule


@explained
def warmup_cosine_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: float,
    decay_steps: float,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Schedule:
    """Linear to peak_value over warmup_steps, then a cosine to end_value at decay_steps."""
    left = "decay_steps beyond warmup_steps"
    _at_least_one("warmup_cosine_decay_schedule", left, decay_steps - warmup_steps)
    alpha = end_value / peak_value if peak_value else 0.0
    falling = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, alpha, exponent)
    return join_schedules(
        [linear_schedule(init_value, peak_value, warmup_steps), falling], [warmup_steps]
    )


@explained
def piecewise_constant_schedule(
    init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> Schedule:
    """init_value times every scale whose boundary the count has reached."""

    def schedule(count: Any) -> Any:
        found: Any = init_value
        for boundary, scale in sorted((boundaries_and_scales or {}).items()):
            found = found * np.where(count >= boundary, scale, 1.0)
        return found

    return schedule


@explained
def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[float]) -> Schedule:
    """Each schedule from its boundary on, counting from there; the first from 0."""
    if len(schedules) != len(boundaries) + 1:
        counts = f"{len(schedules)} schedules and {len(boundaries)} boundaries"
        raise ProgramError(
            f"join_schedules: a boundary between each two schedules is required, got {counts}",
            location(user_source()),
        )

    def schedule(count: Any) -> Any:
        found = schedules[0](count)
        for boundary, later in zip(boundaries, schedules[1:], strict=True):
            found = np.where(count < boundary, found, later(count - boundary))
        return found

    return schedule


@explained
def warmup_constant_schedule(init_value: float, peak_value: float, warmup_steps: float) -> Schedule:
    """Linear to peak_value over warmup_steps, which then stays."""
    return linear_schedule(init_value, peak_value, warmup_steps)


@explained
def warmup_exponential_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: float,
    transition_steps: float,
    decay_rate: float,
    transition_begin: float = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """Linear to peak_value over warmup_steps, then exponential_decay from there."""
    falling = exponential_decay(
        peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value
    )
    return join_schedules(
        [linear_schedule(init_value, peak_value, warmup_steps), falling], [warmup_steps]
    )


@explained
def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """One warmup_cosine_decay_schedule after the other, each of its decay_steps.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """
    periods = list(cosine_kwargs)
    ends = list(itertools.accumulate(options["decay_steps"] for options in periods))
    return join_schedules([warmup_cosine_decay_schedule(**o) for o in periods], ends[:-1])


@explained
def piecewise_interpolate_schedule(
    interpolate_type: str,
    init_value: float,
    boundaries_and_scales: Mapping[int, float] | None = None,
) -> Schedule:
    """From init_value to init_value * scale at the first boundary, from there to that times the
    next scale at the next, on lines or on half waves of a cosine: "linear" or "cosine".
    """
    if interpolate_type not in ("linear", "cosine"):
        raise ProgramError(
            "piecewise_interpolate_schedule: 'linear' or 'cosine' is required, "
            f"got {interpolate_type!r}",
            location(user_source()),
        )
    pairs = sorted((boundaries_and_scales or {}).items())
    bounds = [0, *(bound for bound, _ in pairs)]
    scales = (scale for _, scale in pairs)
    values = list(itertools.accumulate(scales, lambda v, scale: v * scale, initial=init_value))

    def schedule(count: Any) -> Any:
        found: Any = values[0]
        for i, (begin, end) in enumerate(itertools.pairwise(bounds)):
            done = np.clip((count - begin) / max(end - begin, 1), 0.0, 1.0)
            if interpolate_type == "cosine":
                done = 0.5 * (1 - np.cos(math.pi * done))
            found = np.where(count < begin, found, values[i] + done * (values[i + 1] - values[i]))
        return np.where(count < bounds[-1], found, values[-1])

    return schedule


@explained
def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """From peak_value / div_factor up to peak_value at pct_start of transition_steps, back down at
    pct_final, and to peak_value / div_factor / final_div_factor at the end, on lines.

    Source: Smith and Topin, Super-convergence, 2018.
    """
    _at_least_one("linear_onecycle_schedule", "transition_steps", transition_steps)
    scales = {
        int(pct_start * transition_steps): div_factor,
        int(pct_final * transition_steps): 1 / div_factor,
        transition_steps: 1 / final_div_factor,
    }
    return piecewise_interpolate_schedule("linear", peak_value / div_factor, scales)


@explained
def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """From peak_value / div_factor up to peak_value at pct_start of transition_steps, and down to
    peak_value / div_factor / final_div_factor at the end, on half waves of a cosine.

    Source: Smith and Topin, Super-convergence, 2018.
    """
    _at_least_one("cosine_onecycle_schedule", "transition_steps", transition_steps)
    scales = {
        int(pct_start * transition_steps): div_factor,
        transition_steps: 1 / (div_factor * final_div_factor),
    }
    return piecewise_interpolate_schedule("cosine", peak_value / div_factor, scales)
