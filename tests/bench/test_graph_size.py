"""Growth with the size of a graph: the steps that are timed, and the exponent that is told."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from bench.graph_size import SHAPES, growth, most_bytes, of_wonderland, timed
from bench.harness import Figure


@pytest.mark.parametrize("name", SHAPES)
def test_a_part_is_as_many_nodes_of_the_gradient_as_is_said(name: str):
    few, many = (
        len(wl.trace(program, *arguments).graph.nodes)
        for _, program, arguments in (SHAPES[name].make(n, np, wl.grad) for n in (8, 24))
    )
    assert abs((many - few) / 16 / SHAPES[name].nodes - 1) < 0.1


def test_every_step_of_the_compiler_is_timed():
    names = [name for name, seconds in timed(of_wonderland(SHAPES["chain"], 2)) if seconds > 0]
    assert names == [
        "trace",
        "trace of the gradient",
        "graph passes",
        "fuse",
        "texts",
        "schedule and buffers",
    ]


def test_steps_end_before_one_that_is_too_slow():
    steps = of_wonderland(SHAPES["chain"], 2)
    assert [name for name, _ in timed(steps, {"fuse"})][-1] == "graph passes"


def test_memory_is_of_the_largest_step():
    assert 10_000 < most_bytes(SHAPES["chain"], 2) < most_bytes(SHAPES["chain"], 40)


def test_growth_is_the_exponent_from_the_second_size_to_the_last():
    figures = [
        Figure("fuse", f"{n} nodes", {"wonderland": s, "jax": 1.0})
        for n, s in ((100, 1.0), (1_000, 2.0), (100_000, 2.0 * 100**1.5))
    ]
    assert growth(figures) == "fuse: 20000 us a node, grows as nodes^1.50"
    assert growth([Figure("product", "[2, 2]", {"wonderland": 1.0})]) == ""
