"""Transformers: x + attention(norm(x)), then x + mlp(norm(x)), block after block.

    wonderland train encoder

An encoder looks at all tokens at once. A class token collects what is said of the whole; register
tokens give attention a place to keep what belongs to no token. Attention does not see the order:
`Positions` tells it, in five ways.
Source: Vaswani and others, Attention is all you need, 2017; Xiong and others, On layer
normalization in the transformer architecture, 2020 (pre-norm); Devlin and others, BERT, 2019 (class
token); Darcet and others, Vision transformers need registers, 2024.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, Self

import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, majority

Kind = Literal["none", "sinusoidal", "learned", "relative", "rotary", "alibi"]


@nn.layer
class Positions:
    """Where tokens stand: added to them, to the scores of attention, or turning its both sides."""

    kind: Kind
    heads: int
    table: Any = None

    @classmethod
    def init(
        cls, key: Any, kind: Kind, length: int, size: int, heads: int, both: bool = True
    ) -> Self:
        """For up to `length` tokens; `both` where they look to both sides."""
        tables = {
            "learned": lambda: nn.Embedding.init(key, length, size),
            "relative": lambda: nn.RelativePositions.init(key, heads, both=both),
        }
        return cls(kind, heads, tables[kind]() if kind in tables else None)

    def add(self, x: Any, places: Any) -> Any:
        """x [batch, time, size] with what stands for its places [time]."""
        if self.kind == "learned":
            return x + self.table(places)
        if self.kind == "sinusoidal":
            return x + nn.sinusoidal_positions(places, x.shape[-1], dtype=x.dtype)
        return x

    def bias(self, queries: Any, keys: Any, dtype: Any) -> Any:
        """What is added to scores, [heads, queries, keys], or None."""
        if self.kind == "relative":
            return self.table(queries, keys)
        return nn.alibi(self.heads, queries, keys, dtype) if self.kind == "alibi" else None


@nn.layer
class Block:
    """x + f(norm(x)) for f attention, attention to a memory, and an MLP; norm(x + f(x)), post-norm.

    A key turns on dropout of what f gives, at `rate`.
    """

    attention: nn.MultiHeadAttention
    attention_norm: Any
    cross: Any  # attention to a memory, or None
    cross_norm: Any
    mlp: Any
    mlp_norm: Any
    post: bool = False
    rate: float = 0.0

    @classmethod
    def init(
        cls, key: Any, size: int, heads: int, *, hidden: int | None = None, cross: bool = False,
        post: bool = False, rate: float = 0.0, norm: Any = nn.LayerNorm.init,
        mlp: Any = nn.MLP.init, **attention: Any,
    ) -> Self:  # fmt: skip
        """Of tokens of `size` features; `cross` where there will be a memory.

        LLaMA's block has norm=nn.RMSNorm.init, mlp=nn.GLU.init, rotary=10000.0, bias=False.
        """
        own, other, last = random.split(key, 3)
        return cls(
            nn.MultiHeadAttention.init(own, size, heads, **attention),
            norm(size),
            nn.MultiHeadAttention.init(other, size, heads) if cross else None,
            norm(size) if cross else None,
            mlp(last, size, 4 * size if hidden is None else hidden),
            norm(size),
            post,
            rate,
        )

    def __call__(
        self, x: Any, memory: Any = None, *, mask: Any = None, memory_mask: Any = None,
        bias: Any = None, causal: bool = False, key: Any = None,
    ) -> Any:  # fmt: skip
        keys = (None, None, None) if key is None else random.split(key, 3)
        attend = partial(self.attention, mask=mask, bias=bias, causal=causal)
        x = self.residual(self.attention_norm, attend, x, keys[0])
        if self.cross is not None:
            look = partial(self.cross, memory=memory, mask=memory_mask)
            x = self.residual(self.cross_norm, look, x, keys[1])
        return self.residual(self.mlp_norm, self.mlp, x, keys[2])

    def residual(self, norm: Any, f: Any, x: Any, key: Any = None) -> Any:
        y = f(x if self.post else norm(x))
        y = y if key is None else nn.dropout(key, y, self.rate)
        return norm(x + y) if self.post else x + y

    def step(
        self, x: Any, cache: nn.KeyValueCache, memory: Any = None, *,
        memory_mask: Any = None, bias: Any = None,
    ) -> tuple[Any, nn.KeyValueCache]:  # fmt: skip
        """The next tokens after those of the cache, as a causal call gives them."""
        kept = []

        def attend(x: Any) -> Any:
            y, after = self.attention.step(x, cache, bias=bias)
            kept.append(after)
            return y

        x = self.residual(self.attention_norm, attend, x)
        if self.cross is not None:
            look = partial(self.cross.recall, cache=memory, mask=memory_mask)
            x = self.residual(self.cross_norm, look, x)
        return self.residual(self.mlp_norm, self.mlp, x), kept[0]


def spread(key: Any, n: int) -> Any:
    """A key for each of n blocks, or none."""
    return (None,) * n if key is None else random.split(key, n)


# ---------------------------------------------------------------- the encoder


@nn.layer
class Encoder:
    """Logits of classes from the class token, after all tokens have looked at each other."""

    tokens: nn.Embedding
    special: Any  # the class token and registers, [1 + registers, size]
    positions: Positions
    blocks: tuple[Block, ...]
    norm: nn.LayerNorm
    head: nn.Linear

    @classmethod
    def init(
        cls, key: Any, alphabet: int, length: int, classes: int, *, size: int = 64, heads: int = 4,
        depth: int = 2, registers: int = 0, positions: Kind = "learned", post: bool = False,
        rate: float = 0.0,
    ) -> Self:  # fmt: skip
        tokens, special, places, head, *blocks = random.split(key, depth + 4)
        rotary = 10000.0 if positions == "rotary" else None
        whole = 1 + registers
        return cls(
            nn.Embedding.init(tokens, alphabet, size),
            random.normal(special, (whole, size)),
            Positions.init(places, positions, whole + length, size, heads),
            tuple(Block.init(k, size, heads, post=post, rate=rate, rotary=rotary) for k in blocks),
            nn.LayerNorm.init(size),
            nn.Linear.init(head, size, classes),
        )

    def __call__(self, ids: Any, key: Any = None) -> Any:
        """Of integers [batch, time], where 0 fills rows."""
        x, mask = self.embed(ids)
        bias = self.positions.bias(x.shape[1], x.shape[1], x.dtype)
        for block, k in zip(self.blocks, spread(key, len(self.blocks)), strict=True):
            x = block(x, mask=mask, bias=bias, key=k)
        return self.head(self.norm(x[:, 0]))

    def embed(self, ids: Any) -> tuple[Any, Any]:
        """Tokens after the special ones, [batch, time, size], and which of them there are."""
        whole, size = self.special.shape
        first = np.broadcast_to(self.special, (len(ids), whole, size))
        x = np.concatenate([first, self.tokens(ids) * size**0.5], axis=1)
        mask = np.concatenate([np.ones((len(ids), whole), bool), ids != 0], axis=1)
        return self.positions.add(x, np.arange(x.shape[1])), mask[:, None, None, :]


def class_loss(model: Encoder, batch: Any, key: Any = None) -> Any:
    """Mean cross-entropy."""
    ids, labels = batch
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(model(ids, key), labels))


RECIPES = (
    Recipe(
        name="encoder",
        chapter="10",
        about="an encoder with a class token tells 98 languages by what Django says",
        data=partial(data.languages, length=48),
        init=lambda key, split: Encoder.init(
            key, 256, split.train[0].shape[1], len(split.names), registers=2
        ),
        loss=class_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.471,
        rate=3e-3,
        epochs=2,
        batch_size=128,
    ),
)
