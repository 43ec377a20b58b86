"""Losses against mpmath: what is left of them where the prediction is confident."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import wonderland as wl
from wonderland import nn


@pytest.mark.parametrize("label", [0.0, 1.0, 0.5, 0.3, 1 - 1e-10])
def test_cross_entropy_is_relative_for_confident_logits(label):
    """And so is its derivative, but about where the label is the probability."""
    logits = np.array([-700.0, -40.0, -3.0, -1e-3, 0.0, 1e-3, 3.0, 40.0, 700.0])
    loss = nn.sigmoid_binary_cross_entropy
    with mp.workdps(700):
        x, t = [mp.mpf(v) for v in logits], mp.mpf(label)
        soft = [(mp.log1p(mp.exp(v)), mp.log1p(mp.exp(-v))) for v in x]
        want = [float((1 - t) * a + t * b) for a, b in soft]
        slope = [float(((1 - t) * mp.exp(v) - t) / (1 + mp.exp(v))) for v in x]
    np.testing.assert_allclose(loss(logits, label), want, rtol=1e-15)
    found = wl.grad(lambda v: np.sum(loss(v, label)))(logits)
    np.testing.assert_allclose(found, slope, rtol=1e-14, atol=1e-16 if 0 < label < 1 else 0)


@pytest.mark.parametrize("labels", [np.array([0, 1, 1]), np.array([False, True, True])])
def test_whole_labels_take_the_dtype_of_the_logits(labels):
    logits = np.array([0.5, -2.0, 3.0], np.float32)
    found = wl.jit(nn.sigmoid_binary_cross_entropy)(logits, labels)
    assert found.dtype == np.float32
    want = nn.sigmoid_binary_cross_entropy(logits, labels.astype(np.float32))
    np.testing.assert_allclose(found, want, rtol=1e-6)


@pytest.mark.parametrize("wrap", [lambda f: f, wl.jit])
def test_labels_of_the_other_kind_are_refused_with_the_function_that_takes_them(wrap):
    """Where there are as many rows as classes, NumPy would broadcast in silence."""
    logits, whole = np.eye(3, dtype=np.float32), np.array([0, 2, 1])
    by_place, by_rows = (
        wrap(nn.softmax_cross_entropy_with_integer_labels), wrap(nn.softmax_cross_entropy)
    )  # fmt: skip
    with pytest.raises(TypeError, match=r"try: nn.softmax_cross_entropy_with_integer_labels"):
        by_rows(logits, whole)
    with pytest.raises(TypeError, match=r"try: nn.softmax_cross_entropy\(logits, labels\)"):
        by_place(logits, np.eye(3, dtype=np.float32)[whole])
    with pytest.raises(TypeError, match=r"try: labels\[..., 0\]"):
        by_place(logits, whole[:, None])
    ones = np.eye(3, dtype=int)[whole]
    np.testing.assert_allclose(by_place(logits, whole), by_rows(logits, ones), rtol=1e-6)
    shared = by_rows(logits, np.full(3, 1 / 3, np.float32))  # one distribution for all
    assert shared.shape == (3,)
