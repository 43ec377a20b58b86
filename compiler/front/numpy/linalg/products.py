"""Products, powers, diagonals: what needs no LAPACK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....trace.operands import promoted, tracer, unsupported, wrong
from ....trace.table import implements
from ....trace.tracer import FUNCTIONS, Tracer
from .. import indexing, products, shapes
from ..einsum import einsum
from .equations import inv
from .matrices import anywhere

__all__ = [
    "block_diag", "cross", "diagonal", "matmul", "matrix_power", "matrix_transpose", "multi_dot",
    "outer", "tensordot", "trace", "vecdot",
]  # fmt: skip


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Tracer:
    """The product of matrices in the cheapest order; the first and the last may be vectors."""
    unsupported("multi_dot", out=out)
    xs = [tracer(x) for x in arrays]
    ends = len(xs) - 1
    fits = all(x.ndim == 2 or (x.ndim == 1 and i in (0, ends)) for i, x in enumerate(xs))
    if ends < 1 or not fits:
        got = " and ".join(str(x.type) for x in xs)
        raise wrong(f"multi_dot: two matrices or more, of two axes, are required, got {got}")
    terms = [[i, i + 1] for i in range(len(xs))]
    terms[0], terms[-1] = terms[0][2 - xs[0].ndim :], terms[-1][: xs[-1].ndim]
    result = [*terms[0][:-1], *terms[-1][1:]]
    return einsum(*(part for pair in zip(xs, terms, strict=True) for part in pair), result)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Tracer:
    """The product of `n` times the matrix, by squares; of below 0 that of the inverse."""
    x = tracer(a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise wrong(f"matrix_power: square matrices are required, got {x.type}")
    if n < 0:
        x, n = inv(x), -n
    if not n:
        return shapes.broadcast_to(FUNCTIONS[np.eye](x.shape[-1], dtype=x.dtype), x.shape)
    found = None
    while n:
        if n % 2:
            found = x if found is None else products.matmul(found, x)
        n //= 2
        x = products.matmul(x, x) if n else x
    assert found is not None
    return found


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Tracer:
    return indexing.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tracer:
    return indexing.trace(x, offset, -2, -1, dtype)


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Tracer:
    for x in map(tracer, (x1, x2)):
        if x.ndim != 1:
            raise wrong(f"linalg.outer: one axis is required, got {x.type}")
    return products.outer(x1, x2)


@implements(np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Tracer:
    return products.matmul(x1, x2)


@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Tracer:
    return shapes.matrix_transpose(x)


@implements(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Tracer:
    return products.tensordot(x1, x2, axes)


@implements(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tracer:
    return products.vecdot(x1, x2, axis=axis)


@implements(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tracer:
    """The vector products of vectors of 3 along `axis`."""
    for x in map(tracer, (x1, x2)):
        if x.shape[axis] != 3:
            raise wrong(f"linalg.cross: vectors of 3 are required along {axis}, got {x.type}")
    return products.cross(x1, x2, axis=axis)


@anywhere
def block_diag(*arrays: Any) -> Tracer:
    """The matrix with these on its diagonal, else zeros; a vector is a row."""
    if not arrays:
        raise wrong("block_diag: an array is required, got none")
    xs = [FUNCTIONS[np.atleast_2d](x) for x in arrays]
    odd = next((x for x in xs if x.ndim != 2), None)
    if odd is not None:
        raise wrong(f"block_diag: matrices are required, got {odd.type}")
    dtype, width = promoted("block_diag", *xs), sum(x.shape[1] for x in xs)
    rows, at = [], 0
    for x in xs:
        rest = width - at - x.shape[1]
        rows.append(FUNCTIONS[np.pad](tracer(x, dtype), ((0, 0), (at, rest))))
        at += x.shape[1]
    return FUNCTIONS[np.concatenate](rows)
