"""numpy.linalg: what products and reductions express."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..tracer import FUNCTIONS, Tracer
from .operands import implements, tracer, wrong
from .reductions import sum as sum_


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tracer:
    """The root of the sum of squares, or of one axis the sum or greatest of sizes (ord 1, inf)."""
    a = tracer(x)
    if not a.type.is_float:
        a = a.astype("f64")
    one = (axis is not None and not isinstance(axis, tuple)) or a.ndim == 1
    if ord is None or (ord == 2 and one) or ord == "fro":
        return FUNCTIONS[np.sqrt](sum_(a * a, axis, keepdims=keepdims))
    if one and ord in (1, math.inf, -math.inf):
        function = {1: np.sum, math.inf: np.max, -math.inf: np.min}[ord]
        return FUNCTIONS[function](abs(a), axis, keepdims=keepdims)
    raise wrong(f"norm: ord None, 2, 1 or inf of one axis is required, got {ord!r} for {a.type}")
