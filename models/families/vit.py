"""A vision transformer: patches of an image are words, beside a token of the class and registers.

    wonderland train vit

What the class token holds after the last block is read by a linear layer. Registers are tokens
without a place, for what the model keeps that is of no patch.
Source: Dosovitskiy and others, An image is worth 16x16 words, 2021; Darcet and others, Vision
transformers need registers, 2024.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, class_loss, majority
from wonderland.models.families.transformer import Block


@nn.layer
class VisionTransformer:
    """Logits of images [batch, height, width, channels]."""

    patches: nn.Conv
    class_token: Any  # [size]
    registers: Any  # [registers, size]
    positions: nn.Embedding  # of the class token, and of patches line by line
    blocks: tuple[Block, ...]
    norm: nn.LayerNorm
    head: nn.Linear

    @classmethod
    def init(
        cls, key: Any, image: tuple[int, int, int], classes: int, *, patch: int = 7,
        size: int = 64, heads: int = 4, depth: int = 4, registers: int = 2,
    ) -> Self:  # fmt: skip
        """For images of one shape, whose patches are patch x patch."""
        first, token, more, place, last, *keys = random.split(key, depth + 5)
        tokens = 1 + (image[0] // patch) * (image[1] // patch)
        return cls(
            nn.Conv.init(first, image[2], size, (patch, patch), stride=patch, padding="VALID"),
            0.02 * random.normal(token, (size,)),
            0.02 * random.normal(more, (registers, size)),
            nn.Embedding.init(place, tokens, size),
            tuple(Block.init(k, size, heads) for k in keys),
            nn.LayerNorm.init(size),
            nn.Linear.init(last, size, classes),
        )

    def tokens(self, images: Any) -> Any:
        """Every token after the last block: of the class, of the registers, of patches in turn."""
        x = self.patches(images).reshape(len(images), -1, self.class_token.shape[-1])
        first = np.broadcast_to(self.class_token, (len(x), 1, x.shape[-1]))
        x = np.concatenate([first, x], axis=1) + self.positions.weight
        more = np.broadcast_to(self.registers, (len(x), *self.registers.shape))
        x = np.concatenate([x[:, :1], more, x[:, 1:]], axis=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def __call__(self, images: Any) -> Any:
        return self.head(self.tokens(images)[:, 0])


def init(key: Any, split: data.Split) -> VisionTransformer:
    """For the images of a split."""
    return VisionTransformer.init(key, split.train[0].shape[1:], len(split.names))


VIT = Recipe(
    name="vit",
    chapter="11",
    about="a vision transformer with a class token and registers: clothes in 16 patches",
    data=partial(data.fashion_mnist, train_rows=20_000),
    init=init,
    loss=class_loss,
    score=class_accuracy,
    measure="accuracy",
    baseline=majority,
    stated=0.865,
    rate=2e-3,
    epochs=8,
    batch_size=64,
)

RECIPES = (VIT,)
