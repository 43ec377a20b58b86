"""Words of models of images, in the idioms of each library, so that a model is written once.

Images of ours and of JAX have channels last; those of PyTorch lie so in memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import wonderland as wl

from .. import peers

Array = Any
GROUPS, HEADS = 8, 4


class Images:
    """Of a library with JAX's names, over arrays [batch, height, width, channels]."""

    def __init__(self, library: Any) -> None:
        self.m, self.np, self.nn = library, library.numpy, library.nn
        self.relu, self.silu, self.gelu = self.nn.relu, self.nn.silu, self.nn.gelu
        self.exp = self.np.exp
        self.mine = library is wl

    def image(self, x: Array) -> Array:
        return x

    def conv(self, x: Array, w: Array, stride: int = 1, groups: int = 1) -> Array:
        pads = [((n - 1) // 2, (n - 1) // 2) for n in w.shape[:2]]
        numbers = "NHWC", "HWIO", "NHWC"
        return self.m.lax.conv_general_dilated(
            x, w, (stride, stride), pads, dimension_numbers=numbers, feature_group_count=groups
        )

    def up(self, x: Array, w: Array) -> Array:
        """The transpose of windows of 4x4, 2 apart."""
        numbers = "NHWC", "HWIO", "NHWC"
        return self.m.lax.conv_general_dilated(
            x, w, (1, 1), [(2, 2)] * 2, lhs_dilation=(2, 2), dimension_numbers=numbers
        )

    def dense(self, x: Array, w: Array, b: Array) -> Array:
        return x @ w + b

    def normed(self, x: Array, axes: tuple[int, ...]) -> Array:
        mean = self.np.mean(x, axis=axes, keepdims=True)
        variance = self.np.mean((x - mean) ** 2, axis=axes, keepdims=True)
        return (x - mean) * self.m.lax.rsqrt(variance + 1e-5)

    def batch_norm(self, x: Array, gain: Array, shift: Array) -> Array:
        if self.mine:
            return self.nn.batch_norm(x, weight=gain, bias=shift)
        return self.normed(x, (0, 1, 2)) * gain + shift

    def layer_norm(self, x: Array, gain: Array, shift: Array) -> Array:
        if self.mine:
            return self.nn.layer_norm(x, gain, shift)
        return self.normed(x, (-1,)) * gain + shift

    def group_norm(self, x: Array, gain: Array, shift: Array) -> Array:
        if self.mine:
            return self.nn.group_norm(x, GROUPS, gain, shift)
        apart = x.reshape(*x.shape[:3], GROUPS, -1)
        return self.normed(apart, (1, 2, 4)).reshape(x.shape) * gain + shift

    def max_pool(self, x: Array) -> Array:
        if self.mine:
            return self.nn.max_pool(x, (2, 2), (2, 2))
        return self.m.lax.reduce_window(
            x, -np.inf, self.m.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        )

    def avg_pool(self, x: Array) -> Array:
        """Of 3x3, as many as places."""
        if self.mine:
            return self.nn.avg_pool(x, (3, 3), (1, 1), "SAME")
        total = self.m.lax.reduce_window(
            x, np.float32(0), self.m.lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME"
        )
        return total / 9

    def mean(self, x: Array) -> Array:
        return self.np.mean(x, axis=(1, 2))

    def twice(self, x: Array) -> Array:
        """Each place four times."""
        return self.np.repeat(self.np.repeat(x, 2, axis=1), 2, axis=2)

    def beside(self, x: Array, y: Array) -> Array:
        return self.np.concatenate([x, y], axis=-1)

    def every_place(self, x: Array) -> Array:
        return x[:, None, None, :]

    def flat(self, x: Array) -> Array:
        return x.reshape(x.shape[0], -1)

    def square(self, x: Array, size: int) -> Array:
        return x.reshape(x.shape[0], size, size, -1)

    def attention(self, x: Array, qkv: Array, out: Array) -> Array:
        b, h, w, c = x.shape
        parts = (x.reshape(b, h * w, c) @ qkv).reshape(b, h * w, 3, HEADS, c // HEADS)
        q, k, v = (parts[:, :, i] for i in range(3))
        if self.mine:
            found = self.nn.dot_product_attention(q, k, v)
        else:
            scores = self.np.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(c // HEADS)
            found = self.np.einsum("bhqk,bkhd->bqhd", self.nn.softmax(scores), v)
        return (found.reshape(b, h * w, c) @ out).reshape(x.shape)

    def cross_entropy(self, logits: Array, labels: Array) -> Array:
        if self.mine:
            each = self.nn.softmax_cross_entropy_with_integer_labels(logits, labels)
            return self.np.mean(each)
        scores = self.nn.log_softmax(logits)
        return -self.np.mean(self.np.take_along_axis(scores, labels[:, None], axis=-1))

    def bits(self, logits: Array, x: Array) -> Array:
        """The cross entropy of all elements."""
        return self.np.sum(self.nn.softplus(logits) - x * logits)


class TorchImages:
    """Over tensors [batch, channels, height, width], channels last in memory."""

    def __init__(self) -> None:
        self.torch = peers.torch
        self.f = peers.torch.nn.functional
        self.relu, self.silu, self.exp = self.f.relu, self.f.silu, peers.torch.exp

    def parameter(self, name: str, x: np.ndarray) -> Array:
        """Windows, matrices and their transposes as its layers keep them."""
        t = self.torch.from_numpy(x)
        if t.ndim == 4:
            up = name.startswith("up")
            t = t.permute(2, 3, 0, 1).flip(2, 3) if up else t.permute(3, 2, 0, 1)
            t = t.clone(memory_format=self.torch.channels_last)
        return self.torch.nn.Parameter(t.T.contiguous() if t.ndim == 2 else t.clone())

    def image(self, x: Array) -> Array:
        return x.permute(0, 3, 1, 2)

    def conv(self, x: Array, w: Array, stride: int = 1, groups: int = 1) -> Array:
        return self.f.conv2d(x, w, None, stride, (w.shape[2] - 1) // 2, 1, groups)

    def up(self, x: Array, w: Array) -> Array:
        return self.f.conv_transpose2d(x, w, None, 2, 1)

    def dense(self, x: Array, w: Array, b: Array) -> Array:
        if x.ndim == 4:
            return self.f.linear(x.permute(0, 2, 3, 1), w, b).permute(0, 3, 1, 2)
        return self.f.linear(x, w, b)

    def gelu(self, x: Array) -> Array:
        return self.f.gelu(x, approximate="tanh")

    def batch_norm(self, x: Array, gain: Array, shift: Array) -> Array:
        return self.f.batch_norm(x, None, None, gain, shift, training=True)

    def layer_norm(self, x: Array, gain: Array, shift: Array) -> Array:
        x = x.permute(0, 2, 3, 1)
        return self.f.layer_norm(x, x.shape[-1:], gain, shift).permute(0, 3, 1, 2)

    def group_norm(self, x: Array, gain: Array, shift: Array) -> Array:
        return self.f.group_norm(x, GROUPS, gain, shift)

    def max_pool(self, x: Array) -> Array:
        return self.f.max_pool2d(x, 2)

    def avg_pool(self, x: Array) -> Array:
        return self.f.avg_pool2d(x, 3, 1, 1)

    def mean(self, x: Array) -> Array:
        return x.mean((2, 3))

    def twice(self, x: Array) -> Array:
        return self.f.interpolate(x, scale_factor=2, mode="nearest")

    def beside(self, x: Array, y: Array) -> Array:
        return self.torch.cat([x, y], 1)

    def every_place(self, x: Array) -> Array:
        return x[:, :, None, None]

    def flat(self, x: Array) -> Array:
        return x.permute(0, 2, 3, 1).flatten(1)

    def square(self, x: Array, size: int) -> Array:
        return x.unflatten(1, (size, size, -1)).permute(0, 3, 1, 2)

    def attention(self, x: Array, qkv: Array, out: Array) -> Array:
        b, c, h, w = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(b, h * w, c)
        parts = self.f.linear(rows, qkv).unflatten(-1, (3, HEADS, c // HEADS))
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        found = self.f.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.f.linear(found, out).unflatten(1, (h, w)).permute(0, 3, 1, 2)

    def cross_entropy(self, logits: Array, labels: Array) -> Array:
        return self.f.cross_entropy(logits, labels)

    def bits(self, logits: Array, x: Array) -> Array:
        return self.f.binary_cross_entropy_with_logits(logits, x, reduction="sum")
