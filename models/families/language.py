"""What all families that read and write characters share: a loss, bits, a baseline, and drawing.

A model of texts gives logits of what follows each character: model(ids) [batch, time, characters]
of ids [batch, time]. It writes by `start(batch)`, the state before a text, and
`step(state, ids [batch])`, the state and the logits one character later.
Source: Graves, Generating sequences with recurrent neural networks, 2013.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import data

TEMPERATURE = 0.7  # of what is drawn: what is likely more often than by the model
BEGINNING = "\n"  # stands before a prompt


def text_loss(model: Callable[[Any], Any], ids: Any) -> Any:
    """-log of the probability of each character after those before it in its row, the mean."""
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(model(ids[:, :-1]), ids[:, 1:]))


def bits(model: Callable[[Any], Any], ids: Any) -> Any:
    """The same in bits: what coding a character by the model would take."""
    return text_loss(model, ids) / np.log(2)


def unigram(split: data.Split) -> float:
    """Bits a character of the test part by how often each stands in the training part."""
    counts = np.bincount(split.train.ravel(), minlength=len(split.names)) + 1.0
    return float(-np.mean(np.log2(counts / counts.sum())[split.test[:, 1:]]))


def numbered(prompt: str, split: data.Split) -> list[int]:
    """The characters of a prompt as places in the alphabet, after what begins a text."""
    place = {c: k for k, c in enumerate(split.names)}
    if unknown := "".join(sorted(set(prompt) - set(place))):
        raise wl.ProgramError(
            f"generate: characters that stand in the training text are required, got {unknown!r}"
        )
    return [place[c] for c in BEGINNING + prompt]


@wl.jit
def following(model: Any, state: Any, ids: Any, key: Any) -> tuple[Any, Any, Any]:
    """One character of a text: the state after it, one drawn to follow, and another key."""
    state, logits = model.step(state, ids)
    key, now = random.split(key)
    return state, random.categorical(now, logits / TEMPERATURE), key


def generate(model: Any, split: data.Split, key: Any, prompt: str) -> Iterator[str]:
    """The prompt, then characters drawn one after the other, without an end.

    The state is all that is kept of them.
    """
    ids: Any = None
    state, read = model.start(1), numbered(prompt, split)
    yield prompt
    for place in read:
        state, ids, key = following(model, state, np.array([place], np.int32), key)
    while True:
        yield split.names[int(ids[0])]
        state, ids, key = following(model, state, ids, key)
