"""Optimizers by their published formulas, eager and traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.trace import trace
from wonderland.compiler.transform.interpreter import interpret
from wonderland.models import optim
from wonderland.models.optim import Optimizer, adam, adamw, apply_updates, chain, rmsprop, sgd

PARAMS = {"w": np.array([[1, -2], [3, 0.5]], np.float32), "b": np.array([0.25, -1], np.float32)}


def gradients(params: Any) -> Any:
    """Of the sum of x^4 / 4."""
    return tree.map(lambda p: p * p * p, params)


def descend(optimizer: Optimizer, steps: int, traced: bool) -> Any:
    def step(params: Any, state: Any) -> Any:
        updates, state = optimizer.update(gradients(params), state, params)
        return apply_updates(params, updates), state

    params, state = PARAMS, optimizer.init(PARAMS)
    made = trace(step, params, state) if traced else None
    for _ in range(steps):
        if made:
            found = interpret(made.graph, *tree.leaves((params, state)))
            params, state = tree.unflatten(made.outputs, list(found))
        else:
            params, state = step(params, state)
    return params


def by_hand(name: str, steps: int) -> Any:
    """The formulas in f64, for each parameter alone."""

    def follow(p: np.ndarray) -> np.ndarray:
        p = p.astype(np.float64)
        v = m = w = np.zeros_like(p)
        for t in range(1, steps + 1):
            g = p**3
            match name:
                case "sgd":
                    p = p - 0.01 * g
                case "momentum":
                    v = 0.9 * v + g
                    p = p - 0.01 * v
                case "nesterov":
                    v = 0.9 * v + g
                    p = p - 0.01 * (g + 0.9 * v)
                case "adam":
                    m = 0.9 * m + 0.1 * g
                    v = 0.999 * v + 0.001 * g * g
                    p = p - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
                case "adam by schedule":
                    m = 0.9 * m + 0.1 * g
                    v = 0.999 * v + 0.001 * g * g
                    rate = 0.01 * 0.5 ** ((t - 1) / 4)
                    p = p - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
                case "adamw":
                    m = 0.9 * m + 0.1 * g
                    v = 0.999 * v + 0.001 * g * g
                    step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
                    p = p - 0.01 * (step + 0.1 * p)
                case "rmsprop":
                    v = 0.9 * v + 0.1 * g * g
                    p = p - 0.01 * g / np.sqrt(v + 1e-8)
                case "rmsprop centered":
                    v = 0.9 * v + 0.1 * g * g
                    m = 0.9 * m + 0.1 * g
                    w = 0.5 * w + g / np.sqrt(v - m * m + 1e-8)
                    p = p - 0.01 * w
                case "clipped":
                    p = p - 0.01 * np.clip(g, -1, 1)
                case "decayed":
                    p = p - 0.01 * (g + 0.1 * p)
                case "averaged":
                    m = 0.9 * m + 0.1 * g
                    p = p - 0.01 * m / (1 - 0.9**t)
        return p

    return tree.map(follow, PARAMS)


OPTIMIZERS = {
    "sgd": sgd(0.01),
    "momentum": sgd(0.01, momentum=0.9),
    "nesterov": sgd(0.01, momentum=0.9, nesterov=True),
    "adam": adam(0.01),
    "adam by schedule": adam(optim.exponential_decay(0.01, 4, 0.5)),
    "adamw": adamw(0.01, weight_decay=0.1),
    "rmsprop": rmsprop(0.01),
    "rmsprop centered": rmsprop(0.01, centered=True, momentum=0.5),
    "clipped": chain(optim.clip(1.0), sgd(0.01)),
    "decayed": chain(optim.add_decayed_weights(0.1), sgd(optim.constant_schedule(0.01))),
    "averaged": chain(optim.ema(0.9), optim.scale(-0.01)),
}


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_follows_its_formula(name: str, traced: bool):
    found, expected = descend(OPTIMIZERS[name], 10, traced), by_hand(name, 10)
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)  # ten steps of f32
        assert a.dtype == np.float32


def test_sgd_without_momentum_has_no_state():
    assert tree.leaves(sgd(0.1).init(PARAMS)) == []


def test_first_step_of_adam_is_the_learning_rate_in_each_direction():
    moved = descend(adam(0.125), 1, traced=True)
    for a, p in zip(tree.leaves(moved), tree.leaves(PARAMS), strict=True):
        np.testing.assert_allclose(a, p - 0.125 * np.sign(p), rtol=1e-6)  # eps is 1e-8


def test_f64_parameters_keep_their_precision():
    params = [np.array([1.0])]
    optimizer = adam(0.01)
    updates, _ = optimizer.update([np.array([0.5])], optimizer.init(params), params)
    assert updates[0].dtype == np.float64
    np.testing.assert_allclose(updates[0], -0.01 / (1 + 2e-8), rtol=1e-14)


def test_a_mask_keeps_weights_from_decay():
    params = {"w": np.array([2.0], np.float32), "b": np.array([2.0], np.float32)}
    zeros = tree.map(np.zeros_like, params)
    for mask in ({"w": True, "b": False}, lambda p: {"w": True, "b": False}):
        optimizer = adamw(1.0, weight_decay=0.5, mask=mask)
        updates, _ = optimizer.update(zeros, optimizer.init(params), params)
        np.testing.assert_allclose(updates["w"], [-1.0])
        np.testing.assert_allclose(updates["b"], [0.0])


@pytest.mark.parametrize(("bound", "factor"), [(1.0, 1 / 13), (13.0, 1.0), (50.0, 1.0)])
def test_clipping_by_global_norm_keeps_the_direction(bound: float, factor: float):
    grads = {"a": np.array([3.0, 4.0], np.float32), "b": np.array([[12.0]], np.float32)}
    np.testing.assert_allclose(optim.global_norm(grads), 13.0)
    clipped, _ = optim.clip_by_global_norm(bound).update(grads, ())
    for x, g in zip(tree.leaves(clipped), tree.leaves(grads), strict=True):
        np.testing.assert_allclose(x, g * np.float32(factor), rtol=1e-6)
        assert x.dtype == np.float32


def test_a_zero_gradient_is_clipped_to_zero():
    clipped, _ = optim.clip_by_global_norm(1.0).update([np.zeros(3, np.float32)], ())
    np.testing.assert_array_equal(clipped[0], np.zeros(3))


def test_an_average_of_parameters_moves_by_its_step():
    found = optim.incremental_update(
        {"w": np.array([1.0], np.float32)}, {"w": np.array([0.0], np.float32)}, 0.25
    )
    np.testing.assert_array_equal(found["w"], np.array([0.25], np.float32))


def test_an_update_of_another_shape_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"parameter's shape \[3\] is required, got \[3, 1\]"):
        optim.apply_updates([np.ones(3)], [np.ones((3, 1))])
