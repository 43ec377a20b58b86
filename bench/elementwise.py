"""How fast is a chain of elementwise functions? exp and tanh with arithmetic between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import peers
from .harness import Row


def chain(library: Any) -> Any:
    """The same chain in the names that all libraries share."""

    def function(x: Any) -> Any:
        return library.exp(-0.5 * x * x) * library.tanh(x) + 0.25 * x

    return function


def rows() -> Iterator[Row]:
    modules = {"wonderland": np, "numpy": np, "jax": peers.jnp, "torch": peers.torch}
    functions = {name: chain(module) for name, module in modules.items() if module}
    for n in (1 << 12, 1 << 16, 1 << 20, 1 << 24):
        runs = peers.runs([peers.random(n)], functions)
        yield Row("exp, tanh chain", f"f32[{n}]", runs, bytes=8 * n)
