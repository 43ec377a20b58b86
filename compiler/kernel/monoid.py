"""How values combine: a record for each way, which is all that a level knows of it.

Reductions, scatters and prefixes combine by a `Monoid`, the members of `MONOIDS`; a prefix also by
what no reduction uses. A new one is a record here and the op that names it: printers spell
`combine`, reference implementations call `numpy`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .costs import EXP_WEIGHT
from .scalar import NUMPY


@dataclass(frozen=True)
class Monoid:
    """Combinations of two values, the same for any brackets, and what changes nothing.

    `combine` are texts over {0}, what came before, and the operands from {1} on: each may name the
    results of those before it by the numbers that follow, and the last one is the combination.
    A value and its Index have a test which is `better` in place of one: of equal values the first
    index wins, and NaN wins over numbers, as in NumPy.
    """

    name: str
    identity: Callable[[str], float]  # by dtype
    combine: tuple[str, ...] = ()
    numpy: Any = None  # the function of two with `reduce`, `accumulate` and `at`; of a whole axis
    op: str = ""  # the scalar operation, if it is one
    fold: str = ""  # the word for one value of all lanes
    update: str = ""  # what a scatter calls it
    better: str = ""
    boolean: bool = False
    any_order: bool = False  # whether prefixes may be by doubling distances
    weight: int = 2  # multiply-adds of a combination in a prefix

    @property
    def fields(self) -> int:
        """The expressions that a reduction has, and its results."""
        return 2 if self.better else 1

    def accumulated(self, axis: int, *xs: np.ndarray) -> np.ndarray:
        """The prefixes along an axis."""
        first, *rest = xs
        if rest:
            return self.numpy(axis, first, *rest)
        return self.numpy.accumulate(first, axis, dtype=first.dtype)


def extremes(dtype: str) -> tuple[float, float]:
    """The least and the greatest value."""
    if dtype == "bool":
        return False, True
    if dtype in ("f32", "f64"):
        return -math.inf, math.inf
    info = np.iinfo(NUMPY[dtype])
    return int(info.min), int(info.max)


def least(dtype: str) -> float:
    return extremes(dtype)[0]


def greatest(dtype: str) -> float:
    return extremes(dtype)[1]


def always(value: float) -> Callable[[str], float]:
    return lambda dtype: value


def recurrence(axis: int, factor: np.ndarray, term: np.ndarray) -> np.ndarray:
    """y[k] = factor[k] * y[k - 1] + term[k]"""
    factors, out = np.moveaxis(factor, axis, 0), np.moveaxis(term, axis, 0).copy()
    for k in range(1, len(out)):
        out[k] += factors[k] * out[k - 1]
    return np.moveaxis(out, 0, axis)


def by_name(*monoids: Monoid) -> dict[str, Monoid]:
    return {m.name: m for m in monoids}


NUMBERS = by_name(
    Monoid("sum", always(0), ("{0} + {1}",), np.add, "add", "total", "add", any_order=True),
    Monoid("prod", always(1), ("{0} * {1}",), np.multiply, "mul", "product", "mul"),
    Monoid(
        "min", greatest, ("minimum({0}, {1})",), np.minimum, "minimum", "smallest", "min",
        any_order=True,
    ),
    Monoid(
        "max", least, ("maximum({0}, {1})",), np.maximum, "maximum", "largest", "max",
        any_order=True,
    ),
)  # fmt: skip
"""Of numbers, and of bools that are numbers: they reduce, scatter and run."""

MONOIDS = NUMBERS | by_name(
    Monoid("any", always(False), ("{0} | {1}",), np.bitwise_or, "or_", "any_", boolean=True),
    Monoid("all", always(True), ("{0} & {1}",), np.bitwise_and, "and_", "all_", boolean=True),
    Monoid("argmax", least, numpy=np.argmax, fold="largest", better=">"),
    Monoid("argmin", greatest, numpy=np.argmin, fold="smallest", better="<"),
)
"""Those of reductions."""

RUNNING = NUMBERS | by_name(
    Monoid(
        "logsumexp",
        always(-math.inf),
        (
            "maximum({0}, {1})",
            "minimum({0}, {1}) - {2}",
            "{2} + log1p(exp({3}))",
            "select({2} - {2} == 0.0, {4}, {2})",
        ),
        np.logaddexp,
        any_order=True,
        weight=EXP_WEIGHT,
    ),
    Monoid("recurrence", always(0), ("{1} * {0} + {2}",), recurrence),
)
"""Those of prefixes. A linear recurrence combines by two operands, a factor and a term."""
