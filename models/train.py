"""Training: a task names data, model and loss; the whole step is one compiled program.

    result = train(mlp.TASK, epochs=5)
    result.test_score

A step takes parameters, optimizer state and a batch, and gives new parameters, new state and the
loss: forward pass, backward pass and update together. Parameters and state are donated: a step may
update them in place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compiler.front import random
from ..compiler.front.functions.derivatives import value_and_grad
from ..compiler.jit.jit import jit
from .data import Split
from .optim import Optimizer, apply_updates

__all__ = [
    "Loss",
    "Task",
    "TaskEpoch",
    "TrainingResult",
    "compiled_step",
    "initial_state",
    "train",
    "train_step",
]  # fmt: skip

Loss = Callable[[Any, Any, Any], Any]


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True)
class Task:
    """What is learned from which data, and how. `loss` and `score` are of (params, x, y)."""

    name: str
    data: Callable[[int], Split]
    init: Callable[[Any, Split], Any]  # of a key and the data
    loss: Loss
    score: Loss
    score_name: str
    optimizer: Optimizer
    epochs: int
    batch_size: int | None = None  # all examples at once


@dataclass(frozen=True)
class TaskEpoch:
    """Progress after one pass over the training data."""

    number: int
    loss: float  # mean over the epoch's steps
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """A trained model."""

    params: Any
    losses: tuple[float, ...]  # by epoch
    train_score: float
    test_score: float
    compile_seconds: float
    train_seconds: float
    steps: int


def train_step(loss: Loss, optimizer: Optimizer) -> Callable[..., Any]:
    """(params, state, x, y) -> (params, state, loss)"""

    def step(params: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        value, grads = value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return apply_updates(params, updates), state, value

    return step


def compiled_step(task: Task) -> Any:
    """The step of a task as one native program."""
    return jit(train_step(task.loss, task.optimizer), donate_argnums=(0, 1))


def initial_state(task: Task, seed: int = 0) -> tuple[Split, Any, Any, int]:
    """Data, first parameters, first state, rows in a batch."""
    split = task.data(seed)
    params = task.init(random.key(seed), split)
    return split, params, task.optimizer.init(params), task.batch_size or len(split.train[0])


def minibatches(
    rng: np.random.Generator, size: int, *arrays: np.ndarray
) -> Iterator[tuple[np.ndarray, ...]]:
    """One epoch in random order, `size` rows of every array at a time.

    Rows that do not fill a batch wait for another epoch: one compiled program serves all batches.
    """
    order = rng.permutation(len(arrays[0]))
    for start in range(0, len(order) - size + 1, size):
        rows = order[start : start + size]
        yield tuple(a[rows] for a in arrays)


def train(
    task: Task,
    epochs: int | None = None,
    seed: int = 0,
    progress: Callable[[TaskEpoch], None] = lambda epoch: None,
) -> TrainingResult:
    """Train from random parameters; a seed gives one result. `progress` hears of every epoch."""
    split, params, state, batch_size = initial_state(task, seed)
    (train_x, train_y), (test_x, test_y), _ = split
    step, score = compiled_step(task), jit(task.score)
    began = time.perf_counter()
    first = train_x[:batch_size], train_y[:batch_size]
    step.inspect(params, state, *first).program  # noqa: B018 - compiles, and runs nothing
    compile_seconds = time.perf_counter() - began

    rng = np.random.default_rng(seed)
    losses: list[float] = []
    steps = 0
    began = time.perf_counter()
    for number in range(1, (task.epochs if epochs is None else epochs) + 1):
        epoch_began = time.perf_counter()
        batch_losses = []
        for x, y in minibatches(rng, batch_size, train_x, train_y):
            params, state, loss = step(params, state, x, y)
            batch_losses.append(float(loss))
        steps += len(batch_losses)
        losses.append(float(np.mean(batch_losses)))
        progress(TaskEpoch(number, losses[-1], time.perf_counter() - epoch_began))
    train_seconds = time.perf_counter() - began
    return TrainingResult(
        params,
        tuple(losses),
        float(score(params, train_x, train_y)),
        float(score(params, test_x, test_y)),
        compile_seconds,
        train_seconds,
        steps,
    )
