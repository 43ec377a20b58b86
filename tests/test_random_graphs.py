"""The generator of random graphs: covers every op, keeps values tame, and is repeatable."""

import numpy as np

from tests.random_graphs import random_arrays, random_graph
from wonderland.compiler.interpreter import interpret
from wonderland.compiler.ir import Op
from wonderland.compiler.ops.collective import Collective
from wonderland.compiler.types import NUMPY

SEEDS = range(250)  # each op begins two graphs or more


def test_seeds_in_a_row_cover_every_op_and_keep_to_the_size() -> None:
    graphs = [random_graph(s) for s in SEEDS]
    ordinary = {n for n, op in Op.registry.items() if not issubclass(op, Collective)}
    assert {n.op.name for g in graphs for n in g.nodes} == ordinary  # others stand in a vmap
    assert all(1 <= len(g.nodes) <= 12 for g in graphs)
    assert all(len(random_graph(s, nodes=6).nodes) <= 6 for s in SEEDS)


def test_shapes_are_odd_now_and_then_and_outputs_are_several() -> None:
    graphs = [random_graph(s) for s in SEEDS]
    sizes = {n for g in graphs for v in g.values for n in v.shape}
    assert {0, 1, 17} <= sizes
    assert {1, 2, 3} <= {len(g.outputs) for g in graphs}
    assert {v.dtype for g in graphs for v in g.inputs} == set(NUMPY)


def test_the_same_seed_gives_the_same_graph_and_finite_results() -> None:
    for s in SEEDS:
        graph = random_graph(s)
        assert graph == random_graph(s)
        for result in interpret(graph, *random_arrays(graph, s)):
            assert result.dtype.kind != "f" or np.all(np.abs(result) < 200)
