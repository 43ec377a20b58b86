"""The special functions on the tables that SciPy is tested with (Boost's, and its own): a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

import wonderland as wl

FOLDER = Path(scipy.special.__file__).parent / "tests" / "data"
TABLES: dict[str, tuple[tuple[str, tuple[int, ...], int, float], ...]] = {
    # a function: tables of Boost, or of SciPy ("."), columns of arguments, of the result, bounds
    "beta": (("beta_exp_data", (0, 1), 2, 1e-14), ("beta_med_data", (0, 1), 2, 6e-14)),
    "binom": (("binomial_data", (0, 1), 2, 3e-14), ("binomial_large_data", (0, 1), 2, 3e-14)),
    "digamma": (
        ("digamma_data", (0,), 1, 5e-16), ("digamma_neg_data", (0,), 1, 5e-14),
        ("digamma_root_data", (0,), 1, 5e-16), ("digamma_small_data", (0,), 1, 5e-16),
    ),
    "erf": (("erf_data", (0,), 1, 3e-16), ("erf_small_data", (0,), 1, 3e-16)),
    "erfc": (("erf_data", (0,), 2, 3e-16), ("erf_large_data", (0,), 2, 3e-16)),
    "erfinv": (("erf_inv_data", (0,), 1, 3e-16),),
    "erfcinv": (("erfc_inv_data", (0,), 1, 3e-16), ("erfc_inv_big_data", (0,), 1, 1e-15)),
    "betainc": (
        ("ibeta_data", (0, 1, 2), 5, 1e-13), ("ibeta_int_data", (0, 1, 2), 5, 3e-14),
        ("ibeta_small_data", (0, 1, 2), 5, 1e-13),
        ("ibeta_large_data", (0, 1, 2), 5, 1e-10),  # with b from 1e-5 on
    ),
    "gammainc": (
        ("igamma_big_data", (0, 1), 5, 1e-13), ("igamma_int_data", (0, 1), 5, 1e-13),
        ("igamma_med_data", (0, 1), 5, 1e-13), ("igamma_small_data", (0, 1), 5, 1e-15),
        (".gammainc", (0, 1), 2, 3e-13),
    ),
    "gammaincc": (
        ("igamma_big_data", (0, 1), 3, 1e-13), ("igamma_int_data", (0, 1), 3, 1e-13),
        ("igamma_med_data", (0, 1), 3, 1e-13), ("igamma_small_data", (0, 1), 3, 2e-14),
        (".gammaincc", (0, 1), 2, 3e-13),
    ),
    "gamma": tuple(
        (n, (0,), 1, 5e-16) for n in ("factorials", "near_0", "near_1", "near_m10", "near_m55")
    ),
    "gammaln": tuple((n, (0,), 2, 1e-15) for n in ("factorials", "near_1", "near_2", "near_m10")),
    "zeta": tuple(
        (f"zeta_{n}data", (0,), 1, 5e-15) for n in ("", "neg_", "1_up_", "1_below_")
    ),
    "exp1": (("expint_1_data", (1,), 2, 6e-15),),
    "expi": (("expinti_data", (0,), 1, 6e-15), ("expinti_data_double", (0,), 1, 2e-15)),
}  # fmt: skip


def table(name: str) -> np.ndarray[Any, Any]:
    if name.startswith("."):
        return np.load(FOLDER / "local.npz")[name[1:]]
    boost = np.load(FOLDER / "boost.npz")
    return boost[next(k for k in boost if k.endswith(f"-{name}"))]


@pytest.mark.sweep
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", TABLES)
def test_tables_of_scipy(name: str) -> None:
    function = wl.jit(getattr(wl.special, name))
    for of, columns, result, bound in TABLES[name]:
        numbers = table(of)
        xs = [np.ascontiguousarray(numbers[:, k]) for k in columns]
        want = numbers[:, result]
        normal = np.isfinite(want) & np.all(np.abs([*xs, want]) > 1e-307, 0)
        got = np.asarray(function(*xs))
        error = np.abs(got - want)[normal] / np.abs(want)[normal]
        print(f"{name}, {of}: {error.max():.1e} of {normal.sum()} numbers")
        assert error.max() < bound
        narrow = [x.astype(np.float32) for x in xs]
        exact = np.asarray(function(*(x.astype(np.float64) for x in narrow)))
        held = normal & (np.abs(exact) < 3e38) & (np.abs(exact) > 2e-38)
        units = np.spacing(np.abs(exact[held]).astype(np.float32))
        ulps = np.abs(np.asarray(function(*narrow))[held] - exact[held]) / units
        assert ulps.max(initial=0) < (1.2 if name == "erf" else 0.6)
