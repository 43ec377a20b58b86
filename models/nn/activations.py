"""The rest of jax.nn's activations: saturating, gated, scaled, and means of exponentials.

Derivatives at kinks are JAX's.
"""

from __future__ import annotations

import math
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.ir.explain import explained
from ...compiler.trace.operands import wrong
from ...compiler.trace.trace import keeps_bf16
from .functions import Axis, elu, logsumexp, sigmoid, silu, softplus

__all__ = [
    "celu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "identity",
    "logmeanexp", "mish", "relu6", "selu", "soft_sign", "sparse_plus", "sparse_sigmoid",
    "squareplus", "swish", "tanh",
]  # fmt: skip

swish = silu


@explained
def identity(x: Any) -> Any:
    """x"""
    return np.asarray(x)


@explained
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


@explained
@keeps_bf16
def relu6(x: Any) -> Any:
    """x within 0 and 6, with derivative 0 at both."""
    return np.where(x <= 0, 0, np.where(x >= 6, 6, x))


@explained
@keeps_bf16
def hard_sigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6"""
    return relu6(x + 3) / 6


@explained
@keeps_bf16
def hard_silu(x: Any) -> Any:
    """x * hard_sigmoid(x), also called hard_swish.

    Source: Howard and others, Searching for MobileNetV3, 2019.
    """
    return x * hard_sigmoid(x)


hard_swish = hard_silu


@explained
def hard_tanh(x: Any) -> Any:
    """x within -1 and 1, with derivative 1 at both."""
    return np.where(x > 1, 1, np.where(x < -1, -1, x))


@explained
@keeps_bf16
def soft_sign(x: Any) -> Any:
    """x / (1 + |x|)"""
    return x / (1 + np.abs(x))


@explained
@keeps_bf16
def celu(x: Any, alpha: Any = 1.0) -> Any:
    """x where x > 0, else alpha * (exp(x / alpha) - 1).

    Source: Barron, Continuously differentiable exponential linear units, 2017.
    """
    positive = x > 0
    return np.where(positive, x, alpha * np.expm1(np.where(positive, 0, x) / alpha))


@explained
@keeps_bf16
def selu(x: Any) -> Any:
    """elu of a scale and an alpha that keep mean 0 and variance 1 from layer to layer.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, Self-normalizing neural networks, 2017.
    """
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


@explained
@keeps_bf16
def mish(x: Any) -> Any:
    """x * tanh(softplus(x))

    Source: Misra, Mish: a self regularized non-monotonic activation function, 2019.
    """
    return x * np.tanh(softplus(x))


@explained
@keeps_bf16
def squareplus(x: Any, b: Any = 4) -> Any:
    """(x + sqrt(x^2 + b)) / 2: a softplus of algebra alone.

    Source: Barron, Squareplus: a softplus-like algebraic rectifier, 2021.
    """
    return (x + np.sqrt(x * x + b)) / 2


@explained
@keeps_bf16
def sparse_plus(x: Any) -> Any:
    """0 up to -1, x from 1 on, (x + 1)^2 / 4 between them."""
    return np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) * (x + 1) / 4))


@explained
@keeps_bf16
def sparse_sigmoid(x: Any) -> Any:
    """0 up to -1, 1 from 1 on, (x + 1) / 2 between them: the slope of sparse_plus."""
    return np.clip(x + 1, 0, 2) / 2


@explained
@keeps_bf16
def glu(x: Any, axis: int = -1) -> Any:
    """The first half along the axis times sigmoid of the second.

    Source: Dauphin, Fan, Auli, Grangier, Language modeling with gated convolutional networks, 2016.
    """
    if x.shape[axis] % 2:
        raise wrong(f"glu: an axis of even size is required, got {x.shape[axis]} of axis {axis}")
    first, second = np.split(x, 2, axis)
    return first * sigmoid(second)


@explained
@keeps_bf16
def logmeanexp(x: Any, axis: Axis = None, where: Any = None, keepdims: bool = False) -> Any:
    """log(mean(exp(x))) over the mask `where`, without overflow."""
    if where is None:
        axes = range(np.ndim(x)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        count = math.log(max(math.prod(np.shape(x)[a] for a in axes), 1))
    else:
        mask = np.broadcast_to(where, np.shape(x))
        count = np.log(np.sum(mask, axis=axis, keepdims=keepdims, dtype=x.dtype))
    return logsumexp(x, axis, keepdims=keepdims, where=where) - count
