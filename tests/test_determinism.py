"""The same program gives the same texts in every process, and another batch size the same machine code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import wonderland as wl
from wonderland.runtime import objects

ROOT = Path(__file__).parent.parent
TEXTS = """
import numpy as np
import wonderland as wl

def loss(w, x, y):
    for a, b in w:
        x = np.tanh(x @ a + b)
    z = x - np.max(x, axis=1, keepdims=True)
    return -np.mean(np.sum(y * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))), axis=1))

w = [(np.ones((8, 16), np.float32), np.ones(16, np.float32)), (np.ones((16, 5), np.float32), np.ones(5, np.float32))]
x, y = np.ones((12, 8), np.float32), np.ones((12, 5), np.float32)
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
