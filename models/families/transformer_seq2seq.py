"""An encoder and a decoder: a word is read as a whole, then said one phoneme after another.

    wonderland train encoder_decoder
    wonderland generate encoder_decoder --prompt wonderland

The decoder looks at what it has said, causally, and at all that the encoder has read, by attention
whose queries are its own and whose keys and values are the encoder's. It learns with the right
phonemes before each (teacher forcing); speaking, it has its own.
Source: Vaswani and others, Attention is all you need, 2017; the model is that of BART's size for
words: Lewis and others, BART, 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.transformer import Block, Kind, Positions, spread


@nn.layer
class EncoderDecoder:
    """Logits of the next token by those before it and by a source; 0 fills rows of both."""

    tokens: nn.Embedding
    source_positions: Positions
    positions: Positions
    readers: tuple[Block, ...]
    writers: tuple[Block, ...]
    source_norm: nn.LayerNorm
    norm: nn.LayerNorm
    length: int

    @classmethod
    def init(
        cls, key: Any, alphabet: int, source_length: int, length: int, *, size: int = 64,
        heads: int = 4, depth: int = 2, positions: Kind = "sinusoidal", **block: Any,
    ) -> Self:  # fmt: skip
        """For sources and targets of such lengths; `block` is handed on to each block."""
        tokens, first, second, *keys = random.split(key, 2 * depth + 3)
        turned = {"rotary": 10000.0} if positions == "rotary" else {}
        return cls(
            nn.Embedding.init(tokens, alphabet, size),
            Positions.init(first, positions, source_length, size, heads),
            Positions.init(second, positions, length, size, heads, both=False),
            tuple(Block.init(k, size, heads, **turned, **block) for k in keys[:depth]),
            tuple(Block.init(k, size, heads, cross=True, **turned, **block) for k in keys[depth:]),
            nn.LayerNorm.init(size),
            nn.LayerNorm.init(size),
            length,
        )

    def __call__(self, source: Any, ids: Any, key: Any = None) -> Any:
        """Of integers [batch, source time] and [batch, time]: [batch, time, alphabet]."""
        keys = spread(key, 2)
        memory, seen = self.read(source, keys[0])
        n = ids.shape[1]
        x = self.positions.add(self.embed(ids), np.arange(n))
        bias = self.positions.bias(n, n, x.dtype)
        for block, k in zip(self.writers, spread(keys[1], len(self.writers)), strict=True):
            x = block(x, memory, memory_mask=seen, bias=bias, causal=True, key=k)
        return self.tokens.attend(self.norm(x))

    def embed(self, ids: Any) -> Any:
        return self.tokens(ids) * self.tokens.weight.shape[1] ** 0.5

    def read(self, source: Any, key: Any = None) -> tuple[Any, Any]:
        """What the decoder looks at, [batch, source time, size], and where there is something."""
        n, mask = source.shape[1], (source != 0)[:, None, None, :]
        x = self.source_positions.add(self.embed(source), np.arange(n))
        bias = self.source_positions.bias(n, n, x.dtype)
        for block, k in zip(self.readers, spread(key, len(self.readers)), strict=True):
            x = block(x, mask=mask, bias=bias, key=k)
        return self.source_norm(x), mask

    def write(self, source: Any, first: int) -> Any:
        """The likeliest token after each: [batch, length], begun after `first`, one at a time."""
        memory, seen = self.read(source)
        remembered = [block.cross.remember(memory) for block in self.writers]
        caches = tuple(b.attention.cache(len(source), self.length) for b in self.writers)

        def turn(state: Any, t: Any) -> Any:
            last, caches = state
            x = self.positions.add(self.embed(last[:, None]), t[None])
            bias, after = self.positions.bias(t[None], self.length, x.dtype), []
            for block, cache, known in zip(self.writers, caches, remembered, strict=True):
                x, cache = block.step(x, cache, known, memory_mask=seen, bias=bias)
                after.append(cache)
            best = np.argmax(self.tokens.attend(self.norm(x))[:, 0], axis=-1).astype(np.int32)
            return (best, tuple(after)), best

        start = np.full(len(source), first, np.int32), caches
        return lax.scan(turn, start, np.arange(self.length, dtype=np.int32))[1].T


def next_loss(model: EncoderDecoder, batch: Any, key: Any = None) -> Any:
    """Mean cross-entropy of phonemes and stops, by the right ones before them."""
    words, said = batch
    logits = model(words, said[:, :-1], key)
    errors = nn.softmax_cross_entropy_with_integer_labels(logits, said[:, 1:])
    return np.sum(errors, where=said[:, 1:] != 0) / np.sum(said[:, 1:] != 0)


def phoneme_accuracy(model: EncoderDecoder, batch: Any) -> Any:
    """The part of phonemes and stops that are likeliest after the right ones (teacher forcing).

    Batches are of unequal words: on more than one it is the mean of theirs, by words.
    """
    words, said = batch
    right = np.argmax(model(words, said[:, :-1]), axis=-1) == said[:, 1:]
    return np.sum(right, where=said[:, 1:] != 0) / np.sum(said[:, 1:] != 0)


def by_the_one_before(split: data.Split) -> float:
    """The accuracy of what most often follows the phoneme before, without the word."""
    n = len(split.names)
    (_, known), (_, asked) = split.train, split.test
    pairs = known[:, :-1] * n + known[:, 1:]
    counts = np.bincount(pairs[known[:, 1:] != 0], minlength=n * n).reshape(n, n)
    right = np.argmax(counts, axis=1)[asked[:, :-1]] == asked[:, 1:]
    return float(np.mean(right[asked[:, 1:] != 0]))


def generate(model: EncoderDecoder, split: data.Split, key: Any, prompt: str) -> Iterator[str]:
    """The phonemes of each word of the prompt, the likeliest ones: nothing is drawn by the key."""
    place = {c: k for k, c in enumerate(split.names)}
    longest = split.train[0].shape[1]
    write = wl.jit(lambda model, source: model.write(source, data.STOP))
    for word in prompt.lower().split():
        if not (word.isascii() and word.isalpha() and len(word) <= longest):
            raise wl.ProgramError(
                f"generate: words of at most {longest} letters a to z are required, got {word!r}"
            )
        ids = [place[c] for c in word] + [0] * (longest - len(word))
        said = [split.names[k] for k in write(model, np.array([ids], np.int32))[0].tolist()]
        yield from said[: said.index(split.names[data.STOP])] if "\n" in said else said
        yield " "


def alignment(model: EncoderDecoder, source: Any, ids: Any) -> Any:
    """How much the last decoder block takes of each letter for each phoneme, by head."""
    memory, seen = model.read(source)
    x = model.positions.add(model.embed(ids), np.arange(ids.shape[1]))
    *blocks, last = model.writers
    for block in blocks:
        x = block(x, memory, memory_mask=seen, causal=True)
    x = last.residual(last.attention_norm, partial(last.attention, causal=True), x)
    return last.cross.weights(last.cross_norm(x), memory, mask=seen)


def picture(model: EncoderDecoder, split: data.Split, word: str = "wonderland") -> Any:
    """Which letters a phoneme comes from: the mean over heads of cross attention."""
    from matplotlib.figure import Figure  # heavy, and optional

    source = np.array([[split.names.index(c) for c in word]], np.int32)
    written = model.write(source, data.STOP)[0].tolist()
    said = written[: written.index(data.STOP) + 1] if data.STOP in written else written
    weights = alignment(model, source, np.array([[data.STOP, *said[:-1]]], np.int32))
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.mean(weights, axis=1)[0], cmap="Blues")
    axes.set_xticks(range(len(word)), list(word))
    axes.set_yticks(range(len(said)), [split.names[k].replace("\n", "end") for k in said])
    axes.set(xlabel="letter", ylabel="phoneme", title="what attention looks at")
    return figure


RECIPES = (
    Recipe(
        name="encoder_decoder",
        chapter="11",
        about="an encoder-decoder says English words: phonemes by cross attention to letters",
        data=data.phonemes,
        init=lambda key, split: EncoderDecoder.init(
            key, len(split.names), split.train[0].shape[1], split.train[1].shape[1] - 1
        ),
        loss=next_loss,
        score=phoneme_accuracy,
        measure="phoneme accuracy",
        baseline=by_the_one_before,
        stated=0.914,
        rate=3e-3,
        epochs=2,
        batch_size=128,
        generate=generate,
        picture=picture,
    ),
)
