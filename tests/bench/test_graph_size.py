"""Growth with the size of a graph: the steps that are timed, and the exponent that is told."""

from __future__ import annotations

import numpy as np

import wonderland as wl
from bench.graph_size import PER_LAYER, chain, growth, of_wonderland, timed
from bench.harness import Figure


def test_a_layer_is_as_many_nodes_of_the_gradient_as_is_said():
    x = np.ones(4, np.float32)
    graph = wl.trace(wl.grad(chain(20, np)), x, x).graph
    assert abs(len(graph.nodes) - 20 * PER_LAYER) < 10


def test_every_step_of_the_compiler_is_timed():
    names = [name for name, seconds in timed(of_wonderland(2)) if seconds > 0]
    assert names == [
        "trace",
        "trace of the gradient",
        "graph passes of the gradient",
        "fuse",
        "schedule and buffers",
    ]


def test_steps_end_before_one_that_is_too_slow():
    assert [name for name, _ in timed(of_wonderland(2), {"fuse"})][-1].startswith("graph passes")


def test_growth_is_the_exponent_from_the_second_size_to_the_last():
    figures = [
        Figure("fuse", f"{n} nodes", {"wonderland": s, "jax": 1.0})
        for n, s in ((100, 1.0), (1_000, 2.0), (100_000, 2.0 * 100**1.5))
    ]
    assert growth(figures) == "fuse: 20000 us a node, grows as nodes^1.50"
    assert growth([Figure("product", "[2, 2]", {"wonderland": 1.0})]) == ""
