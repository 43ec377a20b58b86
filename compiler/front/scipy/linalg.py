"""scipy.linalg's names: numpy.linalg's by its arguments, factors to solve with, matrices that are
built of a vector or of a size.

Keywords that say how SciPy computes (overwrite_a, check_finite, lwork) mean nothing here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from ...ir.explain import explained
from ...trace.operands import cast_to, tracer, wrong
from .. import numpy as np
from ..functions.custom import custom_jvp
from ..functions.derivatives import jvp
from ..lax import linalg as lax_linalg
from ..lax.primitives import array_or_tracer
from ..numpy.linalg import decompositions as factors
from ..numpy.linalg import equations
from ..numpy.linalg.decompositions import det, expm
from ..numpy.linalg.equations import cho_factor, cho_solve, inv, lstsq, pinv, solve_triangular
from ..numpy.linalg.matrices import anywhere
from ..numpy.linalg.norms import norm
from ..numpy.linalg.products import block_diag

__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "circulant", "companion",
    "convolution_matrix", "det", "dft", "eigh", "expm", "expm_frechet", "fiedler", "funm",
    "hadamard", "hankel", "helmert", "hilbert", "inv", "leslie", "lstsq", "lu", "lu_factor",
    "lu_solve", "norm", "pascal", "pinv", "polar", "qr", "solve", "solve_banded", "solve_sylvester",
    "solve_triangular", "sqrtm", "svd", "toeplitz",
]  # fmt: skip


def _turned(x: Any) -> Any:
    x = np.matrix_transpose(x)
    return np.conj(x) if x.dtype.kind == "c" else x


# ---------------------------------------------------------------- factors


@anywhere
def cholesky(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    """U of which U.conj().T @ U is `a`, or where `lower` L of which L @ L.conj().T is."""
    found = factors.cholesky(a)
    return found if lower else _turned(found)


@anywhere
def eigh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """Eigenvalues, rising, and eigenvectors, in columns, of the Hermitian matrix of one triangle.

    With a positive definite `b` they are those of a @ v = w * b @ v, and v.conj().T @ b @ v is 1.
    """
    triangle = "L" if lower else "U"
    if b is None:
        return factors.eigvalsh(a, triangle) if eigvals_only else tuple(factors.eigh(a, triangle))
    root = factors.cholesky(b)
    half = solve_triangular(root, a, lower=True)
    w, v = factors.eigh(_turned(solve_triangular(root, _turned(half), lower=True)), "L")
    return w if eigvals_only else (w, solve_triangular(root, v, trans="C", lower=True))


@anywhere
def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """Q and R, of which Q @ R is `a`; of `mode` "economic" the thin ones, of "r" R alone."""
    modes = {"full": "complete", "economic": "reduced", "r": "complete"}
    if pivoting or mode not in modes:
        raise wrong(
            f"qr: a mode among {', '.join(modes)}, and no pivoting are required, "
            f"got {mode!r}, pivoting={pivoting}"
        )
    q, r = factors.qr(a, modes[mode])
    return (r,) if mode == "r" else (q, r)


@anywhere
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """U, S and Vh, or S alone."""
    found = factors.svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@anywhere
def polar(a: Any, side: str = "right") -> Any:
    """U, of orthonormal columns or rows, and a positive P: a = U @ P, of side "left" a = P @ U."""
    if side not in ("left", "right"):
        raise wrong(f"polar: a side of left or right is required, got {side!r}")
    u, s, vh = factors.svd(a, False)
    p = u * s[..., None, :] @ _turned(u) if side == "left" else _turned(vh) * s[..., None, :] @ vh
    return u @ vh, p


# ---------------------------------------------------------------- equations


@anywhere
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str = "gen",
    transposed: bool = False,
) -> Any:
    """The x of a @ x = b; of `assume_a` "pos" by Cholesky's factors of one triangle of `a`."""
    a = tracer(a)
    if assume_a in ("pos", "positive definite"):
        low = a if lower else _turned(a)
        return cho_solve((factors.cholesky(low), True), b)
    return equations.solve(np.matrix_transpose(a) if transposed else a, b)


@anywhere
def lu(
    a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    """P, L and U, of which P @ L @ U is `a`; with `permute_l` P @ L and U."""
    packed, _, order = lax_linalg.lu(a)
    rows, columns = packed.shape[-2:]
    least = min(rows, columns)
    lower = np.tril(packed, -1)[..., :least] + np.eye(rows, least, dtype=packed.dtype)
    upper = np.triu(packed)[..., :least, :]
    place = (order[..., None, :] == np.arange(rows)[:, None]).astype(packed.dtype)
    return (place @ lower, upper) if permute_l else (place, lower, upper)


@anywhere
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """What `lu_solve` solves with: both factors in one matrix, the rows that changed places."""
    packed, pivots, _ = lax_linalg.lu(a)
    return packed, pivots


@anywhere
def lu_solve(
    lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """The x of a @ x = b by `lu_factor(a)`; of trans 1 that of a.T @ x = b, 2 of a.conj().T."""
    packed, pivots = (tracer(x) for x in lu_and_piv)
    b = tracer(b)
    if packed.ndim != 2:
        raise wrong(f"lu_solve: factors of one matrix are required, got {packed.type}")
    order = lax_linalg.lu_pivots_to_permutation(pivots, packed.shape[0])
    if trans == 0:
        first = solve_triangular(packed, b[order], lower=True, unit_diagonal=True)
        return solve_triangular(packed, first)
    how = "C" if trans == 2 else "T"
    first = solve_triangular(packed, b, trans=how)
    first = solve_triangular(packed, first, trans=how, lower=True, unit_diagonal=True)
    return first[np.argsort(order)]


@anywhere
def solve_banded(
    l_and_u: tuple[int, int],
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """The x of a @ x = b for a matrix of so many diagonals below and above its main one, which are
    the rows of `ab`: a[i, j] = ab[above + i - j, j].

    Cost: that of the whole matrix, about n**3.
    """
    below, above = l_and_u
    ab = tracer(ab)
    if ab.ndim < 2 or ab.shape[-2] != below + above + 1:
        raise wrong(f"solve_banded: {below + above + 1} diagonals are required, got {ab.type}")
    i, j = _grid(ab.shape[-1], ab.shape[-1])
    row = above + i - j
    inside = (row >= 0) & (row <= below + above)
    return equations.solve(np.where(inside, ab[..., np.where(inside, row, 0), j], 0), b)


KRONECKER = 24
"""The most rows and columns, together, of which one system of equations is made."""


@anywhere
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """The x of a @ x + x @ b = q.

    Accuracy: that of `solve` for matrices of up to 24 rows and columns together. Larger ones must
    have eigenvectors: two corrections take the error down to that of the residual, so long as the
    condition of the eigenvectors is below 1e7 (f64) or 1e3 (f32).
    """
    a, b, q = (tracer(x) for x in (a, b, q))
    (m, n), of = (a.shape[-1], b.shape[-1]), (a.shape, b.shape, q.shape)
    if of != ((m, m), (n, n), (m, n)):
        raise wrong(
            "solve_sylvester: matrices [m, m], [n, n] and [m, n] are required, "
            f"got {a.type}, {b.type} and {q.type}"
        )
    if m + n <= KRONECKER:
        whole = np.kron(a, np.eye(n, dtype=a.dtype)) + np.kron(np.eye(m, dtype=b.dtype), b.T)
        return equations.solve(whole, q.reshape(-1)).reshape(m, n)

    dtype = np.result_type(a, b, q)
    return _sylvester(*(x.astype(dtype) for x in (a, b, q)))


@custom_jvp
def _sylvester(a: Any, b: Any, q: Any) -> Any:
    (w, v), (u, z) = factors.eig(a), factors.eig(b)
    sums = w[:, None] + u
    found: Any = 0 * q
    for _ in range(3):
        inner = equations.solve(v, q - a @ found - found @ b + 0j) @ z / sums
        step = v @ np.matrix_transpose(
            equations.solve(np.matrix_transpose(z), np.matrix_transpose(inner))
        )
        found = found + (step if q.type.is_complex else np.real(step))
    return found


@_sylvester.defjvp
def _sylvester_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    (a, b, q), (da, db, dq) = primals, tangents
    x = _sylvester(a, b, q)
    return x, _sylvester(a, b, dq - da @ x - x @ db)


# ---------------------------------------------------------------- functions of matrices


@anywhere
def funm(A: Any, func: Callable[[Any], Any], disp: bool = True) -> Any:
    """V @ diag(func(w)) @ inv(V) of a matrix that has eigenvectors V, complex."""
    w, v = factors.eig(A)
    turned = np.matrix_transpose(v * func(w)[..., None, :])
    return np.matrix_transpose(equations.solve(np.matrix_transpose(v), turned))


@anywhere
def sqrtm(A: Any, blocksize: int = 1) -> Any:
    """The principal root of a matrix that has eigenvectors, complex: its square is `A`."""
    return funm(A, np.sqrt)


@anywhere
def expm_frechet(
    A: Any, E: Any, method: str | None = None, compute_expm: bool = True, check_finite: bool = True
) -> Any:
    """expm(A) and its derivative along E, or the derivative alone."""
    found, slope = jvp(expm, (A,), (E,))
    return (found, slope) if compute_expm else slope


# ---------------------------------------------------------------- matrices of a vector


def _vector(name: str, x: Any) -> Any:
    x = array_or_tracer(x)
    if x.ndim != 1 or not x.shape[0]:
        raise wrong(
            f"{name}: a vector of one number or more is required, got shape {list(x.shape)}"
        )
    return x


def _grid(rows: int, columns: int) -> tuple[Any, Any]:
    return numpy.arange(rows)[:, None], numpy.arange(columns)


@explained
def toeplitz(c: Any, r: Any = None) -> Any:
    """The matrix of constant diagonals with the first column c, and the first row r after c[0].

    Without r it is Hermitian.
    """
    c = _vector("toeplitz", c)
    r = (np.conj(c) if c.dtype.kind == "c" else c) if r is None else _vector("toeplitz", r)
    i, j = _grid(c.shape[0], r.shape[0])
    return np.take(np.concatenate([np.flip(c), r[1:]]), c.shape[0] - 1 - i + j)


@explained
def circulant(c: Any) -> Any:
    """The matrix whose columns are c, each turned by one more."""
    c = _vector("circulant", c)
    i, j = _grid(c.shape[0], c.shape[0])
    return np.take(c, (i - j) % c.shape[0])


@explained
def hankel(c: Any, r: Any = None) -> Any:
    """The matrix of constant anti-diagonals with the first column c, and the last row r, or 0."""
    c = _vector("hankel", c)
    r = np.zeros_like(c) if r is None else _vector("hankel", r)
    i, j = _grid(c.shape[0], r.shape[0])
    return np.take(np.concatenate([c, r[1:]]), i + j)


@explained
def companion(a: Any) -> Any:
    """The matrix whose eigenvalues are the roots of the polynomial of those coefficients."""
    a = _vector("companion", a)
    n = a.shape[0] - 1
    if n < 1:
        raise wrong(f"companion: two coefficients or more are required, got {n + 1}")
    first = (-a[1:] / a[0])[None]
    return np.concatenate([first, cast_to(np.eye(n)[:-1], first)])


@explained
def convolution_matrix(a: Any, n: int, mode: str = "full") -> Any:
    """The matrix by which a product with a vector of n is its convolution with `a`."""
    a = _vector("convolution_matrix", a)
    m = a.shape[0]
    starts = {"full": (0, m + n - 1), "same": ((min(m, n) - 1) // 2, max(m, n)),
              "valid": (min(m, n) - 1, max(m, n) - min(m, n) + 1)}  # fmt: skip
    if n < 1 or mode not in starts:
        raise wrong(
            f"convolution_matrix: an n of 1 or more and a mode among {', '.join(starts)} are "
            f"required, got {n} and {mode!r}"
        )
    start, count = starts[mode]
    i, j = _grid(m + n - 1, n)
    inside = (i - j >= 0) & (i - j < m)
    whole = np.where(inside, np.take(a, np.clip(i - j, 0, m - 1)), 0)
    return whole[start : start + count]


@explained
def fiedler(a: Any) -> Any:
    """The distances |a[i] - a[j]|."""
    a = _vector("fiedler", a)
    return np.abs(a[:, None] - a)


@explained
def leslie(f: Any, s: Any) -> Any:
    """The matrix of a population by age: births f in the first row, survivals s below the ones."""
    f, s = _vector("leslie", f), _vector("leslie", s)
    n = f.shape[0]
    if s.shape[0] != n - 1:
        raise wrong(f"leslie: {n - 1} survivals of {n} births are required, got {s.shape[0]}")
    below = s[:, None] * np.eye(n - 1, n, dtype=s.dtype)
    return np.concatenate([f[None], below])


# ---------------------------------------------------------------- matrices of a size


@explained
def hilbert(n: int) -> Any:
    """1 / (i + j + 1)"""
    i, j = _grid(n, n)
    return 1 / (i + j + 1.0)


@explained
def dft(n: int, scale: str | None = None) -> Any:
    """The matrix of the discrete Fourier transform; scale "sqrtn" makes it unitary, "n" a mean."""
    scales = {None: 1.0, "sqrtn": math.sqrt(n), "n": float(n)}
    if scale not in scales:
        raise wrong(f"dft: a scale among None, sqrtn, n is required, got {scale!r}")
    i, j = _grid(n, n)
    return numpy.exp(-2j * math.pi * (i * j % max(n, 1)) / max(n, 1)) / scales[scale]


@explained
def hadamard(n: int, dtype: Any = int) -> Any:
    """Sylvester's matrix of 1 and -1 with orthogonal rows, of a power of 2."""
    if n < 1 or n & (n - 1):
        raise wrong(f"hadamard: a power of 2 is required, got {n}")
    found = numpy.ones((1, 1), dtype)
    while len(found) < n:
        found = numpy.block([[found, found], [found, -found]])
    return found


@explained
def helmert(n: int, full: bool = False) -> Any:
    """Orthonormal contrasts: row k compares entry k with the mean of those before; with `full` the
    mean of all is the first row."""
    i, j = _grid(n, n)
    rows = numpy.where(j < i, 1.0, numpy.where(j == i, -i.astype(float), 0.0))
    rows[0] = 1.0
    rows /= numpy.sqrt(numpy.where(i == 0, n, i * (i + 1.0)))
    return rows if full else rows[1:]


@explained
def pascal(n: int, kind: str = "symmetric", exact: bool = True) -> Any:
    """Binomial coefficients: symmetric, or the kind "lower" or "upper" of triangles."""
    kinds = ("symmetric", "lower", "upper")
    if kind not in kinds:
        raise wrong(f"pascal: a kind among {', '.join(kinds)} is required, got {kind!r}")
    lower = [[math.comb(i, j) for j in range(n)] for i in range(n)]
    found = [[math.comb(i + j, i) for j in range(n)] for i in range(n)]
    rows = {"symmetric": found, "lower": lower, "upper": list(map(list, zip(*lower, strict=True)))}
    return numpy.array(rows[kind], None if exact else float).reshape(n, n)
