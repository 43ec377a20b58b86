"""Convolutions of series and films: padding is not read, the past alone is, far enough back."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.models.families import sequence_conv, wavenet

KEY = wl.random.key(0)
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def interpreted():
    with wl.disable_jit():
        yield


def normal(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def test_a_series_gives_the_same_however_much_padding_is_after_it():
    model = sequence_conv.SequenceConv.init(KEY, 2, 3, size=8)
    x, lengths = normal(2, 20, 2), np.array([9, 20], np.int32)
    together = np.asarray(model(x, lengths))
    alone = np.asarray(model(x[:1, :9], lengths[:1]))
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)
    x[0, 9:] = np.nan  # nor is it read
    np.testing.assert_array_equal(model(x, lengths), together)


def test_no_output_of_a_wavenet_knows_a_later_input_and_each_knows_those_it_reaches():
    model = wavenet.WaveNet.init(KEY, 1, 2, 8, 3)
    assert model.reach() == 8
    x = normal(1, 20, 1)
    y = np.asarray(model(x))
    changed = x.copy()
    changed[0, 6] += 1
    differs = np.any(np.asarray(model(changed)) != y, axis=(0, 2))
    assert differs.tolist() == [6 <= t < 6 + 8 for t in range(20)]


def test_steps_give_what_the_whole_pass_gives():
    model = wavenet.WaveNet.init(KEY, 2, 3, 8, 4)
    x = normal(2, 12, 2)
    past, steps = model.start(2), []
    for t in range(12):
        past, y = model.step(past, x[:, t])
        steps.append(y)
    np.testing.assert_allclose(np.stack(steps, 1), np.asarray(model(x)), atol=1e-6)


def test_what_goes_on_alone_takes_its_expectations_for_inputs():
    model = wavenet.WaveNet.init(KEY, 1, 1, 8, 3)
    x = normal(2, 10, 1)
    made = np.asarray(model.generate(x, 3))
    for _ in range(3):
        x = np.concatenate([x, np.asarray(model(x))[:, -1:]], axis=1)
    np.testing.assert_allclose(made, x[:, 10:], atol=1e-6)


def test_a_forecast_of_a_series_that_grows_as_it_did_is_that_of_last_year():
    weeks = np.arange(200)
    series = (300 + 3 * np.sin(weeks * 2 * np.pi / 52) + weeks * 1.3 / 52)[None].astype(np.float32)
    model = wavenet.WaveNet.init(KEY, 1, 1, 8, 3)
    still = wl.tree.map(np.zeros_like, model)
    np.testing.assert_allclose(wavenet.forecast(still, series), series[:, -52:], atol=1e-3)
    split = wl.models.data.Split(series, series)
    assert wavenet.as_last_year(split) == pytest.approx(0, abs=1e-3)


def test_films_know_the_order_of_pictures_and_not_their_brightness():
    model = sequence_conv.FilmConv.init(KEY, 2, size=4)
    x = rng.random((2, 6, 8, 8, 1)).astype(np.float32)
    y = np.asarray(model(x))
    np.testing.assert_allclose(model(x + 0.5), y, atol=1e-5)
    assert np.all(abs(np.asarray(model(x[:, ::-1])) - y) > 1e-4)


def test_shuffled_pictures_do_not_follow_one_another():
    for _ in range(20):
        order = sequence_conv.shuffled(rng, 6)
        assert sorted(order) == list(range(6))
        assert (np.diff(order) == 1).sum() <= 1 and (np.diff(order) == -1).sum() <= 1


def test_a_convolution_of_three_axes_sees_so_many_steps_to_either_side():
    conv = nn.Conv.init(KEY, 1, 1, (3, 1, 1), dilation=(2, 1, 1))
    x = np.zeros((1, 9, 2, 2, 1), np.float32)
    x[0, 4, 1, 1] = 1
    seen = np.argwhere(np.asarray(conv(x))[0, :, :, :, 0])
    assert seen.tolist() == [[2, 1, 1], [4, 1, 1], [6, 1, 1]]
