"""An LSTM that reads a text, a character at a time, and writes on; what all that do so share.

    wonderland train lstm_novels
    wonderland generate lstm_novels --prompt "It is a truth"

A model of texts gives logits of all characters that follow, and has `start` and `step`: the state
before a text, and one character more. Source: Graves, Generating sequences with recurrent neural
networks, 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data

TEMPERATURE = 0.8  # of characters that are drawn: the likely ones more often than by the model


@nn.layer
class Characters:
    """Logits of the character that follows each one."""

    embedding: nn.Embedding
    recurrent: nn.LSTM
    head: nn.Linear

    @classmethod
    def init(cls, key: Any, characters: int, size: int, layers: int = 1) -> Self:
        keys = random.split(key, 3)
        return cls(
            nn.Embedding.init(keys[0], characters, size),
            nn.LSTM.init(keys[1], size, size, layers=layers),
            nn.Linear.init(keys[2], size, characters),
        )

    def __call__(self, ids: Any) -> Any:
        """Logits [batch, time, characters] of ids [batch, time]."""
        return self.head(self.recurrent(self.embedding(ids))[0])

    def start(self, batch: int) -> Any:
        """The state before a text."""
        return self.recurrent.start(batch)

    def step(self, state: Any, ids: Any) -> tuple[Any, Any]:
        """The state after one character of each text, and the logits of the next."""
        state, y = self.recurrent.step(state, self.embedding(ids))
        return state, self.head(y)


@wl.jit
def following(model: Any, state: Any, ids: Any, key: Any) -> tuple[Any, Any, Any]:
    """One character of a text: the state after it, one drawn to follow, and another key."""
    state, logits = model.step(state, ids)
    key, now = random.split(key)
    return state, random.categorical(now, logits / TEMPERATURE), key


def generate(model: Any, split: data.Split, key: Any, prompt: str) -> Iterator[str]:
    """Characters drawn one after the other, without an end, by any model of `start` and `step`.

    The state is all that is kept of prompt and text. What the alphabet has not is left out.
    """
    known = {name: place for place, name in enumerate(split.names)}
    ids: Any = None
    state = model.start(1)
    for place in [known[c] for c in "\n" + prompt if c in known]:
        state, ids, key = following(model, state, np.array([place], np.int32), key)
    while True:
        yield split.names[int(ids[0])]
        state, ids, key = following(model, state, ids, key)


def text_loss(model: Any, ids: Any) -> Any:
    """Mean cross-entropy of the characters of each row but the first, in nats."""
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(model(ids[:, :-1]), ids[:, 1:]))


def bits(model: Any, ids: Any) -> Any:
    """The same in bits: what coding a character by the model would take."""
    return text_loss(model, ids) / np.log(2)


def unigram(split: data.Split) -> float:
    """Bits a character by the frequency of each alone, counted in the part to train on."""
    counts = np.bincount(split.train.ravel(), minlength=len(split.names)) + 1.0
    return float(-np.mean(np.log2(counts / counts.sum())[split.test[:, 1:]]))


RECIPES = (
    Recipe(
        name="lstm_novels",
        chapter="13",
        about="an LSTM reads six novels, a character at a time",
        data=partial(data.novels, length=64, train_rows=16 * 3200, test_rows=512),
        init=lambda key, split: Characters.init(key, len(split.names), 128),
        loss=text_loss,
        score=bits,
        measure="bits a character",
        higher=False,
        baseline=unigram,
        stated=2.107,
        rate=1e-2,
        epochs=1,
        batch_size=16,
        generate=generate,
    ),
)
