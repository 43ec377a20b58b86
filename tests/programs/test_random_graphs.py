"""The generator of random graphs: covers every op, keeps values tame, and is repeatable."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.programs.random_graphs import random_arrays, random_graph, random_names
from wonderland.compiler.ir.graph import Op
from wonderland.compiler.ir.types import NUMPY
from wonderland.compiler.ops.collective import Collective
from wonderland.compiler.ops.cumulative import Cummax
from wonderland.compiler.ops.nested.slabs import Slabs
from wonderland.compiler.ops.transferred import ProcessPlace, Transferred
from wonderland.compiler.transform.interpreter import interpret
from wonderland.extend import Elementwise, Expr, scalar

OF_PASSES = Collective | Slabs | ProcessPlace | Transferred
SEEDS = range(400)  # each op begins two graphs or more


def test_seeds_in_a_row_cover_every_op_and_keep_to_the_size() -> None:
    graphs = [random_graph(s) for s in SEEDS]
    # others stand in a vmap, or are made when derivatives are taken
    ordinary = {n for n, op in Op.registry.items() if not issubclass(op, OF_PASSES)}
    assert {n.op.name for g in graphs for n in g.nodes} == ordinary
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
            assert result.dtype.kind not in "fc" or np.all(np.abs(result) < 200)


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """The registry as it was, after each test."""
    known = dict(Op.registry)
    yield
    Op.registry.clear()
    Op.registry.update(known)


def test_an_op_that_does_not_say_what_it_takes_is_named() -> None:
    class Halflog(Elementwise):
        """log(x) / 2, of an interval that is not told"""

        arity = 1
        domain = ("f32", "f64")

        def reference(self, *args: np.ndarray) -> Any:
            return np.where(args[0] > 5, np.log(args[0]) / 2, np.nan)

    names = random_names()
    with pytest.raises(AssertionError) as caught:
        random_graph(names.index("halflog"))
    for part in ("begins with op 'halflog'", "halflog: it is not finite for all", "`interval`"):
        assert part in str(caught.value)


def test_an_op_of_a_family_is_drawn_as_its_family() -> None:
    class Cumlarge(Cummax):
        """The greatest so far, under another name"""

    names = random_names()
    seeds = range(names.index("cumlarge"), 3 * len(names), len(names))
    assert any(isinstance(n.op, Cumlarge) for s in seeds for n in random_graph(s).nodes)


@pytest.mark.parametrize("interval", [(-2.0, 2.0), (0.25, 0.75), (3.0, 40.0)])
def test_an_op_that_nobody_told_of_has_graphs(interval: tuple[float, float]) -> None:
    """Its class says what it takes; how large its results are its reference tells."""

    class Untold(Elementwise):
        """x^3"""

        arity = 1
        domain = ("f32", "f64")

        def reference(self, *args: np.ndarray) -> Any:
            most = 8 if interval == Elementwise.interval else interval[1] + 0.01
            assert args[0].dtype == bool or (np.abs(args[0]) <= most).all()
            return args[0] ** 3

        def expression(self, *args: Expr) -> Expr:
            return scalar("mul", args[0], scalar("mul", args[0], args[0]))

    Untold.interval = interval
    names = random_names()
    at = names.index("untold")
    graphs = {seed: random_graph(seed) for seed in range(at, 6 * len(names), len(names))}
    assert any(n.op.name == "untold" for g in graphs.values() for n in g.nodes)
    for seed, graph in graphs.items():
        for result in interpret(graph, *random_arrays(graph, seed)):
            assert result.dtype.kind not in "fc" or np.isfinite(result).all()
