"""A multilayer perceptron: x -> W_n f(... f(W_1 x + b_1) ...) + b_n, f a function of numbers.

f is relu, or any of nn's; or it is learned: of x where x > 0, else slope * x.

    wonderland train mlp
    wonderland train letters

Source: Scardapane, Alice's adventures in a differentiable wonderland, chapter 5; He and others,
Delving deep into rectifiers, 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import majority

HIDDEN = 256, 128

Model = tuple[nn.Linear, ...]


def init(key: Any, sizes: Sequence[int]) -> Model:
    """Layers from sizes[0] features over hidden sizes to sizes[-1] outputs."""
    keys = random.split(key, len(sizes) - 1)
    return tuple(
        nn.Linear.init(k, n, m, initializer=nn.he_normal)
        for k, (n, m) in zip(keys, pairwise(sizes), strict=True)
    )


def forward(model: Model, x: Any, activation: Callable[[Any], Any] = nn.relu) -> Any:
    """Logits of each example: linear layers with the activation between them."""
    *hidden, last = model
    for layer in hidden:
        x = activation(layer(x))
    return last(x)


@nn.layer
class LearnedRectifiers:
    """A perceptron whose units have slopes of their own below 0, which are learned"""

    layers: Model
    slopes: tuple[Any, ...]

    @classmethod
    def init(cls, key: Any, sizes: Sequence[int]) -> LearnedRectifiers:
        slopes = tuple(np.full(n, 0.25, np.float32) for n in sizes[1:-1])
        return cls(init(key, sizes), slopes)

    def __call__(self, x: Any) -> Any:
        *hidden, last = self.layers
        for layer, slope in zip(hidden, self.slopes, strict=True):
            x = nn.leaky_relu(layer(x), slope)
        return last(x)


def logits(model: Any, x: Any) -> Any:
    """Logits by either model."""
    return forward(model, x) if isinstance(model, tuple) else model(x)


def loss(model: Any, batch: Any) -> Any:
    """Mean cross-entropy with integer labels."""
    x, y = batch
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(logits(model, x), y))


def accuracy(model: Any, batch: Any) -> Any:
    """The part of the labels that are predicted."""
    x, y = batch
    return nn.accuracy(logits(model, x), y)


RECIPES = (
    Recipe(
        name="mlp",
        chapter="5",
        about="a multilayer perceptron reads handwritten digits",
        data=data.digits,
        init=lambda key, split: init(key, (split.train[0].shape[1], *HIDDEN, len(split.names))),
        loss=loss,
        score=accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.981,
        epochs=30,
        batch_size=64,
    ),
    Recipe(
        name="letters",
        chapter="5",
        about="a perceptron of learned rectifiers tells 26 printed letters by 16 numbers",
        data=data.letters,
        init=lambda key, split: LearnedRectifiers.init(key, (16, *HIDDEN, 26)),
        loss=loss,
        score=accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.969,
        rate=3e-3,
        epochs=30,
        batch_size=128,
    ),
)
