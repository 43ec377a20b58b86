"""Models that transform: mixing of tokens, spectral layers, long convolutions, spectra of frames;
compiled, with gradients, against formulas without a transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.testing import check_gradients

RNG = np.random.default_rng(0)
DTYPES = (np.float32, np.float64)
PRECISION: dict[Any, float] = {np.float32: 2e-4, np.float64: 1e-10}


def drawn(shape: tuple[int, ...], dtype: Any, scale: float = 1.0) -> np.ndarray:
    return (RNG.normal(size=shape) * scale).astype(dtype)


def assert_near(got: Any, want: Any, dtype: Any) -> None:
    size = max(1.0, float(np.max(np.abs(want))))
    np.testing.assert_allclose(got, want, rtol=0, atol=PRECISION[dtype] * size)


def turns(n: int) -> Any:
    """The matrix of a transform of n points, by its definition."""
    k = np.arange(n)
    return np.exp(-2j * np.pi * (np.outer(k, k) % n) / n)


# ---------------------------------------------------------------- FNet


def normalised(x: Any) -> Any:
    centred = x - np.mean(x, -1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, -1, keepdims=True) + 1e-5)


def block(parameters: Any, x: Any, mixed: Any) -> Any:
    up, down = parameters
    x = normalised(x + mixed(x))
    return normalised(x + np.tanh(x @ up) @ down)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tokens_mixed_by_a_transform_learn_as_by_its_matrices(dtype: Any) -> None:
    """Source: Lee-Thorp et al., FNet: Mixing tokens with Fourier transforms, 2022."""
    tokens, width = 12, 10
    x, goal = (drawn((3, tokens, width), dtype) for _ in range(2))
    parameters = drawn((width, 16), dtype, 0.3), drawn((16, width), dtype, 0.3)
    rows, columns = turns(tokens), turns(width)

    def by_products(x: Any) -> Any:
        real = np.asarray(rows.real, dtype) @ x @ np.asarray(columns.real, dtype)
        return real - np.asarray(rows.imag, dtype) @ x @ np.asarray(columns.imag, dtype)

    def loss(parameters: Any, x: Any, mixed: Any) -> Any:
        return np.mean((block(parameters, x, mixed) - goal) ** 2)

    def by_transform(x: Any) -> Any:
        return np.fft.fft2(x).real

    step = wl.jit(wl.value_and_grad(lambda p, x: loss(p, x, by_transform), (0, 1)))
    value, slopes = step(parameters, x)
    want, others = wl.value_and_grad(lambda p, x: loss(p, x, by_products), (0, 1))(parameters, x)
    assert value.dtype == dtype
    assert_near(value, want, dtype)
    for got, other in zip(wl.tree.leaves(slopes), wl.tree.leaves(others), strict=True):
        assert_near(got, other, dtype)


# ---------------------------------------------------------------- spectral convolution


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_spectral_layer_and_its_gradients(dtype: Any) -> None:
    """The lowest modes of each channel times learned complex matrices, as in neural operators.

    Source: Li et al., Fourier neural operator for parametric partial differential equations, 2021.
    """
    n, modes, channels = 16, 5, 3
    x = drawn((2, channels, n), dtype)
    re, im = (drawn((channels, channels, modes), dtype, 0.3) for _ in range(2))

    def layer(re: Any, im: Any, x: Any) -> Any:
        low = np.fft.rfft(x)[..., :modes]
        return np.fft.irfft(np.einsum("bim,iom->bom", low, re + 1j * im), n)

    def loss(re: Any, im: Any, x: Any) -> Any:
        return np.sum(np.tanh(layer(re, im, x)) ** 2)

    want = layer(*(a.astype(np.float64) for a in (re, im, x)))
    assert_near(wl.jit(layer)(re, im, x), want, dtype)
    slopes = wl.jit(wl.grad(loss, (0, 1, 2)))(re, im, x)
    wide = wl.grad(loss, (0, 1, 2))(*(a.astype(np.float64) for a in (re, im, x)))
    for got, w in zip(slopes, wide, strict=True):
        assert got.dtype == dtype
        assert_near(got, w, dtype)
    if dtype == np.float64:
        check_gradients(loss, re, im, x)


# ---------------------------------------------------------------- long convolutions


def kernel_of(poles: Any, weights: Any, length: int) -> Any:
    """The response sum over n of weights[n] exp(poles[n] t) to an impulse, at t = 0, 1, ..."""
    return np.real(np.exp(poles[:, None] * np.arange(length)).T @ weights)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_state_space_by_convolution_is_its_recurrence(dtype: Any) -> None:
    """Source: Gu et al., Efficiently modeling long sequences with structured state spaces, 2022."""
    length, states = 24, 4
    u, decay, turn = drawn((3, length), dtype), drawn((states,), dtype), drawn((states,), dtype)
    weight = drawn((2, states), dtype)

    def poles(decay: Any, turn: Any) -> Any:
        return -np.exp(0.3 * decay - 1) + 1j * turn

    def convolved(decay: Any, turn: Any, weight: Any, u: Any) -> Any:
        response = kernel_of(poles(decay, turn), weight[0] + 1j * weight[1], length)
        size = 2 * length
        product = np.fft.rfft(u, size) * np.fft.rfft(response, size)
        return np.fft.irfft(product, size)[..., :length]

    def recurrent(decay: Any, turn: Any, weight: Any, u: Any) -> Any:
        rate, out = np.exp(poles(decay, turn)), weight[0] + 1j * weight[1]

        def step(state: Any, u: Any) -> Any:
            state = rate * state + u[:, None]
            return state, np.real(state @ out)

        zero = np.zeros((u.shape[0], states), rate.dtype)
        return wl.lax.scan(step, zero, u.T)[1].T

    given = decay, turn, weight, u
    assert_near(wl.jit(convolved)(*given), wl.jit(recurrent)(*given), dtype)

    def loss(function: Any) -> Any:
        return lambda *given: np.sum(np.sin(function(*given)))

    ours = wl.jit(wl.grad(loss(convolved), (0, 1, 2, 3)))(*given)
    theirs = wl.grad(loss(recurrent), (0, 1, 2, 3))(*given)
    for got, want in zip(ours, theirs, strict=True):
        assert got.dtype == dtype
        assert_near(got, want, dtype)


# ---------------------------------------------------------------- spectra of frames


def mel_filters(bins: int, bands: int, dtype: Any) -> np.ndarray:
    """Triangles that overlap by halves, narrow ones at low frequencies."""
    edges = (bins - 1) * np.linspace(0, 1, bands + 2) ** 2
    at = np.arange(bins)[:, None]
    up = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(up, down), 0, None).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_spectra_of_frames_in_bands_have_the_gradient_of_the_signal(dtype: Any) -> None:
    size, hop, bands = 16, 6, 5
    signal = drawn((2, 52), dtype)
    window, filters = np.hanning(size).astype(dtype), mel_filters(size // 2 + 1, bands, dtype)
    starts = np.arange(0, signal.shape[-1] - size + 1, hop)
    at = starts[:, None] + np.arange(size)
    transform = turns(size)[:, : size // 2 + 1]

    def bands_of(spectrum: Any) -> Any:
        power = spectrum.real**2 + spectrum.imag**2
        return np.log(power @ filters.astype(power.dtype) + np.asarray(1e-3, power.dtype))

    def ours(signal: Any) -> Any:
        return bands_of(np.fft.rfft(signal[..., at] * window))

    def by_definition(signal: Any) -> Any:
        return bands_of((signal[..., at] * window) @ transform)

    assert_near(wl.jit(ours)(signal), by_definition(signal.astype(np.float64)), dtype)
    slope = wl.jit(wl.grad(lambda s: np.sum(np.sin(ours(s)))))(signal)
    want = wl.grad(lambda s: np.sum(np.sin(by_definition(s))))(signal.astype(np.float64))
    assert slope.dtype == dtype
    assert_near(slope, want, dtype)
    if dtype == np.float64:
        check_gradients(lambda s: np.sum(np.sin(ours(s))), signal)
