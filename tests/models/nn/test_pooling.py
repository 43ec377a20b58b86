"""Pooling: flax's meaning of windows between batch and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

BF16: Any = wl.numpy.bfloat16
ANY: Any = 2
X = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
CASES = (
    ((2, 2), None, "VALID", None),
    ((3, 3), (2, 2), "SAME", None),
    ((2, 3), (1, 2), ((1, 0), (2, 1)), (2, 1)),
)


def windows(x: np.ndarray, case: tuple[Any, ...], fill: float) -> np.ndarray:
    """The places of each window of images as a last axis."""
    (h, w), strides, padding, dilation = case
    (s, t), (d, e) = strides or (1, 1), dilation or (1, 1)
    if isinstance(padding, str):
        extents = ((h - 1) * d + 1, (w - 1) * e + 1)
        padding = wl.lax.padtype_to_pads(x.shape[1:3], extents, (s, t), padding)
    x = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    rows = range(0, x.shape[1] - (h - 1) * d, s)
    columns = range(0, x.shape[2] - (w - 1) * e, t)
    return np.array(
        [
            [x[:, i : i + h * d : d, j : j + w * e : e].reshape(len(x), h * w, -1) for j in columns]
            for i in rows
        ]
    ).transpose(2, 0, 1, 4, 3)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("compiled", [False, True])
def test_images_are_pooled_by_windows(case: tuple[Any, ...], compiled: bool) -> None:
    shape, strides, padding, dilation = case
    counted = windows(np.ones_like(X), case, 0).sum(-1)
    expected: dict[Callable[..., Any], np.ndarray] = {
        nn.max_pool: windows(X, case, -np.inf).max(-1),
        nn.min_pool: windows(X, case, np.inf).min(-1),
        nn.sum_pool: windows(X, case, 0).sum(-1),
        nn.avg_pool: windows(X, case, 0).mean(-1),
        lambda x, w, s, p, dilation: nn.avg_pool(x, w, s, p, False, dilation): windows(
            X, case, 0
        ).sum(-1)
        / counted,
        lambda x, w, s, p, dilation: nn.pool(x, 1.0, np.multiply, w, s, p, dilation): windows(
            X, case, 1
        ).prod(-1),
    }
    for function, want in expected.items():

        def pooled(x: Any, function: Any = function) -> Any:
            return function(x, shape, strides, padding, dilation=dilation)

        found = (wl.jit(pooled) if compiled else pooled)(X)
        np.testing.assert_allclose(found, want, 1e-12, 1e-12)


def test_sequences_volumes_and_many_batches_are_pooled_alike() -> None:
    x = np.arange(48.0).reshape(2, 2, 12, 1)
    assert nn.max_pool(x, (3,), (3,)).shape == (2, 2, 4, 1)
    np.testing.assert_array_equal(nn.max_pool(x[0, 0], (3,), (3,)).ravel(), [2, 5, 8, 11])
    volume = np.ones((1, 4, 4, 4, 2))
    np.testing.assert_array_equal(nn.avg_pool(volume, (2, 2, 2), (2, 2, 2)), volume[:, :2, :2, :2])


def test_whole_images_are_pooled() -> None:
    np.testing.assert_allclose(nn.global_avg_pool(X), X.mean((1, 2)))
    np.testing.assert_array_equal(nn.global_max_pool(X), X.max((1, 2)))
    np.testing.assert_allclose(nn.avg_pool(X, (5, 6))[:, 0, 0], X.mean((1, 2)))


def test_means_keep_the_dtype_of_floats_and_do_not_leave_its_range() -> None:
    large = np.full((1, 4, 1), 4e4, np.float16)
    assert nn.avg_pool(large, (4,)).ravel().tolist() == [large[0, 0, 0]]
    for dtype in (np.float16, BF16, np.float32):
        x = np.ones((1, 4, 1)).astype(dtype)
        for pooled in (nn.avg_pool, nn.max_pool, nn.sum_pool):
            assert pooled(x, (2,)).dtype == x.dtype
    assert nn.avg_pool(np.arange(4).reshape(1, 4, 1), (2,)).ravel().tolist() == [0.5, 1.5, 2.5]
    small = np.arange(4, dtype=np.uint8).reshape(1, 4, 1)
    assert nn.max_pool(small, (2,), padding="SAME").ravel().tolist() == [1, 2, 3, 3]


def test_derivatives_of_pooling_are_those_of_its_windows() -> None:
    weights = np.random.default_rng(1).normal(size=(2, 2, 3, 3))
    case = ((2, 2), (2, 2), "VALID", None)
    taken = windows(X, case, 0)
    best = taken == taken.max(-1, keepdims=True)
    expected = np.zeros_like(X)
    for o in np.ndindex(*weights.shape):
        place = int(np.argmax(best[o]))
        i, j = 2 * o[1] + place // 2, 2 * o[2] + place % 2
        expected[o[0], i, j, o[3]] = weights[o]
    found = wl.grad(lambda x: np.sum(nn.max_pool(x, (2, 2), (2, 2)) * weights))
    np.testing.assert_array_equal(found(X), expected)
    np.testing.assert_array_equal(wl.jit(found)(X), expected)
    mean = wl.grad(lambda x: np.sum(nn.avg_pool(x, (2, 2), (2, 2)) * weights))(X)
    np.testing.assert_allclose(mean[:, :4], np.repeat(np.repeat(weights, 2, 1), 2, 2) / 4)
    assert not mean[:, 4:].any()


REFUSED: tuple[tuple[Callable[[], Any], str], ...] = (
    (
        lambda: nn.max_pool(X, (2, 2, 2, 2)),
        "max_pool: a window_shape of 1 to 3 ints is required for f64[2, 5, 6, 3]",
    ),
    (lambda: nn.max_pool(X, ANY), "max_pool: a window_shape of 1 to 3 ints is required"),
    (lambda: nn.avg_pool(X, (2, 0)), "avg_pool: window_shape of 2 positive ints are required"),
    (lambda: nn.sum_pool(X, (2, 2), (2,)), "sum_pool: strides of 2 positive ints are required"),
    (lambda: nn.min_pool(X, (2, 2), padding="ALL"), "min_pool: a padding of SAME"),
    (
        lambda: nn.global_avg_pool(X[0, 0]),
        "global_avg_pool: a batch, axes to pool and channels are required, got f64[6, 3]",
    ),
)


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_is_no_window_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        call()
    assert caught.value.what.startswith(message), caught.value.what
