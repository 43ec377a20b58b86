"""The special functions with loops and several arguments, against mpmath and SciPy's edges."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special

from wonderland.compiler.ir.types import NUMPY

from .kernels import Case, both, compiled, evaluate, same

Array = np.ndarray[Any, Any]
ARITY = {
    "gamma": 1, "erfcx": 1, "erfcinv": 1, "i0e": 1, "i1e": 1, "betaln": 2, "zeta": 2,
    "gammainc": 2, "gammaincc": 2, "gamma_density": 2, "expn": 2, "expi": 1,
    "betainc": 3, "beta_density": 3,
}  # fmt: skip
CASES = {
    (name, d): Case(f"{name}({', '.join('abc'[:n])})", (d,) * n, d)
    for name, n in ARITY.items()
    for d in ("f32", "f64")
}


@pytest.fixture(scope="module")
def machine() -> dict[str, Any]:
    return compiled([c.text for c in CASES.values()])


def values(machine: dict[str, Any], name: str, dtype: str, *xs: Array) -> Array:
    """The function of arrays of any length."""
    size = -(-len(xs[0]) // 32) * 32
    padded = [np.resize(x, size).astype(NUMPY[dtype]) for x in xs]
    return evaluate(machine[CASES[name, dtype].text], dtype, *padded)[: len(xs[0])]


def powers(rng: np.random.Generator, low: float, high: float, n: int) -> Array:
    return 10.0 ** rng.uniform(low, high, n)


def about_mean(rng: np.random.Generator, mean: Array, spread: Array) -> Array:
    return mean + spread * rng.normal(0, 3, mean.size)


def points(name: str, n: int = 96) -> tuple[Array, ...]:
    """Arguments of all sizes; of a distribution about its mean and in the tails."""
    rng = np.random.default_rng(len(name))
    if name == "gamma":
        return (np.concatenate([rng.uniform(-20, 20, n), rng.uniform(0, 171, n), [9.0, 1e-200]]),)
    if name == "erfcx":
        return (np.concatenate([rng.uniform(-26, 40, n), powers(rng, -5, 2, n)]),)
    if name == "erfcinv":
        return (np.concatenate([rng.uniform(0, 2, n), powers(rng, -307, 0, n)]),)
    if name in ("i0e", "i1e"):
        return (np.concatenate([rng.uniform(-20, 20, n), powers(rng, -5, 3, n)]),)
    if name == "expi":
        root = 0.37250741078136663 + powers(rng, -14, -2, n)
        return (np.concatenate([rng.uniform(-5, 60, n), powers(rng, -8, 2.8, n), root]),)
    if name == "expn":
        return np.floor(powers(rng, 0, 1.1, n)), powers(rng, -6, 2.8, n)
    if name == "zeta":
        return 1 + powers(rng, -2, 2, n), powers(rng, -2, 3, n)
    a, b = powers(rng, -3, 4, n), powers(rng, -3, 4, n)
    if name == "betaln":
        return a, b
    if name.startswith("gamma"):
        x = np.abs(about_mean(rng, a, np.sqrt(a)))
        x = np.where(rng.uniform(size=n) < 0.7, x, powers(rng, -4, 2.5, n))
        same = np.array([0.1, 7.0, 300.0, 8e3])
        return np.concatenate([a, same]), np.concatenate([x, same])
    mean = a / (a + b)
    x = about_mean(rng, mean, np.sqrt(mean * (1 - mean) / (a + b + 1)))
    x = np.where(rng.uniform(size=n) < 0.7, x, rng.uniform(size=n))
    good = (x > 0) & (x < 1)
    return a[good], b[good], x[good]


def euler_maclaurin(s: Any, q: Any) -> Any:
    """Hurwitz' zeta function, where mpmath's loses digits."""
    total, w = mp.fsum((q + k) ** -s for k in range(40)), q + 40
    total += w ** (1 - s) / (s - 1) + w**-s / 2
    for j in range(1, 20):
        term = mp.bernoulli(2 * j) / mp.factorial(2 * j) * mp.rf(s, 2 * j - 1)
        total += term * w ** (-s - 2 * j + 1)
    return total


def inverse_erfc(x: Any) -> Any:
    y = mp.sqrt(-mp.log(x)) if x < 0.2 else mp.erfinv(1 - x)
    for _ in range(12):
        y += (mp.erfc(y) / x - 1) * x * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y = mp.mpf(y)
    return y


def log_beta(a: Any, b: Any) -> Any:
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


MEANINGS: dict[str, Callable[..., Any]] = {
    "gamma": mp.gamma,
    "erfcx": lambda x: mp.exp(x * x) * mp.erfc(x),
    "i0e": lambda x: mp.exp(-abs(x)) * mp.besseli(0, x),
    "i1e": lambda x: mp.exp(-abs(x)) * mp.besseli(1, x),
    "betaln": log_beta,
    "zeta": euler_maclaurin,
    "gammainc": lambda a, x: mp.gammainc(a, 0, x, regularized=True),
    "gammaincc": lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
    "expn": mp.expint,
    "expi": mp.ei,
    "gamma_density": lambda a, x: mp.exp((a - 1) * mp.log(x) - x - mp.loggamma(a)),
    "beta_density": lambda a, b, x: mp.exp(
        (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) - log_beta(a, b)
    ),
}
TOLERANCES = {  # relative, and for logarithms absolute too
    "gamma": 6e-16, "erfcx": 5e-16, "i0e": 6e-16, "i1e": 6e-16, "betaln": 1e-14, "zeta": 3e-15,
    "gammainc": 1e-13, "gammaincc": 1e-13, "gamma_density": 1e-13, "beta_density": 2e-13,
    "expn": 6e-15, "expi": 6e-15,
}  # fmt: skip


@pytest.mark.parametrize("name", MEANINGS)
def test_f64_is_within_its_bound_of_mpmath(name: str, machine: dict[str, Any]) -> None:
    xs = points(name)
    got, bound = values(machine, name, "f64", *xs), TOLERANCES[name]
    with mp.workdps(40):
        points_of = zip(*map(np.ndarray.tolist, xs), strict=True)
        want = [MEANINGS[name](*map(mp.mpf, x)) for x in points_of]
        least = 1e-280 if name != "betaln" else 1
        error = [
            float(abs(mp.mpf(g) - w) / max(abs(w), least))
            for g, w in zip(got.tolist(), want, strict=True)
        ]
    worst = int(np.argmax(error))
    assert error[worst] < bound, (error[worst], [x[worst] for x in xs])


def test_betainc_is_precise_in_both_tails(machine: dict[str, Any]) -> None:
    """Where a or b are small, what is left of 1 has the digits that 1 has."""
    a, b, x = points("betainc", 64)
    got = values(machine, "betainc", "f64", a, b, x)
    with mp.workdps(40):
        cases = zip(a.tolist(), b.tolist(), x.tolist(), strict=True)
        want = np.array([float(mp.betainc(p, q, 0, y, regularized=True)) for p, q, y in cases])
    error = np.abs(got - want) / np.maximum(want, 1e-280)
    assert np.max(error[np.minimum(a, b) > 1]) < 3e-13
    assert np.max(error) < 2e-12


def test_erfcinv_is_the_inverse_of_erfc_to_the_last_digits(machine: dict[str, Any]) -> None:
    (x,) = points("erfcinv")
    got = values(machine, "erfcinv", "f64", x)
    with mp.workdps(60):
        for z, y in zip(x.tolist(), got.tolist(), strict=True):
            exact = mp.mpf(y) + (mp.erfc(y) - z) * mp.sqrt(mp.pi) / 2 * mp.exp(mp.mpf(y) ** 2)
            assert abs(exact - y) < 3e-16 * abs(exact), z


@pytest.mark.parametrize("name", ARITY)
def test_f32_is_f64_rounded_once(name: str, machine: dict[str, Any]) -> None:
    xs = [x.astype(np.float32) for x in points(name)]
    with np.errstate(over="ignore"):
        wide = values(machine, name, "f64", *xs).astype(np.float32)
    np.testing.assert_array_equal(values(machine, name, "f32", *xs), wide)


@pytest.mark.parametrize("name", [n for n in ARITY if ARITY[n] > 1])
def test_machine_code_and_twin_agree(name: str, machine: dict[str, Any]) -> None:
    case, edges = CASES[name, "f64"], [0.0, 1.0, -1.5, np.inf, np.nan]
    grid = np.array(list(itertools.product(edges, repeat=2)))[:, [0, 1, 0][: ARITY[name]]].T
    xs = [np.concatenate([x[:39], e]) for x, e in zip(points(name), grid, strict=True)]
    ours, twins = both(case, machine[case.text], *(np.ascontiguousarray(x[:64]) for x in xs))
    assert np.all(same(ours, twins))


@pytest.mark.parametrize("name", ARITY)
def test_what_a_lane_gives_depends_on_that_lane_alone(name: str, machine: dict[str, Any]) -> None:
    xs = points(name)
    order = np.random.default_rng(0).permutation(len(xs[0]))
    plain = values(machine, name, "f64", *xs)
    mixed = values(machine, name, "f64", *(x[order] for x in xs))
    np.testing.assert_array_equal(plain[order], mixed)


SIZES = [-np.inf, -2.5, -2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 172.0, np.inf, np.nan]
PARTS = [-np.inf, -1.0, -0.0, 0.0, 0.5, 1.0, np.inf, np.nan]
EDGES: dict[str, list[list[float]]] = {
    "gamma": [SIZES], "erfcx": [SIZES], "i0e": [SIZES], "i1e": [SIZES],
    "erfcinv": [[*SIZES, 1e-310]], "betaln": [SIZES[1:]] * 2, "zeta": [SIZES[7:-2], SIZES],
    "gammainc": [PARTS] * 2, "gammaincc": [PARTS] * 2, "betainc": [PARTS] * 3,
    "expi": [SIZES], "expn": [[1.0, 2.0, 3.0], PARTS],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", EDGES)
def test_values_at_edges_are_scipys(name: str, machine: dict[str, Any]) -> None:
    """But for NaN, which stays NaN where SciPy has a pole of the other argument."""
    xs = tuple(np.array(x) for x in zip(*itertools.product(*EDGES[name]), strict=True))
    got, want = values(machine, name, "f64", *xs), getattr(scipy.special, name)(*xs)
    want = np.where(np.any(np.isnan(xs), 0), np.nan, want)
    np.testing.assert_allclose(got, want, rtol=1e-13, err_msg=str(xs))
    if ARITY[name] == 1:
        signs = np.signbit(got) == np.signbit(want)
        assert np.all(signs | np.isnan(want) | (name == "i1e") | (name == "erfcinv"))
