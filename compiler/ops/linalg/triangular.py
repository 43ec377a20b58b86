"""Cholesky factors, and equations whose matrices are triangular."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Sample, Value, apply
from ...ir.types import Type, spelled, type_of
from ..elementwise import ge, gt, le, lt, neg, operands
from ..family import OneResult, of_one
from ..on_host import Arrays
from .matrices import (
    DOMAIN,
    OfMatrices,
    add,
    adjoint,
    half_lower,
    keep,
    of_matrices,
    product,
    rejected,
    turned,
    well_conditioned,
)

__all__ = ["cholesky", "triangular_solve"]

BLOCK = 64
"""Rows of a triangle that LAPACK solves at once: what is below them is products."""


class Cholesky(OfMatrices, OneResult):
    """The lower triangular L, diagonal above 0, of which L @ L.adjoint is x

    Of x only the lower triangle is read.
    Source: Murray, Differentiation of the Cholesky decomposition, 2016.
    """

    arity = 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        return (of_matrices(self, args[0], square=True),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return (np.linalg.cholesky(args[0]),)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        half = half_lower(dx)
        inner = triangular_solve(out, add(half, adjoint(half)))
        inner = triangular_solve(out, adjoint(inner))
        return product(out, half_lower(inner))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), definite(3, dtype, (2,)))
        for n, batch in ((0, ()), (1, ()), (5, ()), (2, (0,)), (17, ())):
            yield sample_of(cls(), definite(n, "f64", batch))
        yield from rejected(cls())


class TriangularSolve(OfMatrices, OneResult):
    """The x of t @ x = b, or with `transposed` of t.T @ x = b, where t is a triangle of a

    It is the lower triangle, or the upper one; `unit`: its diagonal is taken to be 1. Nothing else
    of `a` is read. By substitution, which is backward stable. Where the diagonal has a 0 there is
    NaN.
    Cost: n ** 2 products a column, all but those of 64 rows at a time as products of matrices.
    """

    arity = 2
    lower: bool = True
    transposed: bool = False
    unit: bool = False

    def results(self, *args: Type) -> tuple[Type, ...]:
        a, b = args
        of_matrices(self, a, square=True)
        if b.dtype != a.dtype or b.ndim != a.ndim or b.shape[:-1] != a.shape[:-1]:
            raise ProgramError(
                f"{self.name}: a right side of as many rows is required, got {spelled(args)}"
            )
        return (b,)

    def computed(self, *args: np.ndarray) -> Arrays:
        a, b = args
        a = np.swapaxes(a, -1, -2) if self.transposed else a
        if self.lower == self.transposed:
            return (substituted(a, b, self.unit),)
        # turned by half, a lower triangle is an upper one
        return (substituted(a[..., ::-1, ::-1], b[..., ::-1, :], self.unit)[..., ::-1, :],)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, _ = operands(out)
        if i == 1:
            return apply(self, a, dx)
        side = (gt if self.unit else ge) if self.lower else (lt if self.unit else le)
        moved = keep(dx, side)
        if self.transposed:
            moved = turned(moved)
        return neg(apply(self, a, product(moved, out)))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return apply(replace(self, transposed=not self.transposed), operands(out)[0], ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for k, dtype in enumerate(DOMAIN):
            for op in (cls(k % 2 == 0), cls(k % 3 == 0, True), cls(True, k > 1, True)):
                t = Type(dtype, (2, 3, 2))
                yield Sample(op, (t[2, 3, 3], t), values=(well_conditioned(3, dtype, (2,)), None))
        for n, columns in ((0, 2), (1, 1), (5, 0), (70, 2)):
            t = Type("f64", (n, columns))
            yield Sample(cls(), (t[n, n], t), values=(well_conditioned(n, "f64"), None))
        f32 = Type("f32")
        for a, b, error in (
            (f32[3, 2], f32[3, 2], "square matrices are required, got f32[3, 2]"),
            (f32[3, 3], f32[2, 3], "a right side of as many rows is required, got f32[3, 3] and"),
            (f32[3, 3], f32[3], "a right side of as many rows is required, got f32[3, 3] and f32"),
            (Type("i32", (2, 2)), f32[2, 2], "is required, got i32[2, 2]"),
        ):
            yield Sample(cls(), (a, b), error=error)


def substituted(a: np.ndarray, b: np.ndarray, unit: bool) -> np.ndarray:
    """The x of t @ x = b, t the upper triangle of a: the lower half first, then the rest.

    Of an upper triangle LAPACK's elimination finds nothing to do: it substitutes.
    """
    n = a.shape[-1]
    if n > BLOCK:
        half = n // 2 // BLOCK * BLOCK or BLOCK
        below = substituted(a[..., half:, half:], b[..., half:, :], unit)
        rest = b[..., :half, :] - a[..., :half, half:] @ below
        return np.concatenate((substituted(a[..., :half, :half], rest, unit), below), -2)
    t = np.triu(a)
    diagonal = np.einsum("...ii->...i", t)
    if unit:
        diagonal[...] = 1
    none = (diagonal == 0).any(-1)
    diagonal[none] = 1
    x = np.linalg.solve(t, b)
    x[none] = np.nan
    return x


def definite(n: int, dtype: str, batch: tuple[int, ...] = ()) -> np.ndarray:
    """Hermitian positive definite matrices for samples."""
    x = well_conditioned(n, dtype, batch)
    return x @ np.conj(np.swapaxes(x, -1, -2)) / (1 + n)


def sample_of(op: Any, *arrays: np.ndarray, **facts: Any) -> Sample:
    """A sample on these operands."""
    return Sample(op, tuple(map(type_of, arrays)), values=arrays, **facts)


# ---------------------------------------------------------------- user functions

cholesky = of_one(Cholesky)


def triangular_solve(
    a: Value, b: Value, lower: bool = True, transposed: bool = False, unit: bool = False
) -> Value:
    return apply(TriangularSolve(lower, transposed, unit), a, b)
