"""Optimizers as pairs of pure functions, as in optax: the update compiles into the training step.

optimizer = adam(1e-3)
state = optimizer.init(params)
updates, state = optimizer.update(grads, state, params)
params = apply_updates(params, updates)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..compiler import numpy as np
from ..compiler import tree

__all__ = [
    "AdamState",
    "Momentum",
    "Optimizer",
    "adam",
    "apply_updates",
    "sgd",
]

Tree = Any


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(grads, state, params) -> (updates, state)`."""

    init: Callable[[Tree], Tree]
    update: Callable[..., tuple[Tree, Tree]]


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """params + updates"""
    return tree.map(lambda p, u: p + u, params, updates)


class Momentum(NamedTuple):
    """State of sgd with momentum."""

    trace: Tree  # like the parameters


def sgd(learning_rate: Any, momentum: float = 0.0, nesterov: bool = False) -> Optimizer:
    """Gradient descent: v <- momentum * v + g;  p <- p - learning_rate * v.

    With `nesterov`, p <- p - learning_rate * (g + momentum * v). No momentum, no state.
    Source: Sutskever et al., On the importance of initialization and momentum, 2013.
    """

    def scaled(directions: Tree) -> Tree:
        return tree.map(lambda d: -learning_rate * d, directions)

    def init(params: Tree) -> Tree:
        return Momentum(tree.map(np.zeros_like, params)) if momentum else ()

    def update(grads: Tree, state: Tree, params: Tree = None) -> tuple[Tree, Tree]:
        if not momentum:
            return scaled(grads), state
        trace = tree.map(lambda g, v: g + momentum * v, grads, state.trace)
        ahead = tree.map(lambda g, v: g + momentum * v, grads, trace) if nesterov else trace
        return scaled(ahead), Momentum(trace)

    return Optimizer(init, update)


class AdamState(NamedTuple):
    """Steps taken, and running means of gradients and of their squares."""

    count: Any  # i32
    mu: Tree
    nu: Tree


def adam(
    learning_rate: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, eps_root: float = 0.0
) -> Optimizer:
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    p <- p - learning_rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t) + eps_root) + eps).

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.
    """

    def init(params: Tree) -> AdamState:
        zeros = tree.map(np.zeros_like, params)
        return AdamState(np.zeros((), np.int32), zeros, tree.map(np.copy, zeros))

    def update(grads: Tree, state: AdamState, params: Tree = None) -> tuple[Tree, AdamState]:
        count = state.count + np.int32(1)
        mu = tree.map(lambda g, m: b1 * m + (1 - b1) * g, grads, state.mu)
        nu = tree.map(lambda g, v: b2 * v + (1 - b2) * (g * g), grads, state.nu)
        # once per step in f64, where 1 - 0.999 loses nothing; cast per leaf: no update widens
        rate, spread = learning_rate / _decayed(b1, count), 1 / _decayed(b2, count)

        def step(m: Any, v: Any) -> Any:
            size = np.sqrt(v * spread.astype(v.dtype) + eps_root) + eps
            return -rate.astype(m.dtype) * m / size

        return tree.map(step, mu, nu), AdamState(count, mu, nu)

    return Optimizer(init, update)


def _decayed(rate: float, count: Any) -> Any:
    """1 - rate^count"""
    return -np.expm1(count * math.log(rate))
