"""How fast are Fourier transforms? Rows of many lengths, planes, tokens mixed, spectral filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

LENGTHS = (64, 256, 1024, 4096, 65536)


def in_each(function: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """The same of the module of transforms that each library has."""
    jax, torch = peers.jnp, peers.torch
    found = {"wonderland": function(wl.numpy.fft), "numpy": function(np.fft)}
    if jax is not None:
        found["jax"] = function(jax.fft)
    if torch is not None:
        found["torch"] = function(torch.fft)
    return found


def complex_numbers(*shape: int) -> np.ndarray:
    return peers.random(*shape) + np.complex64(1j) * peers.random(*shape, seed=1)


def filtered(fft: Any) -> Callable[..., Any]:
    return lambda x, response: fft.irfft(fft.rfft(x) * response)


def rows() -> Iterator[Row]:
    questions = [
        *(("fft", (64, n), complex_numbers(64, n), lambda fft: fft.fft) for n in LENGTHS),
        *(("rfft", (64, n), peers.random(64, n), lambda fft: fft.rfft) for n in LENGTHS),
        ("fft", (20000, 32), complex_numbers(20000, 32), lambda fft: fft.fft),
        ("fft2", (256, 256), complex_numbers(256, 256), lambda fft: fft.fft2),
        (
            "tokens mixed",
            (32, 512, 256),
            peers.random(32, 512, 256),
            lambda fft: lambda x: fft.fft2(x).real,
        ),
    ]
    for name, shape, x, function in questions:
        runs = peers.runs([x], in_each(function), torch_compile=False)
        yield Row(f"transform, {name}", str(list(shape)), runs, bytes=2 * x.nbytes)
    for n in (128, 2048):
        arrays = [peers.random(256, n), complex_numbers(n // 2 + 1)]
        runs = peers.runs(arrays, in_each(filtered), torch_compile=False)
        yield Row("transform, filtered", f"[256, {n}]", runs, bytes=2 * arrays[0].nbytes)
