"""The constructive proof: what is written down approximates as fast as it promises."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.families import approximation as of


def test_steps_have_the_value_of_the_middle_of_their_bin() -> None:
    model = of.of_steps(of.wave, 8)
    x = np.random.default_rng(0).random(200)
    middles = (np.floor(8 * x) + 0.5) / 8
    np.testing.assert_allclose(model(x), of.wave(middles), atol=1e-12)


def test_chords_meet_the_function_at_the_ends_of_bins() -> None:
    model = of.of_chords(of.wave, 8)
    ends = np.arange(9) / 8
    np.testing.assert_allclose(model(ends), of.wave(ends), atol=1e-12)
    x = np.random.default_rng(0).random(200)
    np.testing.assert_allclose(model(x), np.interp(x, ends, of.wave(ends)), atol=1e-12)


def test_errors_are_within_the_bounds_of_the_derivatives_and_fall_as_they_say() -> None:
    x = np.linspace(0, 1, 2001)
    first = np.max(np.abs(wl.vmap(wl.grad(of.wave))(x)))
    second = np.max(np.abs(wl.vmap(wl.grad(wl.grad(of.wave)))(x)))
    steps, chords = ([of.largest_error(w(of.wave, n), of.wave) for n in of.BINS]
                     for w in (of.of_steps, of.of_chords))  # fmt: skip
    for n, step, chord in zip(of.BINS, steps, chords, strict=True):
        assert step <= first / (2 * n) + 1e-9 and chord <= second / (8 * n * n) + 1e-9
    assert steps[-2] / steps[-1] == pytest.approx(2, rel=0.1)
    assert chords[-2] / chords[-1] == pytest.approx(4, rel=0.1)


def test_the_data_is_the_function() -> None:
    (train, y), (test, z), _ = of.curve(1)
    assert train.dtype == y.dtype == test.dtype == z.dtype == np.float32
    np.testing.assert_allclose(y, of.wave(train.astype(float)), atol=3e-6)
    assert of.written_down(of.curve()) == pytest.approx(0.042, abs=0.002)
