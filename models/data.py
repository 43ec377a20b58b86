"""Real data that comes with scikit-learn: standardised float32 arrays, split by a seed.

Standardisation uses the mean and deviation of the training part alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["MissingExtra", "Split", "diabetes", "diabetes_classes", "digits", "minibatches"]

TEST_FRACTION = 0.2


def __dir__() -> list[str]:
    return __all__


class Split(NamedTuple):
    """Examples to train on and examples to test on; rows are examples."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


class MissingExtra(ImportError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is required: pip install 'wonderland[{extra}]'")


def digits(seed: int = 0) -> Split:
    """1797 handwritten digits, 8x8 pixels as 64 features; labels 0-9 as int32.

    Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI repository, 1998.
    """
    x, y = _bundled("load_digits")
    split = _split(x, y.astype(np.int32), seed)
    # one mean and deviation for all pixels: border pixels hardly vary, alone they would be blown up
    return _standardised(split, axes=None)


def diabetes(seed: int = 0) -> Split:
    """442 patients, 10 measurements; the target is the progression after a year, standardised.

    Source: Efron, Hastie, Johnstone, Tibshirani, Least angle regression, 2004.
    """
    x, y = _bundled("load_diabetes")
    train_x, train_y, test_x, test_y = _standardised(_split(x, y, seed), axes=0)
    mean, deviation = train_y.mean(), train_y.std()
    return Split(
        train_x,
        _float32((train_y - mean) / deviation),
        test_x,
        _float32((test_y - mean) / deviation),
    )


def diabetes_classes(seed: int = 0) -> Split:
    """As `diabetes`, labelled 1 for a progression above the training part's median, else 0."""
    split = diabetes(seed)
    median = np.median(split.train_y)
    return split._replace(
        train_y=_float32(split.train_y > median), test_y=_float32(split.test_y > median)
    )


def minibatches(
    rng: np.random.Generator, size: int, *arrays: np.ndarray
) -> Iterator[tuple[np.ndarray, ...]]:
    """One epoch in random order, `size` rows of every array at a time.

    Rows that do not fill a batch wait for another epoch: one compiled program serves all batches.
    """
    order = rng.permutation(len(arrays[0]))
    for start in range(0, len(order) - size + 1, size):
        rows = order[start : start + size]
        yield tuple(a[rows] for a in arrays)


def _bundled(loader: str) -> Any:
    try:
        from sklearn import datasets  # heavy, and optional
    except ImportError:
        raise MissingExtra("scikit-learn", "models") from None
    return getattr(datasets, loader)(return_X_y=True)


def _split(x: np.ndarray, y: np.ndarray, seed: int) -> Split:
    order = np.random.default_rng(seed).permutation(len(x))
    tests = round(TEST_FRACTION * len(x))
    test, train = order[:tests], order[tests:]
    return Split(x[train], y[train], x[test], y[test])


def _standardised(split: Split, axes: int | None) -> Split:
    mean, deviation = split.train_x.mean(axes), split.train_x.std(axes)
    return split._replace(
        train_x=_float32((split.train_x - mean) / deviation),
        test_x=_float32((split.test_x - mean) / deviation),
    )


def _float32(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, np.float32)
