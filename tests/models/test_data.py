"""The bundled data: shapes, standardisation, one split for one seed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from wonderland.models import data

pytest.importorskip("sklearn")

LOADERS = (data.digits, data.diabetes, data.diabetes_classes)


@pytest.mark.parametrize("load", LOADERS)
def test_a_seed_gives_one_split_and_another_seed_another(load):
    first, again, other = load(3), load(3), load(4)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.test_x, other.test_x)


@pytest.mark.parametrize("load", LOADERS)
def test_features_are_standardised_f32_by_the_training_part(load):
    split = load()
    assert split.train_x.dtype == split.test_x.dtype == np.float32
    assert split.train_x.flags.c_contiguous
    assert abs(split.train_x.mean()) < 1e-5  # the rounding of f32 sums
    assert split.train_x.std() == pytest.approx(1, abs=1e-5)
    assert 0 < abs(split.test_x.mean()) < 0.2


def test_digits_are_1797_images_of_64_pixels():
    split = data.digits()
    assert split.train_x.shape == (1438, 64) and split.test_x.shape == (359, 64)
    assert split.train_y.dtype == np.int32 and set(split.train_y) == set(range(10))


def test_diabetes_classes_are_balanced():
    split = data.diabetes_classes()
    assert set(split.train_y) == {0.0, 1.0}
    assert split.train_y.mean() == pytest.approx(0.5, abs=0.01)


def test_minibatches_pass_once_over_the_rows_in_a_seeded_order():
    x, y = np.arange(10), np.arange(10) * 2
    batches = list(data.minibatches(np.random.default_rng(0), 3, x, y))
    again = list(data.minibatches(np.random.default_rng(0), 3, x, y))
    assert len(batches) == 3
    rows = np.concatenate([b[0] for b in batches])
    assert len(set(rows)) == 9 and list(rows) != sorted(rows)
    for (a, b), (c, _) in zip(batches, again, strict=True):
        np.testing.assert_array_equal(b, 2 * a)
        np.testing.assert_array_equal(a, c)


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(data.MissingExtra, match=r"scikit-learn .* 'wonderland\[models\]'"):
        data.digits()
