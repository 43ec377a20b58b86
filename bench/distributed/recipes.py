"""The same step of a transformer by three recipes: what each sends, and keeps in memory.

All see the same rows: data parallel and ZeRO each its own, tensor parallel all of them with its
own heads and units. So their losses are those of one process to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import wonderland as wl
from wonderland.models.families.language import text_loss
from wonderland.models.families.transformer_decoder import Decoder

from ..adam import RATE, updated
from ..harness import Run
from ..models.model import integers
from .group import AXIS, Group
from .steps import going_on

WORDS, LENGTH, SIZE, DEPTH, ROWS = 1000, 128, 256, 4, 2  # rows of each process

Step = Callable[[Any, Any, Any], tuple[Any, Any, Any]]


class Recipe(NamedTuple):
    """A step of parameters, states and rows, and what is kept of it: bytes."""

    run: Run
    state: int
    parameters: int


def drawn() -> Any:
    return Decoder.init(wl.random.key(0), WORDS, LENGTH, size=SIZE, depth=DEPTH)


def every_row(group: Group) -> np.ndarray:
    return integers(WORDS, ROWS * group.size, LENGTH + 1)


def data_parallel(group: Group) -> Recipe:
    optimizer = wl.optim.adam(RATE)

    def step(model: Any, state: Any, ids: Any) -> tuple[Any, Any, Any]:
        value, slopes = wl.distributed.value_and_grad(text_loss, AXIS)(model, ids)
        return *updated(optimizer, slopes, state, model), value

    return made(step, optimizer.init, lambda model: model, own(group), group)


def zero(group: Group) -> Recipe:
    """ZeRO-1: the mean of gradients and Adam's state in parts."""
    optimizer = wl.distributed.sharded(wl.optim.adam(RATE), AXIS)

    def step(model: Any, state: Any, ids: Any) -> tuple[Any, Any, Any]:
        value, slopes = wl.value_and_grad(text_loss)(model, ids)
        return *updated(optimizer, slopes, state, model), wl.lax.pmean(value, AXIS)

    return made(step, optimizer.init, lambda model: model, own(group), group)


def tensor_parallel(group: Group) -> Recipe:
    optimizer, specs = wl.optim.adam(RATE), wl.distributed.tensor_specs(drawn(), AXIS)

    def loss(parts: Any, ids: Any) -> Any:
        return text_loss(wl.distributed.tensor_parallel(parts, AXIS), ids)

    def step(parts: Any, state: Any, ids: Any) -> tuple[Any, Any, Any]:
        value, slopes = wl.distributed.value_and_grad(loss, AXIS, specs)(parts, ids)
        return *updated(optimizer, slopes, state, parts), value

    def split(model: Any) -> Any:
        return wl.distributed.shard(model, specs)

    return made(step, optimizer.init, split, every_row(group), group)


def own(group: Group) -> np.ndarray:
    return np.split(every_row(group), group.size)[group.rank]


def made(step: Step, init: Any, split: Any, ids: np.ndarray, group: Group) -> Recipe:
    mesh = wl.distributed.mesh({AXIS: group.size})
    model = wl.distributed.spmd(split, mesh)(drawn())
    state = wl.distributed.spmd(init, mesh)(model)
    kept = [sum(np.asarray(x).nbytes for x in wl.tree.leaves(t)) for t in (state, model)]
    compiled = wl.distributed.spmd(step, mesh, donate_argnums=(0, 1))
    return Recipe(going_on(compiled, [model, state], [ids]), *kept)


def alone(group: Group) -> Run:
    """The step of one process of all rows."""
    optimizer, model = wl.optim.adam(RATE), drawn()

    def step(model: Any, state: Any, ids: Any) -> tuple[Any, Any, Any]:
        value, slopes = wl.value_and_grad(text_loss)(model, ids)
        return *updated(optimizer, slopes, state, model), value

    compiled = wl.jit(step, donate_argnums=(0, 1))
    return going_on(compiled, [model, optimizer.init(model)], [every_row(group)])


RECIPES: dict[str, Callable[[Group], Recipe]] = {
    "data parallel": data_parallel,
    "ZeRO-1": zero,
    "tensor parallel": tensor_parallel,
}
