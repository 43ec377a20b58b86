"""numpy.linalg: what products and reductions express."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..tracer import FUNCTIONS, Tracer
from . import indexing, products, shapes
from .operands import axes_of, implements, tracer, wrong
from .reductions import sum as sum_


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tracer:
    """The root of the sum of squares, or of one axis the sum or greatest of sizes (ord 1, inf)."""
    a = tracer(x)
    if not a.type.is_inexact:
        a = a.astype("f64")
    one = (axis is not None and not isinstance(axis, tuple)) or a.ndim == 1
    if ord is None or (ord == 2 and one) or ord == "fro":
        square = (a * a.conj()).real if a.type.is_complex else a * a
        return FUNCTIONS[np.sqrt](sum_(square, axis, keepdims=keepdims))
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


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Tracer:
    return indexing.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tracer:
    return indexing.trace(x, offset, -2, -1, dtype)


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Tracer:
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
