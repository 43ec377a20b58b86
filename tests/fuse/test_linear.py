"""How much fusing does grows with the kernels that differ, and linearly with nodes: by counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse.fuse import Fusion, fuse
from wonderland.compiler.fuse.kernels import Known
from wonderland.compiler.fuse.roots import Roots
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


def scans(length: int, count: int = 1) -> Graph:
    """Products so far, by halves: pieces are put between each other, which some readers cannot."""

    def both(one: Any, two: Any) -> Any:
        return one[0] * two[0], one[1] * two[0] + two[1]

    def so_far(x: Any) -> Any:
        if len(x[0]) == 1:
            return x
        even, odd = [v[::2] for v in x], [v[1::2] for v in x]
        odd = so_far(both(even, odd))
        even = both([v[:-1] for v in odd], [v[1:] for v in even])
        pairs = zip(x, even, odd, strict=True)
        return [np.stack([np.concatenate([v[:1], e]), o], 1).reshape(v.shape) for v, e, o in pairs]

    def several(*x: Any) -> Any:
        for _ in range(count):
            x = so_far(x)
        return x[1]

    a = np.ones((length, 3), F32)
    return ready(several, a, a)


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Fusion]:
    """The fusions whose method of that `name` is called, once a call."""
    calls: list[Fusion] = []
    real = getattr(Fusion, name)

    def method(self: Fusion, *args: Any) -> Any:
        calls.append(self)
        return real(self, *args)

    monkeypatch.setattr(Fusion, name, method)
    return calls


def test_what_cannot_be_read_is_mended_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are found anew once, for any depth of values that must be in memory."""
    attempts, checks = counted(monkeypatch, "__init__"), counted(monkeypatch, "unread")
    found = []
    for graph in (scans(64, 4), scans(64, 12)):
        attempts.clear()
        checks.clear()
        known = Known()
        schedule = fuse(graph, known=known)
        assert len(attempts) == 2
        assert len(known.groups.fits) <= 2 * len(schedule.waves)
        found.append(len(checks) / len(graph.nodes))
    assert 0 < found[1] < 1.6 * found[0]


def test_of_many_readers_those_nearby_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of so many layers that read one array do not meet each other in pairs."""

    def layers_of(x: Any, count: int) -> Any:
        return [np.sum(np.tanh(x * F32(k)), axis=k % 2) for k in range(count)]

    x, merges = np.ones((32, 32), F32), counted(monkeypatch, "merged")
    found = []
    for count in (80, 200):
        merges.clear()
        fuse(ready(lambda x, n=count: layers_of(x, n), x))
        found.append(len(merges) / count)
    assert 0 < found[1] < 1.6 * found[0]


def test_roots_that_are_forced_one_by_one_are_those_forced_at_once() -> None:
    for graph in (scans(32), layers(3)):
        values = [v for n in graph.nodes for v in n.values]
        rng = np.random.default_rng(0)
        forced = {values[k] for k in rng.choice(len(values), 12, replace=False)}
        grown, once = Roots(graph, set(), set()), Roots(graph, forced, set())
        for v in sorted(forced, key=lambda v: v.index - (v.node.serial if v.node else 0)):
            before = {n: (n in grown.nodes, grown.computed_by(n)) for n in graph.nodes}
            told = grown.force({v})
            after = {n: (n in grown.nodes, grown.computed_by(n)) for n in graph.nodes}
            assert told >= {n for n in grown.nodes if before[n] != after[n]}
        assert grown.nodes == once.nodes
        assert grown.stored == once.stored
        assert grown.weight == once.weight
        assert grown.length == once.length
