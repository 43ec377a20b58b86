"""Passes on what goes between processes: done once where it may be, never left out or guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.ops.transferred import ProcessPlace, Transferred
from wonderland.compiler.optimise.dead import dead
from wonderland.compiler.pipeline import GRAPH_PASSES
from wonderland.compiler.settings import changed

X = np.arange(6.0).reshape(2, 3)
MESH = (("i", 2), ("j", 3))


def optimised(f: Callable[..., Any], *args: Any) -> Graph:
    """The graph of `f` on a mesh, after all passes up to those that make buckets of sums."""
    with changed(mesh=MESH):
        graph = wl.trace(f, *args).graph
    for step in GRAPH_PASSES[: GRAPH_PASSES.index(dead) + 1]:
        graph = step(graph)
    return graph


def transfers(graph: Graph) -> Counter[str]:
    """How many of each kind stand outside of loops and branches."""
    kinds = [n.op.kind for n in graph.nodes if isinstance(n.op, Transferred)]
    return Counter(kinds + ["place"] * sum(isinstance(n.op, ProcessPlace) for n in graph.nodes))


def inside(graph: Graph) -> Counter[str]:
    """How many stand in the loops and branches, at any depth."""
    bodies = [g for n in graph.nodes for g in n.op.graphs]
    return sum((transfers(g) + inside(g) for g in bodies), Counter[str]())


def test_what_all_turns_have_is_transferred_once_whatever_its_size():
    def f(x: Any) -> Any:
        def turn(c: Any, t: Any) -> Any:
            wide = lax.all_gather(x, "j") * lax.axis_index("i")
            return c + np.sum(wide, 0) * t, lax.psum(np.broadcast_to(x[0], (4, 3)), "i")

        return lax.scan(turn, x, np.arange(5.0))

    graph = optimised(f, X)
    assert transfers(graph) == {"gather": 1, "sum": 1, "place": 1}
    assert inside(graph) == {}


def test_what_differs_in_every_turn_stays_and_leaves_no_branch():
    def f(x: Any, on: Any) -> Any:
        def turn(c: Any, t: Any) -> Any:
            taken = lax.cond(on, lambda x: lax.psum(x, "j"), lambda x: x, x)
            return lax.pmax(c * t, "i") + taken, None

        return lax.scan(turn, x, np.arange(5.0))[0]

    graph = optimised(f, X, True)
    assert transfers(graph) == {} and inside(graph) == {"max": 1, "sum": 1}


def test_the_same_transfer_is_done_once_and_what_nobody_reads_is_not():
    def f(x: Any) -> Any:
        lax.all_gather(x, "i")
        return lax.psum(x, "i") * lax.psum(x, "i") + lax.psum(x, "j")

    assert transfers(optimised(f, X)) == {"sum": 2}


def test_numbers_of_a_process_are_not_taken_for_those_of_others():
    # each process traces its own program, whose constants may be its own
    def f(x: Any) -> Any:
        own = np.asarray(2.0)
        return x + lax.psum(own, "i") + lax.pmax(np.array([1.0, 2.0, 3.0]), "j")

    assert transfers(optimised(f, X)) == {"sum": 1, "max": 1}


def test_the_place_is_told_of_what_computes_with_it_alone():
    def f(x: Any) -> Any:
        return lax.psum_scatter(x, "i"), lax.ppermute(x, "j", [(0, 1)]), lax.axis_index("j")

    assert transfers(optimised(f, X)) == {"scatter": 1, "permute": 1, "place": 1}


def test_a_gradient_has_the_transfers_of_its_transposes():
    def loss(x: Any) -> Any:
        return np.sum(np.sin(lax.all_gather(x, "i")) ** 2) + np.sum(lax.pmax(x, "j") ** 2)

    found = transfers(optimised(wl.grad(loss), X))
    # the winners are counted, and share the sum of cotangents
    assert found == {"gather": 1, "scatter": 1, "max": 1, "sum": 2}


def test_a_region_may_keep_what_others_gave():
    def block(x: Any) -> Any:
        return np.sum(np.sin(lax.psum(np.sin(x), "i")) ** 2)

    def policy(name: str, *_: Any, **parameters: Any) -> bool:
        return name == "psum"

    for kept, count in ((wl.checkpoint(block), 3), (wl.checkpoint(block, policy=policy), 2)):
        assert transfers(optimised(wl.value_and_grad(kept), X)) == {"sum": count}
