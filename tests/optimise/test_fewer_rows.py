"""The graph of fewer rows gives the rows of the graph of all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.optimise.dead import dead
from wonderland.compiler.optimise.fewer_rows import Uncut, fewer_rows
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.transform.interpreter import interpret

ROWS, FEW = 6, 2

w = np.random.default_rng(1).standard_normal((5, 5)).astype(np.float32)


def lstm(xs: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        i, f = np.split(np.tanh(x @ w[:, :4] + h @ w[:2, :4]), 2, axis=-1)
        c = f * c + i
        return (np.tanh(c), c), c

    zeros = np.zeros((ROWS, 2), np.float32)
    return wl.lax.scan(step, (zeros, zeros), xs)[1]


def looked_up(x: Any) -> Any:
    table = wl.numpy.asarray(np.arange(20, dtype=np.float32).reshape(4, 5))
    return table[(x[:, 0] > 0).astype(int)] + np.take_along_axis(x, np.argmax(x, 1)[:, None], 1)


CUT: dict[str, tuple[Callable[..., Any], tuple[int, ...], int]] = {
    "elementwise": (lambda x: np.exp(x) * np.float32(2) + w[0], (ROWS, 5), 0),
    "softmax": (lambda x: np.exp(x - x.max(1, keepdims=True)) / np.exp(x).sum(1)[:, None],
                (ROWS, 5), 0),
    "product": (lambda x: np.tanh(x @ w) @ w.T, (ROWS, 5), 0),
    "scores": (lambda x: np.einsum("thd,shd->hts", x, np.ones((4, 3, 5), np.float32)),
               (ROWS, 3, 5), 1),
    "merged rows": (lambda x: (x.reshape(-1, 5) @ w).reshape(ROWS, 3, 5), (ROWS, 3, 5), 0),
    "heads": (lambda x: (x @ w).reshape(3, ROWS, 1, 5).transpose(1, 2, 0, 3), (3, ROWS, 5), 0),
    "columns": (lambda x: np.cumsum(x[:3], 0).T, (5, ROWS), 0),
    "joined": (lambda x: np.pad(np.hstack([x, x[:, ::-1]]), ((0, 0), (1, 0))), (ROWS, 5), 0),
    "index": (lambda x: np.where(np.arange(5) > x, x, np.float32(-1)), (ROWS, 5), 0),
    "gather": (looked_up, (ROWS, 5), 0),
    "lstm": (lstm, (4, ROWS, 5), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_rows(name: str) -> None:
    function, shape, axis = CUT[name]
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = dead(inline(wl.trace(function, x).graph))
    (whole,) = interpret(graph, x)
    found = fewer_rows(graph, [axis], ROWS, FEW)
    for start in range(0, ROWS, FEW):
        rows = range(start, start + FEW)
        operands = ((v.node.op.reference() if v.node else x, along) for v, along in found.operands)
        (piece,) = interpret(found.graph, *(a.take(rows, along) for a, along in operands))
        np.testing.assert_allclose(piece, whole.take(rows, axis), rtol=1e-6)


UNCUT: dict[str, tuple[Callable[..., Any], str]] = {
    "sum": (lambda x: np.cumsum(x, 0), "cumsum does not keep its rows apart"),
    "turned": (lambda x: np.flip(x, 0), "flip does not"),
    "part": (lambda x: np.concatenate([x[1:], x[:1]]), "concatenate does not"),
    "number of a row": (lambda x: x + wl.numpy.arange(ROWS)[:, None], "iota does not"),
    "ragged": (lambda x: x.reshape(5, -1).reshape(ROWS, 5), "a reshape from"),
    "turns": (lambda x: wl.lax.scan(lambda c, y: (c + y, c), x[0], x)[1], "turns of a loop"),
    "carry": (
        lambda x: wl.lax.scan(lambda c, _: (c - c.sum(0), None), x, None, 3)[0],
        "in another way",
    ),
}


@pytest.mark.parametrize("name", UNCUT)
def test_rows_that_meet(name: str) -> None:
    function, why = UNCUT[name]
    graph = dead(inline(wl.trace(function, np.ones((ROWS, 5), np.float32)).graph))
    with pytest.raises(Uncut, match=why):
        fewer_rows(graph, [0], ROWS, FEW)


def test_a_leaf_is_read() -> None:
    graph = wl.trace(lambda x: np.exp(x @ w), np.ones((ROWS, 5), np.float32)).graph
    product = next(n.out for n in graph.nodes if n.op.name == "dot_general")
    found = fewer_rows(graph, [0], ROWS, FEW, lambda v: v is product)
    assert found.operands == ((product, 0),)
    assert [n.op.name for n in found.graph.nodes] == ["exp"]
