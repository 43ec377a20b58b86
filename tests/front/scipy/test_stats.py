"""Distributions are SciPy's, in tails and at edges too; their derivatives are those of differences,
and no number that is looked at has NaN for one.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.stats

import wonderland as wl
from wonderland.compiler.front.scipy.families import Family

ours, inf, nan = wl.scipy.stats, np.inf, np.nan

REAL: dict[str, list[tuple[float, ...]]] = {
    "beta": [(0.5, 0.5), (1.0, 1.0), (2.0, 3.0), (1.0, 4.0), (40.0, 3.0), (-1.0, 1.0)],
    "cauchy": [()],
    "chi2": [(1.0,), (2.0,), (7.0,)],
    "expon": [()],
    "gamma": [(0.2,), (1.0,), (2.0,), (30.0,), (0.0,)],
    "gennorm": [(0.5,), (1.0,), (2.0,), (3.5,)],
    "gumbel_l": [()],
    "gumbel_r": [()],
    "laplace": [()],
    "logistic": [()],
    "norm": [()],
    "pareto": [(0.5,), (3.0,)],
    "t": [(0.3,), (1.0,), (5.0,), (1e8,), (-1.0,)],
    "truncnorm": [(-1.0, 2.0), (1.0, 2.0), (10.0, inf), (-40.0, -38.0), (-0.1, 0.1), (2.0, 1.0)],
    "uniform": [()],
    "vonmises": [(0.0,), (0.5,), (50.0,)],
    "wrapcauchy": [(0.2,), (0.9,)],
}
WHOLE: dict[str, list[tuple[float, ...]]] = {
    "bernoulli": [(0.3,), (0.0,), (1.0,), (1.2,)],
    "betabinom": [(5, 2.0, 0.3), (100, 1.0, 1.0)],
    "binom": [(5, 0.3), (1000, 0.01), (4, 0.0), (4, 1.0), (4, 1.1), (3.5, 0.5)],
    "geom": [(0.3,), (1.0,), (0.0,)],
    "nbinom": [(3, 0.4), (0.5, 0.9), (3, 1.0)],
    "poisson": [(0.0,), (0.3,), (4.0,), (1e5,), (-1.0,)],
}
POINTS = np.array(
    [
        -1e10, -300, -40, -9, -1.5, -1, -1e-3, -1e-300, 0, 1e-300, 0.1, 0.3, 0.5, 0.7, 0.99, 1,
        1.7, 2, 3, 3.14, 6.2, 6.3, 10, 38, 300, 1e5, 1e10,
    ]
)  # fmt: skip
ENDS = np.array([-inf, inf, nan])
PARTS = np.array([1e-300, 1e-15, 1e-3, 0.25, 0.3, 0.5, 0.7, 0.75, 0.999, 1 - 1e-15, 0, 1])
BEYOND = np.array([-0.1, 1.1, nan])
COUNTS = np.array([-1, -0.5, 0, 0.5, 1, 2, 3, 4, 5, 6, 10, 100, 1e5, 1e9])
CASES = [(n, shapes) for n, several in (REAL | WHOLE).items() for shapes in several]


def functions(name: str) -> Iterator[tuple[str, Any, Any]]:
    for word in dir(getattr(ours, name)):
        yield word, getattr(getattr(ours, name), word), getattr(getattr(scipy.stats, name), word)


def is_valid(name: str, shapes: tuple[float, ...]) -> bool:
    return bool(np.all(np.isfinite(getattr(ours, name).logpdf(0.5, *shapes)))) or (
        name in ("pareto", "truncnorm") and shapes != (2.0, 1.0)
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "shapes"), CASES, ids=str)
def test_values_are_those_of_scipy(name: str, shapes: tuple[float, ...]) -> None:
    moves: list[dict[str, float]] = [{}, {"loc": 2}]
    moves = moves if name in WHOLE else [{}, {"loc": 0.5, "scale": 2.0}, {"scale": -1.0}]
    for word, function, theirs in functions(name):
        place = word in ("ppf", "isf")
        x = np.concatenate([PARTS, BEYOND] if place else [COUNTS, ENDS] if name in WHOLE
                           else [POINTS, ENDS])  # fmt: skip
        for moved in moves:
            found, want = function(x, *shapes, **moved), theirs(x, *shapes, **moved)
            # ours are right where SciPy's overflow, or know no limit
            known = np.isfinite(found) & ~np.isfinite(want) & (np.abs(x) >= 1e5)
            known |= np.isinf(x) & (np.isnan(want))
            far = np.abs(x) > (37 if name == "t" else 1e4)
            known |= far & (word in ("logpdf", "logsf", "logcdf")) & np.isinf(want)
            if name in ("truncnorm", "bernoulli"):  # its cancel near ends; of no part it has -1
                known |= (np.abs(found - want) < 1e-12) | (x == 0) | (found < -33)
            if name == "bernoulli":
                known |= x == 1
            log = word.startswith("log")
            near = np.isclose(found, want, 1e-9, 2e-13 if log else 1e-300, equal_nan=True)
            wrong = ~(near | known)
            assert not np.any(wrong), (word, moved, x[wrong], found[wrong], want[wrong])


@pytest.mark.parametrize("name", REAL)
def test_derivatives_are_those_of_differences(name: str) -> None:
    x = np.array([0.11, 0.47, 0.93]) + (1.5 if name in ("pareto", "truncnorm") else 0)
    shapes = next(s for s in REAL[name][::-1] if is_valid(name, s) and 50.0 not in s)
    shapes = {"truncnorm": (0.5, 2.5), "t": (5.0,)}.get(name, shapes)
    for word, function, _ in functions(name):
        given = [np.full(3, v) for v in (*shapes, 0.05, 1.1)]
        point = [x if word not in ("ppf", "isf") else np.array([0.2, 0.6, 0.8]), *given]
        total = lambda *xs, f=function: np.sum(f(*xs))  # noqa: E731
        slopes = wl.grad(total, tuple(range(len(point))))(*point)
        for i, slope in enumerate(slopes):
            step = 1e-5
            ends = [
                function(*(v + sign * step * (k == i) for k, v in enumerate(point)))
                for sign in (1, -1)
            ]
            want = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(slope, want, 2e-6, 1e-8, err_msg=f"{word} in argument {i}")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "shapes"), [c for c in CASES if c[0] in REAL], ids=str)
def test_no_derivative_is_nan_within_the_domain(name: str, shapes: tuple[float, ...]) -> None:
    if not is_valid(name, shapes):
        return
    for word, function, _ in functions(name):
        x = PARTS if word in ("ppf", "isf") else POINTS
        given = [np.full_like(x, v) for v in (*shapes, 0.0, 1.0)]
        total = lambda *xs, f=function: np.sum(f(*xs))  # noqa: E731
        places = [0, *(k + 1 for k, v in enumerate((*shapes, 0.0, 1.0)) if np.isfinite(v))]
        for i, slope in zip(places, wl.grad(total, tuple(places))(x, *given), strict=True):
            assert not np.any(np.isnan(slope)), (word, i, x[np.isnan(slope)])
            low, high = getattr(scipy.stats, name).support(*shapes)
            if word in ("logpdf", "pdf") and name != "vonmises":
                np.testing.assert_array_equal(slope[(x < low) | (x > high)], 0)


EDGES = [("poisson", (0.3,)), ("binom", (4, 1.0)), ("bernoulli", (0.0,)), ("nbinom", (3.0, 0.4))]


@pytest.mark.parametrize(("name", "shapes"), EDGES)
def test_derivatives_of_probabilities_in_their_last_parameter(
    name: str, shapes: tuple[float, ...]
) -> None:
    log = getattr(ours, name).logpmf
    *first, last = shapes
    slope = wl.grad(lambda p: np.sum(log(COUNTS, *first, p)))(np.full_like(COUNTS, last))
    assert not np.any(np.isnan(slope))
    if 0 < last < 1:
        ends = [log(COUNTS, *first, last + h) for h in (1e-6, -1e-6)]
        known = np.isfinite(ends[0])
        want = (ends[0][known] - ends[1][known]) / 2e-6
        np.testing.assert_allclose(slope[known], want, rtol=1e-5, atol=1e-8)
        np.testing.assert_array_equal(slope[~known], 0)


def test_dtypes_are_those_of_the_arguments() -> None:
    for name in ("norm", "cauchy", "logistic", "laplace", "expon"):
        for dtype in (np.float16, np.float32, np.float64):
            x = np.linspace(0.1, 2, 4).astype(dtype)
            for word, function, _ in functions(name):
                if word not in ("ppf", "isf"):
                    assert wl.eval_shape(function, x).numpy == dtype, (name, word)
                    scipys = getattr(getattr(scipy.stats, name), word)(x.astype(float))
                    error = 20 * float(np.finfo(dtype).eps)
                    np.testing.assert_allclose(function(x), scipys, rtol=error, atol=error)


def test_densities_of_vectors_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    alpha = np.array([0.5, 1.0, 3.0])
    x = rng.dirichlet(alpha, 4).T
    want = scipy.stats.dirichlet.logpdf(x, alpha)
    np.testing.assert_allclose(ours.dirichlet.logpdf(x, alpha), want, rtol=1e-13)
    np.testing.assert_allclose(ours.dirichlet.pdf(x[:-1], alpha), np.exp(want), rtol=1e-12)
    assert ours.dirichlet.logpdf(np.array([0.5, 0.6, -0.1]), alpha) == -inf

    counts, p = np.array([[1, 2, 3], [6, 0, 0], [1, 1, 1]]), np.array([0.2, 0.3, 0.5])
    want = scipy.stats.multinomial.pmf(counts, 6, p)
    np.testing.assert_allclose(ours.multinomial.pmf(counts, 6, p), want, rtol=1e-13)
    assert want[2] == 0

    a = rng.normal(size=(3, 3))
    cov, mean, x = a @ a.T + np.eye(3), rng.normal(size=3), rng.normal(size=(5, 2, 3))
    theirs: Any = scipy.stats.multivariate_normal.logpdf
    want = theirs(x, mean, cov)
    log_density: Any = ours.multivariate_normal.logpdf
    np.testing.assert_allclose(log_density(x, mean, cov), want, rtol=1e-12)
    several = log_density(x, mean, np.stack([cov, cov]))
    np.testing.assert_allclose(several, want, rtol=1e-12)
    want = theirs(x, mean, 2.0 * np.eye(3))
    np.testing.assert_allclose(log_density(x, mean, 2.0), want, rtol=1e-12)
    slope = wl.grad(lambda c: np.sum(log_density(x, mean, c)))(cov)
    inverse, error = np.linalg.inv(cov), (x - mean).reshape(-1, 3)
    want = inverse @ (error.T @ error) @ inverse / 2 - 5 * inverse
    np.testing.assert_allclose((slope + slope.T) / 2, want, rtol=1e-10)


def test_a_normal_distribution_of_a_space_lies_within_it() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    inside, mean = turn[:, :2], rng.normal(size=4)
    cov = inside @ np.diag([0.5, 2.0]) @ inside.T
    x = mean + rng.normal(size=(5, 2)) @ inside.T
    theirs: Any = scipy.stats.multivariate_normal
    log_density: Any = wl.jit(ours.multivariate_normal.logpdf, static_argnums=3)
    want = theirs.logpdf(x, mean, cov, allow_singular=True)
    np.testing.assert_allclose(log_density(x, mean, cov, True), want, rtol=1e-12)
    assert log_density(x[0] + 1, mean, cov, True) == -inf
    regular = cov + np.eye(4)
    want = theirs.logpdf(x, mean, regular)
    np.testing.assert_allclose(log_density(x, mean, regular, True), want, rtol=1e-12)
    both = np.stack([cov, regular])[:, None]
    several = log_density(x, mean, both, True)
    np.testing.assert_allclose(several[1], want, rtol=1e-12)
    slope = wl.grad(lambda c: np.sum(log_density(x, mean, c, True)))(cov)
    inverse = np.linalg.pinv(cov)
    want = inverse @ (x - mean).T @ (x - mean) @ inverse / 2 - 2.5 * inverse
    np.testing.assert_allclose(inside.T @ slope @ inside, inside.T @ want @ inside, rtol=1e-9)


def test_entropies_of_normal_vectors_are_those_of_scipy() -> None:
    cov = np.eye(3) + 0.2
    theirs: Any = scipy.stats.multivariate_normal.entropy
    entropy: Any = ours.multivariate_normal.entropy
    np.testing.assert_allclose(entropy(np.ones(3), cov), theirs(np.ones(3), cov), rtol=1e-13)
    np.testing.assert_allclose(entropy(cov=2.0), theirs(cov=2.0), rtol=1e-13)
    np.testing.assert_allclose(entropy(np.ones(3), 2.0), theirs(np.ones(3), 2.0), rtol=1e-13)
    slope = wl.grad(lambda c: entropy(np.ones(3), c))(cov)
    np.testing.assert_allclose((slope + slope.T) / 2, np.linalg.inv(cov) / 2, rtol=1e-12)


@pytest.mark.parametrize("df", [0.7, 5.0, 30.0])
def test_tails_of_student_s_distribution_are_precise(df: float) -> None:
    z = np.array([-1e10, -300, -12, -3, -0.7, -0.3])
    with mp.workdps(60):
        a = mp.mpf(df) / 2
        want = []
        for v in z.tolist():
            x = df / (df + mp.mpf(v) ** 2)  # by the integral from 0, of Gauss' function at 1 - x
            series = mp.hyp2f1(a + 0.5, 1, a + 1, x) * mp.sqrt(1 - x)
            want.append(mp.log(x) * a - mp.log(2 * a * mp.beta(a, 0.5)) + mp.log(series))
        logs = np.array([float(w) for w in want])
        sizes = np.array([float(mp.exp(w)) for w in want])
    assert np.all(np.abs(ours.t.logcdf(z, df) / logs - 1) < 2e-13)
    assert np.all(np.abs(ours.t.logsf(-z, df) / logs - 1) < 2e-13)
    found = sizes > 1e-290
    assert np.all(np.abs(ours.t.cdf(z, df) / sizes - 1)[found] < 2e-13)
    slope, step = wl.vmap(wl.grad(ours.t.logcdf, 1), (0, None))(z, df), 1e-4 * df
    ends = [ours.t.logcdf(z, df + h) for h in (step, -step)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), 1e-4, 1e-12)


@pytest.mark.parametrize("df", [1000.0, 1e6, 3e6])
def test_student_s_distribution_of_many_degrees_of_freedom(df: float) -> None:
    z = np.array([-12, -5, -3, -0.7, -0.3, 0.0, 0.2, 4.0])
    theirs: Any = scipy.stats.t
    np.testing.assert_allclose(ours.t.cdf(z, df), theirs.cdf(z, df), rtol=1e-9)
    np.testing.assert_allclose(ours.t.logcdf(z, df), theirs.logcdf(z, df), rtol=1e-9)


def test_second_derivatives_of_student_s_distribution_meet_at_0() -> None:
    second = wl.hessian(lambda p: ours.t.cdf(p[0], p[1]))
    middle, right, left = (second(np.array([z, 4.0])) for z in (0.0, 1e-7, -1e-7))
    np.testing.assert_allclose(middle, right, atol=1e-6)
    np.testing.assert_allclose(middle, left, atol=1e-6)
    assert middle[0, 1] > 0.005


def test_what_a_distribution_has_and_how_it_is_called() -> None:
    assert str(inspect.signature(ours.gamma.logpdf)) == "(x: Any, a: Any, loc: Any = 0, "\
        "scale: Any = 1) -> Any"  # fmt: skip
    assert ours.gamma.logpdf(1.0, a=2.0, scale=0.5) == ours.gamma.logpdf(1.0, 2.0, 0, 0.5)
    with pytest.raises(AttributeError, match=r"gennorm has pdf, logpdf, cdf, .*, got ppf"):
        _ = ours.gennorm.ppf
    with pytest.raises(wl.ProgramError, match=r"logpdf: parameters among x, loc, scale .* got sd="):
        ours.norm.logpdf(1.0, sd=2.0)
    for name in ours.__all__:
        assert isinstance(getattr(ours, name), Family)


def test_every_function_of_jax_s_distributions_is_here() -> None:
    jax_stats = pytest.importorskip("jax.scipy.stats")
    for name in ours.__all__:
        theirs = getattr(jax_stats, name)
        words = {w for w in dir(theirs) if not w.startswith("_") and callable(getattr(theirs, w))}
        assert words - set(dir(getattr(ours, name))) <= {"entropy"}, name  # of poisson
