"""numpy.linalg over traced arrays, and what scipy.linalg has that models need.

Leading axes are a batch in every function. LAPACK computes on the host, between kernels, beside a
GPU too. Products, norms and determinants of up to 3 rows are kernels; on a processor so are
Cholesky factors, solutions, inverses and determinants of 32 or more real matrices of up to 16 rows,
whose last bits are not LAPACK's. Integers are taken as f64, halves as f32, of which the results are
rounded.

A compiled program does not raise: a matrix that is singular, or not positive definite, and one
with numbers that are not finite, has NaN in its results, and the others of its batch have theirs.
Outside of a trace these are NumPy's own functions, which raise LinAlgError.
Eigenvalues of `eig` are always complex. `qr` has no mode='raw'.
"""

# ruff: noqa: F403  each file says its names

from . import decompositions as _decompositions
from . import equations as _equations
from . import norms as _norms
from . import products as _products
from .decompositions import *
from .equations import *
from .norms import *
from .products import *

__all__: list[str] = []
__all__ += _decompositions.__all__
__all__ += _equations.__all__
__all__ += _norms.__all__
__all__ += _products.__all__


def __dir__() -> list[str]:
    return __all__
