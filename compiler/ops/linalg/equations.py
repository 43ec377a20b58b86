"""Linear equations: by substitution, by elimination, by the inverse.

Every derivative is another one of the same kind: what LAPACK made of a matrix is not kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Node, Sample, Value, apply
from ...ir.types import Type, spelled
from ..elementwise import ge, gt, le, lt, neg, operands
from ..family import OneResult, of_one
from ..on_host import Arrays
from ..view import permute, reshape
from .matrices import (
    DOMAIN,
    OfMatrices,
    keep,
    of_matrices,
    product,
    rejected,
    sample_of,
    turned,
    well_conditioned,
)

__all__ = ["inv", "solve", "triangular_solve"]

BLOCK = 64
"""Rows of a triangle that LAPACK solves at once: what is below them is products."""


class Equations(OfMatrices, OneResult, abstract=True):
    """The x of m @ x = b, or with `transposed` of m.T @ x = b, where m is made of a."""

    arity = 2
    transposed: bool = False

    def moved(self, da: Value) -> Value:
        """The tangent of m for one of a."""
        return da

    def results(self, *args: Type) -> tuple[Type, ...]:
        a, b = args
        of_matrices(self, a, square=True)
        if b.dtype != a.dtype or b.ndim != a.ndim or b.shape[:-1] != a.shape[:-1]:
            raise ProgramError(
                f"{self.name}: a right side of as many rows is required, got {spelled(args)}"
            )
        return (b,)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        a, _ = operands(out)
        if i == 1:
            return apply(self, a, dx)
        moved = self.moved(dx)
        return neg(apply(self, a, product(turned(moved) if self.transposed else moved, out)))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return apply(replace(self, transposed=not self.transposed), operands(out)[0], ct)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """Right sides of one matrix are columns of one."""
        if batched != (False, True):
            return super().batch(node, args, batched, size)
        a, b = args
        n = b.type.ndim
        columns = permute(b, (*range(1, n - 1), 0, n - 1))
        flat = reshape(columns, (*columns.shape[:-2], size * b.shape[-1]))
        found = reshape(apply(self, a, flat), columns.shape)
        return (permute(found, (n - 2, *range(n - 2), n - 1)),)

    @classmethod
    def many(cls) -> Iterable[Sample]:
        """A batch that is a kernel's."""
        t = Type("f64", (33, 3, 2))
        values = well_conditioned(3, "f64", (33,)), None
        yield Sample(cls(True), (t[33, 3, 3], t), values=values)

    @classmethod
    def rejected(cls) -> Iterable[Sample]:
        f32 = Type("f32")
        for a, b, error in (
            (f32[3, 2], f32[3, 2], "square matrices are required, got f32[3, 2]"),
            (f32[3, 3], f32[2, 3], "a right side of as many rows is required, got f32[3, 3] and"),
            (f32[3, 3], f32[3], "a right side of as many rows is required, got f32[3, 3] and f32"),
            (Type("i32", (2, 2)), f32[2, 2], "is required, got i32[2, 2]"),
        ):
            yield Sample(cls(), (a, b), error=f"{cls.name}: {error}" if a.dtype == "f32" else error)


class TriangularSolve(Equations):
    """The x of t @ x = b, or with `transposed` of t.T @ x = b, where t is a triangle of a

    It is the lower triangle, or the upper one; `unit`: its diagonal is taken to be 1. Nothing else
    of `a` is read. By substitution, which is backward stable. Where the diagonal has a 0 there is
    NaN.
    Cost: n ** 2 products a column, all but those of 64 rows at a time as products of matrices.
    """

    lower: bool = True
    unit: bool = False

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        a, b = args
        a = np.swapaxes(a, -1, -2) if self.transposed else a
        if self.lower == self.transposed:
            return (substituted(a, b, self.unit),)
        # turned by half, a lower triangle is an upper one
        return (substituted(a[..., ::-1, ::-1], b[..., ::-1, :], self.unit)[..., ::-1, :],)

    def moved(self, da: Value) -> Value:
        return keep(da, (gt if self.unit else ge) if self.lower else (lt if self.unit else le))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for k, dtype in enumerate(DOMAIN):
            for op in (cls(False, k % 2 == 0), cls(True, k % 3 == 0), cls(k > 1, True, True)):
                t = Type(dtype, (2, 3, 2))
                yield Sample(op, (t[2, 3, 3], t), values=(well_conditioned(3, dtype, (2,)), None))
        for n, columns in ((0, 2), (1, 1), (5, 0), (70, 2)):
            t = Type("f64", (n, columns))
            yield Sample(cls(), (t[n, n], t), values=(well_conditioned(n, "f64"), None))
        yield from cls.many()
        yield from cls.rejected()


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


class Solve(Equations):
    """The x of a @ x = b, or with `transposed` of a.T @ x = b: by elimination with pivots

    A singular matrix has NaN.
    """

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        a, b = args
        return (np.linalg.solve(np.swapaxes(a, -1, -2) if self.transposed else a, b),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            t = Type(dtype, (2, 3, 2))
            for turn in (False, True):
                values = well_conditioned(3, dtype, (2,)), None
                yield Sample(cls(turn), (t[2, 3, 3], t), values=values)
        for n, columns in ((0, 2), (1, 1), (5, 0), (17, 2)):
            t = Type("f64", (n, columns))
            yield Sample(cls(), (t[n, n], t), values=(well_conditioned(n, "f64"), None))
        yield from cls.many()
        yield from cls.rejected()


class Inv(OfMatrices, OneResult):
    """The inverse of x; of a singular matrix NaN"""

    arity = 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        return (of_matrices(self, args[0], square=True),)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return (np.linalg.inv(args[0]),)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return neg(product(product(out, dx), out))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            yield sample_of(cls(), well_conditioned(3, dtype, (2,)))
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (17, ()), (2, (33,))):
            yield sample_of(cls(), well_conditioned(n, "f64", batch))
        yield from rejected(cls())


# ---------------------------------------------------------------- user functions


def triangular_solve(
    a: Value, b: Value, lower: bool = True, transposed: bool = False, unit: bool = False
) -> Value:
    return apply(TriangularSolve(transposed, lower, unit), a, b)


def solve(a: Value, b: Value) -> Value:
    return apply(Solve(), a, b)


inv = of_one(Inv)
