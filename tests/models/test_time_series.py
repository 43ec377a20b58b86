"""Series of unequal lengths are padded with zeros, and standardised by what is not padding."""

from __future__ import annotations

import numpy as np
import pytest

from wonderland.models import data

SIZES = {
    "ACSF1": (100, 100, 1460, 1), "GunPoint": (50, 150, 150, 1), "OSULeaf": (200, 242, 427, 1),
    "JapaneseVowels": (270, 370, 29, 12),
}  # fmt: skip


@pytest.mark.parametrize("name", ["GunPoint", "JapaneseVowels"])
def test_series_are_padded_and_standardised(name: str) -> None:
    try:
        split = data.time_series(name)
    except data.MissingData as missing:
        pytest.skip(str(missing))
    train, test, steps, channels = SIZES[name]
    for (x, lengths, y), examples in zip((split.train, split.test), (train, test), strict=True):
        assert x.shape == (examples, steps, channels) and x.dtype == np.float32
        assert {*y.tolist()} == {*range(len(split.names))} and y.dtype == np.int32
        inside = np.arange(steps) < lengths[:, None]
        assert (np.any(x, -1) == inside).all()
    x, lengths, _ = split.train
    known = x[np.arange(steps) < lengths[:, None]]
    np.testing.assert_allclose(known.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(known.std(0), 1, atol=1e-5)
    assert lengths.max() <= steps == max(lengths.max(), split.test[1].max())


def test_a_missing_package_and_a_wrong_name_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(data.MissingData, match=r"try: pip install --no-deps aeon==1\.6\.0"):
        data.time_series("GunPoint")
    with pytest.raises(TypeError, match=r"time_series: one of ACSF1, GunPoint, .* got 'gunpoint'"):
        data.time_series("gunpoint")
