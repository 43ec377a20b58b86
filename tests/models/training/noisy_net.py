"""A little network with dropout, and rows that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl
from wonderland import nn

rng = np.random.default_rng(0)
X = rng.normal(size=(96, 3)).astype(np.float32)
Y = (np.tanh(X @ np.array([1, -2, 0.5])) + 0.1 * rng.normal(size=96)).astype(np.float32)
DATA = {"x": X, "y": Y}


@nn.layer
class Net:
    first: nn.Linear
    last: nn.Linear
    rate: float = 0.2

    def __call__(self, x: Any, key: Any) -> Any:
        return self.last(nn.dropout(key, np.tanh(self.first(x)), self.rate, key is not None))[:, 0]


def net(seed: int = 0) -> Net:
    keys = wl.random.split(wl.random.key(seed))
    return Net(nn.Linear.init(keys[0], 3, 8), nn.Linear.init(keys[1], 8, 1))


def loss(model: Net, batch: Any, key: Any) -> Any:
    return np.mean((model(batch["x"], key) - batch["y"]) ** 2)


def plain(model: Net, batch: Any) -> Any:
    """Without dropout."""
    return np.mean((model(batch["x"], None) - batch["y"]) ** 2)
