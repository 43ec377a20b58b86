"""Mamba: a state space whose step, and what it writes and reads, are chosen by the input.

h[t] = e^(d[t] A) h[t - 1] + d[t] B[t] u[t] and y[t] = C[t] h[t] + D u[t], where d, B and C are
linear in u[t]: what the model keeps, and for how long, depends on what it reads.

    wonderland train mamba
    wonderland generate mamba --prompt "It is a truth"

Source: Gu and Dao, Mamba: linear-time sequence modeling with selective state spaces, 2023.
"""

from __future__ import annotations

import math
from typing import Any, Self

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.language import bits, generate, text_loss, unigram

Cache = tuple[Any, Any]  # the inputs of the convolution before, the state


@nn.layer
class Mamba:
    """y, cache of x [batch, time, size] and the cache of all before, None at the beginning.

    Any way to cut the time gives the same: all at once, or a step at a time.
    """

    up: nn.Linear  # [size, 2 inner]
    conv_weight: Any  # [width, inner]
    conv_bias: Any
    select: nn.Linear  # [inner, rank + 2 states]
    step: nn.Linear  # [rank, inner]
    log_a: Any  # [states, inner]; A = -e^log_a
    skip: Any  # [inner]; D
    down: nn.Linear  # [inner, size]

    @classmethod
    def init(
        cls, key: Any, size: int, *, states: int = 16, expand: int = 2, width: int = 4
    ) -> Self:
        """A = -1, ... -states in each channel, and steps of 0.001 to 0.1."""
        keys, inner, rank = random.split(key, 7), expand * size, math.ceil(size / 16)
        d = np.exp(random.uniform(keys[0], (inner,), minval=math.log(1e-3), maxval=math.log(0.1)))
        step, ones = nn.Linear.init(keys[1], rank, inner), np.ones(inner, "float32")
        return cls(
            up=nn.Linear.init(keys[2], size, 2 * inner, bias=False),
            conv_weight=random.normal(keys[3], (width, inner)) / math.sqrt(width),
            conv_bias=np.zeros(inner, "float32"),
            select=nn.Linear.init(keys[4], inner, rank + 2 * states, bias=False),
            step=nn.Linear(step.weight, np.log(np.expm1(d))),  # softplus of it is d
            log_a=np.log(np.arange(1, states + 1, dtype="float32"))[:, None] * ones,
            skip=ones,
            down=nn.Linear.init(keys[5], inner, size, bias=False),
        )

    def start(self, batch: int) -> Cache:
        """The cache of nothing."""
        (width, inner), dtype = self.conv_weight.shape, self.skip.dtype
        states = np.zeros((batch, len(self.log_a), inner), dtype)
        return np.zeros((batch, width - 1, inner), dtype), states

    def __call__(self, x: Any, cache: Cache | None = None) -> tuple[Any, Cache]:
        width, states, time = len(self.conv_weight), len(self.log_a), x.shape[1]
        before, state = cache or (self.start(len(x))[0], None)
        u, gate = np.split(self.up(x), 2, axis=-1)
        seen = np.concatenate([before, u], axis=1)
        taps = (seen[:, i : i + time] * self.conv_weight[i] for i in range(width))
        u = nn.silu(sum(taps) + self.conv_bias)
        rank = len(self.step.weight)
        d, b, c = np.split(self.select(u), [rank, rank + states], axis=-1)
        d = nn.softplus(self.step(d))
        factors = np.exp(d[..., None, :] * -np.exp(self.log_a))
        h = nn.linear_recurrence(factors, (d * u)[..., None, :] * b[..., None], state)
        y = np.sum(h * c[..., None], axis=-2) + self.skip * u
        return self.down(y * nn.silu(gate)), (seen[:, time:], h[:, -1])


@nn.layer
class MambaModel:
    """Logits of the next token by layers x + Mamba(norm(x)), each in turn."""

    embedding: nn.Embedding
    norms: tuple[nn.RMSNorm, ...]
    mixers: tuple[Mamba, ...]
    last: nn.RMSNorm

    @classmethod
    def init(cls, key: Any, tokens: int, size: int, layers: int, **of: int) -> Self:
        first, *keys = random.split(key, layers + 1)
        return cls(
            nn.Embedding.init(first, tokens, size),
            tuple(nn.RMSNorm.init(size) for _ in keys),
            tuple(Mamba.init(k, size, **of) for k in keys),
            nn.RMSNorm.init(size),
        )

    def start(self, batch: int) -> tuple[Cache, ...]:
        """The caches of nothing."""
        return tuple(mixer.start(batch) for mixer in self.mixers)

    def __call__(self, tokens: Any) -> Any:
        return self.read(tokens)[1]

    def step(self, caches: tuple[Cache, ...], tokens: Any) -> tuple[tuple[Cache, ...], Any]:
        """The caches after one token of each text, and the logits of the next."""
        caches, logits = self.read(tokens[:, None], caches)
        return caches, logits[:, 0]

    def read(self, tokens: Any, caches: Any = None) -> tuple[tuple[Cache, ...], Any]:
        """The caches after tokens that follow those of the caches, and logits after each."""
        x, after, caches = self.embedding(tokens), [], caches or (None,) * len(self.mixers)
        for norm, mixer, cache in zip(self.norms, self.mixers, caches, strict=True):
            y, cache = mixer(norm(x), cache)
            x, after = x + y, [*after, cache]
        return tuple(after), self.embedding.attend(self.last(x))


# ---------------------------------------------------------------- recipe


def init(key: Any, split: data.Split) -> MambaModel:
    return MambaModel.init(key, len(split.names), 64, 2, states=8)


RECIPES = (
    Recipe(
        name="mamba",
        chapter="13",
        about="a selective state space that writes like six novels, by characters",
        data=lambda seed: data.novels(seed, 128, 24_000, 400),
        init=init,
        loss=text_loss,
        score=bits,
        measure="bits a character",
        higher=False,
        baseline=unigram,
        stated=2.0242,
        rate=5e-3,
        epochs=1,
        batch_size=16,
        generate=generate,
    ),
)
