"""Loops, branches, named axes, gathers and the primitives that NumPy has no name for, as jax.lax.

    def turn(h, x):
        h = np.tanh(h + x)
        return h, np.sum(h)

    last, sums = wl.lax.scan(turn, h0, xs)
    size = wl.lax.cond(np.sum(last) > 0, np.sqrt, np.negative, np.sum(last))

Control flow: scan, while_loop, fori_loop, map, associative_scan, cond, switch.
Axes that vmap names: psum, pmean, pmax, pmin, all_gather, all_to_all, ppermute, psum_scatter,
axis_index, axis_size.
Places: dynamic_slice, dynamic_update_slice, gather, scatter, slice, pad and their like.
Products and sums: dot_general, batch_matmul, reduce_sum, cumsum, cumlogsumexp and their like.
Convolutions: conv_general_dilated, conv, conv_transpose, conv_general_dilated_patches, paddings.
Transforms: fft, of the kinds that FftType names.
Windows and axes, by a function of your own: reduce_window, reduce.
Order: sort, top_k, argmax, argmin. Special functions: erf, erf_inv, lgamma, digamma, logistic.
Matrices: linalg.
Elementwise: add, exp, clamp, select, rsqrt, fma, convert_element_type and all others of jax.lax's.
"""

from .compiler.front.lax import *  # noqa: F403
from .compiler.front.lax import __all__ as __all__
