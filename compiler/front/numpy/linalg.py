"""numpy.linalg: what products and reductions express."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...trace.operands import axes_of, implements, tracer, unsupported, wrong
from ...trace.tracer import FUNCTIONS, Tracer
from . import indexing, products, shapes
from .einsum import einsum
from .elementwise import root
from .reductions import sum as sum_

__all__ = [
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def __dir__() -> list[str]:
    return __all__


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tracer:
    """The root of the sum of squares, or of one axis the sum or greatest of sizes (ord 1, inf).

    The derivative at 0 is 0.
    """
    a = tracer(x)
    if not a.type.is_inexact:
        a = a.astype("f64")
    one = (axis is not None and not isinstance(axis, tuple)) or a.ndim == 1
    if ord is None or (ord == 2 and one) or ord == "fro":
        square = (a * a.conj()).real if a.type.is_complex else a * a
        return root(sum_(square, axis, keepdims=keepdims))
    if one and ord in (1, math.inf, -math.inf):
        function = {1: np.sum, math.inf: np.max, -math.inf: np.min}[ord]
        return FUNCTIONS[function](abs(a), axis, keepdims=keepdims)
    raise wrong(f"norm: ord None, 2, 1 or inf of one axis is required, got {ord!r} for {a.type}")


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tracer:
    """`norm` of the axes taken as one."""
    a = tracer(x)
    axes = axes_of("vector_norm", axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    together = shapes.moveaxis(a, axes, range(len(rest), a.ndim))
    found = norm(shapes.reshape(together, (*[a.shape[i] for i in rest], -1)), ord, -1)
    sizes = [1 if i in axes else n for i, n in enumerate(a.shape)]
    return shapes.reshape(found, sizes) if keepdims else found


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tracer:
    """The root of the sum of squares of each matrix (ord 'fro')."""
    if ord != "fro":
        raise wrong(f"matrix_norm: ord 'fro' is required, got {ord!r}")
    return norm(x, None, (-2, -1), keepdims)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Tracer:
    """The product of matrices in the cheapest order; the first and the last may be vectors."""
    unsupported("multi_dot", out=out)
    xs = [tracer(x) for x in arrays]
    ends = len(xs) - 1
    fits = all(x.ndim == 2 or (x.ndim == 1 and i in (0, ends)) for i, x in enumerate(xs))
    if ends < 1 or not fits:
        got = " and ".join(str(x.type) for x in xs)
        raise wrong(f"multi_dot: two matrices or more are required, got {got}")
    terms = [[i, i + 1] for i in range(len(xs))]
    terms[0], terms[-1] = terms[0][2 - xs[0].ndim :], terms[-1][: xs[-1].ndim]
    result = [*terms[0][:-1], *terms[-1][1:]]
    return einsum(*(part for pair in zip(xs, terms, strict=True) for part in pair), result)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Tracer:
    """The product of `n` times the matrix, by squares."""
    x = tracer(a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise wrong(f"matrix_power: square matrices are required, got {x.type}")
    if n < 0:
        raise wrong(f"matrix_power: a power of at least 0 is required, got {n}")
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
