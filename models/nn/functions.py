"""Activations and losses as pure functions, with the signatures of jax.nn and optax.

Every function takes NumPy arrays or traced ones of any float dtype; derivatives at kinks are JAX's.
Losses keep one value for each example: `np.mean(loss(...))` is the empirical risk.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.exponentials import logsumexp as _of_size_and_sign
from ...compiler.front.functions.custom import custom_jvp
from ...compiler.front.functions.derivatives import stop_gradient
from ...compiler.front.lax.lax import erf
from ...compiler.front.lax.lax import logistic as sigmoid
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.front.special import log1mexp as _log1mexp
from ...compiler.ir.explain import explained, shown
from ...compiler.trace.operands import cast_to, wrong
from ...compiler.trace.trace import keeps_bf16

__all__ = [
    "absolute_error",
    "accuracy",
    "elu",
    "gelu",
    "hinge_loss",
    "huber_loss",
    "leaky_relu",
    "log1mexp",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "negative_log_likelihood",
    "one_hot",
    "relu",
    "sigmoid",
    "sigmoid_binary_cross_entropy",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softplus",
    "squared_error",
]

Axis = int | tuple[int, ...] | None

# ---------------------------------------------------------------- activations


@explained
def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0; NaN stays NaN."""
    return np.where(x <= 0, 0, x)


@explained
@keeps_bf16
def leaky_relu(x: Any, negative_slope: float = 1e-2) -> Any:
    """x where x >= 0, else negative_slope * x."""
    return np.where(x >= 0, x, negative_slope * x)


@explained
@keeps_bf16
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha * (exp(x) - 1)."""
    positive = x > 0
    # the branch that is not taken must be finite, or its derivative, 0 times infinity, would be NaN
    return np.where(positive, x, alpha * np.expm1(np.where(positive, 0, x)))


@explained
@keeps_bf16
def gelu(x: Any, approximate: bool = True) -> Any:
    """x times the normal distribution function of x; the approximation is by tanh.

    Accuracy: the exact form loses relative, not absolute, accuracy below x = -2.
    Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.
    """
    if approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return x * (0.5 * (1 + np.tanh(inner)))
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


@explained
def silu(x: Any) -> Any:
    """x * sigmoid(x), also called swish."""
    return x * sigmoid(x)


@explained
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(x, 0.0)


@explained
def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)) = -softplus(-x)."""
    return -softplus(-x)


@explained
def log1mexp(x: Any) -> Any:
    """log(1 - exp(-x)), precise for every x above 0; -inf at 0, NaN below."""
    return _log1mexp(-x)


# ---------------------------------------------------------------- normalised exponentials


@explained
def softmax(x: Any, axis: Axis = -1, where: Any = None) -> Any:
    """exp(x) / sum(exp(x)); entries outside of the mask `where` are 0 and take no part.

    Its derivative keeps nothing but the result.
    """
    return _softmax(x if where is None else np.where(where, x, -math.inf), axis)


@functools.partial(custom_jvp, nondiff_argnums=(1,))
def _softmax(x: Any, axis: Axis) -> Any:
    exponentials = np.exp(_shifted(x, axis, None))
    if 0 in exponentials.shape:
        return exponentials
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)


@_softmax.defjvp
def _softmax_jvp(axis: Axis, primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    y = _softmax(x, axis)
    return y, y * (dx - np.sum(y * dx, axis=axis, keepdims=True))


@explained
def log_softmax(x: Any, axis: Axis = -1, where: Any = None) -> Any:
    """log(softmax(x)); entries outside of the mask `where` are -inf and take no part."""
    shifted = _shifted(x, axis, where)
    if 0 in np.shape(shifted):
        return shifted
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _shifted(x: Any, axis: Axis, where: Any) -> Any:
    """x less its maximum, which is a constant to derivatives: the results do not depend on it."""
    x = x if where is None else np.where(where, x, -math.inf)
    if 0 in np.shape(x):  # nothing has no maximum
        return array_or_tracer(x)
    return x - stop_gradient(np.max(x, axis=axis, keepdims=True))


@explained
def logsumexp(
    a: Any,
    axis: Axis = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """log(sum(b * exp(a))) over the mask `where`, without overflow; -inf where nothing is left.

    With `return_sign` the logarithm of the size of the sum, and its sign.
    """
    if return_sign:
        return _of_size_and_sign(a, axis, b, keepdims, True, where)
    a = a if where is None else np.where(where, a, -math.inf)
    top = np.max(a, axis=axis, keepdims=True)
    top = stop_gradient(np.where(np.isfinite(top), top, 0))  # inf - inf would be NaN
    exponentials = np.exp(a - top) if b is None else b * np.exp(a - top)
    found = np.log(np.sum(exponentials, axis=axis, keepdims=True)) + top
    return found if keepdims else np.squeeze(found, axis=axis)


@explained
def one_hot(x: Any, num_classes: int, *, dtype: Any = "float32", axis: int = -1) -> Any:
    """1 at the place that x names along a new axis, 0 elsewhere; all 0 where x is out of range."""
    return np.astype(chosen(x, num_classes, axis), dtype)


def chosen(labels: Any, num_classes: int, axis: int) -> Any:
    """Whether an entry's place along the axis is the label: a new axis of `num_classes`."""
    labels = np.expand_dims(labels, axis)
    axis %= labels.ndim
    classes = np.arange(num_classes, dtype=labels.dtype)
    return labels == classes.reshape((num_classes,) + (1,) * (labels.ndim - axis - 1))


# ---------------------------------------------------------------- losses


@explained
@keeps_bf16
def squared_error(predictions: Any, targets: Any = None) -> Any:
    """(p - t)^2, where t is 0 for None."""
    error = predictions if targets is None else predictions - targets
    return error * error


@explained
@keeps_bf16
def absolute_error(predictions: Any, targets: Any = None) -> Any:
    """|p - t|, with derivative 0 at 0."""
    return np.abs(predictions if targets is None else predictions - targets)


@explained
@keeps_bf16
def huber_loss(predictions: Any, targets: Any = None, delta: float = 1.0) -> Any:
    """(p - t)^2 / 2 for errors within delta, delta * (|p - t| - delta / 2) beyond.

    Source: Huber, Robust estimation of a location parameter, 1964.
    """
    error = predictions if targets is None else predictions - targets
    # a power of the error within, not of its size, whose second derivative at 0 would be 0
    within = np.where(error > delta, delta, np.where(error < -delta, -delta, error))
    return within * (error - 0.5 * within)


@explained
@keeps_bf16
def hinge_loss(predictor_outputs: Any, targets: Any) -> Any:
    """max(0, 1 - p * t) for targets -1 and 1."""
    return relu(1 - predictor_outputs * targets)


@explained
def softmax_cross_entropy(logits: Any, labels: Any, axis: Axis = -1, where: Any = None) -> Any:
    """-sum(labels * log_softmax(logits)), for labels that are distributions, as one-hot rows.

    Entries outside of the mask `where` take no part; it may be without the axis.
    """
    if np.ndim(labels) < np.ndim(logits) and np.result_type(labels).kind in "iu":
        raise wrong(
            f"softmax_cross_entropy: distributions over classes are required, got {shown(labels)}",
            "nn.softmax_cross_entropy_with_integer_labels(logits, labels)",
        )
    where = _spread(where, logits, axis)
    logs = log_softmax(logits, axis, where)
    return -np.sum(labels * (logs if where is None else np.where(where, logs, 0)), axis=axis)


def _spread(where: Any, logits: Any, axis: Axis) -> Any:
    """A mask with all axes of the logits."""
    if where is None or np.ndim(where) == logits.ndim or axis is None:
        return where
    return np.expand_dims(where, axis)


@explained
def softmax_cross_entropy_with_integer_labels(
    logits: Any, labels: Any, axis: int | tuple[int, ...] = -1, where: Any = None
) -> Any:
    """-log_softmax(logits)[label], for labels in range; 0 where the mask `where` leaves nothing.

    Of several axes a label is a place in all of them, flat, the last one the fastest.
    """
    most = np.ndim(logits) - (len(axis) if isinstance(axis, tuple) else 1)
    if np.ndim(labels) > most:
        one_hot = np.shape(labels) == np.shape(logits)
        raise wrong(
            "softmax_cross_entropy_with_integer_labels: labels without the axis of classes are "
            f"required, got {shown(labels)} for {shown(logits)}",
            "nn.softmax_cross_entropy(logits, labels)" if one_hot else "labels[..., 0]",
        )
    where = _spread(where, logits, axis)
    if isinstance(axis, tuple):
        logits = _flat(logits, axis)
        where, axis = None if where is None else _flat(np.asarray(where), axis), -1
    # a mask, not a gather: it fuses with the rest into one kernel, and so does its derivative
    mask = chosen(labels, logits.shape[axis], axis % logits.ndim)
    label = np.sum(np.where(mask, logits, 0), axis=axis)
    if where is None:
        return logsumexp(logits, axis) - label
    some = np.any(where, axis=axis)
    seen = np.logical_or(where, np.expand_dims(np.logical_not(some), axis))
    return np.where(some, logsumexp(logits, axis, where=seen) - label, 0)


def _flat(x: Any, axes: tuple[int, ...]) -> Any:
    """The axes last, as one."""
    last = [k % x.ndim for k in axes]
    first = [k for k in range(x.ndim) if k not in last]
    return np.reshape(np.transpose(x, first + last), [x.shape[k] for k in first] + [-1])


@explained
def sigmoid_binary_cross_entropy(logits: Any, labels: Any) -> Any:
    """-t * log(p) - (1 - t) * log(1 - p) for labels t and p = sigmoid(logits), without overflow.

    Labels are taken in the dtype of the logits. Accuracy: relative, for confident logits too.
    """
    if hasattr(labels, "astype") and hasattr(logits, "dtype"):
        labels = cast_to(labels, logits)
    likely = labels > 0.5  # softplus of the logit of the less likely class, of which little remains
    other = np.where(likely, -logits, logits)
    return softplus(other) - np.where(likely, (1 - labels) * other, labels * other)


@explained
def negative_log_likelihood(log_probabilities: Any, labels: Any, axis: int = -1) -> Any:
    """-log_probabilities[label], for labels in range."""
    mask = chosen(labels, log_probabilities.shape[axis], axis % log_probabilities.ndim)
    return -np.sum(np.where(mask, log_probabilities, 0), axis=axis)


@explained
def accuracy(logits: Any, labels: Any) -> Any:
    """The part of the integer labels that have the largest logit."""
    return np.mean(np.argmax(logits, axis=-1) == labels)
