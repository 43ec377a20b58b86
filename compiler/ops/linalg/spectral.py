"""Eigenvalues and eigenvectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...ir.graph import Node, Sample, Value, apply_all
from ...ir.types import NUMPY, Type
from ..elementwise import add, cast, conj, div, eq, imag, mul, real, select, sub
from ..elementwise import complex as complex_
from ..on_host import COMPLEX_OF, Arrays
from ..reduce import argmax, reduce_sum
from ..source import full, iota
from .equations import solve
from .matrices import (
    DOMAIN,
    OfMatrices,
    adjoint,
    by_column,
    by_row,
    definite,
    diagonal_of,
    half_lower,
    inverse_apart,
    of_matrices,
    product,
    rejected,
    sample_of,
    well_conditioned,
)

__all__ = ["eig", "eigh"]


def gaps(w: Value, of: Type) -> Value:
    """1 / (w[j] - w[i]) at [i, j], zeros on the diagonal."""
    t = Type(w.dtype, of.shape)
    return inverse_apart(sub(by_column(w, t), by_row(w, t)))


class Eigh(OfMatrices):
    """Eigenvalues of Hermitian x, rising, and a unit eigenvector in each column of v

    Of x only the lower triangle is read. Without `vectors` the eigenvalues alone.
    Derivatives are those of distinct eigenvalues; those of vectors are infinite or NaN where two
    are equal, those of values are right for any function that does not tell equal ones apart.
    Phases of complex vectors are LAPACK's; derivatives hold them still, as does JAX.
    """

    arity = 1
    vectors: bool = True

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = of_matrices(self, args[0], square=True)
        w = Type(x.part.dtype, x.shape[:-1])
        return (w, x) if self.vectors else (w,)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        (x,) = args
        return tuple(np.linalg.eigh(x)) if self.vectors else (np.linalg.eigvalsh(x),)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        (dx,) = tangents
        if dx is None:
            return (None,) * len(node.values)
        w, v = node.values if self.vectors else eigh(node.args[0])
        half = half_lower(dx)
        inner = product(product(adjoint(v), add(half, adjoint(half))), v)
        dw = real(diagonal_of(inner)) if inner.type.is_complex else diagonal_of(inner)
        if not self.vectors:
            return w, dw
        factor = cast(gaps(w, v.type), v.dtype)
        return dw, product(v, mul(factor, inner))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Complex vectors are not smooth: LAPACK turns them as it likes."""
        for dtype in DOMAIN:
            x = definite(3, dtype, (2,))
            yield sample_of(cls(), x, smooth=not np.iscomplexobj(x))
            yield sample_of(cls(False), x)
        for n, batch in ((0, ()), (1, ()), (2, (0,)), (5, ())):
            yield sample_of(cls(), definite(n, "f64", batch))
        yield from rejected(cls())


class Eig(OfMatrices):
    """Eigenvalues of x, complex, and a unit eigenvector in each column of v

    The largest element of a vector is real. Without `vectors` the eigenvalues alone. Derivatives
    are those of distinct eigenvalues, else infinite or NaN.
    """

    arity = 1
    vectors: bool = True

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = of_matrices(self, args[0], square=True)
        v = x.of(COMPLEX_OF.get(x.dtype, x.dtype))
        w = Type(v.dtype, x.shape[:-1])
        return (w, v) if self.vectors else (w,)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        (x,) = args
        return tuple(np.linalg.eig(x)) if self.vectors else (np.linalg.eigvals(x),)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        (dx,) = tangents
        if dx is None:
            return (None,) * len(node.values)
        w, v = node.values if self.vectors else eig(node.args[0])
        inner = solve(v, product(cast(dx, v.dtype), v))
        dw = diagonal_of(inner)
        if not self.vectors:
            return w, dw
        moved = product(v, mul(gaps(w, v.type), inner))
        if not v.type.size:
            return dw, moved
        return dw, sub(moved, mul(v, by_column(normal(v, moved), v.type)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            x = well_conditioned(3, dtype, (2,)) + np.diag([0, 1, 3]).astype(NUMPY[dtype])
            yield sample_of(cls(), x)
            yield sample_of(cls(False), x)
        turn = np.array([[1.0, -2.0, 0.0], [1.0, 1.0, 0.5], [0.0, 0.5, 3.0]])
        yield sample_of(cls(), turn)
        for n, batch in ((0, ()), (1, ()), (2, (0,))):
            yield sample_of(cls(), well_conditioned(n, "f64", batch))
        yield from rejected(cls())


def normal(v: Value, moved: Value) -> Value:
    """How much of each column to take from its tangent, so that its norm stays, and its phase."""
    rows = v.type.ndim - 2
    size = add(mul(real(v), real(v)), mul(imag(v), imag(v)))
    places = iota(Type("i64", v.shape), rows)
    largest = eq(places, by_column(cast(argmax(size, rows), "i64"), v.type))
    zero = full(0.0, v.type.part)
    along = reduce_sum(real(mul(conj(v), moved)), (rows,))
    beside = reduce_sum(select(largest, imag(moved), zero), (rows,))
    top = reduce_sum(select(largest, real(v), zero), (rows,))
    return complex_(along, div(beside, top))


# ---------------------------------------------------------------- user functions


def eigh(x: Value, vectors: bool = True) -> tuple[Value, ...]:
    return apply_all(Eigh(vectors), x)


def eig(x: Value, vectors: bool = True) -> tuple[Value, ...]:
    return apply_all(Eig(vectors), x)
