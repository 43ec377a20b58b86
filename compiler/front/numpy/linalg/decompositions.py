"""Factors of matrices, and the numbers that they show."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....ir.graph import apply
from ....ops import linalg as ops
from ....ops.linalg.matrices import Hermitian, adjoint
from ....trace.operands import wrong
from ....trace.table import implements
from ....trace.tracer import Tracer
from .matrices import Taken, anywhere, taken

__all__ = [
    "cholesky", "det", "eig", "eigh", "eigvals", "eigvalsh", "expm", "qr", "slogdet", "svd",
    "svdvals",
]  # fmt: skip

ONE = np.eye(1)
EighResult: Any = type(np.linalg.eigh(ONE))
EigResult: Any = type(np.linalg.eig(ONE))
QRResult: Any = type(np.linalg.qr(ONE))
SVDResult: Any = type(np.linalg.svd(ONE))
SlogdetResult: Any = type(np.linalg.slogdet(ONE))


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Tracer:
    """The lower triangular L of which L @ L.conj().T is `a`, or the upper one of L.conj().T @ L.

    Of `a` that triangle alone is read; derivatives are those of Hermitian matrices, and the
    gradient is one. A matrix that is not positive definite has NaN.
    """
    given = taken("cholesky", a, square=True)
    (x,) = given.values
    found = ops.cholesky(adjoint(x) if upper else x, hermitian=True)
    return given.give(adjoint(found) if upper else found)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Q and R, of which Q @ R is `a`; with mode='r' R alone.

    The derivative is that of full rank; that of mode='complete' is one of square matrices.
    """
    if mode not in ("reduced", "complete", "r"):
        raise wrong(f"qr: a mode of reduced, complete or r is required, got {mode!r}")
    given = taken("qr", a)
    q, r = map(given.give, ops.qr(given.xs[0].value, mode == "complete"))
    return r if mode == "r" else QRResult(q, r)


def hermitian(name: str, a: Any, lower: str) -> tuple[Taken, Any]:
    """The operand, and the Hermitian matrices of which it has one triangle."""
    side = lower.upper() if isinstance(lower, str) else lower
    if side not in ("L", "U"):
        raise wrong(f"{name}: UPLO 'L' or 'U' is required, got {lower!r}")
    given = taken(name, a, square=True)
    return given, apply(Hermitian(side == "L"), *given.values)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of Hermitian matrices, rising, and their vectors in columns.

    The gradient is Hermitian; that of vectors of equal eigenvalues is infinite or NaN.
    """
    given, x = hermitian("eigh", a, UPLO)
    return EighResult(*map(given.give, ops.eigh(x)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Tracer:
    """Eigenvalues of Hermitian matrices, rising."""
    given, x = hermitian("eigvalsh", a, UPLO)
    return given.give(*ops.eigh(x, False))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and vectors in columns; always complex: a program knows no values."""
    given = taken("eig", a, square=True)
    return EigResult(*(Taken((), "").give(y) for y in ops.eig(given.xs[0].value)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Tracer:
    """Eigenvalues, always complex."""
    return Taken((), "").give(*ops.eig(taken("eigvals", a, square=True).xs[0].value, False))


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """U, S and Vh, of which (U * S) @ Vh is `a`; with compute_uv=False S alone.

    There is no derivative of full matrices U and Vh that are not square: full_matrices=False. That
    of vectors of equal singular values is infinite or NaN.
    """
    given = taken("svd", a, square=hermitian)
    x = apply(Hermitian(), *given.values) if hermitian else given.xs[0].value
    if not compute_uv:
        return given.give(*ops.svd(x, vectors=False))
    *_, m, n = x.shape
    return SVDResult(*map(given.give, ops.svd(x, full_matrices and m != n)))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Tracer:
    """Singular values, falling."""
    return svd(x, compute_uv=False)


@implements(np.linalg.det)
def det(a: Any) -> Tracer:
    """The determinant, with a gradient that is finite at singular matrices too.

    Up to 3 rows by its definition, then by elimination.
    """
    given = taken("det", a, square=True)
    (x,) = given.xs
    n = x.shape[-1]
    if not 1 <= n <= 3:
        return given.give(ops.det(*given.values))
    rows = [[x[..., i, j] for j in range(n)] for i in range(n)]
    if n < 3:
        found = rows[0][0] if n == 1 else rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]
    else:
        (a0, a1, a2), b, c = rows
        found = (
            a0 * (b[1] * c[2] - b[2] * c[1])
            - a1 * (b[0] * c[2] - b[2] * c[0])
            + a2 * (b[0] * c[1] - b[1] * c[0])
        )
    return given.give(found.value)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The sign of the determinant (a number of modulus 1) and the log of its size."""
    given = taken("slogdet", a, square=True)
    return SlogdetResult(*map(given.give, ops.slogdet(*given.values)))


@anywhere
def expm(a: Any) -> Tracer:
    """The exponential of matrices, as scipy.linalg.expm; derivatives of all orders."""
    given = taken("expm", a, square=True)
    return given.give(ops.expm(*given.values))
