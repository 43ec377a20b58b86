"""What to load and what to compute: as cheap as brute force, and as networkx."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Sequence

import networkx

from wonderland.compiler.fuse.minimum_cut import ValueCost, cheapest, decided


def paid(choices: Sequence[ValueCost], wanted: Collection[int], loads: Collection[int]) -> float:
    stack, seen, total = list(wanted), set[int](), 0.0
    while stack:
        v = stack.pop()
        if v not in seen:
            seen.add(v)
            total += choices[v].load if v in loads else choices[v].compute
            stack += () if v in loads else choices[v].args
    return total


def some(seed: int, most: int) -> tuple[list[ValueCost], list[int]]:
    """Choices, a few of which must be computed or loaded, and what is wanted."""
    rng = random.Random(seed)
    found: list[ValueCost] = []
    for v in range(rng.randint(1, most)):
        args = tuple(sorted(rng.sample(range(v), min(v, rng.randint(0, 3)))))
        load = math.inf if args and rng.random() < 0.2 else rng.randint(0, 9)
        found.append(ValueCost(load, rng.randint(0, 9) if args else math.inf, args))
    return found, [v for v in range(len(found)) if rng.random() < 0.3] or [len(found) - 1]


def test_the_choice_is_as_cheap_as_any() -> None:
    undecided = 0
    for seed in range(1000):
        choices, wanted = some(seed, 8)
        places = range(len(choices))
        every = (c for k in range(len(choices) + 1) for c in itertools.combinations(places, k))
        least = min(paid(choices, wanted, loads) for loads in every)
        assert paid(choices, wanted, cheapest(choices, wanted)) == least, f"seed {seed}"
        undecided += bool(decided(choices, wanted)[2])
    assert undecided > 100  # which need a flow


def test_the_choice_costs_the_cut_of_the_whole_network() -> None:
    for seed in range(100):
        choices, wanted = some(seed, 60)
        graph = networkx.DiGraph()
        for v in wanted:
            graph.add_edge("source", (v, "had"), capacity=math.inf)
        for v, c in enumerate(choices):
            graph.add_edge((v, "had"), (v, "computed"), capacity=c.load)
            graph.add_edge((v, "computed"), "sink", capacity=c.compute)
            for a in c.args:
                graph.add_edge((v, "computed"), (a, "had"), capacity=math.inf)
        least, _ = networkx.minimum_cut(graph, "source", "sink")
        assert paid(choices, wanted, cheapest(choices, wanted)) == least, f"seed {seed}"


def test_only_what_is_needed_is_loaded() -> None:
    choices = [
        ValueCost(4, math.inf),
        ValueCost(4, 1, (0,)),
        ValueCost(9, 1, (1,)),
        ValueCost(1, math.inf),
    ]
    assert cheapest(choices, [2]) == {1}
    assert cheapest(choices, [1, 2]) == {1}
    assert cheapest(choices, [0, 2]) == {0}
