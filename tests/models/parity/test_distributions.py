"""Distributions and divergences beside torch's, with derivatives in parameters and values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parity.parity import Case, check, drawn
from wonderland import distributions as ds

rng = np.random.default_rng(0)
ONES, ROW, COLUMN = np.ones(4), np.ones(3), np.ones((2, 1))
DENSE, FACTOR = np.eye(3), np.eye(3)[None]
ALL = "entropy", "mean", "variance"


@dataclass(frozen=True)
class Same:
    """A distribution, values, what is compared besides log_prob, and whether torch's derivatives
    of the entropy have enough digits: those by its polygamma have nine."""

    made: Callable[[], Any]
    x: np.ndarray
    moments: tuple[str, ...] = ALL
    cdf: bool = True
    exact: bool = True


def positive(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Parameters: locations of both signs, probabilities, sizes from 0.6 to 3.4, factors."""
    x, name = drawn(name, shape), name.rpartition(".")[2]
    if name.startswith(("loc", "logits")):
        return 3 * x
    if name == "low":
        return x - 1
    if name.startswith("probs"):
        return 0.5 + x
    if name in ("covariance_matrix", "scale_tril"):
        lower = np.tril(x) + np.eye(3)
        return lower if name == "scale_tril" else lower @ np.swapaxes(lower, -1, -2)
    return 2 + 4 * x + (name == "df") * 2


REAL, UNIT = rng.normal(size=(5, 2, 3)), rng.uniform(0.1, 0.9, (5, 2, 3))
SAME = {
    "normal": Same(lambda: ds.Normal(COLUMN, ROW), REAL),
    "log_normal": Same(lambda: ds.LogNormal(COLUMN, ROW), UNIT),
    "laplace": Same(lambda: ds.Laplace(COLUMN, ROW), REAL),
    "uniform": Same(lambda: ds.Uniform(COLUMN, ROW), UNIT - 0.4),
    "exponential": Same(lambda: ds.Exponential(ROW), 3 * UNIT),
    "gamma": Same(lambda: ds.Gamma(COLUMN, ROW), 3 * UNIT, cdf=False, exact=False),
    "beta": Same(lambda: ds.Beta(COLUMN, ROW), UNIT, cdf=False, exact=False),
    "student": Same(lambda: ds.StudentT(COLUMN, ROW, ROW), REAL, cdf=False, exact=False),
    "bernoulli": Same(lambda: ds.Bernoulli(ROW), (UNIT > 0.5).astype(int), cdf=False),
    "bernoulli_logits": Same(lambda: ds.Bernoulli(logits=ROW), (UNIT > 0.5).astype(int), cdf=False),
    "categorical": Same(lambda: ds.Categorical(ONES), np.arange(4), ("entropy",), cdf=False),
    "categorical_logits": Same(
        lambda: ds.Categorical(logits=np.ones((2, 4))),
        np.ones((3, 2), int),
        ("entropy",),
        cdf=False,
    ),
    "poisson": Same(lambda: ds.Poisson(ROW), (9 * UNIT).astype(int), ALL[1:], cdf=False),
    "vectors": Same(lambda: ds.MultivariateNormal(COLUMN * ROW, DENSE), REAL, cdf=False),
    "vectors_by_factor": Same(
        lambda: ds.MultivariateNormal(ROW, scale_tril=FACTOR), REAL, cdf=False
    ),
    "dirichlet": Same(
        lambda: ds.Dirichlet(COLUMN * ROW), rng.dirichlet(ROW, (5, 2)), cdf=False, exact=False
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_distribution_is_torchs(name: str) -> None:
    case = SAME[name]

    def of(d: Any, x: Any, constant: Callable[[Any], Any]) -> list[Any]:
        found = [d.log_prob(x), *([d.cdf(x)] if case.cdf else [])]
        for what in case.moments:
            value = d.entropy() if what == "entropy" else getattr(d, what)
            found.append(value if case.exact or what != "entropy" else constant(value))
        return found

    def theirs(w: Any, x: Any) -> list[Any]:
        from torch import distributions  # type: ignore[import-not-found]

        kind = getattr(distributions, type(case.made()).__name__)
        x = x if x.dtype.is_floating_point else x.double()
        return of(kind(**w, validate_args=False), x, lambda t: t.detach())

    check(
        Case(
            f"distribution_{name}",
            case.made,
            (case.x,),
            lambda d, x: of(d, x, wl.stop_gradient),
            theirs,
            positive,
            single=3e-4,
        )
    )


PAIRS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "normal": lambda: (ds.Normal(COLUMN, ROW), ds.Normal(ROW, COLUMN)),
    "laplace": lambda: (ds.Laplace(COLUMN, ROW), ds.Laplace(ROW, COLUMN)),
    "normal_laplace": lambda: (ds.Normal(COLUMN, ROW), ds.Laplace(ROW, COLUMN)),
    "exponential": lambda: (ds.Exponential(COLUMN), ds.Exponential(ROW)),
    "poisson": lambda: (ds.Poisson(COLUMN), ds.Poisson(ROW)),
    "bernoulli": lambda: (ds.Bernoulli(ROW), ds.Bernoulli(logits=ROW)),
    "categorical": lambda: (ds.Categorical(logits=ONES), ds.Categorical(ONES)),
    "vectors": lambda: (
        ds.MultivariateNormal(ROW, FACTOR),
        ds.MultivariateNormal(COLUMN * ROW, DENSE),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_divergence_is_torchs(name: str) -> None:
    p, q = PAIRS[name]()

    def theirs(w: Any) -> Any:
        from torch import distributions, linalg  # type: ignore[import-not-found]

        def of(d: Any, place: str) -> Any:
            own = {n.removeprefix(f"{place}."): t for n, t in w.items() if n.startswith(place)}
            if "covariance_matrix" in own:  # its divergence reads factors above the diagonal too
                own["scale_tril"] = linalg.cholesky(own.pop("covariance_matrix")).tril()
            return getattr(distributions, type(d).__name__)(**own, validate_args=False)

        return distributions.kl_divergence(of(p, "0"), of(q, "1"))

    check(
        Case(
            f"divergence_{name}",
            lambda: (p, q),
            (),
            lambda pair: ds.kl(*pair),
            theirs,
            positive,
            single=3e-4,
        )
    )
