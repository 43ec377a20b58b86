"""Determinants, and what their derivatives are made of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...ir.graph import Node, Sample, Value, apply, apply_all
from ...ir.types import Type
from ..elementwise import add, div, imag, mul, operands, real, sub
from ..elementwise import complex as complex_
from ..family import OneResult, of_one
from ..on_host import Arrays
from ..reduce import reduce_sum
from ..source import full
from ..view import broadcast
from .equations import inv
from .matrices import (
    DOMAIN,
    OfMatrices,
    of_direction,
    of_matrices,
    product,
    rejected,
    sample_of,
    turned,
    well_conditioned,
)

__all__ = ["adjugate", "det", "slogdet"]


class Det(OfMatrices, OneResult):
    """The determinant of x

    Two derivatives are exact at a singular matrix too; those of higher order divide by the
    determinant.
    """

    arity = 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = of_matrices(self, args[0], square=True)
        return (Type(x.dtype, x.shape[:-2]),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return (np.linalg.det(args[0]),)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        assert out.node is not None
        return traced_product(adjugate(*out.node.args), dx)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), well_conditioned(3, dtype, (2,)))
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (5, ()), (2, (33,))):
            yield sample_of(cls(), well_conditioned(n, "f64", batch))
        yield from rejected(cls())


def traced_product(x: Value, y: Value) -> Value:
    """The trace of x @ y."""
    n = x.type.ndim
    return reduce_sum(mul(turned(x), y), (n - 2, n - 1))


class Adjugate(OfMatrices, OneResult):
    """The matrix of cofactors, transposed: det(x) times the inverse, finite where there is none"""

    arity = 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        return (of_matrices(self, args[0], square=True),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        """By rotations and what they leave of x: the product of the other singular values each."""
        u, s, vh = np.linalg.svd(args[0])
        n = s.shape[-1]
        others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
        turn = np.linalg.det(u) * np.linalg.det(vh)
        v, uh = (np.conj(np.swapaxes(x, -1, -2)) for x in (vh, u))
        return (turn[..., None, None] * (v * others[..., None, :]) @ uh,)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(AdjugateFrechet(), *operands(out), dx)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), well_conditioned(3, dtype, (2,)))
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (5, ())):
            yield sample_of(cls(), well_conditioned(n, "f64", batch))
        yield sample_of(cls(), np.ones((3, 3)), smooth=False)
        yield from rejected(cls())


class AdjugateFrechet(OfMatrices, OneResult):
    """The derivative of the adjugate at x in the direction d, linear in d; of singular x too

    Where x is u * s @ vh, it is the turned matrix of the minors of s without two of its numbers,
    times the elements of d as u and v see them. Derivatives in x divide by the determinant.
    """

    arity = 2

    def results(self, *args: Type) -> tuple[Type, ...]:
        return (of_direction(self, *args),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        x, d = args
        u, s, vh = np.linalg.svd(x)
        v, uh = (np.conj(np.swapaxes(m, -1, -2)) for m in (vh, u))
        inner, minors = uh @ d @ v, without_two(s)
        own = (minors @ np.diagonal(inner, axis1=-2, axis2=-1)[..., None])[..., 0]
        found = -minors * inner + np.eye(s.shape[-1]) * own[..., None, :]
        turn = np.linalg.det(u) * np.linalg.det(vh)
        return ((turn[..., None, None] * (v @ found @ uh)).astype(x.dtype),)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, d = operands(out)
        if i == 1:
            return apply(self, x, dx)
        a, moved = adjugate(x), apply(self, x, dx)
        axes = (out.type.ndim - 2, out.type.ndim - 1)

        def times(scalar: Value, y: Value) -> Value:
            return mul(broadcast(scalar, y.shape, axes), y)

        ways = add(times(traced_product(moved, d), a), times(traced_product(a, d), moved))
        crossed = add(product(product(moved, d), a), product(product(a, d), moved))
        found = sub(sub(ways, crossed), times(traced_product(a, dx), out))
        return div(found, broadcast(det(x), out.shape, axes))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return turned(apply(self, operands(out)[0], turned(ct)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), *(well_conditioned(3, dtype, (2,), k) for k in range(2)))
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (5, ())):
            yield sample_of(cls(), *(well_conditioned(n, "f64", batch, k) for k in range(2)))
        for d in (Type("f32", (3, 3)), Type("f64", (2, 2))):
            error = "adjugate_frechet: operands of one type are required, got f32[2, 2] and"
            yield Sample(cls(), (Type("f32", (2, 2)), d), error=error)


def without_two(s: np.ndarray) -> np.ndarray:
    """For each two of the numbers s, which fall, the product of all others; 0 for one twice."""
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    larger = np.maximum(s[..., :, None], s[..., None, :])
    least = np.where(s[..., :, None] >= s[..., None, :], others[..., None, :], others[..., :, None])
    rest = np.where(s > 0, s, 1).prod(-1) * ((s == 0).sum(-1) == 2)
    found = np.where(larger > 0, least / np.where(larger > 0, larger, 1), rest[..., None, None])
    return found * ~np.eye(n, dtype=bool)


class Slogdet(OfMatrices):
    """The sign of the determinant, on the unit circle, and the log of its size

    Of a singular matrix 0 and -inf, without derivatives.
    """

    arity = 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = of_matrices(self, args[0], square=True)
        of = Type(x.dtype, x.shape[:-2])
        return of, of.part

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return tuple(np.linalg.slogdet(args[0]))

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        (dx,) = tangents
        if dx is None:
            return None, None
        ratio = traced_product(inv(node.args[0]), dx)
        if not dx.type.is_complex:
            return None, ratio
        turn = complex_(full(0.0, ratio.type.part), imag(ratio))
        return mul(node.values[0], turn), real(ratio)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), well_conditioned(3, dtype, (2,)))
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (5, ()), (2, (33,))):
            yield sample_of(cls(), well_conditioned(n, "f64", batch))
        yield from rejected(cls())


# ---------------------------------------------------------------- user functions

det = of_one(Det)
adjugate = of_one(Adjugate)


def slogdet(x: Value) -> tuple[Value, ...]:
    return apply_all(Slogdet(), x)
