"""Linear attention: y_t = f(q_t) S_t / f(q_t) z_t, S_t the sum of f(k_s) v_s^T over s <= t and
z_t that of f(k_s).

Without a softmax between them f(q_t) can wait for the sum of all f(k_s) v_s^T: a state, one matrix,
that has the whole past. All steps at once are sums by chunks, linear in the length; one step after
the other they are a recurrence, in which a text costs the same memory however long it gets.

    wonderland train linear_attention
    wonderland generate linear_attention --prompt "It is a truth"

Source: Katharopoulos and others, Transformers are RNNs, 2020; a look at the step before, since sums
know no order: Fu and others, Hungry hungry hippos, 2022.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.language import bits, generate, text_loss, unigram


def feature(x: Any) -> Any:
    """What makes similarities f(q) f(k) positive: elu(x) + 1."""
    return nn.elu(x) + 1


def with_ones(v: Any) -> Any:
    """v and a last column of ones, whose sums are the normalizer: one state keeps both."""
    return np.concatenate([v, np.ones((*v.shape[:-1], 1), v.dtype)], -1)


def normalised(sums: Any) -> Any:
    """The columns over the last of them."""
    return sums[..., :-1] / sums[..., -1:]


def attend(q: Any, k: Any, v: Any) -> Any:
    """By definition: all products of q and k [..., time, size], quadratic in time."""
    return normalised(np.tril(q @ k.mT) @ with_ones(v))


def attend_by_chunks(q: Any, k: Any, v: Any, chunk: int) -> Any:
    """The same, linear in time: within a chunk by products, what was before it by one state."""
    time, rows = q.shape[-2], -(-q.shape[-2] // chunk)

    def chunks(x: Any) -> Any:
        padding = [(0, 0)] * (x.ndim - 2) + [(0, rows * chunk - time), (0, 0)]
        return np.pad(x, padding).reshape(*x.shape[:-2], rows, chunk, x.shape[-1])

    q, k, v = chunks(q), chunks(k), chunks(with_ones(v))
    states = np.cumsum(k.mT @ v, -3)
    before = np.pad(states, [(0, 0)] * (q.ndim - 3) + [(1, 0), (0, 0), (0, 0)])[..., :-1, :, :]
    sums = np.tril(q @ k.mT) @ v + q @ before
    return normalised(sums.reshape(*sums.shape[:-3], rows * chunk, -1)[..., :time, :])


def turn(state: Any, step: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """One step of the recurrence: the state [..., size, size + 1] after it, and its output."""
    q, k, v = step
    state = state + k[..., None] * with_ones(v)[..., None, :]
    return state, normalised((q[..., None, :] @ state)[..., 0, :])


def attend_in_turn(q: Any, k: Any, v: Any) -> Any:
    """The same by the recurrence."""
    steps = tuple(np.moveaxis(x, -2, 0) for x in (q, k, v))
    start = np.zeros((*k.shape[:-2], k.shape[-1], v.shape[-1] + 1), v.dtype)
    return np.moveaxis(lax.scan(turn, start, steps)[1], 0, -2)


@nn.layer
class LinearAttention:
    """Heads of causal linear attention; q, k and v read a step and the one before it."""

    qkv: nn.Linear  # [2 * size, 3 * size]
    output: nn.Linear
    heads: int
    chunk: int = 32

    @classmethod
    def init(cls, key: Any, size: int, heads: int) -> Self:
        first, last = random.split(key)
        return cls(
            nn.Linear.init(first, 2 * size, 3 * size), nn.Linear.init(last, size, size), heads
        )

    def project(self, x: Any, before: Any) -> tuple[Any, Any, Any]:
        """q, k, v [..., heads, size of a head], after the feature map."""
        qkv = self.qkv(np.concatenate([x, before], -1))
        q, k, v = np.moveaxis(qkv.reshape(*x.shape[:-1], 3, self.heads, -1), -3, 0)
        return feature(q), feature(k), v

    def __call__(self, x: Any) -> Any:
        """All steps [batch, time, size] at once."""
        before = np.pad(x, [(0, 0), (1, 0), (0, 0)])[:, :-1]
        q, k, v = (np.swapaxes(a, 1, 2) for a in self.project(x, before))
        y = attend_by_chunks(q, k, v, self.chunk)
        return self.output(np.swapaxes(y, 1, 2).reshape(x.shape))

    def start(self, batch: int) -> tuple[Any, Any]:
        """The state before a sequence: no step before, an empty sum."""
        size = self.output.weight.shape[0]
        shape = batch, self.heads, size // self.heads, size // self.heads + 1
        dtype = self.output.weight.dtype
        return np.zeros((batch, size), dtype), np.zeros(shape, dtype)

    def step(self, state: tuple[Any, Any], x: Any) -> tuple[tuple[Any, Any], Any]:
        """One step [batch, size] after those of the state."""
        before, sums = state
        sums, y = turn(sums, self.project(x, before))
        return (x, sums), self.output(y.reshape(x.shape))


@nn.layer
class Block:
    """x + mixer(norm(x)), then x + mlp(norm(x)), of any mixer that has `start` and `step`."""

    mixer: Any
    mlp: nn.MLP
    norms: tuple[nn.LayerNorm, nn.LayerNorm]

    @classmethod
    def init(cls, key: Any, mixer: Any, size: int) -> Self:
        norms = nn.LayerNorm.init(size), nn.LayerNorm.init(size)
        return cls(mixer, nn.MLP.init(key, size, 2 * size), norms)

    def __call__(self, x: Any) -> Any:
        x = x + self.mixer(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))

    def step(self, state: Any, x: Any) -> tuple[Any, Any]:
        """The state of the mixer after a step, and the step's output."""
        state, y = self.mixer.step(state, self.norms[0](x))
        x = x + y
        return state, x + self.mlp(self.norms[1](x))


@nn.layer
class Reader:
    """Logits of the character that follows each one, by blocks of any mixer."""

    embedding: nn.Embedding
    blocks: tuple[Block, ...]
    norm: nn.LayerNorm
    head: nn.Linear

    @classmethod
    def init(cls, key: Any, mixer: Any, characters: int, size: int, depth: int = 2) -> Self:
        """`mixer` makes one of a key."""
        first, last, *keys = random.split(key, 2 + 2 * depth)
        blocks = (Block.init(keys[2 * i], mixer(keys[2 * i + 1]), size) for i in range(depth))
        return cls(
            nn.Embedding.init(first, characters, size),
            tuple(blocks),
            nn.LayerNorm.init(size),
            nn.Linear.init(last, size, characters),
        )

    def __call__(self, ids: Any) -> Any:
        """Logits [batch, time, characters] of ids [batch, time]."""
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def start(self, batch: int) -> Any:
        """The state before a text."""
        return tuple(block.mixer.start(batch) for block in self.blocks)

    def step(self, state: Any, ids: Any) -> tuple[Any, Any]:
        """The state after one character of each text, and the logits of the next."""
        x, states = self.embedding(ids), []
        for block, before in zip(self.blocks, state, strict=True):
            after, x = block.step(before, x)
            states.append(after)
        return tuple(states), self.head(self.norm(x))


SIZE = 96

RECIPES = (
    Recipe(
        name="linear_attention",
        chapter="11",
        about="linear attention reads six novels, a character at a time",
        data=partial(data.novels, length=128, train_rows=8 * 2400, test_rows=256),
        init=lambda key, split: Reader.init(
            key, lambda key: LinearAttention.init(key, SIZE, heads=4), len(split.names), SIZE
        ),
        loss=text_loss,
        score=bits,
        measure="bits a character",
        higher=False,
        baseline=unigram,
        stated=2.353,
        rate=5e-3,
        epochs=1,
        batch_size=8,
        generate=generate,
    ),
)
