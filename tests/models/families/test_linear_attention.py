"""Linear attention: its definition, its chunks and its recurrence are one function."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.families import linear_attention as la

rng = np.random.default_rng(0)
CLOSE: Any = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(autouse=True)
def interpreted():
    with wl.disable_jit():
        yield


def drawn(time: int) -> tuple[Any, Any, Any]:
    q, k = (np.asarray(la.feature(rng.normal(size=(2, 3, time, 4)))) for _ in range(2))
    return q, k, rng.normal(size=(2, 3, time, 5))


@pytest.mark.parametrize("chunk", [1, 4, 7, 30])
def test_chunks_and_the_recurrence_are_the_definition(chunk: int) -> None:
    q, k, v = drawn(13)
    similar = np.einsum("...td,...sd->...ts", q, k) * np.tri(13)
    want = (similar / similar.sum(-1, keepdims=True)) @ v
    np.testing.assert_allclose(la.attend(q, k, v), want, **CLOSE)
    np.testing.assert_allclose(la.attend_by_chunks(q, k, v, chunk), want, **CLOSE)
    np.testing.assert_allclose(la.attend_in_turn(q, k, v), want, **CLOSE)


def test_their_gradients_are_equal_too() -> None:
    args, weight = drawn(9), rng.normal(size=(2, 3, 9, 5))
    ways: tuple[Any, ...] = la.attend, partial(la.attend_by_chunks, chunk=4), la.attend_in_turn
    slopes = [
        wl.grad(lambda *qkv: np.sum(f(*qkv) * weight), argnums=(0, 1, 2))(*args)  # noqa: B023
        for f in ways
    ]
    for other in slopes[1:]:
        wl.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), slopes[0], other)


def test_what_chunks_keep_grows_with_the_length_alone() -> None:
    def largest(time: int) -> int:
        args = [np.zeros((1, 1, time, 8), np.float32)] * 3
        graph = wl.trace(partial(la.attend_by_chunks, chunk=16), *args).graph
        return max(int(np.prod(x.shape)) for x in graph.values)

    assert largest(1024) == 4 * largest(256)


def reader() -> la.Reader:
    key = wl.random.key(0)
    made = la.Reader.init(key, lambda key: la.LinearAttention.init(key, 8, heads=2), 11, 8)
    return wl.tree.map(lambda x: x.astype(np.float64), made)


def test_a_text_read_at_once_is_read_in_turn_and_the_state_does_not_grow() -> None:
    model, ids = reader(), rng.integers(0, 11, (2, 40)).astype(np.int32)
    logits, state = model(ids), model.start(2)
    shapes = [x.shape for x in wl.tree.leaves(state)]
    for t in range(40):
        state, now = model.step(state, ids[:, t])
        np.testing.assert_allclose(now, logits[:, t], **CLOSE)
    assert [x.shape for x in wl.tree.leaves(state)] == shapes


def test_later_characters_change_no_earlier_logit() -> None:
    model, ids = reader(), rng.integers(0, 11, (1, 40)).astype(np.int32)
    other = ids.copy()
    other[:, 35:] = (other[:, 35:] + 1) % 11
    a, b = np.asarray(model(ids)), np.asarray(model(other))
    np.testing.assert_array_equal(a[:, :35], b[:, :35])
    assert (a[:, 35:] != b[:, 35:]).any(-1).all()
