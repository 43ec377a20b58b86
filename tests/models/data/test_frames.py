"""Frames of R are read as R shows them."""

from __future__ import annotations

import numpy as np
import pytest

from wonderland.models import data
from wonderland.models.data import frames


@pytest.fixture(autouse=True)
def has_data() -> None:
    try:
        data.found_file(frames.PLACE, frames.PACKAGE)
    except data.MissingData as error:
        pytest.skip(str(error))


def test_letters_are_20000_of_26() -> None:
    (x, y), (test_x, _), names = data.letters()
    assert x.shape == (16000, 16) and test_x.shape == (3635, 16)  # of 4000, the new ones
    assert x.dtype == np.float32 and y.dtype == np.int32
    assert "".join(names) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ" and set(y) == set(range(26))
    frame = frames._frame("LetterRecognition")
    assert [frame["lettr"][1][k - 1] for k in frame["lettr"][0][:4]] == ["T", "I", "D", "N"]
    assert [c[0] for n, c in frame.items() if n != "lettr"][:5] == [2, 8, 3, 5, 1]


def test_four_of_five_times_of_the_shuttle_are_one_state() -> None:
    (x, y), _, names = data.shuttle()
    assert x.shape == (46400, 9) and len(names) == 7 and names[0] == "Rad.Flow"
    assert np.mean(y == 0) == pytest.approx(0.786, abs=0.002)


def test_columns_of_whole_numbers_numbers_and_levels_are_read() -> None:
    frame = frames._frame("BostonHousing")
    assert len(frame) == 14 and frame["medv"][:3].tolist() == [24.0, 21.6, 34.7]
    assert frame["chas"][1] == ["0", "1"] and frame["rad"].dtype.kind in "if"
