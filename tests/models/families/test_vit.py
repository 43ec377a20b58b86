"""A vision transformer knows where a patch is by its position alone."""

from __future__ import annotations

import dataclasses

import numpy as np

import wonderland as wl
from wonderland import nn
from wonderland.models.families.vit import VisionTransformer

IMAGES = np.random.default_rng(0).normal(size=(2, 4, 6, 1)).astype(np.float32)
MODEL = VisionTransformer.init(
    wl.random.key(0), (4, 6, 1), 3, patch=2, size=8, heads=2, depth=2, registers=2
)


def moved(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Images with their patches of 2x2 in another order."""
    patches = images.reshape(2, 2, 2, 3, 2).transpose(0, 1, 3, 2, 4).reshape(2, 6, 2, 2)[:, order]
    return patches.reshape(2, 2, 3, 2, 2).transpose(0, 1, 3, 2, 4).reshape(images.shape)


def test_without_positions_patches_are_a_set():
    """Their tokens go where they go; those of the class and of registers stay."""
    order = np.array([2, 0, 5, 3, 1, 4])
    nowhere = dataclasses.replace(
        MODEL, positions=nn.Embedding(np.zeros_like(MODEL.positions.weight))
    )
    want, found = nowhere.tokens(IMAGES), nowhere.tokens(moved(IMAGES, order))
    assert want.shape == (2, 1 + 2 + 6, 8)
    np.testing.assert_allclose(found[:, :3], want[:, :3], atol=1e-5)
    np.testing.assert_allclose(found[:, 3:], want[:, 3:][:, order], atol=1e-5)
    assert np.max(np.abs(MODEL(moved(IMAGES, order)) - MODEL(IMAGES))) > 1e-3


def test_registers_are_seen_and_are_not_read():
    fewer = dataclasses.replace(MODEL, registers=MODEL.registers[:0])
    assert fewer.tokens(IMAGES).shape == (2, 1 + 6, 8)
    assert np.max(np.abs(fewer(IMAGES) - MODEL(IMAGES))) > 1e-4
    assert MODEL(IMAGES).shape == (2, 3)
