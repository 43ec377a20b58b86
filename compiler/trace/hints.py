"""NumPy's functions that have no traced form, with what to write instead.

Some need shapes that depend on numbers, some write into arrays, some read or print them, some need
a loop or a sort that the language does not have.
"""

from __future__ import annotations

OUTSIDE = "outside of the traced function"

GROUPS: tuple[tuple[str, str], ...] = (
    ("nanargmax", "np.argmax(np.nan_to_num(x, nan=-np.inf))"),
    ("nanargmin", "np.argmin(np.nan_to_num(x, nan=np.inf))"),
    ("sort_complex", "np.sort(x.astype(complex))"),
    ("unique_all unique_counts unique_inverse unique_values", "wonderland.numpy.unique(x, size=n)"),
    ("trim_zeros", f"x[i:j], with i and j of numbers known {OUTSIDE}"),
    ("histogram2d histogramdd",
     "wonderland.numpy.bincount(i * n + j, length=m * n) of places in a grid"),
    ("piecewise", "np.select([x < a, x < b], [f(x), g(x)], h(x))"),
    ("apply_along_axis apply_over_axes", "the function itself over an axis, np.sum(x, axis=1)"),
    ("place", "np.where(mask, value, x)"),
    ("divide.at", "x[i] = x[i] / y for places that differ"),
    ("power.at", "x[i] = x[i] ** y for places that differ"),
    ("add.reduceat", "wl.ops.segment_sum(x, i, n), with i the segment of each"),
    ("add.outer", "x[:, None] + y[None, :]"),
    ("subtract.outer", "x[:, None] - y[None, :]"),
    ("multiply.outer", "np.outer(x, y)"),
    ("array_equiv", "np.all(x == y)"),
    ("matvec", "np.matmul(m, x[..., None])[..., 0]"),
    ("vecmat", "np.matmul(x[..., None, :], m)[..., 0, :]"),
    ("bmat", "np.block([[x, y], [y, x]])"),
    ("row_stack", "np.vstack([x, y])"),
    ("real_if_close", "np.real(x), where the imaginary part is none"),
    ("isneginf", "np.isinf(x) & (x < 0)"),
    ("isposinf", "np.isinf(x) & (x > 0)"),
    ("modf", "x - np.trunc(x) and np.trunc(x)"),
    ("frexp", "x / np.exp2(e) and e, with e = np.floor(np.log2(np.abs(x))) + 1"),
    ("ldexp", "x * np.exp2(y)"),
    ("spacing", "np.nextafter(x, np.inf) - x"),
    ("gcd lcm", "wl.lax.while_loop, with (a, b) to (b, a % b) until b is 0"),
    ("bitwise_count", "sum((x >> k) & 1 for k in range(bits))"),
    ("packbits unpackbits", "np.right_shift(x[:, None], np.arange(7, -1, -1)) & 1"),
    ("poly polyadd polyder polydiv polyfit polyint polymul polysub roots",
     f"np.polyval(p, x), with p made {OUTSIDE}"),
    ("einsum_path", "np.einsum, which chooses its path"),
    ("tril_indices_from", "np.tril_indices(len(m))"),
    ("triu_indices_from", "np.triu_indices(len(m))"),
    ("diag_indices_from mask_indices", "np.diag_indices(len(m))"),
    ("ix_", "m[i[:, None], j[None, :]]"),
    ("ravel_multi_index", "i * n + j"),
    ("unravel_index", "np.divmod(i, n)"),
    ("datetime_as_string busday_count busday_offset is_busday isnat", f"numbers made {OUTSIDE}"),
    ("array2string array_repr array_str save savetxt savez savez_compressed",
     f"the result of the function, {OUTSIDE}"),
    ("may_share_memory shares_memory", "an expression without it: what is traced shares nothing"),
    ("isfortran common_type min_scalar_type",
     "x.dtype and x.shape, which are static: np.result_type(x, y)"),
    ("nditer ndenumerate", "for i in np.ndindex(x.shape), and x[i]"),
    ("asfortranarray require asarray_chkfinite asmatrix", "x itself, which is in C order"),
)  # fmt: skip

HINTS: dict[str, str] = {name: hint for names, hint in GROUPS for name in names.split()}
"""Name, as NumPy spells it, to what to write instead."""
