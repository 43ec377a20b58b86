"""Laws applied to programs."""

import functools

import pytest

from tests.texts import expect
from wonderland.compiler.ir.errors import CompilerError
from wonderland.compiler.ir.graph import Node
from wonderland.compiler.ir.text import parse
from wonderland.compiler.optimise.law import Law, law
from wonderland.compiler.optimise.simplify import simplify


def test_laws_apply_until_none_matches():
    before = """
        def f(a: f32[3], b: f32[3]):
            c: f32[3] = full(value=1.0, of=f32[3])
            d: f32[3] = mul(c, a)  # model.py:3 d
            e: f32[3] = neg(b)
            f: f32[3] = neg(e)
            g: f32[3] = neg(f)
            h: f32[3] = add(g, d)  # model.py:7 h
            return h"""
    after = """
        def f(a: f32[3], b: f32[3]):
            c: f32[3] = sub(a, b)  # model.py:7 h
            return c"""
    expect(simplify, before, after)


def test_views_of_views_are_one_view():
    before = """
        def f(a: f32[2, 3, 4]):
            b: f32[3, 4, 2] = permute(a, axes=(1, 2, 0))
            c: f32[2, 3, 4] = permute(b, axes=(2, 0, 1))
            d: f32[6, 4] = reshape(c, shape=(6, 4))
            e: f32[24] = reshape(d, shape=(24,))
            f: f32[10] = slice(e, start=(1,), stop=(21,), step=(2,))
            g: f32[3] = slice(f, start=(2,), stop=(8,), step=(2,))
            return g"""
    after = """
        def f(a: f32[2, 3, 4]):
            b: f32[24] = reshape(a, shape=(24,))
            c: f32[3] = slice(b, start=(5,), stop=(14,), step=(4,))
            return c"""
    expect(simplify, before, after)


def test_a_zero_is_kept_where_minus_zero_would_change():
    text = """
        def f(a: f32):
            b: f32 = full(value=0.0, of=f32)
            c: f32 = add(a, b)
            return c"""
    expect(simplify, text, text)
    expect(functools.partial(simplify, exact=False), text, "def f(a: f32):\n    return a")


def test_only_laws_that_may_match_are_looked_at(monkeypatch):
    looked: list[str] = []
    own = Law.__call__
    monkeypatch.setattr(Law, "__call__", lambda law, v: looked.append(law.name) or own(law, v))
    text = "\n".join(
        ["def f(a: f32[3]):", "    b0: f32[3] = sin(a)"]
        + [f"    b{k + 1}: f32[3] = mul(b{k}, a)" for k in range(9)]
        + ["    c: f32[3] = full(value=2.0, of=f32[3])", "    d: f32[3] = mul(b9, c)"]
        + ["    return d"]
    )
    simplify(parse(text))
    assert looked == ["mul_one", "mul_minus_one"]


def test_the_side_that_matched_is_not_made_again(monkeypatch):
    made: list[str] = []
    own = Node.__init__
    monkeypatch.setattr(
        Node, "__init__", lambda node, op, *args: made.append(op.name) or own(node, op, *args)
    )
    text = """
        def f(a: f32[3], b: f32[3]):
            c: f32[3] = neg(b)
            d: f32[3] = add(a, c)
            e: f32[1, 3] = reshape(d, shape=(1, 3))
            return e"""
    graph = parse(text)
    made.clear()
    simplify(graph)
    assert made == ["sub"]


def test_order_is_kept():
    text = """
        def f(a: f32, b: f32):
            c: f32 = after(a, b)
            d: f32 = after(c)
            return d"""
    expect(simplify, text, text)


def test_laws_that_do_not_end_are_a_fault_of_the_compiler(monkeypatch):
    monkeypatch.setattr("wonderland.compiler.optimise.law.LAWS", [])

    @law(exact=True)
    def growing(x, y):
        return x / y, lambda: -(-x / y)

    monkeypatch.setattr("wonderland.compiler.optimise.simplify.LAWS", [growing])
    graph = parse("def f(a: f64, b: f64):\n    c: f64 = div(a, b)\n    return c")
    with pytest.raises(CompilerError, match="simplify: the laws do not end"):
        simplify(graph)
