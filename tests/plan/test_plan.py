"""Fusion, schedule and buffers: what becomes one kernel, what waits, what shares memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from bench.deep_models import MODELS
from tests.programs.random_graphs import random_graph
from wonderland.compiler import ops
from wonderland.compiler.fuse.emission import BodyWork, Work
from wonderland.compiler.ir.errors import CompilerError
from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.kernel import Kernel, verify
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.plan.buffers import check_overlap
from wonderland.compiler.plan.plan import ValuePlace
from wonderland.compiler.transform.interpreter import interpret

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
    def layer(x: Any, w: Any, b: Any) -> Any:
        return np.tanh(x @ w + b)

    assert kernels(compiled(layer, array(8, 5), array(5, 60), array(60))) == ["product_tanh"]


def test_a_small_layer_is_a_sum_that_does_not_compute_its_operand_again() -> None:
    def layer(x: Any, w: Any, b: Any) -> Any:
        return np.tanh(np.exp(x) @ w + b)

    assert kernels(compiled(layer, array(5), array(5, 6), array(6))) == ["map_exp", "fold_sum_tanh"]


def test_products_of_vectors_compute_their_operands() -> None:
    def dots(a: Any, b: Any) -> Any:
        return np.einsum("bk,bk->b", np.exp(a), b)

    assert kernels(compiled(dots, array(40, 9), array(40, 9))) == ["fold_sum"]


@pytest.mark.parametrize("axis", [0, 1])
def test_what_a_sum_reads_in_every_row_is_computed_once(axis: int) -> None:
    def f(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(np.expand_dims(x, 1 - axis)) * w, axis=axis)

    for size in (8, 9):  # a row as long as a column, and not
        sizes = (8, size) if axis else (size, 8)
        assert kernels(compiled(f, array(size), array(*sizes))) == ["map_tanh", "fold_sum"]


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
    assert not work.may_overwrite(work.reads[0], work.written[0])


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
    broken = replace(plan, places=plan.places | dict.fromkeys(arena[:2], ValuePlace("arena", 0, 0)))
    with pytest.raises(CompilerError, match="share memory while both are live"):
        check_overlap(broken)


def test_plans_of_random_graphs_are_valid_and_reproducible() -> None:
    for seed in range(60):
        first, second = (compile_graph(random_graph(seed)) for _ in range(2))
        check_overlap(first.plan)
        assert str(first.plan) == str(second.plan)
        assert [low.text for _, low in first.lowered] == [low.text for _, low in second.lowered]


def repeated(step: Callable[[Any], Any], times: int) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        for _ in range(times):
            x = step(x)
        return x

    return function


def agrees(function: Any, *args: Any) -> Compiled:
    """The program of the function, whose kernels are valid and give what the interpreter gives."""
    c = compiled(function, *args)
    for _, work in c.plan.schedule.works:
        if isinstance(work, Work) and isinstance(work.kernel, Kernel):
            verify(work.kernel)
    arrays = tuple(np.asarray(a) for a in args)
    for got, want in zip(c.program(arrays), interpret(c.graph, *arrays), strict=True):
        np.testing.assert_allclose(got, want, 2e-5, 2e-5)
    return c


def test_an_epilogue_whose_reshape_needs_another_axis_reads_memory() -> None:
    agrees(lambda x, w, u: x @ w + u.T.reshape(6, 4), array(6, 5), array(5, 4), array(8, 3))


def test_a_scatter_of_a_reshape_that_needs_another_axis_reads_memory() -> None:
    def gradient(table: Any, u: Any) -> Any:
        rows = np.array([0, 1, 1, 3, 6, 2])
        return wl.grad(lambda t: np.sum(np.take(t, rows, axis=0) * u.T.reshape(6, 4)))(table)

    agrees(gradient, array(7, 4), array(8, 3))


def test_a_chain_of_windows_computes_no_value_at_ever_more_points() -> None:
    c = agrees(repeated(lambda x: np.sin(np.roll(x, 1, axis=0)) + x, 8), array(12, 5))
    assert len(kernels(c)) > 1
    assert sum(len(str(w).splitlines()) for _, w in c.plan.schedule.works) < 200


def test_a_chain_of_views_of_several_pieces_ends() -> None:
    agrees(repeated(lambda x: np.concatenate([x[1:], x[:1]]), 14), array(12))


def test_a_long_chain_is_several_kernels() -> None:
    chain = repeated(np.sin, 300)
    assert 1 < len(kernels(compiled(wl.grad(lambda x: np.sum(chain(x))), array(4)))) < 20


def test_rows_that_a_kernel_keeps_fit_its_scratch() -> None:
    step = repeated(lambda x: np.tanh(x - np.mean(x, axis=1, keepdims=True)), 12)
    assert len(kernels(agrees(step, array(2, 8000)))) == 1


def test_a_product_does_not_wait_for_itself_through_its_epilogue() -> None:
    agrees(lambda x, w: (np.tanh(x @ w) @ w) * np.tanh(x @ w), array(5, 5), array(5, 5))
    agrees(lambda x, v, w: np.tanh(x @ v + x @ w), array(4, 5), array(5, 6), array(5, 6))


def test_reductions_by_several_monoids_over_one_array_are_right_for_any_length() -> None:
    def folds(x: Any) -> Any:
        along = [f(x, axis=1) for f in (np.max, np.min, np.sum, np.prod, np.argmax, np.argmin)]
        return *along, np.sum(x, axis=0), np.any(x > 3), np.argmin(x, axis=0), np.sum(x)

    for shape in ((7, 9), (1, 1), (1, 5), (5, 1), (3000, 3)):
        agrees(folds, array(*shape))


def test_arrays_without_elements_need_no_kernel_and_sums_of_none_are_zero() -> None:
    assert not kernels(agrees(lambda x, w: np.tanh(x @ w), array(0, 3), array(3, 4)))
    agrees(lambda x, w: (x @ w + 1, np.sum(x, axis=1), np.sum(x)), array(3, 0), array(0, 4))


def test_constants_captured_arrays_and_arguments_may_be_results() -> None:
    table = array(30, 20)
    agrees(lambda x: (x, F32(3), np.arange(4), table, x @ table), array(2, 30))


def test_functions_without_arguments_or_results_are_programs() -> None:
    np.testing.assert_array_equal(wl.jit(lambda: wl.numpy.ones(3) * 2)(), 2 * np.ones(3))
    assert wl.jit(lambda x: None)(array(3)) is None
    assert wl.jit(lambda x: ())(array(3)) == ()


def test_many_computed_pieces_are_copied_from_memory() -> None:
    def joined(x: Any) -> Any:
        return np.concatenate([x * F32(k) for k in range(70)])

    c = agrees(joined, array(3))
    assert max(len(w.reads) for _, w in c.plan.schedule.works) == 70


def test_merging_leaves_a_group_no_way_to_wait_for_itself() -> None:
    def f(x: Any, w: Any) -> Any:
        y = np.exp(x)
        total = np.sum(y @ w)  # needs y, and the last line needs both
        return y * total + x, np.sum(y, axis=0) * total

    agrees(f, array(6, 6), array(6, 6))


def test_what_only_the_order_of_an_output_needs_is_no_work() -> None:
    x, y = Value(Type("f32", (4, 4))), Value(Type("f32", (4,)))
    product = ops.dot_general(x, x, ((1,), (0,)))
    compiled = compile_graph(Graph.of("f", (x, y), (ops.after(y, product), ops.exp(y))))
    given = array(4)
    same, found = compiled.program((array(4, 4), given))
    np.testing.assert_array_equal(same, given)
    np.testing.assert_allclose(found, np.exp(given), rtol=1e-6)
    assert not [k for k in kernels(compiled) if k.startswith("product")]


# ---------------------------------------------------------------- pieces


def in_place(function: Any, *args: Any, donate: tuple[int, ...] = ()) -> Compiled:
    """The program, which has pieces; poisoned, it gives what the interpreter gives."""
    c = compiled(function, *args, donate=donate)
    check_overlap(c.plan)
    arrays = wl.tree.leaves(args)
    expected = interpret(c.graph, *arrays)
    for _ in range(2):
        got = c.program(tuple(np.array(a) for a in arrays))
        for x, y in zip(got, expected, strict=True):
            np.testing.assert_allclose(x, y, 2e-5, 2e-5)
    return c


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WONDERLAND_POISON", "1")


W = array(16, 16) / F32(4)


def test_operands_of_a_concatenation_are_written_in_their_places(poisoned: None) -> None:
    c = in_place(lambda x, w: np.concatenate([x @ w, x @ w.T, w @ w]), array(6, 16), W)
    assert len(c.plan.whole) == 3 and "copy" not in kernels(c)
    assert c.plan.arena_bytes == 0
    assert "in output 0+384, in " in str(c.plan)


def test_pieces_in_the_arena_have_other_readers_before_and_after(poisoned: None) -> None:
    def f(x: Any, w: Any) -> Any:
        a, b = x @ w, x @ w.T
        joined = np.concatenate([a, b]) @ w
        return joined @ w, np.sum(a), b @ w + joined[:6]

    c = in_place(f, array(6, 16), W)
    assert c.plan.whole and "copy" not in kernels(c)


def test_pieces_are_joined_in_a_piece(poisoned: None) -> None:
    def f(x: Any, w: Any) -> Any:
        inner = np.concatenate([x @ w, x @ w.T])
        total = np.sum(inner)  # keeps the inner one in memory
        return np.concatenate([inner, w @ w]) @ w * total

    in_place(f, array(8, 16), W)


def test_pieces_of_what_is_written_again_are_copied(poisoned: None) -> None:
    def f(x: Any, w: Any) -> Any:
        a, b = x @ w, x @ w.T
        joined: Any = wl.numpy.concatenate([a, b])
        return joined.at[np.array([2, 7])].set(F32(3)), a @ w, b @ w

    in_place(f, array(6, 16), W)


def test_what_begins_at_no_cache_line_is_copied(poisoned: None) -> None:
    c = in_place(lambda x, w: np.concatenate([x @ w, x @ w]), array(3, 5), array(5, 5))
    assert not c.plan.whole
    c = in_place(lambda x, w: np.concatenate([x @ w, w @ x.T], axis=1), array(16, 16), W)
    assert not c.plan.whole


def test_a_donated_argument_is_read_before_a_piece_is_written_over_it(poisoned: None) -> None:
    def f(state: Any, x: Any, w: Any) -> Any:
        a = state[:6] @ w
        b = state[6:] @ w.T
        late = np.sum(np.exp(state @ a.T))
        return np.concatenate([a, b]), late

    c = in_place(f, array(12, 16), array(6, 16), W, donate=(0,))
    assert c.plan.donated == ((0, 0),)


def test_slices_are_written_directly_into_stacks_and_carries_of_loops(poisoned: None) -> None:
    def f(xs: Any, w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = np.concatenate([h[16:] @ w, x @ w])  # a shift register
            return h, np.concatenate([x @ w, h[:16] @ w.T])

        return wl.lax.scan(step, np.zeros((32, 16), F32), xs)

    c = in_place(f, array(5, 16, 16), W)
    (loop,) = [w for _, w in c.plan.schedule.works if isinstance(w, BodyWork)]
    assert loop.bodies[0].whole
    in_place(
        wl.grad(lambda xs, w: sum(np.sum(y * y) for y in wl.tree.leaves(f(xs, w))), (0, 1)),
        array(5, 16, 16),
        W,
    )


def test_the_overlap_checker_knows_that_a_piece_lives_as_long_as_the_whole() -> None:
    def f(x: Any, w: Any) -> Any:
        joined = np.concatenate([x @ w, x @ w.T])
        y = np.tanh(w @ w.T)
        return (joined @ y) @ y / np.sum(y)

    plan = compiled(f, array(8, 16), W).plan
    (piece, whole), *_ = plan.whole.items()
    other = next(
        v for v, p in plan.places.items()
        if p.space == "arena" and v not in (*plan.whole, whole) and v.type.nbytes == 1024
    )  # fmt: skip
    broken = replace(plan, places=plan.places | {other: plan.places[piece]})
    with pytest.raises(CompilerError, match="share memory while both are live"):
        check_overlap(broken)


def test_random_concatenations_of_products_are_right(poisoned: None) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)

        def f(x: Any, w: Any, rng: Any = rng) -> Any:
            made = [x]
            for _ in range(8):
                chosen = [made[int(k)] for k in rng.integers(0, len(made), rng.integers(1, 4))]
                parts = [c[: int(rng.integers(1, len(c.shape) + 5))] @ w for c in chosen]
                made.append(np.concatenate(parts) if rng.random() < 0.7 else np.tanh(parts[0]))
            return [made[int(k)] for k in rng.integers(0, len(made), 3)] + made[-1:]

        in_place(f, array(8, 16), W)


# ---------------------------------------------------------------- offsets


SCALES = {
    "MLP": 0.5,
    "residual network": 0.5,
    "transformer": 0.5,
    "LSTM": 0.1,
    "state-space layer": 0.1,
}


@pytest.mark.parametrize("name", MODELS)
def test_offsets_are_within_5_percent_of_what_is_live(name: str) -> None:
    model = MODELS[name](SCALES[name])
    function = wl.value_and_grad(model.loss)
    for budget in (None, 0.7):
        most = 0
        if budget:
            most = wl.jit(function).compile(*model.arrays).compiled.memory.nbytes
        within = int(most * budget) if budget else None
        c = wl.jit(function, memory_budget=within).compile(*model.arrays)
        assert c.compiled.plan.arena_bytes <= 1.05 * c.compiled.plan.live_bytes
