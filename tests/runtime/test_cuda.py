"""GPUs through cuda.core itself, over the driver of tests/driver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.driver import driver
from wonderland.runtime import cuda

RNG = np.random.default_rng(0)


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def agree(f: Any, *args: Any) -> None:
    """The device gives what NumPy gives."""
    found = wl.jit(f, device="cuda")(*args)
    for x, y in zip(wl.tree.leaves(found), wl.tree.leaves(f(*args)), strict=True):
        np.testing.assert_allclose(np.asarray(x), y, 1e-5, 1e-5)


@pytest.mark.parametrize("x", [0, 1, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, -(2**62) - 7])
def test_slots_are_the_same_64_bits_with_or_without_a_sign(x: int) -> None:
    found = cuda.signed(x)
    assert -(2**63) <= found < 2**63 and (found - x) % 2**64 == 0


def test_negative_numbers_and_strides_are_arguments(driven: Any) -> None:
    x = RNG.standard_normal((5, 7))
    agree(lambda x: (np.flip(x, 0) * -3.7, x[::-1, ::-2] - 1.25e-3), x)
    agree(lambda x: x - 41, np.arange(9))


@pytest.mark.parametrize("rows", [(6144,), (6136, 6144, 6152), (8192, 7168, 8192)])
def test_rows_of_every_size_that_fits_shared_memory(driven: Any, rows: tuple[int, ...]) -> None:
    """From 48 KB on, beside what the code itself declares, and after a launch with less."""
    f = wl.jit(softmax, device="cuda")
    for n in rows:
        x = RNG.standard_normal((1, n))
        np.testing.assert_allclose(np.asarray(f(x)), softmax(x), 1e-12)
    assert driver().calls["cuKernelSetAttribute"] > 0


@pytest.mark.parametrize("operands, dtype", [(6, "f8"), (12, "f4"), (30, "f8")])
def test_any_number_of_operands_may_lie_crosswise(driven: Any, operands: int, dtype: str) -> None:
    xs = [RNG.standard_normal((33, 65)).astype(dtype) for _ in range(operands)]
    agree(lambda *xs: sum(x.T for x in xs), *xs)
