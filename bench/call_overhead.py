"""What does a call cost beside its work? Tiny arrays: 2, 20 and 200 of them, as many results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import peers
from .harness import Row

COUNTS = (2, 20, 200)


def each(*xs: Any) -> Any:
    return tuple(x + 1.0 for x in xs)


def rows() -> Iterator[Row]:
    names = ("wonderland", "numpy", "jax", "torch")
    for count in COUNTS:
        arrays = [peers.random(16, seed=k) for k in range(count)]
        runs = peers.runs(arrays, dict.fromkeys(names, each))
        yield Row("call overhead", f"{count} x f32[16]", runs)
