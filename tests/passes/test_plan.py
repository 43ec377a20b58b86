"""Fusion, schedule and buffers: what becomes one kernel, what waits, what shares memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.emission import Work
from wonderland.compiler.errors import CompilerError
from wonderland.compiler.passes.buffers import check_overlap
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.plan import Place, may_share

from ..random_graphs import random_graph

F32 = np.float32


def compiled(function: Any, *args: Any, donate: tuple[int, ...] = ()) -> Compiled:
    return wl.jit(function, donate_argnums=donate).compile(*args).compiled


def kernels(c: Compiled) -> list[str]:
    return [w.kernel.name for _, w in c.plan.schedule.works if isinstance(w, Work)]


def array(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(F32)


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    centred = x - np.mean(x, axis=1, keepdims=True)
    variance = np.mean(centred * centred, axis=1, keepdims=True)
    return centred / np.sqrt(variance + F32(1e-5)) * gain + bias


def test_softmax_is_one_kernel() -> None:
    assert len(kernels(compiled(softmax, array(40, 30)))) == 1


def test_the_gradient_of_softmax_is_one_kernel() -> None:
    def gradient(x: Any, ct: Any) -> Any:
        return wl.vjp(softmax, x)[1](ct)

    assert len(kernels(compiled(gradient, array(40, 30), array(40, 30)))) == 1


def test_layer_norm_with_all_its_gradients_is_one_kernel() -> None:
    def both(x: Any, gain: Any, bias: Any, ct: Any) -> Any:
        y, pullback = wl.vjp(layer_norm, x, gain, bias)
        return y, pullback(ct)

    assert len(kernels(compiled(both, array(40, 30), array(30), array(30), array(40, 30)))) == 1


def test_an_activation_is_the_epilogue_of_its_product() -> None:
    found = kernels(
        compiled(lambda x, w, b: np.tanh(x @ w + b), array(8, 5), array(5, 6), array(6))
    )
    assert found == ["product_tanh"]


def test_views_are_no_kernels() -> None:
    def f(x: Any) -> Any:
        return np.exp(np.pad(x.T[::-1, 1:], 1).reshape(-1))

    assert kernels(compiled(f, array(6, 5))) == ["map_exp"]


def test_long_sums_are_chunks_that_a_second_kernel_combines() -> None:
    found = kernels(compiled(lambda x: np.sum(x), array(300_000)))
    assert found == ["fold_sum_chunks", "combine_sum"]


def test_results_are_new_arrays_even_where_the_function_returns_its_argument_twice() -> None:
    x = array(4, 3)
    a, b = wl.jit(lambda x: (x, x))(x)
    np.testing.assert_array_equal(a, x)
    assert not np.shares_memory(a, x) and not np.shares_memory(a, b)


def test_an_operand_that_dies_is_written_over() -> None:
    def f(x: Any, w: Any) -> Any:
        y = np.tanh(x @ w)
        z = np.exp(y / np.sum(y))  # the sum keeps the quotient out of the product's epilogue
        return z @ w

    plan = compiled(f, array(16, 16), array(16, 16)).plan
    assert plan.shared, str(plan)
    assert plan.arena_bytes < 3 * 16 * 16 * 4


def test_a_kernel_that_reads_elsewhere_shares_nothing() -> None:
    c = compiled(lambda x: np.exp(x).T + x, array(5, 5))
    (work,) = [w for _, w in c.plan.schedule.works]
    assert not may_share(work, work.reads[0], work.written[0])


def test_donated_memory_is_reused_and_results_are_the_same() -> None:
    def step(w: Any, x: Any) -> Any:
        y = np.tanh(x @ w)
        return w - F32(0.1) * (x.T @ (y @ (w.T @ w))), np.sum(y)

    w, x = array(12, 12), array(9, 12)
    expected = wl.jit(step)(w, x)
    donating = wl.jit(step, donate_argnums=0)
    plan = donating.compile(w, x).compiled.plan
    assert plan.donated == ((0, 0),)
    given = w.copy()
    got = donating(given, x)
    assert got[0] is given
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_donated_argument_waits_for_its_other_readers() -> None:
    def step(w: Any, g: Any) -> Any:
        return w - g, np.sum(np.exp(w @ w))

    plan = compiled(step, array(6, 6), array(6, 6), donate=(0,)).plan
    wave = {id(w): k for k, w in plan.schedule.works}
    (source, target), x = plan.donated[0], plan.graph.inputs[0]
    writer = next(w for _, w in plan.schedule.works if plan.graph.outputs[target] in w.written)
    others = [w for _, w in plan.schedule.works if x in w.reads and w is not writer]
    assert source == 0 and others
    assert all(wave[id(w)] < wave[id(writer)] for w in others)


def test_the_overlap_checker_finds_a_planted_overlap() -> None:
    def f(x: Any, w: Any) -> Any:
        y, z = np.tanh(x @ w), np.exp(x @ w.T)
        return (y @ z) / np.sum(y)

    plan = compiled(f, array(8, 8), array(8, 8)).plan
    arena = [v for v, p in plan.places.items() if p.space == "arena" and v not in plan.shared]
    assert len(arena) >= 2
    broken = replace(plan, places=plan.places | dict.fromkeys(arena[:2], Place("arena", 0, 0)))
    with pytest.raises(CompilerError, match="share memory while both are live"):
        check_overlap(broken)


def test_plans_of_random_graphs_are_valid_and_reproducible() -> None:
    for seed in range(60):
        first, second = (compile_graph(random_graph(seed)) for _ in range(2))
        check_overlap(first.plan)
        assert str(first.plan) == str(second.plan)
        assert [low.text for _, low in first.lowered] == [low.text for _, low in second.lowered]
