"""NumPy's functions that have no traced form, with the nearest that has one.

Some need shapes that depend on numbers, some write into arrays, some read or print them, some need
a loop or a sort that the language does not have.
"""

from __future__ import annotations

OUTSIDE = "outside of the traced function"

GROUPS: tuple[tuple[str, str], ...] = (
    ("nanargmax nanargmin", "np.nanmax or np.argmax of np.nan_to_num"),
    ("sort_complex msort", "np.sort"),
    ("nanmean nanvar nanstd", "np.nansum(x) / np.sum(~np.isnan(x))"),
    ("unique_all unique_counts unique_inverse unique_values", "wonderland.numpy.unique(x, size=n)"),
    ("trim_zeros", f"slices, told by numbers known {OUTSIDE}"),
    ("histogram2d histogramdd", "np.histogram of places in a grid"),
    ("piecewise", "np.where or np.select over the pieces"),
    ("convolve correlate", "np.sum of shifted slices of np.pad(x, n), each times its weight"),
    ("gradient", "np.diff and slices"),
    ("cross", "np.stack of products of x[..., i] and y[..., j]"),
    ("cov corrcoef", "x @ x.T of x less np.mean(x)"),
    ("apply_along_axis apply_over_axes", "the function itself over an axis: np.sum(x, axis=1)"),
    ("place", "np.where(mask, value, x)"),
    ("divide.at power.at", "x[i] = x[i] / y for places that differ"),
    ("add.outer subtract.outer multiply.outer", "x[:, None] and y[None, :], as in np.outer"),
    ("array_equiv", "np.array_equal of np.broadcast_arrays"),
    ("matvec vecmat", "np.matmul"),
    ("bmat", "np.block"),
    ("row_stack", "np.vstack"),
    ("angle imag real_if_close iscomplex iscomplexobj isrealobj", "np.real: all arrays are real"),
    ("isneginf isposinf", "np.isinf(x) & (x < 0)"),
    ("modf frexp ldexp spacing", "np.trunc, np.log2 and np.exp2"),
    ("gcd lcm bitwise_count packbits unpackbits", "np.bitwise_and and np.right_shift"),
    ("unwrap", "np.remainder(x, 2 * np.pi)"),
    ("i0 kaiser bartlett", f"np.hanning, or this function {OUTSIDE}"),
    ("poly polyadd polyder polydiv polyfit polyint polymul polysub roots", "np.polyval"),
    ("einsum_path", "np.einsum, which chooses its path"),
    ("tril_indices_from triu_indices_from diag_indices_from mask_indices",
     "np.tril, np.triu or np.diagonal of the array"),
    ("ix_ ravel_multi_index unravel_index", "np.indices and arithmetic on places"),
    ("datetime_as_string busday_count busday_offset is_busday isnat", f"numbers made {OUTSIDE}"),
    ("array2string array_repr array_str save savetxt savez savez_compressed",
     f"the result of the function, {OUTSIDE}"),
    ("may_share_memory shares_memory isfortran common_type min_scalar_type result_type can_cast",
     "x.dtype and x.shape, which are static: np.promote_types(x.dtype, y.dtype)"),
    ("asfortranarray require asarray_chkfinite asmatrix", "np.asarray"),
    ("linalg.inv linalg.solve linalg.det linalg.slogdet linalg.cholesky linalg.qr linalg.svd "
     "linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh linalg.pinv linalg.lstsq "
     "linalg.matrix_rank linalg.cond linalg.expm", f"np.matmul with factors made {OUTSIDE}"),
    ("fft.fft fft.ifft fft.rfft fft.irfft fft.fft2 fft.fftn",
     "np.matmul with the matrix of cosines and the matrix of sines"),
)  # fmt: skip

HINTS: dict[str, str] = {name: hint for names, hint in GROUPS for name in names.split()}
"""Name, as NumPy spells it, to what to write instead."""
