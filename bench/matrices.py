"""How fast is linear algebra? Many small matrices, which are kernels, and large ones of LAPACK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

BATCH = 10_000
FUNCTIONS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "cholesky": lambda linalg: lambda a, b: linalg.cholesky(a),
    "solve": lambda linalg: lambda a, b: linalg.solve(a, b),
    "inv": lambda linalg: lambda a, b: linalg.inv(a),
    "det": lambda linalg: lambda a, b: linalg.det(a),
}


def definite(*shape: int) -> np.ndarray:
    x = peers.random(*shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1], dtype=x.dtype)


def in_each(function: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """The same of the module of linear algebra that each library has."""
    jax, torch = peers.jnp, peers.torch
    found = {"wonderland": function(wl.numpy.linalg), "numpy": function(np.linalg)}
    if jax is not None:
        found["jax"] = function(jax.linalg)
    if torch is not None:
        found["torch"] = function(torch.linalg)
    return found


def rows() -> Iterator[Row]:
    shapes = [*((BATCH, n, n) for n in (2, 3, 4, 8, 16)), (300, 300)]
    for shape in shapes:
        arrays = [definite(*shape), peers.random(*shape[:-1], 1)]
        for name, function in FUNCTIONS.items():
            if name == "det" and len(shape) == 2:  # beyond what f32 holds
                continue
            runs = peers.runs(arrays, in_each(function), torch_compile=False)
            yield Row(f"matrices, {name}", str(list(shape)), runs, bytes=2 * arrays[0].nbytes)
