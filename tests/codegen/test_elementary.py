"""The elementary functions are within 2 ulp of references of more digits, at all magnitudes.

f32 is measured against NumPy's f64, f64 against the 80-bit long double where there is one. erf has
no such reference: it is measured against libm's, which is itself within 1 ulp. Measured: see the
head of elementary.py.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from wonderland.compiler.codegen.numpy_words import NUMPY

from .kernels import Case, compiled, evaluate

REFERENCES = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh,
    "sin": np.sin, "cos": np.cos,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "rsqrt": lambda x: 1 / np.sqrt(x), "sqrt": np.sqrt,
    "erf": lambda x: np.array([math.erf(v) for v in x]),
}  # fmt: skip
POWERS = {d: Case("pow_(a, b)", (d, d), d) for d in ("f32", "f64")}
CASES = {(f, d): Case(f"{f}(a)", (d,), d) for f in REFERENCES for d in ("f32", "f64")}

extended = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="needs a long double wider than f64"
)


@pytest.fixture(scope="module")
def machine():
    return compiled([c.text for c in (*CASES.values(), *POWERS.values())])


def points(dtype: str) -> np.ndarray:
    """All bit patterns evenly, and more of what models meet."""
    rng = np.random.default_rng(0)
    if dtype == "f32":
        bits = np.arange(0, 2**32, 34511, dtype=np.uint64).astype(np.uint32).view(np.float32)
    else:
        bits = rng.integers(0, 2**64, 1 << 16, dtype=np.uint64).view(np.float64)
    spread = rng.choice([-1, 1], 1 << 15) * np.exp(rng.uniform(-20, 11, 1 << 15))
    near = rng.uniform(-3, 3, 1 << 16)
    x = np.concatenate([bits, near.astype(bits.dtype), spread.astype(bits.dtype)])
    return x[: x.size // 32 * 32]


def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance in units of the exact result's last place; infinity where special values differ."""
    rounded = exact.astype(got.dtype)
    finite = np.isfinite(rounded) & np.isfinite(got)
    alike = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    unit = np.spacing(np.abs(np.where(finite, rounded, 1))).astype(exact.dtype)
    distance = np.abs(got.astype(exact.dtype) - np.where(finite, exact, 0)) / unit
    return np.where(finite, distance, np.where(alike, 0, np.inf)).astype(np.float64)


@pytest.mark.parametrize("name", REFERENCES)
def test_f32_is_within_2_ulp(name, machine):
    case, x = CASES[name, "f32"], points("f32")
    with np.errstate(all="ignore"):
        error = ulps(evaluate(machine[case.text], "f32", x), REFERENCES[name](x.astype(np.float64)))
    assert error.max() <= 2, x[error.argmax()]


@extended
@pytest.mark.parametrize("name", [n for n in REFERENCES if n != "erf"])
def test_f64_is_within_2_ulp(name, machine):
    case, x = CASES[name, "f64"], points("f64")
    with np.errstate(all="ignore"):
        error = ulps(
            evaluate(machine[case.text], "f64", x), REFERENCES[name](x.astype(np.longdouble))
        )
    assert error.max() <= 2, x[error.argmax()]


def test_erf_f64_is_within_2_ulp_of_libm(machine):
    x = points("f64")
    error = ulps(evaluate(machine[CASES["erf", "f64"].text], "f64", x), REFERENCES["erf"](x))
    assert error.max() <= 2, x[error.argmax()]


def powers(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Bases and exponents whose powers cover all of the range."""
    rng, n = np.random.default_rng(2), 1 << 15
    base = np.exp(
        np.concatenate(
            [rng.uniform(-30, 30, n), rng.uniform(-0.4, 0.4, n), rng.uniform(-1e-2, 1e-2, n)]
        )
    )
    largest = 88 if dtype == "f32" else 709
    return base.astype(NUMPY[dtype]), (
        rng.uniform(-1.05, 1.05, base.size) * largest / np.log(base)
    ).astype(NUMPY[dtype])


def test_pow_f32_is_within_1_ulp(machine):
    x, y = powers("f32")
    with np.errstate(all="ignore"):
        error = ulps(
            evaluate(machine[POWERS["f32"].text], "f32", x, y),
            x.astype(np.float64) ** y.astype(np.float64),
        )
    assert error.max() <= 1


@extended
def test_pow_f64_is_within_2_ulp(machine):
    x, y = powers("f64")
    with np.errstate(all="ignore"):
        exact = np.exp2(y.astype(np.longdouble) * np.log2(x.astype(np.longdouble)))
        error = ulps(evaluate(machine[POWERS["f64"].text], "f64", x, y), exact)
    assert error.max() <= 2


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_pow_has_the_special_values_of_numpy(dtype, machine):
    values = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1e-30, 1e30, 2.0**24, 2.0**53, math.inf, math.nan]
    x, y = (
        g.ravel() for g in np.meshgrid(values + [-v for v in values], values + [-v for v in values])
    )
    x, y = (np.resize(g, -(-g.size // 32) * 32).astype(NUMPY[dtype]) for g in (x, y))
    got = evaluate(machine[POWERS[dtype].text], dtype, x, y)
    with np.errstate(all="ignore"):
        want = np.power(x, y)
        close = ulps(got, want) <= 1
    assert np.all(close & (np.isnan(want) | (np.signbit(got) == np.signbit(want))))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "sin", "erf", "sqrt"])
def test_zeros_keep_their_sign(name, dtype, machine):
    x = np.array([0.0, -0.0] * 16, NUMPY[dtype])
    got = evaluate(machine[CASES[name, dtype].text], dtype, x)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(x))
