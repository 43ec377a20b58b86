"""Whether a group is a kernel is known without making one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse import kernels
from wonderland.compiler.fuse.emission import attempt
from wonderland.compiler.fuse.emission.cluster import clustered
from wonderland.compiler.fuse.emission.domain import Domain
from wonderland.compiler.fuse.fuse import fuse
from wonderland.compiler.kernel.index import CannotFuse

from .test_linear import ready, scans

F32 = np.float32
X = np.ones((12, 30), F32)


def attention(x: Any) -> Any:
    e = np.exp(x @ x.T - np.max(x, axis=1, keepdims=True))
    return np.sum(np.tanh(e / np.sum(e, axis=1, keepdims=True)) @ x)


def mirrored(x: Any) -> Any:
    y = np.exp(np.pad(x, ((2, 2), (0, 0))))
    z = np.tanh(y[:8] + y[3:11, ::-1]) + np.tanh(y[6:14] - y[8:])
    return np.cumsum(z, axis=0).reshape(6, 40) * 2, np.mean(z.reshape(4, 60), axis=0)


def often(x: Any) -> Any:
    """Reads a value at six places."""
    y = np.exp(x @ x.T)
    return y * y.T + np.tanh(y[::-1] * y[:, ::-1]) + np.tanh(y[::-1, ::-1] * y.T[::-1])


def across(x: Any) -> Any:
    """Reads a value a row at every point of it."""
    v = np.exp(x[:, 0])
    return v, np.sum(np.tanh((x @ x.T) * v), axis=1)


def upside_down(x: Any) -> Any:
    """Reads the sum of another row."""
    s = np.sum(x, axis=1)
    return np.sum(x * s[::-1, None], axis=1)


def dropped(x: Any) -> Any:
    keep = wl.random.bernoulli(wl.random.key(3), 0.9, x.shape)
    return np.sum(np.where(keep, x, F32(0))[np.array([3, 1, 2])] ** 2)


def test_an_attempt_fails_where_reading_does(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[tuple[bool, bool]] = []

    def both(nodes: Sequence[Any], domain: Domain, stored: Any, wanted: Any, places: Any) -> None:
        def succeeds(action: Any) -> bool:
            try:
                action()
            except CannotFuse:
                return False
            return True

        found = succeeds(lambda: attempt(nodes, domain, stored, wanted, places))
        outcomes.append((found, succeeds(lambda: clustered("", nodes, domain, stored, wanted))))
        if not found:
            raise CannotFuse

    monkeypatch.setattr(kernels, "attempt", both)
    programs = attention, wl.grad(attention), mirrored, wl.grad(dropped), often, across, upside_down
    for graph in (*(ready(f, X) for f in programs), scans(32)):
        fuse(graph)
    assert [a for a, _ in outcomes].count(False) >= 3
    assert all(a == b for a, b in outcomes)
