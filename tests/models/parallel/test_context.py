"""Attention of sequences that processes share out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.numpy as wnp
from tests.models.parallel.programs import drawn
from wonderland import nn
from wonderland.models.families.transformer_decoder import Decoder
from wonderland.models.parallel import (
    PartitionSpec,
    context_parallel,
    ring_attention,
    shard,
    ulysses_attention,
    value_and_grad,
)

RNG = np.random.default_rng(0)
Q = RNG.normal(size=(2, 8, 4, 3))
K, V = RNG.normal(size=(2, 2, 8, 2, 3))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("attend", [ring_attention, ulysses_attention])
def test_attention_and_its_gradients_are_those_of_the_whole_sequence(
    attend: Any, causal: bool
) -> None:
    n = 4 if attend is ring_attention else 2
    weights = RNG.normal(size=Q.shape)

    def whole(q: Any, k: Any, v: Any) -> Any:
        return wnp.sum(nn.dot_product_attention(q, k, v, is_causal=causal) * weights)

    def parts(q: Any, k: Any, v: Any) -> Any:
        q, k, v, w = shard((q, k, v, weights), PartitionSpec(None, "context"))
        own = lambda q, k, v: wnp.sum(attend(q, k, v, "context", is_causal=causal) * w)  # noqa: E731
        return wl.lax.psum(own(q, k, v), "context"), wl.grad(own, (0, 1, 2))(q, k, v)

    with wl.disable_jit():
        expected = wl.value_and_grad(whole, (0, 1, 2))(Q, K, V)
        value, grads = wl.vmap(parts, None, axis_name="context", axis_size=n)(Q, K, V)
    np.testing.assert_allclose(value[0], expected[0], 1e-12)
    for x, y in zip(grads, expected[1], strict=True):
        np.testing.assert_allclose(np.concatenate(list(x), 1), y, 1e-10, 1e-12)


def test_scores_that_are_large_are_no_infinities() -> None:
    f = lambda q, k, v: ring_attention(q, k, v, "context")  # noqa: E731
    parts = lambda x: x.reshape(2, 2, 4, *x.shape[2:])  # noqa: E731
    found = wl.vmap(f, 1, 1, axis_name="context")(*map(parts, (300 * Q, 300 * K, V)))
    expected = nn.dot_product_attention(300 * Q, 300 * K, V)
    np.testing.assert_allclose(found.reshape(Q.shape), expected, 1e-9, 1e-12)


@pytest.mark.parametrize("ring", [False, True])
def test_a_transformer_learns_from_parts_of_its_windows(ring: bool) -> None:
    model = drawn(lambda key: Decoder.init(key, 16, 8, size=8, heads=2, depth=1))
    ids = RNG.integers(0, 16, (3, 9))

    def loss(model: Any, batch: Any) -> Any:
        x, y = batch
        return wnp.mean(nn.softmax_cross_entropy_with_integer_labels(model(x), y))

    def parts(model: Any) -> Any:
        own = shard((ids[:, :-1], ids[:, 1:]), PartitionSpec(None, "context"))
        many = lambda m, batch: loss(context_parallel(m, "context", ring=ring), batch)  # noqa: E731
        return value_and_grad(many, "context")(model, own)

    with wl.disable_jit():
        expected = wl.value_and_grad(loss)(model, (ids[:, :-1], ids[:, 1:]))
        found = wl.vmap(parts, None, None, axis_name="context", axis_size=2)(model)
    for x, y in zip(wl.tree.leaves(found), wl.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, 1e-10, 1e-12)


def test_heads_that_do_not_divide_are_refused() -> None:
    text = "ulysses_attention: heads and groups that are multiples of 4 processes are required"
    with pytest.raises(wl.ProgramError, match=text):
        wl.vmap(lambda q, k: ulysses_attention(q, k, k, "i"), 1, axis_name="i")(
            np.ones((2, 4, 2, 4, 3)), np.ones((2, 4, 2, 2, 3))
        )
    layer = drawn(lambda key: nn.MultiHeadAttention.init(key, 4, 2))
    with pytest.raises(wl.ProgramError, match="ContextParallel: no mask is required, got one"):
        context_parallel(layer, "i")(np.ones((1, 2, 4)), mask=np.ones((2, 2), bool))
