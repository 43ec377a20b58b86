"""A causal transformer: the odds of the next character by all before it, each block a look back.

    wonderland train decoder
    wonderland generate decoder --prompt "It is a truth"

Trained, it reads a window at once; generating, it reads one character after another and keeps keys
and values of those it has read, by one compiled program for all of them.
Source: Radford and others, Language models are unsupervised multitask learners, 2019; of LLaMA's
parts: Touvron and others, LLaMA, 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.language import TEMPERATURE, bits, numbered, text_loss, unigram
from wonderland.models.families.transformer import Block, Kind, Positions, spread

LENGTH = 128


@nn.layer
class Decoder:
    """Logits of the next token at each place; inputs and outputs share a table."""

    tokens: nn.Embedding
    positions: Positions
    blocks: tuple[Block, ...]
    norm: Any
    length: int

    @classmethod
    def init(
        cls, key: Any, alphabet: int, length: int, *, size: int = 128, heads: int = 4,
        depth: int = 3, positions: Kind = "rotary", norm: Any = nn.RMSNorm.init, **block: Any,
    ) -> Self:  # fmt: skip
        """For windows of `length`; `block` is handed on to each block."""
        tokens, places, *keys = random.split(key, depth + 2)
        turned = {"rotary": 10000.0} if positions == "rotary" else {}
        return cls(
            nn.Embedding.init(tokens, alphabet, size),
            Positions.init(places, positions, length, size, heads, both=False),
            tuple(Block.init(k, size, heads, norm=norm, **turned, **block) for k in keys),
            norm(size),
            length,
        )

    def __call__(self, ids: Any, key: Any = None) -> Any:
        """Of integers [batch, time]: [batch, time, alphabet]."""
        n = ids.shape[1]
        x = self.embed(ids, np.arange(n))
        bias = self.positions.bias(n, n, x.dtype)
        for block, k in zip(self.blocks, spread(key, len(self.blocks)), strict=True):
            x = block(x, bias=bias, causal=True, key=k)
        return self.tokens.attend(self.norm(x))

    def embed(self, ids: Any, places: Any) -> Any:
        return self.positions.add(self.tokens(ids) * self.tokens.weight.shape[1] ** 0.5, places)

    def caches(self, batch: int) -> tuple[nn.KeyValueCache, ...]:
        """Room for a window in each block."""
        return tuple(block.attention.cache(batch, self.length) for block in self.blocks)

    def step(self, ids: Any, caches: tuple[nn.KeyValueCache, ...]) -> tuple[Any, Any]:
        """Logits of the next tokens [batch, time] after those of the caches, and the caches."""
        places = caches[0].position + np.arange(ids.shape[1])
        x = self.embed(ids, places)
        bias = self.positions.bias(places, self.length, x.dtype)
        after = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, cache, bias=bias)
            after.append(cache)
        return self.tokens.attend(self.norm(x)), tuple(after)


def loss(model: Decoder, ids: Any, key: Any = None) -> Any:
    """Mean cross-entropy of each character by those before it; a key turns on dropout."""
    return text_loss(lambda ids: model(ids, key), ids)


def generate(model: Decoder, split: data.Split, key: Any, prompt: str) -> Iterator[str]:
    """The prompt continued without end, character by character; nothing is read twice until a
    window is full, when the later half of it is read again as the beginning of the next.
    """

    @partial(wl.jit, donate_argnums=2)
    def turn(model: Decoder, last: Any, caches: Any, key: Any) -> Any:
        logits, caches = model.step(last[None, None], caches)
        key, now = random.split(key)
        drawn = random.categorical(now, logits[0, 0] / TEMPERATURE)
        return drawn.astype(np.int32), caches, key

    ids: list[Any] = [np.asarray(place, np.int32) for place in numbered(prompt, split)]
    yield prompt
    caches: Any = None
    drawn: Any = None
    room, again = 0, model.length
    while True:
        if room:
            unread = ids[-1:]
        else:
            caches, room, unread = model.caches(1), model.length, ids[-again:]
            again = model.length // 2
        for k in unread:
            drawn, caches, key = turn(model, k, caches, key)
        room -= len(unread)
        ids.append(drawn)
        yield split.names[int(drawn)]


def picture(model: Decoder, split: data.Split) -> Any:
    """What a character costs by how many stand before it in its window."""
    from matplotlib.figure import Figure  # heavy, and optional

    ids = split.test[:256]
    logits = wl.jit(Decoder.__call__)(model, ids[:, :-1])
    errors = nn.softmax_cross_entropy_with_integer_labels(logits, ids[:, 1:])
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(range(1, ids.shape[1]), np.mean(errors, axis=0) / np.log(2.0), label="decoder")
    axes.axhline(unigram(split), color="gray", label="unigram")
    axes.set(xlabel="characters it knows", ylabel="bits a character")
    axes.legend()
    return figure


RECIPES = (
    Recipe(
        name="decoder",
        chapter="11",
        about="a causal decoder reads six novels of Jane Austen and goes on writing",
        data=partial(data.novels, length=LENGTH, train_rows=20000, test_rows=512),
        init=lambda key, split: Decoder.init(key, len(split.names), LENGTH),
        loss=loss,
        score=bits,
        measure="bits a character",
        higher=False,
        baseline=unigram,
        stated=1.94,
        rate=3e-3,
        epochs=1,
        batch_size=16,
        generate=generate,
        picture=picture,
    ),
)
