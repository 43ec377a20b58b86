"""Random numbers: JAX's bits and samples, in traces and at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

from wonderland.compiler.front import random
from wonderland.compiler.front.lax import lax
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.trace import call, trace

jax = pytest.importorskip("jax")


def f32(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


SEEDS = [0, 42, 2**31 + 5, -3]


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_splits_and_folds_are_jaxs_bit_for_bit(seed: int) -> None:
    ours, theirs = random.PRNGKey(seed), jax.random.PRNGKey(seed)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(random.split(ours, 5), jax.random.split(theirs, 5))
    np.testing.assert_array_equal(random.split(ours, (2, 3)), jax.random.split(theirs, (2, 3)))
    np.testing.assert_array_equal(random.fold_in(ours, 7), jax.random.fold_in(theirs, 7))
    np.testing.assert_array_equal(random.bits(ours, (3, 5)), jax.random.bits(theirs, (3, 5)))


KEY = np.array([123, 456], np.uint32)
GRID = np.arange(18, dtype=np.float32).reshape(6, 3)
EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "uniform": lambda r, k: r.uniform(k, (5, 7)),
    "uniform scalar": lambda r, k: r.uniform(k),
    "bernoulli": lambda r, k: r.bernoulli(k, 0.3, (100,)),
    "bernoulli of shapes": lambda r, k: r.bernoulli(k, f32([0.1, 0.9])),
    "randint": lambda r, k: r.randint(k, (100,), -5, 17),
    "randint of a wide span": lambda r, k: r.randint(k, (50,), -(2**31), 2**31 - 1),
    "randint of an empty span": lambda r, k: r.randint(k, (5,), 3, 3),
    "categorical": lambda r, k: r.categorical(k, f32([[0.1, 2.0, -1.0], [3.0, 0.0, 0.0]])),
    "rademacher": lambda r, k: r.rademacher(k, (50,)),
    "choice of a range": lambda r, k: r.choice(k, 7, (50,)),
    "choice of rows": lambda r, k: r.choice(k, f32([[1, 2], [3, 4], [5, 6]]), (9,)),
    "choice of columns": lambda r, k: r.choice(k, f32([[1, 2], [3, 4]]), (5,), axis=1),
    "permutation of a range": lambda r, k: r.permutation(k, 50),
    "permutation of many": lambda r, k: r.permutation(k, 3000),
    "permutation of rows": lambda r, k: r.permutation(k, GRID),
    "permutation of columns": lambda r, k: r.permutation(k, GRID, axis=1),
    "permutation of each row": lambda r, k: r.permutation(k, GRID, axis=1, independent=True),
    "choice without replacement": lambda r, k: r.choice(k, 60, (3, 4), replace=False),
    "choice of different rows": lambda r, k: r.choice(k, GRID, (2, 2), replace=False),
    "choice of different columns": lambda r, k: r.choice(k, GRID, (2,), False, axis=1),
    "choice by chance, different": lambda r, k: r.choice(k, 4, (3,), False, f32([1, 2, 3, 4])),
    "categorical without replacement": lambda r, k: r.categorical(
        k, GRID, axis=0, shape=(2, 3), replace=False
    ),
    "categorical of a shape": lambda r, k: r.categorical(k, f32([0.1, 2.0, -1.0]), shape=(20,)),
}
NEAR: dict[str, Callable[[Any, Any], Any]] = {
    "uniform of a range": lambda r, k: r.uniform(k, (50,), minval=-2.0, maxval=3.0),
    "normal": lambda r, k: r.normal(k, (1000,)),
    "truncated_normal": lambda r, k: r.truncated_normal(k, -2.0, 2.0, (200,)),
    "exponential": lambda r, k: r.exponential(k, (200,)),
    "gumbel": lambda r, k: r.gumbel(k, (200,)),
    "laplace": lambda r, k: r.laplace(k, (200,)),
    "cauchy": lambda r, k: r.cauchy(k, (200,)),
    "logistic": lambda r, k: r.logistic(k, (200,)),
    "rayleigh": lambda r, k: r.rayleigh(k, np.float32(2.0), (200,)),
    "maxwell": lambda r, k: r.maxwell(k, (200,)),
    "double_sided_maxwell": lambda r, k: r.double_sided_maxwell(k, 1.0, 2.0, (200,)),
    "pareto": lambda r, k: r.pareto(k, f32([1.5, 3.0]), (100, 2)),
    "pareto of shapes": lambda r, k: r.pareto(k, f32([1.5, 3.0])),
    "weibull_min": lambda r, k: r.weibull_min(k, 2.0, 1.5, (200,)),
    "lognormal": lambda r, k: r.lognormal(k, np.float32(0.5), (200,)),
    "triangular": lambda r, k: r.triangular(k, -1.0, 0.5, 2.0, (200,)),
    "wald": lambda r, k: r.wald(k, np.float32(0.1), (200,)),
    "geometric": lambda r, k: r.geometric(k, np.float32(0.3), (200,)),
    "choice by probabilities": lambda r, k: r.choice(k, 4, (100,), p=f32([0.1, 0.2, 0.3, 0.4])),
}


@pytest.fixture(scope="module")
def theirs_of() -> dict[str, np.ndarray]:
    """What JAX draws; all of it compiled at once, to save time."""

    def together(key: Any) -> dict[str, Any]:
        return {name: draw(jax.random, key) for name, draw in (EXACT | NEAR).items()}

    return {name: np.asarray(drawn) for name, drawn in jax.jit(together)(KEY).items()}


@pytest.mark.parametrize("name", EXACT)
def test_samples_are_jaxs_bit_for_bit(name: str, theirs_of: dict[str, np.ndarray]) -> None:
    draw, theirs = EXACT[name], theirs_of[name]
    ours = draw(random, KEY)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(call(trace(lambda k: draw(random, k), KEY), KEY), theirs)


@pytest.mark.parametrize("name", NEAR)
def test_samples_are_jaxs_up_to_rounding(name: str, theirs_of: dict[str, np.ndarray]) -> None:
    ours, theirs = NEAR[name](random, KEY), theirs_of[name]
    np.testing.assert_allclose(
        ours, theirs, rtol=3e-6, atol=3e-7
    )  # log1p, sqrt and fma of two libraries
    assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("name", ["uniform", "normal", "exponential"])
def test_doubles_are_jaxs(name: str) -> None:
    with jax.enable_x64(True):
        theirs = np.asarray(getattr(jax.random, name)(KEY, (200,), dtype=np.float64))
    np.testing.assert_allclose(
        getattr(random, name)(KEY, (200,), dtype=np.float64), theirs, rtol=1e-13, atol=1e-15
    )


def test_a_seed_may_be_traced() -> None:
    for seed in (np.int32(-3), np.uint32(9), np.int64(2**40 + 1)):
        with jax.enable_x64(True):
            theirs = np.asarray(jax.random.PRNGKey(seed))
        np.testing.assert_array_equal(call(trace(random.PRNGKey, seed), seed), theirs)


def test_messages() -> None:
    with pytest.raises(ProgramError, match=r"random: a key u32\[2\] is required, got i64"):
        random.normal(3, (2,))
    with pytest.raises(ProgramError, match="normal: dtype float32 or float64 is required, got i32"):
        random.normal(KEY, (2,), np.int32)
    with pytest.raises(ProgramError, match="randint: dtype int32 or uint32 is required, got int64"):
        random.randint(KEY, (2,), 0, 3, np.int64)


# ---------------------------------------------------------------- lax


@pytest.mark.parametrize(
    ("dtype", "inside", "near_one"), [(np.float32, 4e-7, 1e-5), (np.float64, 1e-15, 1e-10)]
)
def test_erf_inv_inverts_erf(dtype: Any, inside: float, near_one: float) -> None:
    tails = 1 - np.logspace(-2, -15 if dtype is np.float64 else -7, 100)
    middle, ends = np.linspace(-0.99, 0.99, 101), np.array([0.0, 1.0, -1.0, 1.5, np.nan])
    for x, rtol in ((middle, inside), (np.concatenate([tails, -tails, ends]), near_one)):
        got = lax.erf_inv(x.astype(dtype))
        assert got.dtype == dtype
        np.testing.assert_allclose(
            got, scipy.special.erfinv(x.astype(dtype).astype(np.float64)), rtol=rtol
        )


X = np.linspace(-2, 2, 12).astype(np.float32).reshape(3, 4)
LAX: dict[str, Callable[[Any], Any]] = {
    "rsqrt": lambda x: x.rsqrt(X + 3),
    "erf": lambda x: x.erf(X),
    "erfc": lambda x: x.erfc(X),
    "logistic": lambda x: x.logistic(X),
    "stop_gradient": lambda x: x.stop_gradient(X),
    "select": lambda x: x.select(X > 0, X, -X),
    "clamp": lambda x: x.clamp(-1.0, X, 1.0),
    "dot_general": lambda x: x.dot_general(X, X, (((1,), (1,)), ((), ()))),
    "dot_general with batch": lambda x: x.dot_general(X, X, (((1,), (1,)), ((0,), (0,)))),
    "broadcast_in_dim": lambda x: x.broadcast_in_dim(X, (3, 2, 4), (0, 2)),
    "iota": lambda x: x.iota(np.int32, 5),
    "broadcasted_iota": lambda x: x.broadcasted_iota(np.float32, (2, 3), 1),
}


@pytest.mark.parametrize("function", LAX.values(), ids=LAX)
def test_lax_functions_are_jaxs(function: Callable[[Any], Any]) -> None:
    ours, theirs = function(lax), np.asarray(function(jax.lax))
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)
    assert ours.dtype == theirs.dtype


def test_fma_promotes_and_broadcasts() -> None:
    np.testing.assert_allclose(lax.fma(X, 2.0, f32([1, 2, 3, 4])), X * 2 + f32([1, 2, 3, 4]))
