"""A budget of bytes is kept, costs no bit, and says what is least."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.programs.random_graphs import random_arrays, random_graph
from tests.programs.test_compiled import agree
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Graph, Value, apply_all
from wonderland.compiler.ir.walk import inline_graph
from wonderland.compiler.ops.nested import Checkpoint
from wonderland.compiler.optimise.inline import inline as inlined
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.plan.buffers import check_overlap
from wonderland.compiler.transform.linearize import linearize
from wonderland.compiler.transform.transpose import transpose

LAYERS, WIDTH, BATCH = 12, 16, 256


def loss(weights: list[Any], x: Any) -> Any:
    for w in weights:
        x = np.tanh(x @ w)
    return np.mean(x * x)


def arguments() -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(WIDTH, WIDTH)).astype(np.float32) / 4 for _ in range(LAYERS)]
    return weights, rng.normal(size=(BATCH, WIDTH)).astype(np.float32)


def least_budget(function: Any, *args: Any) -> int:
    with pytest.raises(ProgramError, match="memory_budget: at least") as caught:
        wl.jit(function, memory_budget=1).compile(*args)
    found = re.search(
        r"memory_budget: at least (\d+) bytes are required, got 1;", str(caught.value)
    )
    assert found
    return int(found[1])


@pytest.mark.parametrize("part", [1.0, 0.7, 0.5])
def test_within_a_budget_results_are_the_same_bits(part: float) -> None:
    both, args = wl.value_and_grad(loss), arguments()
    free = wl.jit(both)
    budget = int(free.compile(*args).compiled.memory.nbytes * part)
    kept = wl.jit(both, memory_budget=budget)
    compiled = kept.compile(*args).compiled
    check_overlap(compiled.plan)
    assert compiled.memory.nbytes <= budget
    assert bool(compiled.plan.schedule.repeats) == (part < 1)
    expected, got = wl.tree.leaves(free(*args)), wl.tree.leaves(kept(*args))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(expected, got, strict=True))


def test_no_kernel_is_compiled_for_a_budget() -> None:
    both, args = wl.value_and_grad(loss), arguments()
    free = wl.jit(both).compile(*args).compiled
    budget = free.memory.nbytes // 2
    kept = wl.jit(both, memory_budget=budget).compile(*args).compiled
    assert {low.text for _, low in kept.lowered} == {low.text for _, low in free.lowered}


def test_less_memory_is_never_less_work() -> None:
    both, args = wl.value_and_grad(loss), arguments()
    most = wl.jit(both).compile(*args).compiled.memory.nbytes
    least = least_budget(both, *args)
    works = []
    for budget in np.linspace(most, least, 7).astype(int):
        compiled = wl.jit(both, memory_budget=int(budget)).compile(*args).compiled
        assert compiled.memory.nbytes <= budget
        works.append(len(list(compiled.plan.schedule.works)))
    assert works == sorted(works) and works[0] < works[-1]


def test_the_least_budget_is_named_with_what_is_held_and_is_enough() -> None:
    both, args = wl.value_and_grad(loss), arguments()
    least = least_budget(both, *args)
    assert wl.jit(both, memory_budget=least)(*args)[0] == wl.jit(both)(*args)[0]
    with pytest.raises(ProgramError) as caught:
        wl.jit(both, memory_budget=least - 1)(*args)
    assert f"at least {least} bytes" in str(caught.value)
    assert re.search(r"f32\[256, 16\]  # test_recompute.py:\d+", str(caught.value))
    assert f"try: memory_budget={least}" in str(caught.value)


def test_donated_arguments_are_updated_in_place_within_a_budget() -> None:
    def step(weights: Any, x: Any) -> Any:
        slopes = wl.grad(loss)(weights, x)
        return [w - np.float32(0.1) * g for w, g in zip(weights, slopes, strict=True)]

    args = arguments()
    free = wl.jit(step, donate_argnums=0)
    less = free.compile(*args).compiled.memory.nbytes * 7 // 10
    expected = wl.jit(step)(*args)
    got = wl.jit(step, donate_argnums=0, memory_budget=less)(*args)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(expected, got, strict=True))


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [(4096, 4096), ("64kB", 64000), ("1.5 MiB", 3 << 19), ("2g", 2 * 10**9), ("7", 7)],
)
def test_budgets_are_numbers_or_texts(text: Any, nbytes: int) -> None:
    with wl.memory_budget(text):
        assert wl.jit(loss).settings(()).memory_budget == nbytes
    assert wl.jit(loss, memory_budget=text).settings(()).memory_budget == nbytes


@pytest.mark.parametrize("wrong", ["much", "-1", "5 XB", True, -3, 2.5e-3])
def test_what_is_no_number_of_bytes_is_refused(wrong: Any) -> None:
    with pytest.raises(ProgramError, match="memory_budget: a number of bytes is required, got"):
        wl.jit(loss, memory_budget=wrong)


# ---------------------------------------------------------------- poisoned


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arena, scratch and results hold NaN before every call of a program."""
    monkeypatch.setenv("WONDERLAND_POISON", "1")


def same_bits(free: Compiled, kept: Compiled, arrays: Sequence[np.ndarray]) -> None:
    """Twice, so that what a call leaves behind would be seen."""
    expected = free.program(tuple(arrays))
    for _ in range(2):
        got = kept.program(tuple(arrays))
        assert [a.tobytes() for a in got] == [a.tobytes() for a in expected], str(kept.plan)


def within_budgets(graph: Graph, parts: Sequence[float]) -> Iterator[tuple[Compiled, Compiled]]:
    """The program without a budget, and with parts of its memory, or the least that is possible."""
    free = compile_graph(graph)
    most = free.memory.nbytes
    for part in parts:
        budget = max(1, int(most * part))
        try:
            kept = compile_graph(graph, budget=budget)
        except ProgramError as error:
            found = re.search(r"at least (\d+) bytes", str(error))
            assert found and budget < int(found[1]) <= most
            budget = int(found[1])
            kept = compile_graph(graph, budget=budget)
        check_overlap(kept.plan)
        assert kept.memory.nbytes <= budget
        yield free, kept


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_random_graphs_within_random_budgets(start: int, poisoned: None) -> None:
    for seed in range(start, start + 10):
        graph = random_graph(seed)
        rng = np.random.default_rng(seed)
        for free, kept in within_budgets(graph, [rng.uniform(0.3, 1)]):
            agree(kept, random_arrays(graph, seed))
            same_bits(free, kept, random_arrays(graph, seed))


POLICIES = (
    ("nothing_saveable",),
    ("everything_saveable",),
    ("dots_saveable",),
    ("dots_with_no_batch_dims_saveable",),
    ("save_only_these_names", "x"),
    ("save_any_names_but_these", "x"),
)


def region(graph: Graph, rng: np.random.Generator) -> Graph:
    """The graph as a checkpoint region of a random policy."""
    policy = POLICIES[int(rng.integers(len(POLICIES)))]
    op = Checkpoint(graph, policy, 0, bool(rng.random() < 0.7))
    return Graph.of(graph.name, graph.inputs, apply_all(op, *graph.inputs))


def reverse(graph: Graph) -> Graph:
    """Results and derivatives in reverse mode, as one graph."""
    wrt = [v.type.is_inexact for v in graph.inputs]
    forward, linear = linearize(graph, wrt)
    back = transpose(
        linear, [i >= len(linear.inputs) - sum(wrt) for i in range(len(linear.inputs))]
    )
    inputs = tuple(Value(v.type) for v in graph.inputs)
    kept = inline_graph(forward, inputs)
    count = len(graph.outputs)
    cts = tuple(Value(v.type) for v in back.inputs[len(kept) - count :])
    return Graph.of(
        graph.name, (*inputs, *cts), (*kept[:count], *inline_graph(back, (*kept[count:], *cts)))
    )


def runs_while(graph: Graph) -> bool:
    """Whether a loop of the graph, or of a graph that it holds, runs it is not known how often."""
    return any(
        n.op.name in ("while_loop", "reversed_while") or any(map(runs_while, n.op.graphs))
        for n in graph.nodes
    )


@pytest.mark.parametrize("start", range(0, 30, 10))
def test_random_policies_within_random_budgets(start: int, poisoned: None) -> None:
    for seed in range(start, start + 10):
        rng = np.random.default_rng([seed, 2])
        graph = region(random_graph(seed, nodes=20), rng)
        if runs_while(inlined(graph)):
            continue  # it has no reverse
        gradient = reverse(graph)
        for free, kept in within_budgets(gradient, [rng.uniform(0.3, 1), rng.uniform(0.3, 1)]):
            same_bits(free, kept, random_arrays(gradient, seed))


STEPS = (
    lambda x, w, past: np.tanh(x @ w),
    lambda x, w, past: np.sin(x) * past,
    lambda x, w, past: x + np.exp(-past * past) @ w,
    lambda x, w, past: wl.nn.softmax(x @ w.T) + past,
    lambda x, w, past: x - np.mean(past, axis=0) + wl.checkpoint_name(np.cos(x), "x"),
    lambda x, w, past: np.concatenate([x[:7], past[7:]]) @ w,
    lambda x, w, past: np.tanh(np.cumsum(x, axis=0)) * np.max(past),
    lambda x, w, past: wl.lax.scan(decay, x[0], past)[1] + x,
)


def random_model(seed: int) -> Any:
    """A deep function of steps that read the last result and any other, some in regions."""

    def function(w: Any, x: Any) -> Any:
        rng = np.random.default_rng([seed, 3])
        made = [x]
        for _ in range(int(rng.integers(5, 10))):
            step = STEPS[int(rng.integers(len(STEPS)))]
            if rng.random() < 0.5:
                name, *names = POLICIES[int(rng.integers(len(POLICIES)))]
                policy = getattr(wl.checkpoint_policies, name)
                step = wl.checkpoint(step, policy=policy(*names) if names else policy)
            made.append(step(made[-1], w, made[int(rng.integers(len(made)))]))
        return np.mean(made[-1] * made[-1])

    return function


@pytest.mark.parametrize("start", range(0, 10, 5))
def test_random_models_of_random_policies_within_random_budgets(start: int, poisoned: None) -> None:
    again = 0
    for seed in range(start, start + 5):
        rng = np.random.default_rng([seed, 4])
        args = (
            rng.normal(size=(16, 16)).astype(np.float32) / 4,
            rng.normal(size=(40, 16)).astype(np.float32),
        )
        graph = wl.trace(wl.value_and_grad(random_model(seed), (0, 1)), *args).graph
        for free, kept in within_budgets(graph, [rng.uniform(0.3, 1), rng.uniform(0.3, 1)]):
            same_bits(free, kept, args)
            again += len(kept.plan.schedule.repeats)
    assert again > 10, again


def decay(h: Any, x: Any) -> Any:
    h = np.tanh(h * np.float32(0.9) + x)
    return h, np.sin(h)


def of_loops(x: Any) -> Any:
    """A scan in a scan, whose stacked results are worked on."""

    def outer(h: Any, x: Any) -> Any:
        h, ys = wl.lax.scan(decay, h, x)
        return h, np.exp(-ys * ys)

    zeros = np.zeros(x.shape[2:], np.float32)
    return np.sum(np.cos(wl.lax.scan(outer, zeros, x)[1]) ** 2)


@wl.custom_vjp
def clipped(x: Any) -> Any:
    return np.sin(x)


clipped.defvjp(lambda x: (np.sin(x), np.cos(x)), lambda c, d: (np.clip(c * d, -1, 1),))


@wl.custom_jvp
def smooth(x: Any) -> Any:
    return np.tanh(x)


@smooth.defjvp
def _(primals: Any, tangents: Any) -> Any:
    y = smooth(primals[0])
    return y, (1 - y * y) * tangents[0]


def of_rules(weights: Any, x: Any) -> Any:
    for w in weights:
        x = smooth(clipped(x) @ w)
    return np.mean(x * x)


def of_regions(weights: Any, x: Any) -> Any:
    block = wl.checkpoint(
        lambda w, x: np.sin(np.tanh(x @ w)), policy=wl.checkpoint_policies.dots_saveable
    )
    for w in weights:
        x = block(w, x)
    return np.mean(x * x)


def curvature(weights: Any, x: Any) -> Any:
    return wl.grad(lambda x: np.sum(wl.grad(loss, 1)(weights, x) * x))(x)


def small(layers: int = 5) -> tuple[list[np.ndarray], np.ndarray]:
    weights, x = arguments()
    return weights[:layers], x


LOOPED = np.random.default_rng(1).normal(size=(6, 5, 8)).astype(np.float32)
PROGRAMS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "vmap of a gradient": (
        wl.vmap(wl.grad(loss), (None, 0)),
        (small()[0], np.stack([small()[1][:32]] * 3)),
    ),
    "gradient of a vmap": (
        wl.grad(lambda w, xs: np.sum(wl.vmap(loss, (None, 0))(w, xs))),
        (small()[0], np.stack([small()[1][:32]] * 3)),
    ),
    "second order": (curvature, small()),
    "scan in scan": (wl.value_and_grad(of_loops), (LOOPED,)),
    "vmap of scan in scan": (wl.vmap(wl.grad(of_loops)), (np.stack([LOOPED, LOOPED[::-1]]),)),
    "custom rules": (wl.value_and_grad(of_rules), small()),
    "second order of custom rules": (
        wl.grad(lambda x: np.sum(wl.grad(of_rules, 1)(small()[0], x) ** 2)),
        small()[1:],
    ),
    "regions": (wl.value_and_grad(of_regions), small()),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_budgets_hold_for_transformed_programs(name: str, poisoned: None) -> None:
    function, args = PROGRAMS[name]
    traced = wl.trace(function, *args)
    arrays = [np.asarray(a) for a in wl.tree.leaves(args)]
    for free, kept in within_budgets(traced.graph, (0.9, 0.7, 0.5, 0.01)):
        same_bits(free, kept, arrays)


def test_less_memory_never_takes_less_time() -> None:
    """By the estimate that the choice goes by: time only grows as the budget shrinks."""
    for seed in range(60, 72):
        graph = reverse(random_graph(seed, nodes=24, loops=False))
        free = compile_graph(graph)
        most = free.memory.nbytes
        seconds = []
        for budget in np.linspace(most, 1, 9).astype(int):
            try:
                kept = compile_graph(graph, budget=int(budget))
            except ProgramError:
                break
            assert kept.memory.nbytes <= budget
            seconds.append(kept.seconds)
        assert all(a <= b * (1 + 1e-12) for a, b in itertools.pairwise(seconds)), seconds
