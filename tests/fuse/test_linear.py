"""How much fusing does grows with the kernels that differ, and linearly with nodes: by counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import wonderland as wl
from wonderland.compiler.fuse.fuse import Known, fuse
from wonderland.compiler.fuse.work import Work
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.pipeline import optimised

F32 = np.float32


def ready(function: Callable[..., Any], *args: Any) -> Graph:
    """The graph that is fused."""
    *_, last = optimised(wl.trace(function, *args).graph)
    assert isinstance(last.state, Graph)
    return last.state


def layers(count: int) -> Graph:
    """The gradient of layers of one size."""
    weights = [np.ones((8, 8), F32) for _ in range(count)]

    def loss(weights: Any, x: Any) -> Any:
        for w in weights:
            x = np.tanh(x @ w)
        return np.sum(x * x)

    return ready(wl.grad(loss), weights, np.ones((4, 8), F32))


def test_equal_layers_are_emitted_once() -> None:
    found = []
    for count in (6, 24):
        known = Known()
        schedule = fuse(layers(count), known=known)
        kernels = {id(w.kernel) for _, w in schedule.works if isinstance(w, Work)}
        found.append((len(known.groups.fits), len(known.groups.works), len(kernels)))
        assert len(schedule.waves) >= 2 * count
    assert found[0] == found[1]


def test_groups_are_alike_only_where_they_read_alike() -> None:
    def products(a: Any, b: Any) -> Any:
        return np.exp(a) * a, np.exp(b) * a, np.exp(b.T) * a.T

    a, b = np.ones((40, 3), F32), np.full((40, 3), F32(2))
    known = Known()
    for wanted in range(3):
        fuse(ready(lambda a, b, k=wanted: products(a, b)[k], a, b), known=known)
    assert len(known.groups.works) == 3
    for one, two in zip(wl.jit(products)(a, b), products(a, b), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)
