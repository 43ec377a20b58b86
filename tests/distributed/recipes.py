"""Recipes of parallel training over processes: losses, and weights put together again."""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl
from tests.distributed.answer import answer
from tests.models.parallel.programs import CASES, STEPS
from tests.models.parallel.test_zero import BY_ELEMENTS, GRADS, WEIGHTS

SIZE, PLACE = wl.distributed.process_count(), wl.distributed.process_index()


def trained(name: str, *sizes: int) -> Any:
    """What `alone` gives of one process."""
    made, axes = CASES[name]
    case = made()
    mesh = wl.distributed.mesh(dict(zip(axes, sizes, strict=True)))
    with wl.disable_jit():
        carry = wl.distributed.spmd(case.init, mesh)(case.weights)
    step = wl.distributed.spmd(case.step, mesh)
    losses, weights = [], None
    for _ in range(STEPS):
        carry, value, weights = step(carry)
        losses.append(float(value))
    return losses, [np.asarray(x).ravel().tolist() for x in wl.tree.leaves(weights)]


def case_zero() -> Any:
    return trained("zero", SIZE) if SIZE == 2 else None


def case_tensor() -> Any:
    return trained("tensor", SIZE) if SIZE == 2 else None


def case_layers_pipeline() -> Any:
    return trained("layers_pipeline", SIZE) if SIZE == 4 else None


def case_perceptron_mesh() -> Any:
    return trained("perceptron_mesh", 2, 2) if SIZE == 4 else None


def case_bits() -> Any:
    """Whether a sharded optimizer updates as the whole one does."""
    if SIZE != 2:
        return None
    mesh = wl.distributed.mesh({"data": SIZE})
    one = BY_ELEMENTS["adamw"]
    many = wl.distributed.sharded(one, "data")

    def whole(grads: Any, state: Any) -> Any:
        return one.update(wl.lax.pmean(grads, "data"), state, WEIGHTS)

    programs = (
        (one.init(WEIGHTS), wl.distributed.spmd(whole, mesh)),
        (
            wl.distributed.spmd(lambda: many.init(WEIGHTS), mesh)(),
            wl.distributed.spmd(lambda g, s: many.update(g, s, WEIGHTS), mesh),
        ),
    )
    found = []
    for state, update in programs:
        for grads in GRADS:
            updates, state = update(wl.tree.map(lambda g: g[PLACE], grads), state)
            found.append([x.tobytes() for x in wl.tree.leaves(updates)])
    return found[: len(GRADS)] == found[len(GRADS) :]


if __name__ == "__main__":
    answer(globals())
