"""Products of triangles and rotations: Cholesky, QR, LU."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Node, Sample, Value, apply, apply_all
from ...ir.source import location
from ...ir.types import Type
from ..elementwise import add, eq, ge, gt, imag, le, sub
from ..elementwise import complex as complex_
from ..family import OneResult
from ..gather import take_along
from ..on_host import Arrays
from ..source import full, zero_of
from ..view import broadcast, pad, slice_
from .equations import BLOCK, substituted, triangular_solve
from .matrices import (
    DOMAIN,
    OfMatrices,
    adjoint,
    definite,
    half_lower,
    hermitian_part,
    identity,
    keep,
    of_matrices,
    product,
    rejected,
    sample_of,
    turned,
    well_conditioned,
)

__all__ = ["cholesky", "lu", "qr"]


class Cholesky(OfMatrices, OneResult):
    """The lower triangular L, diagonal above 0, of which L @ L.adjoint is x

    Of x only the lower triangle is read. With `hermitian` derivatives are taken as if all of it
    were, and x Hermitian: so is its cotangent.
    Source: Murray, Differentiation of the Cholesky decomposition, 2016.
    """

    arity = 1
    hermitian: bool = False

    def results(self, *args: Type) -> tuple[Type, ...]:
        return (of_matrices(self, args[0], square=True),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return (np.linalg.cholesky(args[0]),)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        half = half_lower(dx)
        moved = hermitian_part(dx) if self.hermitian else add(half, adjoint(half))
        inner = triangular_solve(out, moved)
        inner = triangular_solve(out, adjoint(inner))
        return product(out, half_lower(inner))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), definite(3, dtype, (2,)))
        for n, batch in ((0, ()), (1, ()), (5, ()), (2, (0,)), (17, ()), (2, (33,))):
            yield sample_of(cls(), definite(n, "f64", batch))
        yield sample_of(cls(True), definite(3, "c128"), smooth=False)
        yield from rejected(cls())


class Qr(OfMatrices):
    """Q with orthonormal columns and the upper triangular R of which Q @ R is x

    As many columns of Q as x has rows or columns, whichever are fewer; `complete`: as many as rows.
    Derivatives are those of full rank (of the first columns, where there are more columns than
    rows); of a complete Q that is not square there are none.
    Source: Walter and Lehmann, Algorithmic differentiation of linear algebra functions, 2018.
    """

    arity = 1
    complete: bool = False

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = of_matrices(self, args[0])
        *batch, m, n = x.shape
        k = m if self.complete else min(m, n)
        return x[*batch, m, k], x[*batch, k, n]

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return tuple(np.linalg.qr(args[0], "complete" if self.complete else "reduced"))

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        (dx,) = tangents
        if dx is None:
            return None, None
        q, r = node.values
        *_, m, n = dx.shape
        if self.complete and m > n:
            raise ProgramError(
                f"qr: the complete Q of {node.args[0].type} has no derivative",
                location(node.source),
                "mode='reduced'",
            )
        first, square = (columns(v, min(m, n)) for v in (dx, r))
        ratio = turned(triangular_solve(square, turned(first), lower=False, transposed=True))
        inner = product(adjoint(q), ratio)
        below = keep(inner, gt)
        turn = sub(below, adjoint(below))
        if inner.type.is_complex:  # the diagonal of R stays real
            bare = complex_(full(0.0, inner.type.part), imag(inner))
            turn = add(turn, keep(bare, eq))
        dq = sub(ratio, product(q, sub(inner, turn)))
        return dq, keep(sub(product(adjoint(q), dx), product(turn, r)), le)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            for m, n in ((3, 3), (4, 2), (2, 4)):
                yield sample_of(cls(), well_conditioned(4, dtype, (2,))[..., :m, :n])
        for m, n in ((0, 0), (3, 0), (0, 3), (1, 1)):
            yield sample_of(cls(), np.ones((m, n)))
        yield sample_of(cls(True), well_conditioned(3, "f64"))
        for x, error in (
            (Type("f32", (3,)), "qr: matrices are required, got f32[3]"),
            (Type("f16", (2, 3)), "is required, got f16[2, 3]"),
        ):
            yield Sample(cls(), (x,), error=error)


def columns(x: Value, count: int) -> Value:
    """The first columns."""
    if count == x.shape[-1]:
        return x
    return slice_(x, (0,) * x.type.ndim, (*x.shape[:-1], count))


class Lu(OfMatrices):
    """L and U in one matrix, of which L @ U is x with its rows in another order

    L is the part below the diagonal, with ones there; the largest of a column is taken as pivot.
    Also row pivots[i] with which row i changed places, in turn, and the order of rows that this
    leaves. A singular matrix has zeros on the diagonal of U.
    Cost: 2 / 3 n ** 3 operations, all but those within 64 columns as products of matrices.
    """

    arity = 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = of_matrices(self, args[0])
        *batch, m, n = x.shape
        whole = Type("i32", tuple(batch))
        return x, whole[*batch, min(m, n)], whole[*batch, m]

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        (x,) = args
        m, n = x.shape[-2:]
        lu = np.array(x).reshape(math.prod(x.shape[:-2]), m, n)
        order = np.tile(np.arange(m, dtype=np.int32), (len(lu), 1))
        pivots = np.zeros((len(lu), min(m, n)), np.int32)
        for start in range(0, min(m, n), BLOCK):
            eliminate(lu, order, pivots, start, min(start + BLOCK, m, n))
        return lu, pivots, order

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        (dx,) = tangents
        if dx is None:
            return None, None, None
        factors, _, order = node.values
        *batch, m, n = factors.shape
        axis, k = len(batch), min(m, n)
        moved = take_along(dx, broadcast(order, dx.shape, (axis + 1,)), axis)
        left = add(
            padded(keep(columns(factors, k), gt), m, m), identity(factors.type[*batch, m, m])
        )
        right = keep(slice_(factors, (0,) * (axis + 2), (*batch, k, n)), le)
        if n > k:  # ones below, so that it can be divided by
            ones = keep(identity(factors.type[*batch, n, n]), lambda i, _: ge(i, full(k, i.type)))
            right = add(padded(right, n, n), ones)
        inner = triangular_solve(left, moved, unit=True)
        inner = turned(triangular_solve(right, turned(inner), lower=False, transposed=True))
        du = product(keep(inner, le), right)
        return add(product(left, keep(inner, gt)), du), None, None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            for m, n in ((3, 3), (4, 2), (2, 4)):
                yield sample_of(cls(), well_conditioned(4, dtype, (2,))[..., ::-1, :][..., :m, :n])
        for m, n in ((0, 0), (3, 0), (0, 3), (1, 1), (70, 66)):
            x = np.random.default_rng(n).uniform(-1, 1, (m, n))
            yield sample_of(cls(), x, smooth=n < 66)
        for x, error in (
            (Type("f32", (3,)), "lu: matrices are required, got f32[3]"),
            (Type("f16", (2, 3)), "is required, got f16[2, 3]"),
        ):
            yield Sample(cls(), (x,), error=error)


def padded(x: Value, m: int, n: int) -> Value:
    """`x` with zeros below and to the right, up to m rows of n."""
    more = (*(0 for _ in x.shape[:-2]), m - x.shape[-2], n - x.shape[-1])
    return pad(x, (0,) * x.type.ndim, more, zero_of(x.type)) if any(more) else x


def eliminate(lu: np.ndarray, order: np.ndarray, pivots: np.ndarray, start: int, stop: int) -> None:
    """Elimination in columns start to stop of every matrix, in place, then in what is beyond."""
    each = np.arange(len(lu))
    for k in range(start, stop):
        best = k + np.argmax(np.abs(lu[:, k:, k]), 1)
        pivots[:, k] = best
        for rows in (lu, order):
            rows[each, best], rows[each, k] = rows[each, k], rows[each, best]
        pivot = lu[:, k, k][:, None]
        lu[:, k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        lu[:, k + 1 :, k + 1 : stop] -= lu[:, k + 1 :, k, None] * lu[:, k, None, k + 1 : stop]
    if stop < lu.shape[-1]:
        corner = lu[:, start:stop, start:stop]
        beside = lu[:, start:stop, stop:]
        beside[...] = substituted(corner[..., ::-1, ::-1], beside[..., ::-1, :], True)[..., ::-1, :]
        lu[:, stop:, stop:] -= lu[:, stop:, start:stop] @ beside


# ---------------------------------------------------------------- user functions


def cholesky(x: Value, hermitian: bool = False) -> Value:
    return apply(Cholesky(hermitian), x)


def qr(x: Value, complete: bool = False) -> tuple[Value, ...]:
    return apply_all(Qr(complete), x)


def lu(x: Value) -> tuple[Value, ...]:
    return apply_all(Lu(), x)
