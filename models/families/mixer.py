"""Transformers without attention: x + mix(norm(x)), then x + mlp(norm(x)), for any `mix` of tokens.

    wonderland train mixer
    wonderland train poolformer

What mixes tokens is handed in: a network along the tokens of each channel (MLP-Mixer), the mean of
those around (PoolFormer), a window for each channel (ConvFormer), a Fourier transform, which learns
nothing (FNet). With attention in its place the block is a transformer's. Tokens are patches of an
image and stay where they were, [batch, height, width, channels].
Source: Tolstikhin and others, MLP-Mixer, 2021; Yu and others, MetaFormer is actually what you need
for vision, 2022; Lee-Thorp and others, FNet, 2022.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, class_loss, majority


@nn.layer
class TokenMLP:
    """A network from all tokens to all tokens, the same for every channel."""

    mlp: nn.MLP

    @classmethod
    def init(cls, key: Any, shape: tuple[int, int], channels: int) -> Self:
        tokens = shape[0] * shape[1]
        return cls(nn.MLP.init(key, tokens, channels // 2))

    def __call__(self, x: Any) -> Any:
        along = np.swapaxes(x.reshape(len(x), -1, x.shape[-1]), 1, 2)
        return np.swapaxes(self.mlp(along), 1, 2).reshape(x.shape)


@nn.layer
class Pooling:
    """The mean of the tokens around, without the token itself, which the block adds."""

    size: int = 3

    @classmethod
    def init(cls, key: Any, shape: tuple[int, int], channels: int) -> Self:
        return cls()

    def __call__(self, x: Any) -> Any:
        window = self.size, self.size
        return nn.avg_pool(x, window, padding="SAME", count_include_pad=False) - x


@nn.layer
class Convolution:
    """A window of weights for each channel."""

    depthwise: nn.Conv

    @classmethod
    def init(cls, key: Any, shape: tuple[int, int], channels: int) -> Self:
        return cls(nn.Conv.init(key, channels, channels, (5, 5), groups=channels))

    def __call__(self, x: Any) -> Any:
        return self.depthwise(x)


@nn.layer
class Fourier:
    """The real part of the transform along tokens and channels."""

    @classmethod
    def init(cls, key: Any, shape: tuple[int, int], channels: int) -> Self:
        return cls()

    def __call__(self, x: Any) -> Any:
        return np.real(np.fft.fftn(x, axes=(1, 2, 3), norm="ortho"))


@nn.layer
class Block:
    """x + mix(norm(x)), then x + mlp(norm(x))"""

    mix_norm: nn.LayerNorm
    mix: Any
    mlp_norm: nn.LayerNorm
    mlp: nn.MLP

    @classmethod
    def init(cls, key: Any, mix: Any, channels: int, hidden: int) -> Self:
        norms = nn.LayerNorm.init(channels), nn.LayerNorm.init(channels)
        return cls(norms[0], mix, norms[1], nn.MLP.init(key, channels, hidden))

    def __call__(self, x: Any) -> Any:
        x = x + self.mix(self.mix_norm(x))
        return x + self.mlp(self.mlp_norm(x))


@nn.layer
class MetaFormer:
    """Classes of the mean of all tokens, after some blocks."""

    patches: nn.Conv
    blocks: tuple[Block, ...]
    norm: nn.LayerNorm
    head: nn.Linear

    @classmethod
    def init(
        cls, key: Any, mixer: Any, image: tuple[int, int, int], classes: int, *,
        patch: int = 4, channels: int = 64, hidden: int = 128, depth: int = 4,
    ) -> Self:  # fmt: skip
        """`mixer.init(key, (height, width), channels)` makes what mixes in each block."""
        first, last, *keys = random.split(key, depth + 2)
        shape = image[0] // patch, image[1] // patch
        pairs = [random.split(k) for k in keys]
        return cls(
            nn.Conv.init(first, image[2], channels, (patch, patch), stride=patch, padding="VALID"),
            tuple(
                Block.init(b, mixer.init(a, shape, channels), channels, hidden) for a, b in pairs
            ),
            nn.LayerNorm.init(channels),
            nn.Linear.init(last, channels, classes),
        )

    def __call__(self, images: Any) -> Any:
        """Logits of images [batch, height, width, channels]."""
        x = self.patches(images)
        for block in self.blocks:
            x = block(x)
        return self.head(np.mean(self.norm(x), axis=(1, 2)))


def recipe(name: str, mixer: Any, stated: float, about: str) -> Recipe:
    """One training run for all that mix tokens."""

    def init(key: Any, split: data.Split) -> MetaFormer:
        return MetaFormer.init(key, mixer, split.train[0].shape[1:], len(split.names))

    return Recipe(
        name=name,
        chapter="11",
        about=f"patches of clothes, mixed by {about}",
        data=partial(data.fashion_mnist, train_rows=20_000),
        init=init,
        loss=class_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=stated,
        rate=3e-3,
        epochs=3,
        batch_size=64,
    )


RECIPES = (
    recipe("mixer", TokenMLP, 0.858, "a network along tokens"),
    recipe("poolformer", Pooling, 0.795, "means of 3x3 tokens"),
    recipe("convformer", Convolution, 0.849, "depthwise windows of 5x5 tokens"),
    recipe("fnet", Fourier, 0.830, "Fourier transforms, which learn nothing"),
)
