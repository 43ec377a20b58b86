"""Residual networks: x <- relu(x + f(x)), f two or three convolutions with batch normalisation.

    wonderland train resnet
    wonderland train resnext

The sum lets gradients through unchanged. A norm has statistics of the batch in training and running
ones at the end: blocks take and give them, as the loss does. Against overfitting there are weight
decay of matrices, mixtures of examples, and dropout before the classes.
Source: He, Zhang, Ren, Sun, Deep residual learning for image recognition, 2016; Xie, Girshick,
Dollár, Tu, He, Aggregated residual transformations for deep neural networks, 2017 (groups).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import majority

Statistics = tuple[nn.BatchStatistics, ...]


@nn.layer
class Unit:
    """A convolution, and the norm of its channels, which has the bias."""

    conv: nn.Conv
    norm: nn.BatchNorm

    @classmethod
    def init(
        cls, key: Any, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
    ) -> Self:
        """Of windows of size x size, padded by half of it on every side."""
        conv = nn.Conv.init(
            key, inputs, outputs, (size, size), stride=stride, padding=size // 2, groups=groups,
            bias=False, initializer=nn.he_normal,
        )  # fmt: skip
        return cls(conv, nn.BatchNorm.init(outputs))

    def __call__(self, x: Any, statistics: Any, train: bool) -> tuple[Any, Any]:
        return self.norm(self.conv(x), statistics, train=train)


@nn.layer
class Block:
    """relu(x + f(x)), f units with relu between them; x by a unit of 1x1 where sizes change."""

    units: tuple[Unit, ...]
    shortcut: Unit | None

    @classmethod
    def init(cls, key: Any, inputs: int, outputs: int, stride: int = 1) -> Self:
        """Two units of 3x3."""
        a, b, c = random.split(key, 3)
        units = Unit.init(a, inputs, outputs, 3, stride), Unit.init(b, outputs, outputs, 3)
        return cls(units, cls.other(c, inputs, outputs, stride))

    @classmethod
    def bottleneck(
        cls, key: Any, inputs: int, outputs: int, stride: int = 1, *, width: int, groups: int = 1
    ) -> Self:
        """To `width` channels by 1x1, a window of them in groups, and out of them by 1x1."""
        a, b, c, d = random.split(key, 4)
        units = (
            Unit.init(a, inputs, width, 1),
            Unit.init(b, width, width, 3, stride, groups),
            Unit.init(c, width, outputs, 1),
        )
        return cls(units, cls.other(d, inputs, outputs, stride))

    @staticmethod
    def other(key: Any, inputs: int, outputs: int, stride: int) -> Unit | None:
        same = inputs == outputs and stride == 1
        return None if same else Unit.init(key, inputs, outputs, 1, stride)

    def start(self) -> Statistics:
        units = (*self.units, *([self.shortcut] if self.shortcut else []))
        return tuple(unit.norm.start() for unit in units)

    def __call__(self, x: Any, statistics: Statistics, train: bool) -> tuple[Any, Statistics]:
        after = list(statistics)
        y, after[0] = self.units[0](x, after[0], train)
        for i, unit in enumerate(self.units[1:], 1):
            y, after[i] = unit(nn.relu(y), after[i], train)
        if self.shortcut is not None:
            x, after[-1] = self.shortcut(x, after[-1], train)
        return nn.relu(x + y), tuple(after)


@nn.layer
class ResNet:
    """Stages of blocks, each but the first with half of the places; classes of their mean."""

    stem: Unit
    blocks: tuple[Block, ...]
    dropout: nn.Dropout
    out: nn.Linear

    @classmethod
    def init(
        cls, key: Any, inputs: int, widths: tuple[int, ...], classes: int, *, depth: int = 1,
        stride: int = 1, block: Callable[..., Block] = Block.init, rate: float = 0.1,
    ) -> Self:  # fmt: skip
        """Of `depth` blocks for each width, made by `block(key, inputs, outputs, stride)`; the
        first convolution has a `stride` too."""
        first, last, *keys = random.split(key, 2 + depth * len(widths))
        stem, channels, blocks = Unit.init(first, inputs, widths[0], 3, stride), widths[0], []
        for i, (key, width) in enumerate(zip(keys, np.repeat(widths, depth).tolist(), strict=True)):
            blocks.append(block(key, channels, width, 2 if i and i % depth == 0 else 1))
            channels = width
        return cls(stem, tuple(blocks), nn.Dropout(rate), nn.Linear.init(last, channels, classes))

    def start(self) -> tuple[Statistics, ...]:
        """Running statistics before any batch."""
        return ((self.stem.norm.start(),), *(block.start() for block in self.blocks))

    def __call__(
        self, images: Any, statistics: tuple[Statistics, ...], key: Any = None
    ) -> tuple[Any, tuple[Statistics, ...]]:
        """Logits and statistics; in training where there is a key."""
        train = key is not None
        ((seen,), *rest), after = statistics, []
        x, seen = self.stem(images, seen, train)
        x = nn.relu(x)
        for block, own in zip(self.blocks, rest, strict=True):
            x, own = block(x, own, train)
            after.append(own)
        return self.out(self.dropout(nn.global_avg_pool(x), key)), ((seen,), *after)


def loss_by(mix: Callable[..., Any]) -> Callable[..., Any]:
    """Cross-entropy of examples that `mix` makes of those of the batch."""

    def loss(model: ResNet, batch: Any, key: Any, state: Any) -> tuple[Any, Any]:
        images, labels = batch
        first, second = random.split(key)
        images, targets = mix(first, images, nn.one_hot(labels, model.out.weight.shape[1]))
        logits, state = model(images, state, second)
        return np.mean(nn.softmax_cross_entropy(logits, targets)), state

    return loss


def score(model: ResNet, batch: Any, state: Any) -> Any:
    """The part of the images whose class is told, by running statistics."""
    images, labels = batch
    return nn.accuracy(model(images, state)[0], labels)


def decaying(schedule: Any) -> Any:
    """adamw, whose decay is of matrices and windows: scales and shifts may be what they like."""
    matrices = lambda model: wl.tree.map(lambda x: np.ndim(x) > 1, model)  # noqa: E731
    return wl.optim.adamw(schedule, weight_decay=0.02, mask=matrices)


def grouped(key: Any, inputs: int, outputs: int, stride: int) -> Block:
    return Block.bottleneck(key, inputs, outputs, stride, width=outputs // 2, groups=4)


RESNET = Recipe(
    name="resnet",
    chapter="9",
    about="residual blocks of 3x3 with batch norm, mixup, dropout, weight decay: clothes",
    data=data.fashion_mnist,
    init=lambda key, split: ResNet.init(key, 1, (16, 32, 64), len(split.names)),
    loss=loss_by(nn.mixup),
    score=score,
    measure="accuracy",
    baseline=majority,
    stated=0.917,
    rate=5e-3,
    optimizer=decaying,
    epochs=5,
    batch_size=128,
    state=ResNet.start,
)

RESNEXT = Recipe(
    name="resnext",
    chapter="9",
    about="residual bottlenecks whose windows are in groups, with cutmix: clothes",
    data=data.fashion_mnist,
    init=lambda key, split: ResNet.init(
        key, 1, (32, 64, 128), len(split.names), stride=2, block=grouped
    ),
    loss=loss_by(nn.cutmix),
    score=score,
    measure="accuracy",
    baseline=majority,
    stated=0.888,
    rate=5e-3,
    optimizer=decaying,
    epochs=5,
    batch_size=128,
    state=ResNet.start,
)

RECIPES = (RESNET, RESNEXT)
