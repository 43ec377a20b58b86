"""Layers that see one token at a time: embeddings, norms, networks of two products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import random
from .functions import gelu, silu
from .layer import layer
from .linear import Linear
from .normalisation import embedding, layer_norm, rms_norm

__all__ = ["GLU", "MLP", "Embedding", "LayerNorm", "RMSNorm"]


@layer
class Embedding:
    """Rows of a table by integers; `attend` gives how well x fits each of them, as logits."""

    weight: Any  # [rows, size]

    @classmethod
    def init(cls, key: Any, rows: int, size: int, *, dtype: Any = "float32") -> Embedding:
        """Rows whose squares sum to 1 in the mean."""
        return cls(random.normal(key, (rows, size), dtype) * size**-0.5)

    def __call__(self, ids: Any) -> Any:
        return embedding(self.weight, ids)

    def attend(self, x: Any) -> Any:
        """x @ weight.T: an output layer that shares its weights with the input."""
        return x @ self.weight.T


@layer
class LayerNorm:
    """x with mean 0 and variance 1 along its last axis, times weight plus bias."""

    weight: Any
    bias: Any  # None without one
    eps: float = 1e-5

    @classmethod
    def init(
        cls, size: int, *, bias: bool = True, eps: float = 1e-5, dtype: Any = "float32"
    ) -> LayerNorm:
        return cls(np.ones(size, dtype), np.zeros(size, dtype) if bias else None, eps)

    def __call__(self, x: Any) -> Any:
        return layer_norm(x, self.weight, self.bias, eps=self.eps)


@layer
class RMSNorm:
    """x / sqrt(mean(x^2) + eps) along its last axis, times weight."""

    weight: Any
    eps: float = 1e-6

    @classmethod
    def init(cls, size: int, eps: float = 1e-6, *, dtype: Any = "float32") -> RMSNorm:
        return cls(np.ones(size, dtype), eps)

    def __call__(self, x: Any) -> Any:
        return rms_norm(x, self.weight, eps=self.eps)


@layer
class MLP:
    """down(activation(up(x)))"""

    up: Linear
    down: Linear
    activation: Callable[[Any], Any] = gelu

    @classmethod
    def init(
        cls, key: Any, size: int, hidden: int, outputs: int | None = None, *,
        activation: Callable[[Any], Any] = gelu, bias: bool = True, dtype: Any = "float32",
    ) -> MLP:  # fmt: skip
        """From size over hidden to outputs, or back to size."""
        up, down = random.split(key)
        outputs = size if outputs is None else outputs
        return cls(
            Linear.init(up, size, hidden, bias=bias, dtype=dtype),
            Linear.init(down, hidden, outputs, bias=bias, dtype=dtype),
            activation,
        )

    def __call__(self, x: Any) -> Any:
        return self.down(self.activation(self.up(x)))


@layer
class GLU:
    """down(activation(gate(x)) * up(x)), which is SwiGLU for silu.

    Source: Shazeer, GLU variants improve transformer, 2020.
    """

    gate: Linear
    up: Linear
    down: Linear
    activation: Callable[[Any], Any] = silu

    @classmethod
    def init(
        cls, key: Any, size: int, hidden: int, outputs: int | None = None, *,
        activation: Callable[[Any], Any] = silu, bias: bool = False, dtype: Any = "float32",
    ) -> GLU:  # fmt: skip
        """From size over hidden to outputs, or back to size."""
        gate, up, down = random.split(key, 3)
        outputs = size if outputs is None else outputs
        return cls(
            Linear.init(gate, size, hidden, bias=bias, dtype=dtype),
            Linear.init(up, size, hidden, bias=bias, dtype=dtype),
            Linear.init(down, hidden, outputs, bias=bias, dtype=dtype),
            activation,
        )

    def __call__(self, x: Any) -> Any:
        return self.down(self.activation(self.gate(x)) * self.up(x))
