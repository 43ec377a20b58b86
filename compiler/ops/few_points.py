"""Fourier transforms of few points as products with matrices of roots of unity: these cost less
than a call of the host, fuse with what is around them, and run on a GPU.

A number of points that is a product is transformed along one factor and then along the other.
Source: Cooley, Tukey, An algorithm for the machine calculation of complex Fourier series, 1965.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.graph import Pair, Parts, Value
from .contract import dot_general
from .elementwise import add, complex_product, mul, sub
from .source import constant
from .view import broadcast, pad, permute, reshape, slice_

Weights = np.ndarray[Any, np.dtype[np.complex128]]

ALONE, OF_HALF, PAIRED = 64, 192, 512
"""Most points of one product, where points or frequencies are real, which is a quarter of the work,
and of two products."""


def stages_of(n: int, half: bool = False) -> tuple[int, int] | None:
    """Numbers of points of two products that transform n, as near as can be, or of one and 1; None
    where the host is as fast."""
    if n <= (OF_HALF if half else ALONE):
        return n, 1
    small = next(a for a in range(math.isqrt(n), 0, -1) if n % a == 0)
    return (n // small, small) if n <= PAIRED and n // small <= ALONE else None


# ---------------------------------------------------------------- weights


def unit_roots(n: int) -> Weights:
    """exp(-2 pi i k / n) for each k, exact where a part is 0."""
    k = np.arange(n)
    quarters = (8 * k + n) // (2 * n)
    rest = (4 * k - quarters * n) * (np.arctan(np.longdouble(1)) * 2 / n)
    root = np.cos(rest).astype(np.float64) - 1j * np.sin(rest).astype(np.float64)
    return root * np.array([1, -1j, -1, 1j])[quarters % 4]


def root_matrix(rows: int, columns: int, n: int, inverse: bool) -> Weights:
    """What point j gives to frequency k, of so many j and k."""
    found = unit_roots(n)[np.outer(np.arange(rows), np.arange(columns)) % n]
    return found.conj() if inverse else found


# ---------------------------------------------------------------- products


def each_part(x: Parts, function: Callable[[Value], Value]) -> Parts:
    return Pair(*map(function, x)) if isinstance(x, Pair) else function(x)


def weighted_sums(x: Value, weights: np.ndarray, axis: int) -> Value:
    """The sum over j of x[..., j, ...] weights[j, k], with k in the place of j."""
    w, ndim = constant(weights.astype(x.type.numpy)), x.type.ndim
    if axis == ndim - 1:
        return dot_general(x, w, ((axis,), (0,)))
    first = dot_general(w, x, ((0,), (axis,)))
    return permute(first, [*range(1, axis + 1), 0, *range(axis + 1, ndim)])


def real_product(x: Parts, weights: Weights, axis: int) -> Value:
    """The real part of `product` of complex weights."""
    if not isinstance(x, Pair):
        return weighted_sums(x, weights.real, axis)
    return sub(weighted_sums(x.re, weights.real, axis), weighted_sums(x.im, weights.imag, axis))


def whole_product(x: Parts, weights: Weights, axis: int) -> Pair:
    if not isinstance(x, Pair):
        return Pair(weighted_sums(x, weights.real, axis), weighted_sums(x, weights.imag, axis))
    im = add(weighted_sums(x.re, weights.imag, axis), weighted_sums(x.im, weights.real, axis))
    return Pair(real_product(x, weights, axis), im)


def times(x: Pair, weights: Weights, axis: int) -> Pair:
    """x by complex weights of the axes from `axis` on, the same for all others."""
    behind = range(axis, axis + weights.ndim)
    others = [a for a in range(x.re.type.ndim) if a not in behind]

    def repeated(part: np.ndarray) -> Value:
        return broadcast(constant(part.astype(x.re.type.numpy)), x.re.shape, others)

    return complex_product(x, Pair(repeated(weights.real), repeated(weights.imag)))


# ---------------------------------------------------------------- transforms


def transformed(
    x: Parts,
    axis: int,
    n: int,
    inverse: bool = False,
    scale: float = 1.0,
    half: bool = False,
    last: Callable[[Parts, Weights, int], Parts] = whole_product,
) -> Parts:
    """The transform of n points along `axis`, those behind the ones of x zeros, times `scale`.

    With `half` x is real, of whose transform the first n // 2 + 1 points tell the others. The last
    product is by `last`.
    """
    size, most = (x.re if isinstance(x, Pair) else x).shape, n // 2 + 1 if half else n
    a, b = stages_of(n, half) or (n, 1)
    if b == 1:
        return last(x, root_matrix(size[axis], most, n, inverse) * scale, axis)
    rows, columns = -(-size[axis] // b), -(-most // a)
    ndim, ahead, behind = len(size), size[:axis], size[axis + 1 :]
    none = [0] * ndim
    high = [rows * b - size[axis] if i == axis else 0 for i in range(ndim)]
    x = each_part(x, lambda v: reshape(pad(v, none, high, 0), (*ahead, rows, b, *behind)))
    y = whole_product(x, root_matrix(rows, a, a, inverse) * scale, axis)
    y = times(y, root_matrix(a, b, n, inverse), axis)
    found = last(y, root_matrix(b, columns, b, inverse), axis + 1)
    order = [*range(axis), axis + 1, axis, *range(axis + 2, ndim + 1)]

    def joined(v: Value) -> Value:
        v = reshape(permute(v, order), (*ahead, columns * a, *behind))
        return slice_(v, none, (*ahead, most, *behind))

    return each_part(found, joined)


def of_half(x: Pair, axis: int, n: int, scale: float) -> Parts:
    """The n real numbers of which x is half of the transform: points inside stand for their
    conjugates too."""
    k = np.arange(n // 2 + 1)
    twice = np.where((k == 0) | (2 * k == n), 1.0, 2.0)
    if n <= OF_HALF:
        weights = root_matrix(len(k), n, n, inverse=True) * (scale * twice)[:, None]
        return real_product(x, weights, axis)
    others = [a for a in range(x.re.type.ndim) if a != axis]
    weight = broadcast(constant(twice.astype(x.re.type.numpy)), x.re.shape, others)
    both = Pair(mul(x.re, weight), mul(x.im, weight))
    return transformed(both, axis, n, True, scale, last=real_product)
