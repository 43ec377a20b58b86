"""Fashion-MNIST as it is installed: what its rows are, and which of them a seed takes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from wonderland.models import data


def written(folder: Path) -> None:
    """Fashion-MNIST of 12 images to train on and 4 to test on: image k is of 28 * 28 numbers k."""
    (folder / "usr/share/datasets/fashion-mnist").mkdir(parents=True)
    for name, count in (("train", 12), ("t10k", 4)):
        numbers = np.arange(count, dtype=np.uint8)
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
            rows = np.broadcast_to(numbers.reshape(-1, *(1,) * (len(shape) - 1)), shape)
            file = folder / f"usr/share/datasets/fashion-mnist/{name}-{kind}-ubyte.gz"
            file.write_bytes(gzip.compress(header + rows.tobytes()))


def test_files_of_the_format_are_read_and_standardised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path)
    monkeypatch.setenv("WONDERLAND_DATA", str(tmp_path))
    (x, y), (test_x, test_y), names = data.fashion_mnist(3)
    assert x.shape == (12, 28, 28, 1) and x.dtype == np.float32 and y.dtype == np.int32
    assert sorted(y) == list(range(12)) and sorted(test_y) == list(range(4)) and len(names) == 10
    np.testing.assert_allclose(x[:, 5, 5, 0], (y - 5.5) / np.std(np.arange(12)), rtol=1e-6)
    np.testing.assert_allclose(test_x[:, 5, 5, 0], (test_y - 5.5) / np.std(np.arange(12)))
    fewer = data.fashion_mnist(3, 5, 2)
    np.testing.assert_array_equal(fewer.train[1], y[:5])
    np.testing.assert_array_equal(fewer.test[1], test_y[:2])
    assert abs(fewer.train[0].mean()) < 1e-6
    assert not np.array_equal(data.fashion_mnist(4).train[1], y)


def test_without_its_package_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(data.MissingData, match=r"try: apt-get install dataset-fashion-mnist$"):
        data.fashion_mnist()


def test_installed_images_are_of_ten_classes_alike() -> None:
    try:
        (x, y), (_, test_y), names = data.fashion_mnist(0)
    except data.MissingData as missing:
        pytest.skip(str(missing))
    assert np.bincount(y).tolist() == [6000] * 10 and np.bincount(test_y).tolist() == [1000] * 10
    # a trouser is narrow and a bag is wide: columns that are more than half bright
    wide = [np.mean(x[y == k][:, 14, :, 0] > 0) for k in (1, 8)]
    assert names[1] == "trouser" and names[8] == "bag" and 2 * wide[0] < wide[1]
