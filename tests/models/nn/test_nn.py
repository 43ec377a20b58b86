"""Activations and losses: JAX's values and derivatives, kinks included, eager and traced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.front.functions.derivatives import grad
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.trace import trace
from wonderland.compiler.transform.interpreter import interpret
from wonderland.models.nn import functions as nn

jax = pytest.importorskip("jax")
jnp = jax.numpy

X = np.array([-30, -3, -1, -0.5, 0, 0.5, 1, 3, 30], np.float32)
LOGITS = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
LABELS = np.array([0, 4, 2, 1, 1, 3], np.int32)


def assert_close(found: Any, expected: Any) -> None:
    """Up to a few units in the last place of f32 near 1."""
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


def traced(function: Any, *args: Any) -> Any:
    """The function by its graph and the reference interpreter."""
    made = trace(function, *args)
    return tree.unflatten(made.outputs, list(interpret(made.graph, *tree.leaves(args))))


def total(function: Any) -> Any:
    return lambda *args: function(*args).sum()


ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "log_sigmoid", "sigmoid")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_and_its_derivative_are_those_of_jax(name: str):
    ours, theirs = getattr(nn, name), getattr(jax.nn, name)
    assert_close(ours(X), theirs(X))
    assert_close(traced(ours, X), theirs(X))
    assert_close(grad(total(ours))(X), jax.grad(total(theirs))(X))
    assert traced(ours, X).dtype == np.float32


def test_exact_gelu_is_that_of_jax():
    def exact(library: Any) -> Any:
        return lambda x: library.gelu(x, approximate=False)

    assert_close(exact(nn)(X), exact(jax.nn)(X))
    slopes = jax.grad(total(exact(jax.nn)))(X)
    assert_close(grad(total(exact(nn)))(X), slopes)


def test_nan_passes_through_relu():
    assert math.isnan(nn.relu(np.float32("nan")))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize("axis", [0, -1])
def test_normalised_exponentials_are_those_of_jax(name: str, axis: int):
    ours, theirs = getattr(nn, name), getattr(jax.nn, name)
    weight = np.cos(np.arange(30, dtype=np.float32)).reshape(6, 5)

    def scaled(function: Any) -> Any:
        return lambda z: (function(z * weight, axis=axis) ** 2).sum()

    for z in (LOGITS, 1000 * LOGITS):  # exp(1000) overflows
        values = traced(lambda z: ours(z, axis=axis), z)
        assert_close(values, theirs(z, axis=axis))
        slopes, expected = grad(scaled(ours))(z), jax.grad(scaled(theirs))(z)
        np.testing.assert_allclose(slopes, expected, rtol=1e-4, atol=1e-4)  # sums of 30 products


def test_masked_entries_take_no_part_in_softmax():
    mask = LOGITS > 0
    assert_close(
        traced(lambda z: nn.softmax(z, where=mask), LOGITS), jax.nn.softmax(LOGITS, where=mask)
    )


def test_logsumexp_of_nothing_is_minus_infinity():
    nothing = np.full(3, -np.inf, np.float32)
    assert traced(nn.logsumexp, nothing) == -np.inf


def test_logsumexp_takes_weights():
    b = np.abs(LOGITS)
    ours = traced(lambda a: nn.logsumexp(a, 1, b), LOGITS)
    assert_close(ours, jax.nn.logsumexp(LOGITS, 1, b))


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot_is_that_of_jax_and_labels_out_of_range_have_no_place(axis: int):
    labels = np.array([[0, 3], [-1, 4]], np.int32)
    ours = traced(lambda y: nn.one_hot(y, 4, axis=axis), labels)
    np.testing.assert_array_equal(ours, jax.nn.one_hot(labels, 4, axis=axis))
    assert ours.dtype == np.float32


# ---------------------------------------------------------------- losses by their definitions


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z.astype(np.float64)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


P, T = LOGITS[0], LOGITS[1]
SIGNS = np.sign(T)
BITS = (T > 0).astype(np.float32)
ROWS = np.arange(6)

LOSSES = {
    "squared": (nn.squared_error, (P, T), (P - T) ** 2),
    "absolute": (nn.absolute_error, (P, T), np.abs(P - T)),
    "huber": (
        lambda p, t: nn.huber_loss(p, t, 0.7),
        (P, T),
        np.where(np.abs(P - T) <= 0.7, (P - T) ** 2 / 2, 0.7 * (np.abs(P - T) - 0.35)),
    ),
    "hinge": (nn.hinge_loss, (P, SIGNS), np.maximum(0, 1 - P * SIGNS)),
    "binary cross-entropy": (
        nn.sigmoid_binary_cross_entropy,
        (P, BITS),
        -np.log(np.where(BITS == 1, 1 / (1 + np.exp(-P)), 1 - 1 / (1 + np.exp(-P)))),
    ),
    "cross-entropy of integers": (
        nn.softmax_cross_entropy_with_integer_labels,
        (LOGITS, LABELS),
        -log_softmax(LOGITS)[ROWS, LABELS],
    ),
    "cross-entropy of rows": (
        nn.softmax_cross_entropy,
        (LOGITS, np.eye(5, dtype=np.float32)[LABELS]),
        -log_softmax(LOGITS)[ROWS, LABELS],
    ),
    "negative log likelihood": (
        nn.negative_log_likelihood,
        (log_softmax(LOGITS).astype(np.float32), LABELS),
        -log_softmax(LOGITS)[ROWS, LABELS],
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_its_definition(name: str):
    loss, args, expected = LOSSES[name]
    np.testing.assert_allclose(loss(*args), expected, rtol=1e-5, atol=1e-6)  # f32 against f64
    np.testing.assert_allclose(traced(loss, *args), expected, rtol=1e-5, atol=1e-6)
    assert traced(loss, *args).dtype == np.float32


def test_gradient_of_cross_entropy_is_softmax_less_the_label():
    def risk(z: Any) -> Any:
        return np.mean(nn.softmax_cross_entropy_with_integer_labels(z, LABELS))

    expected = (np.exp(log_softmax(LOGITS)) - np.eye(5)[LABELS]) / 6
    np.testing.assert_allclose(grad(risk)(LOGITS), expected, rtol=1e-5, atol=1e-7)  # f32


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_losses_of_extreme_logits_are_finite(logit: float):
    x = np.array([logit, 0], np.float32)
    slopes = grad(lambda x: nn.sigmoid_binary_cross_entropy(x, np.float32(1)).sum())(x)
    assert np.isfinite(slopes).all()
    slopes = grad(lambda x: nn.softmax_cross_entropy_with_integer_labels(x, np.int32(1)))(x)
    assert np.isfinite(slopes).all()


def test_losses_at_a_tie_have_the_slopes_of_jax():
    zero, one = np.float32(0), np.float32(1)
    assert grad(nn.absolute_error)(one, one) == 0
    assert grad(nn.hinge_loss)(one, one) == 0
    assert grad(nn.huber_loss)(one, zero) == 1  # both pieces have this slope at delta
