"""Models that hold much memory for their gradients: a loss of parameters and inputs, and arrays.

`MODELS[name](scale)` gives both; smaller scales are narrower and shorter, for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import wonderland as wl

from . import peers


class Model(NamedTuple):
    """`loss(*arrays)`; `size` says how large it is."""

    loss: Callable[..., Any]
    arrays: tuple[Any, ...]
    size: str


def weights(*shape: int, seed: int) -> np.ndarray:
    """Normal numbers that keep the size of what is multiplied by them."""
    return peers.random(*shape, seed=seed) / np.float32(np.sqrt(shape[-2]))


def mlp(scale: float = 1.0) -> Model:
    """24 layers of tanh."""
    width, batch = int(256 * scale), int(4096 * scale)

    def loss(layers: Sequence[Any], x: Any) -> Any:
        for w, b in layers:
            x = np.tanh(x @ w + b)
        return np.mean(x * x)

    layers = [(weights(width, width, seed=k), np.zeros(width, np.float32)) for k in range(24)]
    return Model(loss, (layers, peers.random(batch, width)), f"24 x {width}, batch {batch}")


def residual(scale: float = 1.0) -> Model:
    """32 blocks x + relu(norm(x) v) w."""
    width, batch = int(256 * scale), int(2048 * scale)

    def loss(blocks: Sequence[Any], x: Any) -> Any:
        for gain, v, w in blocks:
            x = x + wl.nn.relu(normal(x) * gain @ v) @ w
        return np.mean(x * x)

    blocks = [
        (
            np.ones(width, np.float32),
            weights(width, width, seed=k),
            weights(width, width, seed=32 + k),
        )
        for k in range(1, 33)
    ]
    return Model(loss, (blocks, peers.random(batch, width)), f"32 x {width}, batch {batch}")


def normal(x: Any) -> Any:
    """Rows of mean 0 and variance 1."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + np.float32(1e-5))


def transformer(scale: float = 1.0) -> Model:
    """12 blocks of causal attention and an MLP."""
    width, length, heads = int(256 * scale), int(512 * scale), 4
    allowed = np.tri(length, dtype=bool)

    def attention(x: Any, q: Any, k: Any, v: Any, w: Any) -> Any:
        q, k, v = ((x @ m).reshape(length, heads, -1).transpose(1, 0, 2) for m in (q, k, v))
        scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(width // heads))
        found = wl.nn.softmax(np.where(allowed, scores, np.float32(-1e9))) @ v
        return found.transpose(1, 0, 2).reshape(length, width) @ w

    def loss(blocks: Sequence[Any], x: Any) -> Any:
        for q, k, v, w, up, down in blocks:
            x = x + attention(normal(x), q, k, v, w)
            x = x + wl.nn.gelu(normal(x) @ up) @ down
        return np.mean(x * x)

    shapes = [(width, width)] * 4 + [(width, 4 * width), (4 * width, width)]
    blocks = [
        tuple(weights(*shape, seed=6 * b + k) for k, shape in enumerate(shapes)) for b in range(12)
    ]
    arrays = blocks, peers.random(length, width)
    return Model(loss, arrays, f"12 x {width}, length {length}, {heads} heads")


def lstm(scale: float = 1.0) -> Model:
    """An LSTM of 1,000 steps."""
    steps, batch, width = int(1000 * scale), int(32 * scale), int(128 * scale)

    def loss(w: Any, u: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            i, f, g, o = np.split(x @ w + h @ u, 4, axis=-1)
            c = wl.nn.sigmoid(f) * c + wl.nn.sigmoid(i) * np.tanh(g)
            h = wl.nn.sigmoid(o) * np.tanh(c)
            return (h, c), np.mean(h * h)

        zeros = np.zeros((batch, width), np.float32)
        return np.mean(wl.lax.scan(step, (zeros, zeros), xs)[1])

    arrays = (
        weights(width, 4 * width, seed=1),
        weights(width, 4 * width, seed=2),
        peers.random(steps, batch, width),
    )
    return Model(loss, arrays, f"{steps} steps, {batch} x {width}")


def state_space(scale: float = 1.0) -> Model:
    """A diagonal state-space layer of 4,096 steps whose input chooses how much a state forgets."""
    steps, channels, states = int(4096 * scale), int(128 * scale), 16

    def loss(a: Any, b: Any, c: Any, w: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            kept = np.exp(wl.nn.softplus(x * w)[:, None] * a)
            h = kept * h + x[:, None] * b
            return h, np.sum(h * c, axis=1)

        zeros = np.zeros((channels, states), np.float32)
        ys = wl.lax.scan(step, zeros, xs)[1]
        return np.mean(ys * ys)

    arrays = (
        -np.abs(peers.random(channels, states, seed=1)),
        weights(channels, states, seed=2),
        weights(channels, states, seed=3),
        peers.random(channels, seed=4),
        peers.random(steps, channels),
    )
    return Model(loss, arrays, f"{steps} steps, {channels} x {states}")


MODELS: dict[str, Callable[..., Model]] = {
    "MLP": mlp,
    "residual network": residual,
    "transformer": transformer,
    "LSTM": lstm,
    "state-space layer": state_space,
}


def chain(layers: int = 1000, batch: int = 1024, width: int = 32) -> Model:
    """tanh of a product, a thousand times: little arithmetic, much to keep."""

    def loss(ws: Sequence[Any], x: Any) -> Any:
        for w in ws:
            x = np.tanh(x @ w)
        return np.mean(x * x)

    ws = [weights(width, width, seed=k) for k in range(layers)]
    return Model(loss, (ws, peers.random(batch, width)), f"{layers} x {width}, batch {batch}")
