"""Convolutional networks: y[t] = relu(sum over k of x[t + k] @ weight[k]), pooled, again and again.

    wonderland train convnet
    wonderland train separable

Every place sees a window around it with the same weights; pooling halves the image, so that windows
of later layers see more of it. A separable layer has a window for each channel alone, and then a
product over channels at each place, a convolution of 1x1: 1 / outputs + 1 / 9 of the work.
Softmax regression of the pixels reads 84.5% of these clothes.
Source: LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition,
1998; Lin, Chen, Yan, Network in network, 2014 (1x1, global pooling); Chollet, Xception, 2017
(separable, nothing between).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Self

from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, class_loss, majority


@nn.layer
class Separable:
    """A window for each channel, then a matrix of channels at each place."""

    depthwise: nn.Conv
    pointwise: nn.Conv

    @classmethod
    def init(cls, key: Any, inputs: int, outputs: int, kernel: tuple[int, ...]) -> Self:
        first, second = random.split(key)
        return cls(
            nn.Conv.init(first, inputs, inputs, kernel, groups=inputs, bias=False),
            nn.Conv.init(second, inputs, outputs, (1, 1), initializer=nn.he_normal),
        )

    def __call__(self, x: Any) -> Any:
        return self.pointwise(self.depthwise(x))


@nn.layer
class ConvNet:
    """Convolutions of 3x3 with pooling by two between them; classes of what is left of places."""

    layers: tuple[Any, ...]
    out: nn.Linear
    pool: Callable[..., Any] = nn.max_pool
    whole: Callable[[Any], Any] = nn.global_avg_pool

    @classmethod
    def init(
        cls, key: Any, channels: tuple[int, ...], classes: int, *, separable: bool = False,
        pool: Callable[..., Any] = nn.max_pool, whole: Callable[[Any], Any] = nn.global_avg_pool,
    ) -> Self:  # fmt: skip
        """Of channels after each layer, the image's own first."""
        last, *keys = random.split(key, len(channels))
        plain = functools.partial(nn.Conv.init, initializer=nn.he_normal)
        kinds = [plain, *[Separable.init if separable else plain] * (len(keys) - 1)]
        layers = tuple(
            kind(k, n, m, (3, 3))
            for kind, k, (n, m) in zip(kinds, keys, pairwise(channels), strict=True)
        )
        return cls(layers, nn.Linear.init(last, channels[-1], classes), pool, whole)

    def __call__(self, images: Any) -> Any:
        """Logits of images [batch, height, width, channels]."""
        x = images
        for layer in self.layers:
            x = self.pool(nn.relu(layer(x)), (2, 2), (2, 2))
        return self.out(self.whole(x))


def receptive_field(windows: Iterable[tuple[int, int, int]]) -> int:
    """How many inputs, along an axis, an output sees of windows (size, stride, dilation) in turn.

    Three convolutions of 3, with pooling of 2 by 2 after each:
    >>> receptive_field([(3, 1, 1), (2, 2, 1)] * 3)
    22
    """
    seen, step = 1, 1
    for size, stride, dilation in windows:
        seen += (size - 1) * dilation * step
        step *= stride
    return seen


CONVNET = Recipe(
    name="convnet",
    chapter="7",
    about="convolutions of 3x3, max pooling, a mean over places: clothes on 28x28 pixels",
    data=data.fashion_mnist,
    init=lambda key, split: ConvNet.init(key, (1, 16, 32, 64), len(split.names)),
    loss=class_loss,
    score=class_accuracy,
    measure="accuracy",
    baseline=majority,
    stated=0.899,
    rate=3e-3,
    epochs=6,
    batch_size=64,
)

SEPARABLE = Recipe(
    name="separable",
    chapter="7",
    about="depthwise windows, 1x1 products, average pooling: clothes on 28x28 pixels",
    data=data.fashion_mnist,
    init=lambda key, split: ConvNet.init(
        key, (1, 32, 64, 128), len(split.names), separable=True, pool=nn.avg_pool
    ),
    loss=class_loss,
    score=class_accuracy,
    measure="accuracy",
    baseline=majority,
    stated=0.892,
    rate=4e-3,
    epochs=5,
    batch_size=64,
)

RECIPES = (CONVNET, SEPARABLE)
