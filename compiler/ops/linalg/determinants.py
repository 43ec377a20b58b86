"""Determinants, and what their derivatives are made of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...ir.graph import Node, Sample, Value, apply_all
from ...ir.types import Type
from ..elementwise import complex as complex_
from ..elementwise import div, imag, mul, real, sub
from ..family import OneResult, of_one
from ..on_host import Arrays
from ..reduce import reduce_sum
from ..source import full
from ..view import broadcast
from .equations import inv
from .matrices import (
    DOMAIN,
    OfMatrices,
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

    The derivative is finite at a singular matrix too, those of higher order are NaN there.
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
    """The matrix of cofactors, transposed: det(x) times the inverse, finite where there is none

    Its derivatives are NaN at a singular matrix.
    """

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
        assert out.node is not None
        (x,) = out.node.args
        spread = traced_product(out, dx)
        whole = broadcast(spread, out.shape, (out.type.ndim - 2, out.type.ndim - 1))
        moved = sub(mul(whole, out), product(product(out, dx), out))
        d = broadcast(det(x), out.shape, (out.type.ndim - 2, out.type.ndim - 1))
        return div(moved, d)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), well_conditioned(3, dtype, (2,)))
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (5, ())):
            yield sample_of(cls(), well_conditioned(n, "f64", batch))
        yield sample_of(cls(), np.ones((3, 3)), smooth=False)
        yield from rejected(cls())


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
