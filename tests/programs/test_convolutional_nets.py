"""Convolutional nets of the book, small: compiled, they and their gradients are as interpreted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl

LAST_2D = ("NHWC", "HWIO", "NHWC")
Net = Callable[[dict[str, Any], Any], Any]


def conv(x: Any, w: Any, stride: int = 1, groups: int = 1) -> Any:
    return wl.lax.conv_general_dilated(
        x, w, (stride, stride), "SAME", dimension_numbers=LAST_2D, feature_group_count=groups
    )


def normed(x: Any, scale: Any) -> Any:
    """Batch normalisation while training."""
    centred = x - np.mean(x, (0, 1, 2), keepdims=True)
    variance = np.mean(centred * centred, (0, 1, 2), keepdims=True)
    return centred / np.sqrt(variance + 1e-3) * scale


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def residual(p: dict[str, Any], x: Any) -> Any:
    """A residual block, a bottleneck of groups, global pooling and a linear layer."""
    y = relu(normed(conv(x, p["first"]), p["scale"]))
    y = y + conv(relu(conv(y, p["down"])), p["up"])
    y = y + conv(relu(conv(y, p["groups"], groups=2)), p["up"][:, :, :6] * 0.5)
    return np.mean(relu(conv(y, p["strided"], 2)), (1, 2)) @ p["head"]


def separable(p: dict[str, Any], x: Any) -> Any:
    """Depthwise and 1x1 convolutions, with max pooling."""
    y = conv(x, p["first"])
    y = relu(conv(conv(y, p["depthwise"], groups=6), p["down"]))
    return np.mean(wl.nn.max_pool(y, (2, 2), (2, 2)), (1, 2)) @ p["up"][0, 0]


def causal(p: dict[str, Any], x: Any) -> Any:
    """WaveNet's: dilated causal convolutions with gates over sequences."""
    y = x.reshape(x.shape[0], -1, 3) @ p["first"][0, 0]
    for k, dilation in enumerate((1, 2, 4)):
        gates = wl.lax.conv_general_dilated(
            y, p["gates"][k], (1,), "CAUSAL", rhs_dilation=(dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )  # fmt: skip
        y = y + np.tanh(gates[..., :6]) * wl.nn.sigmoid(gates[..., 6:])
    return np.mean(y, 1) @ p["head"]


def parameters(rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {
        "first": (3, 3, 3, 6), "scale": (6,), "down": (1, 1, 6, 6), "up": (3, 3, 6, 6),
        "groups": (3, 3, 3, 6), "strided": (3, 3, 6, 6), "head": (6, 5), "depthwise": (3, 3, 1, 6),
        "gates": (3, 2, 6, 12),
    }  # fmt: skip
    return {k: rng.standard_normal(s) / np.sqrt(np.prod(s[:-1]) + 1) for k, s in shapes.items()}


@pytest.mark.parametrize("net", [residual, separable, causal])
def test_nets_train_as_they_are_interpreted(net: Net) -> None:
    rng = np.random.default_rng(0)
    p, x = parameters(rng), rng.standard_normal((4, 9, 10, 3))
    labels = np.arange(4) % 5

    def loss(p: dict[str, Any], x: Any) -> Any:
        logits = net(p, x)
        logits = logits - np.max(logits, 1, keepdims=True)
        each = np.log(np.sum(np.exp(logits), 1)) - logits[np.arange(4), labels % logits.shape[1]]
        return np.mean(each)

    value, gradient = wl.jit(wl.value_and_grad(loss))(p, x)
    same, again = wl.value_and_grad(loss)(p, x)
    np.testing.assert_allclose(value, same, 1e-12)
    for one, other in zip(wl.tree.leaves(gradient), wl.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, 1e-9, 1e-12)
    direction = {k: rng.standard_normal(v.shape) for k, v in p.items()}
    step = 1e-6
    ends = (loss({k: v + s * direction[k] for k, v in p.items()}, x) for s in (step, -step))
    up, down = ends
    along = sum(np.sum(gradient[k] * direction[k]) for k in p)
    np.testing.assert_allclose(along, (up - down) / (2 * step), 1e-6)
    smaller = {k: v - 0.05 * np.asarray(gradient[k]) for k, v in p.items()}
    assert wl.jit(loss)(smaller, x) < value


@pytest.mark.parametrize("after", [relu, wl.nn.standardize])
def test_no_kernel_of_a_depthwise_layer_stores_channels_apart_that_it_reads_together(
    after: Callable[[Any], Any],
) -> None:
    """Its cotangent is read by sums too, and the layer itself by what sums over channels: there as
    well as alone the channels stay the last axis."""

    def loss(p: dict[str, Any], x: Any) -> Any:
        y = after(conv(relu(x + p["bias"]), p["depthwise"], groups=16))
        return np.sum(relu(y @ p["down"]) ** 2)

    p = {"bias": np.ones(16), "depthwise": np.ones((3, 3, 1, 16)), "down": np.ones((16, 24))}
    stages = wl.jit(wl.grad(loss)).inspect(p, np.ones((8, 14, 14, 16)))
    kernels = [k for k in stages["fuse"].split("\n\n") if k.startswith("def product")]
    depthwise = [k for k in kernels if "in parallel(16)" in k and "in stage(3)" in k]
    assert len(depthwise) == 2  # forward, and the cotangent of what it read
    for kernel in depthwise:
        (channel,) = re.findall(r"for (\w+) in parallel\(16\)", kernel)
        (place,) = re.findall(r"y0\[(.*?)\] =", kernel)
        assert channel in place.split(" + "), kernel


def test_a_depthwise_layer_of_few_places_is_a_product_whose_channels_are_lanes() -> None:
    """Sums of so few products each would be kernels of their own; here all channels are one's."""

    def layer(x: Any, w: Any) -> Any:
        return relu(conv(x, w, groups=24))

    stages = wl.jit(layer).inspect(np.ones((1, 7, 7, 24)), np.ones((3, 3, 1, 24)))
    kernels = [k for k in stages["fuse"].split("\n\n") if k.startswith("def product")]
    assert len(kernels) == 1


def test_a_product_of_channels_at_each_place_is_stored_channels_first_at_once() -> None:
    """Its places are neighbours there, so that they are lanes as well as channels would be."""

    def layer(x: Any, w: Any) -> Any:
        return wl.lax.conv_general_dilated(x, w, (1, 1), "SAME")

    def pulled(x: Any, w: Any, ct: Any) -> Any:
        return wl.vjp(lambda x: layer(x, w), x)[1](ct)[0]

    rng = np.random.default_rng(0)
    x, w, ct = (rng.standard_normal(s) for s in ((2, 12, 6, 6), (8, 12, 1, 1), (2, 8, 6, 6)))
    assert wl.jit(pulled).inspect(x, w, ct)["fuse"].count("def ") == 1
    wanted = np.einsum("nkhw,kcij->nchw", ct, w)
    np.testing.assert_allclose(wl.jit(pulled)(x, w, ct), wanted, 1e-12)
