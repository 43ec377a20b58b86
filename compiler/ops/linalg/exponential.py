"""The exponential of matrices, and its derivative, of which all others are made."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ...ir.graph import Sample, Value, apply
from ...ir.types import Type
from ..elementwise import operands
from ..family import OneResult, of_one
from ..on_host import Arrays
from ..source import zero_of
from ..view import concatenate, pad, slice_
from .matrices import (
    DOMAIN,
    OfMatrices,
    of_direction,
    of_matrices,
    rejected,
    sample_of,
    turned,
    well_conditioned,
)

__all__ = ["expm"]

DEGREES = {3: 1.495585217958292e-2, 5: 2.539398330063230e-1, 7: 9.504178996162932e-1}
LAST, LAST_NORM = 13, 5.371920351148152
"""Up to which 1-norm an approximant of each degree is exact in f64."""


class Expm(OfMatrices, OneResult):
    """The exponential of x: 1 + x + x @ x / 2 + ...

    By scaling, a quotient of polynomials of degree 3 to 13, and squares.
    Source: Higham, The scaling and squaring method for the matrix exponential revisited, 2005.
    """

    arity = 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        return (of_matrices(self, args[0], square=True),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return exponential(args)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(ExpmFrechet(), *operands(out), dx)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            for size in (1e-3, 1):
                x = well_conditioned(3, dtype, (2,))
                yield sample_of(cls(), (size * x).astype(x.dtype))
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (5, ())):
            yield sample_of(cls(), -well_conditioned(n, "f64", batch))
        yield from rejected(cls())


class ExpmFrechet(OfMatrices, OneResult):
    """The derivative of the exponential at x in the direction d, linear in d

    It is the upper right block of the exponential of [[x, d], [0, x]].
    Source: Al-Mohy and Higham, Computing the Frechet derivative of the matrix exponential, 2009.
    """

    arity = 2

    def results(self, *args: Type) -> tuple[Type, ...]:
        return (of_direction(self, *args),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return exponential(args)[1:]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        """The derivative of the block's exponential is a block of twice the size."""
        x, d = operands(out)
        if i == 1:
            return apply(self, x, dx)
        n = x.shape[-1]
        found = apply(self, upper_block(x, d), upper_block(dx, None))
        start = (*(0 for _ in x.shape[:-1]), n)
        return slice_(found, start, (*x.shape[:-1], 2 * n))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return apply(self, turned(operands(out)[0]), ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), *(well_conditioned(3, dtype, (2,), k) for k in range(2)))
        for n, batch in ((0, ()), (1, ()), (2, (0,))):
            yield sample_of(cls(), *(well_conditioned(n, "f64", batch, k) for k in range(2)))
        for d in (Type("f32", (3, 3)), Type("f64", (2, 2))):
            error = "expm_frechet: operands of one type are required, got f32[2, 2] and"
            yield Sample(cls(), (Type("f32", (2, 2)), d), error=error)


def upper_block(x: Value, beside: Value | None) -> Value:
    """[[x, beside], [0, x]]; none is zeros."""
    n, zero = x.shape[-1], zero_of(x.type)
    none = (0,) * (x.type.ndim - 1)
    right = pad(x, (*none, n), (*none, 0), zero)
    top = (
        pad(x, (*none, 0), (*none, n), zero)
        if beside is None
        else concatenate(x, beside, axis=x.type.ndim - 1)
    )
    return concatenate(top, right, axis=x.type.ndim - 2)


# ---------------------------------------------------------------- in NumPy

Series = tuple[np.ndarray, ...]
"""A matrix, or a matrix and its tangent."""


def exponential(args: Series) -> Series:
    """The exponential of matrices; of matrices and tangents both of it.

    Those of one degree and number of squares together: the bits of each are its own.
    """
    n = args[0].shape[-1]
    count = math.prod(args[0].shape[:-2])
    flat = tuple(a.reshape(count, n, n) for a in args)
    norms = np.abs(flat[0]).sum(1, dtype=np.float64).max(1, initial=0.0)
    if not np.isfinite(norms).all():
        raise np.linalg.LinAlgError("too large")
    out = tuple(np.empty_like(a) for a in flat)
    plans = [plan(float(norm)) for norm in norms]
    for degree, squares in set(plans):
        rows = [k for k, p in enumerate(plans) if p == (degree, squares)]
        found = scaled_exponential(tuple(a[rows] for a in flat), degree, squares)
        for y, part in zip(out, found, strict=True):
            y[rows] = part
    return tuple(y.reshape(args[0].shape) for y in out)


def plan(norm: float) -> tuple[int, int]:
    """The degree of the approximant, and how often it is squared."""
    degree = next((d for d, most in DEGREES.items() if norm <= most), LAST)
    return degree, max(0, math.ceil(math.log2(norm / LAST_NORM))) if degree == LAST else 0


def scaled_exponential(x: Series, degree: int, squares: int) -> Series:
    x = tuple(a * a.dtype.type(2.0**-squares) for a in x)
    even, odd = approximant(x, degree)
    odd = times(x, odd)
    below = tuple(e - o for e, o in zip(even, odd, strict=True))
    found = quotient(below, tuple(e + o for e, o in zip(even, odd, strict=True)))
    for _ in range(squares):
        found = times(found, found)
    return found


def approximant(x: Series, degree: int) -> tuple[Series, Series]:
    """The even part of the numerator, and what times x is the odd part."""
    c = [float(v) for v in coefficients(degree)]
    one = np.eye(x[0].shape[-1], dtype=x[0].dtype)
    start = tuple(
        np.broadcast_to(one, x[0].shape) if k == 0 else np.zeros_like(a) for k, a in enumerate(x)
    )
    powers = [start, times(x, x)]
    while len(powers) <= min(degree // 2, 3):
        powers.append(times(powers[-1], powers[1]))
    if degree < LAST:
        return total(c[::2], powers), total(c[1::2], powers)
    high = [total((0.0, *c[k : k + 6 : 2]), powers) for k in (8, 9)]
    low = [total(c[k : k + 8 : 2], powers) for k in (0, 1)]
    even, odd = (
        tuple(a + b for a, b in zip(times(powers[3], h), v, strict=True))
        for h, v in zip(high, low, strict=True)
    )
    return even, odd


def coefficients(degree: int) -> list[int]:
    """Of the diagonal approximant, whole numbers, the last of them 1."""
    m, f = degree, math.factorial
    return [f(2 * m - k) // (f(m - k) * f(k)) for k in range(m + 1)]


def total(c: Iterable[float], powers: Iterable[Series]) -> Series:
    """The sum of c[k] * powers[k]."""
    parts = [tuple(p * p.dtype.type(v) for p in power) for v, power in zip(c, powers, strict=False)]
    return tuple(np.sum(column, 0) for column in zip(*parts, strict=True))


def times(x: Series, y: Series) -> Series:
    if len(x) == 1:
        return (x[0] @ y[0],)
    return x[0] @ y[0], x[0] @ y[1] + x[1] @ y[0]


def quotient(x: Series, y: Series) -> Series:
    """The z of which x z is y."""
    found = np.linalg.solve(x[0], y[0])
    if len(x) == 1:
        return (found,)
    return found, np.linalg.solve(x[0], y[1] - x[1] @ found)


# ---------------------------------------------------------------- user functions

expm = of_one(Expm)
