"""How fast is softmax cross-entropy with its gradient in the logits? Integer labels, mean loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row


def ours(logits: Any, labels: Any) -> Any:
    def loss(z: Any) -> Any:
        return np.mean(wl.nn.softmax_cross_entropy_with_integer_labels(z, labels))

    return wl.value_and_grad(loss)(logits)


def by_hand(logits: Any, labels: Any) -> Any:
    rows = np.arange(len(logits))
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = np.mean(np.log(sums[:, 0]) - shifted[rows, labels])
    gradient = exponentials / sums
    gradient[rows, labels] -= 1
    gradient /= len(logits)
    return loss, gradient


def in_jax(logits: Any, labels: Any) -> Any:
    jax, jnp = peers.jax, peers.jnp

    def loss(z: Any) -> Any:
        chosen = jnp.take_along_axis(z, labels[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(z, axis=1) - chosen)

    return jax.value_and_grad(loss)(logits)


def torch_loss(logits: Any, labels: Any) -> Any:
    return peers.torch.nn.functional.cross_entropy(logits, labels)


def with_gradient(loss: Any) -> Any:
    def function(logits: Any, labels: Any) -> Any:
        z = logits.detach().requires_grad_()
        value = loss(z, labels)
        value.backward()
        return value.detach(), z.grad

    return function


def functions() -> dict[str, Any]:
    found = {
        "wonderland": ours,
        "numpy": by_hand,
        "jax": in_jax,
        "torch": with_gradient(torch_loss),
    }
    if peers.there("torch.compile"):
        found["torch.compile"] = with_gradient(peers.compiled_by_torch(torch_loss))
    return found


def rows() -> Iterator[Row]:
    for batch, classes in ((16, 1000), (64, 1000), (1024, 1000), (16384, 1000)):
        labels = np.random.default_rng(1).integers(0, classes, batch, np.int32)
        runs = peers.runs([peers.random(batch, classes), labels], functions())
        yield Row(
            "cross-entropy + grad", f"f32[{batch}, {classes}]", runs, bytes=8 * batch * classes
        )
