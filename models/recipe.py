"""A recipe: a family's model, the data it learns, and how; what the command trains by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..compiler.ir.explain import shown
from ..compiler.trace.operands import wrong
from .data import Split
from .optim import Optimizer, adam, warmup_cosine_decay_schedule

__all__ = ["Recipe"]

TAKEN = {
    "data": "seed", "init": "key, split", "baseline": "split", "schedule": "rate, steps",
    "optimizer": "schedule", "state": "model", "generate": "model, split, key, prompt",
    "picture": "model, split",
}  # fmt: skip
"""What the functions of a recipe are called with."""
WARM = 0.05  # of the steps: the rate rises from 0


def adam_at(schedule: Any) -> Optimizer:
    return adam(schedule)


def warm_cosine(rate: float, steps: int) -> Any:
    """From 0 to `rate` over the first steps, then along a cosine to 0."""
    return warmup_cosine_decay_schedule(0.0, rate, max(1, round(WARM * steps)), max(2, steps))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is learned from which data, and how; `loss` and `score` are those of `wl.fit`.

    Those that come along had their sizes, rates and epochs chosen in a few trials whose scores on
    the same test part were seen: what they state is a little better than on data seen by nobody.
    """

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
    """Of model, data, key and prompt: pieces of text; what goes on begins with the prompt."""
    picture: Callable[[Any, Split], Any] | None = None
    """Of model and data: a figure of matplotlib."""

    def __post_init__(self) -> None:
        for name, arguments in TAKEN.items():
            function = getattr(self, name)
            if function is None and name in ("state", "generate", "picture"):
                continue
            if not callable(function):
                what = f"a function of {arguments} is required for {name}"
                raise wrong(f"Recipe: {what}, got {shown(function)}")
            try:
                inspect.signature(function).bind(*arguments.split(", "))
            except TypeError:
                got = f"{shown(function)}{inspect.signature(function)}"
                raise wrong(f"Recipe: {name} of {arguments} is required, got {got}") from None
            except ValueError:  # a builtin
                pass
        for name in ("epochs", "batch_size"):
            number = getattr(self, name)
            if number is None and name == "batch_size":
                continue
            if not isinstance(number, int) or number < 1:
                raise wrong(f"Recipe: {name} of 1 or more is required, got {number!r:.40}")
