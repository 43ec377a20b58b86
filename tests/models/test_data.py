"""The bundled data: shapes, standardisation, one split for one seed."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models import data

pytest.importorskip("sklearn")

LOADERS = (data.breast_cancer, data.digits, data.diabetes, data.diabetes_classes)


@pytest.mark.parametrize("load", LOADERS)
def test_a_seed_gives_one_split_and_another_seed_another(load):
    first, again, other = load(3), load(3), load(4)
    for a, b in zip(first.train + first.test, again.train + again.test, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.test[0], other.test[0])


@pytest.mark.parametrize("load", LOADERS)
def test_features_are_standardised_f32_by_the_training_part(load):
    (train_x, _), (test_x, _), _ = load()
    assert train_x.dtype == test_x.dtype == np.float32
    assert train_x.flags.c_contiguous
    assert abs(train_x.mean()) < 1e-5  # the rounding of f32 sums
    assert train_x.std() == pytest.approx(1, abs=1e-5)
    assert 0 < abs(test_x.mean()) < 0.2


APART = {
    "breast_cancer": data.breast_cancer, "digits": data.digits, "diabetes": data.diabetes,
    "letters": data.letters, "shuttle": data.shuttle, "languages": data.languages,
    "phonemes": data.phonemes, "novels": data.novels, "co2": data.co2, "sunspots": data.sunspots,
    "vowels": partial(data.time_series, "JapaneseVowels"), "solubility": data.solubility,
    "leaves": partial(data.time_series, "OSULeaf"), "power": partial(data.time_series, "ACSF1"),
    "spoken_languages": data.spoken_languages, "speech": data.speech,
    "fashion_mnist": partial(data.fashion_mnist, train_rows=10_000),
}  # fmt: skip


def rows_of(part: Any) -> list[list[bytes]]:
    """The rows of every array."""
    return [[row.tobytes() for row in leaf] for leaf in wl.tree.leaves(part)]


@pytest.mark.parametrize("name", APART)
def test_no_example_to_test_on_is_one_to_train_on(name: str) -> None:
    try:
        split = APART[name](0)
    except data.MissingData as missing:
        pytest.skip(str(missing))
    train, test = (
        {b"".join(parts) for parts in zip(*rows, strict=True)}
        for rows in (rows_of(split.train), rows_of(split.test))
    )
    assert test and not train & test


def test_digits_are_1797_images_of_64_pixels():
    (train_x, train_y), (test_x, _), _ = data.digits()
    assert train_x.shape == (1438, 64) and test_x.shape == (359, 64)
    assert train_y.dtype == np.int32 and set(train_y) == set(range(10))


def test_diabetes_classes_are_balanced():
    _, train_y = data.diabetes_classes().train
    assert set(train_y) == {0.0, 1.0}
    assert train_y.mean() == pytest.approx(0.5, abs=0.01)


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(data.MissingExtra, match=r"scikit-learn .* 'wonderland\[models\]'"):
        data.digits()
