"""Distributions of whole numbers, and of vectors."""

from __future__ import annotations

import math
from typing import Any

from ...ir.types import finfo
from ...trace.operands import wrong
from .. import numpy as np
from .. import special as sp
from ..lax.lax import stop_gradient
from ..numpy import elementwise as el
from ..numpy.linalg.decompositions import cholesky, eigh
from ..numpy.linalg.equations import solve_triangular
from .families import (
    FUNCTIONS_OF,
    Discrete,
    Family,
    all_positive,
    density_function,
    probability,
    real,
)

__all__ = [
    "bernoulli", "betabinom", "binom", "dirichlet", "geom", "multinomial", "multivariate_normal",
    "nbinom", "poisson",
]  # fmt: skip


def log_choices(n: Any, k: Any) -> Any:
    """log of how many sets of k there are in n; large numbers cancel no digits."""
    return -sp.betaln(k + 1, n - k + 1) - el.log1p(n)


def whole_up_to(n: Any, *shapes: Any) -> tuple[Any, Any]:
    return 0.0, n


def is_count(n: Any) -> Any:
    return el.greater_equal(n, 0) & el.equal(n, el.floor(n))


bernoulli = Discrete(
    "bernoulli",
    ("p",),
    lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1 - k, -p),
    lambda p: (0.0, 1.0),
    probability,
    lambda p: el.where(el.greater(p, 0.5), 1.0, 0.0),
    below=lambda k, p: 1 - p + 0 * k,
    quantile=lambda q, p: el.where(el.less_equal(q, 1 - p), 0.0, 1.0),
)
binom = Discrete(
    "binom",
    ("n", "p"),
    lambda k, n, p: log_choices(n, k) + sp.xlogy(k, p) + sp.xlog1py(n - k, -p),
    whole_up_to,
    lambda n, p: is_count(n) & probability(p),
    lambda n, p: el.where(el.greater(p, 0.5), n, 0.0),
    below=lambda k, n, p: sp.betainc(n - k, k + 1, 1 - p),
)
betabinom = Discrete(
    "betabinom",
    ("n", "a", "b"),
    lambda k, n, a, b: log_choices(n, k) + sp.betaln(k + a, n - k + b) - sp.betaln(a, b),
    whole_up_to,
    lambda n, a, b: is_count(n) & all_positive(a, b),
)


def _geom_below(k: Any, p: Any) -> Any:
    likely = el.greater(p, 0.5)
    rare = -el.expm1(k * el.log1p(-el.where(likely, 0.5, p)))
    return el.where(likely, 1 - el.power(el.where(likely, 1 - p, 0.5), k), rare)


geom = Discrete(
    "geom",
    ("p",),
    lambda k, p: sp.xlog1py(k - 1, -p) + el.log(p),
    lambda p: (1.0, math.inf),
    lambda p: all_positive(p) & probability(p),
    below=_geom_below,
)
nbinom = Discrete(
    "nbinom",
    ("n", "p"),
    lambda k, n, p: -sp.betaln(n, k + 1) - el.log(n + k) + n * el.log(p) + sp.xlog1py(k, -p),
    lambda n, p: (0.0, math.inf),
    lambda n, p: all_positive(n, p) & probability(p),
    below=lambda k, n, p: sp.betainc(n, k + 1, p),
)
poisson = Discrete(
    "poisson",
    ("mu",),
    lambda k, mu: sp.xlogy(k, mu) - sp.gammaln(k + 1) - mu,
    lambda mu: (0.0, math.inf),
    lambda mu: el.greater_equal(mu, 0),
    below=lambda k, mu: sp.gammaincc(k + 1, mu),
)

# ---------------------------------------------------------------- of vectors


class Joint(Family):
    """The density, or the probability, of a vector: its logarithm and itself."""

    entropy: Any
    """Of those that have one."""

    def __init__(
        self, name: str, kind: str, parameters: tuple[str, ...], rule: Any, **defaults: Any
    ) -> None:
        self.name = name
        log = "logarithm of the density" if kind == "pdf" else "logarithm of the probability"
        doc = f"The {log} of a vector."

        def itself(*given: Any) -> Any:
            return el.exp(rule(*given))

        setattr(
            self, f"log{kind}", density_function(f"log{kind}", doc, parameters, rule, **defaults)
        )
        setattr(
            self, kind, density_function(kind, f"exp(log{kind}).", parameters, itself, **defaults)
        )


def _dirichlet(x: Any, alpha: Any) -> Any:
    """x along the first axis, all of it or without the last number."""
    x, alpha = real(x), real(alpha)
    if alpha.ndim != 1 or x.shape[:1] not in (alpha.shape, (alpha.shape[0] - 1,)):
        raise wrong(
            "dirichlet: alpha [k], and x [k, ...] or [k - 1, ...] are required, "
            f"got {alpha.type} and {x.type}"
        )
    if x.shape[0] < alpha.shape[0]:
        x = np.concatenate([x, 1 - np.sum(x, axis=0, keepdims=True)])
    return log_dirichlet_density(np.moveaxis(x, 0, -1), alpha)


def log_dirichlet_density(x: Any, alpha: Any, rounded: float | None = None) -> Any:
    """Of vectors along the last axis of both, whose sums are 1 but for what was rounded."""
    x, alpha = real(x), real(alpha)
    rounded = spacing(x.dtype) if rounded is None else rounded
    good = np.all(x >= 0, axis=-1) & (np.abs(np.sum(x, axis=-1) - 1) < 10 * rounded)
    terms = sp.xlogy(alpha - 1, np.where(good[..., None], x, 1 / alpha.shape[-1]))
    size = sp.gammaln(np.sum(alpha, axis=-1)) - np.sum(sp.gammaln(alpha), axis=-1)
    found = np.where(good, size + np.sum(terms, axis=-1), -math.inf)
    return np.where(np.all(alpha > 0, axis=-1), found, math.nan)


def spacing(dtype: Any) -> float:
    """More than the relative error of a number of this dtype."""
    return {2: 1e-2, 4: 1e-6}.get(dtype.itemsize, 1e-10)


def _multinomial(x: Any, n: Any, p: Any) -> Any:
    x, n, p = real(x), real(n), real(p)
    good = np.all((x >= 0) & (x == np.floor(x)), axis=-1) & (np.sum(x, axis=-1) == n)
    x = np.where(good[..., None], x, 0.0)
    terms = np.sum(sp.xlogy(x, p) - sp.gammaln(x + 1), axis=-1)
    return np.where(good, sp.gammaln(n + 1) + terms, -math.inf)


def _normal(x: Any, mean: Any, cov: Any, allow_singular: Any) -> Any:
    """Vectors along the last axis; `cov` is a matrix, or the variance of every number."""
    x, mean, cov = real(x), real(mean), real(cov)
    if not mean.ndim:  # numbers
        if cov.ndim:
            raise wrong(
                "multivariate_normal: a mean [..., n] is required of a covariance "
                f"{cov.type}, got {mean.type}"
            )
        return -0.5 * (x - mean) ** 2 / cov - 0.5 * np.log(2 * math.pi * cov)
    n = mean.shape[-1]
    if not cov.ndim:
        square = np.sum((x - mean) ** 2, axis=-1) / cov
        return -0.5 * (square + n * np.log(2 * math.pi * cov))
    if cov.ndim < 2 or cov.shape[-2:] != (n, n):
        raise wrong(
            f"multivariate_normal: a covariance [..., {n}, {n}] is required of a mean "
            f"{mean.type}, got {cov.type}"
        )
    if allow_singular:
        return _singular_normal(x - mean, cov)
    return log_normal_density_by_factor(x - mean, cholesky(cov))


def log_normal_density_by_factor(error: Any, lower: Any) -> Any:
    """Of vectors of mean 0 along the last axis, by the Cholesky factor of their covariance."""
    n = error.shape[-1]
    shape = np.broadcast_shapes(error.shape[:-1], lower.shape[:-2])
    if lower.ndim == 2:  # one factor for all vectors: they are columns
        columns = error.reshape(-1, n).T
        z = solve_triangular(lower, columns, lower=True)
        square = np.sum(z * z, axis=0).reshape(shape)
    else:
        columns = np.broadcast_to(error, (*shape, n))[..., None]
        z = solve_triangular(np.broadcast_to(lower, (*shape, n, n)), columns, lower=True)
        square = np.sum(z * z, axis=(-2, -1))
    size = np.sum(np.log(np.diagonal(lower, axis1=-2, axis2=-1)), axis=-1)
    return -0.5 * (square + n * math.log(2 * math.pi)) - size


def _singular_normal(error: Any, cov: Any) -> Any:
    """The density within the space that `cov` spans, of eigenvalues above a part of the greatest
    as in SciPy; -inf outside. Derivatives in `cov` are those within this space."""
    w, v = (stop_gradient(x) for x in eigh(cov))
    least = (1e3 if cov.type.dtype == "f32" else 1e6) * finfo(cov.type.dtype).eps
    least = float(least) * np.max(np.abs(w), axis=-1, keepdims=True)
    kept = (w > least).astype(cov.dtype)
    within = np.matrix_transpose(v) @ cov @ v * (kept[..., :, None] * kept[..., None, :])
    n = cov.shape[-1]
    inside = np.matvec(np.matrix_transpose(v), error)
    rest = stop_gradient(inside) * (1 - kept)
    full = within + (1 - kept)[..., None, :] * np.eye(n, dtype=cov.dtype)
    found = _normal(inside * kept, 0 * inside, full, None)
    found = found + 0.5 * math.log(2 * math.pi) * np.sum(1 - kept, axis=-1)
    spans = np.sum(rest * rest, axis=-1) < np.squeeze(least * least, axis=-1)
    return np.where(spans | np.all(rest == 0, axis=-1), found, -math.inf)


def _entropy(mean: Any, cov: Any) -> Any:
    """(log det(2 pi cov) + n) / 2; `cov` is a matrix, or the variance of every number."""
    mean, cov = real(mean), real(cov)
    constant = 0.5 * (1 + math.log(2 * math.pi))
    if cov.ndim:
        return entropy_by_factor(cholesky(cov))
    n = mean.shape[-1] if mean.ndim else 1
    return n * (0.5 * np.log(cov) + constant)


def entropy_by_factor(lower: Any) -> Any:
    """By the Cholesky factor of the covariance."""
    logs = np.log(np.diagonal(lower, axis1=-2, axis2=-1))
    return np.sum(logs, axis=-1) + lower.shape[-1] * 0.5 * (1 + math.log(2 * math.pi))


dirichlet = Joint("dirichlet", "pdf", ("x", "alpha"), _dirichlet)
multinomial = Joint("multinomial", "pmf", ("x", "n", "p"), _multinomial)
multivariate_normal = Joint(
    "multivariate_normal", "pdf", ("x", "mean", "cov", "allow_singular"), _normal,
    mean=0, cov=1, allow_singular=None,
)  # fmt: skip
multivariate_normal.entropy = density_function(
    "entropy", FUNCTIONS_OF["entropy"], ("mean", "cov"), _entropy, mean=0, cov=1
)
