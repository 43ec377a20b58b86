"""jax.lax.linalg's names, with its arguments and orders of results.

    lower = wl.lax.linalg.cholesky(a)
    inverse = wl.lax.linalg.triangular_solve(lower, np.eye(3), left_side=True, lower=True)

Factors: cholesky, qr, lu, lu_pivots_to_permutation, svd, eigh. Equations: triangular_solve.
"""

from ..compiler.front.lax.linalg import *  # noqa: F403
from ..compiler.front.lax.linalg import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
