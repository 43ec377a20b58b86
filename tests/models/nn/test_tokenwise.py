"""Embeddings, norms and networks as layers, against their formulas in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn

rng = np.random.default_rng(2)
KEY, X = wl.random.key(0), rng.normal(size=(2, 5, 6))


def silu(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def linear(layer: nn.Linear, x: Any) -> Any:
    return x @ layer.weight + (0 if layer.bias is None else layer.bias)


def test_an_embedding_looks_up_and_attends_by_one_table() -> None:
    table = nn.Embedding.init(KEY, 9, 6, dtype="f8")
    ids = rng.integers(0, 9, (2, 5))
    np.testing.assert_array_equal(table(ids), table.weight[ids])
    np.testing.assert_allclose(table.attend(X), X @ table.weight.T)
    rows = nn.Embedding.init(KEY, 4000, 16).weight
    assert np.mean(np.sum(rows**2, axis=1)) == pytest.approx(1, 0.02)


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_norm_begins_as_the_plain_one(bias: bool) -> None:
    norm = nn.LayerNorm.init(6, bias=bias, eps=1e-3, dtype="f8")
    want = (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(norm(X), want, rtol=1e-12)
    assert wl.tree.size(norm) == (12 if bias else 6)
    root = nn.RMSNorm.init(6, 1e-3, dtype="f8")(X)
    np.testing.assert_allclose(root, X / np.sqrt(np.mean(X * X, -1, keepdims=True) + 1e-3))


def test_networks_are_two_products_or_three() -> None:
    mlp = nn.MLP.init(KEY, 6, 8, 3, activation=nn.relu, dtype="f8")
    want = linear(mlp.down, np.maximum(linear(mlp.up, X), 0))
    np.testing.assert_allclose(mlp(X), want, rtol=1e-12)
    glu = nn.GLU.init(KEY, 6, 8, dtype="f8")
    want = linear(glu.down, silu(linear(glu.gate, X)) * linear(glu.up, X))
    np.testing.assert_allclose(glu(X), want, rtol=1e-12)
    assert glu.up.bias is None
    assert nn.MLP.init(KEY, 6, 8)(X).shape == X.shape
