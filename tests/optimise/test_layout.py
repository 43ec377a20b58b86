"""Layout: products in the order in which they are read."""

import itertools

import numpy as np
import pytest

from tests.texts import expect
from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops import dot_general, permute
from wonderland.compiler.ops.contract import DotGeneral
from wonderland.compiler.optimise import layout as module
from wonderland.compiler.optimise.layout import layout
from wonderland.compiler.transform.interpreter import interpret


def test_a_product_that_is_read_transposed_is_the_transposed_product():
    expect(
        layout,
        """
        def f(a: f32[30, 50], b: f32[50, 40]):
            c: f32[30, 40] = dot_general(a, b, contracting=((1,), (0,)), batching=((), ()))
            d: f32[40, 30] = permute(c, axes=(1, 0))
            return d""",
        """
        def f(a: f32[30, 50], b: f32[50, 40]):
            c: f32[40, 30] = dot_general(b, a, contracting=((0,), (1,)), batching=((), ()))
            return c""",
    )


def test_a_product_with_many_matrices_is_one_for_each():
    expect(
        layout,
        """
        def f(a: f32[30, 50], b: f32[8, 50, 40]):
            c: f32[30, 8, 40] = dot_general(a, b, contracting=((1,), (1,)), batching=((), ()))
            d: f32[8, 30, 40] = permute(c, axes=(1, 0, 2))
            return d""",
        """
        def f(a: f32[30, 50], b: f32[8, 50, 40]):
            c: f32[8, 30, 50] = broadcast(a, shape=(8, 30, 50), axes=(0,))
            d: f32[8, 30, 40] = dot_general(c, b, contracting=((2,), (1,)), batching=((0,), (0,)))
            return d""",
    )


def test_a_product_that_is_also_read_as_it_stands_stays():
    text = """
        def f(a: f32[30, 50], b: f32[8, 50, 40]):
            c: f32[30, 8, 40] = dot_general(a, b, contracting=((1,), (1,)), batching=((), ()))
            d: f32[8, 30, 40] = permute(c, axes=(1, 0, 2))
            return d, c"""
    expect(layout, text, text)


def test_a_small_product_is_a_sum():
    expect(
        layout,
        """
        def f(a: f32[3, 5], b: f32[5, 4]):
            c: f32[3, 4] = dot_general(a, b, contracting=((1,), (0,)), batching=((), ()))
            return c""",
        """
        def f(a: f32[3, 5], b: f32[5, 4]):
            c: f32[4, 5] = permute(b, axes=(1, 0))
            d: f32[3, 4, 5] = broadcast(a, shape=(3, 4, 5), axes=(1,))
            e: f32[3, 4, 5] = broadcast(c, shape=(3, 4, 5), axes=(0,))
            f: f32[3, 4, 5] = mul(d, e)
            g: f32[3, 4] = sum(f, axes=(2,))
            return g""",
    )


def test_what_is_computed_is_summed_in_its_own_order():
    expect(
        layout,
        """
        def f(a: f32[1, 5], b: f32[5, 4]):
            c: f32[5, 4] = exp(b)
            d: f32[1, 4] = dot_general(a, c, contracting=((1,), (0,)), batching=((), ()))
            return d, c""",
        """
        def f(a: f32[1, 5], b: f32[5, 4]):
            c: f32[5, 4] = exp(b)
            d: f32[1, 5, 4] = broadcast(a, shape=(1, 5, 4), axes=(2,))
            e: f32[1, 5, 4] = broadcast(c, shape=(1, 5, 4), axes=(0,))
            f: f32[1, 5, 4] = mul(d, e)
            g: f32[1, 4] = sum(f, axes=(1,))
            return g, c""",
    )
    expect(
        layout,
        """
        def f(a: f32[5, 4, 3], b: f32[3, 5, 1]):
            c: f32[5, 4, 3] = exp(a)
            d: f32[3, 4, 1] = dot_general(c, b, contracting=((0,), (1,)), batching=((2,), (0,)))
            return d""",
        """
        def f(a: f32[5, 4, 3], b: f32[3, 5, 1]):
            c: f32[5, 4, 3] = exp(a)
            d: f32[3, 5, 4] = permute(c, axes=(2, 0, 1))
            e: f32[3, 5, 4, 1] = broadcast(d, shape=(3, 5, 4, 1), axes=(3,))
            f: f32[3, 5, 4, 1] = broadcast(b, shape=(3, 5, 4, 1), axes=(2,))
            g: f32[3, 5, 4, 1] = mul(e, f)
            h: f32[3, 4, 1] = sum(g, axes=(1,))
            return h""",
    )


def test_products_of_vectors_are_sums_and_of_a_vector_and_a_small_matrix():
    def ops(*shapes: tuple[int, ...]) -> set[str]:
        lhs, rhs = (Value(Type("f32", s)) for s in shapes)
        batch = tuple(range(len(lhs.shape) - 2))
        contracting = (len(lhs.shape) - 1,), (len(rhs.shape) - 2,)
        out = dot_general(lhs, rhs, contracting, (batch, batch))
        return {n.op.name for n in layout(Graph.of("f", (lhs, rhs), (out,))).nodes}

    assert "dot_general" not in ops((1, 9000), (9000, 1)) | ops((7, 1, 900), (7, 900, 1))
    assert "dot_general" not in ops((1, 64), (64, 64)) | ops((64, 64), (64, 1))
    assert "dot_general" in ops((1, 64), (64, 65)) & ops((65, 64), (64, 1))
    assert "dot_general" not in ops((8, 8), (8, 8)) and "dot_general" in ops((8, 9), (9, 8))
    assert "dot_general" not in ops((64, 1), (1, 64))  # every element is one product


@pytest.mark.parametrize("depth", [1, 6, 600])
def test_products_of_every_order_keep_their_meaning(depth: int):
    rng = np.random.default_rng(0)
    for batches, rows, columns in itertools.product(range(2), range(1, 3), range(1, 3)):
        lhs = Value(Type("f64", (*(2, 3, 4, 5)[: batches + rows], depth)))
        rhs = Value(Type("f64", (*(2,) * batches, depth, *(4, 5)[:columns])))
        pair = (batches + rows,), (batches,)
        batch = tuple(range(batches))
        for axes in itertools.permutations(range(batches + rows + columns)):
            out = permute(dot_general(lhs, rhs, pair, (batch, batch)), axes)
            graph = Graph.of("f", (lhs, rhs), (out,))
            arrays = [rng.normal(size=v.shape) for v in graph.inputs]
            found = interpret(verify(layout(graph)), *arrays)
            np.testing.assert_allclose(found[0], interpret(graph, *arrays)[0], 1e-12, 1e-12)


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_a_vector_for_each_of_matrices_one_through_another_is_a_sum_in_the_order_of_memory(
    order: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "STREAMED_BYTES", 0)
    sizes = (2, 3, 70, 80)  # batch, heads, keys, depth
    x = Value(Type("f32", tuple(sizes[d] for d in order)))
    q = Value(Type("f32", (3, 1, 2, 80)))
    axes = tuple(order.index(d) for d in range(4))
    matrix, rng = permute(x, axes), np.random.default_rng(0)
    scores = dot_general(q, matrix, ((3,), (3,)), ((2, 0), (0, 1)))
    back = dot_general(permute(matrix, (1, 2, 0, 3)), scores, ((1,), (3,)), ((2, 0), (0, 1)))
    graph = Graph.of("f", (q, x), (scores, back))
    found = layout(graph)
    verify(found, "layout", graph)
    through = any(order.index(d) > order.index(k) for d in (0, 1) for k in (2, 3))
    assert through != any(isinstance(n.op, DotGeneral) for n in found.nodes)
    arrays = [rng.standard_normal(v.shape).astype(np.float32) for v in graph.inputs]
    for got, want in zip(interpret(found, *arrays), interpret(graph, *arrays), strict=True):
        np.testing.assert_allclose(got, want, 1e-4, 1e-4)
