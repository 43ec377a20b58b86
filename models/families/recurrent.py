"""Recurrent networks: s_t = f(s_{t-1}, x_t), y_t = g(s_t), a state that has read what came before.

Three kinds of f, RNN, GRU and LSTM, read spoken vowels of unequal lengths and name the speaker;
an LSTM reads novels and gives the odds of the next character; a GRU foretells sunspots.

    wonderland train lstm_vowels
    wonderland generate lstm_novels --prompt "It is a truth"

Source: Elman, Finding structure in time, 1990; Hochreiter and Schmidhuber, Long short-term memory,
1997; Cho and others, Learning phrase representations using RNN encoder-decoder, 2014; of
characters: Graves, Generating sequences with recurrent neural networks, 2013.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data

TEMPERATURE = 0.8  # of characters that are drawn: the likely ones more often than by the model

# ---------------------------------------------------------------- a class of a whole sequence


@nn.layer
class SequenceClassifier:
    """Logits of classes by the mean of a recurrent layer's outputs, over the steps there are."""

    recurrent: Any
    head: nn.Linear

    @classmethod
    def init(cls, kind: Any, key: Any, inputs: int, size: int, classes: int) -> Self:
        """`kind` is nn.RNN, nn.GRU or nn.LSTM; it reads both ways."""
        first, last = random.split(key)
        recurrent = kind.init(first, inputs, size, bidirectional=True)
        return cls(recurrent, nn.Linear.init(last, 2 * size, classes))

    def __call__(self, x: Any, lengths: Any) -> Any:
        y, _ = self.recurrent(x, lengths=lengths)
        return self.head(np.sum(y, 1) / lengths[:, None])  # beyond the lengths y is 0


def classifier(kind: Any, size: int) -> Callable[[Any, data.Split], SequenceClassifier]:
    """What makes the first model for a split."""
    return lambda key, split: SequenceClassifier.init(
        kind, key, split.train[0].shape[-1], size, len(split.names)
    )


def class_loss(model: SequenceClassifier, batch: Any) -> Any:
    """Mean cross-entropy."""
    x, lengths, labels = batch
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(model(x, lengths), labels))


def class_score(model: SequenceClassifier, batch: Any) -> Any:
    """The part of the sequences whose class is told."""
    x, lengths, labels = batch
    return nn.accuracy(model(x, lengths), labels)


def majority(split: data.Split) -> float:
    """The accuracy of always telling the class that most of the examples to train on have."""
    (*_, labels), (*_, asked) = split.train, split.test
    return float(np.mean(asked == np.argmax(np.bincount(labels))))


# ---------------------------------------------------------------- the next character of a text


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


# ---------------------------------------------------------------- the next number of a series


@nn.layer
class Forecaster:
    """What follows each number of a series: the number, and what a GRU adds to it."""

    recurrent: nn.GRU
    head: nn.Linear

    @classmethod
    def init(cls, key: Any, size: int) -> Self:
        first, last = random.split(key)
        zeros = nn.initializers.zeros  # so that it begins as the trivial forecast
        return cls(nn.GRU.init(first, 1, size), nn.Linear.init(last, size, 1, initializer=zeros))

    def __call__(self, x: Any) -> Any:
        """[batch, time] of [batch, time]"""
        return x + UNIT * self.head(self.recurrent(x[..., None] / UNIT)[0])[..., 0]


def forecast_error(model: Any, x: Any) -> Any:
    """Mean distance from what follows to its forecast, where enough of the series was read."""
    return np.mean(np.abs(model(x[:, :-1]) - x[:, 1:])[:, READ:])


def last_value(split: data.Split) -> float:
    """The error of telling that nothing changes."""
    return float(forecast_error(lambda x: x, split.test))


UNIT, READ = 50.0, 22  # a usual change; two cycles of eleven years

VOWELS = tuple(
    Recipe(
        name=f"{kind.__name__.lower()}_vowels",
        chapter="13",
        about=f"{article} {kind.__name__} tells nine speakers by two vowels, of unequal lengths",
        data=partial(data.time_series, "JapaneseVowels"),
        init=classifier(kind, 32),
        loss=class_loss,
        score=class_score,
        measure="accuracy",
        baseline=majority,
        stated=stated,
        rate=1e-2,
        epochs=20,
        batch_size=27,
    )
    for kind, article, stated in (
        (nn.RNN, "an", 0.981),
        (nn.GRU, "a", 0.986),
        (nn.LSTM, "an", 0.984),
    )
)
NOVELS = Recipe(
    name="lstm_novels",
    chapter="13",
    about="An LSTM reads six novels, a character at a time",
    data=partial(data.novels, length=64, train_rows=16 * 3200, test_rows=512),
    init=lambda key, split: Characters.init(key, len(split.names), 128),
    loss=text_loss,
    score=bits,
    measure="bits a character",
    higher=False,
    baseline=unigram,
    stated=2.12,
    rate=1e-2,
    epochs=1,
    batch_size=16,
    generate=generate,
)
SUNSPOTS = Recipe(
    name="gru_sunspots",
    chapter="8, 13",
    about="a GRU foretells the sunspots of the next year",
    data=data.sunspots,
    init=lambda key, split: Forecaster.init(key, 32),
    loss=forecast_error,
    score=forecast_error,
    measure="mean absolute error",
    higher=False,
    baseline=last_value,
    stated=14.0,
    rate=1e-2,
    epochs=40,
    batch_size=32,
)
RECIPES = (*VOWELS, NOVELS, SUNSPOTS)
