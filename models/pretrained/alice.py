"""A decoder as LLaMA's, of 852,608 weights that were trained on Lewis Carroll.

x + attention(norm(x)), x + (silu(h W1) * (h W3)) W2 of h = norm(x), in four blocks: keys and
queries are rotated by their position, two heads share the keys of a group.

    alice = load()
    print("".join(alice.generate("Alice was", key=wl.random.key(0), length=20, temperature=0.0)))

The package glassllm is NumPy, with its own backward pass: `forward` and `loss` are its code, traced
as it is. Its cache grows by a row for every token, a program for each; `step` is the same block on
a cache of fixed places, one program for all positions.

Source: glassllm 0.1.0, MIT; Touvron and others, LLaMA, 2023; Su and others, RoFormer, 2021;
Ainslie and others, GQA, 2023; Shazeer, GLU variants improve transformer, 2020.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy

import wonderland as wl
import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models.data import found_package
from wonderland.models.pretrained.sampling import sampled

PACKAGE = "glassllm==0.1.0"


@nn.layer
class Stack:
    """The weights of all blocks, each an array whose first axis is the block."""

    norm1: Any
    query: Any
    key: Any
    value: Any
    out: Any
    norm2: Any
    gate: Any
    up: Any
    down: Any


THEIRS = (
    "norm1.gamma", "attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O",
    "norm2.gamma", "ffn.W1", "ffn.W3", "ffn.W2",
)  # fmt: skip
"""Of the same weights glassllm's names."""


@nn.layer
class Decoder:
    """The whole net, with what is no weight."""

    embedding: Any  # [tokens, features], of tokens in and, transposed, of logits out
    blocks: Stack
    norm: Any
    heads: int
    base: float  # of the rates of rotation
    eps: float

    def step(
        self, cache: Any, token: Any, position: Any, key: Any, number: Any, temperature: Any
    ) -> tuple[Any, Any, Any]:
        """The next token, drawn by a key and its number, its logits, and the cache with this one.

        A cache is keys and values [blocks, positions, groups, size]; what stands at later positions
        is not read.
        """
        positions, groups, size = cache[0].shape[1:]
        rates = self.base ** (-numpy.arange(0, size, 2) / size)
        angle = position.astype(self.norm.dtype) * np.asarray(rates, dtype=self.norm.dtype)
        past = (np.arange(positions) <= position)[None, None]

        def block(x: Any, inside: tuple[Stack, Any, Any]) -> tuple[Any, Any]:
            w, keys, values = inside
            h = nn.rms_norm(x, w.norm1, eps=self.eps)
            query = rotated((h @ w.query).reshape(1, self.heads, size), angle)
            keys = keys.at[position].set(rotated((h @ w.key).reshape(groups, size), angle))
            values = values.at[position].set((h @ w.value).reshape(groups, size))
            mixed = nn.dot_product_attention(query, keys, values, mask=past)
            x = x + mixed.reshape(-1) @ w.out
            h = nn.rms_norm(x, w.norm2, eps=self.eps)
            return x + (nn.silu(h @ w.gate) * (h @ w.up)) @ w.down, (keys, values)

        x, cache = lax.scan(block, self.embedding[token], (self.blocks, *cache))
        logits = self.embedding @ nn.rms_norm(x, self.norm, eps=self.eps)
        return sampled(logits, random.fold_in(key, number), temperature), logits, cache


def rotated(x: Any, angle: Any) -> Any:
    """Neighbours (even, odd) on the last axis, each pair turned by its angle."""
    even, odd, cos, sin = x[..., 0::2], x[..., 1::2], np.cos(angle), np.sin(angle)
    pairs = np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1)
    return pairs.reshape(x.shape)


step = wl.jit(Decoder.step, donate_argnums=1)


def whole(number: int) -> numpy.ndarray:
    """An array, which programs take faster than a number."""
    return numpy.asarray(number, numpy.int32)


class Alice:
    """glassllm's model and tokenizer: its forward pass and loss, and a cached step."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.forward, self.loss = wl.port(model.forward), wl.port(model.loss)

    def decoder(self) -> Decoder:
        """The weights as they are now."""
        config = self.model.cfg
        w = {name: p.data for name, p in self.model.named_parameters().items()}
        stacked = (numpy.stack([w[f"blocks.{k}.{name}"] for k in range(config.n_layers)])
                   for name in THEIRS)  # fmt: skip
        rest = config.n_heads, config.rope_base, config.eps
        return Decoder(w["E"], Stack(*stacked), w["norm_f.gamma"], *rest)

    def weights_and_tables(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arrays of `loss` by place: what is learned, and the rotations, which are not."""
        arrays = self.loss.arrays
        learned = [place for place in arrays if place.endswith(".data")]
        return {place: arrays.pop(place) for place in learned}, arrays

    def cache(self) -> tuple[Any, Any]:
        """Room for the keys and the values of all positions."""
        config, dtype = self.model.cfg, self.model.E.data.dtype
        size = config.d_model // config.n_heads
        shape = config.n_layers, config.max_len, config.n_kv_heads, size
        return numpy.zeros(shape, dtype), numpy.zeros(shape, dtype)

    def tokens(self, ids: list[int], *, key: Any, length: int, temperature: float) -> Iterator[int]:
        """The tokens that follow; each sees at most as many before it as there are positions.

        Where these are full the last of them are read again as if the text began there, as glassllm
        does.
        """
        if not ids:
            raise wl.ProgramError("generate: a prompt of one token or more is required, got none")
        w, cache, positions = self.decoder(), self.cache(), self.model.cfg.max_len
        warmth = numpy.asarray(temperature, w.norm.dtype)
        ids, position = ids[-positions:], 0
        unread, token = ids, 0
        for number in range(length):
            if position == positions:
                unread, position = ids, 0
            drawing = key, whole(number), warmth
            for read in unread:
                here, at = whole(read), whole(position)
                token, _, cache = step(w, cache, here, at, *drawing)
                position += 1
            unread = [int(token)]
            ids = (ids + unread)[-positions:]
            yield unread[0]

    def generate(self, prompt: str, *, key: Any, length: int, temperature: float) -> Iterator[str]:
        """The prompt, then what follows, a token at a time."""
        ids = self.tokenizer.encode(prompt)
        if ids:
            yield prompt
        for token in self.tokens(ids, key=key, length=length, temperature=temperature):
            yield self.tokenizer.decode([token])


def fine_tune(
    alice: Alice,
    text: str,
    *,
    steps: int,
    batch: int = 8,
    length: int = 64,
    rate: float = 3e-4,
    seed: int = 0,
) -> list[float]:
    """Train glassllm's own loss on windows of a text, in place; the loss of every step.

    The whole step is one program: the package's code, its gradient, and adam.
    """  # fmt: skip
    ids = numpy.asarray(alice.tokenizer.encode(text))
    optimizer = wl.optim.chain(wl.optim.clip_by_global_norm(1.0), wl.optim.adam(rate))
    weights, tables = alice.weights_and_tables()

    def train(weights: Any, state: Any, tables: Any, x: Any, y: Any) -> Any:
        def error(weights: Any) -> Any:
            return alice.loss.apply({**weights, **tables}, x, y).data

        value, slope = wl.value_and_grad(error)(weights)
        updates, state = optimizer.update(slope, state, weights)
        return wl.optim.apply_updates(weights, updates), state, value

    step, state = wl.jit(train, donate_argnums=(0, 1)), optimizer.init(weights)
    rng, losses = numpy.random.default_rng(seed), []
    for _ in range(steps):
        starts = rng.integers(0, len(ids) - length, batch)[:, None] + numpy.arange(length)
        weights, state, value = step(weights, state, tables, ids[starts], ids[starts + 1])
        losses.append(float(value))
    alice.loss.arrays = {**weights, **tables}
    return losses


def load(language: str = "en") -> Alice:
    """glassllm's weights; `pt` are those of a Portuguese corpus."""
    found_package("glassllm", PACKAGE)
    return Alice(*importlib.import_module("glassllm").load_pretrained(language))
