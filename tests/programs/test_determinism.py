"""The same program gives the same texts everywhere, and another batch the same machine code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.runtime.cpu.executor import threads
from wonderland.runtime.native import objects

ROOT = Path(__file__).parents[2]
TEXTS = """
import numpy as np
import pytest
import wonderland as wl

def loss(w, x, y):
    for a, b in w:
        x = np.tanh(x @ a + b)
    z = x - np.max(x, axis=1, keepdims=True)
    return -np.mean(np.sum(y * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))), axis=1))

def ones(*shape):
    return np.ones(shape, np.float32)

w = [(ones(8, 16), ones(16)), (ones(16, 5), ones(5))]
x, y = ones(12, 8), ones(12, 5)
print(wl.jit(wl.value_and_grad(loss)).inspect(w, x, y))
"""


def printed(seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", TEXTS],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment,
    )
    return done.stdout


def test_two_processes_print_the_same_stages_kernels_and_sources() -> None:
    first, second = printed("1"), printed("2")
    assert "# sources" in first and "def " in first
    assert first == second


def loss(w: Any, x: Any, y: Any) -> Any:
    return np.mean((np.tanh(x @ w) - y) ** 2)


def test_another_batch_size_compiles_no_kernel() -> None:
    step = wl.jit(wl.value_and_grad(loss))
    w = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)

    def batch(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return w, np.ones((n, 20), np.float32), np.ones((n, 7), np.float32)

    step(*batch(32))
    before = objects.statistics().compiled
    value, gradient = step(*batch(33))
    assert np.isfinite(value) and gradient.shape == w.shape
    assert objects.statistics().compiled == before
    assert step.inspect(*batch(32))["sources"] == step.inspect(*batch(33))["sources"]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_results_are_the_same_bits_for_every_number_of_threads(count: int) -> None:
    rng = np.random.default_rng(1)
    w, x, y = (rng.normal(size=s).astype(np.float32) for s in ((300, 200), (700, 300), (700, 200)))

    def program(w: Any, x: Any, y: Any) -> Any:
        value, gradient = wl.value_and_grad(loss)(w, x, y)
        scores = np.exp(y - np.max(y, axis=1, keepdims=True))
        shares = scores / np.sum(scores, axis=1, keepdims=True)
        return value, gradient, shares, np.sum(shares, axis=0), np.sum(x), np.tanh(x).T + x.T

    with threads(1):
        expected = wl.jit(program)(w, x, y)
    with threads(count):
        step = wl.jit(program)
        for _ in range(5):
            for got, want in zip(step(w, x, y), expected, strict=True):
                assert got.tobytes() == want.tobytes()
