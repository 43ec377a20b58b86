"""Linear, logistic and softmax regression by gradient descent: one linear layer, three losses."""

from __future__ import annotations

from typing import Any

from ...compiler.front import numpy as np
from ..data import Split, diabetes, diabetes_classes, digits
from ..nn import (
    Linear,
    accuracy,
    glorot_uniform,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy_with_integer_labels,
    squared_error,
)
from ..optim import sgd
from ..train import Task

CLASSES = 10


def init_one(key: Any, split: Split) -> Linear:
    """A layer with one output."""
    return Linear.init(key, split.train[0].shape[1], 1, initializer=glorot_uniform)


def init_classes(key: Any, split: Split) -> Linear:
    """A layer with an output for each class."""
    return Linear.init(key, split.train[0].shape[1], CLASSES, initializer=glorot_uniform)


def output(params: Linear, x: Any) -> Any:
    """The one output of each example."""
    return params(x)[:, 0]


def squared_loss(params: Linear, x: Any, y: Any) -> Any:
    """Mean squared error."""
    return np.mean(squared_error(output(params, x), y))


def explained_variance(params: Linear, x: Any, y: Any) -> Any:
    """R^2: the part of the targets' variance that the predictions explain."""
    return 1 - squared_loss(params, x, y) / np.var(y)


def logistic_loss(params: Linear, x: Any, y: Any) -> Any:
    """Mean negative log-likelihood of labels 0 and 1."""
    return np.mean(sigmoid_binary_cross_entropy(output(params, x), y))


def binary_accuracy(params: Linear, x: Any, y: Any) -> Any:
    """The part of the labels 0 and 1 that are predicted."""
    return np.mean((output(params, x) > 0) == (y > 0.5))


def softmax_loss(params: Linear, x: Any, y: Any) -> Any:
    """Mean negative log-likelihood of integer labels."""
    return np.mean(softmax_cross_entropy_with_integer_labels(params(x), y))


def softmax_accuracy(params: Linear, x: Any, y: Any) -> Any:
    """The part of the integer labels that are predicted."""
    return accuracy(params(x), y)


LINEAR = Task(
    "linear",
    diabetes,
    init_one,
    squared_loss,
    explained_variance,
    "R^2",
    sgd(0.1, momentum=0.9),
    epochs=200,
)
LOGISTIC = Task(
    "logistic",
    diabetes_classes,
    init_one,
    logistic_loss,
    binary_accuracy,
    "accuracy",
    sgd(0.1, momentum=0.9),
    epochs=200,
)
SOFTMAX = Task(
    "softmax",
    digits,
    init_classes,
    softmax_loss,
    softmax_accuracy,
    "accuracy",
    sgd(0.05, momentum=0.9),
    epochs=30,
    batch_size=64,
)
