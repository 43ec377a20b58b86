"""WaveNet: the next step is a function of those before, by causal layers whose dilations double.

    y_t = f(x_t, x_(t-1), ..., x_(t - reach + 1))

It learns beside what was measured (teacher forcing), and goes on alone: what it expects is its next
input. A step keeps what its kernels reach back to, so it costs the same after any length.

    wonderland train wavenet  # CO2 of the next year, week by week
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy

import wonderland.numpy as np
from wonderland import lax, nn, optim, random
from wonderland.models import Recipe, data

Array = Any


@nn.layer
class GatedBlock:
    """x + residual and a skip, both linear in tanh(a) sigmoid(b), where a, b = conv(x)."""

    conv: nn.Conv
    out: nn.Linear

    @classmethod
    def init(cls, key: Array, size: int, dilation: int, kernel: int = 2) -> GatedBlock:
        c, o = random.split(key)
        conv = nn.Conv.init(c, size, 2 * size, (kernel,), dilation=dilation, padding="CAUSAL")
        return cls(conv, nn.Linear.init(o, size, 2 * size))

    def __call__(self, x: Array) -> tuple[Array, Array]:
        return self.gated(x, self.conv(x))

    def gated(self, x: Array, both: Array) -> tuple[Array, Array]:
        a, b = np.split(both, 2, axis=-1)
        residual, skip = np.split(self.out(np.tanh(a) * nn.sigmoid(b)), 2, axis=-1)
        return x + residual, skip

    def start(self, batch: int) -> Array:
        """What a step must remember: the inputs that the kernel reaches back to."""
        kernel, size, _ = self.conv.weight.shape
        return np.zeros((batch, (kernel - 1) * self.conv.dilation, size), self.conv.weight.dtype)

    def step(self, past: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        """One more input, [batch, size]."""
        window = np.concatenate([past, x[:, None]], axis=1)
        both = dataclasses.replace(self.conv, padding="VALID")(window)[:, 0]
        return window[:, 1:], self.gated(x, both)


@nn.layer
class WaveNet:
    """What is expected of the next step, at each step: gated blocks whose dilations double.

    Source: van den Oord and others, WaveNet: a generative model for raw audio, 2016.
    """

    into: nn.Linear
    blocks: tuple[GatedBlock, ...]
    out: nn.MLP

    @classmethod
    def init(cls, key: Array, inputs: int, outputs: int, size: int, depth: int) -> WaveNet:
        a, b, *keys = random.split(key, depth + 2)
        blocks = tuple(GatedBlock.init(k, size, 2**i) for i, k in enumerate(keys))
        out = nn.MLP.init(b, size, size, outputs, activation=nn.relu)
        return cls(nn.Linear.init(a, inputs, size), blocks, out)

    def __call__(self, x: Array) -> Array:
        x, skips = self.into(x), []
        for block in self.blocks:
            x, skip = block(x)
            skips.append(skip)
        return self.out(nn.relu(sum(skips)))

    def reach(self) -> int:
        """How many inputs an output depends on."""
        return 1 + sum((b.conv.weight.shape[0] - 1) * b.conv.dilation for b in self.blocks)

    def start(self, batch: int) -> tuple[Array, ...]:
        return tuple(block.start(batch) for block in self.blocks)

    def step(self, past: tuple[Array, ...], x: Array) -> tuple[tuple[Array, ...], Array]:
        """The same for one more input, [batch, inputs], at a cost that no length changes."""
        x, kept, skips = self.into(x), [], []
        for block, seen in zip(self.blocks, past, strict=True):
            seen, (x, skip) = block.step(seen, x)
            kept.append(seen)
            skips.append(skip)
        return tuple(kept), self.out(nn.relu(sum(skips)))

    def generate(self, x: Array, count: int) -> Array:
        """So many steps after x: each is what is expected after those before it."""
        past, ahead = lax.scan(self.step, self.start(len(x)), np.swapaxes(x, 0, 1))

        def on(state: Any, _: Any) -> tuple[Any, Array]:
            past, y = state
            past, after = self.step(past, y)
            return (past, after), y

        return np.swapaxes(lax.scan(on, (past, ahead[-1]), None, length=count)[1], 0, 1)


YEAR = 52  # weeks
GROWTH = 1.3  # parts per million a year, about
WARM = 20  # weeks that are seen before any is asked
NOISE = 0.3  # upon the inputs while training, in parts per million


def growth(series: Array) -> Array:
    """Of each week against that of a year before, [batch, weeks - 52, 1]: it has no seasons."""
    return (series[:, YEAR:] - series[:, :-YEAR] - GROWTH)[:, :, None]


def forced_loss(model: WaveNet, batch: Array, key: Array) -> Array:
    """The mean squared error of the next week's growth, after each week that was measured.

    Noise upon what was measured stands for what the model will see when it goes on alone: its own
    errors.
    """
    x = growth(batch)
    seen = x + NOISE * random.normal(key, x.shape, x.dtype)
    return np.mean((model(seen)[:, WARM:-1] - x[:, 1 + WARM :]) ** 2)


def forecast(model: WaveNet, series: Array) -> Array:
    """The last year of each series, made of what was before it."""
    before = series[:, :-YEAR]
    return before[:, -YEAR:] + GROWTH + model.generate(growth(before), YEAR)[:, :, 0]


def forecast_error(model: WaveNet, batch: Array) -> Array:
    """The mean absolute error of the weeks of a year that the model makes."""
    return np.mean(np.abs(forecast(model, batch) - batch[:, -YEAR:]))


def as_last_year(split: data.Split) -> float:
    """The same of a forecast that each week grows as the last week known has grown in a year."""
    before, truth = split.test[:, :-YEAR], split.test[:, -YEAR:]
    grown = before[:, -1:] - before[:, -1 - YEAR : -YEAR]
    return float(numpy.mean(abs(before[:, -YEAR:] + grown - truth)))


def drawn(model: WaveNet, split: data.Split) -> Any:
    """The last window of the test: what was known, what came, what was expected."""
    from matplotlib.figure import Figure

    series = split.test[-1:]
    weeks = numpy.arange(series.shape[1])
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(weeks, series[0], color="black", linewidth=1, label="measured")
    axes.plot(weeks[-YEAR:], numpy.asarray(forecast(model, series))[0], label="forecast")
    axes.axvline(weeks[-YEAR], color="grey", linewidth=0.6)
    axes.set(xlabel="week", ylabel="CO2, parts per million")
    axes.legend()
    return figure


RECIPES = (
    Recipe(
        name="wavenet",
        chapter="8",
        about="causal dilated convolutions: CO2 above Mauna Loa, a year ahead week by week",
        data=lambda seed: data.co2(seed, step=8),
        init=lambda key, split: WaveNet.init(key, 1, 1, 16, 6),
        loss=forced_loss,
        score=forecast_error,
        measure="mean error in ppm",
        higher=False,
        baseline=as_last_year,
        stated=0.673,
        rate=3e-3,
        optimizer=lambda schedule: optim.adamw(schedule, weight_decay=1e-2),
        epochs=30,
        batch_size=16,
        picture=drawn,
    ),
)
