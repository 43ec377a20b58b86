"""Universal approximation in one dimension: a layer of units is a sum of steps, or of ramps.

    sum_k (f(m_k) - f(m_{k-1})) sigmoid(s (x - t_k))       a step at t_k into each of n bins
    f(t_0) + sum_k (slope_k - slope_{k-1}) relu(x - t_k)   the chords of f between n + 1 points

Over an interval of length L the error of steps is at most L max|f'| / (2 n), that of chords
L**2 max|f''| / (8 n**2). The weights are written down; training finds better ones.

    wonderland train approximation

Source: Cybenko, Approximation by superpositions of a sigmoidal function, 1989; Scardapane, Alice's
adventures in a differentiable wonderland, appendix B.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data

UNITS = 16
POINTS = 1024
BINS = (2, 4, 8, 16, 32, 64, 128)


def wave(x: Any) -> Any:
    """A function of [0, 1] that has slow and fast parts."""
    return np.sin(2 * numpy.pi * x) + 0.4 * np.cos(5 * numpy.pi * x * x)


@nn.layer
class OneHiddenLayer:
    """a(x) -> outer(activation(inner(x))), from number to number"""

    inner: nn.Linear
    outer: nn.Linear
    activation: Callable[..., Any] = nn.relu

    @classmethod
    def init(cls, key: Any, units: int, activation: Callable[..., Any] = nn.tanh) -> OneHiddenLayer:
        """Random units, steep, that rise within [0, 1]."""
        keys = random.split(key, 3)
        slopes = random.normal(keys[0], (1, units)) * 12
        inner = nn.Linear(slopes, -slopes[0] * random.uniform(keys[1], (units,)))
        return cls(inner, nn.Linear.init(keys[2], units, 1), activation)

    def __call__(self, x: Any) -> Any:
        return self.outer(self.activation(self.inner(x[..., None])))[..., 0]


def of_steps(f: Callable[[Any], Any], bins: int, sharpness: float = 1e6) -> OneHiddenLayer:
    """Sigmoids that rise at the left ends of bins of equal width, by what f rises from one middle
    to the next; as sharp ones as that are steps."""
    ends = numpy.arange(bins) / bins
    values = numpy.asarray(f(ends + 0.5 / bins))
    rises = numpy.diff(values, prepend=0.0)
    slopes = numpy.full(bins, sharpness * bins)
    inner = nn.Linear(slopes[None], -slopes * (ends - [1.0, *numpy.zeros(bins - 1)]))
    return OneHiddenLayer(inner, nn.Linear(rises[:, None], numpy.zeros(1)), nn.sigmoid)


def of_chords(f: Callable[[Any], Any], bins: int) -> OneHiddenLayer:
    """Ramps that begin at the left ends of bins, by what the slope of the chords changes there."""
    ends = numpy.arange(bins + 1) / bins
    values = numpy.asarray(f(ends))
    changes = numpy.diff(numpy.diff(values) * bins, prepend=0.0)
    inner = nn.Linear(numpy.ones((1, bins)), -ends[:-1])
    return OneHiddenLayer(inner, nn.Linear(changes[:, None], values[:1]), nn.relu)


def largest_error(model: Callable[[Any], Any], f: Callable[[Any], Any], points: int = 4001) -> Any:
    """max |model(x) - f(x)| over [0, 1], off the ends of bins."""
    x = (numpy.arange(points) + 0.5) / points
    return np.max(np.abs(model(x) - f(x)))


def curve(seed: int = 0) -> data.Split:
    """`wave` at random places of [0, 1] to train on, at regular ones to test on."""
    train = numpy.random.default_rng(seed).random(POINTS).astype(numpy.float32)
    test = ((numpy.arange(POINTS) + 0.5) / POINTS).astype(numpy.float32)
    return data.Split((train, numpy.asarray(wave(train))), (test, numpy.asarray(wave(test))))


def squared_loss(model: Callable[[Any], Any], batch: Any) -> Any:
    """Mean squared error."""
    x, y = batch
    return np.mean(nn.squared_error(model(x), y))


def root_mean_squared_error(model: Callable[[Any], Any], batch: Any) -> Any:
    """Its root, in the units of f."""
    return np.sqrt(squared_loss(model, batch))


def written_down(split: data.Split) -> float:
    """The error of as many ramps as the trained network has, with the weights of the proof."""
    return float(root_mean_squared_error(of_chords(wave, UNITS), split.test))


def drawn(model: OneHiddenLayer, split: data.Split) -> Any:
    """The function with its steps, chords and the trained network; errors by numbers of bins."""
    from matplotlib.figure import Figure

    x = numpy.linspace(0, 1, 1000, dtype=numpy.float32)
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)  # type: ignore[misc]
    shown = {
        "steps": of_steps(wave, UNITS),
        "chords": of_chords(wave, UNITS),
        "trained": model,
    }
    left.plot(x, wave(x), color="black", label="f")
    for name, network in shown.items():
        left.plot(x, network(x), linewidth=1, label=f"{name}, {UNITS} units")
    left.set(xlabel="x", title="one hidden layer")
    for name, written in {"steps": of_steps, "chords": of_chords}.items():
        errors = [largest_error(written(wave, n), wave) for n in BINS]
        right.loglog(BINS, errors, marker=".", label=name)
    error = largest_error(model, lambda x: wave(numpy.float32(x)))
    right.loglog([UNITS], [error], "x", label="trained")
    right.set(xlabel="bins", ylabel="largest error", title="errors fall as 1/n and 1/n²")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


RECIPES = (
    Recipe(
        name="approximation",
        chapter="B",
        about=f"{UNITS} units of tanh that are trained, beside the ramps of the constructive proof",
        data=curve,
        init=lambda key, split: OneHiddenLayer.init(key, UNITS),
        loss=squared_loss,
        score=root_mean_squared_error,
        measure="root mean square",
        higher=False,
        baseline=written_down,
        stated=0.0229,
        rate=2e-2,
        epochs=800,
        batch_size=128,
        picture=drawn,
    ),
)
