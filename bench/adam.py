"""Adam, as the steps of all benches take it: (slopes, state, parameters) -> parameters, state."""

from __future__ import annotations

from typing import Any

import wonderland as wl

from . import peers

RATE, B1, B2, EPS = 1e-3, 0.9, 0.999, 1e-8


def updated(optimizer: Any, slopes: Any, state: Any, parameters: Any) -> tuple[Any, Any]:
    """By an optimizer of ours."""
    updates, state = optimizer.update(slopes, state, parameters)
    return wl.optim.apply_updates(parameters, updates), state


def updated_in_jax(slopes: Any, state: Any, parameters: Any) -> tuple[Any, Any]:
    """`state`: the steps taken, i32, and the means of slopes and of their squares."""
    jnp, tree_map = peers.jnp, peers.jax.tree_util.tree_map
    count, mean, square = state
    count = count + 1
    mean = tree_map(lambda g, m: B1 * m + (1 - B1) * g, slopes, mean)
    square = tree_map(lambda g, v: B2 * v + (1 - B2) * g * g, slopes, square)
    rate, spread = RATE / (1 - B1**count), 1 / (1 - B2**count)
    moved = tree_map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v * spread) + EPS), parameters, mean, square
    )
    return moved, (count, mean, square)
