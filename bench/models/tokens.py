"""Attention and the models made of it, and a mixer, which has a network along tokens instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import peers
from .model import (
    Model,
    cross_entropy,
    integers,
    layer_norm,
    linear,
    linear_weights,
    model,
    norm_weights,
    parameter,
    torch_linear,
    torch_norm,
    weights,
)

# ---------------------------------------------------------------- attention alone


def attention(batch: int, length: int, heads: int, size: int, forward: bool) -> Model:
    """Causal attention; with `forward` its outputs, else their sum weighted by some array."""
    shape = batch, length, heads, size
    q, k, v, ct = (peers.random(*shape, seed=s) for s in range(4))

    def function(m: Any, p: Sequence[Any], *ct: Any) -> Any:
        y = m.nn.dot_product_attention(*p, is_causal=True)
        return m.numpy.sum(y * ct[0]) / length if ct else y

    def module(p: Sequence[np.ndarray]) -> Any:
        torch = peers.torch

        class Attention(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.q, self.k, self.v = map(parameter, p)

            def forward(self, *ct: Any) -> Any:
                sides = (x.transpose(1, 2) for x in (self.q, self.k, self.v))
                attend = torch.nn.functional.scaled_dot_product_attention
                y = attend(*sides, is_causal=True).transpose(1, 2)
                return (y * ct[0]).sum() / length if ct else y

        return Attention()

    text = f"{batch} x {length}, {heads} heads of {size}"
    return Model(text, (q, k, v), () if forward else (ct,), function, module)


SIZES = {512: (4, 8), 2048: (1, 8), 8192: (1, 4)}  # length: batch, heads


def attention_of(length: int, forward: bool) -> Callable[..., Model]:
    batch, heads = SIZES[length]

    def make(batch: int = batch, length: int = length, heads: int = heads) -> Model:
        return attention(batch, length, heads, 64, forward)

    return make


for length in SIZES:
    small, quick = {"batch": 1, "length": 40, "heads": 2}, length == 2048
    model(f"attention {length}", "forward", small, quick=quick)(attention_of(length, True))
    name = f"attention {length} gradient"
    model(name, "gradient", small, quick=quick)(attention_of(length, False))


# ---------------------------------------------------------------- blocks


def block_weights(size: int, seed: int) -> dict[str, Any]:
    return {
        "norm1": norm_weights(size),
        "qkv": linear_weights(size, 3 * size, seed),
        "out": linear_weights(size, size, seed + 1),
        "norm2": norm_weights(size),
        "up": linear_weights(size, 4 * size, seed + 2),
        "down": linear_weights(4 * size, size, seed + 3),
    }


def block(m: Any, x: Any, p: Mapping[str, Any], heads: int, causal: bool) -> Any:
    """x + attention(norm(x)), then x + mlp(norm(x))"""
    batch, time, size = x.shape
    qkv = linear(m, layer_norm(m, x, p["norm1"]), p["qkv"])
    q, k, v = (part.reshape(batch, time, heads, -1) for part in m.numpy.split(qkv, 3, axis=-1))
    y = m.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(batch, time, size)
    x = x + linear(m, y, p["out"])
    hidden = m.nn.gelu(linear(m, layer_norm(m, x, p["norm2"]), p["up"]))
    return x + linear(m, hidden, p["down"])


def torch_block(p: Mapping[str, Any], heads: int, causal: bool) -> Any:
    torch = peers.torch
    F = torch.nn.functional

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = torch_norm(**p["norm1"]), torch_norm(**p["norm2"])
            self.qkv, self.out = torch_linear(**p["qkv"]), torch_linear(**p["out"])
            self.up, self.down = torch_linear(**p["up"]), torch_linear(**p["down"])

        def forward(self, x: Any) -> Any:
            batch, time, size = x.shape
            parts = self.qkv(self.norm1(x)).chunk(3, dim=-1)
            q, k, v = (part.view(batch, time, heads, -1).transpose(1, 2) for part in parts)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
            x = x + self.out(y.transpose(1, 2).reshape(batch, time, size))
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

    return Block()


# ---------------------------------------------------------------- a language model


def language_weights(words: int, length: int, size: int, layers: int) -> dict[str, Any]:
    return {
        "embed": weights(words, size, fan=size),
        "place": weights(length, size, fan=size),
        "blocks": [block_weights(size, 10 * n) for n in range(layers)],
        "norm": norm_weights(size),
        "head": weights(size, words),
    }


@model("transformer step", "step", {"batch": 2, "length": 8, "size": 16, "layers": 1}, quick=True)
def transformer(batch: int = 4, length: int = 128, size: int = 256, layers: int = 4) -> Model:
    """A causal language model of tokens and places; Radford et al., 2019."""
    words, heads = 1000, max(1, size // 64)
    parameters = language_weights(words, length, size, layers)
    tokens = integers(words, batch, length + 1)

    def function(m: Any, p: Any, tokens: Any, wanted: Any) -> Any:
        x = p["embed"][tokens] + p["place"]
        for one in p["blocks"]:
            x = block(m, x, one, heads, causal=True)
        return cross_entropy(m, layer_norm(m, x, p["norm"]) @ p["head"], wanted)

    def module(p: Any) -> Any:
        torch = peers.torch

        class Transformer(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embed = torch.nn.Embedding(words, size)
                self.embed.weight = parameter(p["embed"])
                self.place = parameter(p["place"])
                blocks = (torch_block(one, heads, causal=True) for one in p["blocks"])
                self.blocks = torch.nn.Sequential(*blocks)
                self.norm, self.head = torch_norm(**p["norm"]), torch_linear(p["head"])

            def forward(self, tokens: Any, wanted: Any) -> Any:
                x = self.blocks(self.embed(tokens) + self.place)
                logits = self.head(self.norm(x)).flatten(0, 1)
                return torch.nn.functional.cross_entropy(logits, wanted.flatten())

        return Transformer()

    text = f"{layers} x {size}, {batch} of {length} tokens"
    return Model(text, parameters, (tokens[:, :-1], tokens[:, 1:]), function, module)


# ---------------------------------------------------------------- images as tokens


def patches(x: Any, side: int) -> Any:
    """Pieces of images [batch, height, width, channels] as rows."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // side, side, width // side, side, channels)
    return x.swapaxes(2, 3).reshape(batch, -1, side * side * channels)


def images(batch: int) -> tuple[np.ndarray, np.ndarray]:
    return peers.random(batch, 32, 32, 3, seed=5), integers(10, batch)


def of_images(
    batch: int, size: int, blocks: list[Any], place: Any, mix: Callable[..., Any],
    torch_mix: Callable[[Any], Any], layers: int,
) -> Model:  # fmt: skip
    """Classes of the mean of patches, after blocks of any kind."""
    side = 4
    parameters = {
        "patch": linear_weights(side * side * 3, size),
        "blocks": blocks,
        "norm": norm_weights(size),
        "head": linear_weights(size, 10),
    }
    if place is not None:
        parameters["place"] = place

    def function(m: Any, p: Any, x: Any, y: Any) -> Any:
        x = linear(m, patches(x, side), p["patch"])
        if "place" in p:
            x = x + p["place"]
        for one in p["blocks"]:
            x = mix(m, x, one)
        x = m.numpy.mean(layer_norm(m, x, p["norm"]), axis=1)
        return cross_entropy(m, linear(m, x, p["head"]), y)

    def module(p: Any) -> Any:
        torch = peers.torch

        class Classifier(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.patch, self.head = torch_linear(**p["patch"]), torch_linear(**p["head"])
                self.place = parameter(p["place"]) if "place" in p else None
                self.blocks = torch.nn.Sequential(*map(torch_mix, p["blocks"]))
                self.norm = torch_norm(**p["norm"])

            def forward(self, x: Any, y: Any) -> Any:
                x = self.patch(patches(x, side))
                x = self.norm(self.blocks(x if self.place is None else x + self.place))
                return torch.nn.functional.cross_entropy(self.head(x.mean(1)), y)

        return Classifier()

    text = f"{layers} x {size}, {batch} of 32x32x3"
    return Model(text, parameters, images(batch), function, module)


@model("ViT step", "step", {"batch": 2, "size": 16, "layers": 1})
def vit(batch: int = 16, size: int = 192, layers: int = 4) -> Model:
    """A transformer of patches; Dosovitskiy et al., 2021."""
    heads = max(1, size // 64)
    return of_images(
        batch,
        size,
        [block_weights(size, 10 * n) for n in range(layers)],
        weights(64, size, fan=size),
        lambda m, x, p: block(m, x, p, heads, causal=False),
        lambda p: torch_block(p, heads, causal=False),
        layers,
    )


@model("Mixer step", "step", {"batch": 2, "size": 16, "layers": 1})
def mixer(batch: int = 16, size: int = 256, layers: int = 4) -> Model:
    """Networks along tokens and along channels in turn; Tolstikhin et al., 2021."""
    tokens = 64

    def mix(m: Any, x: Any, p: Any) -> Any:
        y = layer_norm(m, x, p["norm1"]).swapaxes(1, 2)
        y = linear(m, m.nn.gelu(linear(m, y, p["in"])), p["out"])
        x = x + y.swapaxes(1, 2)
        y = m.nn.gelu(linear(m, layer_norm(m, x, p["norm2"]), p["up"]))
        return x + linear(m, y, p["down"])

    def torch_mix(p: Any) -> Any:
        torch = peers.torch
        gelu = torch.nn.GELU("tanh")

        class Block(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.norm1, self.norm2 = torch_norm(**p["norm1"]), torch_norm(**p["norm2"])
                of = torch.nn.Sequential
                self.along = of(torch_linear(**p["in"]), gelu, torch_linear(**p["out"]))
                self.across = of(torch_linear(**p["up"]), gelu, torch_linear(**p["down"]))

            def forward(self, x: Any) -> Any:
                x = x + self.along(self.norm1(x).transpose(1, 2)).transpose(1, 2)
                return x + self.across(self.norm2(x))

        return Block()

    blocks = [
        {
            "norm1": norm_weights(size),
            "in": linear_weights(tokens, size // 2, 10 * n),
            "out": linear_weights(size // 2, tokens, 10 * n + 1),
            "norm2": norm_weights(size),
            "up": linear_weights(size, 4 * size, 10 * n + 2),
            "down": linear_weights(4 * size, size, 10 * n + 3),
        }
        for n in range(layers)
    ]
    return of_images(batch, size, blocks, None, mix, torch_mix, layers)


# ---------------------------------------------------------------- decoding


def decoder(batch: int, size: int = 512, layers: int = 6, length: int = 256) -> Model:
    """The logits after one token more of each text, by keys and values that are kept."""
    words, heads, at = 8000, max(1, size // 64), 3 * length // 4
    parameters = language_weights(words, length, size, layers)
    caches = [
        [peers.random(batch, length, heads, size // heads, seed=2 * n + s) for s in range(2)]
        for n in range(layers)
    ]
    inputs = integers(words, batch), np.array(at, np.int32)

    def function(m: Any, p: Any, caches: Any, tokens: Any, at: Any) -> Any:
        x = p["embed"][tokens][:, None] + p["place"][at]
        known = (m.numpy.arange(length) <= at)[None, None, None]
        after = []
        for one, (keys, values) in zip(p["blocks"], caches, strict=True):
            qkv = linear(m, layer_norm(m, x, one["norm1"]), one["qkv"])
            q, k, v = (t.reshape(batch, 1, heads, -1) for t in m.numpy.split(qkv, 3, axis=-1))
            keys = m.lax.dynamic_update_slice_in_dim(keys, k, at, 1)
            values = m.lax.dynamic_update_slice_in_dim(values, v, at, 1)
            y = m.nn.dot_product_attention(q, keys, values, mask=known)
            x = x + linear(m, y.reshape(batch, 1, size), one["out"])
            hidden = m.nn.gelu(linear(m, layer_norm(m, x, one["norm2"]), one["up"]))
            x = x + linear(m, hidden, one["down"])
            after.append([keys, values])
        return after, layer_norm(m, x[:, 0], p["norm"]) @ p["head"]

    def module(p: Any) -> Any:
        torch = peers.torch
        F = torch.nn.functional

        class Block(torch.nn.Module):
            def __init__(self, p: Any, keys: np.ndarray, values: np.ndarray) -> None:
                super().__init__()
                self.norm1, self.norm2 = torch_norm(**p["norm1"]), torch_norm(**p["norm2"])
                self.qkv, self.out = torch_linear(**p["qkv"]), torch_linear(**p["out"])
                self.up, self.down = torch_linear(**p["up"]), torch_linear(**p["down"])
                for name, kept in (("keys", keys), ("values", values)):
                    heads_first = torch.from_numpy(kept).transpose(1, 2)
                    self.register_buffer(name, heads_first.contiguous().clone())

            def forward(self, x: Any, at: Any, known: Any) -> Any:
                parts = self.qkv(self.norm1(x)).chunk(3, dim=-1)
                q, k, v = (t.view(batch, 1, heads, -1).transpose(1, 2) for t in parts)
                self.keys.index_copy_(2, at, k)
                self.values.index_copy_(2, at, v)
                y = F.scaled_dot_product_attention(q, self.keys, self.values, attn_mask=known)
                x = x + self.out(y.transpose(1, 2).reshape(batch, 1, size))
                return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

        class Decoder(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embed = torch.nn.Embedding(words, size)
                self.embed.weight = parameter(p["embed"])
                self.place = parameter(p["place"])
                pairs = zip(p["blocks"], caches, strict=True)
                self.blocks = torch.nn.ModuleList(Block(one, *kept) for one, kept in pairs)
                self.norm, self.head = torch_norm(**p["norm"]), torch_linear(p["head"])

            def forward(self, tokens: Any, at: Any) -> Any:
                known = (torch.arange(length) <= at)[None]
                x = self.embed(tokens)[:, None] + self.place[at]
                for one in self.blocks:
                    x = one(x, at.view(1), known)
                return self.head(self.norm(x[:, 0]))

        return Decoder()

    text = f"{layers} x {size}, {batch} of {length} tokens"
    return Model(text, parameters, inputs, function, module, state=caches)


@model("decode 1", "decode", {"size": 16, "layers": 1, "length": 8}, quick=True)
def decode_one(**sizes: int) -> Model:
    return decoder(1, **sizes)


@model("decode 8", "decode", {"size": 16, "layers": 1, "length": 8})
def decode_eight(**sizes: int) -> Model:
    return decoder(8, **sizes)
