"""Sums of exponentials along axes, and what they share out: logsumexp, softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..trace.operands import inexact, tracer
from .lax.lax import eager, stop_gradient

__all__ = ["log_softmax", "logsumexp", "softmax"]


def _top(a: Any, axis: Any) -> Any:
    """The greatest along the axis, 0 where it is infinite: inf - inf would be NaN."""
    top = np.max(a, axis=axis, keepdims=True, initial=-math.inf)
    return stop_gradient(np.where(np.isfinite(top), top, 0.0))


@eager("a", "b", "where")
def logsumexp(
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """log(sum(b exp(a))) along axes over the mask `where`, without overflow; -inf of nothing.

    Weights `b` may be negative: with `return_sign` the result is the logarithm of the size of the
    sum and its sign, else NaN where the sum is. Weights of 0 take out infinite a too.
    """
    a = inexact(a)
    a = a if where is None else np.where(where, a, -math.inf)
    top = _top(a if b is None else np.where(np.equal(b, 0), -math.inf, a), axis)
    terms = np.exp(a - top)
    if b is not None:
        b = tracer(b)
        terms = b * np.where(np.equal(b, 0) & np.isinf(terms), 0.0, terms)
    total: Any = np.sum(terms, axis=axis, keepdims=True)
    sign = np.sign(total)
    found = np.log(np.abs(total) if return_sign else total) + top
    if not keepdims:
        found, sign = np.squeeze(found, axis=axis), np.squeeze(sign, axis=axis)
    return (found, sign) if return_sign else found


@eager("x")
def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along axes, without overflow."""
    x = inexact(x)
    terms = np.exp(x - _top(x, axis))
    return terms / np.sum(terms, axis=axis, keepdims=True)


@eager("x")
def log_softmax(x: Any, axis: Any = None) -> Any:
    """x - logsumexp(x) along axes."""
    x = inexact(x)
    shifted = x - _top(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
