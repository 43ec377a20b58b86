"""How fast is pooling, and its gradient? Images with channels last, and channels first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

IMAGES = 8, 56, 56, 64
WINDOWS = (2, 2, 0), (3, 2, 1), (3, 1, 1)
"""Size, stride and padding of both axes."""


def ours(kind: str, last: bool, size: int, stride: int, padding: int) -> Any:
    combine, init = {"max": (np.maximum, -np.inf), "sum": (np.add, 0.0)}[kind]
    window, strides, pads = around(last, size, stride, padding)

    def function(x: Any) -> Any:
        return wl.lax.reduce_window(x, init, combine, window, strides, pads)

    return function


def in_jax(kind: str, last: bool, size: int, stride: int, padding: int) -> Any:
    lax = peers.jax.lax
    combine, init = {"max": (lax.max, -np.inf), "sum": (lax.add, 0.0)}[kind]
    window, strides, pads = around(last, size, stride, padding)

    def function(x: Any) -> Any:
        return lax.reduce_window(x, np.float32(init), combine, window, strides, pads)

    return function


def around(last: bool, size: int, stride: int, padding: int) -> tuple[Any, Any, Any]:
    """What lax takes of windows over the two axes of an image."""

    def placed(of: Any, other: Any) -> tuple[Any, ...]:
        return (other, of, of, other) if last else (other, other, of, of)

    return placed(size, 1), placed(stride, 1), placed((padding, padding), (0, 0))


def in_torch(kind: str, last: bool, size: int, stride: int, padding: int) -> Any:
    """Channels last are PyTorch's memory format; the permutations are views."""
    functional = peers.torch.nn.functional

    def function(x: Any) -> Any:
        x = x.permute(0, 3, 1, 2) if last else x
        if kind == "max":
            y = functional.max_pool2d(x, size, stride, padding)
        else:
            y = functional.avg_pool2d(x, size, stride, padding, divisor_override=1)
        return y.permute(0, 2, 3, 1) if last else y

    return function


def by_reshape(kind: str, last: bool, size: int) -> Any:
    """Windows beside each other, as NumPy can do them."""
    reduced = {"max": np.max, "sum": np.sum}[kind]

    def function(x: np.ndarray) -> np.ndarray:
        a = 1 if last else 2
        h, w = x.shape[a : a + 2]
        split = (h // size, size, w // size, size)
        return reduced(x.reshape(*x.shape[:a], *split, *x.shape[a + 2 :]), axis=(a + 1, a + 3))

    return function


def with_gradient(peer: str, function: Any) -> Any:
    """The cotangent of the input alone, for a given one of the result."""
    if peer == "torch":

        def pulled(x: Any, ct: Any) -> Any:
            leaf = x.detach().requires_grad_()
            return peers.torch.autograd.grad(function(leaf), leaf, ct)[0]

        return pulled
    vjp = wl.vjp if peer == "wonderland" else peers.jax.vjp
    return lambda x, ct: vjp(function, x)[1](ct)[0]


def rows() -> Iterator[Row]:
    n, h, w, c = IMAGES
    for kind, last, (size, stride, padding) in (
        (k, last, window) for last in (True, False) for k in ("max", "sum") for window in WINDOWS
    ):
        shape = (n, h, w, c) if last else (n, c, h, w)
        out = (h + 2 * padding - size) // stride + 1
        x = peers.random(*shape)
        ct = peers.random(*((n, out, out, c) if last else (n, c, out, out)), seed=1)
        makers = {"wonderland": ours, "jax": in_jax, "torch": in_torch}
        functions = {
            peer: make(kind, last, size, stride, padding)
            for peer, make in makers.items()
            if peers.there(peer)
        }
        gradients = {peer: with_gradient(peer, f) for peer, f in functions.items()}
        if size == stride:
            functions["numpy"] = by_reshape(kind, last, size)
        layout = "NHWC" if last else "NCHW"
        what = f"{kind} pool {size}x{size} by {stride}"
        moved = 4 * (x.size + ct.size)
        for name, runs, given in (
            (what, functions, [x]),
            (f"{what}, grad", gradients, [x, ct]),
        ):
            found = peers.runs(given, runs, torch_compile=False)
            reads = moved if name == what or kind == "sum" else moved + 4 * x.size
            yield Row(name, f"f32{list(shape)} {layout}", found, bytes=reads)
