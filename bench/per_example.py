"""How fast is vmap: gradients of each example, their norms, and the gradients of an ensemble?

The model has one hidden layer of 128; torch.func.vmap is the peer in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

Model = Callable[..., Any]


def loss(library: Any) -> Model:
    """The mean squared error of a network, of one example or of many."""

    def function(p: Any, x: Any, y: Any) -> Any:
        hidden = library.tanh(x @ p[0] + p[1])
        return ((hidden @ p[2] + p[3] - y) ** 2).mean()

    return function


def gradients(library: Any, vmap: Any, grad: Any, axes: Any) -> Model:
    """Of every slice of the arguments at `axes`: (parameters, x, y)."""
    each = vmap(grad(loss(library)), in_axes=axes)
    return lambda w, b, v, c, x, y: each((w, b, v, c), x, y)


def norms(library: Any, vmap: Any, grad: Any) -> Model:
    """The squared norm of the gradient of each example."""

    def norm(*args: Any) -> Any:
        return sum((g * g).sum() for g in grad(loss(library))(*args))

    each = vmap(norm, in_axes=(None, 0, 0))
    return lambda w, b, v, c, x, y: each((w, b, v, c), x, y)


def functions(make: Callable[..., Model], *options: Any) -> dict[str, Model]:
    """By library."""
    found = {"wonderland": make(np, wl.vmap, wl.grad, *options)}
    if peers.jax is not None:
        found["jax"] = make(peers.jnp, peers.jax.vmap, peers.jax.grad, *options)
    if peers.torch is not None:
        torch = peers.torch
        found["torch"] = make(torch, torch_vmap, torch.func.grad, *options)
    return found


def torch_vmap(function: Model, in_axes: Any) -> Model:
    return peers.torch.func.vmap(function, in_dims=in_axes)


def parameters(*lead: int) -> list[np.ndarray]:
    shapes = (64, 128), (128,), (128, 10), (10,)
    return [peers.random(*lead, *shape, seed=k) * np.float32(0.1) for k, shape in enumerate(shapes)]


def rows() -> Iterator[Row]:
    for batch in (16, 256, 2048):
        arrays = [*parameters(), peers.random(batch, 64), peers.random(batch, 10, seed=1)]
        size = f"{batch} examples"
        moved = 4 * batch * (64 * 128 + 128 * 10)
        runs = peers.runs(arrays, functions(gradients, (None, 0, 0)))
        yield Row("gradients of each example", size, runs, bytes=moved)
        yield Row("their squared norms", size, peers.runs(arrays, functions(norms)))
    arrays = [*parameters(8), peers.random(256, 64), peers.random(256, 10, seed=1)]
    runs = peers.runs(arrays, functions(gradients, (0, None, None)))
    yield Row("gradients of an ensemble", "8 models, 256 examples", runs)
