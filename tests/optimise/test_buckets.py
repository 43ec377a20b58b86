"""Sums over processes in buckets: which, in what order, and that nothing is packed for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.optimise.together import together
from tests.plan.alike_world import alike_world
from wonderland.compiler.fuse.fuse import fuse
from wonderland.compiler.fuse.work import StartWork
from wonderland.compiler.ir.graph import Graph, Value, apply
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops import add, dot_general, mul, permute, reduce_sum, sin
from wonderland.compiler.ops.transferred import Transferred
from wonderland.compiler.optimise import buckets as module
from wonderland.compiler.optimise.buckets import BUCKET_BYTES, MOST_PIECES, SMALL_BYTES, buckets
from wonderland.compiler.pipeline import Compiled, Lowering, optimised
from wonderland.compiler.plan.begin_early import begin_early
from wonderland.compiler.plan.buffers import buffers
from wonderland.compiler.plan.plan import Plan
from wonderland.compiler.plan.schedule import schedule
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.operands import new, value

N = 3
MESH = (("i", N), ("j", N))


def psum(x: Value, axis: str = "i", kind: Any = "sum", pairs: Any = ()) -> Value:
    return apply(Transferred(kind, axis, N, MESH, pairs), x)


def of_type(*shape: int, dtype: str = "f32") -> Value:
    return Value(Type(dtype, shape))


def transfers(graph: Graph) -> list[tuple[str, str]]:
    """Kind and type of each operand, in order."""
    return [(n.op.kind, str(n.args[0].type)) for n in graph.nodes if isinstance(n.op, Transferred)]


def bucketed(inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> Graph:
    graph = Graph.of("f", inputs, outputs)
    found = verify(buckets(graph), "buckets", graph)
    check_meaning(graph, found)
    return found


def check_meaning(graph: Graph, found: Graph) -> None:
    """Both mean the same in N processes, to the bit."""
    rng = np.random.default_rng(len(graph.nodes))
    given = [
        tuple(np.asarray(rng.normal(size=v.shape) * 4).astype(v.type.numpy) for v in graph.inputs)
        for _ in range(N)
    ]
    for got, want in zip(together(found, given), together(graph, given), strict=True):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_sums_that_are_ready_near_each_other_are_one_in_lines() -> None:
    x, y = of_type(20), of_type(3, 7)
    found = bucketed((x, y), (sin(psum(sin(x))), sin(psum(sin(y)))))
    assert transfers(found) == [("sum", "f32[53]")]
    assert [line.split("  #")[0] for line in str(found).splitlines()[1:]] == [
        "    c: f32[20] = sin(a)",
        "    d: f32[3, 7] = sin(b)",
        "    e: f32[12] = full(value=0.0, of=f32[12])",
        "    f: f32[21] = reshape(d, shape=(21,))",
        "    g: f32[53] = concatenate(c, e, f, axis=0)",
        "    h: f32[53] = transferred(g, kind='sum', axis_name='i', axis_size=3, "
        "mesh=(('i', 3), ('j', 3)))",
        "    i: f32[20] = slice(h, start=(0,), stop=(20,), step=(1,))",
        "    j: f32[21] = slice(h, start=(32,), stop=(53,), step=(1,))",
        "    k: f32[3, 7] = reshape(j, shape=(3, 7))",
        "    l: f32[20] = sin(i)",
        "    m: f32[3, 7] = sin(k)",
        "    return l, m",
    ]


@pytest.mark.parametrize(
    "other",
    [
        lambda x: psum(x, "j"),
        lambda x: psum(x, kind="max"),
        lambda x: psum(x, kind="gather"),
        lambda x: psum(x, kind="permute", pairs=((0, 1), (1, 0))),
        lambda x: psum(mul(x, x), kind="min"),
    ],
)
def test_what_is_of_another_axis_or_kind_stays_apart(other: Callable[[Value], Value]) -> None:
    x = of_type(5)
    assert len(transfers(bucketed((x,), (sin(psum(sin(x))), sin(other(sin(x))))))) == 2


def test_greatest_and_least_are_buckets_too_and_dtypes_stay_apart() -> None:
    x, n = of_type(5), of_type(5, dtype="i32")
    outs = [sin(psum(f(x), kind=k)) for k in ("max", "min") for f in (sin, lambda x: mul(x, x))]
    outs += [sin(psum(add(x, x))), add(psum(add(n, n)), n)]
    found = sorted(transfers(bucketed((x, n), tuple(outs))))
    assert found[:2] == [("max", "f32[21]"), ("min", "f32[21]")]
    assert found[2:] == [("sum", "f32[5]"), ("sum", "i32[5]")]


def test_a_transfer_stands_behind_what_makes_its_operand() -> None:
    """And what is computed in passing of that."""
    x = of_type(64, 64)
    first = dot_general(x, x, ((1,), (0,)), ((), ()))
    turned = permute(first, (1, 0))
    second = dot_general(x, turned, ((1,), (0,)), ((), ()))
    summed = psum(mul(turned, first)), psum(sin(second), "j")
    found = bucketed((x,), (add(*summed),))
    names = [n.op.name for n in found.nodes]
    assert names == [
        "dot_general", "permute", "mul", "transferred", "dot_general", "sin", "transferred", "add",
    ]  # fmt: skip


def test_sums_that_need_each_other_are_no_bucket() -> None:
    x = of_type(5)
    found = bucketed((x,), (sin(psum(add(sin(x), psum(mul(x, x))))),))
    assert len(transfers(found)) == 2


def test_nor_those_that_would_through_another_bucket() -> None:
    """The second sum needs the first greatest one, the second greatest one the first sum."""
    x, y = of_type(5), of_type(6)
    a, b = psum(sin(x)), psum(sin(y), kind="max")
    c, d = psum(sin(b)), psum(sin(a), kind="max")
    found = bucketed((x, y), (sin(c), sin(d)))
    assert len(transfers(found)) == 3


def test_a_bucket_is_full_and_small_ones_wait_for_their_neighbour() -> None:
    large, half, small = BUCKET_BYTES // 4, BUCKET_BYTES // 8, SMALL_BYTES // 4
    for sizes, wanted in [
        ((small, large, small, large), [small + large, small + large]),
        ((large, large), [large, large]),
        ((half, half, half), [2 * half, half]),
        ((half, large), [half, large]),
        ((16,) * (MOST_PIECES + 1), [16 * MOST_PIECES, 16]),
    ]:
        xs = [of_type(n) for n in sizes]
        graph = Graph.of("f", xs, [sin(psum(sin(x))) for x in xs])
        assert transfers(buckets(graph)) == [("sum", f"f32[{n}]") for n in wanted]


def test_arguments_and_results_join_only_where_they_are_small() -> None:
    """They would be copied."""
    large, small = of_type(SMALL_BYTES // 2), of_type(16)
    graph = Graph.of("f", (large, small), (sin(psum(large)), sin(psum(small)), psum(sin(small))))
    assert transfers(buckets(graph)) == [("sum", "f32[16384]"), ("sum", "f32[32]")]
    graph = Graph.of("f", (large, small), (psum(sin(large)), psum(sin(small)), sin(psum(small))))
    assert len(transfers(buckets(graph))) == 2


@pytest.mark.parametrize(
    ("kind", "shapes", "wanted"),
    [
        ("permute", [(4,), (2, 5)], "f32[26]"),
        ("gather", [(4,), (2, 5), ()], "f32[33]"),
        ("scatter", [(N, 4), (N, 2, 5), (N,)], "f32[3, 15]"),
        ("exchange", [(N, 4), (N, 2, 5)], "f32[3, 14]"),
    ],
)
def test_little_of_other_kinds_is_one_transfer_too(
    kind: str, shapes: list[tuple[int, ...]], wanted: str
) -> None:
    pairs = ((0, 2), (1, 0)) if kind == "permute" else ()
    xs = tuple(of_type(*s) for s in shapes)
    found = bucketed(xs, tuple(sin(psum(sin(x), "i", kind, pairs)) for x in xs))
    assert transfers(found) == [(kind, wanted)]


def test_much_that_has_a_part_for_each_process_is_not() -> None:
    xs = of_type(N, SMALL_BYTES // 4), of_type(N, SMALL_BYTES // 4)
    graph = Graph.of("f", xs, [sin(psum(sin(x), kind="scatter")) for x in xs])
    assert len(transfers(buckets(graph))) == 2


def test_a_graph_whose_transfers_stand_well_is_itself() -> None:
    x = of_type(5)
    graph = Graph.of("f", (x,), (sin(psum(sin(x))),))
    assert buckets(graph) is graph


def transferred_at_random(x: Value, rng: np.random.Generator) -> Value:
    kinds = "sum", "sum", "sum", "max", "permute", "gather", "scatter", "exchange"
    kind = kinds[rng.integers(8 if x.shape[:1] == (N,) else 6)]
    y = psum(x, "ij"[rng.integers(2)], kind, ((0, 1), (1, 2)) if kind == "permute" else ())
    return y if kind not in ("gather", "exchange") else reduce_sum(y, (0,))


def random_transfers(seed: int) -> Graph:
    """A graph with many transfers of small values that need each other in all ways."""
    rng = np.random.default_rng(seed)
    inputs = [of_type(*s) for s in ((4,), (3, 5), (), (16,))]
    made = list(inputs)
    for _ in range(rng.integers(8, 40)):
        x = made[rng.integers(len(made))]
        match rng.integers(5):
            case 0:
                made.append(sin(x))
            case 1:
                made.append(reduce_sum(x, tuple(range(x.type.ndim))))
            case 2:
                made.append(add(x, mul(x, x)))
            case _:
                made.append(transferred_at_random(x, rng))
    return Graph.of("f", inputs, made[-6:])


@pytest.mark.parametrize("start", range(0, 120, 40))
def test_random_graphs_keep_their_meaning(start: int) -> None:
    fewer = 0
    for seed in range(start, start + 40):
        graph = random_transfers(seed)
        found = verify(buckets(graph), "buckets", graph)
        check_meaning(graph, found)
        fewer += len(transfers(found)) < len(transfers(graph))
        assert str(buckets(graph)) == str(found)
    assert fewer > 10


# ---------------------------------------------------------------- memory


def planned(graph: Graph, frugal: bool = False) -> Plan:
    *_, last = optimised(graph)
    return buffers(schedule(begin_early(fuse(last.state))), frugal)


def packing(plan: Plan) -> list[str]:
    """The kernels that copy to what is sent, or from what has arrived."""
    sent = {
        v for _, w in plan.works if w.name == "start transferred" for v in (*w.reads, *w.written)
    }
    return [
        w.name
        for _, w in plan.works
        if w.name.startswith("copy") and not sent.isdisjoint((*w.reads, *w.written))
    ]


def step(loss: Callable[..., Any]) -> Callable[..., Any]:
    """One of gradient descent, on what all have."""

    def updated(parameters: Any, *data: Any) -> Any:
        found = wl.value_and_grad(loss)(parameters, *data)
        value_, slopes = tree.map(lambda x: new(psum(value(x))), found)
        return value_ / N, tree.map(lambda p, d: p - 0.1 * d, parameters, slopes)

    return updated


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def perceptron(ps: Any, x: Any, y: Any) -> Any:
    for w, b in ps:
        x = np.tanh(x @ w + b)
    return np.mean((x - y) ** 2)


def transformer(p: Any, x: Any) -> Any:
    h = p["embedding"][x]
    for block in p["blocks"]:
        a = (h - np.mean(h, -1, keepdims=True)) * block["scale"]
        q, k, v = (a @ w for w in block["heads"])
        scores = q @ np.swapaxes(k, 1, 2)
        e = np.exp(scores - np.max(scores, -1, keepdims=True))
        h = h + (e / np.sum(e, -1, keepdims=True)) @ v
        h = h + np.maximum(h @ block["up"] + block["bias"], 0) @ block["down"]
    return np.mean((h @ p["embedding"].T)[..., 0] ** 2)


def programs() -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
    sizes = 30, 50, 50, 10
    layers = [(normal(a, b), normal(b)) for a, b in itertools.pairwise(sizes)]
    block = {
        "scale": normal(24), "heads": [normal(24, 24) for _ in "qkv"],
        "up": normal(24, 50), "bias": normal(50), "down": normal(50, 24),
    }  # fmt: skip
    words = np.arange(24, dtype=np.int32).reshape(3, 8) % 11
    model = {"embedding": normal(11, 24), "blocks": [block, block]}
    return [(perceptron, (layers, normal(9, 30), normal(9, 10))), (transformer, (model, words))]


@pytest.mark.parametrize("loss", [0, 1])
def test_gradients_are_written_where_they_are_sent_from_and_read_where_they_arrive(
    loss: int,
) -> None:
    function, args = programs()[loss]
    graph = wl.trace(step(function), *args).graph
    assert len(transfers(graph)) > 6
    plan = planned(graph)
    assert packing(plan) == [] and plan.left_out
    (sent,) = [w for _, w in plan.works if w.name == "start transferred"]
    updates = [w for _, w in plan.works if sent.written[0] in w.reads and w.written[0].type.size]
    assert {v for w in updates for v in w.written} == set(graph_outputs(plan))
    assert all("sub" in w.name or w.written[0].shape == () for w in updates)


def begins(compiled: Compiled) -> list[str]:
    works = (w for _, w in compiled.plan.works)
    return [repr(w.node) for w in works if isinstance(w, StartWork)]


def test_a_budget_of_memory_moves_no_transfer_before_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BUCKET_BYTES", 4096)
    monkeypatch.setattr(module, "SMALL_BYTES", 256)
    function, args = programs()[1]
    graph = wl.trace(step(function), *args).graph
    lowering = Lowering.of(graph)
    free = lowering.compiled()
    assert len(begins(free)) > 4
    tight = lowering.compiled(budget=int(free.memory.nbytes * 0.77))
    assert begins(tight) == begins(free) and tight.memory.nbytes <= 0.77 * free.memory.nbytes
    with alike_world():
        results = [c.program(tuple(tree.leaves(args))) for c in (free, tight)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def graph_outputs(plan: Plan) -> tuple[Value, ...]:
    return plan.graph.outputs
