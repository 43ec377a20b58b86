"""SciPy's functions of traced values: what is here is found, of what is not the repair works."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats

import wonderland as wl
from wonderland.compiler.trace.hints import OF_SCIPY
from wonderland.compiler.trace.tracer import SCIPY

X = np.array([0.3, 0.6])
UFUNCS = {n: f for n in dir(scipy.special) if isinstance(f := getattr(scipy.special, n), np.ufunc)}


def refused(function: Any, *args: Any) -> str:
    with pytest.raises(wl.ProgramError) as caught:
        wl.jit(lambda x: function(x, *args), disable_jit=True)(X)
    return str(caught.value).splitlines()[-1]


def test_ufuncs_that_are_here_are_found() -> None:
    names = [n for n in UFUNCS if n in wl.special.__all__]
    assert len(names) > 45
    assert [n for n in names if n not in SCIPY] == []
    assert refused(scipy.special.kv, X).startswith("try: wl.pure_callback(scipy.special.kv, ")


@pytest.mark.parametrize("name", OF_SCIPY)
def test_what_stands_for_a_ufunc_has_its_values(name: str) -> None:
    given = dict(
        zip({"bdtr": "knp", "nbdtr": "knp", "chdtr": ("df", "x"), "chdtrc": ("df", "x"),
             "pdtr": ("k", "mu"), "pdtrc": ("k", "mu"), "gdtr": "abx", "gdtrc": "abx",
             "stdtr": ("df", "t")}
            .get(name, "x"), (2.0, 3.0, 0.4), strict=False)
    )  # fmt: skip
    given |= {"n": 5} if "n" in given else {}
    function = UFUNCS[name]
    with pytest.raises(wl.ProgramError) as caught:
        wl.jit(lambda xs: function(*xs.values()), disable_jit=True)(given)
    repair = str(caught.value).splitlines()[-1]
    assert repair == f"try: {OF_SCIPY[name]}"
    found = eval(repair.removeprefix("try: "), {"wl": wl, "np": np, **given})
    np.testing.assert_allclose(found, function(*given.values()), rtol=1e-12)


def test_functions_of_other_modules_are_named() -> None:
    cases = {
        scipy.stats.norm.logpdf: "wl.scipy.stats.norm.logpdf",
        scipy.stats.expon.sf: "wl.scipy.stats.expon.sf",
        scipy.linalg.toeplitz: "wl.scipy.linalg.toeplitz",
        scipy.linalg.expm: "wl.numpy.linalg.expm",
    }
    for function, ours in cases.items():
        assert ours.removeprefix("wl") in refused(function), ours
    x = np.array([1.0, 2.0])
    want = scipy.stats.norm.logpdf(x)
    np.testing.assert_allclose(wl.jit(wl.scipy.stats.norm.logpdf, disable_jit=True)(x), want)
