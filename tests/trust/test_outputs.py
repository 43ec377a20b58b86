"""Results are their owner's: no call, argument, constant or other result is seen through them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.trace import tree

LARGE = 1 << 16  # of f64: results come from a pool


@pytest.mark.parametrize("n", [0, 1, 40, LARGE])
def test_results_share_memory_with_nothing(n):
    constant = np.arange(float(n))

    def f(x):
        return {"same": x, "again": x, "view": x[::2], "shape": x.reshape(-1, 1), "known": constant,
                "known again": constant, "new": x + 1, "new again": x + 1}  # fmt: skip

    compiled, x = wl.jit(f), np.arange(float(n)) ** 2
    results = tree.leaves(compiled(x))
    for a, b in itertools.combinations([*results, x, constant], 2):
        assert not np.shares_memory(a, b)
    for r in results:
        assert r.flags.writeable and r.flags.c_contiguous and type(r) is np.ndarray
        r[...] = -7
    assert all(map(np.array_equal, tree.leaves(compiled(x)), tree.leaves(f(x))))
    assert np.array_equal(x, np.arange(float(n)) ** 2)


def test_what_a_function_closes_over_is_read_once():
    constant, x = np.arange(5.0), np.ones(5)
    f = wl.jit(lambda x: x * constant)
    f(x)
    constant[:] = 99
    assert np.array_equal(f(x), np.arange(5.0))


VIEWS: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda x: x,
    lambda x: x[5:-7:3],
    lambda x: x[::-1],
    lambda x: x.reshape(4, -1).T,
    lambda x: x.view(np.int64).view(np.float64),
    lambda x: np.frombuffer(x.data, np.float64)[1:],
    lambda x: np.asarray(x[100:200].data),
    lambda x: np.broadcast_to(x[:1], (30,)),
    lambda x: np.from_dlpack(x)[::2],
]


@pytest.mark.parametrize("n", [400, LARGE])
def test_results_are_kept_sliced_and_dropped_in_any_order_while_the_function_runs(n):
    rng = np.random.default_rng(0)
    f = wl.jit(lambda x, k: (x + k, x * 0 - k))
    x = np.zeros(n)
    held: list[tuple[np.ndarray, float]] = []
    for k in range(250):
        pair = f(x, float(k))
        for i, number in enumerate((k, -k)):
            if rng.integers(3):
                held.append((VIEWS[rng.integers(len(VIEWS))](pair[i]), number))
        del pair
        while len(held) > 8:
            del held[rng.integers(len(held))]
        for view, number in held:
            assert (view == number).all()


def test_results_feed_the_function_that_made_them():
    f, x = wl.jit(lambda x: x[::-1] + 1), np.arange(float(LARGE))
    want = x
    for _ in range(9):
        x, want = f(x), want[::-1] + 1
    assert np.array_equal(x, want)


def test_results_outlive_their_function():
    results = [wl.jit(lambda x, k=k: x + k)(np.zeros(LARGE)) for k in range(4)]
    others = [wl.jit(lambda x: x * 3)(np.ones(LARGE)) for _ in range(4)]
    assert [set(r) for r in results] == [{0.0}, {1.0}, {2.0}, {3.0}]
    assert all(set(o) == {3.0} for o in others)
