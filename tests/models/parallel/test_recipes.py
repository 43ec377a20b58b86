"""Training over named axes equals training in one process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parallel.programs import CASES, STEPS, Case, alone

RUNS = [
    *((name, (n,)) for name in ("data_parallel", "zero", "layers_pipeline") for n in (2, 4)),
    *((name, (4,)) for name in ("tensor", "blocks_pipeline")),
    *((name, (2, 2)) for name in ("perceptron_mesh", "decoder_mesh")),
]


def mapped(f: Any, axes: tuple[str, ...], sizes: tuple[int, ...], taken: Any) -> Any:
    """f over axes of vmap: of a carry by place, which is what it gives first."""
    for axis, n in zip(axes[::-1], sizes[::-1], strict=True):
        f = wl.vmap(f, taken, axis_name=axis, axis_size=n)
    return wl.jit(f)


@pytest.mark.parametrize(("name", "sizes"), RUNS, ids=str)
def test_steps_over_axes_are_those_of_one_process(name: str, sizes: tuple[int, ...]) -> None:
    made, axes = CASES[name]
    case = made()
    with wl.disable_jit():  # what compiled collectives give is tested for each of them
        compare(case, axes, sizes)


def compare(case: Case, axes: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    losses, weights = alone(case)
    carry = mapped(case.init, axes, sizes, None)(case.weights)
    step = mapped(case.step, axes, sizes, 0)
    now: Any = None
    for k in range(STEPS):
        carry, value, now = step(carry)
        # what an f64 rounds of sums of some hundred terms of size 1
        np.testing.assert_allclose(value, losses[k], 1e-12)
    for x, y in zip(wl.tree.leaves(now), wl.tree.leaves(weights), strict=True):
        for place in np.ndindex(*sizes):
            np.testing.assert_allclose(x[place], y, 1e-9, 1e-11)
