"""A budget of bytes is kept, costs no bit, and says what is least."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.errors import ProgramError
from wonderland.compiler.memory import Memory
from wonderland.compiler.passes.buffers import check_overlap
from wonderland.compiler.pipeline import Compiled, compile_graph

from ..random_graphs import random_arrays, random_graph
from ..test_compiled import agree

LAYERS, WIDTH, BATCH = 12, 16, 256


def loss(weights: list[Any], x: Any) -> Any:
    for w in weights:
        x = np.tanh(x @ w)
    return np.mean(x * x)


def arguments() -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(WIDTH, WIDTH)).astype(np.float32) / 4 for _ in range(LAYERS)]
    return weights, rng.normal(size=(BATCH, WIDTH)).astype(np.float32)


def memory(compiled: Compiled) -> Memory:
    (found,) = [s.state for s in compiled.stages if s.name == "memory"]
    assert isinstance(found, Memory)
    return found


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
    budget = int(memory(free.compile(*args).compiled).nbytes * part)
    kept = wl.jit(both, memory_budget=budget)
    compiled = kept.compile(*args).compiled
    check_overlap(compiled.plan)
    assert memory(compiled).nbytes <= budget
    assert bool(compiled.plan.schedule.again) == (part < 1)
    expected, got = wl.tree.leaves(free(*args)), wl.tree.leaves(kept(*args))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(expected, got, strict=True))


def test_no_kernel_is_compiled_for_a_budget() -> None:
    both, args = wl.value_and_grad(loss), arguments()
    free = wl.jit(both).compile(*args).compiled
    budget = memory(free).nbytes // 2
    kept = wl.jit(both, memory_budget=budget).compile(*args).compiled
    assert {low.text for _, low in kept.lowered} == {low.text for _, low in free.lowered}


def test_less_memory_is_never_less_work() -> None:
    both, args = wl.value_and_grad(loss), arguments()
    most = memory(wl.jit(both).compile(*args).compiled).nbytes
    least = least_budget(both, *args)
    works = []
    for budget in np.linspace(most, least, 7).astype(int):
        compiled = wl.jit(both, memory_budget=int(budget)).compile(*args).compiled
        assert memory(compiled).nbytes <= budget
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
    less = memory(free.compile(*args).compiled).nbytes * 7 // 10
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


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_random_graphs_within_random_budgets(start: int) -> None:
    for seed in range(start, start + 10):
        graph = random_graph(seed)
        free = compile_graph(graph)
        most = memory(free).nbytes
        rng = np.random.default_rng(seed)
        try:
            kept = compile_graph(graph, budget=max(1, int(most * rng.uniform(0.3, 1))))
        except ProgramError as error:
            found = re.search(r"at least (\d+) bytes", str(error))
            assert found and int(found[1]) <= most
            kept = compile_graph(graph, budget=int(found[1]))
        agree(kept, random_arrays(graph, seed))
