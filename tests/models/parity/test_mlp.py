"""Perceptrons and their losses beside torch's, by each activation of the book."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland import nn
from wonderland.models.families import linear, mlp

rng = np.random.default_rng(0)
X, LABELS = rng.normal(size=(6, 4)), rng.integers(0, 3, 6)
ACTIVATIONS = {
    "relu": "relu", "leaky_relu": "leaky_relu", "softplus": "softplus", "elu": "elu",
    "gelu": "gelu", "silu": "silu", "tanh": "tanh", "sigmoid": "sigmoid",
}  # fmt: skip


def layers(w: Any, activation: Any) -> Any:
    def forward(x: Any, places: list[str]) -> Any:
        from torch.nn.functional import linear as product  # type: ignore[import-not-found]

        for k, place in enumerate(places):
            x = x if k == 0 else activation(x, k - 1)
            x = product(x, w[f"{place}.weight"].T, w[f"{place}.bias"])
        return x

    return forward


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_perceptron_and_its_cross_entropy_are_torchs(name: str) -> None:
    activation = getattr(nn, name)
    if name == "gelu":
        activation = lambda x: nn.gelu(x, approximate=False)  # noqa: E731

    def ours(model: Any, x: Any, y: Any) -> Any:
        logits = mlp.forward(model, x, activation)
        return logits, np.mean(nn.softmax_cross_entropy_with_integer_labels(logits, y))

    def theirs(w: Any, x: Any, y: Any) -> Any:
        from torch.nn import functional  # type: ignore[import-not-found]

        own = getattr(functional, name)
        logits = layers(w, lambda x, _: own(x))(x, ["0", "1", "2"])
        return logits, functional.cross_entropy(logits, y)

    model = lambda: mlp.init(wl.random.key(0), (4, 5, 5, 3))  # noqa: E731
    check(Case(f"mlp_{name}", model, (X, LABELS), ours, theirs))


def test_learned_rectifiers_are_torchs() -> None:
    def theirs(w: Any, x: Any) -> Any:
        from torch.nn.functional import prelu  # type: ignore[import-not-found]

        forward = layers(w, lambda x, k: prelu(x, w[f"slopes.{k}"]))
        return forward(x, ["layers.0", "layers.1", "layers.2"])

    model = lambda: mlp.LearnedRectifiers.init(wl.random.key(0), (4, 5, 5, 3))  # noqa: E731
    check(Case("learned_rectifiers", model, (X,), lambda model, x: model(x), theirs))


def test_losses_of_regression_are_torchs() -> None:
    y = rng.normal(size=6)

    def ours(model: Any, x: Any, y: Any) -> Any:
        labels = (y > 0).astype(y.dtype)
        batches = (x, y), (x, labels)
        losses = linear.squared_loss, linear.logistic_loss
        return tuple(loss(model, batch) for loss, batch in zip(losses, batches, strict=True))

    def theirs(w: Any, x: Any, y: Any) -> Any:
        from torch.nn import functional  # type: ignore[import-not-found]

        found = functional.linear(x, w["weight"].T, w["bias"])[:, 0]
        labels = (y > 0).to(y.dtype)
        both = functional.binary_cross_entropy_with_logits(found, labels)
        return functional.mse_loss(found, y), both

    model = lambda: nn.Linear.init(wl.random.key(0), 4, 1)  # noqa: E731
    check(Case("regression_losses", model, (X, y), ours, theirs))
