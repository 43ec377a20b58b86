"""What rules of matrices are made of: products, triangles, diagonals of the last two axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...ir.errors import CompilerError, ProgramError
from ...ir.graph import Node, Op, Pair, Parts, Sample, Value
from ...ir.symbolic import flat
from ...ir.types import COMPLEX, WIDE, Type, spelled, type_of
from ..contract import dot_general
from ..elementwise import add, conj, div, eq, ge, gt, imag, le, mul, ne, neg, real, select
from ..elementwise import complex as complex_
from ..family import OneResult, of_domain
from ..on_host import Arrays, OnHost
from ..reduce import reduce_sum
from ..source import full, iota, zero_of
from ..view import broadcast, permute

DOMAIN = (*WIDE, *COMPLEX)


def of_matrices(op: Op, x: Type, square: bool = False) -> Type:
    """`x`, if it is matrices of numbers that LAPACK knows."""
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise ProgramError(f"{op.name}: {kind} are required, got {x}")
    return of_domain(op, x, DOMAIN)


class OfMatrices(OnHost, abstract=True):
    """By LAPACK: NaN for what it refuses, and for what is not finite in the first operand.

    The other matrices of a batch are as they were alone.
    """

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        """The results; LinAlgError where a matrix of the batch has none."""
        raise NotImplementedError

    def computed(self, *args: np.ndarray) -> Arrays:
        types = self.results(*map(type_of, args))
        batch = args[0].shape[:-2]
        if np.isfinite(args[0]).all():
            try:
                found = self.by_lapack(*args)
                return tuple(
                    np.asarray(y, t.numpy).reshape(t.shape)
                    for y, t in zip(found, types, strict=True)
                )
            except np.linalg.LinAlgError:
                pass
        if not batch:
            return tuple(undefined(t) for t in types)
        rows = args[0].shape[0]  # half by half, until those without a result are alone
        if rows == 1:
            alone = self.computed(*(a[0] for a in args))
            return tuple(y[None] for y in alone)
        parts = slice(rows // 2), slice(rows // 2, None)
        halves = [self.computed(*(a[s] for a in args)) for s in parts]
        return tuple(map(np.concatenate, zip(*halves, strict=True)))


def undefined(of: Type) -> np.ndarray:
    """NaN, and of whole numbers zeros."""
    return np.full(of.shape, np.nan if of.is_inexact else 0, of.numpy)


# ---------------------------------------------------------------- products and axes


def product(x: Value, y: Value) -> Value:
    """x @ y"""
    n = x.type.ndim
    batch = tuple(range(n - 2))
    return dot_general(x, y, ((n - 1,), (n - 2,)), (batch, batch))


def turned(x: Value) -> Value:
    """The transposes."""
    n = x.type.ndim
    return permute(x, (*range(n - 2), n - 1, n - 2))


def adjoint(x: Value) -> Value:
    """The conjugate transposes."""
    return conj(turned(x)) if x.type.is_complex else turned(x)


def by_column(row: Value, of: Type) -> Value:
    """row[..., j] at [..., i, j] of the shape of `of`."""
    return broadcast(row, of.shape, (of.ndim - 2,))


def by_row(column: Value, of: Type) -> Value:
    """column[..., i] at [..., i, j] of the shape of `of`."""
    return broadcast(column, of.shape, (of.ndim - 1,))


def diagonal_of(x: Value) -> Value:
    """x[..., i, i]"""
    return reduce_sum(keep(x, eq), (x.type.ndim - 1,))


# ---------------------------------------------------------------- triangles

Compare = Callable[[Value, Value], Value]
"""Of row and column."""


def where(of: Type, compare: Compare) -> Value:
    """Where row and column of a matrix of type `of` compare so."""
    places = Type("i32", of.shape)
    return compare(iota(places, of.ndim - 2), iota(places, of.ndim - 1))


def keep(x: Value, compare: Compare) -> Value:
    """`x` where row and column compare so, else zeros."""
    return select(where(x.type, compare), x, full(zero_of(x.type), x.type))


def number(value: float, of: Type) -> Value:
    """A number in an inexact type."""
    return full(complex(value) if of.is_complex else value, of)


def identity(of: Type) -> Value:
    return keep(number(1.0, of), eq)


def inverse_apart(x: Value) -> Value:
    """1 / x beside the diagonal, zeros on it."""
    on, zero, one = where(x.type, eq), number(0.0, x.type), number(1.0, x.type)
    return select(on, zero, div(one, select(on, one, x)))


def half_lower(x: Value) -> Value:
    """The lower triangle, half of the diagonal: with its adjoint a Hermitian matrix."""
    return select(where(x.type, gt), x, keep(mul(x, number(0.5, x.type)), eq))


def hermitian_part(x: Value) -> Value:
    """(x + its adjoint) / 2"""
    return mul(add(x, adjoint(x)), number(0.5, x.type))


# ---------------------------------------------------------------- one of two triangles


def of_direction(op: Op, x: Type, d: Type) -> Type:
    """`x`, if it is of square matrices and `d` of the same type."""
    of_matrices(op, x, square=True)
    if d != x:
        got = spelled((x, d))
        raise ProgramError(f"{op.name}: operands of one type are required, got {got}")
    return x


class Hermitian(OneResult):
    """The Hermitian matrices of which x has the lower triangles, or the upper ones

    Derivatives are taken as if x were Hermitian: the cotangent of x is Hermitian too.
    """

    arity = 1
    lower: bool = True

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return of_matrices(self, args[0], square=True)

    def reference(self, *args: np.ndarray) -> Any:
        (x,) = args
        with np.errstate(all="ignore"):
            side = np.tri(x.shape[-1], dtype=bool)
            diagonal = np.einsum("...ii->...i", x).real
            other = np.conj(np.swapaxes(x, -1, -2))
            out = np.where(side if self.lower else side.T, x, other)  # a sum has no -0
            np.einsum("...ii->...i", out)[...] = diagonal
            return out

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return hermitian_part(dx)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        raise CompilerError("hermitian: its tangent is made of other ops")

    def lifted(self, size: int) -> Op:
        return self

    def mirrored(self, x: Value, other: Value) -> Value:
        """`x` on the diagonal and on its side, `other` on the other."""
        return select(where(x.type, ge if self.lower else le), x, other)

    def pair(self, *args: Parts) -> Parts:
        (x,) = args
        assert isinstance(x, Pair)
        im = keep(self.mirrored(x.im, neg(turned(x.im))), ne)
        return Pair(self.mirrored(x.re, turned(x.re)), im)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        (x,) = node.args
        if x.type.is_complex:
            parts = self.pair(Pair(real(x), imag(x)))
            return (complex_(*flat((parts,))),)
        return (self.mirrored(x, turned(x)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Not smooth: derivatives are those of Hermitian matrices."""
        for lower in (True, False):
            for dtype in DOMAIN:
                yield Sample(cls(lower), (Type(dtype, (2, 3, 3)),), smooth=False)
        yield Sample(cls(), (Type("f64", (0, 0)),), smooth=False)
        yield from rejected(cls())


def rejected(op: Op) -> Iterable[Sample]:
    """Samples of what no op of one square matrix takes."""
    for x, error in (
        (Type("f32", (3,)), "square matrices are required, got f32[3]"),
        (Type("f32", (2, 3)), "square matrices are required, got f32[2, 3]"),
        (Type("i32", (2, 2)), "is required, got i32[2, 2]"),
    ):
        yield Sample(op, (x,), error=error)


def well_conditioned(n: int, dtype: str, batch: tuple[int, ...] = (), seed: int = 0) -> np.ndarray:
    """Matrices for samples, with condition numbers of a few."""
    t = Type(dtype, (*batch, n, n))
    rng = np.random.default_rng([n, seed])
    x = rng.uniform(-1, 1, t.shape)
    if t.is_complex:
        x = x + 1j * rng.uniform(-1, 1, t.shape)
    return (0.5 * x + (1 + n / 2) * np.eye(n)).astype(t.numpy)


def definite(n: int, dtype: str, batch: tuple[int, ...] = ()) -> np.ndarray:
    """Hermitian positive definite matrices for samples."""
    x = well_conditioned(n, dtype, batch)
    return x @ np.conj(np.swapaxes(x, -1, -2)) / (1 + n)


def sample_of(op: Any, *arrays: np.ndarray, **facts: Any) -> Sample:
    """A sample on these operands."""
    return Sample(op, tuple(map(type_of, arrays)), values=arrays, **facts)
