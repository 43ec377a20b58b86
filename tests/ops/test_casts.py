"""Casts from floats to integers: the fraction is cut, what is beyond saturates, NaN is 0; by the
reference, by the kernel's words in NumPy and compiled, of every pair of dtypes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.numpy as wnp
from wonderland.compiler.codegen.words import numpy_words
from wonderland.compiler.ir.types import FLOATS, INTEGERS, NUMPY
from wonderland.compiler.kernel.scalar import cast


def edges(of: str) -> np.ndarray:
    """Numbers about the ends of every integer dtype, and what is no number."""
    powers = [s * 2.0**k for k in (7, 8, 15, 16, 31, 32, 63, 64) for s in (1, -1)]
    wide = np.array([*powers, 0.0, -0.0, 0.5, -0.5, -1.7, 2.9, math.inf, -math.inf, math.nan])
    with np.errstate(over="ignore"):
        x = wide.astype(NUMPY[of])
        near = [np.nextafter(x.astype(float), s * math.inf) for s in (1, -1)]
        return np.concatenate([x, *(n.astype(NUMPY[of]) for n in near)])


def expected(x: np.ndarray, to: str) -> np.ndarray:
    """By Python's integers, which have no end."""
    limits = np.iinfo(NUMPY[to])

    def one(v: float) -> int:
        if not math.isfinite(v):
            return {math.inf: limits.max, -math.inf: limits.min}.get(v, 0)
        return min(max(int(v), limits.min), limits.max)

    return np.array([one(float(v)) for v in x], NUMPY[to])


@pytest.mark.parametrize("of", FLOATS)
@pytest.mark.parametrize("to", INTEGERS)
def test_floats_saturate_in_every_reference(of: str, to: str) -> None:
    x, dtype = edges(of), NUMPY[to]
    ways: tuple[Callable[..., Any], ...] = (
        lambda: cast(x, to),
        lambda: numpy_words.cast(x, to),
        wl.jit(lambda: wnp.astype(x, dtype), disable_jit=True),
        wl.jit(lambda: wnp.stack([wnp.full((), float(v), dtype) for v in x]), disable_jit=True),
        lambda: wl.jit(lambda x: x.astype(dtype), disable_jit=True)(x),
    )
    for way in ways:
        np.testing.assert_array_equal(way(), expected(x, to))


def test_compiled_casts_saturate() -> None:
    args = tuple(edges(of) for of in FLOATS)

    def casts(*xs: Any) -> Any:
        return [[x.astype(NUMPY[to]) for to in INTEGERS] for x in xs]

    for x, row in zip(args, wl.jit(casts)(*args), strict=True):
        for to, got in zip(INTEGERS, row, strict=True):
            np.testing.assert_array_equal(got, expected(x, to), f"{x.dtype} to {to}")
