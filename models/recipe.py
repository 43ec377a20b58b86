"""A recipe: a family's model, the data it learns, and how; what the command trains by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .data import Split
from .optim import Optimizer, adam, warmup_cosine_decay_schedule

__all__ = ["Recipe"]

WARM = 0.05  # of the steps: the rate rises from 0


def adam_at(schedule: Any) -> Optimizer:
    return adam(schedule)


def warm_cosine(rate: float, steps: int) -> Any:
    """From 0 to `rate` over the first steps, then along a cosine to 0."""
    return warmup_cosine_decay_schedule(0.0, rate, max(1, round(WARM * steps)), max(2, steps))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is learned from which data, and how; `loss` and `score` are those of `wl.fit`."""

    name: str
    chapter: str
    about: str  # one line
    data: Callable[[int], Split]  # of a seed
    init: Callable[[Any, Split], Any]  # of a key and the data
    loss: Callable[..., Any]  # of a model and a batch, `key` and `state` where it names them
    score: Callable[..., Any]  # the same, without the key: a mean over the batch
    measure: str  # what the score is
    baseline: Callable[[Split], float]  # the score of the trivial predictor on the test part
    stated: float  # the score on the test part that training with seed 0 gave
    higher: bool = True  # whether more is better
    rate: float = 1e-3
    schedule: Callable[[float, int], Any] = warm_cosine  # of the rate and the number of steps
    optimizer: Callable[[Any], Optimizer] = adam_at  # of the schedule
    epochs: int
    batch_size: int | None = None  # all examples at once
    state: Callable[[Any], Any] | None = None  # of the model: what the loss hands on beside it
    generate: Callable[[Any, Split, Any, str], Iterator[str]] | None = None
    """Of model, data, key and prompt: pieces of text."""
    picture: Callable[[Any, Split], Any] | None = None
    """Of model and data: a figure of matplotlib."""
