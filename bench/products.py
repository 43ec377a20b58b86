"""How fast are matrix products? Square, tall, thin, transposed, batched, with bias and GELU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

Function = Callable[..., Any]
Shape = tuple[int, ...]

SQUARES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


def plain(a: Any, b: Any) -> Any:
    return a @ b


def left_transposed(a: Any, b: Any) -> Any:
    return a.T @ b


def right_transposed(a: Any, b: Any) -> Any:
    return a @ b.T


SHAPES: tuple[tuple[str, Function, Shape, Shape], ...] = (
    ("tall", plain, (65536, 64), (64, 64)),
    ("tall", plain, (16384, 512), (512, 32)),
    ("thin", plain, (4096, 1024), (1024, 16)),
    ("thin", plain, (32, 1024), (1024, 4096)),
    ("thin", plain, (1, 4096), (4096, 4096)),
    ("transposed", left_transposed, (512, 512), (512, 512)),
    ("transposed", right_transposed, (512, 512), (512, 512)),
    ("transposed", left_transposed, (4096, 64), (4096, 512)),
    ("batched", plain, (256, 32, 32), (256, 32, 32)),
    ("batched", plain, (32, 128, 64), (32, 64, 128)),
    ("batched", plain, (8, 512, 512), (8, 512, 512)),
)

LAYERS = ((64, 256, 256), (128, 768, 3072), (2048, 1024, 1024))
"""Rows, inputs and outputs of a product with bias and GELU."""


def gelu_by_hand(x: np.ndarray) -> np.ndarray:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return x * (np.float32(0.5) * (1 + np.tanh(inner)))


def layers() -> dict[str, Function]:
    """The layer in each library."""
    jax, torch = peers.jax, peers.torch

    def in_torch(x: Any, w: Any, b: Any) -> Any:
        return torch.nn.functional.gelu(torch.addmm(b, x, w), approximate="tanh")

    return {
        "wonderland": lambda x, w, b: wl.nn.gelu(x @ w + b),
        "numpy": lambda x, w, b: gelu_by_hand(x @ w + b),
        "jax": lambda x, w, b: jax.nn.gelu(x @ w + b),
        "torch": in_torch,
    }


def rows() -> Iterator[Row]:
    square = (("square", plain, (n, n), (n, n)) for n in SQUARES)
    names = ("wonderland", "numpy", "jax", "torch")
    for kind, function, left, right in (*square, *SHAPES):
        arrays = [peers.random(*left), peers.random(*right, seed=1)]
        runs = peers.runs(arrays, dict.fromkeys(names, function), torch_compile=False)
        result = wl.eval_shape(function, *arrays)
        inner = left[-2] if function is left_transposed else left[-1]
        marks = [".T" if function is f else "" for f in (left_transposed, right_transposed)]
        size = f"{list(left)}{marks[0]} @ {list(right)}{marks[1]}"
        moved = sum(math.prod(shape) for shape in (left, right, result.shape))
        flops = 2 * math.prod(result.shape) * inner
        yield Row(f"product, {kind}", size, runs, bytes=4 * moved, flops=flops)
    for m, k, n in LAYERS:
        arrays = [peers.random(m, k), peers.random(k, n, seed=1), peers.random(n, seed=2)]
        runs, flops = peers.runs(arrays, layers()), 2 * m * k * n
        size = f"[{m}, {k}] @ [{k}, {n}]"
        moved = 4 * (m * k + k * n + n + m * n)
        yield Row("product + bias + GELU", size, runs, bytes=moved, flops=flops)
