"""Singular values, and the inverse that they give to any matrix."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Node, Sample, Value, apply, apply_all
from ...ir.source import location
from ...ir.types import Type, spelled
from ..elementwise import add, cast, div, eq, mul, real, select, sub
from ..family import OneResult
from ..on_host import Arrays
from ..source import full
from .matrices import (
    DOMAIN,
    OfMatrices,
    adjoint,
    by_column,
    by_row,
    diagonal_of,
    identity,
    inverse_apart,
    keep,
    number,
    of_matrices,
    product,
    sample_of,
    well_conditioned,
)

__all__ = ["pinv", "svd"]


def inverse_or_zero(x: Value) -> Value:
    """1 / x, at 0 zero."""
    zero, one = full(0.0, x.type), full(1.0, x.type)
    none = eq(x, zero)
    return select(none, zero, div(one, select(none, one, x)))


class Svd(OfMatrices):
    """The u, s and vh of which (u * s) @ vh is x: unit vectors, singular values s falling

    `full`: u and vh are square. Without `vectors` the singular values alone. Derivatives are those
    of distinct singular values: of vectors they are infinite or NaN where two are equal, and at a 0
    where the matrix is not square; of full vectors there are none, unless it is square. Phases of
    complex vectors are LAPACK's; the derivative of u moves with them, as in JAX.
    Source: Townsend, Differentiating the singular value decomposition, 2016.
    """

    arity = 1
    full: bool = False
    vectors: bool = True

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = of_matrices(self, args[0])
        *batch, m, n = x.shape
        k = min(m, n)
        s = Type(x.part.dtype, (*batch, k))
        if not self.vectors:
            return (s,)
        rows, cols = (m, n) if self.full else (k, k)
        return x[*batch, m, rows], s, x[*batch, cols, n]

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        (x,) = args
        if not self.vectors:
            return (np.linalg.svd(x, compute_uv=False),)
        return tuple(np.linalg.svd(x, full_matrices=self.full))

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        (dx,) = tangents
        if dx is None:
            return (None,) * len(node.values)
        *_, m, n = dx.shape
        if self.full and self.vectors and m != n:
            raise ProgramError(
                f"svd: full vectors of {node.args[0].type} have no derivative",
                location(node.source),
                "full_matrices=False",
            )
        u, s, vh = node.values if self.vectors else svd(node.args[0])
        uh, v = adjoint(u), adjoint(vh)
        inner = product(product(uh, dx), v)
        ds = real(diagonal_of(inner)) if inner.type.is_complex else diagonal_of(inner)
        if not self.vectors:
            return s, ds

        column, row = by_column(s, inner.type), by_row(s, inner.type)
        apart = inverse_apart(mul(add(column, row), sub(column, row)))
        near, left, right = (cast(x, inner.dtype) for x in (apart, column, row))
        both = [add(y, adjoint(y)) for y in (mul(inner, left), mul(right, inner))]
        turn_u, turn_v = (mul(near, y) for y in both)
        if inner.type.is_complex:
            phase = mul(sub(inner, adjoint(inner)), number(0.5, inner.type))
            inverse = cast(inverse_or_zero(column), inner.dtype)
            turn_u = add(turn_u, keep(mul(phase, inverse), eq))
        du, dv = product(u, turn_u), product(v, turn_v)
        if m > n:
            du = add(du, beyond(u, product(dx, v), s))
        if n > m:
            dv = add(dv, beyond(v, product(adjoint(dx), u), s))
        return du, ds, adjoint(dv)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Complex vectors are not smooth: LAPACK turns them as it likes."""
        for dtype in DOMAIN:
            for m, n in ((3, 3), (4, 2), (2, 4)):
                x = well_conditioned(4, dtype, (2,))[..., :m, :n]
                yield sample_of(cls(), x, smooth=not np.iscomplexobj(x))
            yield sample_of(cls(False, False), x)
        for m, n in ((0, 0), (3, 0), (0, 3), (1, 1)):
            yield sample_of(cls(), np.ones((m, n)))
        yield sample_of(cls(True), well_conditioned(3, "f64"))
        for x, error in (
            (Type("f32", (3,)), "svd: matrices are required, got f32[3]"),
            (Type("f16", (2, 3)), "is required, got f16[2, 3]"),
        ):
            yield Sample(cls(), (x,), error=error)


def beyond(u: Value, moved: Value, s: Value) -> Value:
    """The part of a tangent that leaves the space of the vectors."""
    rest = sub(moved, product(u, product(adjoint(u), moved)))
    return div(rest, cast(by_column(s, rest.type), rest.dtype))


class Pinv(OfMatrices, OneResult):
    """The inverse of x where x is not 0: singular values up to `least` times the largest are 0

    Derivatives are those of matrices of one rank.
    Source: Golub and Pereyra, Differentiation of pseudo-inverses, 1973.
    """

    arity = 2

    def results(self, *args: Type) -> tuple[Type, ...]:
        x, least = args
        of_matrices(self, x)
        *batch, m, n = x.shape
        if least != Type(x.part.dtype, tuple(batch)):
            raise ProgramError(f"pinv: a bound for each matrix is required, got {spelled(args)}")
        return (x[*batch, n, m],)

    def by_lapack(self, *args: np.ndarray) -> Arrays:
        return (np.linalg.pinv(args[0], args[1]),)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        if i == 1:
            return None
        assert out.node is not None
        x, _ = out.node.args
        turn = adjoint(dx)
        found = product(product(out, dx), out)
        *batch, n, m = out.shape
        left = sub(identity(out.type[*batch, m, m]), product(x, out))
        right = sub(identity(out.type[*batch, n, n]), product(out, x))
        whole = adjoint(out)
        kept = product(product(product(out, whole), turn), left)
        more = product(product(product(right, turn), whole), out)
        return sub(add(kept, more), found)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in DOMAIN:
            for m, n in ((3, 3), (4, 2), (2, 4)):
                x = well_conditioned(4, dtype, (2,))[..., :m, :n]
                yield sample_of(cls(), x, np.full(2, 1e-3, np.real(x).dtype))
        for m, n in ((0, 0), (3, 0), (0, 3), (1, 1)):
            yield sample_of(cls(), np.ones((m, n)), np.array(1e-3))
        for x, error in (
            (Type("f32", (3,)), "pinv: matrices are required, got f32[3]"),
            (Type("f32", (2, 3)), "pinv: a bound for each matrix is required, got f32[2, 3] and"),
            (Type("f16", (2, 3)), "is required, got f16[2, 3]"),
        ):
            yield Sample(cls(), (x, Type("f64")), error=error)


# ---------------------------------------------------------------- user functions


def svd(x: Value, full: bool = False, vectors: bool = True) -> tuple[Value, ...]:
    return apply_all(Svd(full, vectors), x)


def pinv(x: Value, least: Value) -> Value:
    return apply(Pinv(), x, least)
