"""Sums over processes in parts: where they and their operands take long, and what stays whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.optimise.together import together
from tests.plan.alike_world import alike_world
from tests.plan.transfer_programs import drawn
from wonderland.compiler import pipeline
from wonderland.compiler.ir.graph import Graph, Value, apply
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.kernel.costs import LINK_BYTES_A_SECOND, LINK_SECONDS
from wonderland.compiler.ops.transferred import Transferred
from wonderland.compiler.optimise import buckets as bucket_module
from wonderland.compiler.optimise import split_sums as module
from wonderland.compiler.optimise.buckets import buckets
from wonderland.compiler.optimise.split_sums import MESSAGES, MOST_PARTS, split_sums
from wonderland.compiler.pipeline import Compiled
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.operands import new, value
from wonderland.runtime.rows import transfers_of

N = 2
MESH = (("i", N),)
PASSES = tuple(p for p in pipeline.GRAPH_PASSES if p not in (split_sums, buckets))
ROWS, DEPTH, COLUMNS = 64, 48, 32
T = np.arange(4, dtype=np.float32)


@pytest.fixture(autouse=True)
def everything_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small programs are split as large ones are."""
    monkeypatch.setattr(module, "FLOPS_A_SECOND", 1.0)
    monkeypatch.setattr(module, "LINK_BYTES_A_SECOND", 1.0)
    monkeypatch.setattr(module, "SMALL_BYTES", 512)


def psum(xs: Any) -> Any:
    return tree.map(lambda x: new(apply(Transferred("sum", "i", N, MESH), value(x))), xs)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def traced(function: Callable[..., Any], *args: Any) -> Graph:
    graph = wl.trace(function, *args).graph
    for step in PASSES:
        graph = step(graph)
    return graph


def sums(graph: Graph) -> list[str]:
    return [str(n.out.type) for n in graph.nodes if isinstance(n.op, Transferred)]


def check(graph: Graph) -> Graph:
    """The graph with sums in parts, which mean the same to the bit."""
    found = verify(buckets(split_sums(graph)), "split_sums", graph)
    rng = np.random.default_rng(0)
    given = [tuple(rng.normal(size=v.shape).astype(v.type.numpy) for v in graph.inputs)] * N
    for got, want in zip(together(found, given), together(graph, given), strict=True):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, 1e-5, 1e-5)
    with alike_world():
        results = [compiled(g).program(given[0]) for g in (found, graph)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    return found


def compiled(graph: Graph) -> Compiled:
    """By no passes that part sums."""
    with pytest.MonkeyPatch.context() as m:
        m.setattr(pipeline, "GRAPH_PASSES", PASSES)
        return pipeline.compile_graph(graph)


X, W, V = normal(ROWS, DEPTH), normal(DEPTH, COLUMNS), normal(DEPTH, COLUMNS)
PROGRAMS: list[tuple[str, Callable[..., Any], tuple[Any, ...], list[str]]] = [
    ("a product", lambda x, w: np.tanh(psum(x @ w)), (X, W), ["f32[16, 32]"] * 4),
    ("of two", lambda x, w, v: np.tanh(psum(x @ w + x @ v)), (X, W, V), ["f32[16, 32]"] * 4),
    ("half of it", lambda x, w: np.tanh(psum((x @ w) / 2)), (X, W), ["f32[16, 32]"] * 4),
    ("of a batch", lambda x, w: np.tanh(psum(x.reshape(4, 16, DEPTH) @ w)), (X, W),
     ["f32[1, 16, 32]"] * 4),
    ("a gradient", lambda x, y: np.tanh(psum(x.T @ y)), (X, normal(ROWS, 32)), ["f32[12, 32]"] * 4),
    ("three parts", lambda x, w: np.tanh(psum(x @ w)), (normal(66, 48), W), ["f32[22, 32]"] * 3),
    ("odd rows", lambda x, w: np.tanh(psum(x @ w)), (normal(65, 48), W), ["f32[65, 32]"]),
    ("read elsewhere", lambda x, w: (np.tanh(psum(y := x @ w)), y), (X, W), ["f32[64, 32]"]),
    ("no product", lambda x, w: np.tanh(psum(np.cumsum(x, 0))), (X, W), ["f32[64, 48]"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function", "args", "found"), PROGRAMS)
def test_products_are_summed_in_parts_of_rows(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], found: list[str]
) -> None:
    assert sums(check(traced(function, *args))) == found, name


def test_short_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for fast in ("FLOPS_A_SECOND", "LINK_BYTES_A_SECOND"):
        with monkeypatch.context() as m:
            m.setattr(module, fast, 1e18)
            assert sums(split_sums(traced(PROGRAMS[0][1], X, W))) == ["f32[64, 32]"]


def test_parts_take_longer_than_messages() -> None:
    one = MESSAGES * LINK_SECONDS
    monkey = pytest.MonkeyPatch()
    with monkey.context() as m:
        m.setattr(module, "LINK_BYTES_A_SECOND", LINK_BYTES_A_SECOND)
        nbytes = round(one * LINK_BYTES_A_SECOND)
        assert [module.parts_that_pay(1.0, k * nbytes + 1) for k in (0, 1, 2, 3)] == [0, 1, 2, 3]
        assert module.parts_that_pay(2.5 * one, 100 * nbytes) == 2
        assert module.parts_that_pay(1.0, 100 * nbytes) == MOST_PARTS


def test_parts_arrive_where_all_of_them_are_read() -> None:
    plan = compiled(check(traced(PROGRAMS[0][1], X, W))).plan
    assert [w.name for _, w in plan.left_out] == ["copy"]
    whole = plan.left_out[0][1].written[0]
    assert sum(w is whole for w in plan.whole.values()) == MOST_PARTS


def layered(reverse: bool, layers: int = 6, width: int = 16) -> tuple[Callable[..., Any], Any]:
    """The gradient of layers in a loop, summed over processes and applied."""

    def loss(p: Any, x: Any) -> Any:
        def layer(h: Any, w: Any) -> Any:
            return np.tanh(h @ w[0] + w[1]), ()

        return np.mean(wl.lax.scan(layer, x, p, reverse=reverse)[0] ** 2)

    def step(p: Any, x: Any) -> Any:
        slopes = psum(wl.grad(loss)(p, x))
        return tree.map(lambda w, d: w - 0.1 * d, p, slopes)

    return step, ((normal(layers, width, width), normal(layers, width)), normal(8, width))


@pytest.mark.parametrize("reverse", [False, True])
def test_stacked_gradients_are_sent_while_the_loop_goes_on(reverse: bool) -> None:
    function, args = layered(reverse)
    graph = traced(function, *args)
    assert sorted(sums(graph)) == ["f32[6, 16, 16]", "f32[6, 16]"]
    found = check(graph)
    order = [n.op.name for n in found.nodes if n.op.name in ("scan", "transferred")]
    assert order == ["scan", *["scan", "transferred"] * 4, "transferred"]
    assert sums(found)[-1] == "f32[6, 16]"  # little: it is sent as one


def test_a_loop_whose_elements_begin_in_lines_is_cut_without_copies() -> None:
    function, args = layered(False)
    graph = check(traced(function, *args))
    names = [w.name for _, w in compiled(graph).plan.works]
    assert not any(name.startswith("copy") for name in names), names
    function, args = layered(False, width=13)
    assert len(sums(split_sums(traced(function, *args)))) == 2


def test_the_sum_of_what_a_loop_stacks_for_others_too_is_whole() -> None:
    def function(x: Any, w: Any) -> Any:
        def turn(h: Any, w: Any) -> Any:
            return np.tanh(h @ w), h @ w

        _, ys = wl.lax.scan(turn, x, w)
        return np.tanh(psum(ys)), ys

    assert sums(split_sums(traced(function, normal(8, 16), normal(6, 16, 16)))) == ["f32[6, 8, 16]"]


@pytest.mark.parametrize("seed", range(6))
def test_products_sums_and_loops_of_each_other_mean_what_whole_sums_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds: list[Callable[[Any, Any], Any]] = [
        lambda x, y: psum(x @ y / 8),
        lambda x, y: psum(x.T @ y / 8 + x),
        lambda x, y: psum(np.tanh(x) * (y @ x) / 8),
        lambda x, y: np.tanh(x - y),
        lambda x, y: x @ y.T / 8,
        lambda x, y: psum(wl.lax.scan(lambda h, w: (h @ w / 8, np.tanh(h)), x, y[None])[1])[0] + y,
        lambda x, y: np.sum(psum(wl.lax.scan(lambda h, t: (h, h @ x * t), y, T)[1]), 0) / 8,
    ]
    chosen = [(kinds[rng.integers(7)], *rng.integers(0, k + 2, 2)) for k in range(7)]

    def program(*values: Any) -> Any:
        for f, a, b in chosen:
            values = *values, f(values[a], values[b])
        return values[-3:]

    check(traced(program, *rng.standard_normal((2, 16, 16)).astype(np.float32)))


def of_type(*shape: int) -> Value:
    return Value(Type("f32", shape))


def test_a_graph_without_sums_is_itself() -> None:
    graph = traced(lambda x, w: np.tanh(x @ w), X, W)
    assert split_sums(graph) is graph


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_have_the_bits_that_they_have_with_every_sum_for_itself(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With sums in loops and branches, and of products that are cut."""
    monkeypatch.setattr(bucket_module, "BUCKET_BYTES", 1200)
    x, y = np.random.default_rng(seed).standard_normal((2, 8, 8))

    def program(x: Any, y: Any) -> Any:
        return [*drawn(seed, 0, [x, y])[-4:], wl.lax.psum(x @ y, "i") @ x]

    with alike_world(), wl.verify():
        mesh = wl.distributed.mesh({"i": 2})
        found = wl.distributed.spmd(program, mesh).compile(x, y)
        monkeypatch.setattr(pipeline, "GRAPH_PASSES", PASSES)
        alone = wl.distributed.spmd(program, mesh).compile(x, y)
        counts = [len(list(transfers_of(c.program.rows))) for c in (found, alone)]
        assert counts[0] < counts[1]
        results = found(x, y), alone(x, y)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
