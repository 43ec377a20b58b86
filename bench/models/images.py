"""Models of images: residual, convolutional, of diffusion, variational, of separable windows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import peers
from .image_words import Array, Images, TorchImages
from .model import Model, model

Tree = dict[str, Any]
Loss = Callable[..., Any]  # of words, parameters and data


class Weights:
    """Parameters by name, of one seed after the other."""

    def __init__(self) -> None:
        self.seeds = itertools.count(1)

    def window(self, size: int, inputs: int, outputs: int) -> np.ndarray:
        scale = np.float32((2 / (size * size * inputs)) ** 0.5)
        return peers.random(size, size, inputs, outputs, seed=next(self.seeds)) * scale

    def matrix(self, inputs: int, outputs: int) -> np.ndarray:
        scale = np.float32(inputs**-0.5)
        return peers.random(inputs, outputs, seed=next(self.seeds)) * scale

    def dense(self, inputs: int, outputs: int) -> Tree:
        return {"w": self.matrix(inputs, outputs), "b": np.zeros(outputs, np.float32)}

    def norm(self, channels: int) -> Tree:
        return {"gain": np.ones(channels, np.float32), "shift": np.zeros(channels, np.float32)}


def labels(classes: int, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, classes, count, np.int32)


def written_once(size: str, loss: Loss, params: Tree, data: tuple[np.ndarray, ...]) -> Model:
    """A model of a function over words."""

    def function(m: Any, params: Tree, *data: Array) -> Array:
        return loss(Images(m), params, *data)

    def module(params: Tree) -> Any:
        torch, words = peers.torch, TorchImages()

        class Module(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.kept = torch.nn.ParameterList()
                self.tree = self.parameters_of("", params)

            def parameters_of(self, name: str, x: Any) -> Any:
                if isinstance(x, dict):
                    return {k: self.parameters_of(k, v) for k, v in x.items()}
                if isinstance(x, list):
                    return [self.parameters_of(name, v) for v in x]
                self.kept.append(words.parameter(name, x))
                return self.kept[-1]

            def forward(self, *data: Any) -> Any:
                return loss(words, self.tree, *data)

        return Module()

    return Model(size, params, data, function, module)


# ---------------------------------------------------------------- residual


def resnet_params(widths: tuple[int, ...]) -> Tree:
    of = Weights()
    stages, last = [], widths[0]
    for k, width in enumerate(widths):
        for turn in range(2):
            block = {
                "first": of.window(3, last, width), "norm": of.norm(width),
                "second": of.window(3, width, width), "norm2": of.norm(width),
            }  # fmt: skip
            if turn == 0 and k:
                block |= {"skip": of.window(1, last, width), "norm3": of.norm(width)}
            stages.append(block)
            last = width
    stem = {"stem": of.window(3, 3, widths[0]), "norm": of.norm(widths[0])}
    return stem | {"blocks": stages, "out": of.dense(last, 10)}


def resnet(o: Any, p: Tree, x: Array) -> Array:
    """He, Zhang, Ren, Sun, Deep residual learning, 2016: that of 18 layers, for small images."""

    def normal(x: Array, norm: Tree) -> Array:
        return o.batch_norm(x, norm["gain"], norm["shift"])

    x = o.relu(normal(o.conv(o.image(x), p["stem"]), p["norm"]))
    for block in p["blocks"]:
        stride = 2 if "skip" in block else 1
        y = o.relu(normal(o.conv(x, block["first"], stride), block["norm"]))
        y = normal(o.conv(y, block["second"]), block["norm2"])
        if "skip" in block:
            x = normal(o.conv(x, block["skip"], stride), block["norm3"])
        x = o.relu(x + y)
    return o.dense(o.mean(x), p["out"]["w"], p["out"]["b"])


def resnet_loss(o: Any, p: Tree, x: Array, y: Array) -> Array:
    return o.cross_entropy(resnet(o, p, x), y)


SMALL = {"batch": 2, "width": 8}


def resnet_data(batch: int, width: int) -> tuple[str, Tree, np.ndarray]:
    params = resnet_params((width, 2 * width, 4 * width, 8 * width))
    return f"18 layers from {width}, {batch} x 32x32x3", params, peers.random(batch, 32, 32, 3)


@model("ResNet forward", "forward", SMALL, quick=True)
def resnet_forward(batch: int = 32, width: int = 32) -> Model:
    size, params, x = resnet_data(batch, width)
    return written_once(size, resnet, params, (x,))


@model("ResNet step", "step", SMALL)
def resnet_step(batch: int = 32, width: int = 32) -> Model:
    size, params, x = resnet_data(batch, width)
    return written_once(size, resnet_loss, params, (x, labels(10, len(x))))


# ---------------------------------------------------------------- convolutional


def cnn_loss(o: Any, p: Tree, x: Array, y: Array) -> Array:
    """LeCun, Bottou, Bengio, Haffner, Gradient-based learning, 1998, with today's widths."""
    x = o.image(x)
    for w, b in zip(p["windows"], p["biases"], strict=True):
        x = o.max_pool(o.relu(o.conv(x, w) + o.every_place(b[None])))
    x = o.relu(o.dense(o.flat(x), p["hidden"]["w"], p["hidden"]["b"]))
    return o.cross_entropy(o.dense(x, p["out"]["w"], p["out"]["b"]), y)


@model("CNN step", "step", SMALL, quick=True)
def cnn(batch: int = 128, width: int = 32) -> Model:
    of = Weights()
    params = {
        "windows": [of.window(3, 1, width), of.window(3, width, 2 * width)],
        "biases": [np.zeros(width, np.float32), np.zeros(2 * width, np.float32)],
        "hidden": of.dense(49 * 2 * width, 128), "out": of.dense(128, 10),
    }  # fmt: skip
    data = peers.random(batch, 28, 28, 1), labels(10, batch)
    return written_once(f"{width}, {2 * width}, {batch} x 28x28", cnn_loss, params, data)


# ---------------------------------------------------------------- diffusion


def unet_params(width: int) -> Tree:
    of = Weights()

    def block(inputs: int, outputs: int) -> Tree:
        return {
            "norm": of.norm(inputs), "first": of.window(3, inputs, outputs),
            "time": of.dense(4 * width, outputs), "norm2": of.norm(outputs),
            "second": of.window(3, outputs, outputs), "skip": of.window(1, inputs, outputs),
        }  # fmt: skip

    a, b, c = width, 2 * width, 4 * width
    return {
        "time": [of.dense(width, 4 * width), of.dense(4 * width, 4 * width)],
        "first": of.window(3, 3, a),
        "down": [block(a, a), block(a, b), block(b, c)],
        "smaller": [of.window(3, a, a), of.window(3, b, b)],
        "attention": {"norm": of.norm(c), "qkv": of.matrix(c, 3 * c), "out": of.matrix(c, c)},
        "middle": block(c, c),
        "larger": [of.window(3, c, b), of.window(3, b, a)],
        "back": [block(2 * b, b), block(2 * a, a)],
        "norm": of.norm(a), "last": of.window(3, a, 3),
    }  # fmt: skip


def unet_loss(o: Any, p: Tree, x: Array, noise: Array, angles: Array) -> Array:
    """The noise that is found in images; Ho, Jain, Abbeel, Denoising diffusion, 2020."""

    def normal(x: Array, norm: Tree) -> Array:
        return o.group_norm(x, norm["gain"], norm["shift"])

    first, second = p["time"]
    time = o.silu(o.dense(angles, first["w"], first["b"]))
    time = o.silu(o.dense(time, second["w"], second["b"]))

    def block(x: Array, b: Tree) -> Array:
        y = o.conv(o.silu(normal(x, b["norm"])), b["first"])
        y = y + o.every_place(o.dense(time, b["time"]["w"], b["time"]["b"]))
        y = o.conv(o.silu(normal(y, b["norm2"])), b["second"])
        return o.conv(x, b["skip"]) + y

    x, noise = o.image(x), o.image(noise)
    y, left = o.conv(x + noise, p["first"]), []
    for k, b in enumerate(p["down"]):
        y = block(y, b)
        if k < len(p["smaller"]):
            left.append(y)
            y = o.conv(y, p["smaller"][k], 2)
    q = p["attention"]
    y = block(y + o.attention(normal(y, q["norm"]), q["qkv"], q["out"]), p["middle"])
    for w, b in zip(p["larger"], p["back"], strict=True):
        y = block(o.beside(o.conv(o.twice(y), w), left.pop()), b)
    y = o.conv(o.silu(normal(y, p["norm"])), p["last"])
    return ((y - noise) ** 2).mean()


@model("U-Net of diffusion step", "step", SMALL)
def unet(batch: int = 8, width: int = 32) -> Model:
    images = peers.random(batch, 32, 32, 3), peers.random(batch, 32, 32, 3, seed=1)
    data = *images, np.cos(peers.random(batch, width, seed=2))
    size = f"{width} to {4 * width}, {batch} x 32x32x3"
    return written_once(size, unet_loss, unet_params(width), data)


# ---------------------------------------------------------------- variational


def vae_loss(o: Any, p: Tree, x: Array, noise: Array) -> Array:
    """Kingma and Welling, Auto-encoding variational Bayes, 2013, of windows 2 apart."""
    image, half = o.image(x), noise.shape[1]
    h = o.relu(o.conv(image, p["first"], 2))
    h = o.relu(o.conv(h, p["second"], 2))
    found = o.dense(o.flat(h), p["code"]["w"], p["code"]["b"])
    mean, spread = found[:, :half], found[:, half:]
    code = mean + o.exp(spread / 2) * noise
    h = o.square(o.relu(o.dense(code, p["back"]["w"], p["back"]["b"])), 7)
    logits = o.up(o.relu(o.up(h, p["up"])), p["up_last"])
    distance = (mean * mean + o.exp(spread) - spread - 1).sum() / 2
    return (o.bits(logits, image) + distance) / len(x)


@model("VAE step", "step", SMALL)
def vae(batch: int = 128, width: int = 32) -> Model:
    of = Weights()
    params = {
        "first": of.window(3, 1, width), "second": of.window(3, width, 2 * width),
        "code": of.dense(49 * 2 * width, 32), "back": of.dense(16, 49 * 2 * width),
        "up": of.window(4, 2 * width, width), "up_last": of.window(4, width, 1),
    }  # fmt: skip
    data = np.abs(np.tanh(peers.random(batch, 28, 28, 1))), peers.random(batch, 16, seed=1)
    return written_once(f"{width}, {2 * width}, {batch} x 28x28", vae_loss, params, data)


# ---------------------------------------------------------------- separable


def convnext_loss(o: Any, p: Tree, x: Array, y: Array) -> Array:
    """Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, A ConvNet for the 2020s, 2022: some blocks."""
    x = o.image(x)
    for b in p["blocks"]:
        h = o.conv(x, b["window"], 1, len(b["norm"]["gain"]))
        h = o.layer_norm(h, b["norm"]["gain"], b["norm"]["shift"])
        h = o.gelu(o.dense(h, b["wide"]["w"], b["wide"]["b"]))
        x = x + o.dense(h, b["narrow"]["w"], b["narrow"]["b"])
    return o.cross_entropy(o.dense(o.mean(x), p["out"]["w"], p["out"]["b"]), y)


def metaformer_loss(o: Any, p: Tree, x: Array, y: Array) -> Array:
    """Yu and others, MetaFormer is actually what you need for vision, 2022: pooling mixes."""
    x = o.image(x)
    for b in p["blocks"]:
        h = o.layer_norm(x, b["norm"]["gain"], b["norm"]["shift"])
        x = x + o.avg_pool(h) - h
        h = o.layer_norm(x, b["norm2"]["gain"], b["norm2"]["shift"])
        h = o.gelu(o.dense(h, b["wide"]["w"], b["wide"]["b"]))
        x = x + o.dense(h, b["narrow"]["w"], b["narrow"]["b"])
    return o.cross_entropy(o.dense(o.mean(x), p["out"]["w"], p["out"]["b"]), y)


def blocks(loss: Loss, batch: int, width: int, norms: Sequence[str], windows: bool) -> Model:
    of = Weights()
    parts = [
        {name: of.norm(width) for name in norms}
        | {"wide": of.dense(width, 4 * width), "narrow": of.dense(4 * width, width)}
        | ({"window": of.window(7, 1, width)} if windows else {})
        for _ in range(4)
    ]
    params = {"blocks": parts, "out": of.dense(width, 10)}
    data = peers.random(batch, 14, 14, width), labels(10, batch)
    return written_once(f"4 x {width}, {batch} x 14x14", loss, params, data)


@model("ConvNeXt step", "step", SMALL)
def convnext(batch: int = 8, width: int = 128) -> Model:
    return blocks(convnext_loss, batch, width, ["norm"], True)


@model("MetaFormer step", "step", SMALL)
def metaformer(batch: int = 8, width: int = 128) -> Model:
    return blocks(metaformer_loss, batch, width, ["norm", "norm2"], False)
