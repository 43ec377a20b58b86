"""Attention-free transformers: sums by their definition, at once and in turn, of three windows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.families.attention_free import AFT

TIME, SIZE = 9, 6
X = np.random.default_rng(0).normal(size=(2, TIME, SIZE))
CLOSE: Any = {"rtol": 0, "atol": 1e-12}
every_window = pytest.mark.parametrize("window", [0, 1, 4, TIME])


@pytest.fixture(autouse=True)
def interpreted():
    with wl.disable_jit():
        yield


def made(window: int) -> AFT:
    layer = AFT.init(wl.random.key(0), SIZE, window, TIME, rank=3)
    return wl.tree.map(lambda x: 2 * x.astype(np.float64), layer)


@every_window
def test_each_step_is_a_mean_of_what_came_before(window: int) -> None:
    layer, w = made(window), np.zeros((TIME, TIME))
    for t in range(TIME):
        for s in range(max(0, t - window + 1), t + 1):
            w[t, s] = layer.rows[t] @ layer.columns[s]
    q, k, v = np.split(X @ layer.qkv.weight, 3, -1)
    gate = 1 / (1 + np.exp(-q))
    want = np.empty_like(v)
    for t in range(TIME):
        e = np.exp(k[:, : t + 1] + w[t, : t + 1, None])
        want[:, t] = gate[:, t] * (e * v[:, : t + 1]).sum(1) / e.sum(1)
    np.testing.assert_allclose(layer(X), want @ layer.output.weight, **CLOSE)


@every_window
def test_steps_in_turn_are_all_at_once(window: int) -> None:
    layer = made(window)
    y, state = layer(X), layer.start(2)
    for t in range(TIME):
        state, now = layer.step(state, X[:, t])
        np.testing.assert_allclose(now, y[:, t], **CLOSE)
    layer.step(state, X[:, 0])  # beyond the last place


def test_windows_differ() -> None:
    ys = [np.asarray(made(window)(X)) for window in (0, 1, 4, TIME)]
    assert all((a != b).any() for i, a in enumerate(ys) for b in ys[:i])


@every_window
def test_later_steps_change_no_earlier_one(window: int) -> None:
    layer, other = made(window), X.copy()
    other[:, 6:] += 1
    a, b = np.asarray(layer(X)), np.asarray(layer(other))
    np.testing.assert_allclose(a[:, :6], b[:, :6], **CLOSE)
    assert (a[:, 6:] != b[:, 6:]).all()


@every_window
def test_large_keys_neither_overflow_nor_vanish(window: int) -> None:
    layer = made(window)
    large = dataclasses.replace(layer.qkv, weight=layer.qkv.weight * 300)
    layer = dataclasses.replace(layer, qkv=large)
    state, steps = layer.start(2), []
    for t in range(TIME):
        state, now = layer.step(state, X[:, t])
        steps.append(now)
    assert np.isfinite(steps).all()


@every_window
def test_gradients(window: int) -> None:
    wl.testing.check_gradients(lambda layer, x: np.sum(layer(x) ** 2), made(window), X[:1, :5])
