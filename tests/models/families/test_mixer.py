"""What mixes tokens: matrices of means, transforms and networks, the same for every channel."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.families import transformer
from wonderland.models.families.mixer import (
    Block,
    Convolution,
    Fourier,
    MetaFormer,
    Pooling,
    TokenMLP,
)

KEY = wl.random.key(0)
X = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float32)


@pytest.mark.parametrize("mixer", [TokenMLP, Pooling, Convolution, Fourier])
def test_a_block_keeps_the_shape_and_the_model_gives_a_logit_for_each_class(mixer):
    block = Block.init(KEY, mixer.init(KEY, (3, 4), 6), 6, 5)
    assert block(X).shape == X.shape
    images = np.ones((2, 8, 12, 1), np.float32)
    model = MetaFormer.init(KEY, mixer, (8, 12, 1), 3, patch=4, channels=6, hidden=8, depth=1)
    assert model(images).shape == (2, 3)


def test_pooling_is_a_matrix_whose_rows_sum_to_zero():
    """A token's row has 1 / n for those around, n of them within the image, and -1 for itself."""
    places = np.stack(np.divmod(np.arange(12), 4), 1)
    near = np.max(abs(places[:, None] - places), axis=2) <= 1
    matrix = near / near.sum(1, keepdims=True) - np.eye(12)
    want = np.einsum("st,btc->bsc", matrix, X.reshape(2, 12, 6)).reshape(X.shape)
    np.testing.assert_allclose(Pooling()(X), want, atol=1e-6)


def test_fourier_is_products_with_three_matrices():
    def matrix(n):
        return np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) / np.sqrt(n)

    want = np.einsum("gh,vw,dc,bhwc->bgvd", *(matrix(n) for n in X.shape[1:]), X).real
    np.testing.assert_allclose(Fourier()(X), want, atol=1e-6)


@pytest.mark.parametrize("mixer", [TokenMLP, Pooling])
def test_channels_are_mixed_alike(mixer):
    mix, order = mixer.init(KEY, (3, 4), 6), np.array([3, 0, 5, 1, 2, 4])
    np.testing.assert_allclose(mix(X[..., order]), mix(X)[..., order], atol=1e-6)


def test_a_window_of_one_channel_sees_no_other():
    mix = Convolution.init(KEY, (3, 4), 6)
    other = X.copy()
    other[..., 2] += 1
    changed = np.any(np.abs(mix(other) - mix(X)) > 1e-6, axis=(0, 1, 2))
    np.testing.assert_array_equal(changed, np.arange(6) == 2)


def test_with_attention_the_block_is_a_transformers():
    theirs = transformer.Block.init(KEY, 6, 2)
    ours = Block(theirs.attention_norm, theirs.attention, theirs.mlp_norm, theirs.mlp)
    tokens = X.reshape(2, 12, 6)
    np.testing.assert_array_equal(ours(tokens), theirs(tokens))
    assert np.max(np.abs(ours(tokens) - tokens)) > 0.1
