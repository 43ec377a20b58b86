"""Attention as a layer: its laws, and that a decoder's steps are the causal call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

rng = np.random.default_rng(4)
X, MEMORY = rng.normal(size=(2, 6, 8)), rng.normal(size=(2, 5, 3))
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}


def attention(**options: Any) -> nn.MultiHeadAttention:
    return nn.MultiHeadAttention.init(wl.random.key(0), 8, 4, dtype="f8", **options)


def heads(layer: nn.Linear, x: Any, n: int) -> Any:
    y = x @ layer.weight + layer.bias
    return np.moveaxis(y.reshape(*y.shape[:-1], n, -1), 2, 1)


def by_hand(layer: nn.MultiHeadAttention, x: Any, memory: Any, kept: Any) -> np.ndarray:
    q = heads(layer.query, x, layer.heads)
    k, v = (heads(f, memory, layer.kv_heads) for f in (layer.key, layer.value))
    k, v = (np.repeat(a, layer.heads // layer.kv_heads, axis=1) for a in (k, v))
    weights = np.exp(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])) * kept
    y = np.moveaxis(weights / weights.sum(-1, keepdims=True) @ v, 1, 2)
    return y.reshape(x.shape) @ layer.out.weight + layer.out.bias


@pytest.mark.parametrize("kv_heads", [None, 2, 1])
def test_attention_is_its_formula(kv_heads: int | None) -> None:
    own = attention(kv_heads=kv_heads)
    np.testing.assert_allclose(own(X), by_hand(own, X, X, 1.0), **CLOSE)
    cross = attention(kv_heads=kv_heads, memory_size=3)
    mask = rng.random((2, 1, 6, 5)) > 0.3
    mask[..., 0] = True
    found = cross(X, MEMORY, mask=mask)
    np.testing.assert_allclose(found, by_hand(cross, X, MEMORY, mask), **CLOSE)


def test_attention_without_positions_does_not_see_the_order() -> None:
    own, order = attention(), rng.permutation(6)
    np.testing.assert_allclose(own(X[:, order]), own(X)[:, order], **CLOSE)
    turned = attention(rotary=100.0)
    assert not np.allclose(turned(X[:, order]), turned(X)[:, order])
    np.testing.assert_allclose(turned(X, positions=np.arange(6) + 40), turned(X), **CLOSE)


def test_what_comes_later_changes_nothing_where_attention_is_causal() -> None:
    own, other = attention(rotary=100.0), X.copy()
    other[:, 4:] += 1.0
    np.testing.assert_array_equal(own(X, causal=True)[:, :4], own(other, causal=True)[:, :4])
    assert not np.allclose(own(X)[:, :4], own(other)[:, :4])


def test_weights_are_what_values_are_summed_by() -> None:
    own = attention(kv_heads=2, rotary=100.0)
    weights = own.weights(X, causal=True)
    np.testing.assert_allclose(np.sum(weights, -1), np.ones((2, 4, 6)), **CLOSE)
    assert not np.any(np.triu(weights, 1))
    values = np.repeat(heads(own.value, X, 2), 2, axis=1)
    y = np.moveaxis(weights @ values, 1, 2).reshape(X.shape)
    np.testing.assert_allclose(y @ own.out.weight + own.out.bias, own(X, causal=True), **CLOSE)


@pytest.mark.parametrize("options", [{}, {"kv_heads": 2, "rotary": 100.0}])
def test_steps_by_one_program_are_the_causal_call(options: dict[str, Any]) -> None:
    own, traces = attention(**options), 0
    seen = rng.random((2, 1, 1, 6)) > 0.3
    seen[..., 0] = True
    bias = nn.alibi(4, 6, 6, dtype="f8")

    def step(own: Any, x: Any, cache: Any) -> Any:
        nonlocal traces
        traces += 1
        n = cache.position + np.arange(x.shape[1])
        return own.step(x, cache, mask=seen, bias=nn.alibi(4, n, 6, dtype="f8"))

    want = own(X, causal=True, mask=seen, bias=bias)
    compiled, cache = wl.jit(step), own.cache(2, 6)
    first, cache = compiled(own, X[:, :3], cache)  # a prompt at once
    found = [first]
    for t in range(3, 6):
        y, cache = compiled(own, X[:, t : t + 1], cache)
        found.append(y)
    np.testing.assert_allclose(np.concatenate(found, 1), want, **CLOSE)
    assert cache.position == 6
    assert traces == 2  # of three elements, and of one at any position


def test_a_remembered_memory_is_looked_at_as_the_memory_is() -> None:
    cross = attention(memory_size=3, kv_heads=2)
    mask = np.arange(5) < np.array([3, 5])[:, None, None, None]
    remembered = cross.remember(MEMORY)
    np.testing.assert_allclose(
        cross.recall(X[:, 2:3], remembered, mask=mask), cross(X, MEMORY, mask=mask)[:, 2:3], **CLOSE
    )


@pytest.mark.parametrize("causal", [False, True])
def test_its_gradient_agrees_with_differences(causal: bool) -> None:
    own = attention(kv_heads=2, rotary=100.0)
    wl.testing.check_gradients(lambda own, x: np.sum(own(x, causal=causal) ** 2), own, X)


def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ProgramError, match="got a size of 8, 3 heads and 3 kv_heads"):
        nn.MultiHeadAttention.init(wl.random.key(0), 8, 3)
    with pytest.raises(ProgramError, match="no rotary is required where there is a memory"):
        attention(rotary=100.0)(X, X)


def test_batches_and_memories_of_nothing() -> None:
    layer = nn.MultiHeadAttention.init(wl.random.key(0), 8, 4, kv_heads=2)
    x = np.ones((2, 5, 8), np.float32)
    assert layer(x[:0]).shape == (0, 5, 8)
    assert layer(x[:, :0], causal=True).shape == (2, 0, 8)
    np.testing.assert_array_equal(layer(x, x[:, :0]), 0 * x)
    assert nn.softmax(x[:, :0], axis=1).shape == nn.log_softmax(x[:, :0], axis=1).shape


def test_a_full_cache_takes_no_more() -> None:
    layer = nn.MultiHeadAttention.init(wl.random.key(0), 8, 4)
    x = np.ones((2, 3, 8), np.float32)
    _, cache = layer.step(x, layer.cache(2, 4))
    with pytest.raises(ProgramError, match="room for are required, 4, got 3 after 3"):
        layer.step(x, cache)
