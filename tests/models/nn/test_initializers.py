"""First weights are JAX's, and have the variances they promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.front import random
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.trace import trace
from wonderland.models import nn

jax = pytest.importorskip("jax")

KEY = random.key(7)
NAMES = [f"{who}_{how}" for who in ("lecun", "glorot", "he") for how in ("normal", "uniform")]


MATRIX, IMAGES = (30, 20), (3, 3, 8, 16)  # of a dense layer, of a convolution
CASES = [(n, MATRIX) for n in NAMES if n.endswith("normal")]
CASES += [(n, IMAGES) for n in NAMES if n.endswith("uniform")]


@pytest.fixture(scope="module")
def theirs_of() -> dict[Any, Any]:
    """What JAX draws; all of it compiled at once, to save time."""

    def together(key: Any) -> list[Any]:
        return [getattr(jax.nn.initializers, name)()(key, shape) for name, shape in CASES]

    return dict(zip(CASES, jax.jit(together)(KEY), strict=True))


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_weights_are_those_of_jax(name: str, shape: tuple[int, ...], theirs_of: dict[Any, Any]):
    theirs = theirs_of[name, shape]
    ours = getattr(nn, name)(KEY, shape)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=5e-6, atol=1e-7)  # erf_inv of two libraries


@pytest.mark.parametrize("name", NAMES)
def test_weights_have_the_variance_of_their_rule(name: str):
    inputs, outputs = 300, 100
    rule = {"lecun": 1 / inputs, "glorot": 2 / (inputs + outputs), "he": 2 / inputs}
    weights = getattr(nn, name)(KEY, (inputs, outputs), "float64")
    assert weights.dtype == np.float64
    # of 30,000 draws: the relative error of a variance is about sqrt(2 / n), 0.8%
    np.testing.assert_allclose(weights.var(), rule[name.split("_")[0]], rtol=0.04)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (2, 3, 4)])
def test_orthogonal_weights_have_orthonormal_columns_or_rows_and_are_those_of_jax(
    shape: tuple[int, ...],
):
    ours = nn.orthogonal(KEY, shape, scale=2.0)
    q = ours.reshape(-1, shape[-1]) / 2
    few = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(few, np.eye(len(few)), atol=1e-6)
    if len(shape) == 2 and shape[0] > shape[1]:  # one case is enough for the signs
        theirs = jax.nn.initializers.orthogonal(2.0)(KEY, shape)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)  # QR of two libraries in f32


def test_initializers_say_what_they_need():
    with pytest.raises(ProgramError, match=r"he_normal: a shape of inputs and outputs .* \[3\]"):
        nn.he_normal(KEY, (3,))
    with pytest.raises(ProgramError, match="orthogonal: a key that is known is required"):
        trace(lambda k: nn.orthogonal(k, (2, 2)), KEY)
    assert math.prod(nn.orthogonal(KEY, (0, 3)).shape) == 0
