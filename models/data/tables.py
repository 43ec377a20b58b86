"""Tables that come with scikit-learn: standardised float32 arrays, split by a seed.

Standardisation uses the mean and deviation of the training part alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .split import MissingExtra, Split

__all__ = ["breast_cancer", "diabetes", "diabetes_classes", "digits"]

TEST_FRACTION = 0.2


def digits(seed: int = 0) -> Split:
    """1797 handwritten digits, 8x8 pixels as 64 features; labels 0-9 as int32.

    Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI repository, 1998.
    """
    x, y = _bundled("load_digits")
    split = rows_apart(x, y.astype(np.int32), seed)
    # one mean and deviation for all pixels: border pixels hardly vary, alone they would be blown up
    return standardised(split, axes=None)._replace(names=tuple("0123456789"))


def diabetes(seed: int = 0) -> Split:
    """442 patients, 10 measurements; the target is the progression after a year, standardised.

    Source: Efron, Hastie, Johnstone, Tibshirani, Least angle regression, 2004.
    """
    x, y = _bundled("load_diabetes")
    (train_x, train_y), (test_x, test_y), _ = standardised(rows_apart(x, y, seed), axes=0)
    mean, deviation = train_y.mean(), train_y.std()
    return Split(
        (train_x, _float32((train_y - mean) / deviation)),
        (test_x, _float32((test_y - mean) / deviation)),
    )


def diabetes_classes(seed: int = 0) -> Split:
    """As `diabetes`, labelled 1 for a progression above the training part's median, else 0."""
    (train_x, train_y), (test_x, test_y), _ = diabetes(seed)
    median = np.median(train_y)
    return Split((train_x, _float32(train_y > median)), (test_x, _float32(test_y > median)))


def breast_cancer(seed: int = 0) -> Split:
    """569 tumours, 30 measurements of nuclei of cells; labels 1 for benign, 0 for malignant.

    Source: Street, Wolberg, Mangasarian, Nuclear feature extraction for breast tumor diagnosis,
    1993.
    """
    x, y = _bundled("load_breast_cancer")
    return standardised(rows_apart(x, _float32(y), seed), axes=0)._replace(
        names=("malignant", "benign")
    )


def _bundled(loader: str) -> Any:
    try:
        from sklearn import datasets  # heavy, and optional
    except ImportError:
        raise MissingExtra("scikit-learn", "models") from None
    return getattr(datasets, loader)(return_X_y=True)


def rows_apart(x: np.ndarray, y: np.ndarray, seed: int) -> Split:
    """A part of the rows, drawn by the seed, to test on, without those that stand among the others.

    Tables may have a row several times: what was learned by heart is no test.
    """
    order = np.random.default_rng(seed).permutation(len(x))
    tests = round(TEST_FRACTION * len(x))
    test, train = order[:tests], order[tests:]
    known = {row.tobytes() for row in x[train]}
    test = test[[row.tobytes() not in known for row in x[test]]]
    return Split((x[train], y[train]), (x[test], y[test]))


def standardised(split: Split, axes: int | None) -> Split:
    """Features of mean 0 and deviation 1 in the training part."""
    (train_x, train_y), (test_x, test_y), _ = split
    mean, deviation = train_x.mean(axes), train_x.std(axes)
    return Split(
        (_float32((train_x - mean) / deviation), train_y),
        (_float32((test_x - mean) / deviation), test_y),
    )


def _float32(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, np.float32)
