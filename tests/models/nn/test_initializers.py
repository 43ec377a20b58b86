"""First weights are JAX's, and have the variances they promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.front import random
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.jit.jit import jit
from wonderland.models import nn
from wonderland.models.nn import initializers as makers

KEY = random.key(7)
NAMES = [f"{who}_{how}" for who in ("lecun", "glorot", "he") for how in ("normal", "uniform")]


MATRIX, IMAGES = (30, 20), (3, 3, 8, 16)  # of a dense layer, of a convolution
CASES = [(n, MATRIX) for n in NAMES if n.endswith("normal")]
CASES += [(n, IMAGES) for n in NAMES if n.endswith("uniform")]


@pytest.fixture(scope="module")
def theirs_of() -> dict[Any, Any]:
    """What JAX draws; all of it compiled at once, to save time."""
    jax = pytest.importorskip("jax")

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
        jax = pytest.importorskip("jax")
        theirs = jax.nn.initializers.orthogonal(2.0)(KEY, shape)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)  # QR of two libraries in f32


def test_initializers_say_what_they_need():
    with pytest.raises(ProgramError, match=r"he_normal: a shape of inputs and outputs .* \[3\]"):
        nn.he_normal(KEY, (3,))
    with pytest.raises(ProgramError, match=r"orthogonal: a shape of rows and columns .* \[3\]"):
        nn.orthogonal(KEY, (3,))
    with pytest.raises(ProgramError, match=r"a mode among fan_in, .* required, got 'fan'"):
        makers.variance_scaling(1.0, "fan", "normal")
    with pytest.raises(ProgramError, match=r"a distribution among truncated_normal, .* got 'flat'"):
        makers.variance_scaling(1.0, "fan_in", "flat")
    with pytest.raises(ProgramError, match="delta_orthogonal: a shape of 1 to 3 sizes"):
        makers.delta_orthogonal()(KEY, (2, 3))
    assert math.prod(nn.orthogonal(KEY, (0, 3)).shape) == 0


def test_a_maker_makes_the_weights_of_the_function_of_its_name():
    for name in [*NAMES, "orthogonal"]:
        made = getattr(makers, name)()(KEY, MATRIX)
        np.testing.assert_array_equal(made, getattr(nn, name)(KEY, MATRIX))
        assert getattr(makers, name)(dtype="float64")(KEY, MATRIX).dtype == np.float64


def test_axes_of_inputs_outputs_and_batches_are_those_given():
    moved = makers.he_normal(in_axis=(2, 0), out_axis=1, batch_axis=3)(KEY, (4, 5, 6, 7))
    plain = makers.variance_scaling(2 / 24, "fan_in", "truncated_normal", -2, -1)
    np.testing.assert_allclose(moved, plain(KEY, (4, 5, 6, 7)) * np.sqrt(20 * 6), rtol=1e-5)


def test_makers_of_numbers_of_a_size():
    shape = (40, 50)
    np.testing.assert_array_equal(makers.zeros(KEY, shape), np.zeros(shape, np.float32))
    np.testing.assert_array_equal(makers.ones(KEY, shape, "float64"), np.ones(shape))
    rows = np.arange(50.0)
    np.testing.assert_array_equal(makers.constant(rows)(KEY, shape), np.tile(rows, (40, 1)))
    np.testing.assert_allclose(np.std(makers.normal(0.5)(KEY, shape)), 0.5, rtol=0.05)
    flat = makers.uniform(0.5)(KEY, shape)
    assert 0 <= np.min(flat) < 0.01 and 0.49 < np.max(flat) <= 0.5
    cut = makers.truncated_normal(0.5, lower=-1.0, upper=3.0)(KEY, shape)
    assert np.min(cut) >= -0.5 and 1 < np.max(cut) <= 1.5


def test_a_delta_is_a_rotation_in_the_middle_of_zeros():
    made = makers.delta_orthogonal(2.0)(KEY, (3, 5, 4, 6))
    middle = made[1, 2] / 2
    np.testing.assert_allclose(middle @ middle.T, np.eye(4), atol=1e-6)
    assert np.count_nonzero(made) == np.count_nonzero(middle)


def test_weights_are_made_inside_of_a_trace_too():
    for shape in ((3, 4), (5, 2)):
        traced = jit(lambda k, shape=shape: nn.orthogonal(k, shape), disable_jit=True)(KEY)
        np.testing.assert_allclose(traced, nn.orthogonal(KEY, shape), rtol=1e-6)
