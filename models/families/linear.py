"""Linear, logistic and softmax regression by gradient descent: one linear layer, three losses.

wonderland train linear
"""

from __future__ import annotations

from functools import partial
from typing import Any

import wonderland.numpy as np
from wonderland import nn, optim
from wonderland.models import Recipe, data


def init(key: Any, split: data.Split, outputs: int = 1) -> nn.Linear:
    """A layer of the features of the data."""
    features = split.train[0].shape[1]
    return nn.Linear.init(key, features, outputs, initializer=nn.glorot_uniform)


def squared_loss(model: nn.Linear, batch: Any) -> Any:
    """Mean squared error."""
    x, y = batch
    return np.mean(nn.squared_error(model(x)[:, 0], y))


def explained_variance(model: nn.Linear, batch: Any) -> Any:
    """R^2: the part of the targets' variance that the predictions explain."""
    return 1 - squared_loss(model, batch) / np.var(batch[1])


def logistic_loss(model: nn.Linear, batch: Any) -> Any:
    """Mean negative log-likelihood of labels 0 and 1."""
    x, y = batch
    return np.mean(nn.sigmoid_binary_cross_entropy(model(x)[:, 0], y))


def binary_accuracy(model: nn.Linear, batch: Any) -> Any:
    """The part of the labels 0 and 1 that are predicted."""
    x, y = batch
    return np.mean((model(x)[:, 0] > 0) == (y > 0.5))


def softmax_loss(model: nn.Linear, batch: Any) -> Any:
    """Mean negative log-likelihood of integer labels."""
    x, y = batch
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(model(x), y))


def softmax_accuracy(model: nn.Linear, batch: Any) -> Any:
    """The part of the integer labels that are predicted."""
    x, y = batch
    return nn.accuracy(model(x), y)


def majority(split: data.Split) -> float:
    """The accuracy of always guessing the commonest class."""
    labels, counts = np.unique(split.train[1], return_counts=True)
    return float(np.mean(split.test[1] == labels[np.argmax(counts)]))


def momentum(schedule: Any) -> optim.Optimizer:
    return optim.sgd(schedule, momentum=0.9)


REGRESSION = partial(
    Recipe, chapter="4", rate=0.1, schedule=lambda rate, steps: rate, optimizer=momentum
)
RECIPES = (
    REGRESSION(
        name="linear",
        about="linear regression of how diabetes goes on",
        data=data.diabetes,
        init=init,
        loss=squared_loss,
        score=explained_variance,
        measure="R^2",
        baseline=lambda split: 0.0,  # the mean
        stated=0.457,
        epochs=200,
    ),
    REGRESSION(
        name="logistic",
        about="logistic regression of whether diabetes goes on fast",
        data=data.diabetes_classes,
        init=init,
        loss=logistic_loss,
        score=binary_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.727,
        epochs=200,
    ),
    REGRESSION(
        name="softmax",
        about="softmax regression of handwritten digits",
        data=data.digits,
        init=partial(init, outputs=10),
        loss=softmax_loss,
        score=softmax_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.955,
        rate=0.05,
        epochs=30,
        batch_size=64,
    ),
)
