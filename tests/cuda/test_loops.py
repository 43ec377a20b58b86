"""Loops and branches for a GPU, executed from their PTX, give what they give on the processor.

In both forms: turns laid out in the graph, and turned by the host. To the bit where a turn sums
nothing in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.test_programs import agree_on, normal
from tests.front import test_control_flow as control
from wonderland import lax
from wonderland.runtime.gpu import segments

F32 = np.float32


@pytest.fixture(autouse=True, params=["in a graph", "turn by turn"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "turn by turn":
        monkeypatch.setattr(segments, "UNROLLED", 0)


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_a_scan_reads_and_stacks_elements_where_they_are(length: int) -> None:
    def f(c: Any, xs: Any) -> Any:
        return lax.scan(lambda c, x: ((c[1] + x, c[0] * x), c[0] - x), (c, c + 1), xs)

    agree_on(f, normal(8), normal(length, 8), exactly=True)
    agree_on(lambda c, xs: lax.scan(lambda c, x: (c * x, c + 1), c, xs, reverse=True),
             normal(3), normal(length, 3), exactly=True)  # fmt: skip


def test_elements_that_begin_between_the_places_of_wide_accesses() -> None:
    """Rows of six: four in a row are read as one only where every row begins at 16 bytes."""
    agree_on(
        lambda xs: lax.map(lambda x: (x[:4] * 2, np.exp(x[2:])), xs), normal(5, 6), exactly=True
    )
    agree_on(lambda xs: lax.map(lambda x: np.sum(x[:, :4], 1), xs), normal(5, 3, 6))
    agree_on(lambda xs: lax.map(lambda x: x[:8].reshape(2, 4) @ x[:4], xs), normal(3, 9))


@pytest.mark.parametrize("n", [0, 1, 6])
def test_a_while_loop_stops_where_the_processor_does(n: int) -> None:
    def f(x: Any, n: Any) -> Any:
        return lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * F32(1.5)), (0, x))

    agree_on(f, normal(8), np.int64(n), exactly=True)

    def sieve(x: Any, n: Any) -> Any:
        step = lambda i, x: wl.numpy.at(x)[i].set(x[i - 1] + x[i - 2])  # noqa: E731
        return lax.fori_loop(2, n, step, x)

    agree_on(sieve, np.ones(9), np.int64(n + 3), exactly=True)


@pytest.mark.parametrize("index", [-1, 0, 1, 2, 7])
def test_branches_are_chosen_as_on_the_processor(index: int) -> None:
    branches = [lambda x: x * 2, lambda x: np.exp(x[::-1]), lambda x: np.zeros_like(x) + 1]
    agree_on(lambda i, x: lax.switch(i, branches, x), np.int64(index), normal(8), exactly=True)
    agree_on(lambda i, x: lax.cond(i > 0, np.sin, np.cos, x), np.int64(index), normal(8),
             exactly=True)  # fmt: skip


FUNCTIONS = control.PROGRAMS
W, XS = control.W, control.XS


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_derivatives_and_batches_of_loops_and_branches(f: Callable[..., Any]) -> None:
    agree_on(wl.value_and_grad(f, (0, 1)), W, XS)
    agree_on(lambda w, x: wl.jvp(f, (w, x), (w, x)), W, XS)
    agree_on(wl.vmap(wl.grad(f), in_axes=(None, 0)), W, np.stack([XS, XS + 1]))


def checkpointed_scan(h: Any, xs: Any) -> Any:
    step = lambda h, x: (np.sin(h * x) + h, h * 2)  # noqa: E731
    h, ys = lax.scan(step, h, xs, checkpoints=2)
    return np.sum(h) + np.sum(ys[1])


def checkpointed_while(h: Any, xs: Any) -> Any:
    step = lambda c: (c[0] + 1, np.sin(c[1] * xs[c[0]]) + c[1])  # noqa: E731
    grows = lambda c: np.all(c[1] < 3) & (c[0] < len(xs))  # noqa: E731
    turns, h = lax.while_loop(grows, step, (0, h), checkpoints=2)
    return np.sum(h) * turns


def checkpointed_count(h: Any, xs: Any) -> Any:
    step = lambda k, h: np.sin(h * xs[k]) + h  # noqa: E731
    return np.sum(lax.fori_loop(0, len(xs), step, h, checkpoints=2))


H = np.array([0.5, 0.3], F32)
CHECKPOINTED = (checkpointed_scan, checkpointed_while, checkpointed_count)


@pytest.mark.parametrize("f", CHECKPOINTED, ids=lambda f: f.__name__)
def test_loops_that_keep_a_few_carries_turn_back_as_on_the_processor(f: Callable[..., Any]) -> None:
    agree_on(wl.value_and_grad(f, (0, 1)), H, normal(6, 2) / 2)


def test_a_checkpointed_loop_in_a_checkpointed_loop_turns_back() -> None:
    def f(h: Any, xs: Any) -> Any:
        def outer(h: Any, x: Any) -> Any:
            inner = lambda k, h: np.sin(h) + x * h  # noqa: E731
            return lax.fori_loop(0, 3, inner, h, checkpoints=1), None

        return np.sum(lax.scan(outer, h, xs, checkpoints=1)[0])

    agree_on(wl.grad(f, (0, 1)), H, normal(3, 2))
    agree_on(wl.vmap(wl.grad(f), in_axes=(0, None)), np.stack([H, H + 1]), normal(2, 2))


def test_a_while_loop_forward_and_batched() -> None:
    agree_on(lambda a: wl.jvp(control.newton, (a,), (1.0,)), np.float64(2))
    agree_on(wl.vmap(control.newton), np.array([2.0, 9.0, 0.5]))


def test_a_loop_in_a_loop_in_a_branch_in_a_loop() -> None:
    def inner(c: Any, x: Any) -> Any:
        count = np.sum(x > 0)
        grown = lax.while_loop(lambda s: s[0] < count, lambda s: (s[0] + 1, s[1] * 2 + x), (0, c))
        return lax.cond(count % 2 == 0, lambda: grown[1], lambda: -c), count

    def outer(c: Any, xs: Any) -> Any:
        return lax.scan(inner, c, xs)

    agree_on(lambda c, xs: lax.scan(outer, c, xs), normal(4), normal(3, 2, 4), exactly=True)


def test_python_runs_between_the_launches_of_a_turn() -> None:
    seen: list[float] = []

    def look(v: np.ndarray) -> np.ndarray:
        seen.append(float(v[0]))
        return v[::-1].copy()

    def step(c: Any, x: Any) -> Any:
        y = wl.io_callback(look, wl.ShapeDtypeStruct(c.shape, c.dtype), c * 2, ordered=True)
        return y + x, y

    agree_on(lambda c, xs: lax.scan(step, c, xs), normal(4), normal(3, 4), exactly=True)
    assert len(seen) == 6 and seen[:3] == seen[3:]
