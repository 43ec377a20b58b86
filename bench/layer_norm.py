"""How fast is layer norm with its gradient in input, scale and shift, for a given cotangent?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

EPS = 1e-5


def normalised(library: Any) -> Any:
    def function(x: Any, scale: Any, shift: Any) -> Any:
        centred = x - library.mean(x, axis=-1, keepdims=True)
        variance = library.mean(centred * centred, axis=-1, keepdims=True)
        return centred / library.sqrt(variance + EPS) * scale + shift

    return function


def ours(x: Any, scale: Any, shift: Any, ct: Any) -> Any:
    y, pullback = wl.vjp(normalised(np), x, scale, shift)
    return y, *pullback(ct)


def by_hand(x: Any, scale: Any, shift: Any, ct: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    rsqrt = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(EPS))
    z = centred * rsqrt
    dz = ct * scale
    along = (dz * z).mean(axis=-1, keepdims=True)
    dx = (dz - dz.mean(axis=-1, keepdims=True) - z * along) * rsqrt
    return z * scale + shift, dx, (ct * z).sum(axis=0), ct.sum(axis=0)


def in_jax(x: Any, scale: Any, shift: Any, ct: Any) -> Any:
    y, pullback = peers.jax.vjp(normalised(peers.jnp), x, scale, shift)
    return y, *pullback(ct)


def torch_norm(x: Any, scale: Any, shift: Any) -> Any:
    return peers.torch.nn.functional.layer_norm(x, x.shape[-1:], scale, shift, EPS)


def with_gradient(norm: Any) -> Any:
    def function(x: Any, scale: Any, shift: Any, ct: Any) -> Any:
        leaves = [a.detach().requires_grad_() for a in (x, scale, shift)]
        y = norm(*leaves)
        y.backward(ct)
        return y.detach(), *(leaf.grad for leaf in leaves)

    return function


def functions() -> dict[str, Any]:
    found = {
        "wonderland": ours,
        "numpy": by_hand,
        "jax": in_jax,
        "torch": with_gradient(torch_norm),
    }
    if peers.there("torch.compile"):
        found["torch.compile"] = with_gradient(peers.compiled_by_torch(torch_norm))
    return found


def rows() -> Iterator[Row]:
    width = 768
    for batch in (16, 64, 1024, 8192):
        arrays = [
            peers.random(batch, width),
            *peers.random(2, width),
            peers.random(batch, width, seed=1),
        ]
        runs = peers.runs(arrays, functions())
        yield Row("layer norm + grad", f"f32[{batch}, {width}]", runs, bytes=16 * batch * width)
