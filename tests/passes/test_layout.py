"""Layout: products in the order in which they are read."""

import itertools

import numpy as np

from tests.passes.texts import expect
from wonderland.compiler.interpreter import interpret
from wonderland.compiler.ir import Graph, Value
from wonderland.compiler.ops import dot_general, permute
from wonderland.compiler.passes.layout import layout
from wonderland.compiler.types import Type
from wonderland.compiler.verify import verify


def test_a_product_that_is_read_transposed_is_the_transposed_product():
    expect(
        layout,
        """
        def f(a: f32[3, 5], b: f32[5, 4]):
            c: f32[3, 4] = dot_general(a, b, contracting=((1,), (0,)), batching=((), ()))
            d: f32[4, 3] = permute(c, axes=(1, 0))
            return d""",
        """
        def f(a: f32[3, 5], b: f32[5, 4]):
            c: f32[4, 3] = dot_general(b, a, contracting=((0,), (1,)), batching=((), ()))
            return c""",
    )


def test_a_product_with_many_matrices_is_one_for_each():
    expect(
        layout,
        """
        def f(a: f32[3, 5], b: f32[8, 5, 4]):
            c: f32[3, 8, 4] = dot_general(a, b, contracting=((1,), (1,)), batching=((), ()))
            d: f32[8, 3, 4] = permute(c, axes=(1, 0, 2))
            return d""",
        """
        def f(a: f32[3, 5], b: f32[8, 5, 4]):
            c: f32[8, 3, 5] = broadcast(a, shape=(8, 3, 5), axes=(0,))
            d: f32[8, 3, 4] = dot_general(c, b, contracting=((2,), (1,)), batching=((0,), (0,)))
            return d""",
    )


def test_a_product_that_is_also_read_as_it_stands_stays():
    text = """
        def f(a: f32[3, 5], b: f32[8, 5, 4]):
            c: f32[3, 8, 4] = dot_general(a, b, contracting=((1,), (1,)), batching=((), ()))
            d: f32[8, 3, 4] = permute(c, axes=(1, 0, 2))
            return d, c"""
    expect(layout, text, text)


def test_products_of_every_order_keep_their_meaning():
    rng = np.random.default_rng(0)
    for batches, rows, columns in itertools.product(range(2), range(1, 3), range(1, 3)):
        lhs = Value(Type("f64", (*(2, 3, 4, 5)[: batches + rows], 6)))
        rhs = Value(Type("f64", (*(2,) * batches, 6, *(4, 5)[:columns])))
        pair = (batches + rows,), (batches,)
        batch = tuple(range(batches))
        for axes in itertools.permutations(range(batches + rows + columns)):
            out = permute(dot_general(lhs, rhs, pair, (batch, batch)), axes)
            graph = Graph.of("f", (lhs, rhs), (out,))
            arrays = [rng.normal(size=v.shape) for v in graph.inputs]
            found = interpret(verify(layout(graph)), *arrays)
            np.testing.assert_allclose(found[0], interpret(graph, *arrays)[0], 1e-12, 1e-12)
