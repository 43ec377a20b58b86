"""How fast are matrix products? Square, thin and transposed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import peers
from .harness import Row


def plain(a: Any, b: Any) -> Any:
    return a @ b


def transposed(a: Any, b: Any) -> Any:
    return a.T @ b


SHAPES = (
    ("256", plain, (256, 256), (256, 256)),
    ("512", plain, (512, 512), (512, 512)),
    ("1024", plain, (1024, 1024), (1024, 1024)),
    ("thin [4096, 1024] @ [1024, 16]", plain, (4096, 1024), (1024, 16)),
    ("thin [32, 1024] @ [1024, 4096]", plain, (32, 1024), (1024, 4096)),
    ("transposed [512, 512].T @ [512, 512]", transposed, (512, 512), (512, 512)),
)


def rows() -> Iterator[Row]:
    for size, function, left, right in SHAPES:
        arrays = [peers.random(*left), peers.random(*right, seed=1)]
        runs = peers.runs(arrays, dict.fromkeys(("wonderland", "numpy", "jax", "torch"), function))
        m, k = left if function is plain else left[::-1]
        n = right[1]
        yield Row("product", size, runs, bytes=4 * (m * k + k * n + m * n), flops=2 * m * k * n)
