"""scipy.special's Bessel functions, by its names; the order is a number, not an array."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from .. import ops
from ..ir.graph import Value
from ..trace.operands import new, tracer, whole, wrong
from ..trace.tracer import Tracer
from .lax.lax import eager, unary
from .numpy.shapes import stack

__all__ = [
    "bessel_jn", "i0", "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jn", "y0", "y1", "yn",
]  # fmt: skip

NUMBERS = int, float, numpy.integer, numpy.floating
MOST = 1000
"""Orders of J and Y, whose recurrences are written out."""

i0 = unary(ops.i0, "i0", "The modified Bessel function of order 0. Accuracy: 4 ulp.")
i0e = unary(ops.i0e, "i0e", "i0(x) exp(-|x|), without overflow. Accuracy: 2 ulp.")
i1 = unary(ops.i1, "i1", "The modified Bessel function of order 1. Accuracy: 4 ulp.")
i1e = unary(ops.i1e, "i1e", "i1(x) exp(-|x|), without overflow. Accuracy: 2 ulp.")


def _of_order(kind: Callable[[Value, int], Value], order: int) -> Callable[[Value], Value]:
    return lambda x: kind(x, order)


WAVES = "Accuracy: 1e-15 of sqrt(2 / (pi x)), or of {} near 0; f32 and halves by f64."
j0 = unary(_of_order(ops.bessel_j, 0), "j0", f"The Bessel function J of order 0. {WAVES.format(1)}")
j1 = unary(
    _of_order(ops.bessel_j, 1), "j1",
    f"The Bessel function J of order 1. {WAVES.format('the result')}",
)  # fmt: skip
y0 = unary(
    _of_order(ops.bessel_y, 0), "y0",
    f"The Bessel function Y of order 0: -inf at 0, NaN below. {WAVES.format('the result')}",
)  # fmt: skip
y1 = unary(
    _of_order(ops.bessel_y, 1), "y1",
    f"The Bessel function Y of order 1: -inf at 0, NaN below. {WAVES.format('the result')}",
)  # fmt: skip


def _number(name: str, x: Any) -> Tracer:
    x = tracer(x)
    if x.type.is_complex:
        raise wrong(f"{name}: real numbers are required, got {x.type}")
    return x if x.type.is_inexact else x.astype("f64")


def _whole_order(name: str, n: Any) -> int:
    order = whole(int(n) if isinstance(n, NUMBERS) and n == math.floor(n) else n)
    if order is None or abs(order) > MOST:
        raise wrong(f"{name}: a whole order up to {MOST}, a Python int, is required, got {n}")
    return order


def _signed(kind: Callable[[Value, int], Value], order: int, x: Tracer) -> Tracer:
    """Of an order below 0 it is that above, times -1 for odd ones."""
    found = new(kind(x.value, abs(order)), x.weak)
    return -found if order < 0 and order % 2 else found


@eager("x")
def jn(n: Any, x: Any) -> Tracer:
    """The Bessel function J of a whole order.

    Accuracy: 1e-15 of sqrt(2 / (pi x)) for x beyond the order, below it 1e-14 of the result, up to
    order 50; f32 and halves by f64.
    """
    return _signed(ops.bessel_j, _whole_order("jn", n), _number("jn", x))


@eager("x")
def yn(n: Any, x: Any) -> Tracer:
    """The Bessel function Y of a whole order: -inf at 0, NaN below.

    Accuracy: 1e-14 of the result, or of sqrt(2 / (pi x)), whichever is more, up to order 50.
    """
    return _signed(ops.bessel_y, _whole_order("yn", n), _number("yn", x))


def _real_order(name: str, v: Any) -> float:
    order = abs(v) if isinstance(v, NUMBERS) and v == math.floor(v) else v
    if not isinstance(order, NUMBERS) or not 0 <= order < math.inf:
        raise wrong(f"{name}: an order of 0 or more, a Python number, is required, got {v}")
    return float(order)


@eager("x")
def iv(v: Any, x: Any) -> Tracer:
    """The modified Bessel function I of a real order; NaN for x below 0 unless it is whole.

    Accuracy: 3e-14 of the result up to order 100, beyond it 1e-15 times the order.
    """
    x = _number("iv", x)
    return new(ops.bessel_i(x.value, _real_order("iv", v)), x.weak)


@eager("x")
def ive(v: Any, x: Any) -> Tracer:
    """iv(v, x) exp(-|x|), without overflow. Accuracy: that of iv."""
    x = _number("ive", x)
    return new(ops.bessel_i(x.value, _real_order("ive", v), True), x.weak)


@eager("z")
def bessel_jn(z: Any, *, v: int, n_iter: int = 50) -> Tracer:
    """J of the orders 0 to v, along a new first axis; `n_iter` says how JAX computes."""
    return stack([jn(k, z) for k in range(v + 1)])
