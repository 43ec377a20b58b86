"""Diagonal state spaces: each number of the state decays and turns by itself.

x[t] = e^(step a) x[t - 1] + (e^(step a) - 1) / a B u[t] and y[t] = 2 Re(C x[t]) + D u[t], where a
is complex and a state stands for its conjugate too; a state of real a only decays. S4D has a state
space for every channel, S5 one for all of them together.

    wonderland train diagonal_state_space

Source: Gu, Gupta, Goel, Re, On the parameterization and initialization of diagonal state space
models, 2022; Smith, Warrington, Linderman, Simplified state space layers, 2023.
"""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, class_loss, majority
from wonderland.models.families.state_space import StateClassifier, convolution

Rule = Literal["zero order hold", "bilinear"]


def discrete(a: Any, step: Any, rule: Rule) -> tuple[Any, Any]:
    """What a step makes of the state, and what it makes of B u."""
    if rule == "bilinear":
        near = 1 / (1 - a * (step / 2))
        return (1 + a * (step / 2)) * near, step * near
    factor = np.exp(a * step)
    return factor, (factor - 1) / a


def rates(log_decay: Any, frequency: Any) -> Any:
    """a = -e^log_decay + i frequency, real without a frequency."""
    return -np.exp(log_decay) if frequency is None else -np.exp(log_decay) + 1j * frequency


def first_rates(states: int, real: bool) -> tuple[Any, Any]:
    """Those of S4D-Lin, -1/2 + i pi n, or of S4D-Real, -(n + 1)."""
    n = np.arange(states, dtype="float32")
    return (np.log(n + 1), None) if real else (np.log(0 * n + 0.5), math.pi * n)


def first_steps(key: Any, count: int) -> Any:
    """Logarithms of steps of 0.001 to 0.1."""
    return random.uniform(key, (count,), minval=math.log(1e-3), maxval=math.log(1e-1))


def complex_of(x: Any) -> Any:
    """The complex numbers of pairs of floats, which optimizers can move."""
    return x[..., 0] + 1j * x[..., 1]


@nn.layer
class S4D:
    """y = K * u + skip u, K[t] = 2 Re(sum of c (e^(step a) - 1) / a e^(step a t)) of every channel.

    Shapes: u [batch, time, channels].
    """

    log_decay: Any  # [channels, states]
    frequency: Any  # the same, or None
    c: Any  # [channels, states, 2], or without the pairs
    log_step: Any  # [channels]
    skip: Any  # [channels]
    rule: Rule = "zero order hold"

    @classmethod
    def init(
        cls,
        key: Any,
        channels: int,
        states: int,
        *,
        real: bool = False,
        rule: Rule = "zero order hold",
    ) -> Self:
        keys, all_alike = random.split(key, 3), np.ones((channels, 1), "float32")
        decay, frequency = first_rates(states, real)
        return cls(
            decay * all_alike,
            None if frequency is None else frequency * all_alike,
            random.normal(keys[0], (channels, states) if real else (channels, states, 2)),
            first_steps(keys[1], channels),
            random.normal(keys[2], (channels,)),
            rule,
        )

    def parts(self) -> tuple[Any, Any]:
        """The factor of a step, and C times what it makes of B u."""
        a = rates(self.log_decay, self.frequency)
        factor, term = discrete(a, np.exp(self.log_step)[:, None], self.rule)
        return factor, term * (self.c if self.frequency is None else complex_of(self.c))

    def kernel(self, length: int) -> Any:
        """K by the powers of all factors: [channels, length]."""
        factor, c = self.parts()
        powers = np.exp(np.log(factor + 0j)[..., None] * np.arange(length))
        return 2 * np.sum(np.real(c[..., None] * powers), axis=1)

    def __call__(self, u: Any) -> Any:
        return convolution(u, self.kernel(u.shape[1])) + self.skip * u

    def scan(self, u: Any, start: Any = None) -> tuple[Any, Any]:
        """The same in steps from a state [batch, channels, states], and the state at the end."""
        factor, c = self.parts()
        x = nn.linear_recurrence(factor, u[..., None] + 0 * factor, start)
        return 2 * np.sum(np.real(c * x), axis=-1) + self.skip * u, x[:, -1]


@nn.layer
class S5:
    """One state for all channels: matrices write to it and read it, a linear recurrence between.

    Shapes: u [batch, time, channels].
    """

    log_decay: Any  # [states]
    frequency: Any  # [states] or None
    write: Any  # [channels, states, 2], or without the pairs
    read: Any  # [states, channels, 2], or without the pairs
    log_step: Any  # [states]
    skip: Any  # [channels]
    rule: Rule = "zero order hold"

    @classmethod
    def init(
        cls,
        key: Any,
        channels: int,
        states: int,
        *,
        real: bool = False,
        rule: Rule = "zero order hold",
    ) -> Self:
        keys, pair = random.split(key, 4), () if real else (2,)
        return cls(
            *first_rates(states, real),
            random.normal(keys[0], (channels, states, *pair)) / math.sqrt(channels),
            random.normal(keys[1], (states, channels, *pair)) / math.sqrt(states),
            first_steps(keys[2], states),
            random.normal(keys[3], (channels,)),
            rule,
        )

    def scan(self, u: Any, start: Any = None) -> tuple[Any, Any]:
        """y, and the state [batch, states] at the end, from a state at the beginning."""
        a = rates(self.log_decay, self.frequency)
        factor, term = discrete(a, np.exp(self.log_step), self.rule)
        if self.frequency is None:
            x = nn.linear_recurrence(factor, u @ self.write * term, start)
            return 2 * (x @ self.read) + self.skip * u, x[:, -1]
        # products of real by complex numbers are two, and so is the real part of one of complex
        inputs = u @ self.write[..., 0] + 1j * (u @ self.write[..., 1])
        x = nn.linear_recurrence(factor, inputs * term, start)
        y = np.real(x) @ self.read[..., 0] - np.imag(x) @ self.read[..., 1]
        return 2 * y + self.skip * u, x[:, -1]

    def __call__(self, u: Any) -> Any:
        return self.scan(u)[0]


# ---------------------------------------------------------------- recipe


def pixels(seed: int) -> data.Split:
    """6,000 images to train on and 2,000 to test on, pixel after pixel: [rows, 784, 1]."""
    split = data.fashion_mnist(seed, 6_000, 2_000)
    (x, y), (test_x, test_y) = split.train, split.test
    return data.Split((x.reshape(-1, 784, 1), y), (test_x.reshape(-1, 784, 1), test_y), split.names)


def init(key: Any, split: data.Split) -> StateClassifier:
    blocks = [lambda key: S5.init(key, 32, 32)] * 3
    return StateClassifier.init(key, 1, len(split.names), 32, blocks)


RECIPES = (
    Recipe(
        name="diagonal_state_space",
        chapter="13",
        about="S5: clothes of ten kinds, read pixel by pixel, 784 steps",
        data=pixels,
        init=init,
        loss=class_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.8225,
        rate=5e-3,
        epochs=5,
        batch_size=20,
    ),
)
