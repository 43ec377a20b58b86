"""NumPy's names: traced in a function that is being traced, NumPy's own functions outside.

    import wonderland.numpy as wnp

    def normalised(x):
        return (x - wnp.mean(x)) / wnp.sqrt(wnp.var(x) + 1e-6)

    y = wl.jit(normalised)(x)

NumPy's functions on traced values do the same; what only these do in a trace is constructors of
unknown contents and `bfloat16`. `help(wonderland.compiler.front.numpy)` says where results differ
from NumPy's on purpose; a name that is not here is refused with what stands near.
Construction: array, asarray, zeros, ones, full, arange, linspace, eye, meshgrid and their like.
Elementwise: NumPy's ufuncs, where, clip, select, round, nan_to_num, astype.
Reductions: sum, prod, mean, var, std, min, max, any, all, quantile, median; those for NaN; cumsum,
cumprod, diff.
Shapes: reshape, transpose, moveaxis, broadcast_to, concatenate, stack, split, pad, tile, roll.
Places: take, take_along_axis, at (x with some elements others), put, searchsorted, nonzero.
Products: matmul, dot, einsum, tensordot, outer, kron, cross, convolve, correlate.
Matrices: linalg.
Order: sort, argsort, partition, unique, bincount, histogram.
Signals: fft; convolve, correlate, gradient, unwrap, windows such as kaiser. Samples: cov, corrcoef.
"""

from ..compiler.front import numpy as _names
from ..compiler.front.numpy import *  # noqa: F403
from ..compiler.front.numpy import __getattr__  # noqa: F401  names what is near to a name that is not here
from . import fft, linalg

__all__ = ["fft", "linalg"]
__all__ += _names.__all__


def __dir__() -> list[str]:
    return __all__
