"""Where traced functions differ from NumPy's on purpose: which calls, how, and what users read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.front.numpy.calls import Call


class Difference(NamedTuple):
    names: str
    when: Callable[[Call], Any]
    how: str  # the difference begins so
    says: str  # in the docstring of wonderland.numpy

    def covers(self, call: Call, found: str) -> bool:
        name = call.name.rpartition(":")[2].removesuffix(".reduce")
        of = self.names.split()
        return (
            (not of or name in of)
            and bool(re.match(self.how, found, re.DOTALL))
            and bool(self.when(call))
        )


def arrays(call: Call) -> list[np.ndarray]:
    flat: list[Any] = []
    for x in (*call.args, *call.options.values()):
        flat += x if isinstance(x, list) else [x]
    return [
        np.asarray(x) for x in flat if isinstance(x, (np.ndarray, np.generic, int, float, complex))
    ]


def any_of(kinds: str) -> Callable[[Call], bool]:
    return lambda call: any(a.dtype.kind in kinds for a in arrays(call))


def to_integers(call: Call) -> bool:
    """Whether floats may become integers."""
    given = [call.options.get("dtype"), *(a for a in call.args if isinstance(a, str))]
    return any(g is not None and np.dtype(g).kind in "iu" for g in given)


def empty(call: Call) -> bool:
    return any(not a.size for a in arrays(call))


def scalar(call: Call) -> bool:
    return not np.ndim(call.args[0])


def always(call: Call) -> bool:
    return True


ORDERED = "max min amax amin nanmax nanmin ptp argmax argmin searchsorted isin maximum minimum"
QUANTILES = "quantile percentile nanquantile nanpercentile"

TRANSFORMS = "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn fft2 ifft2 rfft2 irfft2"

DIFFERENCES = (
    Difference("", to_integers, "gives", "beyond an integer dtype saturate"),
    Difference(
        "power pow", any_of("iu"), "gives .*NumPy raises ValueError", "to negative powers are 0"
    ),
    Difference(
        "power pow",
        any_of("iu"),
        "raises ProgramError: power: an exponent of 0",
        "to negative powers are 0",
    ),
    Difference("reciprocal", any_of("iu"), "gives", "1 / 0 of integers is 0"),
    Difference("round around", any_of("iu"), "gives", "rounded to tens"),
    Difference(ORDERED, any_of("c"), "raises ProgramError", "Complex numbers have no order"),
    Difference(
        "nanargmax nanargmin",
        any_of("f"),
        "gives .*NumPy raises ValueError",
        "nanargmax of nothing but NaN is -1",
    ),
    Difference("nextafter", always, "raises ProgramError.*f16", "nextafter takes f32 and f64"),
    Difference(
        "var std", always, "raises ProgramError: var: dtype= of floats", "take dtypes of floats"
    ),
    Difference("var std", lambda c: "dtype" in c.options, "gives", "take dtypes of floats"),
    Difference("pad", always, "raises ProgramError: pad: a mode", "pads are by constant"),
    Difference(
        "putmask copyto put", scalar, "raises ProgramError.*writable", "numbers are not written to"
    ),
    Difference(
        "",
        scalar,
        "(gives .*NumPy raises AxisError|raises ProgramError.* axis within 0)",
        "numbers have an axis 0",
    ),
    Difference(
        "maximum minimum fmax fmin clip max min amax amin nanmax nanmin ptp cumulative",
        any_of("f"),
        "gives",
        "zeros are equal",
    ),
    Difference(QUANTILES, any_of("iu"), "gives", "differences of integers do not wrap"),
    Difference(QUANTILES, any_of("f"), "gives .*NumPy .*nan", "between equal infinities"),
    Difference(
        "nanquantile nanpercentile",
        lambda c: empty(c) or any_of("f")(c),
        "is ",
        "quantiles of nothing",
    ),
    Difference("nanquantile nanpercentile", empty, "raises ProgramError", "quantiles of nothing"),
    Difference(
        f"median {QUANTILES}", empty, "gives .*NumPy raises ValueError", "quantiles of nothing"
    ),
    Difference(
        "average", always, "gives .*NumPy raises ZeroDivisionError", "weights that add up to 0"
    ),
    Difference("clip", any_of("b"), "gives .*NumPy raises", "clip of bools"),
    Difference("partition argpartition", empty, "raises ProgramError", "places within the axis"),
    Difference("full", any_of("c"), "raises ProgramError: array", "complex numbers fill no real"),
    Difference("median nanmedian", any_of("c"), "gives", "products of infinite complex"),
    Difference("partition argpartition", always, "gives", "partitions are sorted"),
    Difference("bincount", empty, "is ", "counts of nothing"),
    Difference(
        "linalg.vecdot vecdot vdot matmul dot inner",
        any_of("c"),
        "gives",
        "products of infinite complex",
    ),
    Difference(
        " ".join(f"fft.{n}" for n in TRANSFORMS.split()),
        lambda c: arrays(c)[0].dtype == np.float16,
        "gives",
        "fft: spectra of halves are scaled in f32",
    ),
)


def explained(call: Call, found: str) -> Difference | None:
    """The entry that a difference belongs to."""
    return next((d for d in DIFFERENCES if d.covers(call, found)), None)
