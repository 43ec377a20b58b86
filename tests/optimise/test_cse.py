"""One node for equal ones."""

from tests.texts import expect
from wonderland.compiler.ir.text import parse
from wonderland.compiler.optimise.cse import cse
from wonderland.compiler.optimise.dead import dead


def test_equal_nodes_are_one_and_operands_of_sums_come_in_any_order():
    before = """
        def f(a: f32[3], b: f32[3]):
            c: f32[3] = add(a, b)  # model.py:1 c
            d: f32[3] = add(b, a)  # model.py:2 d
            e: f32[3] = sub(a, b)
            f: f32[3] = sub(b, a)
            g: f32[3] = mul(c, d)
            return g, e, f"""
    after = """
        def f(a: f32[3], b: f32[3]):
            c: f32[3] = add(a, b)  # model.py:1 c
            d: f32[3] = sub(a, b)
            e: f32[3] = sub(b, a)
            f: f32[3] = mul(c, c)
            return f, d, e"""
    expect(cse, before, after)


def test_numbers_are_equal_by_their_bits():
    text = """
        def f(a: f64):
            b: f64 = full(value=0.0, of=f64)
            c: f64 = full(value=-0.0, of=f64)
            d: f64 = add(a, b)
            e: f64 = add(a, c)
            return d, e"""
    expect(cse, text, text)
    nan = text.replace("-0.0", "nan").replace("0.0", "nan")
    assert len(cse(parse(nan)).nodes) == 2


def test_a_recomputation_does_not_merge_with_what_it_repeats():
    text = """
        def f(a: f32, b: f32):
            c: f32 = sin(a)
            d: f32 = after(a, b)
            e: f32 = sin(d)
            return c, e"""
    expect(cse, text, text)


def test_dead_nodes_go_and_inputs_stay():
    before = """
        def f(a: f32, b: f32):
            c: f32 = sin(b)
            d: f32 = cos(c)
            e: f32 = neg(a)
            return e"""
    after = """
        def f(a: f32, b: f32):
            c: f32 = neg(a)
            return c"""
    expect(dead, before, after)
