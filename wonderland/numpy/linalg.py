"""numpy.linalg's functions, batched and differentiable, and some of scipy.linalg's.

    import wonderland.numpy as np

    def log_density(x, mean, cov):
        lower = np.linalg.cholesky(cov)
        z = np.linalg.solve_triangular(lower, x - mean, lower=True)
        return -0.5 * z @ z - np.sum(np.log(np.diagonal(lower))) - 0.5 * len(x) * np.log(2 * np.pi)

Equations: solve, solve_triangular, cho_factor, cho_solve, lstsq, inv, pinv, tensorsolve, tensorinv.
Factors: cholesky, qr, svd, svdvals, eigh, eigvalsh, eig, eigvals. Numbers: det, slogdet, norm,
vector_norm, matrix_norm, cond, matrix_rank, trace, diagonal. Functions: expm, matrix_power.
Products: matmul, matrix_transpose, multi_dot, outer, cross, tensordot, vecdot, block_diag.

A compiled program does not raise: a singular matrix, or one that has no such factors, has NaN for
its results; outside of a trace these are NumPy's own functions, which raise LinAlgError.
`help(wonderland.compiler.front.numpy.linalg)` says more.
"""

from ..compiler.front.numpy.linalg import *  # noqa: F403
from ..compiler.front.numpy.linalg import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
