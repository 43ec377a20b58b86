"""Every pass keeps the meaning of random graphs, by the interpreter; its result is well formed."""

import numpy as np
import pytest

from tests.programs.random_graphs import random_arrays, random_graph
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops.convolution import Convolution
from wonderland.compiler.ops.windows import OverlapAdd
from wonderland.compiler.optimise.cse import cse
from wonderland.compiler.optimise.dead import dead
from wonderland.compiler.optimise.fold import fold
from wonderland.compiler.optimise.hoist import hoist
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.optimise.parts import in_memory, parts
from wonderland.compiler.optimise.simplify import simplify
from wonderland.compiler.optimise.sink import sink
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.pairs import has_complex

PASSES = (dead, inline, sink, fold, simplify, cse, hoist, dead)
BATCH = 250
REORDERED = (Convolution, OverlapAdd)
"""Ops whose sums are in another order once they are others."""


def same(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether all bits agree, where NaN is NaN."""
    if np.iscomplexobj(x):
        return same(in_memory(x), in_memory(y))
    return bool(np.all((x == y) & (np.signbit(x) == np.signbit(y)) | (x != x) & (y != y)))


def test_complex_values_by_parts_keep_the_meaning_of_random_graphs() -> None:
    complexes = 0
    for seed in range(600):
        graph = random_graph(seed)
        if not has_complex(graph):
            continue
        complexes += 1
        arrays = random_arrays(graph, seed)
        real = verify(parts(graph), "parts", graph)
        assert not has_complex(real)
        found = interpret(real, *map(in_memory, arrays))
        for got, want in zip(found, map(in_memory, interpret(graph, *arrays)), strict=True):
            np.testing.assert_allclose(got, want, 1e-4, 1e-4, err_msg=f"seed {seed}\n{graph}")
    assert complexes > 100


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
            if one is inline and any(isinstance(n.op, REORDERED) for n in before.nodes):
                for x, y in zip(got, expected, strict=True):  # sums are in another order
                    np.testing.assert_allclose(x, y, 1e-4, 1e-4, err_msg=f"seed {seed}\n{before}")
                expected = got
            assert all(map(same, got, expected)), f"{one.__name__}, seed {seed}\n{before}\n{graph}"
