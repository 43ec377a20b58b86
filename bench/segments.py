"""How fast are lookups in tables and sums over edges? Rows gathered, and rows added to rows.

The gradient of an embedding is a table of zeros but for the rows of the batch. A step of message
passing sums the features of the senders at every receiver; receivers are sorted, and JAX and
PyTorch are told or do without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row


def lookup_functions() -> dict[str, Any]:
    def take(table: Any, words: Any) -> Any:
        return table[words]

    return dict.fromkeys(("wonderland", "numpy", "jax", "torch"), take)


def embedding_functions() -> dict[str, Any]:
    """The gradient in the table of sum(table[words] * slope)."""

    def ours(table: Any, words: Any, slope: Any) -> Any:
        return wl.grad(lambda t: np.sum(t[words] * slope))(table)

    def by_hand(table: Any, words: Any, slope: Any) -> Any:
        out = np.zeros_like(table)
        np.add.at(out, words, slope)
        return out

    def in_jax(table: Any, words: Any, slope: Any) -> Any:
        return peers.jax.grad(lambda t: peers.jnp.sum(t[words] * slope))(table)

    def in_torch(table: Any, words: Any, slope: Any) -> Any:
        t = table.detach().requires_grad_()
        peers.torch.nn.functional.embedding(words, t).backward(slope)
        return t.grad

    return {"wonderland": ours, "numpy": by_hand, "jax": in_jax, "torch": in_torch}


def message_functions(nodes: int) -> dict[str, Any]:
    def ours(x: Any, senders: Any, receivers: Any) -> Any:
        return wl.ops.segment_sum(x[senders], receivers, nodes, indices_are_sorted=True)

    def by_hand(x: Any, senders: Any, receivers: Any) -> Any:
        starts = np.searchsorted(receivers, np.arange(nodes + 1))
        full = np.flatnonzero(starts[1:] > starts[:-1])
        out = np.zeros_like(x)
        out[full] = np.add.reduceat(x[senders], starts[full])
        return out

    def in_jax(x: Any, senders: Any, receivers: Any) -> Any:
        options = {"num_segments": nodes, "indices_are_sorted": True}
        return peers.jax.ops.segment_sum(x[senders], receivers, **options)

    def in_torch(x: Any, senders: Any, receivers: Any) -> Any:
        return peers.torch.zeros_like(x).index_add_(0, receivers, x[senders])

    return {"wonderland": ours, "numpy": by_hand, "jax": in_jax, "torch": in_torch}


def both_ends_functions(nodes: int) -> dict[str, Any]:
    """Messages made of what stands at both ends of every edge."""

    def ours(x: Any, w: Any, senders: Any, receivers: Any) -> Any:
        messages = np.tanh(np.concatenate([x[senders], x[receivers]], axis=1) @ w)
        return wl.ops.segment_sum(messages, receivers, nodes, indices_are_sorted=True)

    def in_jax(x: Any, w: Any, senders: Any, receivers: Any) -> Any:
        jnp = peers.jnp
        messages = jnp.tanh(jnp.concatenate([x[senders], x[receivers]], axis=1) @ w)
        options = {"num_segments": nodes, "indices_are_sorted": True}
        return peers.jax.ops.segment_sum(messages, receivers, **options)

    def in_torch(x: Any, w: Any, senders: Any, receivers: Any) -> Any:
        torch = peers.torch
        messages = torch.tanh(torch.cat([x[senders], x[receivers]], dim=1) @ w)
        return torch.zeros_like(x).index_add_(0, receivers, messages)

    return {"wonderland": ours, "jax": in_jax, "torch": in_torch}


def rows() -> Iterator[Row]:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 50_000, 8192, np.int32)
    table, slope = peers.random(50_000, 64), peers.random(8192, 64, seed=1)
    size, of_rows = "8192 of 50000 by 64", slope.nbytes
    runs = peers.runs([table, words], lookup_functions(), torch_compile=False)
    yield Row("embedding", size, runs, bytes=2 * of_rows)
    runs = peers.runs([table, words, slope], embedding_functions(), torch_compile=False)
    yield Row("embedding grad", size, runs, bytes=table.nbytes + of_rows)
    for nodes, edges, features in ((2708, 10_556, 16), (2708, 10_556, 64), (50_000, 1_000_000, 32)):
        x = peers.random(nodes, features)
        senders = rng.integers(0, nodes, edges, np.int32)
        receivers = np.sort(rng.integers(0, nodes, edges, np.int32))
        functions = message_functions(nodes)
        runs = peers.runs([x, senders, receivers], functions, torch_compile=False)
        moved = x.nbytes + senders.nbytes + edges * features * 4
        yield Row("message passing", f"{nodes} nodes, {edges} by {features}", runs, bytes=moved)
        if features == 32:
            w = peers.random(2 * features, features, seed=1)
            functions = both_ends_functions(nodes)
            runs = peers.runs([x, w, senders, receivers], functions, torch_compile=False)
            size = f"{nodes} nodes, {edges} by {features}"
            yield Row("messages of both ends", size, runs, bytes=2 * moved)
