"""A multilayer perceptron that reads handwritten digits.

result = train(mlp.TASK)
result.test_score
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import random
from ..data import Split, digits
from ..nn import Linear, accuracy, relu, softmax_cross_entropy_with_integer_labels
from ..optim import adam
from ..train import Task

HIDDEN, CLASSES = (256, 128), 10

Params = tuple[Linear, ...]


def init(key: Any, sizes: Sequence[int]) -> Params:
    """Layers from sizes[0] features over hidden sizes to sizes[-1] outputs."""
    keys = random.split(key, len(sizes) - 1)
    return tuple(Linear.init(k, n, m) for k, (n, m) in zip(keys, pairwise(sizes), strict=True))


def forward(params: Params, x: Any) -> Any:
    """Logits of each example: linear layers with relu between them."""
    *hidden, last = params
    for layer in hidden:
        x = relu(layer(x))
    return last(x)


def loss(params: Params, x: Any, y: Any) -> Any:
    """Mean cross-entropy with integer labels."""
    return np.mean(softmax_cross_entropy_with_integer_labels(forward(params, x), y))


def score(params: Params, x: Any, y: Any) -> Any:
    """The part of the labels that are predicted."""
    return accuracy(forward(params, x), y)


def _init(key: Any, split: Split) -> Params:
    return init(key, (split.train[0].shape[1], *HIDDEN, CLASSES))


TASK = Task("mlp", digits, _init, loss, score, "accuracy", adam(1e-3), epochs=30, batch_size=64)
