"""What keeps the training of deep networks stable, as layers: norms of groups and batches, dropout.

    norm = wl.nn.BatchNorm.init(16)
    statistics = norm.start()
    y, statistics = norm(np.ones((8, 14, 14, 16), np.float32), statistics)
    y, _ = norm(y, statistics, train=False)

What is random takes a key, what has a state takes and gives it: layers themselves never change.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from ...compiler.front import numpy as np
from ...compiler.front.functions.derivatives import stop_gradient
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.ir.explain import explained
from ...compiler.ir.types import Type, dtype_name
from ...compiler.trace.operands import wrong
from .layer import layer
from .normalisation import batch_norm, dropout, group_norm, widened

__all__ = ["BatchNorm", "BatchStatistics", "Dropout", "GroupNorm"]


@layer
class GroupNorm:
    """`group_norm`: each example with mean 0 and variance 1 in every group of channels.

    One group is a layer norm of images, as many as channels an instance norm.
    """

    weight: Any
    bias: Any
    groups: int
    eps: float = 1e-5

    @classmethod
    @explained
    def init(cls, groups: int, channels: int, *, eps: float = 1e-5, dtype: Any = "float32") -> Self:
        if groups < 1 or channels % groups:
            raise wrong(
                "GroupNorm.init: groups that divide the channels are required, got "
                f"{groups} of {channels}"
            )
        return cls(np.ones(channels, dtype), np.zeros(channels, dtype), groups, eps)

    def __call__(self, x: Any) -> Any:
        return group_norm(x, self.groups, self.weight, self.bias, self.eps)


class BatchStatistics(NamedTuple):
    """Running mean and variance of channels."""

    mean: Any
    variance: Any


@layer
class BatchNorm:
    """(x - mean) / sqrt(variance + eps) * weight + bias, of each channel.

    In training mean and variance are those of all examples and places, and the running statistics,
    which are given and returned, take a part `momentum` of them: of the variance without bias,
    n / (n - 1) times the other. Else the running ones are used, and returned as they are.
    Statistics are f32 where weights are halves.
    Source: Ioffe and Szegedy, Batch normalization, 2015; momentum is torch's.
    """

    weight: Any
    bias: Any
    momentum: float = 0.1
    eps: float = 1e-5

    @classmethod
    def init(
        cls, channels: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = "float32"
    ) -> Self:
        return cls(np.ones(channels, dtype), np.zeros(channels, dtype), momentum, eps)

    def start(self) -> BatchStatistics:
        """Mean 0 and variance 1, before any batch."""
        return BatchStatistics(*(widened(f(self.weight)) for f in (np.zeros_like, np.ones_like)))

    @explained
    def __call__(
        self, x: Any, statistics: BatchStatistics, *, train: bool = True
    ) -> tuple[Any, BatchStatistics]:
        x = array_or_tracer(x)
        if not train:
            return batch_norm(x, *statistics, self.weight, self.bias, self.eps), statistics
        axes = tuple(range(x.ndim - 1))
        count = x.size // x.shape[-1] if x.size else 0
        if count < 2:
            raise wrong(
                "BatchNorm: two values of a channel or more are required in training, got "
                f"{Type(dtype_name(x.dtype), x.shape)}",
                "train=False",
            )
        wide = widened(x)
        mean = np.mean(wide, axis=axes)
        variance = np.mean((wide - mean) ** 2, axis=axes)
        y = batch_norm(x, mean, variance, self.weight, self.bias, self.eps)
        seen = BatchStatistics(mean, variance * (count / (count - 1)))
        return y, BatchStatistics(
            *(a + self.momentum * (stop_gradient(b).astype(a.dtype) - a)
              for a, b in zip(statistics, seen, strict=True))
        )  # fmt: skip


@layer
class Dropout:
    """x / (1 - rate) with each element 0 at probability `rate`; x itself where the key is None."""

    rate: float

    def __call__(self, x: Any, key: Any = None) -> Any:
        return x if key is None else dropout(key, x, self.rate)
