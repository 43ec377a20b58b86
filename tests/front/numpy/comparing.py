"""A call of NumPy and the same call traced: values, dtypes, shapes, and whether they raise."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import wonderland.compiler.front.numpy as wnp
from tests.front.numpy.calls import Call
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.trace import eagerly

SMOOTH = (
    "exp expm1 exp2 tanh sinh cosh sin cos tan cbrt deg2rad rad2deg radians degrees arcsinh "
    "arctan log log2 log10 log1p sqrt arccosh arctanh arcsin arccos acos acosh asin asinh "
    "atan atanh angle sinc arctan2 atan2 hypot logaddexp logaddexp2 power pow float_power "
    "divmod reciprocal divide true_divide square round around abs absolute sign multiply "
)
"""Functions of each element that may differ in the last bits."""


def outcome(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The leaves of the result, or the exception."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = function(*args, **options)
        except Exception as error:
            return error
    if isinstance(found, (tuple, list)):
        return [
            np.asarray(x) if not isinstance(x, np.dtype) else x for x in tree.leaves(list(found))
        ]
    return [found if isinstance(found, np.dtype) else np.asarray(found)]


def numpys(call: Call) -> Any:
    return outcome(call.function(np), *call.args, **call.keywords(False))


def ours(call: Call, plain: bool = False) -> Any:
    """The call traced and interpreted: of our function, or with `plain` of NumPy's own."""
    function = call.function(np if plain else wnp)

    def run(*args: Any, **options: Any) -> Any:
        return eagerly(lambda *a, **o: function(*a, **o), args, options)

    return outcome(run, *call.args, **call.keywords(not plain))


def difference(call: Call, got: Any, want: Any, more: float = 1.0) -> str:
    """What of two outcomes differs by `more` than its tolerance; empty where nothing does."""
    if isinstance(want, Exception):
        if isinstance(got, Exception):
            return (
                "" if isinstance(got, ProgramError) else f"raises bare {type(got).__name__}: {got}"
            )
        return f"gives {got[:1]}, NumPy raises {type(want).__name__}: {str(want)[:80]}"
    if isinstance(got, Exception):
        return f"raises {type(got).__name__}: {str(got).splitlines()[0][:120]}"
    if len(got) != len(want):
        return f"gives {len(got)} results, NumPy {len(want)}"
    narrow = mixes(call)
    for g, w in zip(got, want, strict=True):
        if narrow and NARROWER.get(g.dtype.char, "") and w.dtype.char in NARROWER[g.dtype.char]:
            limits = np.finfo(g.dtype)
            size = np.abs(w[np.isfinite(w)])
            room = 64 * float(limits.eps) * np.max(size, initial=float(limits.smallest_normal))
            known = np.isfinite(w) & (np.abs(w) < limits.max)
            if g.shape != w.shape or not np.all(np.abs(g[known] - w[known]) <= room):
                return f"gives {g.ravel()[:6].tolist()}, NumPy {w.ravel()[:6].tolist()}"
        elif isinstance(w, np.dtype):
            if g != w:
                return f"gives {g}, NumPy {w}"
        elif (g.dtype, g.shape) != (w.dtype, w.shape):
            return f"is {g.dtype}{list(g.shape)}, NumPy's {w.dtype}{list(w.shape)}"
        elif not same(g, w, tolerance(call) * more, scale(call, w)):
            return f"gives {g.ravel()[:6].tolist()}, NumPy {w.ravel()[:6].tolist()}"
    return ""


NARROWER = {"e": "fd", "f": "d", "F": "D"}
"""Dtypes of results where NumPy's are wider, of integers and floats."""


def mixes(call: Call) -> bool:
    """Whether there are integers, and floats of less than 64 bits, whose dtype they follow."""
    leaves = tree.leaves((call.args, call.options))
    floats = [x.dtype.char for x in leaves if hasattr(x, "dtype") and x.dtype.kind in "fc"]
    return bool(floats) and len(floats) < len(leaves) and set(floats) <= set("efF")


SCALED = (
    "linspace interp std var nanstd nanvar unwrap gradient cov corrcoef "
    "fft.irfft fft.irfftn fft.irfft2 fft.hfft"
)
"""What is as exact as its greatest part."""


def scale(call: Call, want: np.ndarray) -> float:
    """The number of whose last place the units are at least: of lines that of their ends."""
    kind, name = want.dtype.kind, call.name.rpartition(":")[2]
    if kind not in "fc" or not want.size or not (kind == "c" or name in SCALED.split()):
        return 0.0
    size = np.abs(want[np.isfinite(want)])
    return float(np.max(size, initial=1.0 if name in ("std", "var", "nanstd", "nanvar") else 0.0))


def tolerance(call: Call) -> float:
    """How many units in the last place results may be apart."""
    name = call.name.rpartition(":")[2]
    if "quantile" in name or "percentile" in name:
        return 32.0  # the place between two elements is rounded before
    return 4.0 if name in (SMOOTH + ADDING).split() else 0.0


ADDING = (
    "sum prod nansum nanprod mean nanmean var std nanvar nanstd average cumsum cumprod nancumsum "
    "nancumprod trapezoid cumulative_sum cumulative_prod median nanmedian quantile nanquantile "
    "percentile nanpercentile interp matmul dot inner vdot vecdot outer kron tensordot einsum "
    "linspace geomspace logspace polyval vander trace linalg.norm linalg.vector_norm "
    "linalg.matrix_norm linalg.matrix_power linalg.multi_dot linalg.matmul linalg.outer "
    "linalg.vecdot linalg.tensordot linalg.trace add.reduce add.accumulate multiply.reduce "
    "multiply.accumulate logaddexp.accumulate hypot.reduce hypot.accumulate logaddexp2.reduce "
    "logaddexp2.accumulate histogram histogram2d histogramdd mul truediv pow i0 kaiser unwrap "
    "gradient cov corrcoef fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fft2 "
    "fft.ifft2 fft.rfft2 fft.irfft2 fft.fftn fft.ifftn fft.rfftn fft.irfftn "
)
"""What adds up, or interpolates."""


def same(got: np.ndarray, want: np.ndarray, ulps: float, least: float = 0.0) -> bool:
    """Equal to the bit, but for what NaN carries, or within some ulps."""
    if want.dtype.kind == "c":
        missing = np.isnan(want)  # what the other part is then is not said
        if not np.array_equal(np.isnan(got), missing):
            return False
        parts = [np.where(missing, 0, x) for x in (got, want)]
        return all(
            same(getattr(parts[0], p), getattr(parts[1], p), ulps, least) for p in ("real", "imag")
        )
    if want.dtype.kind != "f":
        return bool(np.array_equal(got, want))
    with np.errstate(all="ignore"):
        nan = np.isnan(want)
        if not np.array_equal(np.isnan(got), nan):
            return False
        exact = (got == want) & (np.signbit(got) == np.signbit(want)) | nan
        if ulps:
            wide, limits = np.longdouble, np.finfo(want.dtype)
            size = np.maximum(np.abs(want.astype(wide)), least)
            room = ulps * np.maximum(size * limits.eps, limits.smallest_subnormal)
            exact |= np.abs(got.astype(wide) - want.astype(wide)) <= room
        return bool(exact.all())
