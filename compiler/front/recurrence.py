"""Linear recurrences along an axis: the states of models that are linear in their state."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..ir.types import HALVES
from ..trace.operands import alike, axis_of, broadcasted, common_shape, inexact, new, wrong
from ..trace.tracer import Tracer
from .lax.lax import eager
from .numpy import shapes

__all__ = ["linear_recurrence"]


@eager("a", "b", "start")
def linear_recurrence(
    a: Any,
    b: Any,
    start: Any = None,
    *,
    axis: int = 1,
    reverse: bool = False,
    parallel: bool = False,
) -> Any:
    """h[t] = a[t] * h[t - 1] + b[t] along `axis`, where h before the first is `start`, or 0.

    a and b broadcast together, start to what is left of them without the axis; with `reverse` the
    recurrence begins at the end. It is one pass over a and b, in order, that computes them as it
    reads them; its derivatives of any order are recurrences the other way, which keep a and h.
    `parallel` is accepted and changes nothing: an associative scan of this is this pass. Halves are
    combined in f32.
    Source: Martin and Cundy, Parallelizing linear recurrent neural nets over sequence length, 2018.
    """
    del parallel
    a, b = alike(inexact(a), inexact(b), *([] if start is None else [inexact(start)]))[:2]
    shape, given = common_shape("linear_recurrence", a.shape, b.shape), a.dtype
    k = axis_of("linear_recurrence", axis, len(shape))
    a, b = (new(broadcasted(x.value, shape), x.weak) for x in (a, b))
    if a.type.dtype in HALVES:
        a, b = a.astype(np.float32), b.astype(np.float32)
    if start is not None and shape[k]:
        b = b + _first(a, start, k, reverse)
    found = new(ops.linear_recurrence(a.value, b.value, k, bool(reverse)), a.weak and b.weak)
    return found.astype(given) if found.dtype != given else found


def _first(a: Tracer, start: Any, k: int, reverse: bool) -> Any:
    """What a start adds to the first term: zeros behind, so that its derivative is one slice."""
    n = a.shape[k]
    rest = (*a.shape[:k], *a.shape[k + 1 :])
    start = inexact(start)
    if start.ndim > len(rest) or common_shape("linear_recurrence", start.shape, rest) != rest:
        raise wrong(
            f"linear_recurrence: a start that broadcasts to {list(rest)}, the terms without axis "
            f"{k}, is required, got {start.type}"
        )
    one = slice(n - 1, n) if reverse else slice(0, 1)
    first = a[(*(slice(None),) * k, one)]
    term = first * shapes.expand_dims(new(broadcasted(start.value, rest), start.weak), k)
    around = [(0, 0)] * a.ndim
    around[k] = (n - 1, 0) if reverse else (0, n - 1)
    return np.pad(term, around).astype(a.dtype)
