"""Batching: a batch of a graph is a loop of it, and what is the same for all is made once."""

import numpy as np
import pytest

from tests.programs.random_graphs import random_arrays, random_graph
from wonderland.compiler.ir.errors import CompilerError
from wonderland.compiler.ir.graph import Graph, Op, Value, apply_all
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ir.types import HALVES, Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops import add, mul, sin
from wonderland.compiler.transform.batch import batch, lifted
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.jvp import jvp

F, B = Type("f64", (3,)), Type("f64", (2, 3))
GROUP = 100


def rows_of(graph: Graph, seed: int, marks: list[bool], size: int) -> list[np.ndarray]:
    """Arrays for the graph, of the marked inputs `size` of them."""
    draws = [random_arrays(graph, seed + k) for k in range(size)]
    return [np.stack([d[i] for d in draws]) if yes else draws[0][i] for i, yes in enumerate(marks)]


def looped(graph: Graph, arrays: list[np.ndarray], marks: list[bool], size: int):
    return [
        interpret(graph, *(a[k] if yes else a for a, yes in zip(arrays, marks, strict=True)))
        for k in range(size)
    ]


@pytest.mark.parametrize("start", range(0, 400, GROUP))
def test_a_batch_of_random_graphs_is_a_loop(start: int):
    for seed in range(start, start + GROUP):
        graph = random_graph(seed)
        rng = np.random.default_rng(seed)
        marks = [bool(m) for m in rng.integers(0, 3, len(graph.inputs)) > 0]
        made, wide = batch(graph, marks, 3)
        verify(made)
        arrays = rows_of(graph, seed, marks, 3)
        rows = looped(graph, arrays, marks, 3)
        for k, (found, yes) in enumerate(zip(interpret(made, *arrays), wide, strict=True)):
            expected = np.stack([r[k] for r in rows])
            found = found if yes else np.stack([found] * 3)
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            # products and sums may round in another order, halves to another neighbour
            close = 1e-2 if any(v.dtype in HALVES for v in graph.values) else 1e-4
            message = f"seed {seed}, batched {marks}\n{graph}"
            found, expected = (x.astype(np.result_type(x, np.float64)) for x in (found, expected))
            np.testing.assert_allclose(found, expected, close, close, err_msg=message)


def test_the_tangent_of_a_batch_is_the_batch_of_the_tangent():
    for seed in range(150):
        graph = random_graph(seed, halves=False, nodes=8)
        wrt = [v.type.is_inexact for v in graph.inputs]
        marks = [True] * len(wrt)
        arrays = rows_of(graph, seed, marks, 2)
        rng = np.random.default_rng(seed)
        dx = [
            rng.normal(size=a.shape).astype(a.dtype)
            for a, yes in zip(arrays, wrt, strict=True)
            if yes
        ]
        every = [True] * len(graph.outputs)
        first = jvp(batch(graph, marks, 2, every)[0], wrt)
        both = jvp(graph, wrt)
        second, _ = batch(both, [True] * len(both.inputs), 2, [True] * len(both.outputs))
        for x, y in zip(
            interpret(first, *arrays, *dx), interpret(verify(second), *arrays, *dx), strict=True
        ):
            np.testing.assert_allclose(x, y, 1e-4, 1e-4, err_msg=f"seed {seed}\n{graph}")


# ---------------------------------------------------------------- texts


def test_what_is_the_same_for_all_is_made_once():
    graph = parse("""
        def f(a: f64[3], b: f64[3]):
            c: f64[3] = sin(a)
            d: f64[3] = mul(c, b)
            e: f64[3] = exp(c)
            return d, e""")
    found, wide = batch(graph, (False, True), 2)
    assert wide == (True, False)
    assert (
        str(found)
        == """\
def f_batch(a: f64[3], b: f64[2, 3]):
    c: f64[3] = sin(a)
    d: f64[2, 3] = broadcast(c, shape=(2, 3), axes=(0,))
    e: f64[2, 3] = mul(d, b)
    f: f64[3] = exp(c)
    return e, f"""
    )


def test_forced_outputs_are_repeated():
    graph = Graph.of("f", (x := Value(F),), (sin(x), x))
    found, wide = batch(graph, (False,), 2, (True, False))
    assert wide == (True, False)
    assert [v.type for v in found.outputs] == [B, F]


def test_a_product_of_rows_with_one_matrix_stays_one_product():
    graph = parse("""
        def f(a: f32[3], b: f32[3, 4]):
            c: f32[4] = dot_general(a, b, contracting=((0,), (0,)), batching=((), ()))
            return c""")
    assert (
        str(batch(graph, (True, False), 7)[0])
        == """\
def f_batch(a: f32[7, 3], b: f32[3, 4]):
    c: f32[7, 4] = dot_general(a, b, contracting=((1,), (0,)), batching=((), ()))
    return c"""
    )


def test_a_batched_node_has_the_source_of_its_node():
    graph = parse("""
        def f(a: f64[2], b: f64[2]):
            c: f64[2] = add(a, b)  # model.py:7 y
            return c""")
    assert {str(n.source) for n in batch(graph, (True, False), 2)[0].nodes} == {"model.py:7 y"}


# ---------------------------------------------------------------- rules


class Unbatched(Op, abstract=True):
    """x"""

    name = "unbatched"

    def type(self, *args: Type):
        return args[0]


class Askew(Unbatched, abstract=True):
    """x, with a wrong batch rule"""

    name = "askew"

    def batch(self, node, args, batched, size):
        return (Value(Type("f64", (size, size))),)


def test_an_op_without_a_rule_or_with_a_wrong_one_is_named():
    for op, error in (
        (Unbatched(), "op 'unbatched' has no batch rule"),
        (Askew(), r"batch: 'askew' gives f64\[3\] as f64\[2, 2\], f64\[2, 3\] is required"),
    ):
        x = Value(F)
        graph = Graph("f", (x,), (node := apply_all(op, x)[0].node,), node.values)  # type: ignore
        with pytest.raises(CompilerError, match=error):
            batch(graph, (True,), 2)


class Call(Op, abstract=True):
    """The outputs of `body`."""

    name = "called"
    body: Graph

    def type(self, *args: Type):
        return self.body.types[1]

    def reference(self, *args: np.ndarray):
        return interpret(self.body, *args)

    def batch(self, node, args, batched, size):
        return apply_all(Call(batch(self.body, batched, size)[0]), *args)


def test_an_op_that_holds_a_graph_batches_its_body(monkeypatch):
    monkeypatch.setitem(Op.registry, "called", Call)
    x, y = Value(F), Value(F)
    body = Graph.of("body", (x, y), (mul(sin(x), y), sin(x)))
    a, b = Value(F), Value(F)
    p, q = apply_all(Call(body), a, b)
    graph = Graph.of("f", (a, b), (add(p, q), q))
    found, wide = batch(graph, (False, True), 2)
    assert wide == (True, False) and parse(str(verify(found))) == found
    u, v = np.arange(3.0), np.arange(6.0).reshape(2, 3)
    first, second = interpret(found, u, v)
    np.testing.assert_array_equal(first, np.sin(u) * v + np.sin(u))
    np.testing.assert_array_equal(second, np.sin(u))


def test_the_type_of_a_batch_has_one_more_axis():
    assert lifted(F, 2) == B
