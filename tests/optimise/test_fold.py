"""Constants of constants."""

import numpy as np

from tests.texts import expect
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.ops.elementwise import cast
from wonderland.compiler.ops.source import constant
from wonderland.compiler.optimise.fold import LIMIT, fold
from wonderland.compiler.transform.interpreter import interpret


def test_numbers_are_computed_whatever_the_shape():
    before = """
        def f(a: f32[100, 50]):
            b: f32 = full(value=3.0, of=f32)
            c: f32[50] = broadcast(b, shape=(50,), axes=(0,))
            d: f32[50] = sqrt(c)
            e: f32[100, 50] = broadcast(d, shape=(100, 50), axes=(0,))
            f: f32[100, 50] = mul(a, e)
            return f"""
    after = """
        def f(a: f32[100, 50]):
            b: f32[100, 50] = full(value=1.7320507764816284, of=f32[100, 50])
            c: f32[100, 50] = mul(a, b)
            return c"""
    expect(fold, before, after)


def test_padding_with_another_number_is_kept():
    text = """
        def f():
            a: f32[90] = full(value=1.0, of=f32[90])
            b: f32[92] = pad(a, low=(1,), high=(1,), value=0.0)
            return b"""
    expect(fold, text, text)
    same = text.replace("value=0.0", "value=1.0")
    expect(fold, same, "def f():\n    a: f32[92] = full(value=1.0, of=f32[92])\n    return a")


def test_minus_zero_is_not_zero():
    text = """
        def f():
            a: f32[90] = full(value=-0.0, of=f32[90])
            b: f32[92] = pad(a, low=(1,), high=(1,), value=0.0)
            return b"""
    expect(fold, text, text)


def test_small_results_are_computed_and_large_ones_are_not():
    before = """
        def f():
            a: i32[4] = iota(of=i32[4], axis=0)
            b: i32 = sum(a, axes=(0,))
            c: i32[100] = iota(of=i32[100], axis=0)
            d: i32 = sum(c, axes=(0,))
            return b, d"""
    after = """
        def f():
            a: i32 = full(value=6, of=i32)
            b: i32[100] = iota(of=i32[100], axis=0)
            c: i32 = sum(b, axes=(0,))
            return a, c"""
    assert 4 <= LIMIT < 100
    expect(fold, before, after)


def test_order_is_kept():
    text = """
        def f():
            a: f32 = full(value=1.0, of=f32)
            b: f32 = after(a, a)
            return b"""
    expect(fold, text, text)


def test_an_array_of_one_number_becomes_the_number():
    graph = Graph.of("f", (), (constant(np.ones((30, 40), np.float32)), constant(np.arange(2))))
    assert [n.op.name for n in fold(graph).nodes] == ["full", "constant"]


def test_a_constant_is_cast_to_less_bytes_and_not_to_more():
    wide, narrow = np.linspace(0, 1, 99), np.linspace(0, 1, 99, dtype=np.float32)
    graph = Graph.of("f", (), (cast(constant(wide), "f32"), cast(constant(narrow), "f64")))
    found = fold(graph)
    assert [n.op.name for n in found.nodes] == ["constant", "constant", "cast"]
    for got, want in zip(interpret(found), interpret(graph), strict=True):
        np.testing.assert_array_equal(got, want)
