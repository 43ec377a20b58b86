"""Norms with statistics, dropout, and mixtures of examples, as layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

rng = np.random.default_rng(6)
X = rng.normal(3.0, 2.0, (40, 5, 4))


def test_a_batch_is_standardised_and_running_statistics_become_those_of_the_data() -> None:
    norm = nn.BatchNorm.init(4, dtype="float64")
    y, statistics = norm(X, norm.start())
    for _ in range(200):
        y, statistics = norm(X, statistics)
    np.testing.assert_allclose(np.mean(y, axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(np.var(y, axis=(0, 1)), 1, rtol=1e-4)
    np.testing.assert_allclose(statistics.mean, X.mean((0, 1)), rtol=1e-8)
    np.testing.assert_allclose(statistics.variance, X.var((0, 1), ddof=1), rtol=1e-8)


def test_running_statistics_are_used_and_kept_at_the_end() -> None:
    norm = nn.BatchNorm(rng.normal(size=4), rng.normal(size=4), momentum=1.0, eps=1e-3)
    _, statistics = norm(X, norm.start())
    y, kept = norm(X[:1, :1], statistics, train=False)
    assert kept is statistics
    want = (X[:1, :1] - X.mean((0, 1))) / np.sqrt(X.var((0, 1), ddof=1) + 1e-3)
    np.testing.assert_allclose(y, want * norm.weight + norm.bias, rtol=1e-12)


def test_a_step_compiled_hands_statistics_on_and_does_not_differentiate_them() -> None:
    norm = nn.BatchNorm.init(4)

    def loss(norm: Any, x: Any, statistics: Any) -> Any:
        y, statistics = norm(x, statistics)
        return np.sum(y**3), statistics

    x = X.astype(np.float32)
    step = wl.jit(wl.value_and_grad(loss, has_aux=True))
    (_, after), _ = step(norm, x, norm.start())
    np.testing.assert_allclose(after.mean, 0.1 * X.mean((0, 1)), rtol=1e-5)
    total = lambda x: np.sum(norm(x, norm.start())[1].variance)  # noqa: E731
    np.testing.assert_array_equal(wl.grad(total)(x), np.zeros_like(x))


def test_a_single_value_has_no_variance_to_learn_from() -> None:
    norm = nn.BatchNorm.init(4)
    with pytest.raises(ProgramError, match=r"two values .* got f32\[1, 4\][^$]*try: train=False"):
        norm(np.ones((1, 4), np.float32), norm.start())


def test_derivatives_of_norms() -> None:
    norm, groups = nn.BatchNorm.init(4, dtype="float64"), nn.GroupNorm.init(2, 4, dtype="float64")
    weights = rng.normal(size=(3, 2, 4))

    def loss(norm: Any, groups: Any, x: Any) -> Any:
        return np.sum(weights * groups(norm(x, norm.start())[0]) ** 2)

    wl.testing.check_gradients(loss, norm, groups, X[:3, :2])


def test_groups_of_channels_have_statistics_of_their_own() -> None:
    y = nn.GroupNorm.init(2, 4)(X)
    each = y.reshape(40, 5, 2, 2)
    np.testing.assert_allclose(each.mean((1, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(each.var((1, 3)), 1, rtol=1e-3)
    np.testing.assert_allclose(nn.GroupNorm.init(2, 4)(X[3:4]), y[3:4], rtol=1e-12)
    with pytest.raises(ProgramError, match=r"groups that divide the channels .* got 3 of 4"):
        nn.GroupNorm.init(3, 4)


def test_dropout_without_a_key_is_the_identity() -> None:
    layer = nn.Dropout(0.25)
    assert layer(X) is X
    found = layer(np.ones((100, 100), np.float32), wl.random.key(1))
    np.testing.assert_allclose(np.unique(found), [0, 4 / 3], rtol=1e-6)


KEY = wl.random.key(4)
SHADES = np.linspace(-1, 1, 5)
IMAGES = np.broadcast_to(SHADES[:, None, None, None], (5, 8, 6, 2))


@pytest.mark.parametrize("mix", [nn.mixup, nn.cutmix])
def test_targets_are_mixed_as_their_images_are(mix: Any) -> None:
    """Of images of one shade each, the mean is that of the classes' shades by their targets."""
    seen = set()
    program = wl.jit(mix, disable_jit=True)
    for seed in range(8):
        images, targets = program(wl.random.key(seed), IMAGES, np.eye(5))
        np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
        np.testing.assert_allclose(images.mean((1, 2, 3)), targets @ SHADES, rtol=0, atol=1e-6)
        if mix is nn.cutmix:  # a place has the shade of one example
            assert np.isin(images, SHADES).all()
        else:
            assert np.ptp(images, axis=(1, 2, 3)).max() == 0
        seen.add(float(targets.max()))
    assert len(seen) > 3


def test_examples_that_are_constants_are_mixed_within_a_program() -> None:
    """The order is drawn there, so that they are taken by what nobody knows yet."""
    for mix in (nn.mixup, nn.cutmix):
        found = wl.jit(lambda key, mix=mix: mix(key, IMAGES, np.eye(5)), disable_jit=True)
        for a, b in zip(found(KEY), mix(KEY, IMAGES, np.eye(5)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_mixtures_of_integer_labels_are_an_error_that_says_one_hot() -> None:
    with pytest.raises(ProgramError, match=r"mixup: targets of floats, [^$]*try: nn.one_hot"):
        nn.mixup(wl.random.key(0), IMAGES, np.arange(5))
    with pytest.raises(ProgramError, match=r"cutmix: spatial axes .* got f64\[5, 3\]"):
        nn.cutmix(wl.random.key(0), np.ones((5, 3)), np.eye(5))


@pytest.mark.parametrize("rate", [1.0, np.float32(1)])
def test_dropout_of_everything_has_the_derivative_0(rate: Any) -> None:
    def total(x: Any, rate: Any) -> Any:
        return np.sum(nn.dropout(wl.random.key(0), x, rate))

    x, slope = X.astype(np.float32), wl.grad(total)
    slopes = (slope(x, rate), wl.jit(slope, disable_jit=True)(x, rate))
    np.testing.assert_array_equal(slopes, 0.0)
    with pytest.raises(ProgramError, match=r"a rate from 0 to 1 is required, got 1\.5"):
        nn.Dropout(1.5)(X, wl.random.key(0))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("weights", ["float16", "float32"])
def test_norms_of_halves_whose_squares_overflow(dtype: str, weights: str) -> None:
    x = np.asarray(300 * X, dtype="f8").astype(wl.numpy.dtype(dtype))
    norm = nn.BatchNorm.init(4, dtype=weights)
    for layer in (
        lambda x: norm(x, norm.start())[0],
        nn.GroupNorm.init(2, 4, dtype=weights),
        nn.LayerNorm.init(4, dtype=weights),
        nn.RMSNorm.init(4, dtype=weights),
    ):
        wanted = np.asarray(layer(np.asarray(x, np.float64)))
        for y in (layer(x), wl.jit(layer, disable_jit=True)(x)):
            np.testing.assert_allclose(np.asarray(y, "f8"), wanted, atol=0.02)
    statistics = norm(x, norm.start())[1]
    assert statistics.variance.dtype == np.float32
    assert np.all(np.isfinite(statistics.variance))


def test_a_mixture_of_alpha_0_mixes_nothing() -> None:
    for found, wanted in zip(nn.mixup(wl.random.key(0), X, X, alpha=0.0), (X, X), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-14)
