"""NumPy's names: traced in a function that is being traced, NumPy's own functions outside.

    import wonderland.numpy as wnp

    def normalised(x):
        return (x - wnp.mean(x)) / wnp.sqrt(wnp.var(x) + 1e-6)

    y = wl.jit(normalised)(x)

NumPy's functions on traced values do the same; what only these do in a trace is constructors of
unknown contents and `bfloat16`. `help(wonderland.compiler.front.numpy)` says where results differ
from NumPy's on purpose; a name that is not here is refused with what stands near.
It keeps the Array API standard 2024.12 where NumPy does. Keywords of jax.numpy's are here too, as
sort(x, descending=True) and unique(x, size=n). LEFT_OUT.md says what is not here, and why.
Construction: array, asarray, zeros, ones, full, arange, linspace, eye, meshgrid and their like.
Elementwise: NumPy's ufuncs with their methods, where, clip, select, piecewise, round, nan_to_num,
astype; numbers in parts: modf, frexp, ldexp, gcd, bitwise_count, packbits.
Reductions: sum, prod, mean, var, std, min, max, any, all, quantile, median; those for NaN; cumsum,
cumprod, diff.
Shapes: reshape, transpose, moveaxis, broadcast_to, concatenate, stack, split, pad, tile, roll.
Places: take, take_along_axis, at (x with some elements others), put, place, searchsorted, nonzero,
ix_, unravel_index, ravel_multi_index.
Functions of functions: vectorize, apply_along_axis, apply_over_axes, fromfunction.
Polynomials: polyval, polyfit, roots, poly, polyadd, polymul, polydiv, polyder, polyint.
Products: matmul, matvec, dot, einsum, tensordot, outer, kron, cross, convolve, correlate.
Matrices: linalg.
Order: sort, argsort, partition, unique, unique_counts, bincount, histogram, histogramdd.
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
