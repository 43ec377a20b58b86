"""Linear, logistic and softmax regression: one linear layer, three losses.

    y = x w + b           least squares: (X^T X) w = X^T y, or by gradient descent
                          ridge: (X^T X + penalty I) w = X^T y, of centred X and y
    p(1 | x) = sigmoid(x w + b)
    p(k | x) = softmax(x W + b)_k

    wonderland train linear
    wonderland train logistic
    wonderland train softmax
    wonderland train shuttle

Source: Scardapane, Alice's adventures in a differentiable wonderland, chapter 4; Guo and others, On
calibration of modern neural networks, 2017.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

import wonderland.numpy as np
from wonderland import nn, optim
from wonderland.models import Recipe, data
from wonderland.models.families.classification import majority


def init(key: Any, split: data.Split, outputs: int = 1) -> nn.Linear:
    """A layer of the features of the data."""
    features = split.train[0].shape[1]
    return nn.Linear.init(key, features, outputs, initializer=nn.glorot_uniform)


def ridge(x: Any, y: Any, penalty: float = 0.0) -> nn.Linear:
    """The minimum of sum (x w + b - y)**2 + penalty sum w**2, in closed form; b is not penalised.

    Without a penalty it is least squares, whose columns have to be independent.
    """
    centre, mean = np.mean(x, axis=0), np.mean(y)
    x, y = x - centre, y - mean
    w = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1], dtype=x.dtype), x.T @ y)
    return nn.Linear(w[:, None], mean[None] - centre @ w[:, None])


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


def reliability(logits: Any, y: Any, bins: int = 10) -> tuple[Any, Any, Any]:
    """In each bin of the confidence, the probability of the predicted class: the part of the
    examples, their mean confidence, and their accuracy."""
    p = nn.softmax(logits)
    right = np.argmax(p, axis=-1) == y
    confidence = np.max(p, axis=-1)
    place = np.minimum(np.floor(confidence * bins).astype(np.int32), bins - 1)
    inside = (place == np.arange(bins)[:, None]).astype(p.dtype)
    part = np.mean(inside, axis=1)
    count = np.maximum(np.sum(inside, axis=1), 1)
    return part, inside @ confidence / count, inside @ right.astype(p.dtype) / count


def expected_calibration_error(logits: Any, y: Any, bins: int = 10) -> Any:
    """How far confidence is from accuracy: the mean over examples, by bins of the confidence."""
    part, confidence, right = reliability(logits, y, bins)
    return np.sum(part * np.abs(confidence - right))


def reliability_diagram(model: nn.Linear, split: data.Split) -> Any:
    """Accuracy against confidence on the test part, beside the diagonal of a calibrated model."""
    from matplotlib.figure import Figure

    x, y = split.test
    part, confidence, right = (numpy.asarray(a) for a in reliability(model(x), y))
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes: Any = figure.subplots()
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.scatter(confidence[part > 0], right[part > 0], s=400 * part[part > 0])
    error = float(expected_calibration_error(model(x), y))
    axes.set(xlabel="confidence", ylabel="accuracy", title=f"calibration error {error:.3f}")
    axes.text(0.02, 0.95, "areas: how many examples")
    return figure


def the_mean(split: data.Split) -> float:
    """R^2 of always telling the mean of the training part."""
    (_, known), (_, asked) = split.train, split.test
    return float(1 - numpy.mean((asked - known.mean()) ** 2) / asked.var())


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
        baseline=the_mean,
        stated=0.523,
        epochs=200,
    ),
    REGRESSION(
        name="logistic",
        about="logistic regression of whether a tumour is benign",
        data=data.breast_cancer,
        init=init,
        loss=logistic_loss,
        score=binary_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.982,
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
        stated=0.975,
        rate=0.05,
        epochs=30,
        batch_size=64,
        picture=reliability_diagram,
    ),
    REGRESSION(
        name="shuttle",
        about="softmax regression of the state of a space shuttle",
        data=data.shuttle,
        init=partial(init, outputs=7),
        loss=softmax_loss,
        score=softmax_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.955,
        epochs=10,
        batch_size=256,
        picture=reliability_diagram,
    ),
)
