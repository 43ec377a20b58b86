"""Loops of which reverse mode computes turns again in segments, and the budgets that ask for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wonderland as wl
from bench.deep_models import MODELS, Model
from tests.ops.nested.test_checkpointed_loops import (
    PROGRAMS,
    XS,
    Counted,
    H,
    W,
    bits,
    close,
    elementwise_chain,
)
from tests.plan.test_recompute import clipped, smooth
from wonderland import lax
from wonderland.compiler.ir.errors import OverBudget
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.jit.budget import Candidate, fitted, loops_in
from wonderland.compiler.ops.nested.segmented_scan import Costs, SegmentedScan, least_bytes
from wonderland.compiler.pipeline import Lowering, compile_graph
from wonderland.compiler.plan.buffers import check_overlap
from wonderland.compiler.trace.tracer import Recomputed
from wonderland.compiler.transform.interpreter import interpret

KINDS = [Recomputed(1.0), Recomputed(0.6), Recomputed(1.0, 2), Recomputed(0.7, 3)]


def segmented(f: Callable[..., Any], recomputed: Recomputed) -> Callable[..., Any]:
    """`f`, compiled from a trace whose loops compute turns again."""

    def run(*args: Any) -> Any:
        traced = wl.trace(f, *args, recomputed=recomputed)
        arrays = [np.asarray(x) for x in wl.tree.leaves(args)]
        found = compile_graph(traced.graph).program(tuple(arrays))
        close(found, interpret(traced.graph, *arrays))
        return wl.tree.unflatten(traced.outputs, found)

    return run


# ---------------------------------------------------------------- how long segments are


@given(st.integers(0, 200), st.integers(0, 50), st.integers(0, 50), st.integers(1, 2))
def test_segments_need_the_fewest_bytes(turns: int, carries: int, turn: int, levels: int):
    def fewest(turns: int, levels: int) -> int:
        if not levels:
            return turns * turn
        found = (
            turns // s * carries + turns % s * turn + fewest(s, levels - 1)
            for s in range(1, turns + 1)
        )
        return min([turns * turn, *found])

    nbytes, size = least_bytes(Costs(carries, turn), turns, levels)
    assert size <= turns and nbytes <= turns * turn
    assert nbytes <= 1.05 * fewest(turns, levels)
    if size and levels == 1:
        assert nbytes == turns // size * carries + (turns % size + size) * turn


def test_of_a_million_turns_a_few_thousand_are_kept():
    found = [least_bytes(Costs(8, 8), 10**6, levels) for levels in (1, 2, 3)]
    for (nbytes, _), kept in zip(found, (2000, 300, 4 * 10**1.5), strict=True):
        assert 0.99 * kept <= nbytes / 8 <= 1.05 * kept


@pytest.mark.parametrize(("part", "levels", "again"), [(0.0, 1, 0), (0.5, 1, 10), (1.0, 1, 20)])
def test_every_turn_runs_once_more_that_is_not_kept(part: float, levels: int, again: int):
    counted = Counted()

    def f(h):
        return lax.scan(lambda h, _: (np.sin(h) * counted(h), None), h, None, 20)[0]

    graph = wl.trace(wl.value_and_grad(f), 0.5, recomputed=Recomputed(part, levels)).graph
    compile_graph(graph).program((np.array(0.5),))
    assert counted.calls == 20 + again


# ---------------------------------------------------------------- derivatives


@pytest.mark.parametrize("f", PROGRAMS)
def test_the_gradient_is_that_of_the_plain_loop(f: Callable[..., Any]):
    gradient = wl.value_and_grad(f, (0, 1, 2))
    plain = gradient(W, H, XS)
    for recomputed in KINDS:
        close(segmented(gradient, recomputed)(W, H, XS), plain)


@pytest.mark.parametrize("f", PROGRAMS)
def test_all_mixes_of_modes_and_batches_are_those_of_the_plain_loop(f: Callable[..., Any]):
    def slope(w, h, xs):
        return np.sum(wl.grad(f)(w, h, xs) ** 2)

    def along(w, h, xs):
        return wl.jvp(lambda h: f(w, h, xs), (h,), (xs[0],))[1]

    mixes = [
        lambda *a: wl.jvp(wl.grad(f, (0, 1)), a, a)[1],
        wl.grad(slope, (0, 1, 2)),
        wl.grad(along, (0, 1)),
        lambda *a: wl.linearize(f, *a)[1](*a),
    ]
    batches = [
        wl.vmap(wl.grad(f, (0, 1)), (None, 0, None)),
        wl.grad(lambda *a: np.sum(wl.vmap(f, (None, 0, None))(*a) ** 2), (0, 1)),
    ]
    for h, several in ((H, mixes), (np.stack([H, -H]), batches)):
        for mix in several:
            close(segmented(mix, Recomputed(0.8, 2))(W, h, XS), mix(W, h, XS), 1e-10)


def test_where_nothing_is_summed_over_turns_the_gradient_has_the_bits_of_the_plain_loop():
    gradient = wl.grad(elementwise_chain, (0, 1))
    plain = wl.jit(gradient)(H, XS)
    for recomputed in KINDS:
        bits(segmented(gradient, recomputed)(H, XS), plain)


@pytest.mark.parametrize("length", [0, 1, 2])
@pytest.mark.parametrize("f", PROGRAMS[:2])
def test_short_loops(f: Callable[..., Any], length: int):
    gradient = wl.grad(f, (0, 1, 2))
    for recomputed in KINDS:
        close(segmented(gradient, recomputed)(W, H, XS[:length]), gradient(W, H, XS[:length]))


def test_turns_with_effects_run_once(capsys: pytest.CaptureFixture[str]):
    def f(h):
        def step(h, _):
            wl.debug.print("turn")
            return np.sin(h), None

        return lax.scan(step, h, None, 6)[0]

    compile_graph(wl.trace(wl.grad(f), 0.5, recomputed=Recomputed(1.0)).graph).program(
        (np.array(0.5),)
    )
    assert capsys.readouterr().out.count("turn") == 6


def test_loops_inside_are_plain_where_there_is_no_level_left():
    def segments(graph: Graph) -> list[int]:
        found: list[int] = []
        for n in graph.nodes:
            if isinstance(n.op, SegmentedScan):
                found += [n.op.levels, *segments(n.op.body)]
        return found

    def f(h, xs):
        inner = lambda h, x: (np.sin(h) * x, None)  # noqa: E731
        return np.sum(lax.scan(lambda h, x: lax.scan(inner, h, x), h, xs)[0])

    args = np.ones(3), np.ones((5, 4, 3))
    assert segments(wl.trace(f, *args, recomputed=Recomputed(1.0, 2)).graph) == [2, 2]
    assert segments(wl.trace(f, *args, recomputed=Recomputed()).graph) == []


# ---------------------------------------------------------------- budgets


def small(name: str) -> Model:
    return MODELS[name](1 / 8)


LOOPS = ["LSTM", "state-space layer"]


@pytest.mark.parametrize("name", LOOPS)
def test_a_budget_splits_what_reverse_mode_keeps_of_a_loop(name: str):
    loss, arrays, _ = small(name)
    gradient = wl.value_and_grad(loss)
    free = wl.jit(gradient).compile(*arrays)
    for part in (0.7, 0.35, 0.15):
        budget = int(part * free.compiled.memory.nbytes)
        kept = wl.jit(gradient, memory_budget=budget).compile(*arrays)
        assert 0.4 * budget < kept.compiled.memory.nbytes <= budget
        close(kept(*arrays), free(*arrays), 1e-5)


def looped(w: Any, xs: Any) -> Any:
    """A scan in a scan with rules of the user's, and something after it."""

    def outer(h: Any, x: Any) -> Any:
        h, ys = lax.scan(lambda h, x: (clipped(h @ w + x), smooth(h)), h, x)
        return h, np.exp(-ys * ys)

    ys = lax.scan(outer, np.zeros(xs.shape[2:], np.float32), xs)[1]
    return np.sum(np.cos(np.tanh(ys) @ w) ** 2)


LOOPED = np.random.default_rng(1).normal(size=(12, 10, 4, 8)).astype(np.float32)
TRANSFORMED: dict[str, Callable[..., Any]] = {
    "gradient": wl.value_and_grad(looped, (0, 1)),
    "vmap of a gradient": wl.vmap(wl.grad(looped), (None, 1)),
    "gradient of a vmap": wl.grad(lambda w, xs: np.sum(wl.vmap(looped, (None, 1))(w, xs) ** 2)),
    "second order": wl.grad(lambda w, xs: np.sum(wl.grad(looped)(w, xs) ** 2), (0, 1)),
    "forward over reverse": lambda w, xs: wl.jvp(wl.grad(looped), (w, xs), (w, xs))[1],
    "a fori_loop around it": wl.grad(
        lambda w, xs: np.sum(lax.fori_loop(0, 3, lambda _, w: w - wl.grad(looped)(w, xs) / 99, w))
    ),
}


LONGEST = pytest.param("a fori_loop around it", marks=pytest.mark.sweep)


@pytest.mark.parametrize("name", [*list(TRANSFORMED)[:-1], LONGEST])
def test_budgets_hold_for_transformed_loops(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WONDERLAND_POISON", "1")
    function = TRANSFORMED[name]
    w = np.random.default_rng(2).normal(size=(8, 8)).astype(np.float32) / 4
    xs = LOOPED[:, :, None] if "vmap" in name else LOOPED
    xs = np.concatenate([xs, xs[::-1]], 2)[:, :2] if "vmap" in name else xs
    free = wl.jit(function).compile(w, xs)
    most, expected = free.compiled.memory.nbytes, free(w, xs)
    with pytest.raises(OverBudget) as caught:
        wl.jit(function, memory_budget=1).compile(w, xs)
    assert caught.value.least < 0.7 * most
    least = caught.value.least
    several = (most - 1, (most + least) // 2) if name == "gradient" else ()
    for budget in (*several, least):
        kept = wl.jit(function, memory_budget=budget).compile(w, xs)
        check_overlap(kept.compiled.plan)
        assert kept.compiled.memory.nbytes <= budget
        close(kept(w, xs), expected, 2e-3)


def test_within_a_smaller_budget_nothing_is_estimated_to_be_faster():
    def model(ws, h, xs):
        def step(h, x):
            h = np.tanh(h @ ws[0] + x)
            return h, np.sin(h)

        _, ys = lax.scan(step, h, xs)
        for w in ws[1:]:
            ys = np.tanh(ys @ w)
        return np.sum(ys)

    rng = np.random.default_rng(0)
    ws = [rng.normal(size=(8, 8)) for _ in range(5)]
    args = ws, np.zeros((4, 8)), rng.normal(size=(60, 4, 8))

    def lowered(recomputed: Recomputed) -> Candidate:
        traced = wl.trace(wl.grad(model), *args, recomputed=recomputed)
        return Candidate(traced, Lowering.of(traced.graph), recomputed)

    plain = lowered(Recomputed())
    most, seconds = plain.free.memory.nbytes, []
    with pytest.raises(OverBudget) as caught:
        fitted(lowered, 1)
    assert caught.value.least < 0.6 * most
    for budget in np.linspace(most, caught.value.least, 12).astype(int):
        _, program = fitted(lowered, int(budget))
        assert program.memory.nbytes <= budget
        seconds.append(program.seconds)
    assert all(a <= b * (1 + 1e-12) for a, b in itertools.pairwise(seconds)), seconds


@pytest.mark.parametrize("name", LOOPS)
def test_the_least_budget_is_named_and_is_enough(name: str):
    loss, arrays, _ = small(name)
    with pytest.raises(OverBudget, match="memory_budget: at least") as caught:
        wl.jit(wl.grad(loss), memory_budget=1).compile(*arrays)
    least = caught.value.least
    assert (
        wl.jit(wl.grad(loss), memory_budget=least).compile(*arrays).compiled.memory.nbytes == least
    )


def test_without_loops_a_function_is_traced_once():
    traces: list[int] = []

    def f(x):
        traces.append(1)
        for _ in range(8):
            x = np.sin(np.tanh(x))
        return np.sum(x)

    budget = wl.jit(wl.grad(f)).compile(np.ones(1000)).compiled.memory.nbytes - 1000
    with pytest.raises(OverBudget):
        wl.jit(wl.grad(f), memory_budget=budget).compile(np.ones(1000))
    assert len(traces) == 2


def test_a_loop_is_found_in_a_region():
    def f(x):
        return lax.scan(lambda x, _: (x * x, None), x, None, 3)[0]

    assert loops_in(wl.trace(wl.checkpoint(f), 1.0).graph)
    assert not loops_in(wl.trace(wl.checkpoint(np.sin), 1.0).graph)
