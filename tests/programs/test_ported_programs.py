"""Programs written for JAX's names: a change of imports, and they give what they give there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from bench.programs import PROGRAMS


def agree(found: Any, expected: Any, tolerance: float) -> None:
    """Leaf by leaf, relative to the largest of each."""
    for a, b in zip(found, map(np.asarray, expected), strict=True):
        assert a.shape == b.shape and a.dtype.kind == b.dtype.kind
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=1e-6)
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_compiled_program_gives_what_it_gives_uncompiled(name: str) -> None:
    function, arrays = PROGRAMS[name]
    compiled = wl.jit(lambda *arrays: function(wl, *arrays))(*arrays)
    agree(wl.tree.leaves(compiled), wl.tree.leaves(function(wl, *arrays)), 3e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_what_it_gives_in_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    function, arrays = PROGRAMS[name]
    theirs = jax.tree.leaves(jax.jit(lambda *arrays: function(jax, *arrays))(*arrays))
    ours = wl.tree.leaves(wl.jit(lambda *arrays: function(wl, *arrays))(*arrays))
    agree(ours, theirs, 1e-5)
