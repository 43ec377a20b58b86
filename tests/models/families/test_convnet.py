"""Convolutional networks: what an output sees, which moves it does not, what a separable one is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.models import data
from wonderland.models.families import convnet

rng = np.random.default_rng(8)
WINDOWS = [
    [(3, 1, 1)] * 3,
    [(3, 1, 1), (2, 2, 1)] * 2,
    [(3, 1, 1), (3, 1, 2), (3, 1, 4)],
    [(5, 2, 1), (3, 3, 2), (2, 1, 3)],
]


@pytest.mark.parametrize("windows", WINDOWS)
def test_an_output_depends_on_its_receptive_field_alone(windows: list[Any]) -> None:
    def last(x: Any) -> Any:
        """The first output of windows whose weights are all 1, so that nothing cancels."""
        for size, stride, dilation in windows:
            w = np.ones((size, 1, 1))
            x = nn.Conv(w, stride=stride, padding="VALID", dilation=dilation)(x)
        return x[0, 0, 0]

    slope = wl.grad(last)(np.ones((1, 80, 1)))[0, :, 0]
    seen = convnet.receptive_field(windows)
    assert slope[0] > 0 and slope[seen - 1] > 0 and not slope[seen:].any()


@pytest.mark.parametrize("pool", [nn.max_pool, nn.avg_pool])
@pytest.mark.parametrize("whole", [nn.global_avg_pool, nn.global_max_pool])
@pytest.mark.parametrize("separable", [False, True])
def test_what_stands_elsewhere_by_the_step_of_all_pooling_is_the_same(
    pool: Any, whole: Any, separable: bool
) -> None:
    net = convnet.ConvNet.init(
        wl.random.key(1), (2, 3, 4), 5, separable=separable, pool=pool, whole=whole
    )
    images = np.zeros((2, 24, 24, 2), np.float32)
    thing = rng.normal(size=(4, 4, 2))
    images[0, 8:12, 8:12] = images[1, 12:16, 4:8] = thing
    logits = net(images)
    assert logits.shape == (2, 5)
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5, atol=1e-6)
    images[1] = np.roll(images[1], 1, axis=0)
    assert np.max(np.abs(net(images)[1] - logits[1])) > 1e-3


def test_a_separable_layer_is_a_convolution_of_rank_one() -> None:
    layer = convnet.Separable.init(wl.random.key(0), 3, 4, (3, 3))
    x = rng.normal(size=(2, 6, 6, 3))
    window = layer.depthwise.weight[:, :, 0, :, None] * layer.pointwise.weight[0, 0]
    np.testing.assert_allclose(layer(x), nn.Conv(window)(x), rtol=1e-5, atol=1e-6)


def test_the_trivial_predictor_says_the_commonest_class() -> None:
    split = data.Split((None, np.array([1, 2, 2])), (None, np.array([2, 0, 0, 2, 1])))
    assert convnet.majority(split) == pytest.approx(0.4)
