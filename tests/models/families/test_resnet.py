"""Residual networks: blocks around the identity, groups, statistics in training and at the end."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.models.families import resnet

rng = np.random.default_rng(9)
X = rng.normal(size=(4, 6, 6, 8)).astype(np.float32)


def basic(key: Any, inputs: int, outputs: int, stride: int = 1) -> resnet.Block:
    return resnet.Block.init(key, inputs, outputs, stride)


BLOCKS = {"basic": basic, "grouped": resnet.grouped}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_whose_last_scale_is_0_is_relu_of_what_it_is_given(kind: str) -> None:
    block = BLOCKS[kind](wl.random.key(0), 8, 8, 1)
    assert block.shortcut is None
    *before, last = block.units
    norm = dataclasses.replace(last.norm, weight=np.zeros(8, np.float32))
    block = dataclasses.replace(block, units=(*before, dataclasses.replace(last, norm=norm)))
    y, _ = block(X, block.start(), True)
    np.testing.assert_array_equal(y, np.maximum(X, 0))


def test_windows_in_groups_are_windows_of_blocks_on_the_diagonal() -> None:
    unit = resnet.Unit.init(wl.random.key(1), 8, 12, 3, groups=4)
    whole = np.zeros((3, 3, 8, 12), np.float32)
    for g in range(4):
        into, out = slice(2 * g, 2 * g + 2), slice(3 * g, 3 * g + 3)
        whole[..., into, out] = unit.conv.weight[..., out]
    plain = nn.Conv(whole, padding=1)
    np.testing.assert_allclose(unit.conv(X), plain(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", BLOCKS)
def test_examples_are_apart_at_the_end_and_together_in_training(kind: str) -> None:
    net = resnet.ResNet.init(wl.random.key(2), 8, (8, 16), 3, depth=2, block=BLOCKS[kind])
    assert [b.units[-2 if kind == "grouped" else 0].conv.stride for b in net.blocks] == [1, 1, 2, 1]
    state = net.start()
    logits, kept = net(X, state)
    alone, _ = net(X[:1], state)
    np.testing.assert_allclose(logits[:1], alone, rtol=1e-5, atol=1e-6)
    for a, b in zip(wl.tree.leaves(kept), wl.tree.leaves(state), strict=True):
        assert a is b

    key = wl.random.key(3)
    trained, after = net(X, state, key)
    assert wl.tree.structure(after) == wl.tree.structure(state)
    for a, b in zip(wl.tree.leaves(after), wl.tree.leaves(state), strict=True):
        assert np.all(np.abs(a - b) > 0)
    other = X.copy()
    other[1] *= 2
    assert np.max(np.abs(net(other, state, key)[0][0] - trained[0])) > 1e-4


def test_a_step_on_mixtures_hands_statistics_on() -> None:
    net = resnet.ResNet.init(wl.random.key(2), 1, (4, 8), 3)
    images, labels = X[..., :1], np.arange(4, dtype=np.int32) % 3
    for mix in (nn.mixup, nn.cutmix):
        value, after = resnet.loss_by(mix)(net, (images, labels), wl.random.key(0), net.start())
        assert np.ndim(value) == 0 and np.isfinite(value)
        assert 0 <= resnet.score(net, (images, labels), after) <= 1
        assert wl.tree.structure(after) == wl.tree.structure(net.start())


def test_weights_decay_and_what_is_added_does_not() -> None:
    net = resnet.ResNet.init(wl.random.key(2), 1, (4, 8), 3)
    optimizer = resnet.decaying(1.0)
    zeros = wl.tree.map(np.zeros_like, net)
    updates, _ = optimizer.update(zeros, optimizer.init(net), net)
    for weight, update in zip(wl.tree.leaves(net), wl.tree.leaves(updates), strict=True):
        want = -0.02 * weight if np.ndim(weight) > 1 else 0 * weight
        np.testing.assert_allclose(update, want, rtol=1e-6)
