"""What does a call cost beside its work? Tiny arrays, one and many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import peers
from .harness import Row

MANY = 20


def one(x: Any) -> Any:
    return x + 1.0


def many(*xs: Any) -> Any:
    return tuple(x + 1.0 for x in xs)


def rows() -> Iterator[Row]:
    for count, function in ((1, one), (MANY, many)):
        arrays = [peers.random(16, seed=k) for k in range(count)]
        names = ("wonderland", "numpy", "jax", "torch")
        runs = peers.runs(arrays, dict.fromkeys(names, function))
        yield Row("call overhead", f"{count} x f32[16]", runs)
