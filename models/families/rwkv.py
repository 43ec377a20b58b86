"""RWKV: a mean of all values so far, whose weights e^k decay with time: attention as a recurrence.

y[t] = (e^(u + k[t]) v[t] + S[t - 1]) / (e^(u + k[t]) + Z[t - 1]) in each channel, where S[t] and
Z[t] are the sums of e^(k[s] + (t - s) w) v[s] and of the same without v up to t, w below 0. They
are kept as multiples of e^m, m the greatest exponent so far: nothing overflows.

    wonderland train rwkv
    wonderland generate rwkv --prompt "It is a truth"

Source: Peng and others, RWKV: reinventing RNNs for the transformer era, 2023.
"""

from __future__ import annotations

import math
from typing import Any, Self

import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.language import bits, generate, text_loss, unigram

Sums = tuple[Any, Any, Any]  # S and Z over e^m, and m: [batch, size] each
NOTHING = -1e30  # the m of no term


def mean_so_far(w: Any, u: Any, k: Any, v: Any, sums: Sums) -> tuple[Any, Sums]:
    """y and the sums at the end, of k and v [batch, time, size] and the sums before."""
    above, below, m = (x[:, None] for x in sums)
    steps = np.arange(k.shape[1] + 1)[:, None] * w
    # m[t] = max(m[t - 1] + w, k[t]); what is divided out may be any number, so it has no slope
    m = lax.stop_gradient(lax.cummax(np.concatenate([m, k], 1) - steps, 1) + steps)
    kept, new = np.exp(m[:, :-1] + w - m[:, 1:]), np.exp(k - m[:, 1:])
    above = np.concatenate([above, nn.linear_recurrence(kept, new * v, above[:, 0])], 1)
    below = np.concatenate([below, nn.linear_recurrence(kept, new, below[:, 0])], 1)
    top = lax.stop_gradient(np.maximum(m[:, :-1], u + k))
    old, new = np.exp(m[:, :-1] - top), np.exp(u + k - top)
    y = (old * above[:, :-1] + new * v) / (old * below[:, :-1] + new)
    return y, (above[:, -1], below[:, -1], m[:, -1])


def shifted(x: Any, last: Any) -> Any:
    """What stood a step before, `last` before the first."""
    return np.concatenate([last[:, None], x[:, :-1]], 1)


@nn.layer
class TimeMix:
    """output(sigmoid(r) * mean so far) of r, k, v linear in mixtures of now and a step before."""

    decay: Any  # [size]; w = -e^decay
    first: Any  # u
    mix_key: Any
    mix_value: Any
    mix_receptance: Any
    key: nn.Linear
    value: nn.Linear
    receptance: nn.Linear
    output: nn.Linear

    @classmethod
    def init(cls, key: Any, size: int, depth: float) -> Self:
        """Channels of long to short memories; `depth` is 0 in the first layer, 1 in the last."""
        part = np.arange(size, dtype="float32") / max(1, size - 1)
        mix = part ** (1 - depth / 2)
        return cls(
            -5 + 8 * part ** (0.7 + 1.3 * depth),
            np.full(size, math.log(0.3), "float32"),
            mix,
            mix + 0.3 * depth,
            part ** (0.5 - depth / 4),
            *(nn.Linear.init(k, size, size, bias=False) for k in random.split(key, 4)),
        )

    def __call__(self, x: Any, last: Any, sums: Sums) -> tuple[Any, Sums]:
        before = shifted(x, last)
        k, v, r = (
            linear(x * mix + before * (1 - mix))
            for linear, mix in (
                (self.key, self.mix_key),
                (self.value, self.mix_value),
                (self.receptance, self.mix_receptance),
            )
        )
        y, sums = mean_so_far(-np.exp(self.decay), self.first, k, v, sums)
        return self.output(nn.sigmoid(r) * y), sums


@nn.layer
class ChannelMix:
    """sigmoid(r) * value(relu(k)^2) of r and k linear in mixtures of now and a step before."""

    mix_key: Any  # [size]
    mix_receptance: Any
    key: nn.Linear
    value: nn.Linear
    receptance: nn.Linear

    @classmethod
    def init(cls, key: Any, size: int, hidden: int, depth: float) -> Self:
        keys = random.split(key, 3)
        mix = (np.arange(size, dtype="float32") / max(1, size - 1)) ** (1 - depth / 2)
        sizes = (size, hidden), (hidden, size), (size, size)
        linears = (nn.Linear.init(k, *nm, bias=False) for k, nm in zip(keys, sizes, strict=True))
        return cls(mix, mix, *linears)

    def __call__(self, x: Any, last: Any) -> Any:
        before = shifted(x, last)
        k = self.key(x * self.mix_key + before * (1 - self.mix_key))
        r = self.receptance(x * self.mix_receptance + before * (1 - self.mix_receptance))
        return nn.sigmoid(r) * self.value(nn.relu(k) ** 2)


Cache = tuple[Any, Any, Sums]  # the last inputs of both mixtures, the sums


@nn.layer
class RWKVBlock:
    """x + time mix of norm(x), then x + channel mix of norm(x)"""

    norms: tuple[nn.LayerNorm, nn.LayerNorm]
    time: TimeMix
    channels: ChannelMix

    @classmethod
    def init(cls, key: Any, size: int, hidden: int, depth: float) -> Self:
        one, two = random.split(key)
        return cls(
            (nn.LayerNorm.init(size), nn.LayerNorm.init(size)),
            TimeMix.init(one, size, depth),
            ChannelMix.init(two, size, hidden, depth),
        )

    def __call__(self, x: Any, cache: Cache) -> tuple[Any, Cache]:
        first, second, sums = cache
        a = self.norms[0](x)
        y, sums = self.time(a, first, sums)
        x = x + y
        b = self.norms[1](x)
        return x + self.channels(b, second), (a[:, -1], b[:, -1], sums)


@nn.layer
class RWKV:
    """Logits of the next token by blocks; a text may be cut anywhere, caches go between."""

    embedding: nn.Embedding
    norm: nn.LayerNorm
    blocks: tuple[RWKVBlock, ...]
    last: nn.LayerNorm
    head: nn.Linear

    @classmethod
    def init(cls, key: Any, tokens: int, size: int, layers: int) -> Self:
        first, last, *keys = random.split(key, layers + 2)
        return cls(
            nn.Embedding.init(first, tokens, size),
            nn.LayerNorm.init(size),
            tuple(
                RWKVBlock.init(k, size, 4 * size, i / max(1, layers - 1))
                for i, k in enumerate(keys)
            ),
            nn.LayerNorm.init(size),
            nn.Linear.init(last, size, tokens, bias=False),
        )

    def start(self, batch: int) -> tuple[Cache, ...]:
        """The caches of nothing."""
        zero = np.zeros((batch, self.embedding.weight.shape[1]), self.embedding.weight.dtype)
        return ((zero, zero, (zero, zero, zero + NOTHING)),) * len(self.blocks)

    def __call__(self, tokens: Any) -> Any:
        return self.read(tokens)[1]

    def step(self, caches: tuple[Cache, ...], tokens: Any) -> tuple[tuple[Cache, ...], Any]:
        """The caches after one token of each text, and the logits of the next."""
        caches, logits = self.read(tokens[:, None], caches)
        return caches, logits[:, 0]

    def read(self, tokens: Any, caches: Any = None) -> tuple[tuple[Cache, ...], Any]:
        """The caches after tokens that follow those of the caches, and logits after each."""
        x, after = self.norm(self.embedding(tokens)), list[Cache]()
        for block, cache in zip(self.blocks, caches or self.start(len(tokens)), strict=True):
            x, cache = block(x, cache)
            after.append(cache)
        return tuple(after), self.head(self.last(x))


# ---------------------------------------------------------------- recipe


def init(key: Any, split: data.Split) -> RWKV:
    return RWKV.init(key, len(split.names), 64, 3)


RECIPES = (
    Recipe(
        name="rwkv",
        chapter="13",
        about="decaying means that write like six novels, by characters",
        data=lambda seed: data.novels(seed, 128, 24_000, 400),
        init=init,
        loss=text_loss,
        score=bits,
        measure="bits a character",
        higher=False,
        baseline=unigram,
        stated=1.8133,
        rate=5e-3,
        epochs=1,
        batch_size=16,
        generate=generate,
    ),
)
