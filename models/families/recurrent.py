"""Recurrent networks: s_t = f(s_{t-1}, x_t), y_t = g(s_t), a state that has read what came before.

Three kinds of f, RNN, GRU and LSTM, read spoken vowels of unequal lengths and name the speaker; a
GRU foretells sunspots. `recurrent_text` has an LSTM that reads novels.

    wonderland train lstm_vowels

Source: Elman, Finding structure in time, 1990; Hochreiter and Schmidhuber, Long short-term memory,
1997; Cho and others, Learning phrase representations using RNN encoder-decoder, 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, class_loss, majority

UNIT, READ = 50.0, 22  # sunspots: a usual change; two cycles of eleven years
LAST_YEAR = 2008

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
        return cls(
            nn.GRU.init(first, 1, size),
            nn.Linear.init(last, size, 1, initializer=zeros),
        )

    def __call__(self, x: Any) -> Any:
        """[batch, time] of [batch, time]"""
        return x + UNIT * self.head(self.recurrent(x[..., None] / UNIT)[0])[..., 0]


def forecast_error(model: Any, x: Any) -> Any:
    """Mean distance from what follows to its forecast, where enough of the series was read."""
    return np.mean(np.abs(model(x[:, :-1]) - x[:, 1:])[:, READ:])


def last_value(split: data.Split) -> float:
    """The error of telling that nothing changes."""
    return float(forecast_error(lambda x: x, split.test))


def continued(model: Forecaster, x: Any, steps: int) -> Any:
    """The series, and as many steps more, each foretold by those before it."""
    for _ in range(steps):
        x = np.concatenate([x, model(x)[:, -1:]], 1)
    return x


def sunspot_picture(model: Forecaster, split: data.Split) -> Any:
    """The last years: measured, foretold a year ahead, and foretold from what was foretold."""
    from matplotlib.figure import Figure

    x = split.test[-1:]
    years = numpy.arange(x.shape[1]) - x.shape[1] + 1 + LAST_YEAR
    known = x.shape[1] - READ
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(years, x[0], "black", linewidth=0.8, label="measured")
    axes.plot(years[READ + 1 :], numpy.asarray(model(x))[0, READ:-1], label="a year ahead")
    ahead = numpy.asarray(continued(model, x[:, :known], READ))[0]
    axes.plot(
        years[known - 1 :],
        ahead[known - 1 :],
        "--",
        label=f"from {years[known - 1]} on",
    )
    axes.set(xlabel="year", ylabel="sunspots")
    axes.legend()
    return figure


VOWELS = tuple(
    Recipe(
        name=f"{kind.__name__.lower()}_vowels",
        chapter="13",
        about=f"{article} {kind.__name__} tells nine speakers by two vowels, of unequal lengths",
        data=partial(data.time_series, "JapaneseVowels"),
        init=classifier(kind, 32),
        loss=class_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=stated,
        rate=1e-2,
        epochs=20,
        batch_size=27,
    )
    for kind, article, stated in (
        (nn.RNN, "an", 0.976),
        (nn.GRU, "a", 0.984),
        (nn.LSTM, "an", 0.978),
    )
)
SUNSPOTS = Recipe(
    name="gru_sunspots",
    chapter="13",
    about="a GRU foretells the sunspots of the next year",
    data=data.sunspots,
    init=lambda key, split: Forecaster.init(key, 32),
    loss=forecast_error,
    score=forecast_error,
    measure="mean absolute error",
    higher=False,
    baseline=last_value,
    stated=13.8,
    rate=1e-2,
    epochs=40,
    batch_size=32,
    picture=sunspot_picture,
)
RECIPES = (*VOWELS, SUNSPOTS)
