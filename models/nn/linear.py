"""The layer that all others are made of: a matrix and what is added."""

from __future__ import annotations

from typing import Any, Self

from ...compiler.front import numpy as np
from ...compiler.ir.explain import explained
from .initializers import Initializer
from .layer import layer
from .weights import lecun_normal

__all__ = ["Linear"]


@layer
class Linear:
    """x @ weight + bias

    Shapes: weight [inputs, outputs], bias [outputs] or None, x [..., inputs].
    Example:
    >>> import wonderland as wl
    >>> Linear.init(wl.random.key(0), 3, 2)(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    weight: Any
    bias: Any = None

    @classmethod
    @explained
    def init(
        cls,
        key: Any,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        initializer: Initializer = lecun_normal,
        dtype: Any = "float32",
    ) -> Self:
        """First weights by `initializer(key, shape, dtype)`, and a bias of 0."""
        weight = initializer(key, (inputs, outputs), dtype)
        return cls(weight, np.zeros(outputs, dtype) if bias else None)

    @explained
    def __call__(self, x: Any) -> Any:
        y = x @ self.weight
        return y if self.bias is None else y + self.bias
