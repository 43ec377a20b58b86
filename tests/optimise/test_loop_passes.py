"""Passes on programs with loops and branches."""

import numpy as np

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.ir.printing import print_graph
from wonderland.compiler.ir.text import parse
from wonderland.compiler.optimise.cse import cse
from wonderland.compiler.optimise.dead import dead
from wonderland.compiler.optimise.fold import fold
from wonderland.compiler.optimise.hoist import hoist
from wonderland.compiler.optimise.simplify import simplify
from wonderland.compiler.optimise.sink import sink

X = np.linspace(0.1, 1, 12).reshape(4, 3)


def loops(graph: Graph, name: str):
    return [n for n in graph.nodes if n.op.name == name]


def test_carries_sequences_and_stacks_that_no_result_needs_are_gone():
    def f(x, y):
        def step(c, e):
            a, b, fixed, n = c
            new = a * fixed + e["x"], b + e["y"], fixed, n + 1
            return new, {"a": a, "b": b, "x": e["x"], "again": a, "n": n}

        (a, *_), ys = lax.scan(step, (0.0, 0.0, 2.0, 0), {"x": x, "y": y})
        return a, ys["a"], ys["again"], ys["x"]

    before = wl.trace(f, X[:, 0], X[:, 1]).graph
    after = dead(before)
    (loop,) = loops(after, "scan")
    assert (loop.op.params["consts"], loop.op.params["carries"]) == (1, 1)
    assert len(loop.args) == 3 and len(loop.values) == 2
    assert after.outputs[1] is after.outputs[2] and after.outputs[3] is after.inputs[0]


def test_a_while_loop_keeps_what_its_condition_needs():
    def f(x):
        step = lambda c: (c[0] + 1, c[1] * c[2], c[2], c[3] + c[1])  # noqa: E731
        return lax.while_loop(lambda c: c[0] < 3, step, (0, x, 2.0, x))[1]

    (loop,) = loops(dead(wl.trace(f, 1.5).graph), "while_loop")
    assert loop.op.params["consts"] == 1 and len(loop.values) == 2
    assert wl.jit(f)(1.5) == 12


def test_a_branch_gives_what_is_read_only():
    def f(p, x, y):
        a, _, same = lax.cond(p, lambda x, y: (x + 1, y, y), lambda x, y: (x * 2, x, y), x, y)
        return a, same

    graph = dead(wl.trace(f, True, 1.0, 2.0).graph)
    (node,) = loops(graph, "switch")
    assert len(node.args) == 2 and len(node.values) == 1 and graph.outputs[1] is graph.inputs[2]


def test_what_is_left_of_nested_loops_is_what_is_needed():
    def f(x):
        def outer(c, row):
            inner = lambda s, e: ((s[0] + e, s[1] * e), s[1])  # noqa: E731
            (s, t), ts = lax.scan(inner, (0.0, 1.0), row)
            return c + s, (t, ts)

        return lax.scan(outer, 0.0, x)[0]

    (loop,) = loops(dead(wl.trace(f, X).graph), "scan")
    body = loop.op.params["body"]
    (inner,) = loops(body, "scan")
    assert len(loop.values) == len(inner.values) == 1


TEXT = """
def f(a: f64[3], b: f64[4, 3]):
    def step(a: f64[3], b: f64[3], c: f64[3]):
        d: f64[3] = mul(b, a)
        return d, c, d
    c: (f64[3], f64[4, 3], f64[4, 3]) = scan(a, a, b, body=step, consts=1, carries=1, length=4, \
reverse=False)
    return c[0], c[1]
"""
AFTER = """
def f(a: f64[3], b: f64[4, 3]):
    def step(a: f64[3], b: f64[3]):
        c: f64[3] = mul(b, a)
        return c
    c: f64[3] = scan(a, a, body=step, consts=1, carries=1, length=4, reverse=False)
    return c, b
"""


def test_dead_code_of_a_loop_as_text():
    assert print_graph(dead(parse(TEXT))) == AFTER.strip()


# ---------------------------------------------------------------- sink and hoist


def test_zeros_and_repeated_arrays_go_into_the_loop():
    def f(x, y):
        fixed = np.zeros(3), np.broadcast_to(x, (4, 3)), np.ones((4, 3))

        def step(c, e):
            return c * e[0] + e[1] + e[2] * x + fixed[0], None

        return lax.scan(step, x, (y, fixed[1], fixed[2]))[0]

    graph = cse(simplify(fold(sink(dead(wl.trace(f, X[0], X).graph)))))
    (loop,) = loops(graph, "scan")
    assert {v.type for v in loop.args} == {v.type for v in graph.inputs}
    np.testing.assert_allclose(wl.jit(f)(X[0], X), f(X[0], X))


def test_a_branch_of_known_index_is_its_body():
    graph = sink(wl.trace(lambda x: lax.cond(True, np.sin, np.cos, x), 1.0).graph)
    graph = sink(cse(fold(graph)))
    assert [n.op.name for n in graph.nodes if n.op.name not in ("full", "cast")] == ["sin"]


def body_ops(f, *args) -> list[str]:
    (loop,) = loops(hoist(cse(wl.trace(f, *args).graph)), "scan")
    return [n.op.name for n in loop.op.params["body"].nodes]


def test_small_work_that_is_the_same_in_every_turn_leaves_the_loop():
    def f(a, x):
        return lax.scan(lambda c, e: (c * np.exp(a) + e, None), 0.0, x)[0]

    assert body_ops(f, 0.5, X[:, 0]) == ["mul", "add"]
    np.testing.assert_allclose(wl.jit(f)(0.5, X[:, 0]), f(0.5, X[:, 0]))


def test_large_cheap_work_stays_and_sums_of_large_arrays_leave():
    w = np.ones((200, 200))

    def cheap(w, x):
        return lax.scan(lambda c, e: (c @ (w + 1.0) + e, None), x[0], x)[0]

    def summed(w, x):
        return lax.scan(lambda c, e: (c * np.sum(w * w, 0) + e, None), x[0], x)[0]

    x = np.ones((3, 200))
    assert "add" in body_ops(cheap, w, x)[:3] and "sum" not in body_ops(summed, w, x)


def test_work_leaves_several_loops_and_the_condition_of_a_while_loop():
    def f(a, x):
        def outer(c, row):
            return lax.scan(lambda s, e: (s + e * np.exp(a), None), c, row)[0], None

        return lax.scan(outer, 0.0, x)[0]

    graph = hoist(cse(wl.trace(f, 0.5, X).graph))
    assert "exp" in [n.op.name for n in graph.nodes]

    def g(a, x):
        return lax.while_loop(lambda x: x < np.exp(a), lambda x: x * 2.0 + np.sin(a), x)

    graph = hoist(cse(wl.trace(g, 3.0, 1.0).graph))
    assert {"exp", "sin"} <= {n.op.name for n in graph.nodes}
    np.testing.assert_allclose(wl.jit(g)(3.0, 1.0), g(3.0, 1.0))
