"""Matrices that are the same in every turn are packed before the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.optimise.prepack import prepack
from wonderland.compiler.pipeline import optimised
from wonderland.compiler.transform.interpreter import interpret

LANES = {"f32": 8, "f64": 4}
TURNS, ROWS, DEPTH = 5, 9, 96


def drawn(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return (np.random.default_rng(len(shape)).standard_normal(shape) / 8).astype(dtype)


def rnn(w: Any, xs: Any) -> Any:
    return wl.lax.scan(lambda h, x: (np.tanh(x + h @ w), h), xs[0], xs)


def passed(function: Callable[..., Any], *args: np.ndarray) -> Graph:
    """The graph that `prepack` is given."""
    *_, last = optimised(wl.trace(function, *args).graph)
    return last.state  # pyright: ignore[reportReturnType]


def factors(graph: Graph) -> list[tuple[int, ...]]:
    """The shapes of the right factors of all products, outer loops first."""
    found = [n.args[1].shape for n in graph.nodes if n.op.name == "dot_general"]
    return found + [shape for n in graph.nodes for g in n.op.graphs for shape in factors(g)]


LOOPS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...], tuple[int, ...]]] = {
    "square": (rnn, (drawn(DEPTH, DEPTH), drawn(TURNS, ROWS, DEPTH)), (6, DEPTH, 16)),
    "f64": (
        rnn,
        (drawn(72, 72, dtype=np.float64), drawn(TURNS, ROWS, 72, dtype=np.float64)),
        (9, 72, 8),
    ),
    "turned": (
        lambda w, xs: rnn(w.T, xs),
        (drawn(DEPTH, DEPTH), drawn(TURNS, ROWS, DEPTH)),
        (6, DEPTH, 16),
    ),
    "few rows": (rnn, (drawn(DEPTH, DEPTH), drawn(TURNS, 4, DEPTH)), (3, DEPTH, 32)),
    "ragged": (
        lambda w, xs: wl.lax.scan(lambda c, x: (c + 1, x @ w), 0, xs)[1],
        (drawn(DEPTH, 90), drawn(TURNS, ROWS, DEPTH)),
        (6, DEPTH, 16),
    ),
    "heads": (
        lambda w, xs: wl.lax.scan(
            lambda h, x: (np.tanh(np.einsum("bhk,hkn->bhn", h, w) + x), h), xs[0], xs
        ),
        (drawn(3, DEPTH, DEPTH), drawn(TURNS, ROWS, 3, DEPTH)),
        (3, 6, DEPTH, 16),
    ),
    "a loop in a loop": (
        lambda w, xs: wl.lax.scan(lambda h, x: (rnn(w, xs + h)[0], h), xs[0], xs)[1],
        (drawn(DEPTH, DEPTH), drawn(TURNS, ROWS, DEPTH)),
        (6, DEPTH, 16),
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_the_loop_reads_panels(name: str) -> None:
    function, args, shape = LOOPS[name]
    before = passed(function, *args)
    after = prepack(before, LANES)
    assert shape not in factors(before) and factors(after) == [shape]
    (loop,) = (n for n in after.nodes if n.op.name == "scan")
    assert shape in [a.shape for a in loop.args]  # made before the outermost loop
    for x, y in zip(interpret(after, *args), interpret(before, *args), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "function, args",
    [
        (rnn, (drawn(40, 40), drawn(TURNS, ROWS, 40))),  # it stays in the nearest cache
        (rnn, (drawn(DEPTH, DEPTH), drawn(2, ROWS, DEPTH))),  # it is packed twice
        (rnn, (drawn(256, 256), drawn(TURNS, 256))),  # nothing is read twice
        (
            lambda w, xs: wl.lax.scan(lambda w, x: (w * np.float32(2), x @ w), w, xs)[1],
            (drawn(DEPTH, DEPTH), drawn(TURNS, ROWS, DEPTH)),
        ),
        (
            lambda w, xs: wl.lax.scan(lambda c, x: (c + 1, x @ w), 0, xs)[1],
            (drawn(1024, 9), drawn(TURNS, ROWS, 1024)),  # most of a panel would be idle
        ),
    ],
    ids=["near", "few turns", "a row", "carried", "few columns"],
)
def test_other_matrices_stay(function: Callable[..., Any], args: tuple[np.ndarray, ...]) -> None:
    graph = passed(function, *args)
    assert prepack(graph, LANES) is graph


def test_what_follows_a_product_of_panels_is_its_epilogue() -> None:
    args = drawn(DEPTH, DEPTH), drawn(TURNS, ROWS, DEPTH)
    loss = lambda w, xs: np.sum(rnn(w, xs)[1] ** 2)  # noqa: E731
    step = wl.jit(wl.grad(loss, (0, 1)))
    table = step.inspect(*args)["table"]
    assert "product_mul" in table and "product_add" in table and "map_tanh" not in table
    graph = wl.trace(wl.grad(loss, (0, 1)), *args).graph
    for x, y in zip(step(*args), interpret(graph, *args), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)
