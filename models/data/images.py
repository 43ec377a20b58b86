"""Fashion-MNIST: pictures of clothes of ten kinds, as Debian packages them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from .split import Split, found_file

__all__ = ["fashion_mnist"]

FOLDER, PACKAGE = "usr/share/datasets/fashion-mnist", "dataset-fashion-mnist"
NAMES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip


def fashion_mnist(seed: int = 0, train_rows: int = 60_000, test_rows: int = 10_000) -> Split:
    """60,000 grey images [28, 28, 1] to train on and 10,000 to test on, labels 0-9 as int32.

    Both parts are the authors'; `seed` chooses their order, and with it those of fewer rows. Pixels
    have mean 0 and deviation 1 over the chosen part that is trained on.
    Source: Xiao, Rasul, Vollgraf, Fashion-MNIST, 2017.
    """
    folder = found_file(FOLDER, PACKAGE)
    rng = np.random.default_rng(seed)
    parts = [
        _part(folder, name, count, rng)
        for name, count in (("train", train_rows), ("t10k", test_rows))
    ]
    images, _ = parts[0]
    mean, deviation = np.float32(images.mean()), images.std(dtype=np.float32)
    train, test = ((np.subtract(x, mean, dtype=np.float32) / deviation, y) for x, y in parts)
    return Split(train, test, NAMES)


def _part(
    folder: Path, name: str, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Images as bytes, and labels, of so many rows."""
    images = _numbers(folder / f"{name}-images-idx3-ubyte.gz")
    labels = _numbers(folder / f"{name}-labels-idx1-ubyte.gz")
    rows = rng.permutation(len(images))[:count]
    return images[rows][..., None], labels[rows].astype(np.int32)


def _numbers(file: Path) -> np.ndarray:
    """An array of the idx format: its header is how many dimensions there are, and their sizes."""
    content = gzip.decompress(file.read_bytes())
    dimensions = content[3]
    sizes = np.frombuffer(content, ">u4", dimensions, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(sizes)
