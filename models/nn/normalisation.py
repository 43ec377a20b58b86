"""Functions of layers that keep activations of one size, drop some of them, look up others."""

from __future__ import annotations

from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.lax.lax import rsqrt
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.ir.explain import explained
from ...compiler.ir.types import HALVES, dtype_name
from ...compiler.trace.operands import axes_of, cast_to, wrong
from ...compiler.trace.trace import keeps_bf16
from ...compiler.trace.tracer import Tracer
from .functions import Axis

__all__ = [
    "batch_norm", "dropout", "embedding", "group_norm", "layer_norm", "rms_norm", "standardize",
]  # fmt: skip


@explained
@keeps_bf16
def standardize(
    x: Any,
    axis: Axis = -1,
    mean: Any = None,
    variance: Any = None,
    epsilon: Any = 1e-5,
    where: Any = None,
) -> Any:
    """(x - mean) / sqrt(variance + epsilon), of mean and variance along axes where none are given.

    They are those of the elements in the mask `where`; of halves all is computed in f32.
    """
    x = array_or_tracer(x)
    wide = widened(x)
    chosen = {} if where is None else {"where": where}
    if mean is None:
        mean = np.mean(wide, axis=axis, keepdims=True, **chosen)
    error = wide - mean
    if variance is None:
        variance = np.mean(error * error, axis=axis, keepdims=True, **chosen)
    found = error * rsqrt(variance + epsilon)
    return found if wide is x else cast_to(found, x)


def widened(x: Any) -> Any:
    """x; halves, whose squares overflow, as f32."""
    return x.astype(np.float32) if dtype_name(x.dtype) in HALVES else x


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


@explained
@keeps_bf16
def layer_norm(
    x: Any, weight: Any = None, bias: Any = None, axis: Axis = -1, eps: Any = 1e-5
) -> Any:
    """x with mean 0 and variance 1 along axes, times weight plus bias.

    Source: Ba, Kiros, Hinton, Layer normalization, 2016.
    """
    return _scaled(standardize(x, axis, epsilon=eps), weight, bias)


@explained
@keeps_bf16
def rms_norm(x: Any, weight: Any = None, axis: Axis = -1, eps: Any = 1e-6) -> Any:
    """x / sqrt(mean(x^2) + eps) along axes, times weight.

    Source: Zhang and Sennrich, Root mean square layer normalization, 2019.
    """
    x = array_or_tracer(x)
    wide = widened(x)
    found = wide * rsqrt(np.mean(wide * wide, axis=axis, keepdims=True) + eps)
    return _scaled(found if wide is x else cast_to(found, x), weight, None)


@explained
@keeps_bf16
def group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: Any = 1e-5) -> Any:
    """Each example with mean 0 and variance 1 in every group of channels, times weight plus bias.

    Shapes: x [batch, ..., channels], weight and bias [channels].
    Source: Wu and He, Group normalization, 2018.
    """
    x = array_or_tracer(x)
    if x.ndim < 2 or groups < 1 or x.shape[-1] % groups:
        raise wrong(f"group_norm: groups that divide the channels are required, got {groups} of "
                    f"{list(x.shape)}")  # fmt: skip
    wide, places, each = widened(x), tuple(range(1, x.ndim - 1)), x.shape[-1] // groups
    shape = (x.shape[0], *[1] * len(places), x.shape[-1])

    def mean(y: Any) -> Any:
        """Of its group, for every channel; first over places, where channels are neighbours."""
        apart = np.mean(y, axis=places).reshape(x.shape[0], groups, each)
        found = np.mean(apart, axis=2, keepdims=True)
        return np.broadcast_to(found, apart.shape).reshape(shape)

    error = wide - mean(wide)
    found = error * rsqrt(mean(error * error) + eps)
    return _scaled(found if wide is x else cast_to(found, x), weight, bias)


@explained
@keeps_bf16
def batch_norm(
    x: Any,
    mean: Any = None,
    variance: Any = None,
    weight: Any = None,
    bias: Any = None,
    eps: Any = 1e-5,
) -> Any:
    """Each channel less `mean` by the root of `variance`, times weight plus bias: running ones, or
    where none are given those of all examples.

    Shapes: x [batch, ..., channels], others [channels].
    Source: Ioffe and Szegedy, Batch normalization, 2015.
    """
    axes = axes_of("batch_norm", tuple(range(np.ndim(x) - 1)), np.ndim(x))
    return _scaled(standardize(x, axes, mean, variance, eps), weight, bias)


@explained
@keeps_bf16
def dropout(key: Any, x: Any, rate: Any, train: bool = True) -> Any:
    """x / (1 - rate) with each element 0 at probability `rate`; x itself unless `train`.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, 2014.
    """
    if not train:
        return x
    x, part = array_or_tracer(x), 1 - rate
    traced = isinstance(rate, Tracer)
    if not traced and not 0 <= rate <= 1:
        raise wrong(f"dropout: a rate from 0 to 1 is required, got {rate}")
    kept = random.bernoulli(key, part, x.shape)
    # where all are dropped, none is divided by 0: its derivative would be NaN
    return np.where(kept, x / (np.where(part > 0, part, 1) if traced else part or 1), 0)


@explained
def embedding(table: Any, places: Any) -> Any:
    """Rows of a table [rows, size] by integers: [*places, size]."""
    return np.take(table, places, axis=0)
