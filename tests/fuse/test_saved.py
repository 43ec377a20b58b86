"""What kernels read of each other: fewer bytes, the same results, and a text that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.fuse import saved
from wonderland.compiler.fuse.fuse import fuse
from wonderland.compiler.fuse.waves import Schedule
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.kernel import costs
from wonderland.compiler.pipeline import Compiled, compile_graph, optimised

F32 = np.float32
BATCH, WIDTH, LAYERS = 64, 48, 4
LAYER_BYTES = 4 * BATCH * WIDTH


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * 0.4).astype(F32)


WEIGHTS = tuple(array(WIDTH, WIDTH, seed=k) for k in range(LAYERS))
BIASES = tuple(array(WIDTH, seed=k) for k in range(LAYERS))
X = array(BATCH, WIDTH, seed=9)


def layers(activation: Callable[[Any], Any]) -> Callable[..., Any]:
    def loss(weights: Any, biases: Any, x: Any) -> Any:
        for w, b in zip(weights, biases, strict=True):
            x = activation(x @ w + b)
        return np.sum(x * x)

    return wl.value_and_grad(loss, argnums=(0, 1))


def dropout(x: Any) -> Any:
    keep = wl.random.bernoulli(wl.random.key(3), 0.9, x.shape)
    return np.where(keep, nn.relu(x) / F32(0.9), F32(0))


def normalised(x: Any) -> Any:
    centred = x - np.mean(x, axis=1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + F32(1e-5))


def residual(x: Any) -> Any:
    return x + normalised(x) @ WEIGHTS[0]


ACTIVATIONS = {
    "relu": nn.relu,
    "dropout": dropout,
    "gelu": nn.gelu,
    "silu": nn.silu,
    "leaky relu": nn.leaky_relu,
    "residual": residual,
}


def traced(name: str) -> Graph:
    return wl.trace(layers(ACTIVATIONS[name]), WEIGHTS, BIASES, X).graph


def fused(graph: Graph) -> Schedule:
    return fuse([*optimised(graph)][-1].state)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are compiled as if they were too large for caches."""
    monkeypatch.setattr(costs, "FAR_BYTES", 0)


def as_before(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """A program whose kernels read all that is there to read."""
    with monkeypatch.context() as patch:
        patch.setattr(saved.Savings, "change", lambda *_: None)
        return compile_graph(graph)


def arena_bytes(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    return as_before(graph, monkeypatch).plan.arena_bytes, compile_graph(graph).plan.arena_bytes


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize(
    ("name", "least"),
    [("dropout", 0.17), ("gelu", 0.29), ("silu", 0.29), ("leaky relu", 0.17), ("residual", 0.29)],
)
def test_a_training_step_holds_less(
    name: str, least: float, far: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = traced(name)
    before, after = arena_bytes(graph, monkeypatch)
    assert after <= (1 - least) * before


@pytest.mark.parametrize("name", ["dropout", "leaky relu"])
def test_a_program_in_caches_holds_less_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = traced(name)
    before, after = arena_bytes(graph, monkeypatch)
    assert after < before


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_a_program_in_caches_computes_no_function_again(name: str) -> None:
    assert not any(c.recomputed for c in fused(traced(name)).saved)


def test_relu_keeps_its_result_alone() -> None:
    works = fused(traced("relu")).works
    sizes = [sum(v.type.size == BATCH * WIDTH for v in w.written) for _, w in works]
    assert max(sizes) == 1


def test_the_derivative_of_softmax_keeps_its_result_alone() -> None:
    def loss(w: Any, x: Any) -> Any:
        return np.sum((nn.softmax(x @ w) @ w) ** 2)

    works = fused(wl.trace(wl.grad(loss), WEIGHTS[0], X).graph).works
    (softmax,) = (w for _, w in works if w.name == "fold_sum_div")
    assert [v.type.size for v in softmax.written] == [BATCH * WIDTH]


@pytest.mark.parametrize(
    ("function", "passes"),
    [
        (lambda x: np.where(x <= 0, 0, x), lambda x: ~(x <= 0)),
        (lambda x: np.where(x < 0, 0, x), lambda x: ~(x < 0)),  # at 0 the result does not tell
        (lambda x: np.where(x > 0, x, 0), lambda x: x > 0),
        (lambda x: np.where(x >= 0.5, F32(0.5), x), lambda x: ~(x >= 0.5)),
        (lambda x: np.where(x < 0.5, x, F32(0.5)), lambda x: x < 0.5),
        (lambda x: np.where(x > 0, x, 1), lambda x: x > 0),
        (lambda x: np.where(x > 0, F32(0), x), lambda x: ~(x > 0)),
    ],
)
def test_a_bound_has_the_derivative_of_its_mask(
    function: Callable[[Any], Any], passes: Callable[[Any], Any]
) -> None:
    x = np.array([-1, -0.0, 0, 0.25, 0.5, 1, np.nan, np.inf, -np.inf], F32)
    one = np.ones_like(x)
    np.testing.assert_array_equal(wl.vjp(function, x)[1](one)[0], passes(x).astype(F32))
    np.testing.assert_array_equal(wl.jvp(function, (x,), (one,))[1], passes(x).astype(F32))


def test_the_derivative_of_a_bound_reads_the_result_alone() -> None:
    for function in (nn.relu, lambda x: np.where(x > 0, x, 0)):
        graph = wl.trace(lambda x, f=function: wl.vjp(f, x)[1](X), X).graph
        (test,) = (n for n in graph.nodes if n.op.name in ("le", "gt") and n.args[0].node)
        assert test.args[0].node is not None
        assert test.args[0].node.op.name == "select"


def test_a_mask_is_kept_as_bits_of_truth_not_as_what_it_compares() -> None:
    changes = fused(traced("leaky relu")).saved
    assert changes
    assert all(v.dtype == "bool" for c in changes for v in c.kept)


# ---------------------------------------------------------------- results


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_results_keep_their_bits(name: str, far: None, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = traced(name)
    arrays = (*WEIGHTS, *BIASES, X)
    before, after = as_before(graph, monkeypatch), compile_graph(graph)
    for x, y in zip(before.program(arrays), after.program(arrays), strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_same_program_makes_the_same_choices() -> None:
    for name in ACTIVATIONS:
        assert fused(traced(name)).kernels == fused(traced(name)).kernels


def test_no_kernel_reads_what_none_writes(far: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "SMALL", 0)
    monkeypatch.setattr(costs, "FAR", 0.0)
    for name in ACTIVATIONS:
        done = fused(traced(name))
        there = {*done.graph.inputs, *(v for n in done.graph.nodes if not n.args for v in n.values)}
        for _, work in done.works:
            assert there.issuperset(work.reads)
            there.update(work.written)
        assert there.issuperset(done.graph.outputs)


# ---------------------------------------------------------------- the stage


def test_the_stage_says_what_is_kept_and_what_is_computed_again(far: None) -> None:
    text = fused(traced("gelu")).kernels.split("\n\n")[-1]
    first, *lines = text.splitlines()
    assert first == "saved:"
    assert len(lines) == LAYERS - 1  # the last has the loss in its kernel
    assert "product_add" in lines[-1]
    assert "computes again" in lines[-1]
    assert lines[-1].endswith(" fewer")


def test_a_stage_without_a_choice_says_nothing() -> None:
    assert "saved:" not in fused(traced("relu")).kernels


def test_a_region_that_keeps_nothing_computes_its_products_again(
    far: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(w: Any, x: Any) -> Any:
        block = wl.checkpoint(lambda x: nn.gelu(x @ w))
        return np.sum(block(block(nn.gelu(x @ w))))

    graph = wl.trace(wl.grad(loss), WEIGHTS[0], X).graph
    before, after = as_before(graph, monkeypatch), compile_graph(graph)
    products = [[w for w, _ in c.lowered if w.name.startswith("product")] for c in (before, after)]
    assert len(products[0]) == len(products[1])
    held = [c.plan.arena_bytes for c in (before, after)]
    assert held[1] <= held[0]
