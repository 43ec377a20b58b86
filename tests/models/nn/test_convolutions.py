"""Convolutions as layers: sums over windows in NumPy, their transposes, causality, groups."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

rng = np.random.default_rng(5)
KERNEL, SIZES = (3, 2, 3), (7, 6, 5)


def summed(x: Any, w: Any, b: Any, stride: int, pad: int, dilation: int, groups: int) -> Any:
    """A convolution in the words of its sum: place by place of the kernel, group by group."""
    count = w.ndim - 2
    x = np.pad(x, [(0, 0), *[(pad, pad)] * count, (0, 0)])
    sizes = [
        (n - (k - 1) * dilation - 1) // stride + 1
        for n, k in zip(x.shape[1:-1], w.shape, strict=False)
    ]
    inputs, outputs = w.shape[-2], w.shape[-1] // groups
    y = np.zeros((len(x), *sizes, w.shape[-1]))
    for at in itertools.product(*map(range, w.shape[:count])):
        window = [
            slice(a * dilation, a * dilation + (n - 1) * stride + 1, stride)
            for a, n in zip(at, sizes, strict=True)
        ]
        seen = x[(slice(None), *window)]
        for g in range(groups):
            into, out = slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)
            y[..., out] += seen[..., into] @ w[at][..., out]
    return y + b


WAYS = list(itertools.product((1, 2), (0, 1), (1, 2), (1, 2)))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_convolution_is_its_sum_over_windows(count: int) -> None:
    x = rng.normal(size=(2, *SIZES[:count], 4))
    for stride, pad, dilation, groups in WAYS:
        w, b = rng.normal(size=(*KERNEL[:count], 4 // groups, 6)), rng.normal(size=6)
        layer = nn.Conv(w, b, stride, pad, dilation, groups)
        want = summed(x, w, b, stride, pad, dilation, groups)
        np.testing.assert_allclose(layer(x), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_transposed_convolution_is_the_transpose(count: int) -> None:
    """<convolved x, y> = <x, transposed y> for every x and y, of every padding."""
    for stride, pad, dilation, groups in WAYS:
        w = rng.normal(size=(*KERNEL[:count], 4 // groups, 6))
        # channels change places within their groups
        back = np.swapaxes(w.reshape(*w.shape[:-1], groups, 6 // groups), -1, -3)
        back = back.reshape(*w.shape[:count], 6 // groups, 4)
        whole = [(n - 1) * dilation + 1 + 3 * stride for n in KERNEL[:count]]  # windows cover it
        for padding, sizes in (
            (pad, [n - 2 * pad for n in whole]), ("VALID", whole), ("SAME", [stride * 4] * count),
        ):  # fmt: skip
            x = rng.normal(size=(2, *sizes, 4))
            there = nn.Conv(w, None, stride, padding, dilation, groups)(x)
            y = rng.normal(size=there.shape)
            again = nn.ConvTranspose(back, None, stride, padding, dilation, groups)(y)
            np.testing.assert_allclose(np.sum(there * y), np.sum(x * again), rtol=1e-9)


@pytest.mark.parametrize("kind", [nn.Conv, nn.ConvTranspose])
def test_same_and_causal_sizes_and_what_later_places_change(kind: Any) -> None:
    for count, stride, dilation in itertools.product((1, 2), (1, 2, 3), (1, 2)):
        key = wl.random.key(stride)
        x = rng.normal(size=(1, *(6,) * count, 2)).astype(np.float32)
        size = 6 // stride if kind is nn.Conv else 6 * stride
        for padding in ("SAME", "CAUSAL"):
            layer = kind.init(key, 2, 3, (3,) * count, stride=stride, dilation=dilation,
                              padding=padding)  # fmt: skip
            assert layer(x).shape == (1, *(size,) * count, 3)
        at = 3
        first = -(-at // stride) if kind is nn.Conv else at * stride  # output that sees place `at`
        other = x + (np.arange(6) >= at).reshape(6, *(1,) * count).astype(np.float32)
        np.testing.assert_array_equal(layer(x)[:, :first], layer(other)[:, :first])
        assert np.any(layer(x)[:, first] != layer(other)[:, first])


def test_depthwise_channels_see_their_own_alone() -> None:
    layer = nn.Conv.init(wl.random.key(0), 4, 8, (3,), groups=4, bias=False)
    assert layer.weight.shape == (3, 1, 8) and layer.bias is None
    x = np.zeros((1, 5, 4), np.float32)
    x[..., 2] = 1
    assert np.flatnonzero(np.any(layer(x) != 0, axis=(0, 1))).tolist() == [4, 5]


def test_a_batch_has_any_number_of_axes() -> None:
    layer = nn.Conv.init(wl.random.key(0), 2, 3, (3, 3), stride=2)
    x = rng.normal(size=(2, 3, 6, 6, 2)).astype(np.float32)
    each = np.stack([np.stack([layer(image) for image in row]) for row in x])
    np.testing.assert_allclose(layer(x), each, rtol=1e-5, atol=1e-6)
    assert layer(x[:, :0]).shape == (2, 0, 3, 3, 3)


def test_weights_are_f32_and_a_program_of_f64_stays_it() -> None:
    layer = nn.ConvTranspose.init(wl.random.key(1), 4, 6, (2, 2), groups=2)
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    wide = nn.Conv.init(wl.random.key(1), 4, 6, (2,), dtype="float64")
    assert wide(np.ones((1, 5, 4))).dtype == np.float64


@pytest.mark.parametrize("kind", [nn.Conv, nn.ConvTranspose])
def test_derivatives_of_weights_and_inputs(kind: Any) -> None:
    layer = kind.init(wl.random.key(2), 4, 4, (3,), stride=2, dilation=2, groups=2, dtype="float64")
    x = rng.normal(size=(2, 5, 4))
    wl.testing.check_gradients(lambda layer, x: np.sum(layer(x) ** 3), layer, x)


def test_errors_say_what_a_convolution_needs() -> None:
    key = wl.random.key(0)
    with pytest.raises(ProgramError, match=r"Conv.init: a kernel of one to three sizes .* got 3\n"):
        nn.Conv.init(key, 2, 2, 3)  # type: ignore[arg-type]
    with pytest.raises(ProgramError, match=r"groups that divide inputs .* got 4 of 6 and 8[^$]*=2"):
        nn.ConvTranspose.init(key, 6, 8, (3,), groups=4)
    with pytest.raises(ProgramError, match=r"2 spatial axes and 2 channels, .* got f32\[8, 8, 3\]"):
        nn.Conv.init(key, 2, 2, (3, 3))(np.ones((8, 8, 3), np.float32))
    with pytest.raises(ProgramError, match=r"SAME, VALID, CAUSAL, an int or pairs .* got 'FULL'"):
        nn.ConvTranspose.init(key, 2, 2, (3,), padding="FULL")(np.ones((8, 2), np.float32))


@pytest.mark.parametrize(
    "options",
    [{"stride": (1, 2)}, {"dilation": (1, 2)}, {"padding": (1, 1)}, {"padding": ((1, 1), (1, 1))}],
)
def test_a_transposed_convolution_of_other_axes_is_told(options: Any) -> None:
    layer = nn.ConvTranspose.init(wl.random.key(0), 3, 2, (3,), **options)
    with pytest.raises(ProgramError, match=r"ConvTranspose: a .* required, got"):
        layer(np.ones((1, 7, 3), np.float32))


def test_numpys_integers_are_strides_and_paddings() -> None:
    x: Any = np.ones((1, 7, 3), np.float32)
    two: Any = np.int64(2)
    for kind in (nn.Conv, nn.ConvTranspose):
        given, plain = (
            kind.init(wl.random.key(0), 3, 2, (3,), stride=n, padding=n) for n in (two, 2)
        )
        np.testing.assert_array_equal(given(x), plain(x))


def test_a_linear_layer_of_other_features_is_told_by_its_name() -> None:
    with pytest.raises(ProgramError, match="Linear: "):
        nn.Linear.init(wl.random.key(0), 3, 2)(np.ones((5, 4), np.float32))
