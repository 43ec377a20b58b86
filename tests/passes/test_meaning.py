"""Every pass keeps the meaning of random graphs, by the interpreter; its result is well formed."""

import numpy as np
import pytest

from tests.random_graphs import random_arrays, random_graph
from wonderland.compiler.interpreter import interpret
from wonderland.compiler.passes.cse import cse
from wonderland.compiler.passes.dead import dead
from wonderland.compiler.passes.fold import fold
from wonderland.compiler.passes.hoist import hoist
from wonderland.compiler.passes.inline import inline
from wonderland.compiler.passes.simplify import simplify
from wonderland.compiler.passes.sink import sink
from wonderland.compiler.verify import verify

PASSES = (dead, inline, sink, fold, simplify, cse, hoist, dead)
BATCH = 250


def same(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether all bits agree, where NaN is NaN."""
    return bool(np.all((x == y) & (np.signbit(x) == np.signbit(y)) | (x != x) & (y != y)))


@pytest.mark.parametrize("start", range(0, 2000, BATCH))
def test_every_pass_keeps_the_meaning_of_random_graphs(start: int):
    for seed in range(start, start + BATCH):
        graph = random_graph(seed)
        arrays = random_arrays(graph, seed)
        expected = interpret(graph, *arrays)
        for one in PASSES:
            before, graph = graph, verify(one(graph), one.__name__, graph)
            assert graph.types == before.types
            got = interpret(graph, *arrays)
            assert all(map(same, got, expected)), f"{one.__name__}, seed {seed}\n{before}\n{graph}"
