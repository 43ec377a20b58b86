"""Convolutions beyond images: of series, along time, and of films, in time and space.

    y_t = the sum over k of x_(t + k) weight_k

A mean and a maximum over all steps make a series of any length a vector; what is put after a
shorter one to fill a batch is zeros before each convolution, and is not averaged.

    wonderland train sequence_conv  # which tree a leaf is of, by its outline
    wonderland train speakers_conv  # who speaks a vowel: series of unequal lengths
    wonderland train film_conv      # whether the pictures of a film are in order
"""

from __future__ import annotations

from typing import Any

import numpy

import wonderland.numpy as np
from wonderland import nn, optim, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, class_loss, majority

Array = Any


@nn.layer
class SequenceConv:
    """Logits of series: convolutions along time, each normed and cut at 0, then mean and maximum.

    Source: Wang, Yan, Oates, Time series classification from scratch with deep neural networks,
    2017.
    """

    convs: tuple[nn.Conv, ...]
    norms: tuple[nn.LayerNorm, ...]
    out: nn.Linear

    @classmethod
    def init(
        cls,
        key: Array,
        inputs: int,
        classes: int,
        *,
        size: int = 64,
        kernels: tuple[int, ...] = (9, 5, 3),
    ) -> SequenceConv:
        last, *keys = random.split(key, len(kernels) + 1)
        widths = [inputs] + [size] * len(kernels)
        made = zip(keys, widths, kernels, strict=False)
        convs = tuple(nn.Conv.init(k, n, size, (kernel,)) for k, n, kernel in made)
        norms = tuple(nn.LayerNorm.init(size) for _ in kernels)
        return cls(convs, norms, nn.Linear.init(last, 2 * size, classes))

    def __call__(self, x: Array, lengths: Array) -> Array:
        """Of series [batch, time, inputs] that end after `lengths` steps."""
        there = np.arange(x.shape[1])[None, :, None] < lengths[:, None, None]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = nn.relu(norm(conv(np.where(there, x, 0))))
        x = np.where(there, x, 0)  # which changes no maximum: none is less
        mean = np.sum(x, axis=1) / lengths[:, None].astype(x.dtype)
        return self.out(np.concatenate([mean, np.max(x, axis=1)], axis=1))


def init_series(key: Array, split: data.Split) -> SequenceConv:
    """For the channels and classes of the data."""
    return SequenceConv.init(key, split.train[0].shape[-1], len(split.names))


@nn.layer
class FilmConv:
    """Logits of films [batch, time, height, width, 1]: convolutions of windows in time and space.

    Source: Tran and others, Learning spatiotemporal features with 3D convolutional networks, 2015.
    """

    convs: tuple[nn.Conv, ...]
    out: nn.Linear

    @classmethod
    def init(cls, key: Array, classes: int, *, size: int = 32) -> FilmConv:
        a, b, c, d = random.split(key, 4)
        first, half = nn.he_normal, (1, 2, 2)
        return cls(
            (
                nn.Conv.init(a, 1, size // 2, (3, 5, 5), stride=half, initializer=first),
                nn.Conv.init(b, size // 2, size, (3, 3, 3), stride=half, initializer=first),
                nn.Conv.init(c, size, size, (3, 3, 3), stride=2, initializer=first),
            ),
            nn.Linear.init(d, 2 * size, classes),
        )

    def __call__(self, x: Array) -> Array:
        x = 4 * (x - np.mean(x, axis=1, keepdims=True))  # what stands still says nothing of time
        for conv in self.convs:
            x = nn.relu(conv(x))
        return self.out(np.concatenate([np.mean(x, (1, 2, 3)), np.max(x, (1, 2, 3))], axis=1))


def film_order(seed: int = 0) -> data.Split:
    """Pieces of films in which something moves, each as it was and with its pictures shuffled.

    Source: Misra, Zitnick, Hebert, Shuffle and learn: unsupervised learning using temporal order
    verification, 2016.
    """
    clips, rng = data.video_clips(seed), numpy.random.default_rng(seed)
    parts = []
    for x, _ in (clips.train, clips.test):
        x = x[numpy.abs(numpy.diff(x, axis=1)).mean((1, 2, 3, 4)) > MOVES]
        mixed = x.copy()
        for clip in mixed:
            clip[:] = clip[shuffled(rng, len(clip))]
        order = numpy.repeat(numpy.arange(2, dtype=numpy.int32), len(x))
        parts.append((numpy.concatenate([x, mixed]), order))
    return data.Split(*parts, names=("in order", "shuffled"))


MOVES = 0.01  # the mean change of brightness, of 0 to 1, from a picture to the next


def shuffled(rng: numpy.random.Generator, count: int) -> numpy.ndarray:
    """An order in which at most one picture follows, or comes before, the one it did."""
    while True:
        order = rng.permutation(count)
        if all((numpy.diff(order) == step).sum() <= 1 for step in (-1, 1)):
            return order


def film_loss(model: FilmConv, batch: Any, key: Array) -> Array:
    """Mean cross-entropy; each film is seen in a mirror or not, by a coin."""
    x, y = batch
    mirrored = random.bernoulli(key, 0.5, (len(x), 1, 1, 1, 1))
    logits = model(np.where(mirrored, x[:, :, :, ::-1], x))
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(logits, y))


CHAPTER = "8"  # convolutions beyond images

RECIPES = (
    Recipe(
        name="sequence_conv",
        chapter=CHAPTER,
        about="1-D convolutions: which of six trees a leaf is of, by its outline",
        data=lambda seed: data.time_series("OSULeaf", seed),
        init=init_series,
        loss=class_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.756,
        rate=3e-3,
        optimizer=lambda schedule: optim.adamw(schedule, weight_decay=1e-2),
        epochs=40,
        batch_size=20,
    ),
    Recipe(
        name="speakers_conv",
        chapter=CHAPTER,
        about="masks for unequal lengths: which of nine speakers says a Japanese vowel",
        data=lambda seed: data.time_series("JapaneseVowels", seed),
        init=init_series,
        loss=class_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.984,
        rate=3e-3,
        optimizer=lambda schedule: optim.adamw(schedule, weight_decay=1e-2),
        epochs=20,
        batch_size=27,
    ),
    Recipe(
        name="film_conv",
        chapter=CHAPTER,
        about="3-D convolutions: whether six pictures of a film are in order or shuffled",
        data=film_order,
        init=lambda key, split: FilmConv.init(key, len(split.names)),
        loss=film_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.902,
        rate=2e-3,
        optimizer=lambda schedule: optim.adamw(schedule, weight_decay=1e-2),
        epochs=12,
        batch_size=16,
    ),
)
