"""Results of a program on the terminal: a line for each array, and how long a call takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..compiler.ir.types import type_of

TIMED_SECONDS = 0.2  # of calls, to find their median


def summary(named: Iterable[tuple[str, Any]]) -> str:
    """Name, type and the spread of the numbers of each array."""
    rows = [(name, str(type_of(x)), spelled_array(np.asarray(x))) for name, x in named]
    widths = [max((len(r[k]) for r in rows), default=0) for k in range(2)]
    return "\n".join(
        f"{name:<{widths[0]}}  {of:<{widths[1]}}  {said}".rstrip() for name, of, said in rows
    )


def spelled_array(x: np.ndarray) -> str:
    """The number itself, or mean and extremes, of complex ones' moduli, and what is not finite."""
    if not x.size:
        return "no elements"
    if x.dtype == bool:
        return str(x) if not x.ndim else f"{np.count_nonzero(x)} of {x.size} true"
    finite = x[np.isfinite(x)] if x.ndim else x
    parts = []
    if not x.ndim:
        parts.append(f"{x:.7g}" if x.dtype.kind in "fc" else str(x))
    elif finite.size:
        sizes, word = (np.abs(finite), "modulus ") if x.dtype.kind == "c" else (finite, "")
        mean, least, most = sizes.mean(dtype="f8"), sizes.min(), sizes.max()
        parts.append(f"{word}mean {mean:.4g}, {least:.4g} to {most:.4g}")
    if x.ndim and finite.size < x.size:
        nans = np.count_nonzero(np.isnan(x))
        parts.append(f"{nans} NaN, {x.size - finite.size - nans} infinite")
    return ", ".join(parts)


def call_seconds(call: Callable[[], object]) -> float:
    """Median seconds of a call, after one that warms up."""
    call()
    found: list[float] = []
    stop = time.perf_counter() + TIMED_SECONDS
    while len(found) < 3 or time.perf_counter() < stop:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def time_text(seconds: float) -> str:
    """Three digits with a unit: 1.25 ms."""
    unit, scale = next((u for u in (("s", 1.0), ("ms", 1e-3)) if seconds >= u[1]), ("us", 1e-6))
    return f"{seconds / scale:.3g} {unit}"
