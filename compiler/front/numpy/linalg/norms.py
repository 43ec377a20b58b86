"""Norms, and numbers that singular values give: rank, condition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....trace.operands import axes_of, inexact, tracer, wrong
from ....trace.table import implements
from ....trace.tracer import FUNCTIONS, Tracer
from .. import shapes
from ..elementwise import root, where
from ..reductions import sum as sum_
from .decompositions import eigvalsh, svdvals
from .equations import inv, rounding
from .matrices import taken

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

Axes = tuple[int, ...]


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tracer:
    """The root of the sum of squares, or of one axis the norm of vectors of an order, of two axes
    that of matrices: 'fro', 'nuc', 1, -1, 2, -2, inf, -inf.

    The derivative at 0 is 0.
    """
    a = inexact(x)
    if ord is None and axis is None:
        return of_vectors(a, 2, tuple(range(a.ndim)), keepdims)
    axes = axes_of("norm", axis, a.ndim)
    if len(axes) == 1:
        return of_vectors(a, ord, axes, keepdims)
    if len(axes) == 2:
        return of_matrices(a, ord, axes, keepdims)
    raise wrong(f"norm: one axis or two are required, got {len(axes)} of {a.type}")


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tracer:
    """The norm of the axes taken as one, of any order."""
    a = inexact(x)
    return of_vectors(a, ord, axes_of("vector_norm", axis, a.ndim), keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tracer:
    """The norm of the last two axes."""
    a = inexact(x)
    if a.ndim < 2:
        raise wrong(f"matrix_norm: matrices are required, got {a.type}")
    return of_matrices(a, ord, (a.ndim - 2, a.ndim - 1), keepdims)


def of_vectors(a: Tracer, ord: Any, axes: Axes, keepdims: bool) -> Tracer:
    """(sum of |x| ** ord) ** (1 / ord) along `axes`, and its limits at 0 and infinity."""
    if isinstance(ord, Tracer):
        raise wrong(f"norm: an order that is known is required, got a traced {ord.type}")
    if ord is None or ord == 2:
        square = (a * a.conj()).real if a.type.is_complex else a * a
        return root(sum_(square, axes, keepdims=keepdims))
    if isinstance(ord, str):
        raise wrong(f"norm: an order that is a number is required of vectors, got {ord!r}")
    if ord == 0:
        return sum_(tracer(a != 0, a.type.part.dtype), axes, keepdims=keepdims)
    size = abs(a)
    if ord == math.inf and 0 in (a.shape[i] for i in axes):
        return sum_(size, axes, keepdims=keepdims)  # 0, as NumPy's
    if ord in (math.inf, -math.inf):
        return FUNCTIONS[np.max if ord > 0 else np.min](size, axes, keepdims=keepdims)
    if ord == 1:
        return sum_(size, axes, keepdims=keepdims)
    powers = sum_(size**ord, axes, keepdims=keepdims)
    if ord < 0:
        return powers ** (1 / ord)
    nothing = powers == 0
    return where(nothing, 0.0, where(nothing, 1.0, powers) ** (1 / ord))


def of_matrices(a: Tracer, ord: Any, axes: Axes, keepdims: bool) -> Tracer:
    """The norm of the matrices whose rows and columns are two axes."""
    if isinstance(ord, Tracer):
        raise wrong(f"norm: an order that is known is required, got a traced {ord.type}")
    if ord is None or ord == "fro":
        return of_vectors(a, 2, axes, keepdims)
    if ord in (1, -1, math.inf, -math.inf):
        along, other = axes if ord in (1, -1) else axes[::-1]
        best = FUNCTIONS[np.max if ord > 0 else np.min]
        found = best(sum_(abs(a), along, keepdims=True), other, keepdims=True)
    elif ord in (2, -2, "nuc"):
        values = svdvals(shapes.moveaxis(a, axes, (-2, -1)))
        reduction = {2: np.max, -2: np.min, "nuc": np.sum}[ord]
        found = FUNCTIONS[np.expand_dims](FUNCTIONS[reduction](values, -1), tuple(sorted(axes)))
    else:
        orders = "fro, nuc, 1, -1, 2, -2, inf or -inf"
        raise wrong(f"norm: an order of matrices is required, {orders}, got {ord!r}")
    return found if keepdims else FUNCTIONS[np.squeeze](found, axes)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Tracer:
    """The norm of order `p` times that of the inverse; None: largest singular value over least.

    Infinite for a singular matrix.
    """
    given = taken("cond", x, square=p not in (None, 2, -2))
    (a,) = given.xs
    if not a.value.type.size:
        raise wrong(f"cond: matrices with elements are required, got {a.type}")
    if p in (None, 2, -2):
        values = svdvals(a)
        first, last = values[..., 0], values[..., -1]
        found = last / first if p == -2 else first / last
    else:
        found = norm(a, p, (-2, -1)) * norm(inv(a), p, (-2, -1))
    isnan = FUNCTIONS[np.isnan]
    lost = FUNCTIONS[np.any](isnan(a), (-2, -1))
    found = where(isnan(found) & FUNCTIONS[np.logical_not](lost), math.inf, found)
    return given.give(found.value)


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Tracer:
    """How many singular values are above `tol`, or above rtol times the largest.

    By default what rounding may leave of a 0.
    """
    a = tracer(A)
    if a.ndim < 2:
        return FUNCTIONS[np.any](a != 0).astype("i64")
    (a,) = taken("matrix_rank", A, square=hermitian).xs
    if tol is not None and rtol is not None:
        raise wrong("matrix_rank: one of tol and rtol is required, got both")
    values = abs(eigvalsh(a)) if hermitian else svdvals(a)
    if tol is None:
        ratio = tracer(rounding(a) if rtol is None else rtol)[..., None]
        least = FUNCTIONS[np.max](values, -1, keepdims=True, initial=0.0) * ratio
    else:
        least = tracer(tol)[..., None]
    return sum_((values > least).astype("i64"), -1)
