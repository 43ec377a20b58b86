"""How fast is attention, forward and with its gradients, over all keys or those before, and of one
query against a cache?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import wonderland as wl

from . import peers
from .harness import Row

SIZE = 64  # of a head
SHAPES = ((8, 128, 4), (8, 197, 12), (1, 512, 8), (1, 2048, 4), (1, 8192, 4))
"""Batch, length, heads."""
CACHES = ((1, 2048, 12), (8, 1024, 12))


def ours(causal: bool) -> Any:
    return lambda q, k, v: wl.nn.dot_product_attention(q, k, v, is_causal=causal)


def in_jax(causal: bool) -> Any:
    return lambda q, k, v: peers.jax.nn.dot_product_attention(q, k, v, is_causal=causal)


def in_torch(causal: bool) -> Any:
    def function(q: Any, k: Any, v: Any) -> Any:
        attend = peers.torch.nn.functional.scaled_dot_product_attention
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return attend(q, k, v, is_causal=causal).transpose(1, 2)

    return function


def gradients(library: Any, function: Any) -> Any:
    def with_gradients(q: Any, k: Any, v: Any, ct: Any) -> Any:
        y, pullback = library.vjp(function, q, k, v)
        return y, *pullback(ct)

    return with_gradients


def torch_gradients(function: Any) -> Any:
    def with_gradients(q: Any, k: Any, v: Any, ct: Any) -> Any:
        leaves = [x.detach().requires_grad_() for x in (q, k, v)]
        y = function(*leaves)
        y.backward(ct)
        return y.detach(), *(leaf.grad for leaf in leaves)

    return with_gradients


def rows() -> Iterator[Row]:
    for batch, length, heads in SHAPES:
        arrays = [peers.random(batch, length, heads, SIZE, seed=k) for k in range(4)]
        for causal in (False, True):
            flops = 4 * batch * heads * length**2 * SIZE // (1 + causal)
            size = f"{batch} x {length} x {heads} x {SIZE}" + (" causal" if causal else "")
            functions = {"wonderland": ours, "jax": in_jax, "torch": in_torch}
            forward = {name: f(causal) for name, f in functions.items()}
            backward = {
                "wonderland": gradients(wl, forward["wonderland"]),
                "jax": gradients(peers.jax, forward["jax"]),
                "torch": torch_gradients(forward["torch"]),
            }
            moved = 4 * arrays[0].nbytes
            runs = peers.runs(arrays[:3], forward, torch_compile=False)
            yield Row("attention", size, runs, bytes=moved, flops=flops)
            runs = peers.runs(arrays, backward, torch_compile=False)
            yield Row("attention + grad", size, runs, bytes=2 * moved, flops=7 * flops // 2)
    for batch, length, heads in CACHES:
        query = peers.random(batch, 1, heads, SIZE)
        cache = [peers.random(batch, length, heads, SIZE, seed=k) for k in range(2)]
        functions = {"wonderland": ours(False), "jax": in_jax(False), "torch": in_torch(False)}
        runs = peers.runs([query, *cache], functions, torch_compile=False)
        size = f"1 of {batch} x {length} x {heads} x {SIZE}"
        yield Row("attention", size, runs, bytes=2 * cache[0].nbytes)
