"""Products of rows that are picked of fewer rows: the same numbers, of products of the fewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ops.contract import DotGeneral

RNG = np.random.default_rng(0)
NODES, EDGES = 6, 24
H, MORE = RNG.standard_normal((NODES, 3)), RNG.standard_normal((EDGES, 2))
SENDERS, RECEIVERS = RNG.integers(0, NODES, (2, EDGES))


def of_both_ends(h: Any, e: Any, w: Any) -> Any:
    return np.concatenate([h[SENDERS], e, h[RECEIVERS]], axis=1) @ w


def of_one_end_twice(h: Any, e: Any, w: Any) -> Any:
    messages = h[SENDERS]
    return np.concatenate([messages, e, messages], axis=1) @ w


def of_pairs(h: Any, e: Any, w: Any) -> Any:
    return h[SENDERS.reshape(4, 6)] @ w[:3] + np.sum(e)


def of_an_index_beyond(h: Any, e: Any, w: Any) -> Any:
    return wl.numpy.take(h, SENDERS - 3, axis=0) @ w[:3] * np.mean(e)


FORMS = [of_both_ends, of_one_end_twice, of_pairs, of_an_index_beyond]


def rows_of_products(function: Any, *args: Any) -> list[int]:
    nodes = wl.trace(function, *args).graph.nodes
    return [n.args[0].shape[0] for n in nodes if isinstance(n.op, DotGeneral)]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_rows_are_multiplied_before_they_are_picked(form: Any) -> None:
    w = RNG.standard_normal((8, 4))
    assert NODES in rows_of_products(form, H, MORE, w)
    np.testing.assert_allclose(wl.jit(form)(H, MORE, w), form(H, MORE, w), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_derivatives_are_those_of_the_product(form: Any) -> None:
    w = RNG.standard_normal((8, 4))
    wl.testing.check_gradients(lambda *args: np.sin(form(*args)), H, MORE, w)


def test_gradients_multiply_no_row_of_an_edge() -> None:
    def loss(h: Any, w: Any) -> Any:
        return np.sum(np.tanh(np.concatenate([h[SENDERS], h[RECEIVERS]], axis=1) @ w))

    w = RNG.standard_normal((6, 4))
    graph = wl.trace(wl.grad(loss, argnums=(0, 1)), H, w).graph
    products = [n for n in graph.nodes if isinstance(n.op, DotGeneral)]
    assert products and all(EDGES not in a.shape for n in products for a in n.args)


def test_rows_of_more_are_picked_first() -> None:
    few = np.array([1, 4])
    assert rows_of_products(lambda h, w: h[few] @ w, H, np.ones((3, 2))) == [2]


def test_rows_that_are_not_there_are_not_multiplied() -> None:
    def filled(h: Any, w: Any) -> Any:
        return wl.numpy.take(h, SENDERS + 3, axis=0, mode="fill", fill_value=0.0) @ w

    w = np.full((3, 2), np.inf)
    assert rows_of_products(filled, H, w) == [EDGES]
