"""Loops, branches, named axes, gathers and the primitives that NumPy has no name for, as jax.lax.

    def turn(h, x):
        h = np.tanh(h + x)
        return h, np.sum(h)

    last, sums = wl.lax.scan(turn, h0, xs)
    size = wl.lax.cond(np.sum(last) > 0, np.sqrt, np.negative, np.sum(last))

Control flow: scan, while_loop, fori_loop, map, associative_scan, cond, switch.
Axes that vmap names, or that are over processes: psum, pmean, pmax, pmin, all_gather, all_to_all,
ppermute, psum_scatter, pbroadcast, axis_index, axis_size.
Places: dynamic_slice, dynamic_update_slice, gather, scatter, slice, pad and their like.
Products and sums: dot_general, batch_matmul, reduce_sum, cumsum, cumlogsumexp and their like.
Convolutions: conv_general_dilated, conv, conv_transpose, conv_general_dilated_patches, paddings.
Transforms: fft, of the kinds that FftType names.
Solvers of your own: custom_root, custom_linear_solve.
Windows and axes, by a function of your own: reduce_window, reduce.
Order: sort, sort_key_val, top_k, argmax, argmin. Bits: population_count, clz, reduce_precision.
Special functions: erf, erf_inv, lgamma, digamma, logistic, igamma, betainc, zeta, bessel_i0e.
Matrices: linalg.
Elementwise: add, exp, clamp, select, rsqrt, fma, convert_element_type and all others of jax.lax's.
"""

from ..compiler.front import lax as _names
from ..compiler.front.lax import *  # noqa: F403
from ..compiler.front.special import betainc, polygamma, zeta
from ..compiler.front.special import gammainc as igamma
from ..compiler.front.special import gammaincc as igammac
from ..compiler.front.special import i0e as bessel_i0e
from ..compiler.front.special import i1e as bessel_i1e
from . import linalg

__all__ = [
    "bessel_i0e", "bessel_i1e", "betainc", "igamma", "igammac", "linalg", "polygamma", "zeta",
]  # fmt: skip
__all__ += _names.__all__


def __dir__() -> list[str]:
    return __all__
