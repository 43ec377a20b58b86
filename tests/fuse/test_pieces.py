"""Works that only put values one after the other say so, and say which byte each begins at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse.emission import AnyWork
from wonderland.compiler.pipeline import Compiled, compile_graph

F32 = np.float32


def of(function: Callable[..., Any], *args: Any) -> Compiled:
    return compile_graph(wl.trace(function, *args).graph)


def works(c: Compiled) -> list[AnyWork]:
    return [w for _, w in (*c.plan.schedule.works, *c.plan.left_out)]


@pytest.mark.parametrize(
    ("function", "offsets"),
    [
        (lambda x, y: np.concatenate([np.sort(x), np.sort(y)]), (0, 1024)),
        (lambda x, y: np.concatenate([np.sort(x), np.sort(y)])[None], (0, 1024)),
        (lambda x, y: np.concatenate([np.sort(x)[None], np.sort(y)[None]], axis=1), (0, 1024)),
        (lambda x, y: np.concatenate([np.sort(x), np.sort(y), np.cumsum(x, 0)]), (0, 1024, 2048)),
    ],
)
def test_a_concatenation_in_the_order_of_memory_has_the_bytes_of_its_pieces(
    function: Callable[..., Any], offsets: tuple[int, ...]
) -> None:
    x = np.ones((16, 16), F32)
    found = [w for w in works(of(function, x, x * 2)) if w.pieces]
    assert [tuple(at for _, at in w.pieces) for w in found] == [offsets]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: np.concatenate([np.sort(x), np.sort(y)], axis=1),
        lambda x, y: np.concatenate([np.sort(x), np.sort(y) + 1]),
        lambda x, y: np.concatenate([np.sort(x), np.sort(y)[1:]]),
        lambda x, y: np.concatenate([np.sort(x), np.sort(x)]),
        lambda x, y: np.sort(x).T,
        lambda x, y: np.sort(x)[::-1],
    ],
)
def test_what_changes_repeats_or_leaves_out_elements_has_no_pieces(
    function: Callable[..., Any],
) -> None:
    x = np.ones((16, 16), F32)
    assert not any(w.pieces for w in works(of(function, x, x * 2)))


def test_long_pieces_and_reshaped_copies_are_written_where_they_are_wanted() -> None:
    x = np.arange(40_000, dtype=F32) % 7  # whole sums: exact in any order
    c = of(lambda x: np.concatenate([np.cumsum(x), np.cumsum(x[::-1])]), x)
    assert len(c.plan.left_out) == 1 and c.plan.arena_bytes == 0, str(c.plan)
    want = np.concatenate([np.cumsum(x), np.cumsum(x[::-1])])
    np.testing.assert_array_equal(c.program((x,))[0], want)
    c = of(lambda x: np.sort(x * 2, axis=1).reshape(-1), np.ones((64, 64), F32))
    (copy,) = [w for _, w in c.plan.left_out]
    assert copy.pieces == ((copy.reads[0], 0),)
