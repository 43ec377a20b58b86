"""scipy.linalg's names: matrices, factors to solve with, and matrices that are built of a vector.

    from wonderland.scipy.linalg import cho_factor, cho_solve, toeplitz

    weights = cho_solve(cho_factor(toeplitz(correlations)), right)

Equations: solve, solve_triangular, cho_factor, cho_solve, lu_factor, lu_solve, lstsq, inv, pinv;
solve_banded, solve_sylvester.
Factors: cholesky, lu, qr, svd, eigh, polar. Numbers: det, norm.
Functions of matrices: expm, expm_frechet, sqrtm, funm.
Of a vector: toeplitz, circulant, hankel, companion, convolution_matrix, fiedler, leslie; of several
matrices block_diag. Of a size: hilbert, pascal, hadamard, helmert, dft.

Keywords that say how SciPy computes (overwrite_a, check_finite) mean nothing here. In a trace a
matrix that has no such factors has NaN for its results.
"""

from ..compiler.front.scipy.linalg import *  # noqa: F403
from ..compiler.front.scipy.linalg import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
