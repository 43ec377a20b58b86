"""Random vectors and matrices that need factorisations: jax.random's, of its bits up to rounding
and the signs that libraries give to factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..trace.operands import common_shape, shape_given, wrong
from ..trace.tracer import FUNCTIONS, Tracer
from .lax.lax import eager
from .numpy import elementwise as el
from .numpy.linalg.decompositions import cholesky, eigh, qr, svd
from .random import normal, parameters

__all__ = ["multivariate_normal", "orthogonal"]


@eager("key", "mean", "cov")
def multivariate_normal(
    key: Any,
    mean: Any,
    cov: Any,
    shape: Any = None,
    dtype: Any = np.float32,
    method: str = "cholesky",
) -> Tracer:
    """Normal vectors of a mean and a covariance: mean + F z of normal z, where F @ F.T is `cov`.

    F is by `method` "cholesky", "eigh" or "svd", which do for singular covariances too.
    Shapes: mean [..., n], cov [..., n, n], the result [*shape, n].
    """
    _, kind, mean, cov = parameters("multivariate_normal", (), dtype, mean, cov)
    n = mean.shape[-1] if mean.ndim else -1
    if cov.shape[-2:] != (n, n):
        raise wrong(
            "multivariate_normal: a mean [..., n] and a covariance [..., n, n] are required, "
            f"got {mean.type} and {cov.type}"
        )
    whole = common_shape("multivariate_normal", mean.shape[:-1], cov.shape[:-2])
    size = whole if shape is None else shape_given("multivariate_normal", shape)
    if method == "cholesky":
        factor = cholesky(cov)
    elif method == "eigh":
        w, v = eigh(cov)
        factor = v * el.sqrt(w)[..., None, :]
    elif method == "svd":
        u, s, _ = svd(cov)
        factor = u * el.sqrt(s)[..., None, :]
    else:
        raise wrong(
            f"multivariate_normal: a method among cholesky, eigh, svd is required, got {method!r}"
        )
    z = normal(key, (*size, n), kind)
    return mean + (factor @ z[..., None])[..., 0]


@eager("key")
def orthogonal(
    key: Any, n: int, shape: Any = (), dtype: Any = np.float32, m: int | None = None
) -> Tracer:
    """Uniform among the n x m matrices of orthonormal columns, or rows where they are fewer.

    Source: Mezzadri, How to generate random matrices from the classical compact groups, 2007.
    """
    m = n if m is None else m
    size = shape_given("orthogonal", shape)
    q, r = qr(normal(key, (*size, max(n, m), min(n, m)), dtype))
    diagonal = FUNCTIONS[np.diagonal](r, 0, -2, -1)
    q = q * el.sign(diagonal)[..., None, :]  # without the signs Q would not be uniform
    return FUNCTIONS[np.matrix_transpose](q) if n < m else q
