"""f16 and bf16 in memory: every value to f32 and back, and rounding to them, are those of NumPy and
ml_dtypes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import wonderland as wl
from wonderland.compiler.ir.types import HALVES, NUMPY, WIDE

from .kernels import Case, compiled, evaluate, same

CASES = {
    (a, b): Case(f"cast(a, {b})", (a,), b)
    for h in HALVES for w in WIDE for a, b in ((h, w), (w, h))
}  # fmt: skip
FUNCTIONS = {
    "exp": np.exp, "log": np.log, "sin": np.sin, "tanh": np.tanh, "atan": np.arctan,
    "cbrt": np.cbrt, "erfc": scipy.special.erfc,
}  # fmt: skip
ROUNDED = {
    (f, h): Case(f"cast({f}(cast(a, f32)), {h})", (h,), h) for f in FUNCTIONS for h in HALVES
}


@pytest.fixture(scope="module")
def machine():
    return compiled([c.text for c in (*CASES.values(), *ROUNDED.values())])


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("wide", WIDE)
def test_every_value_is_read_and_written_back(half, wide, machine):
    x = np.arange(2**16, dtype=np.uint16).view(NUMPY[half])
    got = evaluate(machine[CASES[half, wide].text], wide, x)
    with np.errstate(invalid="ignore"):
        assert np.all(same(got, x.astype(NUMPY[wide])))
    assert np.all(same(evaluate(machine[CASES[wide, half].text], half, got), x))


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("wide", WIDE)
def test_ties_round_to_even_and_their_neighbours_to_the_nearer(half, wide, machine):
    with np.errstate(all="ignore"):
        x = np.arange(2**16, dtype=np.uint16).view(NUMPY[half]).astype(np.float64)
        middle = ((x[1:] + x[:-1]) / 2).astype(NUMPY[wide])
        points = [middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)]
        far = np.random.default_rng(0).integers(0, 2**32, 2**16, dtype=np.uint32).view(np.float32)
        some = np.concatenate([*points, far.astype(NUMPY[wide])]).astype(NUMPY[wide])
        some = some[: some.size // 32 * 32]
        want = some.astype(NUMPY[half])
    assert np.all(same(evaluate(machine[CASES[wide, half].text], half, some), want))


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_every_half_are_rounded_right_but_for_near_ties(name, half, machine):
    x = np.arange(2**16, dtype=np.uint16).view(NUMPY[half])
    got = evaluate(machine[ROUNDED[name, half].text], half, x)
    with np.errstate(all="ignore"):
        want = FUNCTIONS[name](x.astype(np.float64)).astype(np.float32).astype(NUMPY[half])
    bits = [v.view(np.int16).astype(int) for v in (got, want)]
    wrong = ~same(got, want)
    assert np.abs(bits[0] - bits[1])[wrong].max(initial=0) <= 1
    assert wrong.mean() < 1e-3


def test_a_rounding_between_functions_of_one_number_needs_no_function_of_the_system():
    """LLVM folds f64 to f32 to f16 where the first step is exact; nobody brings what it calls."""
    x = np.array(0.5, np.float16)
    found = wl.jit(lambda a: np.arctan(np.arctan2(a, a)))(x)
    assert found == np.arctan(np.arctan2(x, x))
