"""Arrays written as indices: r_ and c_."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.explain import shown
from ...trace.operands import wrong
from ...trace.tracer import current
from .creation import arange, asarray, linspace
from .shapes import concatenate, ravel

__all__ = ["c_", "r_"]


class Concatenation:
    """x of r_[x, 1.0, 0:4], one after another; of c_, vectors are columns."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, at: Any) -> Any:
        if current() is None:
            return getattr(np, self.name)[at]
        parts = [self.part(x) for x in (at if isinstance(at, tuple) else (at,))]
        most = max(x.ndim for x in parts)
        if self.name == "c_":
            most = max(most, 2)
            parts = [x if x.ndim else ravel(x) for x in parts]
            parts = [x.reshape(x.shape + (1,) * (most - x.ndim)) for x in parts]
        return concatenate(parts, axis=-1 if self.name == "c_" else 0)

    def part(self, x: Any) -> Any:
        if isinstance(x, str):
            raise wrong(
                f"{self.name}: arrays, numbers and slices are required, got {shown(x)}",
                "np.concatenate(arrays, axis)",
            )
        if not isinstance(x, slice):
            made = asarray(x)
            return ravel(made) if not made.ndim else made
        start = 0 if x.start is None else x.start
        if isinstance(x.step, complex):
            return linspace(start, x.stop, int(abs(x.step)))
        return arange(start, x.stop, 1 if x.step is None else x.step)


r_, c_ = Concatenation("r_"), Concatenation("c_")
