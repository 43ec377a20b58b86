"""Random index expressions: all that NumPy takes in x[at], with some arrays traced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True, eq=False)
class TRACED:
    """An index array that is an argument of the traced function."""

    array: np.ndarray


def arrays_of(at: tuple[Any, ...]) -> tuple[Any, ...]:
    """The expression with arrays for what is traced."""
    return tuple(i.array if isinstance(i, TRACED) else i for i in at)


def mark(at: tuple[Any, ...], given: Sequence[Any]) -> tuple[Any, ...]:
    """The expression with `given` in place of what is traced."""
    remaining = iter(given)
    return tuple(next(remaining) if isinstance(i, TRACED) else i for i in at)


@st.composite
def expressions(draw: st.DrawFn, shape: tuple[int, ...], masks: bool = True) -> tuple[Any, ...]:
    """A tuple of indices for an array of `shape`."""
    looked = draw(st.sampled_from([(), (1,), (2,), (3,), (2, 2), (1, 3), (0,)]))
    at: list[Any] = []
    d, count = 0, draw(st.integers(0, len(shape)))
    ellipsis = draw(st.integers(0, count + 1))  # where it stands; none if past the end
    for k in range(count):
        if draw(st.booleans()) and draw(st.booleans()):
            at.append(None)
        if k == ellipsis:
            at.append(...)
            d += len(shape) - count
        at.append(draw(one_index(shape[d], looked, masks)))
        d += 1
    if ellipsis == count:
        at.append(...)
    return tuple(at)


@st.composite
def one_index(draw: st.DrawFn, n: int, looked: tuple[int, ...], masks: bool) -> Any:
    kinds = ["slice", "slice", "slice", "int", "array", "traced", "steps"]
    kind = draw(st.sampled_from(kinds if n else ["slice"]))
    if kind == "slice":
        ends = st.one_of(st.none(), st.integers(-n - 1, n + 1))
        return slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, -1, 2, -2, 3])))
    if kind == "int":
        return draw(st.integers(-n, n - 1))
    if kind == "steps" and looked in ((), (n,)) and masks:
        return np.arange(n) if looked else np.arange(n) > draw(st.integers(0, 9))
    own = tuple(1 if draw(st.integers(0, 3)) == 0 else m for m in looked)
    own = own[draw(st.integers(0, len(own))) :] if draw(st.booleans()) else own
    count = int(np.prod(own))
    places = draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
    dtype = draw(st.sampled_from([np.int64, np.int32, np.int8]))
    array = np.array(places, dtype).reshape(own)
    return TRACED(array) if kind == "traced" or not array.ndim else array
