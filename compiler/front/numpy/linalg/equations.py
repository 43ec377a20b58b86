"""Linear equations and inverses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir.explain import explained, shown
from ....ir.graph import Value, apply
from ....ops import linalg as ops
from ....ops.elementwise import conj
from ....ops.linalg.matrices import Hermitian
from ....trace.operands import broadcasted, common_shape, new, tracer, wrong
from ....trace.table import implements
from ....trace.tracer import FUNCTIONS, Tracer
from .. import products, shapes
from .decompositions import cholesky, svdvals
from .matrices import Taken, anywhere, taken

__all__ = [
    "cho_factor", "cho_solve", "inv", "lstsq", "pinv", "solve", "solve_triangular", "tensorinv",
    "tensorsolve",
]  # fmt: skip


def sides(name: str, given: Taken) -> tuple[Value, Value, bool]:
    """A matrix and a right side of one batch; whether the right side was one vector."""
    a, b = given.xs
    vector = b.ndim == 1
    if vector:
        b = b[:, None]
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise wrong(
            f"{name}: a right side of {a.shape[-1]} rows is required, "
            f"got {a.type} and {given.xs[1].type}"
        )
    batch = common_shape(name, a.shape[:-2], b.shape[:-2])
    return (
        broadcasted(a.value, (*batch, *a.shape[-2:])),
        broadcasted(b.value, (*batch, *b.shape[-2:])),
        vector,
    )


def column(found: Tracer, vector: bool) -> Tracer:
    return found[..., 0] if vector else found


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Tracer:
    """The x of a @ x = b: `b` of one axis is a vector, else matrices. Singular: NaN."""
    given = taken("solve", a, b, square=True)
    x, y, vector = sides("solve", given)
    return column(given.give(ops.solve(x, y)), vector)


@implements(np.linalg.inv)
def inv(a: Any) -> Tracer:
    """The inverse; of a singular matrix NaN."""
    given = taken("inv", a, square=True)
    return given.give(ops.inv(*given.values))


@anywhere
def solve_triangular(
    a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Tracer:
    """The x of t @ x = b for the upper triangle t of `a`, or the lower one, as scipy.linalg's.

    `trans`: 1 or "T" of its transpose, 2 or "C" of its conjugate transpose.
    """
    kinds = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}
    if trans not in kinds:
        raise wrong(f"solve_triangular: trans 0, 1 or 2 is required, got {trans!r}")
    given = taken("solve_triangular", a, b, square=True)
    x, y, vector = sides("solve_triangular", given)
    if kinds[trans] == 2 and x.type.is_complex:
        x = conj(x)
    found = ops.triangular_solve(x, y, lower, kinds[trans] > 0, unit_diagonal)
    return column(given.give(found), vector)


@explained
def cho_factor(a: Any, lower: bool = False) -> Any:
    """A triangle of which `cho_solve` knows, and `lower`; the other triangle is zeros."""
    return cholesky(a, upper=not lower), lower


@anywhere
def cho_solve(c_and_lower: Any, b: Any) -> Tracer:
    """The x of a @ x = b by what `cho_factor` made of `a`."""
    if not isinstance(c_and_lower, tuple) or len(c_and_lower) != 2:
        raise wrong(
            "cho_solve: a factor and whether it is the lower one are required, as a tuple, "
            f"got {shown(c_and_lower)}",
            "cho_solve(cho_factor(a), b)",
        )
    c, lower = c_and_lower
    first = solve_triangular(c, b, 0 if lower else 2, lower)
    return solve_triangular(c, first, 2 if lower else 0, lower)


# ---------------------------------------------------------------- any matrices


def least_ratio(x: Tracer, rcond: Any, default: float) -> Tracer:
    """For each matrix how small a singular value, over the largest, is taken as 0."""
    dtype = x.type.part.dtype
    found = tracer(default if rcond is None else rcond, dtype)
    return FUNCTIONS[np.broadcast_to](found, x.shape[:-2])


def rounding(x: Tracer) -> float:
    """As `default`: what rounding may leave of a 0."""
    return max(x.shape[-2:]) * float(np.finfo(x.type.part.numpy).eps)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Tracer:
    """The Moore-Penrose inverse: singular values up to rcond times the largest are taken as 0.

    The derivative is that of matrices of one rank.
    """
    given = taken("pinv", a, square=hermitian)
    (x,) = given.xs
    default = 1e-15
    if rtol is not np._NoValue:
        if rcond is not None:
            raise wrong("pinv: one of rcond and rtol is required, got both")
        rcond, default = rtol, rounding(x)
    if hermitian:
        x = new(apply(Hermitian(), x.value))
    if not x.value.type.size:
        return given.give(FUNCTIONS[np.conj](shapes.matrix_transpose(x)).value)
    return given.give(ops.pinv(x.value, least_ratio(x, rcond, default).value))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Tracer, Tracer, Tracer, Tracer]:
    """The shortest x of the least |a @ x - b|, sums of squares left, the rank, singular values.

    Where there are more rows than columns the sums are there whatever the rank is, else none.
    """
    given = taken("lstsq", a, b)
    x, y = given.xs
    if x.ndim != 2 or y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        raise wrong(
            "lstsq: a matrix and a vector or matrix of as many rows are required, "
            f"got {x.type} and {y.type}"
        )
    if not (rcond is None or isinstance(rcond, Tracer | float | int | np.number)):
        raise wrong(f"lstsq: rcond, a number, is required, got {rcond!r}")
    (m, n), default = x.shape, rounding(x)
    if rcond is not None and not isinstance(rcond, Tracer) and rcond < 0:
        rcond = float(np.finfo(x.type.part.numpy).eps)
    found = products.matmul(pinv(x, default if rcond is None else rcond), y)
    values = svdvals(x)
    least = least_ratio(x, rcond, default) * FUNCTIONS[np.max](values, initial=0.0)
    rank = FUNCTIONS[np.sum](values > least, dtype=np.int32)
    rest = y - products.matmul(x, found)
    squares = FUNCTIONS[np.sum](abs(rest) ** 2, 0)
    squares = FUNCTIONS[np.atleast_1d](squares) if m > n else squares.reshape(-1)[:0]
    return given.give(found.value), given.give(squares.value), rank, given.give(values.value)


# ---------------------------------------------------------------- tensors as matrices


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Tracer:
    """The inverse of the map that tensordot with the last axes of `a` is; `ind` axes are first."""
    x = tracer(a)
    first, last = x.shape[:ind], x.shape[ind:]
    if ind <= 0 or math.prod(first) != math.prod(last):
        raise wrong(f"tensorinv: as many elements before axis {ind} are required, got {x.type}")
    square = shapes.reshape(x, (math.prod(first), math.prod(last)))
    return shapes.reshape(inv(square), (*last, *first))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Tracer:
    """The x of tensordot(a, x, x.ndim) = b; `axes` of `a` are moved to its end before."""
    x, y = tracer(a), tracer(b)
    if axes is not None:
        x = shapes.moveaxis(x, axes, range(x.ndim - len(axes), x.ndim))
    shape = x.shape[y.ndim :]
    if math.prod(shape) != math.prod(y.shape) or x.shape[: y.ndim] != y.shape:
        raise wrong(
            f"tensorsolve: a right side of its first axes is required, got {x.type} and {y.type}"
        )
    size = math.prod(shape)
    return shapes.reshape(solve(shapes.reshape(x, (size, size)), shapes.ravel(y)), shape)
