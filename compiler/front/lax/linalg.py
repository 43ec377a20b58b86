"""jax.lax.linalg's names, with its arguments and orders of results.

    lower = wl.lax.linalg.cholesky(a)
    inverse = wl.lax.linalg.triangular_solve(lower, np.eye(3), left_side=True, lower=True)

Factors: cholesky, qr, lu, lu_pivots_to_permutation, svd, eigh. Equations: triangular_solve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.graph import Value, apply
from ...ops import linalg as ops
from ...ops.elementwise import conj
from ...ops.linalg.matrices import Hermitian, hermitian_part, turned
from ...trace.operands import tracer
from ...trace.tracer import FUNCTIONS, Tracer
from ..numpy.linalg import decompositions
from ..numpy.linalg.equations import sides
from ..numpy.linalg.matrices import Taken, anywhere, taken

__all__ = [
    "cholesky", "eigh", "lu", "lu_pivots_to_permutation", "qr", "svd", "triangular_solve",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


def symmetrized(given: Taken, symmetrize: bool, lower: bool) -> Value:
    """The Hermitian parts, or the Hermitian matrices of one triangle."""
    (x,) = given.values
    return hermitian_part(x) if symmetrize else apply(Hermitian(lower), x)


@anywhere
def cholesky(a: Any, *, symmetrize_input: bool = True) -> Tracer:
    """The lower triangular L of which L @ L.conj().T is (a + a.conj().T) / 2, or `a` as it is."""
    given = taken("cholesky", a, square=True)
    (x,) = given.values
    return given.give(ops.cholesky(hermitian_part(x) if symmetrize_input else x, True))


@anywhere
def triangular_solve(
    a: Any,
    b: Any,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Tracer:
    """The x of op(t) @ x = b, or where not `left_side` of x @ op(t) = b; t is a triangle of `a`."""
    given = taken("triangular_solve", a, b, square=True)
    x, y = given.xs
    if not left_side and y.ndim > 1:
        y = FUNCTIONS[np.matrix_transpose](y)
    matrix, right, vector = sides("triangular_solve", Taken((x, y), given.half))
    if conjugate_a and matrix.type.is_complex:
        matrix = conj(matrix)
    turn = transpose_a if left_side or vector else not transpose_a
    found = ops.triangular_solve(matrix, right, lower, turn, unit_diagonal)
    found = given.give(found if left_side or vector else turned(found))
    return found[..., 0] if vector else found


@anywhere
def qr(x: Any, *, full_matrices: bool = True) -> tuple[Tracer, Tracer]:
    """Q and R, of which Q @ R is `x`."""
    q, r = decompositions.qr(x, "complete" if full_matrices else "reduced")
    return q, r


@anywhere
def eigh(x: Any, *, lower: bool = True, symmetrize_input: bool = True) -> tuple[Tracer, Tracer]:
    """Eigenvectors, in columns, then eigenvalues, rising: the other way around than NumPy's."""
    given = taken("eigh", x, square=True)
    w, v = map(given.give, ops.eigh(symmetrized(given, symmetrize_input, lower)))
    return v, w


@anywhere
def svd(x: Any, *, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """U, S and Vh, or S alone."""
    found = decompositions.svd(x, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@anywhere
def lu(x: Any) -> tuple[Tracer, Tracer, Tracer]:
    """L and U in one matrix, the rows that changed places in turn, the order that this leaves.

    L @ U is x[order]; the diagonal of L, which is ones, is not kept.
    """
    given = taken("lu", x)
    factors, pivots, order = map(given.give, ops.lu(*given.values))
    return factors, pivots, order


@anywhere
def lu_pivots_to_permutation(pivots: Any, permutation_size: int) -> Tracer:
    """The order of rows that the changes of `lu` leave."""
    p = tracer(pivots)
    arange, where = FUNCTIONS[np.arange], FUNCTIONS[np.where]
    places = arange(permutation_size, dtype=p.dtype)
    order = FUNCTIONS[np.broadcast_to](places, (*p.shape[:-1], permutation_size))
    for i in range(p.shape[-1]):
        at = p[..., i, None]
        here, there = order[..., i, None], FUNCTIONS[np.take_along_axis](order, at, -1)
        order = where(places == i, there, where(places == at, here, order))
    return order
