"""Masked prediction on raw sound: what a hidden piece is, among all others of the batch.

    wonderland train wav2vec

Strided convolutions make 50 vectors a second of samples; runs of them are hidden, and a transformer
must tell from what is around which vector was there: the loss is -log softmax of the similarities
of its guess to the vectors of all places, at the one that is right (InfoNCE). No label is read.
Meanwhile a linear probe learns languages from what the transformer says; nothing flows from it into
the model, so its accuracy tells what was learned without labels.
Source: Baevski and others, wav2vec 2.0, 2020, here with targets that are continuous, as in van den
Oord and others, Representation learning with contrastive predictive coding, 2018.
"""

from __future__ import annotations

from typing import Any, Self

import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, majority
from wonderland.models.families.transformer import Block

KERNELS, STRIDES = (10, 8, 4, 4), (5, 4, 4, 2)
CHANNELS = (32, 64, 64, 64)
STEP = 5 * 4 * 4 * 2  # samples from a vector to the next
HIDDEN, SPAN = 0.1, 5  # how often a run of hidden vectors begins, and its length
TEMPERATURE = 0.1


@nn.layer
class Features:
    """Vectors of samples: convolutions with stride, each with a norm of its channels and gelu."""

    convolutions: tuple[nn.Conv, ...]
    norms: tuple[nn.LayerNorm, ...]

    @classmethod
    def init(cls, key: Any, channels: tuple[int, ...] = CHANNELS) -> Self:
        keys, inputs = random.split(key, len(channels)), (1, *channels[:-1])
        rows = zip(keys, inputs, channels, KERNELS, STRIDES, strict=True)
        return cls(
            tuple(
                nn.Conv.init(k, n, m, (w,), stride=s, padding="VALID", initializer=nn.he_normal)
                for k, n, m, w, s in rows
            ),
            tuple(nn.LayerNorm.init(m) for m in channels),
        )

    def __call__(self, samples: Any) -> Any:
        x = samples[..., None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = nn.gelu(norm(convolution(x)))
        return x


@nn.layer
class Context:
    """What a transformer makes of vectors, some of them hidden; a convolution tells where."""

    norm: nn.LayerNorm
    project: nn.Linear
    hidden: Any  # what stands for each vector that is hidden
    places: nn.Conv
    blocks: tuple[Block, ...]
    last: nn.LayerNorm

    @classmethod
    def init(
        cls, key: Any, inputs: int, size: int = 96, heads: int = 4, depth: int = 2, reach: int = 15
    ) -> Self:
        first, mask, place, *keys = random.split(key, depth + 3)
        return cls(
            nn.LayerNorm.init(inputs),
            nn.Linear.init(first, inputs, size),
            random.uniform(mask, (size,)),
            nn.Conv.init(place, size, size, (reach,), groups=heads),
            tuple(Block.init(k, size, heads) for k in keys),
            nn.LayerNorm.init(size),
        )

    def __call__(self, x: Any, real: Any, hidden: Any = None) -> Any:
        x = self.project(self.norm(x))
        if hidden is not None:
            x = np.where(hidden[..., None], self.hidden, x)
        x = np.where(real[..., None], x, 0)
        x = x + nn.gelu(self.places(x))
        for block in self.blocks:
            x = block(x, mask=real[:, None, None])
        return self.last(x)


@nn.layer
class Wav2Vec:
    """Features and their context, what compares both, and a probe that learns beside them."""

    features: Features
    context: Context
    guess: nn.Linear
    target: nn.Linear
    probe: nn.Linear

    @classmethod
    def init(cls, key: Any, classes: int, size: int = 96, common: int = 64) -> Self:
        keys = random.split(key, 5)
        channels = CHANNELS[-1]
        return cls(
            Features.init(keys[0]),
            Context.init(keys[1], channels, size),
            nn.Linear.init(keys[2], size, common),
            nn.Linear.init(keys[3], channels, common),
            nn.Linear.init(keys[4], 2 * size, classes),
        )

    def __call__(self, samples: Any, lengths: Any) -> Any:
        """Logits of the probe."""
        vectors = self.features(samples)
        real = spoken(vectors, lengths)
        return self.probe(moments(self.context(vectors, real), real))


def spoken(vectors: Any, lengths: Any) -> Any:
    """Which vectors begin within their clip."""
    return np.arange(vectors.shape[1]) * STEP < lengths[:, None]


def runs(key: Any, shape: tuple[int, int]) -> Any:
    """True in runs of SPAN places, which may overlap; one begins at each place by chance."""
    start = np.pad(random.bernoulli(key, HIDDEN, shape), ((0, 0), (SPAN - 1, 0)))
    return np.any(np.stack([start[:, i : i + shape[1]] for i in range(SPAN)]), axis=0)


def moments(x: Any, real: Any) -> Any:
    """Means over time and deviations: [batch, 2 size]."""
    weights = real[..., None] / np.maximum(np.sum(real, axis=1), 1)[:, None, None]
    mean = np.sum(x * weights, axis=1)
    variance = np.sum((x - mean[:, None]) ** 2 * weights, axis=1)
    return np.concatenate([mean, np.sqrt(variance + 1e-5)], axis=1)


def contrast(guess: Any, target: Any, real: Any, hidden: Any) -> Any:
    """Mean over hidden places of -log softmax(cosines / temperature) at the right target.

    All vectors of the batch that are real are choices: those of the same clip ask for what is said,
    those of others for who says it.
    """
    unit = [
        x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + 1e-6)
        for x in (guess.reshape(-1, guess.shape[-1]), target.reshape(-1, target.shape[-1]))
    ]
    scores = np.where(real.ravel(), unit[0] @ unit[1].T / TEMPERATURE, -1e9)
    losses = nn.logsumexp(scores, axis=1) - np.diagonal(scores)
    asked = (real & hidden).ravel()
    return np.sum(np.where(asked, losses, 0)) / np.maximum(np.sum(asked), 1)


def loss(model: Wav2Vec, batch: Any, key: Any) -> Any:
    """The contrast, and the probe's cross-entropy, which only the probe is trained by.

    Targets are held as well: the gradient is not that of differences, which move what is held.
    """
    samples, lengths, labels = batch
    vectors = model.features(samples)
    real = spoken(vectors, lengths)
    hidden = runs(key, real.shape)
    context = model.context(vectors, real, hidden)
    logits = model.probe(lax.stop_gradient(moments(context, real & ~hidden)))
    probing = np.mean(nn.softmax_cross_entropy_with_integer_labels(logits, labels))
    target = model.target(lax.stop_gradient(vectors))
    return contrast(model.guess(context), target, real, hidden) + probing


WAV2VEC = Recipe(
    name="wav2vec",
    chapter="11",
    about="hidden pieces of sound are told from others; a probe tells five languages",
    data=data.spoken_languages,
    init=lambda key, split: Wav2Vec.init(key, len(split.names)),
    loss=loss,
    score=class_accuracy,
    measure="accuracy",
    baseline=majority,
    stated=0.592,
    rate=2e-3,
    epochs=8,
    batch_size=16,
)

RECIPES = (WAV2VEC,)
