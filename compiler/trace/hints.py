"""NumPy's functions that have no traced form, with what to write instead.

Some need shapes that depend on numbers, some write into arrays, some read or print them, some need
a loop or a sort that the language does not have.
"""

from __future__ import annotations

import sys
from typing import Any

OUTSIDE = "outside of the traced function"

GROUPS: tuple[tuple[str, str], ...] = (
    ("trim_zeros", f"x[i:j], with i and j of numbers known {OUTSIDE}"),
    ("add.reduceat", "wl.ops.segment_sum(x, i, n), with i the segment of each"),
    ("bmat", "np.block([[x, y], [y, x]])"),
    ("row_stack", "np.vstack([x, y])"),
    ("real_if_close", "np.real(x), where the imaginary part is none"),
    ("datetime_as_string busday_count busday_offset is_busday isnat", f"numbers made {OUTSIDE}"),
    ("array2string array_repr array_str save savetxt savez savez_compressed",
     f"the result of the function, {OUTSIDE}"),
    ("may_share_memory shares_memory", "an expression without it: what is traced shares nothing"),
    ("nditer", "for i in np.ndindex(x.shape), and x[i]"),
)  # fmt: skip

HINTS: dict[str, str] = {name: hint for names, hint in GROUPS for name in names.split()}
"""Name, as NumPy spells it, to what to write instead."""

OF_SCIPY = {
    "bdtr": "wl.scipy.stats.binom.cdf(k, n, p)",
    "nbdtr": "wl.scipy.stats.nbinom.cdf(k, n, p)",
    "stdtr": "wl.scipy.stats.t.cdf(t, df)",
    "pdtr": "wl.scipy.stats.poisson.cdf(k, mu)",
    "pdtrc": "1 - wl.scipy.stats.poisson.cdf(k, mu)",
    "chdtr": "wl.scipy.stats.chi2.cdf(x, df)",
    "chdtrc": "wl.scipy.stats.chi2.sf(x, df)",
    "gdtr": "wl.scipy.stats.gamma.cdf(x, b, scale=1 / a)",
    "gdtrc": "wl.scipy.stats.gamma.sf(x, b, scale=1 / a)",
    "sindg": "np.sin(np.radians(x))",
    "cosdg": "np.cos(np.radians(x))",
    "tandg": "np.tan(np.radians(x))",
}
"""Name of a ufunc of scipy.special to what to write instead."""

OF_TORCH = {
    "cat": "np.concatenate([x, y])",
    "clamp": "np.clip(x, low, high)",
    "from_numpy": "np.asarray(x)",
    "tensor": "np.asarray(x)",
    "mm": "x @ y",
    "bmm": "x @ y",
    "rand": "wl.random.uniform(key, shape)",
    "randn": "wl.random.normal(key, shape)",
    "manual_seed": "wl.random.key(seed)",
}
"""Name of a function of torch's, or of numpy.random's, to what to write instead."""


def at_front(path: str) -> Any:
    """What the front door has at a path of names, which it may load now; None if it has not."""
    found: Any = sys.modules.get("wonderland")
    for name in path.split("."):
        found = getattr(found, name, None)
    return found
