"""Long sweeps over random graphs, by hand: `make sweep`.

Batches that compile are processes of their own, since machine code stays.
"""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from tests.optimise.test_meaning import REORDERED, same
from wonderland.compiler.ir.text import constants_of, parse
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.optimise.layout import layout
from wonderland.compiler.optimise.parts import in_memory, parts
from wonderland.compiler.pipeline import GRAPH_PASSES, compile_graph, machine_code
from wonderland.compiler.transform.interpreter import interpret

from .random_graphs import random_arrays, random_graph
from .test_compiled import agree

INTERPRETED, COMPILED = range(100_000, 120_000, 1000), range(200_000, 201_000, 50)


def near(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a product in another order of its operands is the same product."""
    wide = np.complex128 if np.iscomplexobj(x) else np.float64
    return bool(np.allclose(x.astype(wide), y.astype(wide), 1e-4, 1e-4, equal_nan=True))


@pytest.mark.sweep
@pytest.mark.parametrize("start", INTERPRETED)
def test_every_pass_keeps_the_meaning_of_many_random_graphs(start: int) -> None:
    for seed in range(start, start + INTERPRETED.step):
        graph = random_graph(seed)
        arrays = random_arrays(graph, seed)
        assert parse(str(graph), constants_of(graph)) == graph, f"seed {seed}"
        expected = interpret(graph, *arrays)
        for one in GRAPH_PASSES:
            other_order = one in (layout, parts) or (
                one is inline and any(isinstance(n.op, REORDERED) for n in graph.nodes)
            )
            graph = verify(one(graph), one.__name__, graph)
            if one is parts:
                arrays, expected = (tuple(map(in_memory, xs)) for xs in (arrays, expected))
            got = interpret(graph, *arrays)
            equal = near if other_order else same
            assert all(map(equal, got, expected)), f"{one.__name__}, seed {seed}\n{graph}"
            expected = got


def compiled_batch(start: int) -> None:
    compiled = [compile_graph(random_graph(s)) for s in range(start, start + COMPILED.step)]
    machine_code(low for c in compiled for _, low in c.lowered)
    for k, c in enumerate(compiled):
        agree(c, random_arrays(c.graph, start + k))


@pytest.mark.sweep
@pytest.mark.parametrize("start", COMPILED)
def test_many_random_graphs_compiled_equal_interpreted(start: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=compiled_batch, args=(start,))
    process.start()
    process.join()
    assert process.exitcode == 0, f"a seed from {start} on"
