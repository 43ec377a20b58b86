"""A multilayer perceptron: x -> W_n f(... f(W_1 x + b_1) ...) + b_n, on handwritten digits.

wonderland train mlp
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data

HIDDEN = 256, 128

Model = tuple[nn.Linear, ...]


def init(key: Any, sizes: Sequence[int]) -> Model:
    """Layers from sizes[0] features over hidden sizes to sizes[-1] outputs."""
    keys = random.split(key, len(sizes) - 1)
    return tuple(
        nn.Linear.init(k, n, m, initializer=nn.he_normal)
        for k, (n, m) in zip(keys, pairwise(sizes), strict=True)
    )


def forward(model: Model, x: Any) -> Any:
    """Logits of each example: linear layers with relu between them."""
    *hidden, last = model
    for layer in hidden:
        x = nn.relu(layer(x))
    return last(x)


def loss(model: Model, batch: Any) -> Any:
    """Mean cross-entropy with integer labels."""
    x, y = batch
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(forward(model, x), y))


def accuracy(model: Model, batch: Any) -> Any:
    """The part of the labels that are predicted."""
    x, y = batch
    return nn.accuracy(forward(model, x), y)


def majority(split: data.Split) -> float:
    """The accuracy of always guessing the commonest class."""
    (_, train), (_, test) = split.train, split.test
    return float(np.mean(test == np.argmax(np.bincount(train))))


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
        stated=0.983,
        epochs=30,
        batch_size=64,
    ),
)
