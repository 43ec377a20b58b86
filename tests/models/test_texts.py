"""Texts: windows, rows and alphabets of the loaders, where their packages are installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wonderland.models import data


def loaded(loader: Any, *args: Any, **options: Any) -> data.Split:
    try:
        return loader(*args, **options)
    except data.MissingData as missing:
        pytest.skip(str(missing))


def test_novels_are_windows_that_join_by_one_character() -> None:
    split = loaded(data.novels, 0, length=100)
    assert split.train.shape[1] == split.test.shape[1] == 101
    assert split.train.dtype == np.int32
    np.testing.assert_array_equal(split.train[1:, 0], split.train[:-1, -1])
    text = "".join(split.names[i] for i in split.train[:, :-1].ravel())
    assert text.startswith("EMMA\n\nBy Jane Austen")
    assert "It is a truth universally acknowledged, that a single man" in text
    fewer = data.novels(3, 100, 50, 7)
    assert fewer.train.shape == (50, 101) and fewer.test.shape == (7, 101)
    np.testing.assert_array_equal(fewer.test[0], split.test[0])
    assert not np.array_equal(fewer.train, data.novels(4, 100, 50).train)


def test_a_message_is_of_one_part_in_all_languages() -> None:
    split = loaded(data.languages)
    x, y = split.train
    assert x.shape[1] == 48 and len(x) == len(y) and len(split.names) == 98
    said = {bytes(r[r > 0].astype(np.uint8)) for r in x[y == split.names.index("de")]}
    tested = {bytes(r[r > 0].astype(np.uint8)) for r in split.test[0]}
    assert b"Heute" in said | tested
    assert len(data.languages(0, train_rows=99).train[0]) == 99


def test_phonemes_stand_between_stops() -> None:
    split = loaded(data.phonemes)
    words, said = split.train
    places = np.array(split.names)
    spoken = {"".join(places[w]): "".join(places[s]) for w, s in zip(words, said, strict=True)}
    spoken |= {"".join(places[w]): "".join(places[s]) for w, s in zip(*split.test, strict=True)}
    assert spoken["wonderland"] == "\nwˈʌndəɹlˌænd\n"  # noqa: RUF001
    assert np.all(said[:, 0] == data.STOP) and np.all(np.sum(said == data.STOP, axis=1) == 2)
